/* The rotary table: filled in double precision, grown when a later position comes.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cpu/rope_table.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"

void cpu_rope_table_destroy(struct rope_table *table)
{
	if (table == NULL)
		return;
	free(table->values);
	free(table);
}

static struct rope_table *build(double base, int head_size, int64_t positions)
{
	int64_t pairs = head_size / 2;
	struct rope_table *table = memory_allocate(1, sizeof *table);
	if (table == NULL)
		return NULL;
	*table = (struct rope_table){ base, head_size, positions, NULL };
	table->values = memory_allocate((size_t)(positions * 2 * pairs), sizeof(float));
	if (table->values == NULL) {
		free(table);
		return NULL;
	}
	for (int64_t i = 0; i < pairs; i++) {
		double frequency = pow(base, -2.0 * (double)i / head_size);
		for (int64_t position = 0; position < positions; position++) {
			double angle = (double)position * frequency;
			table->values[position * 2 * pairs + i] = (float)cos(angle);
			table->values[(position * 2 + 1) * pairs + i] = (float)sin(angle);
		}
	}
	return table;
}

enum status cpu_rope_table_reserve(struct rope_table **table, double base, int head_size, int64_t position)
{
	const struct rope_table *old = *table;
	bool same = old != NULL && old->base == base && old->head_size == head_size;
	if (same && position < old->positions)
		return STATUS_OK;
	int64_t positions = 256;
	while (positions <= position)
		positions *= 2;
	struct rope_table *grown = build(base, head_size, positions);
	if (grown == NULL)
		return STATUS_ENVIRONMENT;
	cpu_rope_table_destroy(*table);
	*table = grown;
	return STATUS_OK;
}
