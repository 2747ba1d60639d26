/* CRC32C by a table, or by the processor's instruction where it has one.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/checksum.h"

#include <stdbool.h>
#include <string.h>

#if defined(__x86_64__)
#include <nmmintrin.h>

__attribute__((target("sse4.2"))) static uint32_t crc32c_hardware(uint32_t crc, const unsigned char *bytes, size_t size)
{
	uint64_t state = crc;
	for (; size >= 8; size -= 8, bytes += 8) {
		uint64_t word;
		memcpy(&word, bytes, sizeof word);
		state = _mm_crc32_u64(state, word);
	}
	for (; size > 0; size--, bytes++)
		state = _mm_crc32_u8((uint32_t)state, *bytes);
	return (uint32_t)state;
}

static bool hardware_present(void)
{
	return __builtin_cpu_supports("sse4.2");
}
#else
static uint32_t crc32c_hardware(uint32_t crc, const unsigned char *bytes, size_t size)
{
	(void)bytes;
	(void)size;
	return crc;
}

static bool hardware_present(void)
{
	return false;
}
#endif

/* Four bits at a time: a table small enough to be a constant. */
static const uint32_t nibble_table[16] = {
	0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
	0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
};

uint32_t checksum_crc32c(uint32_t crc, const void *data, size_t size)
{
	const unsigned char *bytes = data;
	crc = ~crc;
	if (hardware_present())
		return ~crc32c_hardware(crc, bytes, size);
	for (size_t i = 0; i < size; i++) {
		crc ^= bytes[i];
		crc = crc >> 4 ^ nibble_table[crc & 15];
		crc = crc >> 4 ^ nibble_table[crc & 15];
	}
	return ~crc;
}
