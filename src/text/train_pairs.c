/* Pair counts in a hash table, and a heap over them.
 *
 * A heap entry carries the count of its pair when it was pushed. A pair whose count grew is pushed again by
 * pair_counts_settle(); one whose count fell keeps its entry, which is corrected when it comes to the top.
 * SPDX-License-Identifier: Apache-2.0 */
#include "text/train_pairs.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/memory.h"

struct pair {
	int32_t left, right;
	int64_t count;
	uint32_t *places; /* pieces, with repetitions */
	size_t place_count, place_capacity;
	bool grown; /* in the list of pairs to push */
};

struct heap_entry {
	int64_t count;
	uint32_t pair;
};

struct pair_counts {
	const struct token_list *tokens;
	struct pair *pairs;
	size_t pair_count, pair_capacity;
	uint32_t *table; /* pair number + 1 */
	size_t table_size;
	struct heap_entry *heap;
	size_t heap_count, heap_capacity;
	uint32_t *grown;
	size_t grown_count, grown_capacity;
};

enum status pair_counts_create(const struct token_list *tokens, struct pair_counts **counts_out)
{
	struct pair_counts *counts = memory_allocate(1, sizeof *counts);
	if (counts == NULL)
		return STATUS_ENVIRONMENT;
	counts->tokens = tokens;
	counts->table_size = 1 << 12;
	counts->table = memory_allocate(counts->table_size, sizeof *counts->table);
	if (counts->table == NULL) {
		free(counts);
		return STATUS_ENVIRONMENT;
	}
	*counts_out = counts;
	return STATUS_OK;
}

void pair_counts_destroy(struct pair_counts *counts)
{
	if (counts == NULL)
		return;
	for (size_t i = 0; i < counts->pair_count; i++)
		free(counts->pairs[i].places);
	free(counts->pairs);
	free(counts->table);
	free(counts->heap);
	free(counts->grown);
	free(counts);
}

/* ---- hash table ---- */

static size_t slot_of(const struct pair_counts *counts, int32_t left, int32_t right)
{
	uint64_t key = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
	size_t slot = (size_t)((key * 0x9E3779B97F4A7C15u) >> 20) & (counts->table_size - 1);
	for (; counts->table[slot] != 0; slot = (slot + 1) & (counts->table_size - 1)) {
		const struct pair *pair = &counts->pairs[counts->table[slot] - 1];
		if (pair->left == left && pair->right == right)
			break;
	}
	return slot;
}

static enum status table_grow(struct pair_counts *counts)
{
	uint32_t *larger = memory_allocate(2 * counts->table_size, sizeof *larger);
	if (larger == NULL)
		return STATUS_ENVIRONMENT;
	free(counts->table);
	counts->table = larger;
	counts->table_size *= 2;
	for (size_t i = 0; i < counts->pair_count; i++)
		counts->table[slot_of(counts, counts->pairs[i].left, counts->pairs[i].right)] = (uint32_t)i + 1;
	return STATUS_OK;
}

static enum status find_or_add(struct pair_counts *counts, int32_t left, int32_t right, uint32_t *number)
{
	size_t slot = slot_of(counts, left, right);
	if (counts->table[slot] == 0) {
		STATUS_TRY(memory_grow((void **)&counts->pairs, &counts->pair_capacity, counts->pair_count + 1,
		                       sizeof *counts->pairs));
		counts->pairs[counts->pair_count++] = (struct pair){ .left = left, .right = right };
		*number = (uint32_t)counts->pair_count - 1;
		counts->table[slot] = *number + 1;
		return 2 * counts->pair_count > counts->table_size ? table_grow(counts) : STATUS_OK;
	}
	*number = counts->table[slot] - 1;
	return STATUS_OK;
}

enum status pair_counts_add(struct pair_counts *counts, int32_t left, int32_t right, int64_t change, uint32_t place)
{
	uint32_t number;
	STATUS_TRY(find_or_add(counts, left, right, &number));
	struct pair *pair = &counts->pairs[number];
	pair->count += change;
	if (change <= 0)
		return STATUS_OK;
	if (!pair->grown) {
		STATUS_TRY(memory_grow((void **)&counts->grown, &counts->grown_capacity, counts->grown_count + 1,
		                       sizeof *counts->grown));
		counts->grown[counts->grown_count++] = number;
		pair->grown = true;
	}
	if (pair->place_count > 0 && pair->places[pair->place_count - 1] == place)
		return STATUS_OK;
	STATUS_TRY(memory_grow((void **)&pair->places, &pair->place_capacity, pair->place_count + 1, sizeof place));
	pair->places[pair->place_count++] = place;
	return STATUS_OK;
}

/* ---- heap ---- */

static int compare_tokens(const struct token_list *tokens, int32_t a, int32_t b)
{
	size_t a_size = tokens->offset[a + 1] - tokens->offset[a], b_size = tokens->offset[b + 1] - tokens->offset[b];
	int order = memcmp(tokens->bytes + tokens->offset[a], tokens->bytes + tokens->offset[b],
	                   a_size < b_size ? a_size : b_size);
	return order != 0 ? order : (a_size > b_size) - (a_size < b_size);
}

/* Whether `a` comes out of the heap before `b`. */
static bool entry_before(const struct pair_counts *counts, const struct heap_entry *a, const struct heap_entry *b)
{
	if (a->count != b->count)
		return a->count > b->count;
	const struct pair *x = &counts->pairs[a->pair], *y = &counts->pairs[b->pair];
	int order = compare_tokens(counts->tokens, x->left, y->left);
	return (order != 0 ? order : compare_tokens(counts->tokens, x->right, y->right)) < 0;
}

