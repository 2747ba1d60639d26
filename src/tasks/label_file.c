/* autoencoder.h5, the state of its training, and how well it rebuilds held-out features.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "results/provenance.h"
#include "tasks/label_parts.h"

#define FORMAT       "capshape-autoencoder"
#define STATE_FORMAT "capshape-autoencoder-state"
enum { VERSION = 1 };

/* Held-out tokens on which it is measured. */
enum { MEASURED_ROWS = 100000 };

/* ---- writing ---- */

static enum status write_matrices(const struct labelling *work, struct hdf5_writer *writer)
{
	int64_t sizes[2] = { work->shape.latents, work->shape.width }, matrix = sizes[0] * sizes[1];
	const float *parameters = autoencoder_parameters(work->autoencoder);
	STATUS_TRY(hdf5_write(writer, "encoder", HDF5_FLOAT32, 2, sizes, parameters, NULL,
	                      "encoder: a row for each latent"));
	STATUS_TRY(hdf5_write(writer, "decoder", HDF5_FLOAT32, 2, sizes, parameters + matrix, NULL,
	                      "decoder: the direction of each latent, of length 1"));
	return hdf5_write_vector(writer, "bias", HDF5_FLOAT32, sizes[1], parameters + 2 * matrix, NULL,
	                         "taken off features before the encoder, and put back after the decoder");
}

static enum status write_facts(const struct labelling *work, struct hdf5_writer *writer)
{
	const struct autoencoder_shape *shape = &work->shape;
	STATUS_TRY(hdf5_write_text_attribute(writer, "/", "format", FORMAT));
	STATUS_TRY(hdf5_write_integer_attribute(writer, "/", "format_version", VERSION));
	STATUS_TRY(hdf5_write_text_attribute(writer, "/", "identity", work->identity));
	STATUS_TRY(hdf5_write_integer_attribute(writer, "/", "layer", work->layer));
	STATUS_TRY(hdf5_write_integer_attribute(writer, "/", "width", shape->width));
	STATUS_TRY(hdf5_write_integer_attribute(writer, "/", "latents", shape->latents));
	STATUS_TRY(hdf5_write_integer_attribute(writer, "/", "active", shape->active));
	STATUS_TRY(hdf5_write_integer_attribute(writer, "/", "batch", shape->batch));
	STATUS_TRY(hdf5_write_real_attribute(writer, "/", "explained_variance", work->explained));
	STATUS_TRY(hdf5_write_text_attribute(writer, "/", "model_identity", work->start.identity));
	STATUS_TRY(hdf5_write_text_attribute(writer, "/", "model_run", parameters_text(work->parameters, "start/run")));
	STATUS_TRY(hdf5_write_text_attribute(writer, "/", "model_point", work->start.name));
	STATUS_TRY(hdf5_write_integer_attribute(writer, "/", "model_step", work->start.step));
	STATUS_TRY(
		hdf5_write_text_attribute(writer, "/", "text_hash", shard_set_content_hash(work->sets[LABEL_TRAIN])));
	return hdf5_write_text_attribute(writer, "/", "tokenizer_hash",
	                                 shard_set_facts(work->sets[LABEL_TRAIN])->tokenizer_hash);
}

enum status label_write_autoencoder(const struct labelling *work, const char *path)
{
	struct provenance provenance = { .command_line = work->job->command_line,
		                         .device = work->devices.kernels->device_describe(work->devices.device),
		                         .ranks = work->world->size };
	struct hdf5_writer *writer = NULL;
	STATUS_TRY(hdf5_create(path, &writer));
	enum status status = write_matrices(work, writer);
	if (status == STATUS_OK)
		status = write_facts(work, writer);
	if (status == STATUS_OK)
		status = provenance_write(writer, &provenance, work->parameters);
	if (status != STATUS_OK) {
		hdf5_abandon(writer);
		return status;
	}
	return hdf5_commit(writer);
}

