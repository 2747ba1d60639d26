/* What was prepared for a shape, kept while it is among those used last.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_KERNELS_CUDA_CACHE_H
#define CAPSHAPE_KERNELS_CUDA_CACHE_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

enum { CUDA_CACHE_KEY = 10 };

/* Unused numbers are 0. */
struct cuda_cache_key {
	int64_t numbers[CUDA_CACHE_KEY];
};

struct cuda_cache;

/* `capacity` values of `value_bytes`; `release` is called with `context` and a value that leaves. */
enum status cuda_cache_create(int capacity, size_t value_bytes, void (*release)(void *context, void *value),
                              void *context, struct cuda_cache **cache_out);
/* Releases what is in it. NULL is fine. */
void cuda_cache_destroy(struct cuda_cache *cache);
/* The value of `key`, now the one used last, or NULL. Valid until the next cuda_cache_put(). */
void *cuda_cache_get(struct cuda_cache *cache, const struct cuda_cache_key *key);
/* Copies `value` in, for a key that is not there; where the cache is full, the value that was not used for longest leaves. */
void *cuda_cache_put(struct cuda_cache *cache, const struct cuda_cache_key *key, const void *value);
int cuda_cache_count(const struct cuda_cache *cache);

#endif
