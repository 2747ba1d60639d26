/* Attributes and tables of a model.
 * SPDX-License-Identifier: Apache-2.0 */
#include "model/config_file.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static const struct tensor_column {
	const char *name, *unit, *long_name;
	size_t offset;
} columns[] = {
	{ "tensors/offset", "elements", "first element of the tensor in the arena", offsetof(struct tensor, offset) },
	{ "tensors/rows", "1", "rows of the tensor, one behind the other", offsetof(struct tensor, rows) },
	{ "tensors/columns", "1", "elements of a row; 1: the tensor is a vector", offsetof(struct tensor, columns) },
};

static enum status write_names(struct hdf5_writer *writer, const struct tensor *layout, size_t count)
{
	const char **names = memory_allocate(count, sizeof *names);
	if (names == NULL)
		return STATUS_ENVIRONMENT;
	for (size_t i = 0; i < count; i++)
		names[i] = layout[i].name;
	enum status status = hdf5_write_texts(writer, "tensors/name", count, names, "name of the tensor");
	free(names);
	return status;
}

static enum status write_column(struct hdf5_writer *writer, const struct tensor_column *column,
                                const struct tensor *layout, size_t count)
{
	int64_t *values = memory_allocate(count, sizeof *values);
	if (values == NULL)
		return STATUS_ENVIRONMENT;
	for (size_t i = 0; i < count; i++)
		memcpy(&values[i], (const char *)&layout[i] + column->offset, sizeof *values);
	enum status status = hdf5_write_vector(writer, column->name, HDF5_INT64, (int64_t)count, values, column->unit,
	                                       column->long_name);
	free(values);
	return status;
}

static enum status write_tensors(struct hdf5_writer *writer, const struct model_config *config)
{
	size_t count = 0;
	int64_t size = 0;
	struct tensor *layout = model_config_layout(config, &count, &size);
	enum status status = layout == NULL ? STATUS_ENVIRONMENT : write_names(writer, layout, count);
	for (size_t i = 0; status == STATUS_OK && i < sizeof columns / sizeof *columns; i++)
		status = write_column(writer, &columns[i], layout, count);
	free(layout);
	return status;
}

enum status config_file_write_details(struct hdf5_writer *writer, const void *config)
{
	const struct model_config *model = config;
	STATUS_TRY(hdf5_write_integer_attribute(writer, "model", "base_width", model->base_width));
	STATUS_TRY(hdf5_write_text_attribute(writer, "model", "positions",
	                                     model->positions == POSITIONS_ROTARY ? "rotary" : "none"));
	STATUS_TRY(hdf5_write_real_attribute(writer, "model", "rope_base", model->rope_base));
	STATUS_TRY(hdf5_write_real_attribute(writer, "model", "norm_epsilon", model->norm_epsilon));
	STATUS_TRY(hdf5_write_real_attribute(writer, "model", "init_deviation", model->init_deviation));
	return write_tensors(writer, model);
}

enum status config_file_write(struct hdf5_writer *writer, const void *config)
{
	const struct model_config *model = config;
	STATUS_TRY(hdf5_write_integer_attribute(writer, "model", "layers", model->layers));
	STATUS_TRY(hdf5_write_integer_attribute(writer, "model", "width", model->width));
	STATUS_TRY(hdf5_write_integer_attribute(writer, "model", "heads", model->heads));
	STATUS_TRY(hdf5_write_integer_attribute(writer, "model", "context", model->context));
	STATUS_TRY(hdf5_write_integer_attribute(writer, "model", "vocabulary", model->vocabulary));
	STATUS_TRY(hdf5_write_integer_attribute(writer, "model", "parameters", model_config_parameters(model)));
	return config_file_write_details(writer, model);
}
