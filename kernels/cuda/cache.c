/* A hash table of fixed size whose entries form a list by last use.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cuda/cache.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* Numbers of entries; -1: none. */
struct entry {
	struct cuda_cache_key key;
	int next;         /* in the same bucket */
	int newer, older; /* by last use */
};

struct cuda_cache {
	int capacity, count, buckets;
	int newest, oldest;
	size_t value_bytes;
	void (*release)(void *context, void *value);
	void *context;
	struct entry *entries;
	int *first; /* [buckets] */
	char *values;
};

enum status cuda_cache_create(int capacity, size_t value_bytes, void (*release)(void *context, void *value),
                              void *context, struct cuda_cache **cache_out)
{
	struct cuda_cache *cache = memory_allocate(1, sizeof *cache);

	if (cache == NULL)
		return STATUS_ENVIRONMENT;
	*cache = (struct cuda_cache){ .capacity = capacity,
		                      .newest = -1,
		                      .oldest = -1,
		                      .value_bytes = value_bytes,
		                      .release = release,
		                      .context = context };
	for (cache->buckets = 16; cache->buckets < 2 * capacity;)
		cache->buckets *= 2;
	cache->entries = memory_allocate((size_t)capacity, sizeof *cache->entries);
	cache->first = memory_allocate((size_t)cache->buckets, sizeof *cache->first);
	cache->values = memory_allocate((size_t)capacity, value_bytes);
	if (cache->entries == NULL || cache->first == NULL || cache->values == NULL) {
		cuda_cache_destroy(cache);
		return STATUS_ENVIRONMENT;
	}
	for (int i = 0; i < cache->buckets; i++)
		cache->first[i] = -1;
	*cache_out = cache;
	return STATUS_OK;
}

static void *value_of(struct cuda_cache *cache, int number)
{
	return cache->values + (size_t)number * cache->value_bytes;
}

void cuda_cache_destroy(struct cuda_cache *cache)
{
	if (cache == NULL)
		return;
	for (int i = 0; i < cache->count; i++)
		cache->release(cache->context, value_of(cache, i));
	free(cache->values);
	free(cache->first);
	free(cache->entries);
	free(cache);
}

static int *bucket_of(struct cuda_cache *cache, const struct cuda_cache_key *key)
{
	uint64_t hash = 0;

	for (int i = 0; i < CUDA_CACHE_KEY; i++) {
		hash = (hash ^ (uint64_t)key->numbers[i]) * 0x9e3779b97f4a7c15u;
		hash ^= hash >> 29;
	}
	return &cache->first[hash & (uint64_t)(cache->buckets - 1)];
}

static bool same(const struct cuda_cache_key *a, const struct cuda_cache_key *b)
{
	return memcmp(a, b, sizeof *a) == 0;
}

static void leave_order(struct cuda_cache *cache, const struct entry *entry)
{
	*(entry->newer < 0 ? &cache->newest : &cache->entries[entry->newer].older) = entry->older;
	*(entry->older < 0 ? &cache->oldest : &cache->entries[entry->older].newer) = entry->newer;
}

static void enter_order(struct cuda_cache *cache, int number)
{
	struct entry *entry = &cache->entries[number];

	entry->newer = -1;
	entry->older = cache->newest;
	*(cache->newest < 0 ? &cache->oldest : &cache->entries[cache->newest].newer) = number;
	cache->newest = number;
}

void *cuda_cache_get(struct cuda_cache *cache, const struct cuda_cache_key *key)
{
	int number = *bucket_of(cache, key);

	while (number >= 0 && !same(&cache->entries[number].key, key))
		number = cache->entries[number].next;
	if (number < 0)
		return NULL;
	if (number != cache->newest) {
		leave_order(cache, &cache->entries[number]);
		enter_order(cache, number);
	}
	return value_of(cache, number);
}

/* The number of the entry that was not used for longest, which is nobody's then. */
static int give_up_oldest(struct cuda_cache *cache)
{
	int number = cache->oldest, *place = bucket_of(cache, &cache->entries[number].key);

	while (*place != number)
		place = &cache->entries[*place].next;
	*place = cache->entries[number].next;
	leave_order(cache, &cache->entries[number]);
	cache->release(cache->context, value_of(cache, number));
	return number;
}

void *cuda_cache_put(struct cuda_cache *cache, const struct cuda_cache_key *key, const void *value)
{
	int number = cache->count < cache->capacity ? cache->count++ : give_up_oldest(cache);
	int *place = bucket_of(cache, key);

	cache->entries[number].key = *key;
	cache->entries[number].next = *place;
	*place = number;
	enter_order(cache, number);
	memcpy(value_of(cache, number), value, cache->value_bytes);
	return value_of(cache, number);
}

int cuda_cache_count(const struct cuda_cache *cache)
{
	return cache->count;
}
