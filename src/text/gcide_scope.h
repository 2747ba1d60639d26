/* The field marks of each part of an entry, and the domain that each part begins with (see gcide_entry.h).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_TEXT_GCIDE_SCOPE_H
#define CAPSHAPE_TEXT_GCIDE_SCOPE_H

#include <stdbool.h>

#include "base/status.h"
#include "text/gcide_parts.h"

struct gcide_scope {
	size_t position, length; /* of the mark in entry->joined */
	enum domain domain;
	bool opening;   /* rules the part from its beginning */
	bool bracketed; /* in [...]: taken out of the text, without scope */
	bool last;      /* nothing but punctuation follows in the part */
};

/* Fills entry->scopes and the scope ranges of its parts. */
enum status gcide_scopes_find(struct gcide_entry *entry, const struct gcide_mark_lists *lists);

/* What the parts before have decided. Zero-initialise. */
struct gcide_scope_state {
	enum domain entry;   /* of the head */
	enum domain parent;  /* for sub-senses */
	enum domain current; /* for paragraphs */
	bool collocation;    /* inside one */
	bool started;
};

/* The domain at the beginning of `part`; parts must be asked in order. */
enum domain gcide_scope_of_part(const struct gcide_entry *entry, const struct gcide_part *part,
                                struct gcide_scope_state *state);

/* Length of a pronunciation "\...\" at text[0], 0 when there is none. */
size_t gcide_pronunciation(const char *text, size_t size);

#endif
