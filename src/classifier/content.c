/* Reading and writing the classifier file.
 * SPDX-License-Identifier: Apache-2.0 */
#include "classifier/content.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "filter/score.h"
#include "model/config_file.h"

static const char format_name[] = "capshape-classifier";

/* 2: metrics and thresholds leave text without a label out, and there are thresholds of balanced data. */
enum { FORMAT_VERSION = 2 };

int64_t content_arena_size(const struct model_config *config)
{
	size_t count = 0;
	int64_t size = 0;
	free(model_config_layout(config, &count, &size));
	return size;
}

static void hash_integer(struct content_hash *hash, int64_t value)
{
	content_hash_add(hash, &value, sizeof value);
}

static void hash_probe(struct content_hash *hash, const struct probe *probe)
{
	hash_integer(hash, probe->width);
	content_hash_add(hash, probe->weights, (size_t)probe->width * sizeof *probe->weights);
	content_hash_add(hash, &probe->bias, sizeof probe->bias);
}

enum status content_hash_compute(const struct content *content, char out[CONTENT_HASH_SIZE])
{
	const struct model_config *config = &content->config;
	const int64_t integers[] = { config->layers,          config->width,      config->heads,
		                     config->vocabulary,      config->positions,  config->base_width,
		                     content->layer,          content->context,   content->rows_per_batch,
		                     content->smoothing,      content->left_left, content->end_of_text,
		                     content->document_tokens };
	const double reals[] = { config->rope_base, config->norm_epsilon };
	size_t arena = (size_t)content_arena_size(config) * sizeof(float);
	struct content_hash *hash = content_hash_create();

	if (hash == NULL)
		return error_raise(STATUS_ENVIRONMENT, "out of memory for the hash of a classifier");
	content_hash_add(hash, integers, sizeof integers);
	content_hash_add(hash, reals, sizeof reals);
	content_hash_add(hash, content->tokenizer_hash, strlen(content->tokenizer_hash));
	content_hash_add(hash, content->left, arena);
	if (!content->left_left)
		content_hash_add(hash, content->right, arena);
	hash_probe(hash, &content->token);
	hash_probe(hash, &content->document);
	content_hash_finish(hash, out);
	return STATUS_OK;
}

static enum status write_probe(struct hdf5_writer *writer, const char *group, const char *weights_name,
                               const struct probe *probe, uint16_t threshold)
{
	STATUS_TRY(hdf5_write_vector(writer, weights_name, HDF5_FLOAT64, probe->width, probe->weights, "1",
	                             "log-odds of forget a unit of the feature (left half, right half)"));
	STATUS_TRY(hdf5_write_real_attribute(writer, group, "bias", probe->bias));
	STATUS_TRY(hdf5_write_integer_attribute(writer, group, "converged", probe->converged));
	STATUS_TRY(hdf5_write_real_attribute(writer, group, "gradient_norm", probe->gradient_norm));
	STATUS_TRY(hdf5_write_real_attribute(writer, group, "threshold", score_probability(threshold)));
	return hdf5_write_integer_attribute(writer, group, "threshold_score", threshold);
}

static enum status write_facts(struct hdf5_writer *writer, const struct content *content)
{
	STATUS_TRY(hdf5_write_text_attribute(writer, "/", "format", format_name));
	STATUS_TRY(hdf5_write_integer_attribute(writer, "/", "format_version", FORMAT_VERSION));
	STATUS_TRY(hdf5_write_text_attribute(writer, "/", "tokenizer_hash", content->tokenizer_hash));
	STATUS_TRY(hdf5_write_text_attribute(writer, "/", "tokenizer", content->tokenizer));
	STATUS_TRY(hdf5_write_text_attribute(writer, "/", "classifier_hash", content->hash));
	STATUS_TRY(hdf5_write_integer_attribute(writer, "/", "layer", content->layer));
	STATUS_TRY(hdf5_write_integer_attribute(writer, "/", "context", content->context));
	STATUS_TRY(hdf5_write_integer_attribute(writer, "/", "rows_per_batch", content->rows_per_batch));
	STATUS_TRY(hdf5_write_integer_attribute(writer, "/", "document_tokens", content->document_tokens));
	STATUS_TRY(hdf5_write_integer_attribute(writer, "/", "smoothing", content->smoothing));
	STATUS_TRY(hdf5_write_integer_attribute(writer, "/", "end_of_text", content->end_of_text));
	STATUS_TRY(hdf5_write_integer_attribute(writer, "/", "compat_left_left", content->left_left));
	const struct {
		const char *score, *probability;
		uint16_t value;
	} thresholds[] = {
		{ "token_threshold_score", "token_threshold", content->token_threshold },
		{ "document_threshold_score", "document_threshold", content->document_threshold },
		{ "token_threshold_balanced_score", "token_threshold_balanced", content->token_threshold_balanced },
		{ "document_threshold_balanced_score", "document_threshold_balanced",
		  content->document_threshold_balanced },
	};
	for (size_t i = 0; i < sizeof thresholds / sizeof *thresholds; i++) {
		STATUS_TRY(hdf5_write_integer_attribute(writer, "/", thresholds[i].score, thresholds[i].value));
		STATUS_TRY(hdf5_write_real_attribute(writer, "/", thresholds[i].probability,
		                                     score_probability(thresholds[i].value)));
	}
	return STATUS_OK;
}

