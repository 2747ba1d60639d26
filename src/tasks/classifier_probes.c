/* The probes of a classifier on its language models.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "base/text.h"
#include "classifier/fit.h"
#include "tasks/classifier_parts.h"
#include "text/tokenizer.h"

/* Bytes of features that are kept for another ridge until the task is finished. */
#define KEPT_FEATURES 16e9

static enum status describe_data(const struct fitting *fitting, char **text)
{
	static const char *const names[] = { "train", "validation", "test" };
	for (int i = 0; i < 3; i++) {
		struct shard_set *set = NULL;
		STATUS_TRY(shard_set_open(fitting->data, names[i], &set));
		*text = unfinished_add_line(*text, "%s/%s = %s", fitting->data, names[i], shard_set_content_hash(set));
		shard_set_close(set);
	}
	return STATUS_OK;
}

/* Everything that decides what is computed, down to the kind of device; what depends on the ridge has it in its name. */
static enum status describe(const struct fitting *fitting, const float *left, const float *right, char **text)
{
	const float *models[] = { left, right }; /* right NULL: the left one twice */
	static const char *const names[] = { "left-to-right", "right-to-left" };
	size_t bytes = (size_t)model_config_arena_size(&fitting->config) * sizeof *left;
	*text = unfinished_keys(fitting->parameters, "classifier/l2");
	STATUS_TRY(describe_data(fitting, text));
	for (int i = 0; i < 2 && models[i] != NULL; i++) {
		char hash[CONTENT_HASH_SIZE];
		checksum_content_hash(models[i], bytes, hash);
		*text = unfinished_add_line(*text, "%s model = %s", names[i], hash);
	}
	*text = unfinished_add_line(*text, "device = %s", fitting->kernels->name);
	return STATUS_OK;
}

static enum status open_unfinished(struct fitting *fitting, const float *left, const float *right)
{
	struct world *world = fitting->job->world;
	char *text = NULL;
	enum status status = world_agree(world, world->rank == 0 ? describe(fitting, left, right, &text) : STATUS_OK);
	if (status == STATUS_OK)
		status = unfinished_open(world, fitting->output, text, NULL, &fitting->unfinished);
	free(text);
	return status;
}

static enum sample_labels read_labels(const char *name)
{
	if (strcmp(name, "sentence") == 0)
		return SAMPLE_SENTENCES;
	return strcmp(name, "document") == 0 ? SAMPLE_DOCUMENTS : SAMPLE_TOKENS;
}

static enum status fit(struct fitting *fitting, const float *left, const float *right, const char *path)
{
	const struct parameters *parameters = fitting->parameters;
	struct tokenizer *tokenizer = NULL;
	char *tokenizer_path = text_join_path(fitting->data, "tokenizer.h5");
	enum status status = tokenizer_path == NULL ? STATUS_ENVIRONMENT : tokenizer_read(tokenizer_path, &tokenizer);
	free(tokenizer_path);
	STATUS_TRY(world_agree(fitting->job->world, status));
	int64_t document_tokens = parameters_integer(parameters, "classifier/document_tokens");
	struct fit_options options = {
		.data_folder = fitting->data,
		.tokenizer = tokenizer,
		.layer = (int)parameters_integer(parameters, "classifier/layer"),
		.context = fitting->config.context,
		.probe_tokens = parameters_integer(parameters, "classifier/probe_tokens"),
		.probe_documents = parameters_integer(parameters, "classifier/probe_documents"),
		.evaluation_tokens = parameters_integer(parameters, "classifier/evaluation_tokens"),
		.document_tokens = document_tokens < 0 ? 4 * (int64_t)fitting->config.context : document_tokens,
		.l2 = parameters_real(parameters, "classifier/l2"),
		.labels = read_labels(parameters_text(parameters, "classifier/labels")),
		.forget_share = parameters_real(parameters, "classifier/forget_share"),
		.smoothing = parameters_integer(parameters, "classifier/smoothing"),
		.rows_per_batch = parameters_integer(parameters, "classifier/rows_per_batch"),
		.compat_left_left = parameters_boolean(parameters, "compat/left_left"),
		.seed = fitting->training.seed,
		.config = &fitting->config,
		.left_parameters = left,
		.right_parameters = right,
		.output_path = path,
		.kept_folder = fitting->unfinished.folder,
		.identity = fitting->unfinished.identity,
		.save_interval = parameters_real(parameters, "run/save_interval"),
		.kept_room = KEPT_FEATURES,
	};
	struct provenance provenance = { .command_line = fitting->job->command_line,
		                         .input_text = fitting->input_text,
		                         .device = fitting->kernels->device_describe(fitting->device),
		                         .ranks = fitting->job->world->size };
	status = classifier_fit(fitting->job->world, fitting->kernels, fitting->device, &options, parameters,
	                        &provenance);
	tokenizer_destroy(tokenizer);
	return world_agree(fitting->job->world, status);
}

enum status classifier_fit_probes(struct fitting *fitting, const float *left, const float *right, const char *path)
{
	STATUS_TRY(open_unfinished(fitting, left, right));
	return fit(fitting, left, right == NULL ? left : right, path);
}
