/* Well-formed byte sequences after table 3-7 of the Unicode standard.
 * SPDX-License-Identifier: Apache-2.0 */
#include "text/utf8.h"

#include <stdint.h>
#include <string.h>

/* Length that the first byte asks for (0: cannot begin a sequence) and the range of the second byte. */
static size_t lead(unsigned char first, unsigned char *low, unsigned char *high)
{
	*low = 0x80;
	*high = 0xBF;
	if (first < 0x80)
		return 1;
	if (first < 0xC2 || first > 0xF4)
		return 0;
	if (first < 0xE0)
		return 2;
	if (first == 0xE0)
		*low = 0xA0;
	else if (first == 0xED)
		*high = 0x9F;
	else if (first == 0xF0)
		*low = 0x90;
	else if (first == 0xF4)
		*high = 0x8F;
	return first < 0xF0 ? 3 : 4;
}

/* How many bytes at text[0] agree with a well-formed sequence; *length is the length that it must have. */
static size_t agreeing(const char *text, size_t size, size_t *length)
{
	unsigned char low, high;
	*length = lead((unsigned char)text[0], &low, &high);
	size_t count = *length == 0 ? 0 : 1;
	while (count > 0 && count < *length && count < size) {
		unsigned char byte = (unsigned char)text[count];
		if (byte < low || byte > high)
			break;
		low = 0x80;
		high = 0xBF;
		count++;
	}
	return count;
}

size_t utf8_length(const char *text, size_t size)
{
	size_t length;
	size_t count = agreeing(text, size, &length);
	return count == length ? length : 0;
}

size_t utf8_broken_length(const char *text, size_t size)
{
	size_t length;
	size_t count = agreeing(text, size, &length);
	return count == 0 ? 1 : count;
}

size_t utf8_valid_prefix(const char *text, size_t size)
{
	size_t i = 0;
	while (i < size) {
		/* Eight ASCII bytes at a time. */
		uint64_t word;
		while (i + sizeof word <= size) {
			memcpy(&word, text + i, sizeof word);
			if ((word & 0x8080808080808080u) != 0)
				break;
			i += sizeof word;
		}
		if (i == size)
			break;
		size_t length = utf8_length(text + i, size - i);
		if (length == 0)
			break;
		i += length;
	}
	return i;
}

size_t utf8_replace(const char *text, size_t size, char *out)
{
	size_t used = 0, begin = 0;
	while (begin < size) {
		size_t valid = utf8_valid_prefix(text + begin, size - begin);
		memcpy(out + used, text + begin, valid);
		used += valid;
		begin += valid;
		if (begin < size) {
			memcpy(out + used, "\xef\xbf\xbd", 3);
			used += 3;
			begin += utf8_broken_length(text + begin, size - begin);
		}
	}
	return used;
}
