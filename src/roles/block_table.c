/* A hash table with linear probing that is never more than half full.
 * SPDX-License-Identifier: Apache-2.0 */
#include "roles/block_table.h"

#include <stdlib.h>

#include "base/memory.h"

enum status block_table_reserve(struct block_table *table, int64_t most)
{
	uint64_t size = 4;
	while (size < 2 * (uint64_t)most)
		size *= 2;
	struct block_entry *entries = memory_allocate(size, sizeof *entries);
	if (entries == NULL)
		return STATUS_ENVIRONMENT;
	for (uint64_t i = 0; i < size; i++)
		entries[i].block = -1;
	*table = (struct block_table){ entries, size - 1 };
	return STATUS_OK;
}

void block_table_clear(struct block_table *table)
{
	free(table->entries);
	*table = (struct block_table){ 0 };
}

static uint64_t home(const struct block_table *table, int64_t block)
{
	return (uint64_t)block * 0x9E3779B97F4A7C15u >> 32 & table->mask;
}

/* The place of the block, or the free one where it belongs. */
static uint64_t place_of(const struct block_table *table, int64_t block)
{
	uint64_t place = home(table, block);
	while (table->entries[place].block >= 0 && table->entries[place].block != block)
		place = (place + 1) & table->mask;
	return place;
}

int32_t block_table_find(const struct block_table *table, int64_t block)
{
	const struct block_entry *entry = &table->entries[place_of(table, block)];
	return entry->block < 0 ? -1 : entry->index;
}

void block_table_add(struct block_table *table, int64_t block, int32_t index)
{
	table->entries[place_of(table, block)] = (struct block_entry){ block, index };
}

void block_table_remove(struct block_table *table, int64_t block)
{
	uint64_t hole = place_of(table, block);
	/* Entries behind the hole move into it unless that would take them before their home. */
	for (uint64_t next = (hole + 1) & table->mask; table->entries[next].block >= 0;
	     next = (next + 1) & table->mask) {
		uint64_t distance = (next - home(table, table->entries[next].block)) & table->mask;
		if (distance >= ((next - hole) & table->mask)) {
			table->entries[hole] = table->entries[next];
			hole = next;
		}
	}
	table->entries[hole].block = -1;
}
