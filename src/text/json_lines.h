/* One line of a JSON lines file as a document:
 *   {"text": "...", "domain": "forget", "labels": [{"begin": 0, "end": 4, "domain": "forget"}], "id": "..."}
 * or, a conversation,
 *   {"messages": [{"role": "user", "content": "..."}, {"role": "assistant", "content": "..."}], "domain": "forget", "id": "..."}
 * "text" or "messages" is needed; the offsets of labels count bytes of the text in UTF-8, or characters (Unicode code points, as Python counts).
 * Other keys are passed over. The format, and what it means to leave keys out, is docs/corpus.md.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_TEXT_JSON_LINES_H
#define CAPSHAPE_TEXT_JSON_LINES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"
#include "text/corpus.h"

struct json_record;

enum status json_record_create(bool characters, struct json_record **record_out);
/* Sets text, size, turns, key (NULL when there is no "id"), domain, outside, spans and labels of `document`, valid until the next
 * call. STATUS_DATA with a sentence that does not name the place yet. */
enum status json_record_read(struct json_record *record, const char *line, size_t size, struct document *document);
/* A key of the last line that looks like a misspelt "domain" or "labels", which the line does not have; NULL: none. Valid until
 * the next line is read. */
const char *json_record_misspelt(const struct json_record *record);
void json_record_destroy(struct json_record *record);

/* Domain of a document that has spans but was given none: forget when at least half of its bytes are, else retain
 * likewise, else other when there is any span, else unmarked. */
enum domain domain_of_spans(const struct label_span *spans, size_t count, size_t size);

#endif