enum status content_write(struct hdf5_writer *writer, const struct content *content)
{
	int64_t size = content_arena_size(&content->config);

	STATUS_TRY(config_file_write(writer, &content->config));
	STATUS_TRY(hdf5_write_vector(writer, "left/parameters", HDF5_FLOAT32, size, content->left, "1",
	                             "parameters of the left-to-right language model"));
	if (!content->left_left)
		STATUS_TRY(hdf5_write_vector(writer, "right/parameters", HDF5_FLOAT32, size, content->right, "1",
		                             "parameters of the right-to-left language model"));
	STATUS_TRY(
		write_probe(writer, "probe/token", "probe/token/weights", &content->token, content->token_threshold));
	STATUS_TRY(write_probe(writer, "probe/document", "probe/document/weights", &content->document,
	                       content->document_threshold));
	return write_facts(writer, content);
}

static enum status read_small(struct hdf5_reader *reader, const char *object, const char *name, int64_t minimum,
                              int64_t maximum, int64_t *value)
{
	STATUS_TRY(hdf5_read_integer_attribute(reader, object, name, value));
	if (*value < minimum || *value > maximum)
		return error_raise(STATUS_DATA, "attribute %s is %lld, outside %lld to %lld", name, (long long)*value,
		                   (long long)minimum, (long long)maximum);
	return STATUS_OK;
}

static enum status read_config(struct hdf5_reader *reader, struct model_config *config)
{
	const struct {
		const char *name;
		int32_t *target;
	} integers[] = { { "layers", &config->layers },         { "width", &config->width },
		         { "heads", &config->heads },           { "context", &config->context },
		         { "vocabulary", &config->vocabulary }, { "base_width", &config->base_width } };
	char *positions = NULL;

	for (size_t i = 0; i < sizeof integers / sizeof *integers; i++) {
		int64_t value = 0;
		STATUS_TRY(read_small(reader, "model", integers[i].name, 1, INT32_MAX, &value));
		*integers[i].target = (int32_t)value;
	}
	STATUS_TRY(hdf5_read_real_attribute(reader, "model", "rope_base", &config->rope_base));
	STATUS_TRY(hdf5_read_real_attribute(reader, "model", "norm_epsilon", &config->norm_epsilon));
	STATUS_TRY(hdf5_read_real_attribute(reader, "model", "init_deviation", &config->init_deviation));
	STATUS_TRY(hdf5_read_text_attribute(reader, "model", "positions", &positions));
	bool rotary = strcmp(positions, "rotary") == 0, none = strcmp(positions, "none") == 0;
	free(positions);
	if (!rotary && !none)
		return error_raise(STATUS_DATA, "attribute positions is neither rotary nor none");
	config->positions = rotary ? POSITIONS_ROTARY : POSITIONS_NONE;
	return model_config_check(config);
}

static enum status read_probe(struct hdf5_reader *reader, const char *group, const char *weights_name, int64_t width,
                              struct probe *probe)
{
	probe->weights = malloc((size_t)width * sizeof *probe->weights);
	if (probe->weights == NULL)
		return error_raise(STATUS_ENVIRONMENT, "out of memory for a probe of %lld weights", (long long)width);
	probe->width = width;
	STATUS_TRY(hdf5_read(reader, weights_name, HDF5_FLOAT64, width, probe->weights));
	return hdf5_read_real_attribute(reader, group, "bias", &probe->bias);
}

static enum status read_arena(struct hdf5_reader *reader, const char *name, int64_t size, void **owned, float **arena)
{
	*owned = memory_allocate((size_t)size, sizeof(float));
	if (*owned == NULL)
		return STATUS_ENVIRONMENT;
	*arena = *owned;
	return hdf5_read(reader, name, HDF5_FLOAT32, size, *arena);
}

static enum status read_threshold(struct hdf5_reader *reader, const char *name, uint16_t *threshold)
{
	int64_t value = 0;
	STATUS_TRY(read_small(reader, "/", name, 0, UINT16_MAX, &value));
	*threshold = (uint16_t)value;
	return STATUS_OK;
}

static enum status read_facts(struct hdf5_reader *reader, struct content *content)
{
	int64_t layer = 0, left_left = 0, end_of_text = 0;
	char *text = NULL;

