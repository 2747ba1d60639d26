/* The table of what was sampled, from the summaries of the points.
 * SPDX-License-Identifier: Apache-2.0 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "tasks/sample_parts.h"

enum { WIDEST_NAME = 48 };

static json_t *read_summary(const struct sampling_work *work, size_t number)
{
	char *path =
		text_format("%s/points/%s/summary.json", work->output, sweep_point_name(work->trained.sweep, number));
	json_t *object = path == NULL ? NULL : json_load_file(path, 0, NULL);
	error_clear();
	free(path);
	return object;
}

static void print_line(const char *name, int width, const json_t *summary)
{
	json_int_t answers = 0;
	double tokens = 0, ended = 0, log_probability = 0, distinct = 0, repeated = 0, hidden = 0, share, low, high;
	json_t *object = (json_t *)(uintptr_t)summary;
	char matching[48] = "";
	if (json_unpack(object, "{s:I, s:F, s:F, s:F, s:F, s:F, s:F}", "answers", &answers, "tokens", &tokens, "ended",
	                &ended, "log_probability", &log_probability, "distinct", &distinct, "repeated", &repeated,
	                "hidden_probability", &hidden) != 0)
		return;
	if (json_unpack(object, "{s:F, s:F, s:F}", "matching", &share, "matching_low", &low, "matching_high", &high) ==
	    0)
		snprintf(matching, sizeof matching, "%6.1f (%.1f to %.1f)", 100 * share, 100 * low, 100 * high);
	log_info("%-*.*s %7lld %7.1f %6.1f %8.3f %8.3f %8.3f %8.1e  %s", width, width, name, (long long)answers, tokens,
	         100 * ended, log_probability, distinct, repeated, hidden, matching);
}

void sample_print_table(const struct sampling_work *work)
{
	size_t points = sweep_point_count(work->trained.sweep);
	int width = 5;
	for (size_t i = 0; i < points; i++) {
		int length = (int)strlen(sweep_point_name(work->trained.sweep, i));
		if (work->trained.chosen[i] && length > width)
			width = length < WIDEST_NAME ? length : WIDEST_NAME;
	}
	log_info("%-*s answers  tokens  ended    log p distinct repeated   hidden  %s", width, "point",
	         work->phrases == NULL ? "" : "matching, 95 % interval");
	for (size_t i = 0; i < points; i++) {
		if (!work->trained.chosen[i] || work->trained.missing[i])
			continue;
		json_t *summary = read_summary(work, i);
		if (summary != NULL)
			print_line(sweep_point_name(work->trained.sweep, i), width, summary);
		json_decref(summary);
	}
}
