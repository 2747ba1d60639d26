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

static enum status write_override(const struct sweep *started, const bool *chosen, char **override_out)
{
	char *text = NULL;
	size_t size = 0, count = 0;
	FILE *stream = open_memstream(&text, &size);
	if (stream != NULL) {
		fputs("start/point=", stream);
		for (size_t i = 0; i < sweep_point_count(started); i++)
			if (chosen[i])
				fprintf(stream, "%s\"%s\"", count++ > 0 ? ", " : "", sweep_point_name(started, i));
	}
	if (stream == NULL || fclose(stream) != 0) {
		free(text);
		return error_raise(STATUS_ENVIRONMENT, "there is no memory for the points of start/run");
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
	bool *chosen = memory_allocate(sweep_point_count(started), sizeof *chosen);
	enum status status = chosen == NULL ? STATUS_ENVIRONMENT
	                                    : choice_make(first, "start/points", parameters_text(first, "start/run"),
	                                                  started, chosen);
	if (status == STATUS_OK)
		status = write_override(started, chosen, override_out);
	free(chosen);
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
