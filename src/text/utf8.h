/* UTF-8: well-formed sequences, and replacing what is not well-formed as Python's errors="replace" does.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_TEXT_UTF8_H
#define CAPSHAPE_TEXT_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Length of the well-formed sequence at text[0] (1 to 4), or 0 when there is none. size >= 1. */
size_t utf8_length(const char *text, size_t size);

/* Where there is none: the length (1 to 3) of the part that one U+FFFD replaces, the longest that begins a well-formed
 * sequence. size >= 1. */
size_t utf8_broken_length(const char *text, size_t size);

/* Length of the well-formed beginning of the text. */
size_t utf8_valid_prefix(const char *text, size_t size);

/* Copies the text with U+FFFD for every broken part; `out` has room for 3 * size bytes. Returns the size. */
size_t utf8_replace(const char *text, size_t size, char *out);

#endif
