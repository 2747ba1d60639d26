/* Stands in for kernels/cuda/sort.cu under emulation: a radix sort of two digits.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "kernels/cuda/sort.h"

enum { DIGIT_BITS = 16, DIGITS = 1 << DIGIT_BITS };

/* places: those of `from` (NULL: 0, 1, ...) in the order of a digit of their keys, stably. */
static void sort_digit(int32_t *places, const int32_t *from, const int32_t *keys, int64_t count, int shift)
{
	static int64_t next[DIGITS + 1];

	memset(next, 0, sizeof next);
	for (int64_t i = 0; i < count; i++)
		next[(keys[i] >> shift) % DIGITS + 1]++;
	for (int digit = 0; digit < DIGITS; digit++)
		next[digit + 1] += next[digit];
	for (int64_t i = 0; i < count; i++) {
		int32_t place = from == NULL ? (int32_t)i : from[i];
		places[next[(keys[place] >> shift) % DIGITS]++] = place;
	}
}

enum status cuda_sort_room(struct device *device, int64_t count, size_t *bytes_out)
{
	(void)device;
	*bytes_out = (size_t)count * sizeof(int32_t);
	return STATUS_OK;
}

struct sort {
	int32_t *sorted, *places;
	const int32_t *keys;
	int64_t count;
	void *room;
};

static void sort(void *arguments)
{
	const struct sort *it = arguments;
	sort_digit(it->room, NULL, it->keys, it->count, 0);
	sort_digit(it->places, it->room, it->keys, it->count, DIGIT_BITS);
	for (int64_t i = 0; i < it->count; i++)
		it->sorted[i] = it->keys[it->places[i]];
}

enum status cuda_sort(struct device *device, int32_t *sorted, int32_t *places, const int32_t *keys, int64_t count,
                      void *room, size_t bytes)
{
	struct sort it = { sorted, places, keys, count, room };
	(void)bytes;
	emulator_enqueue(device->stream, sort, &it, sizeof it);
	return STATUS_OK;
}
