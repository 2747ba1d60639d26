/* Lines are kept until all widths are known.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tasks/plan_table.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static void keep(struct plan_table *table, char *line)
{
	if (line == NULL || table->status != STATUS_OK) {
		table->status = STATUS_ENVIRONMENT;
		free(line);
		return;
	}
	if (table->rows == table->capacity) {
		int capacity = 2 * table->capacity + 16;
		char **lines = realloc(table->lines, (size_t)capacity * sizeof *lines);
		if (lines == NULL) {
			table->status = error_raise(STATUS_ENVIRONMENT, "out of memory for a table");
			free(line);
			return;
		}
		table->lines = lines;
		table->capacity = capacity;
	}
	table->lines[table->rows++] = line;
}

/* The next cell of a line: its length; *at moves behind it and its tab. */
static int next_cell(const char **at, const char **cell)
{
	int length = (int)strcspn(*at, "\t");
	*cell = *at;
	*at += length + ((*at)[length] != '\0');
	return length;
}

void plan_table_begin(struct plan_table *table, const char *titles)
{
	*table = (struct plan_table){ .status = STATUS_OK };
	char *line = memory_copy_text(titles), *to = line;
	for (const char *at = titles, *cell; line != NULL && *at != '\0' && table->columns < PLAN_COLUMNS;
	     table->columns++) {
		int length = next_cell(&at, &cell);
		table->left[table->columns] = *cell == '<';
		to += sprintf(to, "%s%.*s", table->columns > 0 ? "\t" : "", length - (*cell == '<'),
		              cell + (*cell == '<'));
	}
	keep(table, line);
}

void plan_table_add(struct plan_table *table, const char *format, ...)
{
	va_list arguments, again;
	va_start(arguments, format);
	va_copy(again, arguments);
	int length = vsnprintf(NULL, 0, format, arguments);
	char *line = length < 0 ? NULL : memory_allocate((size_t)length + 1, 1);
	if (line != NULL)
		vsnprintf(line, (size_t)length + 1, format, again);
	va_end(again);
	va_end(arguments);
	keep(table, line);
}

/* Without blanks at the end. */
static void print_line(const struct plan_table *table, const char *at, const int *widths)
{
	const char *cell;
	int blanks = 0;
	for (int column = 0; column < table->columns; column++) {
		int length = next_cell(&at, &cell), room = widths[column] - length;
		blanks += column > 0 ? 2 : 0;
		if (length == 0) {
			blanks += room;
			continue;
		}
		printf("%*s%.*s", blanks + (table->left[column] ? 0 : room), "", length, cell);
		blanks = table->left[column] ? room : 0;
	}
	printf("\n");
}

enum status plan_table_end(struct plan_table *table)
{
	int widths[PLAN_COLUMNS] = { 0 };
	enum status status = table->status;
	for (int row = 0; row < table->rows; row++) {
		const char *at = table->lines[row], *cell;
		for (int column = 0; column < table->columns; column++) {
			int length = next_cell(&at, &cell);
			widths[column] = length > widths[column] ? length : widths[column];
		}
	}
	for (int row = 0; row < table->rows; row++) {
		if (status == STATUS_OK)
			print_line(table, table->lines[row], widths);
		free(table->lines[row]);
	}
	free(table->lines);
	*table = (struct plan_table){ .status = STATUS_OK };
	return status;
}
