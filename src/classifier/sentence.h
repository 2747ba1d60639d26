/* Where sentences end in a document of tokens, for labels that are given to whole sentences (paper section 6.3).
 *
 * A sentence ends with a token whose text holds the end of a line, or whose text, closing quotes, brackets and white space
 * taken off, ends in a full stop, exclamation or question mark and which has white space behind it: its own or that of
 * the next token. Abbreviations end sentences, too. The last token of a document ends one.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_CLASSIFIER_SENTENCE_H
#define CAPSHAPE_CLASSIFIER_SENTENCE_H

#include <stdint.h>

#include "base/status.h"
#include "text/tokenizer.h"

/* What the text of each id has to say about sentences: [tokenizer_size()], from malloc. */
enum status sentence_marks_create(const struct tokenizer *tokenizer, uint8_t **marks_out);
/* One past the last token of the sentence that begins at `begin`, of a document of `count` tokens. */
int64_t sentence_end(const uint8_t *marks, const int32_t *ids, int64_t count, int64_t begin);

#endif
