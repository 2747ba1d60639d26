/* Cutting text into pieces before byte-pair encoding, with the regular expressions of GPT-2 and cl100k.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_TEXT_PIECES_H
#define CAPSHAPE_TEXT_PIECES_H

#include <stddef.h>

#include "base/status.h"

enum pattern { PATTERN_CL100K, PATTERN_GPT2 };

/* "cl100k", "gpt2" */
const char *pattern_name(enum pattern pattern);
enum status pattern_from_name(const char *name, enum pattern *pattern_out);

/* A compiled pattern, shared by threads. */
struct piece_pattern;
enum status piece_pattern_create(enum pattern pattern, struct piece_pattern **pattern_out);
void piece_pattern_destroy(struct piece_pattern *pattern);

/* Memory of one matcher; one thread at a time. */
struct piece_matcher;
enum status piece_matcher_create(const struct piece_pattern *pattern, struct piece_matcher **matcher_out);
void piece_matcher_destroy(struct piece_matcher *matcher);

/* End of the piece that begins at `begin` < size. The text must be well-formed UTF-8. */
enum status piece_next(struct piece_matcher *matcher, const char *text, size_t size, size_t begin, size_t *end);

#endif