	STATUS_TRY(read_small(reader, "/", "layer", 0, content->config.layers, &layer));
	STATUS_TRY(read_small(reader, "/", "context", 2, content->config.context, &content->context));
	STATUS_TRY(read_small(reader, "/", "rows_per_batch", 1, INT32_MAX, &content->rows_per_batch));
	STATUS_TRY(read_small(reader, "/", "document_tokens", 0, INT64_MAX, &content->document_tokens));
	STATUS_TRY(read_small(reader, "/", "smoothing", 0, INT32_MAX, &content->smoothing));
	STATUS_TRY(read_small(reader, "/", "end_of_text", 0, content->config.vocabulary - 1, &end_of_text));
	STATUS_TRY(read_small(reader, "/", "compat_left_left", 0, 1, &left_left));
	STATUS_TRY(read_threshold(reader, "token_threshold_score", &content->token_threshold));
	STATUS_TRY(read_threshold(reader, "document_threshold_score", &content->document_threshold));
	STATUS_TRY(read_threshold(reader, "token_threshold_balanced_score", &content->token_threshold_balanced));
	STATUS_TRY(read_threshold(reader, "document_threshold_balanced_score", &content->document_threshold_balanced));
	content->layer = (int)layer;
	content->end_of_text = (int32_t)end_of_text;
	content->left_left = left_left != 0;
	STATUS_TRY(hdf5_read_text_attribute(reader, "/", "tokenizer_hash", &text));
	content->tokenizer_hash = content->owned[2] = text;
	STATUS_TRY(hdf5_read_text_attribute(reader, "/", "tokenizer", &text));
	content->tokenizer = content->owned[3] = text;
	return STATUS_OK;
}

static enum status check_text(struct hdf5_reader *reader, const char *name, const char *expected, const char *advice)
{
	char *text = NULL;
	STATUS_TRY(hdf5_read_text_attribute(reader, "/", name, &text));
	bool equal = strcmp(text, expected) == 0;
	enum status status = STATUS_OK;
	if (!equal)
		status = error_raise(STATUS_DATA, "%s is \"%s\" instead of \"%s\": %s", name, text, expected, advice);
	free(text);
	return status;
}

static enum status read_content(struct hdf5_reader *reader, struct content *content)
{
	int64_t version = 0;

	STATUS_TRY(check_text(reader, "format", format_name, "not a classifier file"));
	STATUS_TRY(hdf5_read_integer_attribute(reader, "/", "format_version", &version));
	if (version != FORMAT_VERSION)
		return error_raise(
			STATUS_DATA,
			"it was made by an older or newer program (format version %lld, this one reads %d): remove its "
			"folder and run its input file again",
			(long long)version, FORMAT_VERSION);
	STATUS_TRY(read_config(reader, &content->config));
	STATUS_TRY(read_facts(reader, content));
	int64_t size = content_arena_size(&content->config), width = 2 * content->config.width;
	STATUS_TRY(read_arena(reader, "left/parameters", size, &content->owned[0], &content->left));
	if (!content->left_left)
		STATUS_TRY(read_arena(reader, "right/parameters", size, &content->owned[1], &content->right));
	STATUS_TRY(read_probe(reader, "probe/token", "probe/token/weights", width, &content->token));
	STATUS_TRY(read_probe(reader, "probe/document", "probe/document/weights", width, &content->document));
	STATUS_TRY(content_hash_compute(content, content->hash));
	return check_text(reader, "classifier_hash", content->hash,
	                  "the file was changed after it was written; fit the "
	                  "classifier again");
}

enum status content_read(const char *path, struct content *content_out)
{
	struct hdf5_reader *reader = NULL;
	struct content content = { 0 };

	STATUS_TRY(hdf5_open(path, &reader));
	enum status status = read_content(reader, &content);
	hdf5_close(reader);
	if (status != STATUS_OK) {
		content_clear(&content);
		return error_context(status == STATUS_USAGE ? STATUS_DATA : status, "classifier file %s", path);
	}
	*content_out = content;
	return STATUS_OK;
}

enum status content_read_shares(const char *path, bool documents, struct share_counts *counts_out)
{
	const char *name = documents ? "shares/document" : "shares/token";
	struct hdf5_reader *reader = NULL;

	STATUS_TRY(hdf5_open(path, &reader));
	enum status status = STATUS_OK;
	if (!hdf5_exists(reader, name))
		status = error_raise(STATUS_DATA,
		                     "%s was written before filter/share existed and has no counts of its validation "
		                     "scores: remove it and run its input file again (its language models are kept)",
		                     path);
	if (status == STATUS_OK)
		status = hdf5_read(reader, name, HDF5_INT64, SHARE_SCORES, counts_out->tokens);
	if (status == STATUS_OK)
		status = hdf5_read_integer_attribute(reader, "shares", "total", &counts_out->total);
	hdf5_close(reader);
	return status;
}

void content_clear(struct content *content)
{
	for (size_t i = 0; i < sizeof content->owned / sizeof *content->owned; i++)
		free(content->owned[i]);
	probe_clear(&content->token);
	probe_clear(&content->document);
	*content = (struct content){ 0 };
}
