/* sweep.h5: one row a point and links to the run files (docs/run-file.md).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_RESULTS_SWEEP_FILE_H
#define CAPSHAPE_RESULTS_SWEEP_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "input/parameters.h"

struct sweep_table {
	size_t point_count, axis_count;
	char **point_names;  /* [point_count] */
	uint8_t *finished;   /* [point_count] 0 or 1 */
	char **axis_names;   /* [axis_count] "section/key" */
	char ***axis_values; /* [axis_count][point_count] canonical texts */
	char *input;         /* the input file with every value in place */
};

/* The table of a parsed sweep, no point finished. From malloc: sweep_table_clear(). */
enum status sweep_table_create(const struct sweep *sweep, struct sweep_table *table);
void sweep_table_clear(struct sweep_table *table);

/* Complete or absent. Links lead to points/NAME/run.h5 beside the file, whether they exist yet or not. */
enum status sweep_file_write(const char *path, const struct sweep_table *table);
/* Into a zeroed struct. STATUS_DATA when missing, damaged, or not a sweep file of this version. */
enum status sweep_file_read(const char *path, struct sweep_table *table);

#endif
