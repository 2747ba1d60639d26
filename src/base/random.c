/* Philox4x32-10 and what is built on it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/random.h"

#include <math.h>

static void philox_round(uint32_t counter[4], const uint32_t key[2])
{
	uint64_t product0 = (uint64_t)0xD2511F53u * counter[0];
	uint64_t product1 = (uint64_t)0xCD9E8D57u * counter[2];
	uint32_t next[4] = { (uint32_t)(product1 >> 32) ^ counter[1] ^ key[0], (uint32_t)product1,
		             (uint32_t)(product0 >> 32) ^ counter[3] ^ key[1], (uint32_t)product0 };
	for (int i = 0; i < 4; i++)
		counter[i] = next[i];
}

static void philox(uint32_t counter[4], uint32_t key[2])
{
	for (int round = 0; round < 10; round++) {
		if (round > 0) {
			key[0] += 0x9E3779B9u;
			key[1] += 0xBB67AE85u;
		}
		philox_round(counter, key);
	}
}

void random_block(uint64_t seed, enum random_purpose purpose, uint64_t a, uint64_t b, uint32_t out[4])
{
	/* The purpose goes into the key, mixed so that seeds of neighbouring purposes do not meet. */
	uint64_t mixed = seed + (uint64_t)purpose * 0x9E3779B97F4A7C15u;
	uint32_t key[2] = { (uint32_t)mixed, (uint32_t)(mixed >> 32) };
	out[0] = (uint32_t)a;
	out[1] = (uint32_t)(a >> 32);
	out[2] = (uint32_t)b;
	out[3] = (uint32_t)(b >> 32);
	philox(out, key);
}

uint64_t random_bits(uint64_t seed, enum random_purpose purpose, uint64_t stream, uint64_t index)
{
	uint32_t words[4];
	random_block(seed, purpose, stream, index, words);
	return (uint64_t)words[1] << 32 | words[0];
}

double random_uniform(uint64_t seed, enum random_purpose purpose, uint64_t stream, uint64_t index)
{
	return (double)(random_bits(seed, purpose, stream, index) >> 11) * 0x1p-53;
}

double random_normal(uint64_t seed, enum random_purpose purpose, uint64_t stream, uint64_t index)
{
	uint32_t words[4];
	random_block(seed, purpose, stream, index, words);
	uint64_t first = (uint64_t)words[1] << 32 | words[0], second = (uint64_t)words[3] << 32 | words[2];
	double radius = sqrt(-2 * log(((double)(first >> 11) + 1) * 0x1p-53)); /* argument in (0, 1] */
	return radius * cos(6.283185307179586477 * ((double)(second >> 11) * 0x1p-53));
}

uint64_t random_permute(uint64_t seed, enum random_purpose purpose, uint64_t stream, uint64_t count, uint64_t index)
{
	if (count <= 1)
		return 0;
	/* The domain is the smallest 2^(2 h) >= count; values outside 0 .. count - 1 are sent round again. */
	unsigned half = 1;
	while (half < 32 && (uint64_t)1 << (2 * half) < count)
		half++;
	uint64_t mask = ((uint64_t)1 << half) - 1;
	uint64_t value = index;
	do {
		uint64_t left = value >> half, right = value & mask;
		for (uint64_t round = 0; round < 6; round++) {
			uint64_t mixed = random_bits(seed, purpose, stream, round << 56 | right) & mask;
			uint64_t next = left ^ mixed;
			left = right;
			right = next;
		}
		value = left << half | right;
	} while (value >= count);
	return value;
}
