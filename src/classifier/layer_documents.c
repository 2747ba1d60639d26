/* Probes of whole documents in one layer.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/stop.h"
#include "classifier/layer.h"

/* Documents, or tokens, that go through the model together at most; a longer document goes alone. */
enum { TOGETHER = 128, TOKENS_TOGETHER = 65536 };

/* ---- values ---- */

struct pooling {
	int32_t *ids;
	int64_t *begin;    /* [TOGETHER + 1] */
	int32_t *document; /* that a token is of */
	double *sums;      /* [TOGETHER, D] */
	uint8_t *labels;   /* room for those of a document, not used */
	int32_t *read;     /* a document */
	int64_t documents, tokens, width;
	size_t id_capacity, document_capacity;
};

static void add(void *state, int half, int64_t rows, const int32_t *source, const float *values)
{
	struct pooling *pooling = state;
	int64_t width = pooling->width;
	(void)half;
	for (int64_t i = 0; i < rows; i++) {
		if (source[i] < 0)
			continue;
		double *sums = pooling->sums + pooling->document[source[i]] * width;
		for (int64_t j = 0; j < width; j++)
			sums[j] += (double)values[i * width + j];
	}
}

static enum status create(struct shard_set *set, const int64_t *documents, int64_t count, struct pooling *pooling)
{
	int64_t longest = 1;
	for (int64_t i = 0; i < count; i++)
		if (shard_set_document_tokens(set, documents[i]) > longest)
			longest = shard_set_document_tokens(set, documents[i]);
	pooling->begin = memory_allocate(TOGETHER + 1, sizeof *pooling->begin);
	pooling->sums = memory_allocate((size_t)(TOGETHER * pooling->width), sizeof *pooling->sums);
	pooling->labels = memory_allocate((size_t)longest, sizeof *pooling->labels);
	pooling->read = memory_allocate((size_t)longest, sizeof *pooling->read);
	return pooling->begin == NULL || pooling->sums == NULL || pooling->labels == NULL || pooling->read == NULL
	               ? STATUS_ENVIRONMENT
	               : STATUS_OK;
}

static void clear(struct pooling *pooling)
{
	free(pooling->ids);
	free(pooling->begin);
	free(pooling->document);
	free(pooling->sums);
	free(pooling->labels);
	free(pooling->read);
}

static enum status add_document(struct shard_set *set, int64_t document, int64_t most, struct pooling *pooling)
{
	int64_t length = shard_set_document_tokens(set, document) - 1; /* without end-of-text */
	length = most > 0 && most < length ? most : length;
	size_t room = (size_t)(pooling->tokens + length);
	STATUS_TRY(memory_grow((void **)&pooling->ids, &pooling->id_capacity, room, sizeof *pooling->ids));
	STATUS_TRY(
		memory_grow((void **)&pooling->document, &pooling->document_capacity, room, sizeof *pooling->document));
	STATUS_TRY(shard_set_read_document(set, document, pooling->read, pooling->labels));
	memcpy(pooling->ids + pooling->tokens, pooling->read, (size_t)length * sizeof *pooling->ids);
	for (int64_t i = 0; i < length; i++)
		pooling->document[pooling->tokens + i] = (int32_t)pooling->documents;
	pooling->tokens += length;
	pooling->begin[++pooling->documents] = pooling->tokens;
	return STATUS_OK;
}

/* The documents at hand; their means. */
static enum status pool(struct features *features, int layer, struct pooling *pooling, float *values)
{
	int64_t width = pooling->width;
	memset(pooling->sums, 0, (size_t)(TOGETHER * width) * sizeof *pooling->sums);
	STATUS_TRY(stop_check("computing what the model makes of documents"));
	STATUS_TRY(features_run(features, layer, DIRECTIONS_LEFT, pooling->ids, pooling->begin, pooling->documents, add,
	                        pooling));
	for (int64_t d = 0; d < pooling->documents; d++) {
		double count = (double)(pooling->begin[d + 1] - pooling->begin[d]);
		for (int64_t j = 0; j < width; j++)
			values[d * width + j] = (float)(pooling->sums[d * width + j] / count);
	}
	pooling->documents = pooling->tokens = 0;
	return STATUS_OK;
}

enum status layer_document_values(struct features *features, struct shard_set *set, int layer, int64_t most,
                                  const int64_t *documents, int64_t count, float *values)
{
	struct pooling pooling = { .width = features_width(features) };
	enum status status = create(set, documents, count, &pooling);
	for (int64_t i = 0, first = 0; i < count && status == STATUS_OK; i++) {
		status = add_document(set, documents[i], most, &pooling);
		if (status != STATUS_OK ||
		    (i + 1 < count && pooling.documents < TOGETHER && pooling.tokens < TOKENS_TOGETHER))
			continue;
		status = pool(features, layer, &pooling, values + first * pooling.width);
		first = i + 1;
	}
	clear(&pooling);
	return status;
}

/* ---- pairs ---- */

enum status layer_pair_fit(const float *values, int64_t width, const struct document_pair *pair, double l2,
                           struct probe *probe_out)
{
	float *own = memory_allocate((size_t)(pair->count * width), sizeof *own);
	if (own == NULL)
		return STATUS_ENVIRONMENT;
	for (int64_t i = 0; i < pair->count; i++)
		memcpy(own + i * width, values + pair->rows[i] * width, (size_t)width * sizeof *own);
	enum status status = probe_fit_within(own, pair->sides, pair->count, width, l2, LAYER_ITERATIONS, probe_out);
	free(own);
	return status;
}

double layer_pair_judge(const float *values, int64_t width, const struct document_pair *pair, const struct probe *probe,
                        uint8_t *correct)
{
	int64_t all[2] = { 0 }, right[2] = { 0 };
	for (int64_t i = 0; i < pair->count; i++) {
		int side = pair->sides[i];
		correct[i] = (probe_logit(probe, values + pair->rows[i] * width) > 0) == (side == 1);
		all[side]++;
		right[side] += correct[i];
	}
	return 0.5 * ((double)right[0] / (double)all[0] + (double)right[1] / (double)all[1]);
}
