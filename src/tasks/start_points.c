/* The axis start/point: which points of a run are begun from.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1 /* open_memstream */
#endif

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "results/sweep_file.h"
#include "tasks/plan_ahead.h"
#include "tasks/settings.h"
#include "tasks/start.h"

/* ---- the points that there are ---- */

static enum status read_finished(const char *run, struct sweep **sweep_out)
{
	struct sweep_table table = { 0 };
	char *path = text_join_path(run, "sweep.h5");
	enum status status = path == NULL ? STATUS_ENVIRONMENT : sweep_file_read(path, &table);
	if (status == STATUS_OK)
		status = sweep_parse(path, table.input, 0, NULL, sweep_out);
	else if (status == STATUS_DATA)
		status = error_raise(STATUS_DATA,
		                     "start/run: %s is no folder of a run, and no file of run/after makes it: run its "
		                     "input file first, or name that file in run/after (%s)",
		                     run, error_message());
	sweep_table_clear(&table);
	free(path);
	return status;
}

/* The sweep that makes start/run: of a file of run/after, else of the run itself. */
static enum status open_started(const struct parameters *parameters, struct sweep **sweep_out)
{
	const char *run = parameters_text(parameters, "start/run");
	char *file = NULL;
	STATUS_TRY(plan_ahead_run(parameters, run, &file));
	enum status status = file != NULL ? start_read_sweep(file, 0, NULL, sweep_out) : read_finished(run, sweep_out);
	free(file);
	return status;
}

/* ---- those that are meant ---- */

/* "12" or "3-5". */
static bool is_range(const char *word, size_t *first, size_t *last)
{
	char *end = NULL;
	if (word[0] < '0' || word[0] > '9')
		return false;
	*first = *last = strtoul(word, &end, 10);
	if (*end == '-' && end[1] >= '0' && end[1] <= '9')
		*last = strtoul(end + 1, &end, 10);
	return *end == '\0';
}

/* The key of a condition "section/key=value"; NULL when the word is none. */
static const struct key *condition_key(const char *word)
{
	char name[80];
	size_t length = strcspn(word, "=");
	if (word[length] == '\0' || length >= sizeof name)
		return NULL;
	memcpy(name, word, length);
	name[length] = '\0';
	return keys_find(name);
}

static bool holds(const char *word, const struct key *key, const struct parameters *point)
{
	return strcmp(word + strlen(key->name) + 1, parameters_value(point, key->name)) == 0;
}

/* Of all conditions on a key, one must hold. */
static bool all_hold(const struct parameters *choice, const struct parameters *point)
{
	size_t count = parameters_list_count(choice, "start/points");
	for (size_t i = 0; i < count; i++) {
		const struct key *key = condition_key(parameters_list_item(choice, "start/points", i));
		bool any = key == NULL;
		for (size_t j = 0; j < count && !any; j++) {
			const char *word = parameters_list_item(choice, "start/points", j);
			any = condition_key(word) == key && holds(word, key, point);
		}
		if (!any)
			return false;
	}
	return true;
}

/* By number or by name; `any`: whether the choice has such words at all. */
static bool is_named(const struct parameters *choice, const struct sweep *started, size_t point, bool *any)
{
	bool named = false;
	for (size_t i = 0; i < parameters_list_count(choice, "start/points"); i++) {
		const char *word = parameters_list_item(choice, "start/points", i);
		size_t first, last;
		if (condition_key(word) != NULL)
			continue;
		*any = true;
		if (is_range(word, &first, &last))
			named |= first <= point && point <= last;
		else
			named |= strcmp(word, sweep_point_name(started, point)) == 0;
	}
	return named;
}

