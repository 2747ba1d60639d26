/* A run folder in memory: every finished run, the axes of the sweep, and what had to be left out and why.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_REPORT_LOAD_H
#define CAPSHAPE_REPORT_LOAD_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "report/run.h"

struct left_out {
	char *point, *reason;
	int64_t parameters; /* of a finished run that was not wanted; 0: not known */
};

struct run_list {
	struct run *runs; /* order of sweep.h5, else alphabetical */
	size_t count, capacity;
	struct left_out *left;
	size_t left_count, left_capacity;
	char **axes; /* "section/key" */
	size_t axis_count;
};

/* Reads `folder`/sweep.h5 for the points and axes when it is there and sound; else scans `folder`/points, and the axes
 * are the parameters that differ. A run that can not be used is put on the list of those left out; STATUS_DATA only
 * when the folder can not be read at all. */
enum status load_folder(const char *folder, struct run_list *list_out);
void load_clear(struct run_list *list);
/* Adds a point to those left out. Copies both texts. */
enum status load_leave_out(struct run_list *list, const char *point, const char *reason);

#endif
