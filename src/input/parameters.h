/* Input files: grammar, command-line overrides, the points of a sweep, and typed access to the values of one point.
 *
 *   [section]
 *   key = value            # comment
 *   key = a, b, c          # a comma-separated list makes the key an axis of the sweep (not for KEY_LIST keys)
 *   zip = section/key section/key     in [sweep]: these axes move together instead of multiplying
 *   folder = data/{section/key}       in a path, the value that the key has at the point
 *
 * Values may stand in "quotes" (in which \" and \\ stand for a quote and a backslash). A text may be CRLF and may begin
 * with a byte order mark. All errors of a file and the command line are collected and reported in one message, each with
 * file, line, key and the nearest known name. Nothing here uses MPI; every rank may parse the same text.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_INPUT_PARAMETERS_H
#define CAPSHAPE_INPUT_PARAMETERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "input/keys.h"

struct parameters; /* the values of one point, every key of the table set */
struct sweep;      /* an input file with its overrides: one or more points */

enum {
	SWEEP_LINE_LIMIT = 65536,    /* bytes of a line */
	SWEEP_TEXT_LIMIT = 16777216, /* bytes of a file */
	SWEEP_POINT_LIMIT = 10000,
	SWEEP_NAME_LIMIT = 200 /* bytes of a point's name, which is the name of a folder */
};

/* Parses `text` (the contents of `file_name`, which is used in messages only) and then `overrides`
 * ("section/key=value": an override replaces the file's value in its place). STATUS_USAGE with every error (the first
 * 50 in words) in one message. *sweep_out: sweep_destroy(). */
enum status sweep_parse(const char *file_name, const char *text, int override_count, const char *const *overrides,
                        struct sweep **sweep_out);
/* Reads the file, then sweep_parse(). */
enum status sweep_read(const char *file_name, int override_count, const char *const *overrides,
                       struct sweep **sweep_out);
void sweep_destroy(struct sweep *sweep);

/* One line for each key that was given but that the task does not read; "" when there is none. Owned. */
const char *sweep_warnings(const struct sweep *sweep);
/* "pretrain" and so on: run/task, which can not be an axis. */
const char *sweep_task(const struct sweep *sweep);
size_t sweep_point_count(const struct sweep *sweep);
/* Point `index` (0 ..); owned by the sweep. First axis of the file varies slowest. */
const struct parameters *sweep_point(const struct sweep *sweep, size_t index);
/* "method=mask,size=small": the axes of the point in file order, key parts only (section added where two axes share
 * the key part), characters outside [A-Za-z0-9.+=,_-] replaced by _; "point" when there is no axis. A name longer than
 * SWEEP_NAME_LIMIT is cut and ends in + and 16 digits of a hash. No two points have the same name. Owned. */
const char *sweep_point_name(const struct sweep *sweep, size_t index);
size_t sweep_axis_count(const struct sweep *sweep);
/* Name "section/key" of axis `axis`. */
const char *sweep_axis_name(const struct sweep *sweep, size_t axis);
/* The whole input file as it would be written with every value in place (keys that the task reads, and those that were
 * given), defaults marked "# default", overrides marked "# command line". It parses back to the same points, names and
 * axes, but then every key in it counts as given. From malloc; NULL after error_raise(). */
char *sweep_used_text(const struct sweep *sweep);

/* Typed access. A name that is not in the table, or of another type, is a bug: prints it and aborts. `auto` is -1; a
 * required key that the task does not read is "" or an empty list. */
bool parameters_boolean(const struct parameters *parameters, const char *name);
int64_t parameters_integer(const struct parameters *parameters, const char *name);
double parameters_real(const struct parameters *parameters, const char *name);
/* KEY_TEXT, KEY_CHOICE, KEY_PATH. Owned by the parameters. */
const char *parameters_text(const struct parameters *parameters, const char *name);
/* KEY_LIST. */
size_t parameters_list_count(const struct parameters *parameters, const char *name);
const char *parameters_list_item(const struct parameters *parameters, const char *name, size_t index);
/* The value of any key as canonical text (what is stored in HDF5 and compared on resume). Owned. */
const char *parameters_value(const struct parameters *parameters, const char *name);
/* Whether the value came from the file or the command line rather than from the default. For messages: what a run does
 * should depend on values only, so that the used text (in which every key is given) repeats it. */
bool parameters_given(const struct parameters *parameters, const char *name);
/* "file:line" of the value, or "command line", or "default": for messages. Owned. */
const char *parameters_origin(const struct parameters *parameters, const char *name);

/* Hash over "name=value" of every key that may not change on resume and is read by the point's task. */
void parameters_hash(const struct parameters *parameters, char out[33]);

/* The key table as text for people: all sections (""), one section ("model"), or one key ("model/size"). From malloc.
 * STATUS_USAGE naming the sections, or the key that is meant, when there is no such section or key. */
enum status keys_help_text(const char *section_or_empty, char **text_out);
/* docs/parameters.md. From malloc; NULL after error_raise(). */
char *keys_markdown(void);

#endif
