/* The byte strings of a vocabulary, and merging the bytes of a piece by rank.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_TEXT_VOCABULARY_H
#define CAPSHAPE_TEXT_VOCABULARY_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

struct vocabulary;

/* `count` tokens; token i has bytes[offset[i] .. offset[i + 1]). Takes over both arrays (from malloc), whatever the
 * status. STATUS_DATA when a single byte is missing, or a token is empty or there twice. */
enum status vocabulary_create(char *bytes, uint64_t *offset, int32_t count, struct vocabulary **vocabulary_out);
void vocabulary_destroy(struct vocabulary *vocabulary);
int32_t vocabulary_count(const struct vocabulary *vocabulary);
const char *vocabulary_token(const struct vocabulary *vocabulary, int32_t id, size_t *size);
/* The id of a byte string, or -1. */
int32_t vocabulary_find(const struct vocabulary *vocabulary, const char *bytes, size_t size);

/* Scratch memory of merging; zero-initialise, merge_scratch_clear() frees. */
struct merge_scratch {
	int32_t *ids; /* the result */
	size_t ids_capacity;
	struct merge_node *nodes;
	size_t nodes_capacity;
	uint64_t *heap;
	size_t heap_capacity;
};
/* Merges the bytes of a piece, lowest rank first, leftmost first: scratch->ids[0 .. *count). O(n log n). */
enum status vocabulary_merge(const struct vocabulary *vocabulary, const char *bytes, size_t size,
                             struct merge_scratch *scratch, size_t *count);
void merge_scratch_clear(struct merge_scratch *scratch);

#endif
