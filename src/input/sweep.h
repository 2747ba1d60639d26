/* What a parsed input file is made of. Private to src/input; everybody else uses parameters.h.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_INPUT_SWEEP_H
#define CAPSHAPE_INPUT_SWEEP_H

#include <stdio.h>

#include "input/parameters.h"
#include "input/value.h"

/* Collects the sentences of one report. */
struct error_list {
	FILE *stream;
	char *text;
	size_t size, count;
};

/* A key of the table with what was given for it. */
struct setting {
	const struct key *key;
	struct value *values; /* one, or those of an axis; the default when nothing was given */
	size_t value_count, value_capacity;
	bool given;    /* by the file or the command line */
	bool override; /* by the command line */
	bool broken;   /* given with an error, which has been reported: not to be called missing as well */
	size_t order;  /* among the settings that were given, for the order of the axes */
	int line;      /* in the file; 0: none */
	char *origin;  /* "file:line", "command line", "default" */
};

struct axis {
	struct setting *setting;
	size_t group;  /* axes of a group move together */
	size_t stride; /* points between two values of the group */
};

struct parameters {
	const struct sweep *sweep;
	const struct value **values; /* one a key of the table, owned by the settings */
};

/* A path of one point with {section/key} replaced. */
struct expanded_value {
	size_t setting;
	struct value *value; /* its own memory: points hold pointers to it */
};

struct sweep {
	char *file_name;
	struct setting *settings; /* one a key, in the order of the table */
	size_t setting_count;
	size_t given_count;
	struct axis *axes;
	size_t axis_count;
	struct parameters *points;
	const struct value **point_values; /* [point_count][setting_count] */
	char **point_names;
	size_t point_count;
	struct expanded_value *expanded;
	size_t expanded_count, expanded_capacity;
	char *warnings;
};

void error_list_add(struct error_list *errors, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* parse.c: reads the text, then the overrides, into settings. */
enum status sweep_parse_text(struct sweep *sweep, const char *text, struct error_list *errors);
enum status sweep_parse_override(struct sweep *sweep, const char *override, struct error_list *errors);

/* points.c: finds the axes, and makes and names the points of a sweep without errors. */
enum status sweep_find_axes(struct sweep *sweep, struct error_list *errors);
enum status sweep_make_points(struct sweep *sweep, struct error_list *errors);

/* NULL when there is no such key. */
struct setting *sweep_find_setting(const struct sweep *sweep, const char *name);

#endif
