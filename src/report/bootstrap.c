/* Resampling.
 * SPDX-License-Identifier: Apache-2.0 */
#include "report/bootstrap.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/random.h"

/* FNV-1a: the stream of a set depends on its name only, not on which other sets there are. */
uint64_t bootstrap_stream(const char *set)
{
	uint64_t hash = 0xcbf29ce484222325u;
	for (; *set; set++)
		hash = (hash ^ (unsigned char)*set) * 0x100000001b3u;
	return hash;
}

struct member {
	uint64_t group;
	size_t index;
};

static int compare_members(const void *a, const void *b)
{
	const struct member *left = a, *right = b;
	if (left->group != right->group)
		return left->group < right->group ? -1 : 1;
	return (left->index > right->index) - (left->index < right->index);
}

enum status bootstrap_number_groups(const uint64_t *groups, size_t members, size_t *out, size_t *count_out)
{
	struct member *sorted = memory_allocate(members, sizeof(*sorted));
	if (!sorted)
		return STATUS_ENVIRONMENT;
	for (size_t i = 0; i < members; i++)
		sorted[i] = (struct member){ groups[i], i };
	if (members > 1)
		qsort(sorted, members, sizeof(*sorted), compare_members);
	/* first the first member of its group, then the group's number */
	for (size_t i = 0, first = 0; i < members; i++) {
		first = sorted[i].group == sorted[first].group ? first : i;
		out[sorted[i].index] = sorted[first].index;
	}
	free(sorted);
	*count_out = 0;
	for (size_t i = 0; i < members; i++)
		out[i] = out[i] == i ? (*count_out)++ : out[out[i]];
	return STATUS_OK;
}

uint16_t *bootstrap_draw(uint64_t seed, const char *set, size_t resamples, size_t documents)
{
	uint64_t stream = bootstrap_stream(set);
	uint16_t *counts = memory_allocate(resamples * documents, sizeof(*counts));
	if (!counts)
		return NULL;
	for (size_t r = 0; r < resamples; r++) {
		uint16_t *row = counts + r * documents;
		for (size_t i = 0; i < documents; i++) {
			double u = random_uniform(seed, RANDOM_BOOTSTRAP, stream, r * documents + i);
			size_t document = (size_t)(u * (double)documents);
			if (row[document] < UINT16_MAX)
				row[document]++;
		}
	}
	return counts;
}

/* Four runs at once, so that a count is loaded and converted once for four sums. */
static void sum_four(const uint16_t *row, size_t documents, const double *const *values, double out[4])
{
	const double *a = values[0], *b = values[1], *c = values[2], *d = values[3];
	double sum_a = 0.0, sum_b = 0.0, sum_c = 0.0, sum_d = 0.0;
	for (size_t i = 0; i < documents; i++) {
		double count = row[i];
		sum_a += count * a[i];
		sum_b += count * b[i];
		sum_c += count * c[i];
		sum_d += count * d[i];
	}
	out[0] = sum_a;
	out[1] = sum_b;
	out[2] = sum_c;
	out[3] = sum_d;
}

void bootstrap_sum(const uint16_t *counts, size_t resamples, size_t documents, size_t runs, const double *const *values,
                   double *const *sums)
{
	for (size_t first = 0; first < runs; first += 4) {
		const double *four[4];
		double out[4];
		for (size_t k = 0; k < 4; k++)
			four[k] = values[first + k < runs ? first + k : runs - 1];
		for (size_t r = 0; r < resamples; r++) {
			sum_four(counts + r * documents, documents, four, out);
			for (size_t k = 0; k < 4 && first + k < runs; k++)
				sums[first + k][r] = out[k];
		}
	}
}

static int compare_reals(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;
	return (left > right) - (left < right);
}

/* Linear between neighbours. */
static double quantile(const double *sorted, size_t count, double share)
{
	double place = share * (double)(count - 1);
	size_t below = (size_t)place;
	if (below + 1 >= count)
		return sorted[count - 1];
	double rest = place - (double)below;
	return rest > 0.0 ? sorted[below] + rest * (sorted[below + 1] - sorted[below]) : sorted[below];
}

struct interval bootstrap_interval(double value, double *values, size_t count, double confidence)
{
	struct interval interval = { value, NAN, NAN };
	double side = 0.5 * (1.0 - confidence);
	size_t known = 0;
	for (size_t i = 0; i < count; i++)
		if (!isnan(values[i]))
			values[known++] = values[i];
	if (count < 2 || known == 0 || isnan(value))
		return interval;
	double unknown = (double)(count - known) / (double)count;
	if (unknown >= side)
		return interval;
	qsort(values, known, sizeof(*values), compare_reals);
	/* the unknown ones are put beyond both ends */
	double known_share = (double)known / (double)count;
	interval.low = quantile(values, known, (side - unknown) / known_share);
	interval.high = quantile(values, known, 1.0 - (side - unknown) / known_share);
	return interval;
}