/* Every word must mean something. */
static enum status check_choice(const struct parameters *choice, const struct sweep *started)
{
	const char *run = parameters_text(choice, "start/run"), *origin = parameters_origin(choice, "start/points");
	size_t points = sweep_point_count(started);
	for (size_t i = 0; i < parameters_list_count(choice, "start/points"); i++) {
		const char *word = parameters_list_item(choice, "start/points", i);
		const struct key *key = condition_key(word);
		size_t first = 0, last = 0;
		bool known = false, range = key == NULL && is_range(word, &first, &last);
		if (range && (first > last || last >= points))
			return error_raise(STATUS_USAGE, "%s: start/points: %s: %s has points 0 to %zu", origin, word,
			                   run, points - 1);
		for (size_t point = 0; point < points && !range && !known; point++)
			known = key != NULL ? holds(word, key, sweep_point(started, point))
			                    : strcmp(word, sweep_point_name(started, point)) == 0;
		if (!known && !range)
			return error_raise(
				STATUS_USAGE, "%s: start/points: no point of %s %s %s%s%s%s", origin, run,
				key != NULL ? "has" : "is named", word, key != NULL ? "" : "; the first is named ",
				key != NULL ? "" : sweep_point_name(started, 0),
				key != NULL ? "" : ", and a condition is section/key=value (filter/method=mask)");
	}
	return STATUS_OK;
}

static enum status write_override(const struct parameters *choice, const struct sweep *started, char **override_out)
{
	char *text = NULL;
	size_t size = 0, chosen = 0;
	FILE *stream = open_memstream(&text, &size);
	if (stream == NULL)
		return error_raise(STATUS_ENVIRONMENT, "there is no memory for the points of start/run");
	fputs("start/point=", stream);
	for (size_t i = 0; i < sweep_point_count(started); i++) {
		bool any = false, named = is_named(choice, started, i, &any);
		if ((any && !named) || !all_hold(choice, sweep_point(started, i)))
			continue;
		fprintf(stream, "%s\"%s\"", chosen++ > 0 ? ", " : "", sweep_point_name(started, i));
	}
	if (fclose(stream) != 0) {
		free(text);
		return error_raise(STATUS_ENVIRONMENT, "there is no memory for the points of start/run");
	}
	if (chosen == 0) {
		free(text);
		return error_raise(STATUS_USAGE, "%s: start/points: no point of %s is all that",
		                   parameters_origin(choice, "start/points"), parameters_text(choice, "start/run"));
	}
	*override_out = text;
	return STATUS_OK;
}

enum status start_expand(const struct sweep *sweep, char **override_out)
{
	const struct parameters *first = sweep_point(sweep, 0);
	struct sweep *started = NULL;
	*override_out = NULL;
	if (!start_is_wanted(first) || parameters_text(first, "start/point")[0] != '\0')
		return STATUS_OK;
	STATUS_TRY(open_started(first, &started));
	enum status status = check_choice(first, started);
	if (status == STATUS_OK)
		status = write_override(first, started, override_out);
	sweep_destroy(started);
	return status;
}

/* ---- before the run is there ---- */

/* The pretraining that a point comes from, through any number of runs. */
static enum status read_origin(const struct parameters *point, int32_t vocabulary, struct start *start)
{
	struct training_settings training;
	if (start_is_wanted(point))
		return start_read_ahead(point, vocabulary, start);
	STATUS_TRY(settings_model(point, vocabulary, &start->config));
	STATUS_TRY(settings_training(point, &start->config, &training));
	snprintf(start->size, sizeof start->size, "%s", parameters_text(point, "model/size"));
	snprintf(start->method, sizeof start->method, "%s", parameters_text(point, "filter/method"));
	start->tokens = (double)training.tokens;
	return STATUS_OK;
}

enum status start_read_ahead(const struct parameters *parameters, int32_t vocabulary, struct start *start_out)
{
	const char *name = parameters_text(parameters, "start/point");
	struct sweep *started = NULL;
	struct start start = { 0 };
	STATUS_TRY(open_started(parameters, &started));
	enum status status = error_raise(STATUS_DATA, "start/run: %s has no point %s",
	                                 parameters_text(parameters, "start/run"), name);
	for (size_t i = 0; i < sweep_point_count(started); i++) {
		if (strcmp(sweep_point_name(started, i), name) != 0)
			continue;
		error_clear();
		status = read_origin(sweep_point(started, i), vocabulary, &start);
		snprintf(start.name, sizeof start.name, "%s", name);
		snprintf(start.task, sizeof start.task, "%s", sweep_task(started));
	}
	sweep_destroy(started);
	if (status == STATUS_OK)
		*start_out = start;
	return status;
}
