/* What ranks say to each other about blocks: requests, signs of life, blocks as bytes, the end of a point.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_ROLES_MESSAGE_H
#define CAPSHAPE_ROLES_MESSAGE_H

#include <stdint.h>

#include "base/status.h"
#include "text/shard.h"

enum message_tag {
	TAG_REQUEST = 11, /* struct request: a block is asked for, or the asker is alive, or done */
	TAG_BLOCK = 12 /* a block, which names itself; without a byte: whoever was asked for one is alive and at work */
};

enum request_kind { REQUEST_NOTHING, REQUEST_BLOCK, REQUEST_FINISH };

struct request {
	int64_t kind; /* enum request_kind */
	int64_t block;
};
enum { MESSAGE_REQUEST_WORDS = sizeof(struct request) / sizeof(int64_t) };

/* Bytes of a block as a message. */
int64_t message_block_size(const struct block *block);
/* Writes the block (scores only when it is scored) into message_block_size() bytes. */
void message_block_pack(const struct block *block, void *bytes);
/* The number of the block in a message; -1 when it is too short for one. */
int64_t message_block_number(const void *bytes, int64_t size);
/* The inverse. STATUS_PEER when the bytes are not a block. */
enum status message_block_unpack(const void *bytes, int64_t size, struct block *block);

#endif
