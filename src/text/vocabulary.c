/* Hash tables from byte strings to ids and from pairs of ids to ids; merging.
 * SPDX-License-Identifier: Apache-2.0 */
#include "text/vocabulary.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/memory.h"

struct pair_slot {
	uint64_t pair; /* left id in the high half; EMPTY */
	int32_t id;
};

struct vocabulary {
	char *bytes;
	uint64_t *offset;
	int32_t count;
	int32_t *table; /* id + 1, 0 free */
	size_t table_mask;
	struct pair_slot *pairs;
	size_t pair_mask;
	int32_t byte_ids[256];
};

#define EMPTY   UINT64_MAX
#define NO_RANK INT32_MAX

const char *vocabulary_token(const struct vocabulary *vocabulary, int32_t id, size_t *size)
{
	*size = vocabulary->offset[id + 1] - vocabulary->offset[id];
	return vocabulary->bytes + vocabulary->offset[id];
}

int32_t vocabulary_count(const struct vocabulary *vocabulary)
{
	return vocabulary->count;
}

/* The slot that holds the byte string, or the free one where it belongs. */
static size_t table_slot(const struct vocabulary *vocabulary, const char *bytes, size_t size)
{
	size_t slot = XXH3_64bits(bytes, size) & vocabulary->table_mask;
	for (;; slot = (slot + 1) & vocabulary->table_mask) {
		int32_t id = vocabulary->table[slot] - 1;
		if (id < 0)
			return slot;
		size_t length;
		const char *token = vocabulary_token(vocabulary, id, &length);
		if (length == size && memcmp(token, bytes, size) == 0)
			return slot;
	}
}

int32_t vocabulary_find(const struct vocabulary *vocabulary, const char *bytes, size_t size)
{
	return vocabulary->table[table_slot(vocabulary, bytes, size)] - 1;
}

static size_t power_above(size_t count)
{
	size_t power = 16;
	while (power < count)
		power *= 2;
	return power;
}

static enum status build_table(struct vocabulary *vocabulary)
{
	size_t slots = power_above(2 * (size_t)vocabulary->count);
	vocabulary->table = memory_allocate(slots, sizeof *vocabulary->table);
	if (vocabulary->table == NULL)
		return STATUS_ENVIRONMENT;
	vocabulary->table_mask = slots - 1;
	for (int32_t id = 0; id < vocabulary->count; id++) {
		size_t size;
		const char *token = vocabulary_token(vocabulary, id, &size);
		if (size == 0)
			return error_raise(STATUS_DATA, "token %d of the vocabulary is empty", id);
		size_t slot = table_slot(vocabulary, token, size);
		if (vocabulary->table[slot] != 0)
			return error_raise(STATUS_DATA, "tokens %d and %d of the vocabulary are the same bytes",
			                   vocabulary->table[slot] - 1, id);
		vocabulary->table[slot] = id + 1;
	}
	for (int byte = 0; byte < 256; byte++) {
		char text = (char)byte;
		vocabulary->byte_ids[byte] = vocabulary_find(vocabulary, &text, 1);
		if (vocabulary->byte_ids[byte] < 0)
			return error_raise(STATUS_DATA, "the vocabulary has no token for the single byte 0x%02x", byte);
	}
	return STATUS_OK;
}

