/* label/take and label/leave: numbers, or files with a number in a line.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "storage/atomic_file.h"
#include "tasks/label_parts.h"

struct hand {
	int32_t *numbers;
	size_t capacity, count;
};

/* A whole number of 0 to 2^31 - 1 that fills the text up to `end`. */
static bool read_number(const char *text, const char *end, int32_t *number)
{
	int64_t value = 0;
	if (text == end)
		return false;
	for (; text < end; text++) {
		if (*text < '0' || *text > '9')
			return false;
		value = 10 * value + (*text - '0');
		if (value > INT32_MAX)
			return false;
	}
	*number = (int32_t)value;
	return true;
}

static enum status add(struct hand *hand, int32_t number)
{
	STATUS_TRY(memory_grow((void **)&hand->numbers, &hand->capacity, hand->count + 1, sizeof number));
	hand->numbers[hand->count++] = number;
	return STATUS_OK;
}

/* A number in a line; # begins a comment. */
static enum status read_file(struct hand *hand, const char *path)
{
	char *text = NULL;
	size_t size;
	enum status status = file_read(path, &text, &size);
	int line = 1;
	for (const char *at = text; status == STATUS_OK && *at != '\0'; line++) {
		const char *end = at + strcspn(at, "\n"), *last = at + strcspn(at, "#\r\n");
		int32_t number;
		while (at < last && (*at == ' ' || *at == '\t'))
			at++;
		while (last > at && (last[-1] == ' ' || last[-1] == '\t'))
			last--;
		if (at < last)
			status = read_number(at, last, &number)
			                 ? add(hand, number)
			                 : error_raise(STATUS_DATA, "%s:%d: \"%.*s\" is no number of a latent", path,
			                               line, (int)(last - at), at);
		at = *end == '\0' ? end : end + 1;
	}
	free(text);
	return status;
}

static enum status read_list(const struct parameters *parameters, const char *key, struct hand *hand)
{
	for (size_t i = 0; i < parameters_list_count(parameters, key); i++) {
		const char *word = parameters_list_item(parameters, key, i);
		int32_t number;
		enum status status =
			read_number(word, word + strlen(word), &number) ? add(hand, number) : read_file(hand, word);
		if (status != STATUS_OK)
			return error_context(status, "%s: %s", parameters_origin(parameters, key), key);
	}
	return STATUS_OK;
}

enum status label_read_hand(struct labelling *work)
{
	static const char *const keys[] = { "label/leave", "label/take" };
	for (int i = 0; i < 2; i++) {
		struct hand hand = { 0 };
		enum status status = read_list(work->parameters, keys[i], &hand);
		work->hand[i] = hand.numbers;
		work->hand_count[i] = (int64_t)hand.count;
		STATUS_TRY(status);
	}
	for (int64_t i = 0; i < work->hand_count[0]; i++)
		for (int64_t j = 0; j < work->hand_count[1]; j++)
			if (work->hand[0][i] == work->hand[1][j])
				return error_raise(STATUS_USAGE, "latent %d is both in label/take and in label/leave",
				                   (int)work->hand[0][i]);
	return STATUS_OK;
}
