/* Filling tables and writing them in four forms.
 * SPDX-License-Identifier: Apache-2.0 */
#include "report/table.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"

/* ---- growing text ---- */

void buffer_add(struct buffer *buffer, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	int length = vsnprintf(NULL, 0, format, arguments);
	va_end(arguments);
	if (buffer->status == STATUS_OK && length < 0)
		buffer->status = error_raise(STATUS_INTERNAL, "a text of the report can not be formatted");
	if (buffer->status == STATUS_OK)
		buffer->status =
			memory_grow((void **)&buffer->text, &buffer->capacity, buffer->size + (size_t)length + 1, 1);
	if (buffer->status != STATUS_OK)
		return;
	va_start(arguments, format);
	vsnprintf(buffer->text + buffer->size, (size_t)length + 1, format, arguments);
	va_end(arguments);
	buffer->size += (size_t)length;
}

void buffer_clear(struct buffer *buffer)
{
	free(buffer->text);
	*buffer = (struct buffer){ 0 };
}

/* ---- filling ---- */

void table_create(struct table *table, const char *name, const char *title, const struct column *columns,
                  size_t column_count)
{
	*table = (struct table){ .name = memory_copy_text(name), .title = memory_copy_text(title) };
	table->columns = memory_allocate(column_count, sizeof(*table->columns));
	if (!table->name || !table->title || !table->columns) {
		table->status = STATUS_ENVIRONMENT;
		return;
	}
	table->column_count = column_count;
	for (size_t i = 0; i < column_count; i++) {
		table->columns[i] = columns[i];
		table->columns[i].name = memory_copy_text(columns[i].name);
		if (!table->columns[i].name)
			table->status = STATUS_ENVIRONMENT;
	}
}

void table_clear(struct table *table)
{
	for (size_t i = 0; i < table->cell_count; i++)
		free(table->cells[i].text);
	for (size_t i = 0; i < table->column_count; i++)
		free((char *)table->columns[i].name);
	free(table->cells);
	free(table->columns);
	free(table->name);
	free(table->title);
	*table = (struct table){ 0 };
}

static struct cell *next_cell(struct table *table, bool is_text, enum column_type type)
{
	if (table->status != STATUS_OK)
		return NULL;
	enum column_type wanted = table->columns[table->cell_count % table->column_count].type;
	bool wants_text = wanted == COLUMN_TEXT || wanted == COLUMN_FIGURE;
	if (wants_text != is_text || (!is_text && wanted != type)) {
		table->status = error_raise(STATUS_INTERNAL, "table %s: a cell of the wrong type in column %s",
		                            table->name, table->columns[table->cell_count % table->column_count].name);
		return NULL;
	}
	table->status =
		memory_grow((void **)&table->cells, &table->capacity, table->cell_count + 1, sizeof(*table->cells));
	if (table->status != STATUS_OK)
		return NULL;
	struct cell *cell = &table->cells[table->cell_count++];
	*cell = (struct cell){ .real = NAN };
	return cell;
}

void table_add_text(struct table *table, const char *format, ...)
{
	struct cell *cell = next_cell(table, true, COLUMN_TEXT);
	if (!cell)
		return;
	struct buffer text = { 0 };
	va_list arguments;
	va_start(arguments, format);
	int length = vsnprintf(NULL, 0, format, arguments);
	va_end(arguments);
	table->status = memory_grow((void **)&text.text, &text.capacity, (size_t)(length < 0 ? 0 : length) + 1, 1);
	if (table->status != STATUS_OK)
		return;
	va_start(arguments, format);
	vsnprintf(text.text, (size_t)(length < 0 ? 0 : length) + 1, format, arguments);
	va_end(arguments);
	cell->text = text.text;
}

void table_add_integer(struct table *table, int64_t value)
{
	struct cell *cell = next_cell(table, false, COLUMN_INTEGER);
	if (cell)
		cell->integer = value;
}

void table_add_real(struct table *table, double value)
{
	struct cell *cell = next_cell(table, false, COLUMN_REAL);
	if (cell)
		cell->real = value;
}

size_t table_rows(const struct table *table)
{
	return table->column_count ? table->cell_count / table->column_count : 0;
}

static const struct cell *cell_at(const struct table *table, size_t row, size_t column)
{
	return &table->cells[row * table->column_count + column];
}

