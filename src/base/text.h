/* Strings: formatted allocation, paths, human-readable numbers, nearest name.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_BASE_TEXT_H
#define CAPSHAPE_BASE_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* printf into memory from malloc; NULL after error_raise(STATUS_ENVIRONMENT). */
char *text_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* "directory/name", or a copy of `name` when it is absolute or `directory` is "". From malloc. */
char *text_join_path(const char *directory, const char *name);

/* Writes "1.8B", "61M", "12.3k" or "512" into buffer and returns it. */
const char *text_count(double count, char *buffer, size_t size);

/* Writes "1:23:45", "12.3 s", "4.56 ms" or "789 us", three significant digits at least ("?" for what is no time), and returns
 * buffer. */
const char *text_duration(double seconds, char *buffer, size_t size);
/* Time that machines are paid for: "1234 h", "5.67 h", "8.90 min", "12.3 s", with three significant digits at
 * least, and returns buffer. */
const char *text_machine_time(double seconds, char *buffer, size_t size);

/* Writes "1.5 GiB" and returns buffer. */
const char *text_bytes(double bytes, char *buffer, size_t size);

/* Levenshtein distance, for "did you mean". */
size_t text_distance(const char *a, const char *b);

/* mkdir -p. STATUS_IO with the path and the reason. */
enum status text_make_directories(const char *path);

#endif
