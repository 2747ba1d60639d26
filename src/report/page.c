/* Writing the files of a report.
 * SPDX-License-Identifier: Apache-2.0 */
#include "report/page.h"

#include <stdlib.h>

#include "base/text.h"
#include "storage/atomic_file.h"
#include "storage/hdf5_file.h"

enum status page_write_buffer(const char *folder, const char *name, struct buffer *buffer)
{
	char *path = buffer->status == STATUS_OK ? text_join_path(folder, name) : NULL;
	enum status status = path ? atomic_file_write(path, buffer->text, buffer->size) : STATUS_ENVIRONMENT;
	free(path);
	buffer_clear(buffer);
	return status;
}

static enum status write_csv(const char *folder, const struct table *table)
{
	struct buffer buffer = { 0 };
	char *name = text_format("%s.csv", table->name);
	if (!name)
		return STATUS_ENVIRONMENT;
	table_write_csv(table, &buffer);
	enum status status = page_write_buffer(folder, name, &buffer);
	free(name);
	return status;
}

static enum status write_hdf5(const char *folder, const struct report_options *options, size_t resamples,
                              const struct table *tables, size_t table_count)
{
	struct hdf5_writer *writer = NULL;
	char *path = text_join_path(folder, "report.h5");
	enum status status = path ? hdf5_create(path, &writer) : STATUS_ENVIRONMENT;
	free(path);
	STATUS_TRY(status);
	status = hdf5_write_text_attribute(writer, "/", "format", "capshape-report");
	if (status == STATUS_OK)
		status = hdf5_write_integer_attribute(writer, "/", "format_version", 1);
	if (status == STATUS_OK)
		status = hdf5_write_text_attribute(writer, "/", "version", options->version);
	if (status == STATUS_OK)
		status = hdf5_write_integer_attribute(writer, "/", "resamples", (int64_t)resamples);
	for (size_t i = 0; i < table_count && status == STATUS_OK; i++)
		status = table_write_hdf5(&tables[i], writer);
	if (status == STATUS_OK)
		return hdf5_commit(writer);
	hdf5_abandon(writer);
	return status;
}

enum status page_write_tables(const char *folder, const struct report_options *options, size_t resamples,
                              const struct table *tables, size_t table_count)
{
	for (size_t i = 0; i < table_count; i++)
		STATUS_TRY(write_csv(folder, &tables[i]));
	return write_hdf5(folder, options, resamples, tables, table_count);
}

enum status page_print(const char *folder, struct buffer *buffer, FILE *out)
{
	enum status status = buffer->status;
	if (status == STATUS_OK)
		fprintf(out, "%s\nWritten to %s: report.html, report.md, report.h5, tables as CSV, figures\n",
		        buffer->text, folder);
	buffer_clear(buffer);
	if (status == STATUS_OK && (fflush(out) != 0 || ferror(out)))
		status = error_raise(STATUS_IO, "the tables can not be printed: standard output is closed or full");
	return status;
}