const struct cell *table_cell(const struct table *table, size_t row, const char *column)
{
	for (size_t c = 0; c < table->column_count && row < table_rows(table); c++)
		if (strcmp(table->columns[c].name, column) == 0)
			return cell_at(table, row, c);
	return NULL;
}

const struct column *table_column(const struct table *table, const char *name)
{
	for (size_t c = 0; c < table->column_count; c++)
		if (strcmp(table->columns[c].name, name) == 0)
			return &table->columns[c];
	return NULL;
}

/* ---- text, markdown, HTML ---- */

static const char *cell_text(const struct table *table, size_t row, size_t column, char *scratch, size_t size)
{
	const struct cell *cell = cell_at(table, row, column);
	switch (table->columns[column].type) {
	case COLUMN_INTEGER:
		snprintf(scratch, size, "%" PRId64, cell->integer);
		return scratch;
	case COLUMN_REAL:
		if (isnan(cell->real))
			return "";
		snprintf(scratch, size, "%.10g", cell->real);
		return scratch;
	default:
		return cell->text;
	}
}

/* Characters on the screen: code points of UTF-8. */
static size_t text_width(const char *text)
{
	size_t width = 0;
	for (; *text; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
}

static void add_spaces(struct buffer *buffer, size_t count)
{
	if (count > 0)
		buffer_add(buffer, "%*s", (int)count, "");
}

static void add_aligned(struct buffer *buffer, const char *text, size_t width, bool right)
{
	size_t own = text_width(text), rest = width > own ? width - own : 0;
	if (right)
		add_spaces(buffer, rest);
	buffer_add(buffer, "%s", text);
	if (!right)
		add_spaces(buffer, rest);
}

void table_write_text(const struct table *table, struct buffer *buffer)
{
	char scratch[64];
	size_t *widths = memory_allocate(table->column_count, sizeof(*widths));
	if (!widths || table->status != STATUS_OK) {
		buffer->status = STATUS_ENVIRONMENT;
		free(widths);
		return;
	}
	for (size_t c = 0; c < table->column_count; c++) {
		widths[c] = text_width(table->columns[c].name);
		for (size_t r = 0; r < table_rows(table); r++) {
			size_t width = text_width(cell_text(table, r, c, scratch, sizeof(scratch)));
			widths[c] = width > widths[c] ? width : widths[c];
		}
	}
	if (table->title[0])
		buffer_add(buffer, "%s\n", table->title);
	for (size_t row = 0; row <= table_rows(table); row++) {
		for (size_t c = 0; c < table->column_count; c++) {
			const char *text = row == 0 ? table->columns[c].name
			                            : cell_text(table, row - 1, c, scratch, sizeof(scratch));
			buffer_add(buffer, "  ");
			add_aligned(buffer, text, widths[c], table->columns[c].type != COLUMN_TEXT);
		}
		while (buffer->status == STATUS_OK && buffer->size > 0 && buffer->text[buffer->size - 1] == ' ')
			buffer->size--;
		buffer_add(buffer, "\n");
	}
	free(widths);
}

void table_write_markdown(const struct table *table, struct buffer *buffer)
{
	char scratch[64];
	if (table->title[0])
		buffer_add(buffer, "### %s\n\n", table->title);
	for (size_t c = 0; c < table->column_count; c++)
		buffer_add(buffer, "| %s ", table->columns[c].name);
	buffer_add(buffer, "|\n");
	for (size_t c = 0; c < table->column_count; c++)
		buffer_add(buffer, table->columns[c].type == COLUMN_TEXT ? "|---" : "|---:");
	buffer_add(buffer, "|\n");
	for (size_t r = 0; r < table_rows(table); r++) {
		for (size_t c = 0; c < table->column_count; c++) {
			buffer_add(buffer, "| ");
			for (const char *at = cell_text(table, r, c, scratch, sizeof(scratch)); *at; at++)
				buffer_add(buffer, *at == '|' || *at == '*' || *at == '_' ? "\\%c" : "%c", *at);
			buffer_add(buffer, " ");
		}
		buffer_add(buffer, "|\n");
	}
	buffer_add(buffer, "\n");
}

void buffer_add_escaped(struct buffer *buffer, const char *text)
{
	for (; *text; text++)
		switch (*text) {
		case '<':
			buffer_add(buffer, "&lt;");
			break;
		case '>':
			buffer_add(buffer, "&gt;");
			break;
		case '&':
			buffer_add(buffer, "&amp;");
			break;
		case '"':
			buffer_add(buffer, "&quot;");
			break;
		default:
			buffer_add(buffer, "%c", *text);
			break;
		}
}

void table_write_html(const struct table *table, struct buffer *buffer)
{
	char scratch[64];
	if (table->title[0]) {
		buffer_add(buffer, "<h3>");
		buffer_add_escaped(buffer, table->title);
		buffer_add(buffer, "</h3>\n");
	}
	buffer_add(buffer, "<div class=\"wide\"><table>\n<tr>");
	for (size_t c = 0; c < table->column_count; c++) {
		buffer_add(buffer, table->columns[c].type == COLUMN_TEXT ? "<th>" : "<th class=\"n\">");
		buffer_add_escaped(buffer, table->columns[c].name);
		buffer_add(buffer, "</th>");
	}
	buffer_add(buffer, "</tr>\n");
	for (size_t r = 0; r < table_rows(table); r++) {
		buffer_add(buffer, "<tr>");
		for (size_t c = 0; c < table->column_count; c++) {
			buffer_add(buffer, table->columns[c].type == COLUMN_TEXT ? "<td>" : "<td class=\"n\">");
			buffer_add_escaped(buffer, cell_text(table, r, c, scratch, sizeof(scratch)));
			buffer_add(buffer, "</td>");
		}
		buffer_add(buffer, "</tr>\n");
	}
	buffer_add(buffer, "</table></div>\n");
}

/* ---- CSV and HDF5 ---- */

static void add_field(struct buffer *buffer, const char *text)
{
	if (!strpbrk(text, ",\"\n\r")) {
		buffer_add(buffer, "%s", text);
		return;
	}
	buffer_add(buffer, "\"");
	for (; *text; text++)
		buffer_add(buffer, *text == '"' ? "\"\"" : "%c", *text);
	buffer_add(buffer, "\"");
}

void table_write_csv(const struct table *table, struct buffer *buffer)
{
	char scratch[64];
	for (size_t c = 0; c < table->column_count; c++) {
		buffer_add(buffer, c ? "," : "");
		add_field(buffer, table->columns[c].name);
	}
	buffer_add(buffer, "\n");
	for (size_t r = 0; r < table_rows(table); r++) {
		for (size_t c = 0; c < table->column_count; c++) {
			buffer_add(buffer, c ? "," : "");
			add_field(buffer, cell_text(table, r, c, scratch, sizeof(scratch)));
		}
		buffer_add(buffer, "\n");
	}
}

static enum status write_column(const struct table *table, size_t column, struct hdf5_writer *writer)
{
	size_t rows = table_rows(table);
	const struct column *what = &table->columns[column];
	char *name = text_format("%s/%s", table->name, what->name);
	const char **texts = memory_allocate(rows, sizeof(*texts));
	int64_t *integers = memory_allocate(rows, sizeof(*integers));
	double *reals = memory_allocate(rows, sizeof(*reals));
	enum status status = name && texts && integers && reals ? STATUS_OK : STATUS_ENVIRONMENT;
	for (size_t r = 0; r < rows && status == STATUS_OK; r++) {
		texts[r] = cell_at(table, r, column)->text;
		integers[r] = cell_at(table, r, column)->integer;
		reals[r] = cell_at(table, r, column)->real;
	}
	if (status == STATUS_OK && what->type == COLUMN_INTEGER)
		status = hdf5_write_vector(writer, name, HDF5_INT64, (int64_t)rows, integers, what->unit,
		                           what->long_name);
	else if (status == STATUS_OK && what->type == COLUMN_REAL)
		status = hdf5_write_vector(writer, name, HDF5_FLOAT64, (int64_t)rows, reals, what->unit,
		                           what->long_name);
	else if (status == STATUS_OK)
		status = hdf5_write_texts(writer, name, rows, texts, what->long_name);
	free(name);
	free(texts);
	free(integers);
	free(reals);
	return status;
}

enum status table_write_hdf5(const struct table *table, struct hdf5_writer *writer)
{
	STATUS_TRY(table->status);
	for (size_t c = 0; c < table->column_count && table_rows(table) > 0; c++)
		STATUS_TRY(write_column(table, c, writer));
	return STATUS_OK;
}
