/* A table for people: columns as wide as what stands in them, two blanks between them.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_TASKS_PLAN_TABLE_H
#define CAPSHAPE_TASKS_PLAN_TABLE_H

#include <stdbool.h>

#include "base/status.h"

enum { PLAN_COLUMNS = 16 };

struct plan_table {
	int columns, rows, capacity; /* rows: the first one has the titles */
	char **lines;                /* [capacity] cells with tabs between them */
	bool left[PLAN_COLUMNS];     /* the column begins at the left */
	enum status status;          /* of adding rows */
};

/* `titles`: one for each column, with tabs between them. One that begins with '<', which is not printed, is of a column of texts. */
void plan_table_begin(struct plan_table *table, const char *titles);
/* Adds a row; the format gives its cells with tabs between them. */
void plan_table_add(struct plan_table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Prints it, unless memory was short, and gives its memory back. */
enum status plan_table_end(struct plan_table *table);

#endif
