/* The working memory of encoding: regular expression matcher, cache of pieces, merge scratch. A pool hands one to each
 * thread that encodes, so that a tokenizer can be shared.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_TEXT_ENCODER_H
#define CAPSHAPE_TEXT_ENCODER_H

#include "base/status.h"
#include "text/pieces.h"
#include "text/tokenizer.h"
#include "text/vocabulary.h"

struct encoder;
struct encoder_pool;

/* The vocabulary must outlive the pool. */
enum status encoder_pool_create(const struct vocabulary *vocabulary, enum pattern pattern,
                                struct encoder_pool **pool_out);
void encoder_pool_destroy(struct encoder_pool *pool);
enum status encoder_pool_take(struct encoder_pool *pool, struct encoder **encoder_out);
void encoder_pool_give(struct encoder_pool *pool, struct encoder *encoder);

/* As tokenizer_encode(). */
enum status encoder_run(struct encoder *encoder, const char *text, size_t size, struct token_span **spans,
                        size_t *capacity, size_t *count);

#endif
