/* Writes what the engine computes on small models into one HDF5 file, for comparison with PyTorch (compare.py).
 *
 * usage: dump OUTPUT.h5 [cpu|reference|cuda] [threads]
 * Everything goes through the project's own headers. Inputs are generated from counters, so two dumps of one build are
 * byte for byte the same. What the file holds: docs/validation.md.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "dump.h"

void dump_require(enum status status)
{
	if (status == STATUS_OK)
		return;
	fprintf(stderr, "dump: %s\n", error_message());
	exit(status_exit_code(status));
}

void *dump_memory(int64_t count, size_t size)
{
	void *memory = calloc((size_t)count, size);
	if (memory == NULL)
		dump_require(error_raise(STATUS_ENVIRONMENT, "out of memory"));
	return memory;
}

const char *dump_precision_name(const struct dump *dump)
{
	return dump->precision == PRECISION_FLOAT32 ? "float32" : "bfloat16";
}

static void write_values(const struct dump *dump, enum hdf5_type type, const void *values, int64_t count,
                         const char *format, va_list arguments)
{
	char name[128];

	vsnprintf(name, sizeof name, format, arguments);
	dump_require(hdf5_write_vector(dump->writer, name, type, count, values, NULL, NULL));
}

void dump_floats(const struct dump *dump, const float *values, int64_t count, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	write_values(dump, HDF5_FLOAT32, values, count, format, arguments);
	va_end(arguments);
}

void dump_reals(const struct dump *dump, const double *values, int64_t count, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	write_values(dump, HDF5_FLOAT64, values, count, format, arguments);
	va_end(arguments);
}

void dump_integers(const struct dump *dump, const int32_t *values, int64_t count, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	write_values(dump, HDF5_INT32, values, count, format, arguments);
	va_end(arguments);
}

void dump_device_floats(const struct dump *dump, const float *values, int64_t count, const char *format, ...)
{
	float *host = dump_memory(count, sizeof *host);
	va_list arguments;
	dump_require(dump->kernels->download(dump->device, host, values, (size_t)count * sizeof *host));
	va_start(arguments, format);
	write_values(dump, HDF5_FLOAT32, host, count, format, arguments);
	va_end(arguments);
	free(host);
}

static void dump_layout(const struct dump *dump, const struct model_config *config, const char *group)
{
	static const char *const group_names[] = { "embedding", "hidden", "norm" };
	size_t count;
	int64_t arena;
	struct tensor *layout = model_config_layout(config, &count, &arena);
	if (layout == NULL)
		dump_require(STATUS_ENVIRONMENT);
	const char **names = dump_memory((int64_t)count, sizeof *names);
	const char **groups = dump_memory((int64_t)count, sizeof *groups);
	int64_t *places = dump_memory((int64_t)count * 3, sizeof *places);
	for (size_t i = 0; i < count; i++) {
		names[i] = layout[i].name;
		groups[i] = group_names[layout[i].group];
		memcpy(places + 3 * i, (int64_t[]){ layout[i].offset, layout[i].rows, layout[i].columns },
		       3 * sizeof *places);
	}
	char name[128];
	snprintf(name, sizeof name, "%s/layout/name", group);
	dump_require(hdf5_write_texts(dump->writer, name, count, names, "tensor"));
	snprintf(name, sizeof name, "%s/layout/group", group);
	dump_require(hdf5_write_texts(dump->writer, name, count, groups, "group of the optimiser"));
	snprintf(name, sizeof name, "%s/layout/place", group);
	dump_require(hdf5_write(dump->writer, name, HDF5_INT64, 2, (int64_t[]){ (int64_t)count, 3 }, places, NULL,
	                        "offset in the arena, rows, columns"));
	free(names);
	free(groups);
	free(places);
	free(layout);
}

void dump_real_attribute(const struct dump *dump, const char *object, const char *name, double value)
{
	dump_require(hdf5_write_real_attribute(dump->writer, object, name, value));
}

void dump_integer_attribute(const struct dump *dump, const char *object, const char *name, int64_t value)
{
	dump_require(hdf5_write_integer_attribute(dump->writer, object, name, value));
}

void dump_config(const struct dump *dump, const struct model_config *config, const char *group)
{
	dump_integer_attribute(dump, group, "layers", config->layers);
	dump_integer_attribute(dump, group, "width", config->width);
	dump_integer_attribute(dump, group, "heads", config->heads);
	dump_integer_attribute(dump, group, "context", config->context);
	dump_integer_attribute(dump, group, "vocabulary", config->vocabulary);
	dump_integer_attribute(dump, group, "base_width", config->base_width);
	dump_integer_attribute(dump, group, "rotary", config->positions == POSITIONS_ROTARY);
	dump_real_attribute(dump, group, "rope_base", config->rope_base);
	dump_real_attribute(dump, group, "norm_epsilon", config->norm_epsilon);
	dump_layout(dump, config, group);
}

struct model *dump_model_create(const struct dump *dump, const struct model_config *config, int64_t max_rows,
                                uint64_t seed)
{
	struct model *model = NULL;
	size_t count;
	int64_t arena;

	dump_require(model_create(dump->kernels, dump->device, config, max_rows, true, &model));
	dump_require(model_initialise(model, seed));
	struct tensor *layout = model_config_layout(config, &count, &arena);
	if (layout == NULL)
		dump_require(STATUS_ENVIRONMENT);
	float *parameters = model_parameters(model, &arena);
	for (size_t i = 0; i < count; i++) {
		if (layout[i].group != GROUP_NORM)
			continue;
		float *gains = dump_memory(layout[i].rows, sizeof *gains);
		for (int64_t j = 0; j < layout[i].rows; j++)
			gains[j] = (float)(0.5 + random_uniform(seed, RANDOM_TEST, i, (uint64_t)j));
		dump_require(dump->kernels->upload(dump->device, parameters + layout[i].offset, gains,
		                                   (size_t)layout[i].rows * sizeof *gains));
		free(gains);
	}
	free(layout);
	dump_require(model_refresh_weights(model));
	return model;
}

static struct model_batch micro_batch(const struct model_batch *batch, int64_t first, int64_t sequences)
{
	struct model_batch part = *batch;
	int64_t row = first * batch->length;

	part.sequences = batch->sequences - first < sequences ? batch->sequences - first : sequences;
	part.inputs += row;
	part.targets += row;
	part.weights += row;
	if (batch->starts != NULL)
		part.starts += row;
	return part;
}

double dump_gradients(struct model *model, const struct model_batch *batch, int64_t sequences)
{
	double total = 0, loss = 0, sum;

	for (int64_t row = 0; row < batch->sequences * batch->length; row++)
		total += (double)batch->weights[row];
	dump_require(model_clear_gradients(model));
	for (int64_t first = 0; first < batch->sequences; first += sequences) {
		struct model_batch part = micro_batch(batch, first, sequences);
		dump_require(model_loss_gradient(model, &part, 1 / total, &sum));
		loss += sum;
	}
	return loss / total;
}

static const struct kernels *table_named(const char *name)
{
	const struct kernels *table = strcmp(name, "reference") == 0 ? kernels_reference()
	                              : strcmp(name, "cuda") == 0    ? kernels_cuda()
	                                                             : kernels_cpu();
	if (table == NULL || strcmp(table->name, name) != 0)
		dump_require(error_raise(STATUS_USAGE,
		                         "this build has no kernels named \"%s\": give cpu, reference or cuda", name));
	return table;
}

static void dump_all(struct dump *dump, enum precision precision)
{
	char name[64];

	dump->precision = precision;
	dump_require(dump->kernels->device_create(precision, dump->threads, &dump->device));
	snprintf(name, sizeof name, "device_%s", dump_precision_name(dump));
	dump_require(hdf5_write_text_attribute(dump->writer, "/", name, dump->kernels->device_describe(dump->device)));
	dump_models(dump, precision == PRECISION_FLOAT32);
	dump_classifier(dump, precision == PRECISION_FLOAT32);
	dump->kernels->device_destroy(dump->device);
}

int main(int count, char **words)
{
	if (count < 2) {
		fprintf(stderr, "usage: dump OUTPUT.h5 [cpu|reference|cuda] [threads]\n");
		return 2;
	}
	struct dump dump = { .kernels = table_named(count > 2 ? words[2] : "cpu"),
		             .threads = count > 3 ? atoi(words[3]) : 1 };
	dump_require(hdf5_create(words[1], &dump.writer));
	dump_all(&dump, PRECISION_FLOAT32);
	if (dump.kernels != kernels_reference()) /* which has float32 only */
		dump_all(&dump, PRECISION_BFLOAT16);
	dump_require(hdf5_commit(dump.writer));
	return 0;
}