/* ---- reading ---- */

static enum status read_integer(struct hdf5_reader *reader, const char *name, int64_t *value)
{
	return hdf5_read_integer_attribute(reader, "/", name, value);
}

/* STATUS_DATA unless the text attribute is `wanted`. */
static enum status check_attribute(struct hdf5_reader *reader, const char *path, const char *name, const char *wanted,
                                   const char *advice)
{
	char *text = NULL;
	STATUS_TRY(hdf5_read_text_attribute(reader, "/", name, &text));
	enum status status = STATUS_OK;
	if (strcmp(text, wanted) != 0)
		status = error_raise(STATUS_DATA, "%s: %s is %s, not %s: %s", path, name, text, wanted, advice);
	free(text);
	return status;
}

static enum status read_facts(struct hdf5_reader *reader, const char *path, const struct start *start,
                              struct label_autoencoder_facts *facts)
{
	char *text = NULL;
	int64_t version;
	STATUS_TRY(check_attribute(reader, path, "format", FORMAT, "this is no autoencoder of task = label"));
	STATUS_TRY(read_integer(reader, "format_version", &version));
	if (version != VERSION)
		return error_raise(STATUS_DATA, "%s is of format version %lld, this program reads %d: make it again",
		                   path, (long long)version, VERSION);
	STATUS_TRY(check_attribute(reader, path, "model_identity", start->identity,
	                           "it was trained on another model than start/run and start/points name"));
	STATUS_TRY(read_integer(reader, "width", &facts->shape.width));
	STATUS_TRY(read_integer(reader, "latents", &facts->shape.latents));
	STATUS_TRY(read_integer(reader, "active", &facts->shape.active));
	STATUS_TRY(read_integer(reader, "batch", &facts->shape.batch));
	STATUS_TRY(read_integer(reader, "layer", &facts->layer));
	if (facts->shape.width != start->config.width || facts->layer < 1 || facts->layer > start->config.layers)
		return error_raise(STATUS_DATA,
		                   "%s is of width %lld after block %lld, the model %s has width %d and %d blocks",
		                   path, (long long)facts->shape.width, (long long)facts->layer, start->name,
		                   (int)start->config.width, (int)start->config.layers);
	STATUS_TRY(hdf5_read_text_attribute(reader, "/", "identity", &text));
	snprintf(facts->identity, sizeof facts->identity, "%s", text);
	free(text);
	return STATUS_OK;
}

enum status label_read_autoencoder_facts(const char *path, const struct start *start,
                                         struct label_autoencoder_facts *facts)
{
	struct hdf5_reader *reader = NULL;
	*facts = (struct label_autoencoder_facts){ .layer = 0 };
	STATUS_TRY(hdf5_open(path, &reader));
	enum status status = read_facts(reader, path, start, facts);
	hdf5_close(reader);
	return status;
}

enum status label_read_autoencoder(struct labelling *work, const char *path)
{
	float *parameters = autoencoder_parameters(work->autoencoder);
	int64_t matrix = work->shape.latents * work->shape.width;
	struct hdf5_reader *reader = NULL;
	STATUS_TRY(hdf5_open(path, &reader));
	enum status status = hdf5_read(reader, "encoder", HDF5_FLOAT32, matrix, parameters);
	if (status == STATUS_OK)
		status = hdf5_read(reader, "decoder", HDF5_FLOAT32, matrix, parameters + matrix);
	if (status == STATUS_OK)
		status = hdf5_read(reader, "bias", HDF5_FLOAT32, work->shape.width, parameters + 2 * matrix);
	hdf5_close(reader);
	return status;
}

/* ---- training that goes on ---- */

static char *state_path(const struct labelling *work)
{
	return text_join_path(work->unfinished.folder, "autoencoder.h5");
}

