/* Looking into the input files of run/after.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tasks/plan_ahead.h"

#include <string.h>

#include "base/memory.h"

enum { DEEPEST_CHAIN = 16, GPT4_IDS = 100279, GPT2_IDS = 50259, SPECIAL_IDS = 2 };

static bool lies_in(const char *path, const char *folder)
{
	size_t length = strlen(folder);
	return strncmp(path, folder, length) == 0 && (path[length] == '\0' || path[length] == '/');
}

/* What makes a path, kept alive by the sweep that it is a point of: sweep_destroy(). */
struct maker {
	struct sweep *sweep; /* NULL: none does */
	const struct parameters *point;
};

/* The first point of this task that writes into `path`; NULL when none does. */
static const struct parameters *point_of(const struct sweep *sweep, const char *task, const char *path)
{
	size_t count = strcmp(sweep_task(sweep), task) == 0 ? sweep_point_count(sweep) : 0;
	for (size_t i = 0; i < count; i++)
		if (lies_in(path, parameters_text(sweep_point(sweep, i), "run/output")))
			return sweep_point(sweep, i);
	return NULL;
}

/* Reads the files of run/after until a point of one of this task writes into `path`. */
static enum status find_maker(const struct parameters *parameters, const char *task, const char *path, int depth,
                              struct maker *maker)
{
	*maker = (struct maker){ 0 };
	for (size_t i = 0; i < parameters_list_count(parameters, "run/after") && depth < DEEPEST_CHAIN; i++) {
		struct sweep *sweep = NULL;
		STATUS_TRY(sweep_read(parameters_list_item(parameters, "run/after", i), 0, NULL, &sweep));
		const struct parameters *point = point_of(sweep, task, path);
		if (point != NULL) {
			*maker = (struct maker){ sweep, point };
			return STATUS_OK;
		}
		enum status status = find_maker(sweep_point(sweep, 0), task, path, depth + 1, maker);
		sweep_destroy(sweep);
		if (status != STATUS_OK || maker->sweep != NULL)
			return status;
	}
	return STATUS_OK;
}

/* Token ids of what a tokenize file makes; of a given vocabulary, those of the file of its run/after that makes that. */
static enum status maker_vocabulary(const struct parameters *maker, int32_t *vocabulary)
{
	const char *path = parameters_text(maker, "tokenizer/path");
	if (strcmp(parameters_text(maker, "tokenizer/source"), "train") == 0) {
		*vocabulary = (int32_t)parameters_integer(maker, "tokenizer/ranks") + SPECIAL_IDS;
		return STATUS_OK;
	}
	struct maker earlier;
	enum status status = STATUS_OK;
	*vocabulary = strstr(path, "encoder.json") != NULL ? GPT2_IDS : GPT4_IDS;
	STATUS_TRY(find_maker(maker, "tokenize", path, 0, &earlier));
	if (earlier.sweep != NULL)
		status = maker_vocabulary(earlier.point, vocabulary);
	sweep_destroy(earlier.sweep);
	return status;
}

enum status plan_ahead_text(const struct parameters *parameters, struct shard_facts *facts_out)
{
	const char *folder = parameters_text(parameters, "data/folder");
	struct maker maker;
	int32_t vocabulary = 0;
	STATUS_TRY(find_maker(parameters, "tokenize", folder, 0, &maker));
	if (maker.sweep == NULL)
		return error_raise(STATUS_DATA, "%s: there are no tokens in %s, and no file of run/after makes them",
		                   parameters_origin(parameters, "data/folder"), folder);
	enum status status = maker_vocabulary(maker.point, &vocabulary);
	*facts_out = (struct shard_facts){
		.tokenizer_hash = "",
		.tokenizer = "",
		.has_token_labels = true,
		.vocabulary = vocabulary,
		.block_tokens = parameters_integer(maker.point, "tokenize/block_tokens"),
		.end_of_text = vocabulary - SPECIAL_IDS,
		.hidden = vocabulary - 1,
	};
	sweep_destroy(maker.sweep);
	return status;
}

enum status plan_ahead_classifier(const struct parameters *parameters, int32_t vocabulary,
                                  struct classifier_facts *facts_out)
{
	struct maker maker;
	struct model_config body;
	*facts_out = (struct classifier_facts){ .hash = "" };
	STATUS_TRY(find_maker(parameters, "classifier", parameters_text(parameters, "filter/classifier"), 0, &maker));
	if (maker.sweep == NULL)
		return STATUS_OK;
	enum status status = settings_model(maker.point, vocabulary, &body);
	if (status == STATUS_OK) {
		int64_t layer = parameters_integer(maker.point, "classifier/layer"); /* auto: at most all of them */
		facts_out->parameters = 2 * model_config_parameters(&body);
		if (layer >= 0 && layer < body.layers)
			body.layers = (int32_t)layer;
		facts_out->flops = 2 * model_config_forward_flops(&body, body.context, false);
		facts_out->body = body;
		facts_out->context = body.context;
		facts_out->rows = parameters_integer(maker.point, "classifier/rows_per_batch");
	}
	sweep_destroy(maker.sweep);
	return status;
}

/* Whether a task leaves models in points/. */
static bool makes_models(const char *task)
{
	return strcmp(task, "tokenize") != 0 && strcmp(task, "classifier") != 0 && strcmp(task, "evaluate") != 0 &&
	       strcmp(task, "label") != 0;
}

static enum status find_run(const struct parameters *parameters, const char *run, int depth, char **file_out)
{
	for (size_t i = 0; i < parameters_list_count(parameters, "run/after") && depth < DEEPEST_CHAIN; i++) {
		const char *file = parameters_list_item(parameters, "run/after", i);
		struct sweep *sweep = NULL;
		STATUS_TRY(sweep_read(file, 0, NULL, &sweep));
		const struct parameters *first = sweep_point(sweep, 0);
		bool makes = makes_models(sweep_task(sweep)) && strcmp(run, parameters_text(first, "run/output")) == 0;
		enum status status = STATUS_OK;
		if (makes)
			status = (*file_out = memory_copy_text(file)) == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
		else
			status = find_run(first, run, depth + 1, file_out);
		sweep_destroy(sweep);
		if (status != STATUS_OK || *file_out != NULL)
			return status;
	}
	return STATUS_OK;
}

enum status plan_ahead_run(const struct parameters *parameters, const char *run, char **file_out)
{
	*file_out = NULL;
	return find_run(parameters, run, 0, file_out);
}
