/* One value of one key: from text, and as canonical text. Private to src/input.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_INPUT_VALUE_H
#define CAPSHAPE_INPUT_VALUE_H

#include "input/keys.h"
#include "input/scan.h"

#include <stdint.h>

struct value {
	bool boolean;
	int64_t integer; /* -1 for `auto` */
	double real;     /* -1 for `auto` */
	char *text;      /* canonical; of a list: its words as they are written */
	struct entries items;
};

/* Checks `entry` against type, range and choices of the key (not a KEY_LIST). */
bool value_from_entry(const struct key *key, const char *entry, struct value *out, char problem[PROBLEM_SIZE]);
/* Takes the words over (emptied on success). */
bool value_from_words(const struct key *key, struct entries *words, struct value *out, char problem[PROBLEM_SIZE]);
void value_clear(struct value *value);

#endif
