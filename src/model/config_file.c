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
	if (model_config_is_routed(model)) {
		STATUS_TRY(hdf5_write_integer_attribute(writer, "model", "route_neurons", model->route_neurons));
		STATUS_TRY(hdf5_write_integer_attribute(writer, "model", "route_heads", model->route_heads));
	}
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

static enum status read_size(struct hdf5_reader *reader, const char *name, int32_t *value_out)
{
	int64_t value = 0;
	STATUS_TRY(hdf5_read_integer_attribute(reader, "model", name, &value));
	if (value < 0 || value > INT32_MAX)
		return error_raise(STATUS_DATA, "the model's %s is %lld", name, (long long)value);
	*value_out = (int32_t)value;
	return STATUS_OK;
}

/* Only models that were trained with one have a forget part. */
static enum status read_part(struct hdf5_reader *reader, const char *name, int32_t *value_out)
{
	char **names = NULL;
	size_t count = 0;
	bool there = false;
	STATUS_TRY(hdf5_list_attributes(reader, "model", &names, &count));
	for (size_t i = 0; i < count; i++)
		there = there || strcmp(names[i], name) == 0;
	hdf5_free_names(names, count);
	return there ? read_size(reader, name, value_out) : STATUS_OK;
}

enum status config_file_read(struct hdf5_reader *reader, struct model_config *config_out)
{
	struct model_config config = { 0 };
	char *positions = NULL;
	STATUS_TRY(read_size(reader, "layers", &config.layers));
	STATUS_TRY(read_size(reader, "width", &config.width));
	STATUS_TRY(read_size(reader, "heads", &config.heads));
	STATUS_TRY(read_size(reader, "context", &config.context));
	STATUS_TRY(read_size(reader, "vocabulary", &config.vocabulary));
	STATUS_TRY(read_size(reader, "base_width", &config.base_width));
	STATUS_TRY(read_part(reader, "route_neurons", &config.route_neurons));
	STATUS_TRY(read_part(reader, "route_heads", &config.route_heads));
	STATUS_TRY(hdf5_read_real_attribute(reader, "model", "rope_base", &config.rope_base));
	STATUS_TRY(hdf5_read_real_attribute(reader, "model", "norm_epsilon", &config.norm_epsilon));
	STATUS_TRY(hdf5_read_real_attribute(reader, "model", "init_deviation", &config.init_deviation));
	STATUS_TRY(hdf5_read_text_attribute(reader, "model", "positions", &positions));
	config.positions = strcmp(positions, "rotary") == 0 ? POSITIONS_ROTARY : POSITIONS_NONE;
	free(positions);
	if (model_config_check(&config) != STATUS_OK)
		return error_context(STATUS_DATA, "/model");
	*config_out = config;
	return STATUS_OK;
}
