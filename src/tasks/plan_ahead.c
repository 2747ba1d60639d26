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

/* Reads the files of run/after until one of this task writes into `path`; *sweep_out stays NULL when none does. */
static enum status find_maker(const struct parameters *parameters, const char *task, const char *path, int depth,
                              struct sweep **sweep_out)
{
	for (size_t i = 0; i < parameters_list_count(parameters, "run/after") && depth < DEEPEST_CHAIN; i++) {
		struct sweep *sweep = NULL;
		STATUS_TRY(sweep_read(parameters_list_item(parameters, "run/after", i), 0, NULL, &sweep));
		const struct parameters *first = sweep_point(sweep, 0);
		if (strcmp(sweep_task(sweep), task) == 0 && lies_in(path, parameters_text(first, "run/output"))) {
			*sweep_out = sweep;
			return STATUS_OK;
		}
		enum status status = find_maker(first, task, path, depth + 1, sweep_out);
		sweep_destroy(sweep);
		if (status != STATUS_OK || *sweep_out != NULL)
			return status;
	}
	return STATUS_OK;
}

enum status plan_ahead_text(const struct parameters *parameters, struct shard_facts *facts_out)
{
	const char *folder = parameters_text(parameters, "data/folder");
	struct sweep *sweep = NULL;
	STATUS_TRY(find_maker(parameters, "tokenize", folder, 0, &sweep));
	if (sweep == NULL)
		return error_raise(STATUS_DATA, "%s: there are no tokens in %s, and no file of run/after makes them",
		                   parameters_origin(parameters, "data/folder"), folder);
	const struct parameters *maker = sweep_point(sweep, 0);
	bool trained = strcmp(parameters_text(maker, "tokenizer/source"), "train") == 0;
	bool gpt2 = strstr(parameters_text(maker, "tokenizer/path"), "encoder.json") != NULL;
	*facts_out = (struct shard_facts){
		.tokenizer_hash = "",
		.tokenizer = "",
		.has_token_labels = true,
		.vocabulary = trained ? (int32_t)parameters_integer(maker, "tokenizer/ranks") + SPECIAL_IDS
		              : gpt2  ? GPT2_IDS
		                      : GPT4_IDS,
		.block_tokens = parameters_integer(maker, "tokenize/block_tokens"),
	};
	facts_out->end_of_text = facts_out->vocabulary - SPECIAL_IDS;
	facts_out->hidden = facts_out->vocabulary - 1;
	sweep_destroy(sweep);
	return STATUS_OK;
}

enum status plan_ahead_classifier(const struct parameters *parameters, int32_t vocabulary,
                                  struct classifier_facts *facts_out)
{
	struct sweep *sweep = NULL;
	struct model_config body;
	*facts_out = (struct classifier_facts){ .hash = "" };
	STATUS_TRY(find_maker(parameters, "classifier", parameters_text(parameters, "filter/classifier"), 0, &sweep));
	if (sweep == NULL)
		return STATUS_OK;
	const struct parameters *maker = sweep_point(sweep, 0);
	enum status status = settings_model(maker, vocabulary, &body);
	if (status == STATUS_OK) {
		int64_t layer = parameters_integer(maker, "classifier/layer"); /* auto: at most all of them */
		facts_out->parameters = 2 * model_config_parameters(&body);
		if (layer >= 0 && layer < body.layers)
			body.layers = (int32_t)layer;
		facts_out->flops = 2 * model_config_forward_flops(&body, body.context, false);
		facts_out->body = body;
		facts_out->context = body.context;
		facts_out->rows = parameters_integer(maker, "classifier/rows_per_batch");
	}
	sweep_destroy(sweep);
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
