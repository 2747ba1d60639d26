/* Cutting what stands after the equals sign into its entries: quotes, commas, blanks, comments.
 * Private to src/input.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_INPUT_SCAN_H
#define CAPSHAPE_INPUT_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/status.h"

enum { PROBLEM_SIZE = 320 };

struct entries {
	char **texts; /* without their quotes */
	size_t count, capacity;
};

/* `words`: entries are separated by blanks (KEY_LIST), else by commas. `comments`: an unquoted # ends the text.
 * false with the reason in `problem`; *out is filled only on success, entries_clear(). */
bool scan_entries(const char *text, bool words, bool comments, struct entries *out, char problem[PROBLEM_SIZE]);
void entries_clear(struct entries *entries);

/* Writes an entry so that scan_entries() reads it back: quoted where needed. */
void scan_write(FILE *stream, const char *text, bool words);

#endif
