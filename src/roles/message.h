/* What ranks say to each other about blocks: requests with a slot, blocks as bytes, the end of a point.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_ROLES_MESSAGE_H
#define CAPSHAPE_ROLES_MESSAGE_H

#include <stdint.h>

#include "base/status.h"
#include "text/shard.h"

enum message_tag {
	TAG_REQUEST = 11, /* struct request: one or more blocks are asked for, or the asker is done */
	TAG_BLOCK = 1000  /* + slot: the answer to the request of that slot */
};

enum request_kind { REQUEST_BLOCK = 1, REQUEST_FINISH = 2 };

struct request {
	int64_t kind; /* enum request_kind */
	int64_t block;
	int64_t slot; /* chosen by the asker: the answer comes with tag TAG_BLOCK + slot */
};

/* Bytes of a block as a message. */
int64_t message_block_size(const struct block *block);
/* Writes the block (scores only when it is scored) into message_block_size() bytes. */
void message_block_pack(const struct block *block, void *bytes);
/* The inverse. STATUS_PEER when the bytes are not a block. */
enum status message_block_unpack(const void *bytes, int64_t size, struct block *block);

#endif
