/* Owns sweep.h5: the table of the points of a sweep (docs/run-file.md).
 * SPDX-License-Identifier: Apache-2.0 */
#include "results/sweep_file.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "results/provenance.h"
#include "storage/hdf5_file.h"

enum { FORMAT_VERSION = 1 };
static const char format_name[] = "capshape-sweep";

void sweep_table_clear(struct sweep_table *table)
{
	for (size_t axis = 0; table->axis_values != NULL && axis < table->axis_count; axis++)
		hdf5_free_names(table->axis_values[axis], table->point_count);
	free(table->axis_values);
	hdf5_free_names(table->axis_names, table->axis_count);
	hdf5_free_names(table->point_names, table->point_count);
	free(table->finished);
	free(table->input);
	*table = (struct sweep_table){ 0 };
}

static enum status allocate_axes(struct sweep_table *table)
{
	table->axis_names = memory_allocate(table->axis_count, sizeof *table->axis_names);
	table->axis_values = memory_allocate(table->axis_count, sizeof *table->axis_values);
	return table->axis_names == NULL || table->axis_values == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
}

static enum status fill_points(struct sweep_table *table, const struct sweep *sweep)
{
	table->point_names = memory_allocate(table->point_count, sizeof *table->point_names);
	table->finished = memory_allocate(table->point_count, 1);
	if (table->point_names == NULL || table->finished == NULL)
		return STATUS_ENVIRONMENT;
	for (size_t point = 0; point < table->point_count; point++) {
		table->point_names[point] = memory_copy_text(sweep_point_name(sweep, point));
		if (table->point_names[point] == NULL)
			return STATUS_ENVIRONMENT;
	}
	return STATUS_OK;
}

static enum status fill_axes(struct sweep_table *table, const struct sweep *sweep)
{
	STATUS_TRY(allocate_axes(table));
	for (size_t axis = 0; axis < table->axis_count; axis++) {
		const char *name = sweep_axis_name(sweep, axis);
		table->axis_names[axis] = memory_copy_text(name);
		table->axis_values[axis] = memory_allocate(table->point_count, sizeof(char *));
		if (table->axis_names[axis] == NULL || table->axis_values[axis] == NULL)
			return STATUS_ENVIRONMENT;
		for (size_t point = 0; point < table->point_count; point++) {
			table->axis_values[axis][point] =
				memory_copy_text(parameters_value(sweep_point(sweep, point), name));
			if (table->axis_values[axis][point] == NULL)
				return STATUS_ENVIRONMENT;
		}
	}
	return STATUS_OK;
}

enum status sweep_table_create(const struct sweep *sweep, struct sweep_table *table)
{
	struct sweep_table made = { .point_count = sweep_point_count(sweep), .axis_count = sweep_axis_count(sweep) };
	made.input = sweep_used_text(sweep);
	enum status status = made.input == NULL ? STATUS_ENVIRONMENT : fill_points(&made, sweep);
	if (status == STATUS_OK)
		status = fill_axes(&made, sweep);
	if (status != STATUS_OK)
		sweep_table_clear(&made);
	else
		*table = made;
	return status;
}

/* ---- writing ---- */

static enum status write_axis(struct hdf5_writer *writer, const struct sweep_table *table, size_t axis)
{
	char *name = text_format("points/%s", table->axis_names[axis]);
	enum status status = name == NULL ? STATUS_ENVIRONMENT
	                                  : hdf5_write_texts(writer, name, table->point_count,
	                                                     (const char *const *)table->axis_values[axis],
	                                                     "value of the key at each point");
	free(name);
	return status;
}

static enum status write_link(struct hdf5_writer *writer, const char *point)
{
	char *name = text_format("runs/%s", point), *file = text_format("points/%s/run.h5", point);
	enum status status =
		name == NULL || file == NULL ? STATUS_ENVIRONMENT : hdf5_write_external_link(writer, name, file, "/");
	free(file);
	free(name);
	return status;
}

static enum status write_axis_names(struct hdf5_writer *writer, const struct sweep_table *table)
{
	return hdf5_write_texts(writer, "axes", table->axis_count, (const char *const *)table->axis_names,
	                        "keys that differ between points, in the order of the input file");
}

