/* Counter-based random numbers: a value is a pure function of (seed, purpose, three counters). There is no generator
 * state anywhere, so nothing has to be saved or restored and every rank sees the same numbers.
 * Philox4x32-10 (Salmon et al., SC 2011).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_BASE_RANDOM_H
#define CAPSHAPE_BASE_RANDOM_H

#include <stdint.h>

enum random_purpose {
	RANDOM_INITIALISATION = 1,
	RANDOM_BLOCK_ORDER,
	RANDOM_DOCUMENT_ORDER,
	RANDOM_LABEL_NOISE,
	RANDOM_SPLIT,
	RANDOM_SUBSAMPLE,
	RANDOM_BOOTSTRAP,
	RANDOM_GENERATION,
	RANDOM_TEST,
	RANDOM_THRESHOLD_TIE,
	RANDOM_TEXT,
	RANDOM_PAUSE,
	RANDOM_DIRECTION, /* of unlearning */
	RANDOM_SAMPLING,
	RANDOM_CHOICES,     /* the order of those of a question */
	RANDOM_ROUTE,       /* documents that are known to be retain text */
	RANDOM_AUTOENCODER, /* directions of latents; order of its rows */
};

/* Four 32-bit words. */
void random_block(uint64_t seed, enum random_purpose purpose, uint64_t a, uint64_t b, uint32_t out[4]);

/* 64 random bits of element `index` of stream (seed, purpose, stream). */
uint64_t random_bits(uint64_t seed, enum random_purpose purpose, uint64_t stream, uint64_t index);

/* Uniform in [0, 1), 53 bits. */
double random_uniform(uint64_t seed, enum random_purpose purpose, uint64_t stream, uint64_t index);

/* Standard normal (Box-Muller on one block). */
double random_normal(uint64_t seed, enum random_purpose purpose, uint64_t stream, uint64_t index);

/* Image of `index` under a random permutation of 0 .. count - 1 that depends on (seed, purpose, stream) only:
 * a 6-round Feistel network with cycle walking, O(1) time and memory. Needs index < count. */
uint64_t random_permute(uint64_t seed, enum random_purpose purpose, uint64_t stream, uint64_t count, uint64_t index);

#endif
