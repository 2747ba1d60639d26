/* Owns the bytes of a block of scores: three 64-bit integers and two runs of 16-bit scores, little-endian.
 * SPDX-License-Identifier: Apache-2.0 */
#include "results/score_record.h"

size_t score_record_size(int64_t tokens, int64_t documents)
{
	return SCORE_RECORD_HEAD + 2 * ((size_t)tokens + (size_t)documents);
}

static void put_integer(unsigned char *bytes, int64_t value)
{
	for (int i = 0; i < 8; i++)
		bytes[i] = (unsigned char)((uint64_t)value >> (8 * i));
}

static int64_t get_integer(const unsigned char *bytes)
{
	uint64_t value = 0;
	for (int i = 0; i < 8; i++)
		value |= (uint64_t)bytes[i] << (8 * i);
	return (int64_t)value;
}

static unsigned char *put_scores(unsigned char *bytes, const uint16_t *scores, int64_t count)
{
	for (int64_t i = 0; i < count; i++, bytes += 2) {
		bytes[0] = (unsigned char)scores[i];
		bytes[1] = (unsigned char)(scores[i] >> 8);
	}
	return bytes;
}

static const unsigned char *get_scores(const unsigned char *bytes, uint16_t *scores, int64_t count)
{
	for (int64_t i = 0; i < count; i++, bytes += 2)
		scores[i] = (uint16_t)(bytes[0] | bytes[1] << 8);
	return bytes;
}

bool score_head_decode(const void *record, size_t size, struct score_head *head)
{
	const unsigned char *bytes = record;
	if (size < SCORE_RECORD_HEAD)
		return false;
	*head = (struct score_head){ get_integer(bytes), get_integer(bytes + 8), get_integer(bytes + 16) };
	return head->block >= 0 && head->block <= SCORE_LARGEST_BLOCK && head->tokens >= 0 &&
	       head->tokens <= INT32_MAX && head->documents >= 0 && head->documents <= INT32_MAX &&
	       score_record_size(head->tokens, head->documents) == size;
}

void score_record_encode(void *record, const struct score_head *head, const uint16_t *scores,
                         const uint16_t *document_scores)
{
	unsigned char *bytes = record;
	put_integer(bytes, head->block);
	put_integer(bytes + 8, head->tokens);
	put_integer(bytes + 16, head->documents);
	put_scores(put_scores(bytes + SCORE_RECORD_HEAD, scores, head->tokens), document_scores, head->documents);
}

void score_record_decode(const void *record, int64_t tokens, int64_t documents, uint16_t *scores,
                         uint16_t *document_scores)
{
	get_scores(get_scores((const unsigned char *)record + SCORE_RECORD_HEAD, scores, tokens), document_scores,
	           documents);
}
