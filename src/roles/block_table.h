/* Block numbers under which an index is found in constant time: what was asked for, what has arrived.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_ROLES_BLOCK_TABLE_H
#define CAPSHAPE_ROLES_BLOCK_TABLE_H

#include <stdint.h>

#include "base/status.h"

/* Open addressing; zero-initialised it is empty. At most `most` entries, as given when it was reserved. */
struct block_table {
	struct block_entry {
		int64_t block; /* -1: free */
		int32_t index;
	} * entries;
	uint64_t mask; /* number of entries - 1, a power of two */
};

enum status block_table_reserve(struct block_table *table, int64_t most);
void block_table_clear(struct block_table *table);
/* The index of `block`, or -1. */
int32_t block_table_find(const struct block_table *table, int64_t block);
/* `block` must not be there. */
void block_table_add(struct block_table *table, int64_t block, int32_t index);
/* `block` must be there. */
void block_table_remove(struct block_table *table, int64_t block);

#endif
