/* Laying whole questions out as windows.
 * SPDX-License-Identifier: Apache-2.0 */
#include "roles/question_rows.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum { TOKEN_BYTES = sizeof(int32_t) + sizeof(uint16_t) + sizeof(uint64_t) + sizeof(uint8_t) };

int64_t question_row_memory(int64_t length)
{
	return (length + 1) * TOKEN_BYTES;
}

enum status question_row_reserve(struct question_row *row, int64_t length)
{
	size_t count = (size_t)length + 1;
	if (row->length >= length)
		return STATUS_OK;
	question_row_clear(row);
	row->tokens.ids = memory_allocate(count, sizeof *row->tokens.ids);
	row->tokens.scores = memory_allocate(count, sizeof *row->tokens.scores);
	row->tokens.positions = memory_allocate(count, sizeof *row->tokens.positions);
	row->tokens.marks = memory_allocate(count, sizeof *row->tokens.marks);
	row->length = length;
	return row->tokens.ids != NULL && row->tokens.scores != NULL && row->tokens.positions != NULL &&
	                       row->tokens.marks != NULL
	               ? STATUS_OK
	               : STATUS_ENVIRONMENT;
}

void question_row_clear(struct question_row *row)
{
	free(row->tokens.ids);
	free(row->tokens.scores);
	free(row->tokens.positions);
	free(row->tokens.marks);
	*row = (struct question_row){ 0 };
}

static void put_end(struct token_arrays *to, int64_t at, int32_t end_of_text)
{
	to->ids[at] = end_of_text;
	to->scores[at] = 0;
	to->positions[at] = 0;
	to->marks[at] = 0;
}

static void put_tokens(struct token_arrays *to, int64_t at, const struct token_arrays *from, int64_t begin,
                       int64_t count)
{
	size_t size = (size_t)count;
	memcpy(to->ids + at, from->ids + begin, size * sizeof *to->ids);
	memcpy(to->scores + at, from->scores + begin, size * sizeof *to->scores);
	memcpy(to->positions + at, from->positions + begin, size * sizeof *to->positions);
	memcpy(to->marks + at, from->marks + begin, size * sizeof *to->marks);
}

int64_t question_row_lay(struct question_row *row, const struct token_arrays *stream, int64_t count,
                         int32_t end_of_text)
{
	struct token_arrays *to = &row->tokens;
	int64_t length = row->length, at = 0, used = 0;
	put_end(to, at++, end_of_text);
	while (used < count) {
		int64_t end = used, first = used;
		while (end < count && stream->ids[end] != end_of_text)
			end++;
		if (end == count)
			break; /* cannot be, with as many tokens as are needed */
		if (end - first > length - 1)
			first = end - (length - 1);
		if (at + end - first > length + 1)
			break;
		put_tokens(to, at, stream, first, end - first);
		at += end - first;
		if (at <= length)
			put_end(to, at++, end_of_text);
		used = end + 1;
	}
	while (at <= length)
		put_end(to, at++, end_of_text);
	return used;
}
