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

/* The line of a point, or of a group, which has no number of distinct pairs. */
static void print_line(const char *name, int width, json_t *numbers)
{
	json_int_t answers = 0;
	double tokens = 0, ended = 0, log_probability = 0, distinct = 0, repeated = 0, hidden = 0, share, low, high;
	char matching[48] = "", pairs[16] = "";
	if (json_unpack(numbers, "{s:I, s:F, s:F, s:F, s:F, s:F}", "answers", &answers, "tokens", &tokens, "ended",
	                &ended, "log_probability", &log_probability, "repeated", &repeated, "hidden_probability",
	                &hidden) != 0)
		return;
	if (json_unpack(numbers, "{s:F}", "distinct", &distinct) == 0)
		snprintf(pairs, sizeof pairs, "%.3f", distinct);
	if (json_unpack(numbers, "{s:F, s:F, s:F}", "matching", &share, "matching_low", &low, "matching_high", &high) ==
	    0)
		snprintf(matching, sizeof matching, "%6.1f (%.1f to %.1f)", 100 * share, 100 * low, 100 * high);
	log_info("%-*.*s %7lld %7.1f %6.1f %8.3f %8s %8.3f %8.1e  %s", width, width, name, (long long)answers, tokens,
	         100 * ended, log_probability, pairs, repeated, hidden, matching);
}

static void print_point(const char *name, int width, json_t *summary)
{
	json_t *groups = json_object_get(summary, "groups"), *numbers;
	const char *group;
	print_line(name, width, summary);
	json_object_foreach(groups, group, numbers)
	{
		char *indented = text_format("  %s", group);
		if (indented != NULL)
			print_line(indented, width, numbers);
		free(indented);
	}
}

static int wider(int width, int length)
{
	return length <= width ? width : length < WIDEST_NAME ? length : WIDEST_NAME;
}

static int name_width(const struct sampling_work *work)
{
	int width = wider(0, (int)strlen("point"));
	for (size_t i = 0; i < sweep_point_count(work->trained.sweep); i++)
		if (work->trained.chosen[i])
			width = wider(width, (int)strlen(sweep_point_name(work->trained.sweep, i)));
	for (size_t i = 0; i < work->prompts.count; i++)
		if (work->prompts.prompts[i].group != NULL)
			width = wider(width, (int)strlen(work->prompts.prompts[i].group) + 2);
	return width;
}

void sample_print_table(const struct sampling_work *work)
{
	size_t points = sweep_point_count(work->trained.sweep);
	int width = name_width(work);
	log_info("%-*s answers  tokens  ended    log p distinct repeated   hidden  %s", width, "point",
	         work->phrases == NULL ? "" : "matching, 95 % interval");
	for (size_t i = 0; i < points; i++) {
		if (!work->trained.chosen[i] || work->trained.missing[i])
			continue;
		json_t *summary = read_summary(work, i);
		if (summary != NULL)
			print_point(sweep_point_name(work->trained.sweep, i), width, summary);
		json_decref(summary);
	}
}
