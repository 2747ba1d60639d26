/* CRC32C and content hashes against published values and against a bitwise computation.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/checksum.h"

/* The definition: reflected polynomial 0x82F63B78, one bit at a time. */
static uint32_t crc32c_bitwise(const unsigned char *bytes, size_t size)
{
	uint32_t crc = 0xffffffff;
	for (size_t i = 0; i < size; i++) {
		crc ^= bytes[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82F63B78 : 0);
	}
	return ~crc;
}

static void test_crc_known_answers(void **state)
{
	(void)state;
	unsigned char bytes[32];
	assert_int_equal(checksum_crc32c(0, "123456789", 9), 0xe3069283);
	assert_int_equal(checksum_crc32c(0, "", 0), 0);
	/* RFC 3720, appendix B.4. */
	memset(bytes, 0, sizeof bytes);
	assert_int_equal(checksum_crc32c(0, bytes, 32), 0x8a9136aa);
	memset(bytes, 0xff, sizeof bytes);
	assert_int_equal(checksum_crc32c(0, bytes, 32), 0x62a8ab43);
	for (int i = 0; i < 32; i++)
		bytes[i] = (unsigned char)i;
	assert_int_equal(checksum_crc32c(0, bytes, 32), 0x46dd794e);
	for (int i = 0; i < 32; i++)
		bytes[i] = (unsigned char)(31 - i);
	assert_int_equal(checksum_crc32c(0, bytes, 32), 0x113fdb5c);
}

/* Every length and misalignment, whole and continued from any cut. */
static void test_crc_of_any_length(void **state)
{
	(void)state;
	unsigned char bytes[80];
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (unsigned char)(i * 37 + i / 7);
	for (size_t begin = 0; begin < 9; begin++) {
		for (size_t size = 0; begin + size <= sizeof bytes; size++) {
			uint32_t expected = crc32c_bitwise(bytes + begin, size);
			assert_int_equal(checksum_crc32c(0, bytes + begin, size), expected);
			for (size_t cut = 0; cut <= size; cut += 5) {
				uint32_t first = checksum_crc32c(0, bytes + begin, cut);
				assert_int_equal(checksum_crc32c(first, bytes + begin + cut, size - cut), expected);
			}
		}
	}
}

static void test_crc_sees_every_bit(void **state)
{
	(void)state;
	unsigned char bytes[40] = "a record that is long enough";
	uint32_t crc = checksum_crc32c(0, bytes, sizeof bytes);
	for (size_t bit = 0; bit < 8 * sizeof bytes; bit++) {
		bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
		assert_true(checksum_crc32c(0, bytes, sizeof bytes) != crc);
		bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
	}
}

static void test_content_hash(void **state)
{
	(void)state;
	char whole[CONTENT_HASH_SIZE], parts[CONTENT_HASH_SIZE], other[CONTENT_HASH_SIZE];
	/* XXH3-128 of nothing, as xxhash documents it. */
	checksum_content_hash("", 0, whole);
	assert_string_equal(whole, "99aa06d3014798d86001c324468d497f");
	char text[1000];
	for (size_t i = 0; i < sizeof text; i++)
		text[i] = (char)(i * 31);
	checksum_content_hash(text, sizeof text, whole);
	assert_int_equal(strlen(whole), 32);
	assert_int_equal(strspn(whole, "0123456789abcdef"), 32);
	for (size_t cut = 0; cut <= sizeof text; cut += 125) {
		struct content_hash *hash = content_hash_create();
		assert_non_null(hash);
		content_hash_add(hash, text, cut);
		content_hash_add(hash, text + cut, sizeof text - cut);
		content_hash_finish(hash, parts);
		assert_string_equal(parts, whole);
	}
	text[500] ^= 1;
	checksum_content_hash(text, sizeof text, other);
	assert_string_not_equal(other, whole);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_crc_known_answers),
		cmocka_unit_test(test_crc_of_any_length),
		cmocka_unit_test(test_crc_sees_every_bit),
		cmocka_unit_test(test_content_hash),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
