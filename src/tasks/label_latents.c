/* What people and h5py read of the latents: latents.jsonl, those that were taken and those that were close to it with the text where
 * they are strongest, and latents.h5, the numbers of all.
 * SPDX-License-Identifier: Apache-2.0 */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "classifier/autoencoder.h"
#include "results/provenance.h"
#include "storage/atomic_file.h"
#include "tasks/label_parts.h"
#include "text/tokenizer.h"
#include "text/utf8.h"

/* Tokens on each side of a place. */
enum { AROUND = 12 };

static const char *choice_name(uint8_t choice)
{
	return choice == CHOICE_SCREEN ? "screen" : choice == CHOICE_HAND ? "hand" : "no";
}

/* ---- text ---- */

/* The tokens of a place, as text that JSON can hold: the strongest one in brackets. */
static enum status describe_place(const struct tokenizer *tokenizer, const int32_t *ids, int64_t tokens, int64_t at,
                                  char **text_out)
{
	int64_t first = at < AROUND ? 0 : at - AROUND, last = at + AROUND < tokens ? at + AROUND + 1 : tokens;
	const int64_t cuts[4] = { first, at, at + 1, last };
	char *parts[3] = { NULL, NULL, NULL };
	enum status status = STATUS_OK;
	for (int i = 0; i < 3 && status == STATUS_OK; i++) {
		size_t size;
		char *bytes = NULL;
		status = tokenizer_decode(tokenizer, ids + cuts[i], (size_t)(cuts[i + 1] - cuts[i]), &bytes, &size);
		if (status == STATUS_OK) {
			parts[i] = memory_allocate(3 * size + 1, 1);
			status = parts[i] == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
		}
		if (status == STATUS_OK)
			utf8_replace(bytes, size, parts[i]); /* the rest is zeros */
		free(bytes);
	}
	if (status == STATUS_OK)
		*text_out = text_format("%s[%s]%s", parts[0], parts[1], parts[2]);
	for (int i = 0; i < 3; i++)
		free(parts[i]);
	return status != STATUS_OK ? status : *text_out == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
}

static enum status read_place(const struct labelling *work, const struct tokenizer *tokenizer,
                              const struct latent_place *place, char **text_out)
{
	struct shard_set *set = work->sets[LABEL_TRAIN];
	int64_t tokens = shard_set_document_tokens(set, place->document);
	int32_t *ids = memory_allocate((size_t)tokens, sizeof *ids);
	uint8_t *labels = memory_allocate((size_t)tokens, sizeof *labels);
	enum status status = ids == NULL || labels == NULL ? STATUS_ENVIRONMENT
	                                                   : shard_set_read_document(set, place->document, ids, labels);
	if (status == STATUS_OK)
		status = describe_place(tokenizer, ids, tokens - 1, place->token, text_out);
	free(ids);
	free(labels);
	return status;
}

/* ---- latents.jsonl ---- */

static json_t *latent_object(const struct labelling *work, int32_t number)
{
	const struct latent_tally *tally = &work->tally;
	struct latent latent;
	latent_describe(tally, number, &latent);
	return json_pack("{s:i, s:s, s:f, s:f, s:f, s:I, s:I, s:f, s:f, s:f}", "latent", (int)number, "taken",
	                 choice_name(work->chosen[number]), "ratio", latent.ratio, "forget_rate",
	                 latent.rate[SIDE_FORGET], "other_rate", latent.rate[SIDE_OTHER], "forget_documents",
	                 (json_int_t)tally->documents[SIDE_FORGET][number], "other_documents",
	                 (json_int_t)tally->documents[SIDE_OTHER][number], "mean", latent.mean, "deviation",
	                 latent.deviation, "threshold", (double)work->thresholds[number]);
}