static enum status heap_push(struct pair_counts *counts, struct heap_entry entry)
{
	STATUS_TRY(memory_grow((void **)&counts->heap, &counts->heap_capacity, counts->heap_count + 1,
	                       sizeof *counts->heap));
	size_t at = counts->heap_count++;
	while (at > 0 && entry_before(counts, &entry, &counts->heap[(at - 1) / 2])) {
		counts->heap[at] = counts->heap[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	counts->heap[at] = entry;
	return STATUS_OK;
}

/* Puts `entry` in the place of the top. */
static void heap_replace_top(struct pair_counts *counts, struct heap_entry entry)
{
	size_t at = 0;
	for (;;) {
		size_t child = 2 * at + 1;
		if (child >= counts->heap_count)
			break;
		if (child + 1 < counts->heap_count &&
		    entry_before(counts, &counts->heap[child + 1], &counts->heap[child]))
			child++;
		if (!entry_before(counts, &counts->heap[child], &entry))
			break;
		counts->heap[at] = counts->heap[child];
		at = child;
	}
	counts->heap[at] = entry;
}

static void heap_drop_top(struct pair_counts *counts)
{
	struct heap_entry last = counts->heap[--counts->heap_count];
	if (counts->heap_count > 0)
		heap_replace_top(counts, last);
}

enum status pair_counts_settle(struct pair_counts *counts)
{
	for (size_t i = 0; i < counts->grown_count; i++) {
		struct pair *pair = &counts->pairs[counts->grown[i]];
		pair->grown = false;
		if (pair->count > 0)
			STATUS_TRY(heap_push(counts, (struct heap_entry){ pair->count, counts->grown[i] }));
	}
	counts->grown_count = 0;
	return STATUS_OK;
}

bool pair_counts_best(struct pair_counts *counts, int32_t *left, int32_t *right)
{
	while (counts->heap_count > 0) {
		struct heap_entry top = counts->heap[0];
		const struct pair *pair = &counts->pairs[top.pair];
		if (top.count == pair->count) {
			*left = pair->left;
			*right = pair->right;
			heap_drop_top(counts);
			return true;
		}
		/* A count that grew has a newer entry; one that fell gets its entry back at the right place. */
		if (pair->count > 0 && pair->count < top.count)
			heap_replace_top(counts, (struct heap_entry){ pair->count, top.pair });
		else
			heap_drop_top(counts);
	}
	return false;
}

static int compare_places(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return (x > y) - (x < y);
}

enum status pair_counts_take_places(struct pair_counts *counts, int32_t left, int32_t right, uint32_t **places,
                                    size_t *count)
{
	uint32_t number;
	STATUS_TRY(find_or_add(counts, left, right, &number));
	struct pair *pair = &counts->pairs[number];
	size_t kept = 0;
	if (pair->place_count > 0)
		qsort(pair->places, pair->place_count, sizeof *pair->places, compare_places);
	for (size_t i = 0; i < pair->place_count; i++) {
		if (kept == 0 || pair->places[kept - 1] != pair->places[i])
			pair->places[kept++] = pair->places[i];
	}
	*places = pair->places;
	*count = kept;
	pair->places = NULL;
	pair->place_count = pair->place_capacity = 0;
	return STATUS_OK;
}

void pair_counts_erase(struct pair_counts *counts, int32_t left, int32_t right)
{
	size_t slot = slot_of(counts, left, right);
	if (counts->table[slot] != 0)
		counts->pairs[counts->table[slot] - 1].count = 0;
}

/* ---- tokens by their bytes ---- */

struct token_index {
	int32_t *table; /* id + 1 */
	size_t table_size, count;
};

enum status token_index_create(struct token_index **index_out)
{
	struct token_index *index = memory_allocate(1, sizeof *index);
	if (index == NULL)
		return STATUS_ENVIRONMENT;
	index->table_size = 1 << 12;
	index->table = memory_allocate(index->table_size, sizeof *index->table);
	if (index->table == NULL) {
		free(index);
		return STATUS_ENVIRONMENT;
	}
	*index_out = index;
	return STATUS_OK;
}

void token_index_destroy(struct token_index *index)
{
	if (index == NULL)
		return;
	free(index->table);
	free(index);
}

static size_t token_slot(const struct token_index *index, const struct token_list *tokens, const char *bytes,
                         size_t size)
{
	size_t slot = XXH3_64bits(bytes, size) & (index->table_size - 1);
	for (; index->table[slot] != 0; slot = (slot + 1) & (index->table_size - 1)) {
		int32_t id = index->table[slot] - 1;
		size_t begin = tokens->offset[id];
		if (tokens->offset[id + 1] - begin == size && memcmp(tokens->bytes + begin, bytes, size) == 0)
			break;
	}
	return slot;
}

static void token_place(struct token_index *index, const struct token_list *tokens, int32_t id)
{
	size_t begin = tokens->offset[id];
	index->table[token_slot(index, tokens, tokens->bytes + begin, tokens->offset[id + 1] - begin)] = id + 1;
}

enum status token_index_add(struct token_index *index, const struct token_list *tokens, int32_t id)
{
	if (2 * (index->count + 1) > index->table_size) {
		int32_t *larger = memory_allocate(2 * index->table_size, sizeof *larger);
		if (larger == NULL)
			return STATUS_ENVIRONMENT;
		free(index->table);
		index->table = larger;
		index->table_size *= 2;
		for (int32_t other = 0; (size_t)other < index->count; other++)
			token_place(index, tokens, other);
	}
	token_place(index, tokens, id);
	index->count++;
	return STATUS_OK;
}

int32_t token_index_find(const struct token_index *index, const struct token_list *tokens, const char *bytes,
                         size_t size)
{
	return index->table[token_slot(index, tokens, bytes, size)] - 1;
}
