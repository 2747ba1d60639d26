/* A list of regular expressions that answers are looked through for: a file of one expression a line (PCRE2, UTF-8, upper and lower
 * case alike; . ends at line ends, ^ and $ are the ends of the text). Empty lines, and lines that begin with #, are passed over.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_TEXT_PHRASES_H
#define CAPSHAPE_TEXT_PHRASES_H

#include <stddef.h>

#include "base/checksum.h"
#include "base/status.h"

struct phrases;

/* STATUS_DATA naming file, line and place of an expression that is not one; also when the file has none. */
enum status phrases_read(const char *path, struct phrases **phrases_out);
void phrases_destroy(struct phrases *phrases);
/* Names the expressions, in order. */
const char *phrases_hash(const struct phrases *phrases);
/* The first expression of the file that matches anywhere in the text, as written there; NULL: none. `text` is valid UTF-8.
 * STATUS_DATA when an expression takes too many steps on it. */
enum status phrases_find(const struct phrases *phrases, const char *text, size_t size, const char **expression_out);

#endif
