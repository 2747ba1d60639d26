/* Tables: filled cell by cell, written as plain text, markdown, CSV or HDF5 columns. Also the growing text they are
 * written to. Both remember the first failure (no memory), so that only the end has to be checked.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_REPORT_TABLE_H
#define CAPSHAPE_REPORT_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "storage/hdf5_file.h"

struct buffer {
	char *text; /* NUL-terminated once anything was added */
	size_t size, capacity;
	enum status status;
};
void buffer_add(struct buffer *buffer, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buffer_clear(struct buffer *buffer);

enum column_type {
	COLUMN_TEXT,
	COLUMN_FIGURE, /* text, set right */
	COLUMN_INTEGER,
	COLUMN_REAL
};

struct column {
	const char *name; /* heading, and name of the data set */
	enum column_type type;
	const char *unit, *long_name; /* NULL in tables that are only shown */
};

struct cell {
	char *text;
	int64_t integer;
	double real;
};

struct table {
	char *name, *title;
	struct column *columns; /* names copied */
	size_t column_count, cell_count, capacity;
	struct cell *cells; /* row by row */
	enum status status;
};

void table_create(struct table *table, const char *name, const char *title, const struct column *columns,
                  size_t column_count);
void table_clear(struct table *table);
/* The next cell of the current row; the type must be that of the column. */
void table_add_text(struct table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));
void table_add_integer(struct table *table, int64_t value);
void table_add_real(struct table *table, double value);
size_t table_rows(const struct table *table);
/* NULL when there is no such column. */
const struct column *table_column(const struct table *table, const char *name);
const struct cell *table_cell(const struct table *table, size_t row, const char *column);

/* Aligned columns under a title. */
void table_write_text(const struct table *table, struct buffer *buffer);
void table_write_markdown(const struct table *table, struct buffer *buffer);
void table_write_html(const struct table *table, struct buffer *buffer);
/* Text with the characters that HTML keeps for itself written as entities. */
void buffer_add_escaped(struct buffer *buffer, const char *text);
/* One header line; text quoted where needed (RFC 4180, but lines end with a line feed); NaN is an empty field. */
void table_write_csv(const struct table *table, struct buffer *buffer);
/* Group `name` with a data set for each column; an empty table is left out. */
enum status table_write_hdf5(const struct table *table, struct hdf5_writer *writer);

#endif
