/* A stream of bytes or lines from a plain, gzip (.gz, .dz) or Zstandard (.zst) file.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_TEXT_SOURCE_H
#define CAPSHAPE_TEXT_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

struct source;

/* The compression is told by the name. STATUS_DATA when the file is missing. */
enum status source_open(const char *path, struct source **source_out);
/* Up to `size` decompressed bytes; *got == 0 at the end. STATUS_DATA when the file is damaged or cut off. */
enum status source_read(struct source *source, void *bytes, size_t size, size_t *got);
/* The next line without its line end, valid until the next call; *found = false at the end. */
enum status source_read_line(struct source *source, const char **line, size_t *size, bool *found);
/* Number of the line last read, from 1. */
uint64_t source_line_number(const struct source *source);
const char *source_path(const struct source *source);
/* Everything that is left, NUL-terminated, from malloc. */
enum status source_read_rest(struct source *source, char **bytes, size_t *size);
void source_close(struct source *source);

#endif