static enum status write_state(const struct labelling *work, struct hdf5_writer *writer, int64_t rounds)
{
	struct autoencoder *autoencoder = work->autoencoder;
	const struct autoencoder_progress *progress = autoencoder_progress(autoencoder);
	int64_t arena = autoencoder_arena_size(&work->shape);
	STATUS_TRY(hdf5_write_text_attribute(writer, "/", "format", STATE_FORMAT));
	STATUS_TRY(hdf5_write_text_attribute(writer, "/", "identity", work->identity));
	STATUS_TRY(hdf5_write_integer_attribute(writer, "/", "rounds", rounds));
	STATUS_TRY(hdf5_write_integer_attribute(writer, "/", "steps", progress->steps));
	STATUS_TRY(hdf5_write_integer_attribute(writer, "/", "rows", progress->rows));
	STATUS_TRY(hdf5_write_real_attribute(writer, "/", "variance", progress->variance));
	STATUS_TRY(hdf5_write_vector(writer, "parameters", HDF5_FLOAT32, arena, autoencoder_parameters(autoencoder),
	                             NULL, NULL));
	STATUS_TRY(hdf5_write_vector(writer, "moment1", HDF5_FLOAT32, arena, autoencoder_moments(autoencoder, 0), NULL,
	                             NULL));
	STATUS_TRY(hdf5_write_vector(writer, "moment2", HDF5_FLOAT32, arena, autoencoder_moments(autoencoder, 1), NULL,
	                             NULL));
	return hdf5_write_vector(writer, "last_active", HDF5_INT64, work->shape.latents,
	                         autoencoder_last_active(autoencoder), NULL, NULL);
}

enum status label_save_training(const struct labelling *work, int64_t rounds)
{
	struct hdf5_writer *writer = NULL;
	char *path = state_path(work);
	enum status status = path == NULL ? STATUS_ENVIRONMENT : hdf5_create(path, &writer);
	free(path);
	STATUS_TRY(status);
	status = write_state(work, writer, rounds);
	if (status != STATUS_OK) {
		hdf5_abandon(writer);
		return status;
	}
	return hdf5_commit(writer);
}

static enum status read_state(struct labelling *work, struct hdf5_reader *reader, const char *path, int64_t *rounds)
{
	struct autoencoder *autoencoder = work->autoencoder;
	struct autoencoder_progress *progress = autoencoder_progress(autoencoder);
	int64_t arena = autoencoder_arena_size(&work->shape);
	STATUS_TRY(check_attribute(reader, path, "identity", work->identity, "it is of other settings"));
	STATUS_TRY(hdf5_read_real_attribute(reader, "/", "variance", &progress->variance));
	STATUS_TRY(read_integer(reader, "steps", &progress->steps));
	STATUS_TRY(read_integer(reader, "rows", &progress->rows));
	STATUS_TRY(hdf5_read(reader, "parameters", HDF5_FLOAT32, arena, autoencoder_parameters(autoencoder)));
	STATUS_TRY(hdf5_read(reader, "moment1", HDF5_FLOAT32, arena, autoencoder_moments(autoencoder, 0)));
	STATUS_TRY(hdf5_read(reader, "moment2", HDF5_FLOAT32, arena, autoencoder_moments(autoencoder, 1)));
	STATUS_TRY(hdf5_read(reader, "last_active", HDF5_INT64, work->shape.latents,
	                     autoencoder_last_active(autoencoder)));
	STATUS_TRY(read_integer(reader, "rounds", rounds));
	return autoencoder_refresh(autoencoder);
}

