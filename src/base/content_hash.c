/* XXH3-128 content hashes.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <xxhash.h>

#include "base/checksum.h"
#include "base/status.h"

static void write_digits(XXH128_hash_t hash, char out[CONTENT_HASH_SIZE])
{
	snprintf(out, CONTENT_HASH_SIZE, "%016llx%016llx", (unsigned long long)hash.high64,
	         (unsigned long long)hash.low64);
}

void checksum_content_hash(const void *data, size_t size, char out[CONTENT_HASH_SIZE])
{
	write_digits(XXH3_128bits(data, size), out);
}

struct content_hash *content_hash_create(void)
{
	XXH3_state_t *state = XXH3_createState();
	if (state == NULL || XXH3_128bits_reset(state) != XXH_OK) {
		error_raise(STATUS_ENVIRONMENT, "out of memory for a content hash");
		XXH3_freeState(state);
		return NULL;
	}
	return (struct content_hash *)state;
}

void content_hash_add(struct content_hash *hash, const void *data, size_t size)
{
	XXH3_128bits_update((XXH3_state_t *)hash, data, size);
}

void content_hash_finish(struct content_hash *hash, char out[CONTENT_HASH_SIZE])
{
	write_digits(XXH3_128bits_digest((XXH3_state_t *)hash), out);
	XXH3_freeState((XXH3_state_t *)hash);
}
