/* What a score does to a token: inputs, targets and loss weights of the four methods (and of real-valued weights, and of routing).
 * Pure functions: no MPI, no files. design: "Filter semantics"; paper section 3.1; released code's differences as
 * compat switches (reference code's model.py and train.py).
 *
 *   method    documents     inputs                                  loss weight of target t
 *   none      all           as they are                             1
 *   document  score below   as they are                             1
 *   mask      all           as they are                             0 where target t is a forget token
 *   remove    all           forget tokens become the hidden id      0 where target t is a forget token
 *   weight    all           as they are                             1 - p(target t); of end-of-text 1
 *   route     all           as they are                             1; what the row trains depends on target t (filter_route())
 *
 * remove: the target id of a forget token is the hidden id too, and has weight 0, unless both compat switches are on.
 * compat_input_mask, weight: 1 - p(input). Noise, weight: p instead of 1 - p where a decision would be flipped.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_FILTER_FILTER_H
#define CAPSHAPE_FILTER_FILTER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "filter/route.h"
#include "text/turns.h"

enum filter_method { FILTER_NONE, FILTER_DOCUMENT, FILTER_MASK, FILTER_REMOVE, FILTER_WEIGHT, FILTER_ROUTE };

struct filter {
	enum filter_method method;
	uint16_t token_threshold;    /* forget when score >= threshold; end-of-text is never forget */
	uint16_t document_threshold; /* dropped when score >= threshold */
	/* Of the tokens (documents) whose score is the threshold itself, the share that is let through all the same, chosen
	 * at random by position: so that a share of the text can be filtered exactly (filter/share.h). */
	double token_spared, document_spared;
	double noise;       /* each token decision is flipped with this probability (by position in the corpus) */
	uint64_t seed;      /* of the noise */
	int64_t begin_step; /* delayed start: nothing is filtered before this step */
	int32_t end_of_text, hidden;
	struct learned_rule learned; /* the markers of conversations in it are never forget either */
	bool compat_input_mask;      /* released code: the flag of the input decides the loss of the target */
	bool compat_hidden_target; /* released code: hidden ids stay targets (at span starts, with compat_input_mask) */
	/* method route: */
	bool route_documents; /* a document is forget or not as a whole, by its score and document_threshold; else each token */
	double route_retain; /* of the documents, chosen at random by position: those whose retain text is known to be that */
	double route_certain; /* and only what has a p below this */
};

/* Parses "none", ...; STATUS_USAGE otherwise. */
enum status filter_method_from_name(const char *name, enum filter_method *method_out);
const char *filter_method_name(enum filter_method method);
/* Whether the method looks at scores at all. */
bool filter_needs_scores(const struct filter *filter);
/* Whether it is documents that the method decides about, by document_threshold; else tokens, by token_threshold. */
bool filter_by_documents(const struct filter *filter);
/* Whether a document of this score stays in the stream. `position`: of its first token, as below. */
bool filter_keeps_document(const struct filter *filter, uint16_t document_score, uint64_t position);
/* Whether the token is a forget token. `position`: a number of the token in the corpus (block << 32 | index), which
 * chance is a function of, so that input and target views of one token agree. */
bool filter_flags_token(const struct filter *filter, int32_t id, uint16_t score, uint64_t position);

/* Turns `count` + 1 consecutive stream tokens into `count` inputs, targets and weights. `active`: false before
 * begin_step (then method none applies). ids/scores/positions have count + 1 entries; scores may be NULL when the
 * method needs none, positions when there is neither noise nor a spared share. */
void filter_apply(const struct filter *filter, bool active, int64_t count, const int32_t *ids, const uint16_t *scores,
                  const uint64_t *positions, int32_t *inputs, int32_t *targets, float *weights);

/* method route, of a document whose first token is at `position`: what its tokens must know of it, bits of these. */
enum { FILTER_FORGET_DOCUMENT = 1 << 1, FILTER_RETAIN_DOCUMENT = 1 << 2 };
uint8_t filter_mark_document(const struct filter *filter, uint16_t document_score, uint64_t position);
/* method route: what the row of each of the `count` inputs is, by its target, the token after it. marks: those bits, other bits may
 * be set; all arrays but routes have count + 1 entries. Deciding by tokens: ROUTE_FORGET where the target is a forget token, as in
 * method mask; of the others ROUTE_RETAIN where the target's document is a retain document and its own p is below route_certain.
 * Deciding by documents: what the target's document is. ROUTE_ALL else, and everywhere when not active. */
void filter_route(const struct filter *filter, bool active, int64_t count, const int32_t *ids, const uint16_t *scores,
                  const uint64_t *positions, const uint8_t *marks, uint8_t *routes);

#endif
