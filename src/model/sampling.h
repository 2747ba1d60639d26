/* Choosing the next token of a text from the logits after it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_MODEL_SAMPLING_H
#define CAPSHAPE_MODEL_SAMPLING_H

#include <stdint.h>

#include "base/status.h"

struct sampling {
	double temperature;      /* logits are divided by it; 0: the most probable token, the lowest id of several */
	int64_t top_k;           /* only the k most probable tokens; 0: all */
	double top_p;            /* of these the fewest, the most probable ones, that make up this share; 1: all */
	int64_t vocabulary;      /* rows of the model's embedding */
	const int32_t *excluded; /* [excluded_count] ids that are never chosen; not all of them */
	int64_t excluded_count;
	int32_t hidden; /* the id that stands for a removed token */
};

struct choice {
	int32_t token;
	/* Under the model itself: temperature 1, nothing left out, every row of the vocabulary counted, as in its loss. */
	double log_probability;    /* of the token, natural logarithm */
	double hidden_probability; /* of the hidden token */
};

/* Scratch memory; zero-initialise, sampling_scratch_clear() frees. */
struct sampling_scratch {
	float *weights; /* [vocabulary] */
	int32_t *order; /* [vocabulary] */
	int64_t room;
};
void sampling_scratch_clear(struct sampling_scratch *scratch);

/* logits[vocabulary]: those of excluded tokens are overwritten. uniform: a random number in [0, 1). STATUS_NUMERIC where
 * logits are not finite. */
enum status sampling_choose(const struct sampling *sampling, float *logits, double uniform,
                            struct sampling_scratch *scratch, struct choice *choice_out);

#endif
