/* Blocks as bytes. Ranks of one job share an architecture, so numbers travel as they lie in memory.
 * SPDX-License-Identifier: Apache-2.0 */
#include "roles/message.h"

#include <string.h>

struct block_head {
	int64_t number, tokens, documents, scored;
};

int64_t message_block_size(const struct block *block)
{
	int64_t tokens = block->token_count, documents = block->document_count;
	int64_t size = (int64_t)sizeof(struct block_head) + tokens * (4 + 1) + (documents + 1) * 8 + documents;
	return block->scored ? size + tokens * 2 + documents * 2 : size;
}

static char *put(char *target, const void *source, int64_t size)
{
	memcpy(target, source, (size_t)size);
	return target + size;
}

static const char *get(void *target, const char *source, int64_t size)
{
	memcpy(target, source, (size_t)size);
	return source + size;
}

void message_block_pack(const struct block *block, void *bytes)
{
	struct block_head head = { block->number, block->token_count, block->document_count, block->scored };
	char *at = put(bytes, &head, sizeof head);
	at = put(at, block->document_begin, (head.documents + 1) * 8);
	at = put(at, block->ids, head.tokens * 4);
	at = put(at, block->labels, head.tokens);
	at = put(at, block->document_domain, head.documents);
	if (block->scored) {
		at = put(at, block->scores, head.tokens * 2);
		put(at, block->document_scores, head.documents * 2);
	}
}

int64_t message_block_number(const void *bytes, int64_t size)
{
	struct block_head head;
	if (size < (int64_t)sizeof head)
		return -1;
	memcpy(&head, bytes, sizeof head);
	return head.number;
}

enum status message_block_unpack(const void *bytes, int64_t size, struct block *block)
{
	struct block_head head;
	if (size < (int64_t)sizeof head)
		return error_raise(STATUS_PEER, "a message of %lld bytes is too short for a block", (long long)size);
	const char *at = get(&head, bytes, sizeof head);
	STATUS_TRY(block_reserve(block, head.tokens, head.documents));
	block->number = head.number;
	block->token_count = head.tokens;
	block->document_count = head.documents;
	block->scored = head.scored != 0;
	if (message_block_size(block) != size)
		return error_raise(STATUS_PEER, "a message of %lld bytes does not hold block %lld", (long long)size,
		                   (long long)head.number);
	at = get(block->document_begin, at, (head.documents + 1) * 8);
	at = get(block->ids, at, head.tokens * 4);
	at = get(block->labels, at, head.tokens);
	at = get(block->document_domain, at, head.documents);
	if (block->scored) {
		at = get(block->scores, at, head.tokens * 2);
		get(block->document_scores, at, head.documents * 2);
	}
	return STATUS_OK;
}