static enum status write_table(struct hdf5_writer *writer, const struct sweep_table *table)
{
	STATUS_TRY(hdf5_write_text_attribute(writer, "/", "format", format_name));
	STATUS_TRY(hdf5_write_integer_attribute(writer, "/", "format_version", FORMAT_VERSION));
	STATUS_TRY(hdf5_write_integer_attribute(writer, "/", "points", (int64_t)table->point_count));
	STATUS_TRY(hdf5_write_text_attribute(writer, "/", "version", provenance_version()));
	STATUS_TRY(hdf5_write_text_attribute(writer, "/", "input", table->input));
	STATUS_TRY(write_axis_names(writer, table));
	STATUS_TRY(hdf5_write_texts(writer, "points/name", table->point_count, (const char *const *)table->point_names,
	                            "name of the point and of its folder"));
	STATUS_TRY(hdf5_write_vector(writer, "points/finished", HDF5_UINT8, (int64_t)table->point_count,
	                             table->finished, "1", "1 when the point has run to its end"));
	for (size_t axis = 0; axis < table->axis_count; axis++)
		STATUS_TRY(write_axis(writer, table, axis));
	for (size_t point = 0; point < table->point_count; point++)
		STATUS_TRY(write_link(writer, table->point_names[point]));
	return STATUS_OK;
}

enum status sweep_file_write(const char *path, const struct sweep_table *table)
{
	struct hdf5_writer *writer;
	STATUS_TRY(hdf5_create(path, &writer));
	enum status status = write_table(writer, table);
	if (status != STATUS_OK) {
		hdf5_abandon(writer);
		return status;
	}
	return hdf5_commit(writer);
}

/* ---- reading ---- */

static enum status read_head(struct hdf5_reader *reader, const char *path, struct sweep_table *table)
{
	char *format;
	int64_t version, points;
	STATUS_TRY(hdf5_read_text_attribute(reader, "/", "format", &format));
	bool ours = strcmp(format, format_name) == 0;
	free(format);
	if (!ours)
		return error_raise(STATUS_DATA, "%s: this is not a sweep file", path);
	STATUS_TRY(hdf5_read_integer_attribute(reader, "/", "format_version", &version));
	if (version != FORMAT_VERSION)
		return error_raise(STATUS_DATA, "%s: the sweep file has format version %lld, this program knows %d",
		                   path, (long long)version, FORMAT_VERSION);
	STATUS_TRY(hdf5_read_text_attribute(reader, "/", "input", &table->input));
	STATUS_TRY(hdf5_read_texts(reader, "points/name", &table->point_names, &table->point_count));
	STATUS_TRY(hdf5_read_integer_attribute(reader, "/", "points", &points));
	if (points != (int64_t)table->point_count)
		return error_raise(STATUS_DATA, "%s: the number of points contradicts itself", path);
	table->finished = memory_allocate(table->point_count, 1);
	return table->finished == NULL ? STATUS_ENVIRONMENT
	                               : hdf5_read(reader, "points/finished", HDF5_UINT8, points, table->finished);
}

static enum status read_axis(struct hdf5_reader *reader, const char *path, struct sweep_table *table, size_t axis)
{
	size_t count = 0;
	char **values = NULL;
	char *name = text_format("points/%s", table->axis_names[axis]);
	enum status status = name == NULL ? STATUS_ENVIRONMENT : hdf5_read_texts(reader, name, &values, &count);
	if (status == STATUS_OK && count != table->point_count) {
		status =
			error_raise(STATUS_DATA, "%s: %s has %zu rows, not %zu", path, name, count, table->point_count);
		hdf5_free_names(values, count);
		values = NULL;
	}
	table->axis_values[axis] = values;
	free(name);
	return status;
}

static enum status read_axes(struct hdf5_reader *reader, const char *path, struct sweep_table *table)
{
	STATUS_TRY(hdf5_read_texts(reader, "axes", &table->axis_names, &table->axis_count));
	table->axis_values = memory_allocate(table->axis_count, sizeof *table->axis_values);
	if (table->axis_values == NULL)
		return STATUS_ENVIRONMENT;
	for (size_t axis = 0; axis < table->axis_count; axis++)
		STATUS_TRY(read_axis(reader, path, table, axis));
	return STATUS_OK;
}

enum status sweep_file_read(const char *path, struct sweep_table *table)
{
	struct hdf5_reader *reader;
	struct sweep_table read = { 0 };
	STATUS_TRY(hdf5_open(path, &reader));
	enum status status = read_head(reader, path, &read);
	if (status == STATUS_OK)
		status = read_axes(reader, path, &read);
	hdf5_close(reader);
	if (status != STATUS_OK)
		sweep_table_clear(&read);
	else
		*table = read;
	return status;
}
