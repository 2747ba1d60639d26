/* What is told of questions: those that are not asked as they are, and what letters have of the probability.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "roles/recall.h"

const char *recall_say_listed(const struct recall_answers *answers, char *buffer, size_t size)
{
	buffer[0] = '\0';
	if (!isnan(answers->listed))
		snprintf(
			buffer, size,
			"; the letters have %.1f %% of the probability, one is the most probable answer in %.1f %% or more",
			100 * answers->listed, 100 * answers->valid);
	return buffer;
}

/* How many questions of the set are marked in `too_long`, or else in `cut`, and what the first are called. */
static int64_t name_questions(const struct recall_set *set, const uint8_t *too_long, const int64_t *cut, char *names,
                              size_t size)
{
	enum { NAMED = 5 };
	int64_t count = 0;
	names[0] = '\0';
	for (int64_t q = 0; q < set->questions.count && (too_long != NULL || cut != NULL); q++) {
		size_t used = strlen(names);
		bool marked = too_long != NULL ? too_long[q] != 0 : cut[q] > 0;
		count += marked;
		if (marked && count <= NAMED)
			snprintf(names + used, size - used, "%s%.80s", used > 0 ? ", " : "", set->questions.ids[q]);
		else if (marked && count == NAMED + 1)
			snprintf(names + used, size - used, ", ...");
	}
	return count;
}

void recall_say_left_out(const struct recall_set *sets, int count, int64_t context)
{
	static const char *const asked[RECALL_FAMILIES] = { "by their choices' text", "without the question",
		                                            "by letters" };
	for (int i = 0; i < count; i++) {
		const struct recall_set *set = &sets[i];
		const char *name = question_set_name(&set->questions);
		for (int family = 0; family < RECALL_FAMILIES && set->questions.name != NULL; family++) {
			char names[512];
			int64_t left_out = name_questions(set, set->too_long[family], NULL, names, sizeof names);
			if (left_out > 0)
				log_info(
					"questions: %s: %lld of %lld are not asked %s, being longer than model/context = "
					"%lld allows: %s",
					name, (long long)left_out, (long long)set->questions.count, asked[family],
					(long long)context, names);
			int64_t cut = name_questions(set, NULL, set->cut[family], names, sizeof names);
			if (cut > 0)
				log_warning(
					"questions: %s: of %lld of %lld asked %s the passage is cut from the left, to fit into "
					"model/context = %lld: %s",
					name, (long long)cut, (long long)set->questions.count, asked[family],
					(long long)context, names);
		}
	}
}