static enum status add_places(const struct labelling *work, const struct tokenizer *tokenizer,
                              const struct latent_place *places, json_t *line)
{
	json_t *list = json_array();
	enum status status = list == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	for (int i = 0; i < LATENT_PLACES && places[i].document >= 0 && status == STATUS_OK; i++) {
		char *text = NULL;
		status = read_place(work, tokenizer, &places[i], &text);
		if (status != STATUS_OK)
			break;
		uint64_t number = shard_set_document_number(work->sets[LABEL_TRAIN], places[i].document);
		uint8_t domain = shard_set_document_domain(work->sets[LABEL_TRAIN], places[i].document);
		if (json_array_append_new(list, json_pack("{s:f, s:s, s:I, s:s}", "value", (double)places[i].value,
		                                          "domain", domain_name((enum domain)domain), "document",
		                                          (json_int_t)number, "text", text)) != 0)
			status = error_raise(STATUS_ENVIRONMENT, "there is no memory for the text of latents");
		free(text);
	}
	if (list != NULL && json_object_set_new(line, "strongest", list) != 0 && status == STATUS_OK)
		status = error_raise(STATUS_ENVIRONMENT, "there is no memory for the text of latents");
	return status;
}

struct lines {
	char *text;
	size_t size, capacity;
};

static enum status add_line(struct lines *lines, const json_t *line)
{
	char *dumped = json_dumps(line, JSON_COMPACT | JSON_REAL_PRECISION(6));
	if (dumped == NULL)
		return error_raise(STATUS_ENVIRONMENT, "there is no memory for the text of latents");
	size_t size = strlen(dumped);
	enum status status = memory_grow((void **)&lines->text, &lines->capacity, lines->size + size + 1, 1);
	if (status == STATUS_OK) {
		memcpy(lines->text + lines->size, dumped, size);
		lines->text[lines->size + size] = '\n';
		lines->size += size + 1;
	}
	free(dumped);
	return status;
}

static enum status write_lines(const struct labelling *work, const struct tokenizer *tokenizer, const int32_t *shown,
                               int64_t shown_count, const struct latent_place *places)
{
	struct lines lines = { 0 };
	enum status status = STATUS_OK;
	for (int64_t i = 0; i < shown_count && status == STATUS_OK; i++) {
		json_t *line = latent_object(work, shown[i]);
		status = line == NULL ? error_raise(STATUS_ENVIRONMENT, "there is no memory for the text of latents")
		                      : add_places(work, tokenizer, places + i * LATENT_PLACES, line);
		if (status == STATUS_OK)
			status = add_line(&lines, line);
		json_decref(line);
	}
	char *path = text_join_path(work->output, "latents.jsonl");
	if (status == STATUS_OK)
		status = path == NULL ? STATUS_ENVIRONMENT
		                      : atomic_file_write(path, lines.text == NULL ? "" : lines.text, lines.size);
	if (status == STATUS_OK)
		log_info("latents: %s shows %lld of them with the text where they are strongest", path,
		         (long long)shown_count);
	free(path);
	free(lines.text);
	return status;
}

/* ---- latents.h5 ---- */

/* Columns that are computed of each latent. */
enum column {
	COLUMN_FORGET_RATE,
	COLUMN_OTHER_RATE,
	COLUMN_RATIO,
	COLUMN_MEAN,
	COLUMN_DEVIATION,
	COLUMN_ENCODER,
	COLUMNS
};
static const struct {
	const char *name, *meaning;
} columns[COLUMNS] = {
	{ "forget_rate", "share of the tokens of forget documents in which the latent is active" },
	{ "other_rate", "share of the tokens of other documents in which it is active" },
	{ "ratio", "of the two rates; where no other token has it, as if one had" },
	{ "mean", "of its value over all tokens" },
	{ "deviation", "standard deviation of its value over all tokens" },
	{ "encoder_length", "length of its row of the encoder (that of the decoder is 1)" },
};

