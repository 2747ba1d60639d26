/* Owns run.h5 as a whole, and the state of results in checkpoints.
 * SPDX-License-Identifier: Apache-2.0 */
#include "results/run_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "results/run_tables.h"

enum { FORMAT_VERSION = 1 };
static const char format_name[] = "capshape-run";

/* A field of struct run_model (int64_t) or struct run_compute (double) as an attribute. */
struct fact {
	const char *name;
	size_t offset;
};

static const struct fact model_facts[] = {
	{ "layers", offsetof(struct run_model, layers) },
	{ "width", offsetof(struct run_model, width) },
	{ "heads", offsetof(struct run_model, heads) },
	{ "context", offsetof(struct run_model, context) },
	{ "vocabulary", offsetof(struct run_model, vocabulary) },
	{ "parameters", offsetof(struct run_model, parameters) },
	{ "embedding_parameters", offsetof(struct run_model, embedding_parameters) },
};

static const struct fact compute_facts[] = {
	{ "nominal_flops", offsetof(struct run_compute, nominal_flops) },
	{ "training_flops", offsetof(struct run_compute, training_flops) },
	{ "seconds", offsetof(struct run_compute, seconds) },
	{ "tokens_per_second", offsetof(struct run_compute, tokens_per_second) },
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static enum status write_root(struct hdf5_writer *writer, const struct run_results *results, bool finished)
{
	STATUS_TRY(hdf5_write_text_attribute(writer, "/", "format", format_name));
	STATUS_TRY(hdf5_write_integer_attribute(writer, "/", "format_version", FORMAT_VERSION));
	STATUS_TRY(hdf5_write_integer_attribute(writer, "/", "point", results->point));
	STATUS_TRY(hdf5_write_text_attribute(writer, "/", "point_name",
	                                     results->point_name != NULL ? results->point_name : ""));
	STATUS_TRY(hdf5_write_text_attribute(writer, "/", "identity", results->identity));
	return hdf5_write_integer_attribute(writer, "/", "finished", finished);
}

static enum status write_facts(struct hdf5_writer *writer, const struct run_results *results)
{
	STATUS_TRY(hdf5_write_text_attribute(writer, "model", "name", results->model.name));
	for (size_t i = 0; i < COUNT(model_facts); i++) {
		int64_t value;
		memcpy(&value, (const char *)&results->model + model_facts[i].offset, sizeof value);
		STATUS_TRY(hdf5_write_integer_attribute(writer, "model", model_facts[i].name, value));
	}
	if (results->model.tokenizer[0] != '\0')
		STATUS_TRY(hdf5_write_text_attribute(writer, "model", "tokenizer", results->model.tokenizer));
	if (results->origin.write != NULL)
		STATUS_TRY(results->origin.write(writer, results->origin.context));
	if (results->addition.write != NULL)
		STATUS_TRY(results->addition.write(writer, results->addition.context));
	if (results->model.details.write != NULL)
		STATUS_TRY(results->model.details.write(writer, results->model.details.context));
	for (size_t i = 0; i < COUNT(compute_facts); i++) {
		double value;
		memcpy(&value, (const char *)&results->compute + compute_facts[i].offset, sizeof value);
		STATUS_TRY(hdf5_write_real_attribute(writer, "compute", compute_facts[i].name, value));
	}
	return STATUS_OK;
}

static enum status write_fork(struct hdf5_writer *writer, const struct run_fork *fork)
{
	if (fork->step == 0)
		return STATUS_OK;
	STATUS_TRY(hdf5_write_integer_attribute(writer, "compute", "forked_step", fork->step));
	return hdf5_write_real_attribute(writer, "compute", "forked_flops", fork->flops);
}

static enum status write_steering(struct hdf5_writer *writer, const struct run_steering *steering)
{
	if (steering->layer == 0)
		return STATUS_OK;
	STATUS_TRY(hdf5_write_integer_attribute(writer, "unlearning", "layer", steering->layer));
	STATUS_TRY(hdf5_write_integer_attribute(writer, "unlearning", "first_block", steering->first_block));
	STATUS_TRY(hdf5_write_real_attribute(writer, "unlearning", "coefficient", steering->coefficient));
	STATUS_TRY(hdf5_write_real_attribute(writer, "unlearning", "alpha", steering->alpha));
	STATUS_TRY(hdf5_write_real_attribute(writer, "unlearning", "forget_length", steering->forget_length));
	return hdf5_write_real_attribute(writer, "unlearning", "retain_length", steering->retain_length);
}

static enum status write_filter(struct hdf5_writer *writer, const struct run_filter *filter)
{
	if (!filter->has_threshold)
		return STATUS_OK;
	STATUS_TRY(hdf5_write_real_attribute(writer, "filter", "threshold", filter->threshold));
	STATUS_TRY(hdf5_write_integer_attribute(writer, "filter", "threshold_score", filter->threshold_score));
	return hdf5_write_real_attribute(writer, "filter", "spared", filter->spared);
}

enum status run_file_write(const char *path, const struct run_results *results, const struct parameters *parameters,
                           const struct provenance *provenance, bool finished)
{
	struct hdf5_writer *writer;
	STATUS_TRY(hdf5_create(path, &writer));
	enum status status = write_root(writer, results, finished);
	if (status == STATUS_OK && provenance != NULL)
		status = provenance_write(writer, provenance, parameters);
	if (status == STATUS_OK)
		status = write_facts(writer, results);
	if (status == STATUS_OK)
		status = run_tables_write(writer, "", results);
	if (status == STATUS_OK)
		status = write_fork(writer, &results->fork);
	if (status == STATUS_OK)
		status = write_steering(writer, &results->steering);
	if (status == STATUS_OK)
		status = write_filter(writer, &results->filter);
	if (status != STATUS_OK) {
		hdf5_abandon(writer);
		return status;
	}
	return hdf5_commit(writer);
}

static enum status check_format(struct hdf5_reader *reader, const char *path)
{
	char *format = NULL;
	int64_t version = 0;
	STATUS_TRY(hdf5_read_text_attribute(reader, "/", "format", &format));
	bool ours = strcmp(format, format_name) == 0;
	free(format);
	if (!ours)
		return error_raise(STATUS_DATA, "%s: this is not a run file", path);
	STATUS_TRY(hdf5_read_integer_attribute(reader, "/", "format_version", &version));
	if (version != FORMAT_VERSION)
		return error_raise(STATUS_DATA, "%s: the run file has format version %lld, this program knows %d", path,
		                   (long long)version, FORMAT_VERSION);
	return STATUS_OK;
}

static enum status read_root(struct hdf5_reader *reader, struct run_results *results)
{
	int64_t finished;
	char *identity;
	STATUS_TRY(hdf5_read_text_attribute(reader, "/", "identity", &identity));
	snprintf(results->identity, sizeof results->identity, "%s", identity);
	free(identity);
	STATUS_TRY(hdf5_read_integer_attribute(reader, "/", "point", &results->point));
	STATUS_TRY(hdf5_read_text_attribute(reader, "/", "point_name", &results->point_name));
	STATUS_TRY(hdf5_read_integer_attribute(reader, "/", "finished", &finished));
	results->finished = finished != 0;
	return STATUS_OK;
}

static enum status read_facts(struct hdf5_reader *reader, struct run_results *results)
{
	char *name;
	STATUS_TRY(hdf5_read_text_attribute(reader, "model", "name", &name));
	size_t length = strnlen(name, sizeof results->model.name - 1);
	memcpy(results->model.name, name, length);
	results->model.name[length] = '\0';
	free(name);
	if (hdf5_read_text_attribute(reader, "model", "tokenizer", &name) == STATUS_OK) {
		snprintf(results->model.tokenizer, sizeof results->model.tokenizer, "%s", name);
		free(name);
	} else {
		error_clear(); /* a file from before it was said */
	}
	for (size_t i = 0; i < COUNT(model_facts); i++) {
		int64_t value;
		STATUS_TRY(hdf5_read_integer_attribute(reader, "model", model_facts[i].name, &value));
		memcpy((char *)&results->model + model_facts[i].offset, &value, sizeof value);
	}
	for (size_t i = 0; i < COUNT(compute_facts); i++) {
		double value;
		STATUS_TRY(hdf5_read_real_attribute(reader, "compute", compute_facts[i].name, &value));
		memcpy((char *)&results->compute + compute_facts[i].offset, &value, sizeof value);
	}
	return STATUS_OK;
}

enum status run_file_read(const char *path, struct run_results *results)
{
	struct hdf5_reader *reader;
	struct run_results read = { 0 };
	STATUS_TRY(hdf5_open(path, &reader));
	enum status status = check_format(reader, path);
	if (status == STATUS_OK)
		status = read_root(reader, &read);
	if (status == STATUS_OK)
		status = read_facts(reader, &read);
	if (status == STATUS_OK)
		status = run_tables_read(reader, "", &read);
	hdf5_close(reader);
	if (status != STATUS_OK)
		run_results_clear(&read);
	else
		*results = read;
	return status;
}

enum status run_results_write_state(struct hdf5_writer *writer, const struct run_results *results)
{
	return run_tables_write(writer, "results/", results);
}

enum status run_results_read_state(struct hdf5_reader *reader, struct run_results *results)
{
	struct run_results read = { 0 };
	enum status status = run_tables_read(reader, "results/", &read);
	if (status != STATUS_OK) {
		run_results_clear(&read);
		return status;
	}
	/* Everything that does not accumulate stays as it is. */
	read.point = results->point;
	read.point_name = results->point_name;
	read.finished = results->finished;
	read.model = results->model;
	read.compute = results->compute;
	read.filter = results->filter;
	read.fork = results->fork;
	read.origin = results->origin;
	read.steering = results->steering;
	memcpy(read.identity, results->identity, sizeof read.identity);
	results->point_name = NULL;
	run_results_clear(results);
	*results = read;
	return STATUS_OK;
}