enum status label_find_training(struct labelling *work, int64_t *rounds)
{
	struct hdf5_reader *reader = NULL;
	char *path = state_path(work);
	enum status status = path == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	*rounds = 0;
	if (status == STATUS_OK && hdf5_is_complete(path)) {
		status = hdf5_open(path, &reader);
		if (status == STATUS_OK)
			status = read_state(work, reader, path, rounds);
		if (reader != NULL)
			hdf5_close(reader);
	}
	if (status == STATUS_DATA) { /* damaged: from the beginning */
		log_warning("%s: the autoencoder is trained from the beginning", error_message());
		error_clear();
		*autoencoder_progress(work->autoencoder) = (struct autoencoder_progress){ 0 };
		size_t arena = (size_t)autoencoder_arena_size(&work->shape) * sizeof(float);
		memset(autoencoder_moments(work->autoencoder, 0), 0, arena);
		memset(autoencoder_moments(work->autoencoder, 1), 0, arena);
		memset(autoencoder_last_active(work->autoencoder), 0, (size_t)work->shape.latents * sizeof(int64_t));
		*rounds = 0;
		status = STATUS_OK;
	}
	free(path);
	return status;
}

/* ---- measuring ---- */

/* Sums over held-out features as whole numbers: rows, squares of errors, active latents, squares, and each column. */
enum measure { MEASURE_ROWS, MEASURE_ERROR, MEASURE_ACTIVE, MEASURE_SQUARES, MEASURE_COLUMNS };

static enum status measure_block(struct labelling *work, int64_t number, void *state)
{
	int64_t *sums = state, width = work->shape.width, active = work->shape.active;
	(void)number;
	for (int64_t row = 0; row < work->rows; row++) {
		const float *x = work->values + row * width;
		double square = 0.0;
		for (int64_t j = 0; j < width; j++) {
			square += (double)x[j] * (double)x[j];
			sums[MEASURE_COLUMNS + j] += llround((double)x[j] * LATENT_UNIT);
		}
		sums[MEASURE_SQUARES] += llround(square * LATENT_UNIT);
		sums[MEASURE_ERROR] += llround(LATENT_UNIT * autoencoder_square_error(work->autoencoder, x,
		                                                                      work->active + row * active,
		                                                                      work->index + row * active));
		for (int64_t k = 0; k < active; k++)
			sums[MEASURE_ACTIVE] += work->index[row * active + k] >= 0;
	}
	sums[MEASURE_ROWS] += work->rows;
	return STATUS_OK;
}

/* What is left when the mean of all rows stands for each. */
static double variance_of(const int64_t *sums, int64_t width)
{
	double rows = (double)sums[MEASURE_ROWS], variance = (double)sums[MEASURE_SQUARES] / LATENT_UNIT;
	for (int64_t j = 0; j < width; j++) {
		double mean = (double)sums[MEASURE_COLUMNS + j] / LATENT_UNIT / rows;
		variance -= rows * mean * mean;
	}
	return variance;
}

enum status label_measure_autoencoder(struct labelling *work)
{
	int64_t count = MEASURE_COLUMNS + work->shape.width;
	struct shard_set *set = work->sets[LABEL_VALIDATION];
	int64_t *sums = memory_allocate((size_t)count, sizeof *sums);
	enum status status = world_agree(work->world, sums == NULL ? STATUS_ENVIRONMENT : STATUS_OK);
	if (status == STATUS_OK)
		status = label_visit_blocks(work, set, label_count_blocks(work, set, MEASURED_ROWS), measure_block,
		                            sums);
	if (status == STATUS_OK)
		status = world_sum_integers(work->world, sums, count);
	if (status == STATUS_OK && sums[MEASURE_ROWS] > 0) {
		double rows = (double)sums[MEASURE_ROWS];
		work->explained =
			1.0 - (double)sums[MEASURE_ERROR] / LATENT_UNIT / variance_of(sums, work->shape.width);
		log_info("autoencoder: %lld latents after block %d of %d, %.1f active in a token, explain %.3f of the "
		         "variance of %lld held-out tokens",
		         (long long)work->shape.latents, work->layer, (int)work->start.config.layers,
		         (double)sums[MEASURE_ACTIVE] / rows, work->explained, (long long)sums[MEASURE_ROWS]);
	}
	free(sums);
	return status;
}