static void fill_columns(const struct labelling *work, double *values)
{
	int64_t latents = work->shape.latents, width = work->shape.width;
	const float *encoder = autoencoder_parameters(work->autoencoder);
	for (int64_t i = 0; i < latents; i++) {
		struct latent latent;
		double squares = 0.0;
		latent_describe(&work->tally, i, &latent);
		for (int64_t j = 0; j < width; j++)
			squares += (double)encoder[i * width + j] * (double)encoder[i * width + j];
		const double row[COLUMNS] = { latent.rate[SIDE_FORGET],
			                      latent.rate[SIDE_OTHER],
			                      latent.ratio,
			                      latent.mean,
			                      latent.deviation,
			                      sqrt(squares) };
		for (int column = 0; column < COLUMNS; column++)
			values[column * latents + i] = row[column];
	}
}

static enum status write_columns(const struct labelling *work, struct hdf5_writer *writer)
{
	int64_t latents = work->shape.latents;
	const struct latent_tally *tally = &work->tally;
	double *values = memory_allocate((size_t)(COLUMNS * latents), sizeof *values);
	if (values == NULL)
		return STATUS_ENVIRONMENT;
	fill_columns(work, values);
	enum status status = STATUS_OK;
	for (int i = 0; i < COLUMNS && status == STATUS_OK; i++)
		status = hdf5_write_vector(writer, columns[i].name, HDF5_FLOAT64, latents, values + i * latents, NULL,
		                           columns[i].meaning);
	free(values);
	if (status == STATUS_OK)
		status = hdf5_write_vector(writer, "forget_documents", HDF5_INT64, latents,
		                           tally->documents[SIDE_FORGET], "documents",
		                           "forget documents in which the latent was active");
	if (status == STATUS_OK)
		status = hdf5_write_vector(writer, "other_documents", HDF5_INT64, latents, tally->documents[SIDE_OTHER],
		                           "documents", "other documents in which it was active");
	if (status == STATUS_OK)
		status = hdf5_write_vector(writer, "threshold", HDF5_FLOAT32, latents, work->thresholds, NULL,
		                           "value above which the latent votes for a token");
	if (status == STATUS_OK)
		status = hdf5_write_vector(writer, "taken", HDF5_UINT8, latents, work->chosen, NULL,
		                           "0 no, 1 by the screen, 2 by hand");
	return status;
}

static enum status write_table(const struct labelling *work)
{
	struct provenance provenance = { .command_line = work->job->command_line, .ranks = work->world->size };
	struct hdf5_writer *writer = NULL;
	char *path = text_join_path(work->output, "latents.h5");
	enum status status = path == NULL ? STATUS_ENVIRONMENT : hdf5_create(path, &writer);
	free(path);
	STATUS_TRY(status);
	status = write_columns(work, writer);
	if (status == STATUS_OK)
		status = hdf5_write_text_attribute(writer, "/", "format", "capshape-latents");
	if (status == STATUS_OK)
		status = hdf5_write_integer_attribute(writer, "/", "format_version", 1);
	if (status == STATUS_OK)
		status = hdf5_write_text_attribute(writer, "/", "made_with", work->made_with);
	if (status == STATUS_OK)
		status = provenance_write(writer, &provenance, work->parameters);
	if (status != STATUS_OK) {
		hdf5_abandon(writer);
		return status;
	}
	return hdf5_commit(writer);
}

enum status label_write_latents(const struct labelling *work, const int32_t *shown, int64_t shown_count,
                                const struct latent_place *places)
{
	struct tokenizer *tokenizer = NULL;
	char *path = text_join_path(work->data, "tokenizer.h5");
	enum status status = path == NULL ? STATUS_ENVIRONMENT : tokenizer_read(path, &tokenizer);
	free(path);
	if (status == STATUS_OK)
		status = write_lines(work, tokenizer, shown, shown_count, places);
	if (tokenizer != NULL)
		tokenizer_destroy(tokenizer);
	return status == STATUS_OK ? write_table(work) : status;
}
