/* Fuzzer of the UTF-8 functions, against a decoder that is written from the definition: a code point's value decides.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "text/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Length of the well-formed sequence at data[0], 0 when there is none. */
static size_t decode(const uint8_t *data, size_t size)
{
	static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t length = data[0] < 0x80       ? 1
	                : data[0] >> 5 == 6  ? 2
	                : data[0] >> 4 == 14 ? 3
	                : data[0] >> 3 == 30 ? 4
	                                     : 0;
	if (length == 0 || length > size)
		return 0;
	uint32_t value = length == 1 ? data[0] : data[0] & (0x7fu >> length);
	for (size_t i = 1; i < length; i++) {
		if (data[i] >> 6 != 2)
			return 0;
		value = value << 6 | (data[i] & 0x3fu);
	}
	return value >= smallest[length] && value <= 0x10ffff && (value < 0xd800 || value > 0xdfff) ? length : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	size_t valid = 0, length;
	while (valid < size && (length = decode(data + valid, size - valid)) > 0) {
		if (utf8_length(text + valid, size - valid) != length)
			abort();
		valid += length;
	}
	if (utf8_valid_prefix(text, size) != valid)
		abort();
	if (valid < size) {
		size_t broken = utf8_broken_length(text + valid, size - valid);
		if (utf8_length(text + valid, size - valid) != 0 || broken < 1 || broken > 3 || broken > size - valid)
			abort();
	}

	char *repaired = malloc(3 * size + 1);
	if (repaired == NULL)
		abort();
	size_t repaired_size = utf8_replace(text, size, repaired);
	if (repaired_size > 3 * size || utf8_valid_prefix(repaired, repaired_size) != repaired_size)
		abort();
	if (memcmp(repaired, text, valid) != 0 || (valid == size && repaired_size != size))
		abort();
	free(repaired);
	return 0;
}