static uint64_t pair_of(int32_t left, int32_t right)
{
	return (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
}

static size_t pair_slot(const struct vocabulary *vocabulary, uint64_t pair)
{
	size_t slot = (size_t)((pair * 0x9E3779B97F4A7C15u) >> 24) & vocabulary->pair_mask;
	while (vocabulary->pairs[slot].pair != pair && vocabulary->pairs[slot].pair != EMPTY)
		slot = (slot + 1) & vocabulary->pair_mask;
	return slot;
}

/* Visits every cut of every token into two tokens; counts them, and stores them when there is a table. */
static size_t visit_pairs(struct vocabulary *vocabulary)
{
	size_t found = 0;
	for (int32_t id = 0; id < vocabulary->count; id++) {
		size_t size;
		const char *token = vocabulary_token(vocabulary, id, &size);
		for (size_t cut = 1; cut < size; cut++) {
			int32_t left = vocabulary_find(vocabulary, token, cut);
			int32_t right = left < 0 ? -1 : vocabulary_find(vocabulary, token + cut, size - cut);
			if (right < 0)
				continue;
			found++;
			if (vocabulary->pairs == NULL)
				continue;
			struct pair_slot *slot = &vocabulary->pairs[pair_slot(vocabulary, pair_of(left, right))];
			*slot = (struct pair_slot){ pair_of(left, right), id };
		}
	}
	return found;
}

static enum status build_pairs(struct vocabulary *vocabulary)
{
	size_t slots = power_above(2 * visit_pairs(vocabulary));
	struct pair_slot *pairs = memory_allocate(slots, sizeof *pairs);
	if (pairs == NULL)
		return STATUS_ENVIRONMENT;
	for (size_t i = 0; i < slots; i++)
		pairs[i].pair = EMPTY;
	vocabulary->pairs = pairs;
	vocabulary->pair_mask = slots - 1;
	visit_pairs(vocabulary);
	return STATUS_OK;
}

enum status vocabulary_create(char *bytes, uint64_t *offset, int32_t count, struct vocabulary **vocabulary_out)
{
	struct vocabulary *vocabulary = memory_allocate(1, sizeof *vocabulary);
	if (vocabulary == NULL) {
		free(bytes);
		free(offset);
		return STATUS_ENVIRONMENT;
	}
	vocabulary->bytes = bytes;
	vocabulary->offset = offset;
	vocabulary->count = count;
	enum status status = build_table(vocabulary);
	if (status == STATUS_OK)
		status = build_pairs(vocabulary);
	if (status != STATUS_OK) {
		vocabulary_destroy(vocabulary);
		return status;
	}
	*vocabulary_out = vocabulary;
	return STATUS_OK;
}

void vocabulary_destroy(struct vocabulary *vocabulary)
{
	if (vocabulary == NULL)
		return;
	free(vocabulary->bytes);
	free(vocabulary->offset);
	free(vocabulary->table);
	free(vocabulary->pairs);
	free(vocabulary);
}

/* ---- merging ---- */

/* A part of the piece, in a doubly linked list; `rank` is that of the pair with the next part. */
struct merge_node {
	int32_t id, rank;
	uint32_t before, after;
};

static int32_t pair_rank(const struct vocabulary *vocabulary, int32_t left, int32_t right)
{
	uint64_t pair = pair_of(left, right);
	const struct pair_slot *slot = &vocabulary->pairs[pair_slot(vocabulary, pair)];
	return slot->pair == pair ? slot->id : NO_RANK;
}

/* Quadratic, but the fastest way for the short pieces that words are. */
static size_t merge_short(const struct vocabulary *vocabulary, int32_t *ids, int32_t *ranks, size_t size)
{
	for (size_t i = 0; i + 1 < size; i++)
		ranks[i] = pair_rank(vocabulary, ids[i], ids[i + 1]);
	while (size > 1) {
		size_t best = 0;
		for (size_t i = 1; i + 1 < size; i++) {
			if (ranks[i] < ranks[best])
				best = i;
		}
		if (ranks[best] == NO_RANK)
			break;
		ids[best] = ranks[best];
		memmove(ids + best + 1, ids + best + 2, (size - best - 2) * sizeof *ids);
		size--;
		if (best + 1 < size) {
			memmove(ranks + best + 1, ranks + best + 2, (size - best - 2) * sizeof *ranks);
			ranks[best] = pair_rank(vocabulary, ids[best], ids[best + 1]);
		}
		if (best > 0)
			ranks[best - 1] = pair_rank(vocabulary, ids[best - 1], ids[best]);
	}
	return size;
}

/* A heap of (rank, position): smallest rank first, then leftmost. */
static void heap_push(uint64_t *heap, size_t *count, uint64_t value)
{
	size_t at = (*count)++;
	while (at > 0 && heap[(at - 1) / 2] > value) {
		heap[at] = heap[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	heap[at] = value;
}

static uint64_t heap_pop(uint64_t *heap, size_t *count)
{
	uint64_t top = heap[0], value = heap[--*count];
	size_t at = 0;
	for (;;) {
		size_t child = 2 * at + 1;
		if (child >= *count)
			break;
		if (child + 1 < *count && heap[child + 1] < heap[child])
			child++;
		if (heap[child] >= value)
			break;
		heap[at] = heap[child];
		at = child;
	}
	heap[at] = value;
	return top;
}

enum { NO_NODE = -1 };

struct merge {
	const struct vocabulary *vocabulary;
	struct merge_node *nodes;
	uint64_t *heap;
	size_t heap_count;
};

/* Finds the rank of node `at` with its successor and puts it into the heap. */
static void rank_node(struct merge *merge, uint32_t at)
{
	struct merge_node *node = &merge->nodes[at];
	node->rank = node->after == (uint32_t)NO_NODE
	                     ? NO_RANK
	                     : pair_rank(merge->vocabulary, node->id, merge->nodes[node->after].id);
	if (node->rank != NO_RANK)
		heap_push(merge->heap, &merge->heap_count, (uint64_t)(uint32_t)node->rank << 32 | at);
}

static enum status merge_long(const struct vocabulary *vocabulary, size_t size, struct merge_scratch *scratch,
                              size_t *count)
{
	/* Every merge pushes two pairs at most and takes one part away. */
	STATUS_TRY(memory_grow((void **)&scratch->nodes, &scratch->nodes_capacity, size, sizeof *scratch->nodes));
	STATUS_TRY(memory_grow((void **)&scratch->heap, &scratch->heap_capacity, 3 * size, sizeof *scratch->heap));
	struct merge merge = { vocabulary, scratch->nodes, scratch->heap, 0 };
	for (size_t i = 0; i < size; i++) {
		uint32_t after = i + 1 < size ? (uint32_t)i + 1 : (uint32_t)NO_NODE;
		merge.nodes[i] = (struct merge_node){ scratch->ids[i], NO_RANK,
			                              i > 0 ? (uint32_t)i - 1 : (uint32_t)NO_NODE, after };
	}
	for (size_t i = 0; i < size; i++)
		rank_node(&merge, (uint32_t)i);
	while (merge.heap_count > 0) {
		uint64_t top = heap_pop(merge.heap, &merge.heap_count);
		uint32_t at = (uint32_t)top;
		struct merge_node *node = &merge.nodes[at];
		/* The entry of a part that was merged or changed since has another rank. */
		if (node->rank != (int32_t)(top >> 32))
			continue;
		struct merge_node *gone = &merge.nodes[node->after];
		node->id = node->rank;
		node->after = gone->after;
		gone->rank = NO_RANK;
		if (node->after != (uint32_t)NO_NODE)
			merge.nodes[node->after].before = at;
		rank_node(&merge, at);
		if (node->before != (uint32_t)NO_NODE)
			rank_node(&merge, node->before);
	}
	*count = 0;
	for (uint32_t at = 0; at != (uint32_t)NO_NODE; at = merge.nodes[at].after)
		scratch->ids[(*count)++] = merge.nodes[at].id;
	return STATUS_OK;
}

enum status vocabulary_merge(const struct vocabulary *vocabulary, const char *bytes, size_t size,
                             struct merge_scratch *scratch, size_t *count)
{
	enum { SHORT_PIECE = 48 };
	STATUS_TRY(memory_grow((void **)&scratch->ids, &scratch->ids_capacity, size, sizeof *scratch->ids));
	for (size_t i = 0; i < size; i++)
		scratch->ids[i] = vocabulary->byte_ids[(unsigned char)bytes[i]];
	if (size > SHORT_PIECE)
		return merge_long(vocabulary, size, scratch, count);
	int32_t ranks[SHORT_PIECE];
	*count = merge_short(vocabulary, scratch->ids, ranks, size);
	return STATUS_OK;
}

void merge_scratch_clear(struct merge_scratch *scratch)
{
	free(scratch->ids);
	free(scratch->nodes);
	free(scratch->heap);
	*scratch = (struct merge_scratch){ 0 };
}
