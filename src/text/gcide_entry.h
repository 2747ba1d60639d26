/* One entry of the dictionary: its parts, the scope of its field marks, and its text without the marks.
 *
 * Parts (each is a run of lines of the printed text):
 *   head         the first line and its continuation lines (word, \pronunciation\, kind of word, [etymology])
 *   definition   text before any numbered sense
 *   sense        "1. ..." at the left margin of the body
 *   sub-sense    "(a) ..." at the start of a line, inside a sense, a collocation or the definition
 *   collocation  a paragraph that begins with "{...}"
 *   paragraph    any other paragraph: a quotation, "Note:", "Syn:"
 *
 * A mark opens a part when nothing but a number, brackets, names in braces and abbreviations stands before it.
 * Scope of an opening mark:
 *   head or definition   the whole entry, but for parts with a mark of their own
 *   sense                the sense, its sub-senses without own mark, and its paragraphs, up to the next sense or
 *                        collocation
 *   sub-sense            the sub-sense and its paragraphs, up to the next sub-sense, sense or collocation
 *   collocation          that paragraph and its sub-senses; a paragraph after it has the domain of the head again
 * Any other mark ("... -- n. (Zool.) ...") covers the rest of its part; when the part ends right behind it
 * ("Specifically: (Zool.)"), also the sub-senses that follow. Marks within square brackets (etymology) have no scope.
 * Several marks in one opening are one combined mark.
 *
 * The clean text has no marks, no source tags ("[1913 Webster]"), no pronunciation, no braces; escapes are UTF-8,
 * lines are joined, parts are separated by one line end.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_TEXT_GCIDE_ENTRY_H
#define CAPSHAPE_TEXT_GCIDE_ENTRY_H

#include <stddef.h>

#include "base/status.h"
#include "text/corpus.h"
#include "text/gcide_marks.h"

/* Reusable memory of a parsed entry. Zero-initialise; gcide_entry_clear() frees. */
struct gcide_entry {
	char *text; /* clean, NUL-terminated */
	size_t size, text_capacity;
	struct label_span *spans; /* sorted, not overlapping, never DOMAIN_UNMARKED */
	size_t span_count, span_capacity;
	char *key; /* the head word, lower-cased; "" when the entry has none */
	size_t key_capacity;
	enum domain domain;
	struct gcide_part *parts; /* while parsing */
	size_t part_count, part_capacity;
	struct gcide_scope *scopes;
	size_t scope_count, scope_capacity;
	char *joined;
	size_t joined_size, joined_capacity;
};

enum status gcide_entry_parse(const char *text, size_t size, const struct gcide_mark_lists *lists,
                              struct gcide_entry *entry);
void gcide_entry_clear(struct gcide_entry *entry);

#endif
