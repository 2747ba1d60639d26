/* Roles of conversations, and what is learned of them.
 * SPDX-License-Identifier: Apache-2.0 */
#include "text/turns.h"

#include <string.h>

static const char *const names[TURN_MARKERS] = { "system", "user", "assistant", "end_of_turn" };

const char *turn_name(enum turn turn)
{
	return (unsigned)turn < TURN_MARKERS ? names[turn] : "?";
}

bool turn_from_name(const char *name, enum turn *turn_out)
{
	for (int turn = 0; turn < TURN_ROLES; turn++) {
		if (strcmp(name, names[turn]) == 0) {
			*turn_out = (enum turn)turn;
			return true;
		}
	}
	return false;
}

/* The letter, and the blank before it where that is a token of its own. */
static void find_letter(int32_t blank, int64_t count, const int32_t *ids, uint8_t *learned)
{
	for (int64_t i = 0; i < count; i++)
		learned[i] = i == count - 1 || (i == count - 2 && ids[i] == blank);
}

static void find_answers(int32_t markers, const int32_t *ids, int64_t count, uint8_t *learned)
{
	bool answer = false; /* inside of what the assistant says */
	for (int64_t i = 0; i < count; i++) {
		bool marker = turns_is_marker(markers, ids[i]);
		learned[i] = answer && (!marker || ids[i] == markers + TURN_END);
		if (marker)
			answer = ids[i] == markers + TURN_ASSISTANT;
	}
}

void turns_find_learned(const struct learned_rule *rule, int32_t end_of_text, const int32_t *ids, int64_t count,
                        uint8_t *learned)
{
	bool ended = count > 0 && ids[count - 1] == end_of_text;
	for (int64_t i = 0; i < count; i++)
		learned[i] = 1;
	if (rule->blank > 0) {
		find_letter(rule->blank - 1, count - ended, ids, learned);
		if (ended)
			learned[count - 1] = 0;
	} else if (count > 0 && turns_is_marker(rule->markers, ids[0]) && ids[0] != rule->markers + TURN_END) {
		find_answers(rule->markers, ids, count, learned);
	}
}
