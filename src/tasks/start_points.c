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
#include "tasks/choice.h"
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

/* `names` of `count` points, those that are NULL left out. */
static enum status write_override(const char *const *names, size_t count, char **override_out)
{
	char *text = NULL;
	size_t size = 0, written = 0;
	FILE *stream = open_memstream(&text, &size);
	if (stream != NULL) {
		fputs("start/point=", stream);
		for (size_t i = 0; i < count; i++)
			if (names[i] != NULL)
				fprintf(stream, "%s\"%s\"", written++ > 0 ? ", " : "", names[i]);
	}
	if (stream == NULL || fclose(stream) != 0) {
		free(text);
		return error_raise(STATUS_ENVIRONMENT, "there is no memory for the points of start/run");
	}
	*override_out = text;
	return STATUS_OK;
}

static enum status expand_started(const struct parameters *first, const struct sweep *started, char **override_out)
{
	size_t count = sweep_point_count(started);
	bool *chosen = memory_allocate(count, sizeof *chosen);
	const char **names = memory_allocate(count, sizeof *names);
	enum status status =
		chosen == NULL || names == NULL
			? STATUS_ENVIRONMENT
			: choice_make(first, "start/points", parameters_text(first, "start/run"), started, chosen);
	for (size_t i = 0; i < count && status == STATUS_OK; i++)
		names[i] = chosen[i] ? sweep_point_name(started, i) : NULL;
	if (status == STATUS_OK)
		status = write_override(names, count, override_out);
	free(chosen);
	free(names);
	return status;
}

/* ---- where the run is gone ---- */

static bool same_value(const struct parameters *a, const struct parameters *b, const char *key)
{
	return strcmp(parameters_value(a, key), parameters_value(b, key)) == 0;
}

/* Points of one start follow each other. */
static enum status expand_again(const struct sweep *own, char **override_out)
{
	size_t count = sweep_point_count(own);
	const char **names = memory_allocate(count, sizeof *names);
	if (names == NULL)
		return STATUS_ENVIRONMENT;
	for (size_t i = 0; i < count; i++)
		if (i == 0 || !same_value(sweep_point(own, i), sweep_point(own, i - 1), "start/point"))
			names[i] = parameters_text(sweep_point(own, i), "start/point");
	enum status status = write_override(names, count, override_out);
	free(names);
	return status;
}

/* As the sweep.h5 of this run has them, which an earlier start wrote; `otherwise` where there is none of the same task and choice. */
static enum status expand_recorded(const struct parameters *first, enum status otherwise, char **override_out)
{
	struct sweep_table table = { 0 };
	struct sweep *own = NULL;
	char *path = text_join_path(parameters_text(first, "run/output"), "sweep.h5");
	if (path == NULL)
		return STATUS_ENVIRONMENT;
	enum status status = otherwise;
	if (hdf5_is_complete(path)) {
		status = sweep_file_read(path, &table);
		if (status == STATUS_OK)
			status = sweep_parse(path, table.input, 0, NULL, &own);
		if (status == STATUS_OK) {
			const struct parameters *recorded = sweep_point(own, 0);
			bool same = same_value(recorded, first, "run/task") &&
			            same_value(recorded, first, "start/points") &&
			            parameters_text(recorded, "start/point")[0] != '\0';
			status = same ? expand_again(own, override_out) : otherwise;
		}
	}
	sweep_destroy(own);
	sweep_table_clear(&table);
	free(path);
	if (status == STATUS_OK)
		error_clear();
	return status;
}

enum status start_expand(const struct sweep *sweep, char **override_out)
{
	const struct parameters *first = sweep_point(sweep, 0);
	struct sweep *started = NULL;
	*override_out = NULL;
	if (!start_is_wanted(first) || parameters_text(first, "start/point")[0] != '\0')
		return STATUS_OK;
	enum status status = open_started(first, &started);
	if (status == STATUS_DATA)
		return expand_recorded(first, status, override_out);
	STATUS_TRY(status);
	status = expand_started(first, started, override_out);
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
