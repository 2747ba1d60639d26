/* Linear probes of normalised rows: each row is taken in, normalised and rounded to floats, which is what probes are fitted to
 * (model_features()), then multiplied in double.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/lanes.h"
#include "kernels/cpu/cpu.h"

enum { ITEM_ROWS = 64 };

struct probing {
	struct device *device;
	double *out;
	const void *residual, *branch;
	const double *probes;
	int64_t count, rows, width;
};

static float from_bfloat16(uint16_t element)
{
	uint32_t bits = (uint32_t)element << 16;
	float x;
	memcpy(&x, &bits, sizeof x);
	return x;
}

/* To nearest, ties to even, as the norm rounds what it stores; what is no number stays that. */
static float rounded_to_bfloat16(float x)
{
	uint32_t bits;
	memcpy(&bits, &x, sizeof bits);
	if (x != x)
		return x;
	return from_bfloat16((uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16));
}

static void row_sum_half(const struct probing *p, int64_t first, float *row)
{
	const uint16_t *residual = (const uint16_t *)p->residual + first, *branch = p->branch;

	for (int64_t i = 0; i < p->width; i++)
		row[i] = from_bfloat16(residual[i]);
	for (int64_t i = 0; branch != NULL && i < p->width; i++)
		row[i] = rounded_to_bfloat16(row[i] + from_bfloat16(branch[first + i]));
}

static void row_sum(const struct probing *p, int64_t first, float *row)
{
	const float *residual = (const float *)p->residual + first, *branch = p->branch;

	memcpy(row, residual, (size_t)p->width * sizeof *row);
	for (int64_t i = 0; branch != NULL && i < p->width; i++)
		row[i] += branch[first + i];
}

static void probe_rows(void *context, int64_t item, int thread)
{
	const struct probing *p = context;
	float *row = p->device->scratch[thread];
	int64_t end = (item + 1) * ITEM_ROWS < p->rows ? (item + 1) * ITEM_ROWS : p->rows;

	for (int64_t r = item * ITEM_ROWS; r < end; r++) {
		(cpu_half(p->device) ? row_sum_half : row_sum)(p, r * p->width, row);
		lanes_normalise(row, p->width);
		for (int64_t i = 0; i < p->count; i++)
			p->out[i * p->rows + r] = lanes_dot(p->probes + i * p->width, row, p->width);
	}
}

enum status cpu_probe(struct device *device, double *out, const void *residual, const void *branch,
                      const double *probes, int64_t count, int64_t rows, int64_t width)
{
	struct probing probing = { device, out, residual, branch, probes, count, rows, width };

	STATUS_TRY(cpu_scratch_reserve(device, (size_t)width * sizeof(float)));
	cpu_parallel(device, (rows + ITEM_ROWS - 1) / ITEM_ROWS, probe_rows, &probing);
	return STATUS_OK;
}
