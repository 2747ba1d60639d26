/* Ends of sentences from the texts of tokens.
 * SPDX-License-Identifier: Apache-2.0 */
#include "classifier/sentence.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum { MARK_LINE = 1, MARK_STOP = 2, MARK_BEGINS_BLANK = 4, MARK_ENDS_BLANK = 8, MARK_CLOSES = 16 };

static bool is_blank(char c)
{
	return isspace((unsigned char)c) != 0;
}

static uint8_t read_marks(const char *text, size_t size)
{
	uint8_t marks = 0;
	if (size == 0)
		return 0;
	if (memchr(text, '\n', size) != NULL)
		marks |= MARK_LINE;
	if (is_blank(text[0]))
		marks |= MARK_BEGINS_BLANK;
	if (is_blank(text[size - 1]))
		marks |= MARK_ENDS_BLANK;
	while (size > 0 && (is_blank(text[size - 1]) || memchr("\"')]}", text[size - 1], 5) != NULL))
		size--;
	if (size == 0)
		marks |= MARK_CLOSES;
	else if (memchr(".!?", text[size - 1], 3) != NULL)
		marks |= MARK_STOP;
	return marks;
}

enum status sentence_marks_create(const struct tokenizer *tokenizer, uint8_t **marks_out)
{
	int32_t size = tokenizer_size(tokenizer);
	uint8_t *marks = memory_allocate((size_t)size, sizeof *marks);
	enum status status = marks == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	for (int32_t id = 0; id < size && status == STATUS_OK; id++) {
		char *text = NULL;
		size_t length = 0;
		if (tokenizer_is_special(tokenizer, id))
			continue;
		status = tokenizer_decode(tokenizer, &id, 1, &text, &length);
		if (status == STATUS_OK)
			marks[id] = read_marks(text, length);
		free(text);
	}
	if (status != STATUS_OK) {
		free(marks);
		return status;
	}
	*marks_out = marks;
	return STATUS_OK;
}

int64_t sentence_end(const uint8_t *marks, const int32_t *ids, int64_t count, int64_t begin)
{
	bool stopped = false; /* a stop was met, and nothing but closing signs since */
	for (int64_t i = begin; i < count - 1; i++) {
		uint8_t here = marks[ids[i]], next = marks[ids[i + 1]];
		bool blank = (here & MARK_ENDS_BLANK) != 0 || (next & MARK_BEGINS_BLANK) != 0;
		stopped = (here & MARK_STOP) != 0 || (stopped && (here & MARK_CLOSES) != 0);
		if ((here & MARK_LINE) != 0 || (stopped && blank))
			return i + 1;
	}
	return count;
}
