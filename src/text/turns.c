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

void turns_find_learned(const int32_t *ids, int64_t count, int32_t markers, uint8_t *learned)
{
	bool conversation = count > 0 && turns_is_marker(markers, ids[0]);
	bool answer = false; /* inside of what the assistant says */
	memset(learned, conversation ? 0 : 1, (size_t)count);
	for (int64_t i = 0; i < count && conversation; i++) {
		learned[i] = answer;
		if (turns_is_marker(markers, ids[i]))
			answer = ids[i] == markers + TURN_ASSISTANT;
	}
}
