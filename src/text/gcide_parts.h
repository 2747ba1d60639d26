/* The layout of a dictionary entry: its lines cut into parts (see gcide_entry.h).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_TEXT_GCIDE_PARTS_H
#define CAPSHAPE_TEXT_GCIDE_PARTS_H

#include "base/status.h"
#include "text/gcide_entry.h"

enum gcide_part_kind { PART_HEAD, PART_DEFINITION, PART_SENSE, PART_SUBSENSE, PART_COLLOCATION, PART_PARAGRAPH };

struct gcide_part {
	enum gcide_part_kind kind;
	size_t begin, end;               /* in entry->joined: the lines of the part joined by one blank */
	size_t scope_begin, scope_count; /* its marks in entry->scopes */
};

/* Fills entry->joined and entry->parts. */
enum status gcide_parts_find(const char *text, size_t size, struct gcide_entry *entry);

#endif
