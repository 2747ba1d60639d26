/* Log-odds of tokens and documents.
 * SPDX-License-Identifier: Apache-2.0 */
#include "classifier/scoring.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* A probe of a half's model: part of a head's weights. */
struct part {
	int head, half; /* of the head's weights, which may be a right half that the left model stands in for */
};

/* What is on its way from one half's model. */
struct half {
	struct rows rows;
	struct part parts[2 * SCORING_MOST_HEADS];
	int64_t part_count;
	double *logits;  /* [part_count, size] of each micro-batch, one after the other */
	int64_t *begun;  /* of each micro-batch */
	double *weights; /* [part_count, D] */
	size_t logit_capacity, batch_capacity, weight_capacity;
};

struct scoring {
	struct features *features;
	struct half halves[2];
	struct scoring_head heads[SCORING_MOST_HEADS];
	int head_count;
	int64_t tokens;
	bool begun;
};

enum status scoring_create(struct features *features, struct scoring **scoring_out)
{
	struct scoring *scoring = memory_allocate(1, sizeof *scoring);
	if (scoring == NULL)
		return STATUS_ENVIRONMENT;
	scoring->features = features;
	*scoring_out = scoring;
	return STATUS_OK;
}

void scoring_destroy(struct scoring *scoring)
{
	if (scoring == NULL)
		return;
	if (scoring->begun)
		(void)features_wait(scoring->features);
	for (int i = 0; i < 2; i++) {
		struct half *half = &scoring->halves[i];
		rows_clear(&half->rows);
		free(half->logits);
		free(half->begun);
		free(half->weights);
	}
	free(scoring);
}

/* Which parts of which heads are probes of which model. */
static void divide(struct scoring *scoring)
{
	bool left_left = features_left_left(scoring->features);

	scoring->halves[0].part_count = scoring->halves[1].part_count = 0;
	for (int i = 0; i < scoring->head_count; i++)
		for (int part = 0; part < (scoring->heads[i].directions == DIRECTIONS_LEFT ? 1 : 2); part++) {
			struct half *half = &scoring->halves[left_left ? 0 : part];
			half->parts[half->part_count++] = (struct part){ i, part };
		}
}

static enum status reserve(struct half *half, size_t logits, size_t batches, size_t weights)
{
	void *array = half->logits;
	STATUS_TRY(memory_grow(&array, &half->logit_capacity, logits, sizeof *half->logits));
	half->logits = array;
	array = half->begun;
	STATUS_TRY(memory_grow(&array, &half->batch_capacity, batches, sizeof *half->begun));
	half->begun = array;
	array = half->weights;
	STATUS_TRY(memory_grow(&array, &half->weight_capacity, weights, sizeof *half->weights));
	half->weights = array;
	return STATUS_OK;
}

/* Packs the documents and brings the probes to the device. */
static enum status prepare(struct scoring *scoring, int number, const int32_t *ids, const int64_t *document_begin,
                           int64_t documents)
{
	struct features *features = scoring->features;
	struct half *half = &scoring->halves[number];
	size_t width = (size_t)features_width(features), parts = (size_t)half->part_count, positions = 0;

	STATUS_TRY(features_pack(features, number, ids, document_begin, documents, &half->rows));
	int64_t batches = features_batches(features, &half->rows);
	for (int64_t i = 0; i < batches; i++)
		positions += (size_t)features_batch(features, &half->rows, i).size;
	STATUS_TRY(reserve(half, parts * positions, (size_t)batches, parts * width));
	for (size_t i = 0; i < parts; i++)
		memcpy(half->weights + i * width,
		       scoring->heads[half->parts[i].head].probe->weights + (size_t)half->parts[i].half * width,
		       width * sizeof *half->weights);
	return features_set_probes(features, number, half->weights, half->part_count);
}

/* Where the logits of a micro-batch lie. All before it are full. */
static double *logits_of(const struct half *half, const struct features_batch *batch)
{
	return half->logits + half->part_count * batch->first;
}

/* The models in turn, so that the device goes through both while the host packs and adds up. */
static enum status launch(struct scoring *scoring, int layer)
{
	struct features *features = scoring->features;
	const struct half *halves = scoring->halves;
	bool more = true;

	for (int64_t number = 0; more; number++) {
		more = false;
		for (int i = 0; i < 2; i++) {
			if (halves[i].part_count == 0 || number >= features_batches(features, &halves[i].rows))
				continue;
			struct features_batch batch = features_batch(features, &halves[i].rows, number);
			STATUS_TRY(features_probe_begin(features, i, layer, &halves[i].rows, number,
			                                logits_of(&halves[i], &batch), &halves[i].begun[number]));
			more = true;
		}
	}
	return STATUS_OK;
}

enum status scoring_begin(struct scoring *scoring, int layer, const int32_t *ids, const int64_t *document_begin,
                          int64_t documents, const struct scoring_head *heads, int head_count)
{
	if (scoring->begun || head_count > SCORING_MOST_HEADS)
		return error_raise(STATUS_INTERNAL, "%d heads cannot be scored now", head_count);
	memcpy(scoring->heads, heads, (size_t)head_count * sizeof *heads);
	scoring->head_count = head_count;
	scoring->tokens = documents > 0 ? document_begin[documents] : 0;
	divide(scoring);
	for (int i = 0; i < 2; i++)
		if (scoring->halves[i].part_count > 0)
			STATUS_TRY(prepare(scoring, i, ids, document_begin, documents));
	scoring->begun = true;
	return launch(scoring, layer);
}

static void add_batch(const struct scoring *scoring, const struct half *half, const struct features_batch *batch)
{
	const int32_t *source = half->rows.source + batch->first;
	const double *values = logits_of(half, batch);

	for (int64_t i = 0; i < half->part_count; i++, values += batch->size) {
		double *logits = scoring->heads[half->parts[i].head].logits;
		for (int64_t row = 0; row < batch->present; row++)
			if (source[row] >= 0)
				logits[source[row]] += values[row];
	}
}

enum status scoring_end(struct scoring *scoring)
{
	struct features *features = scoring->features;

	for (int i = 0; i < scoring->head_count; i++)
		for (int64_t token = 0; token < scoring->tokens; token++)
			scoring->heads[i].logits[token] = scoring->heads[i].probe->bias;
	/* All of the left half first: a sum has one order. */
	for (int i = 0; i < 2; i++) {
		const struct half *half = &scoring->halves[i];
		int64_t batches = half->part_count > 0 ? features_batches(features, &half->rows) : 0;
		for (int64_t number = 0; number < batches; number++) {
			struct features_batch batch = features_batch(features, &half->rows, number);
			STATUS_TRY(features_probe_end(features, i, half->begun[number]));
			add_batch(scoring, half, &batch);
		}
	}
	scoring->begun = false;
	return STATUS_OK;
}

enum status scoring_run(struct features *features, int layer, const int32_t *ids, const int64_t *document_begin,
                        int64_t documents, const struct scoring_head *heads, int head_count)
{
	struct scoring *scoring = NULL;

	STATUS_TRY(scoring_create(features, &scoring));
	enum status status = scoring_begin(scoring, layer, ids, document_begin, documents, heads, head_count);
	if (status == STATUS_OK)
		status = scoring_end(scoring);
	scoring_destroy(scoring);
	return status;
}

/* Tokens that are averaged side by side, two in a vector register of any machine: each sum keeps its order. */
enum { SIDE_BY_SIDE = 8 };
typedef double pair __attribute__((vector_size(2 * sizeof(double)), aligned(sizeof(double)), may_alias));

/* Of SIDE_BY_SIDE tokens with whole windows; logits of the first token of the first window. */
static void smooth_whole(const double *logits, int64_t window, double *smooth)
{
	pair a = { 0 }, b = { 0 }, c = { 0 }, d = { 0 }, *out = (pair *)smooth;

	for (int64_t j = 0; j <= 2 * window; j++) {
		const pair *next = (const pair *)(logits + j);
		a += next[0];
		b += next[1];
		c += next[2];
		d += next[3];
	}
	double count = (double)(2 * window + 1);
	out[0] = a / count;
	out[1] = b / count;
	out[2] = c / count;
	out[3] = d / count;
}

void scoring_smooth(const double *logits, const int32_t *ids, const int64_t *document_begin, int64_t documents,
                    int32_t end_of_text, int64_t window, double *smooth)
{
	for (int64_t d = 0; d < documents; d++) {
		int64_t begin = document_begin[d], end = document_begin[d + 1];
		if (end > begin && ids[end - 1] == end_of_text) {
			end--;
			smooth[end] = logits[end];
		}
		for (int64_t i = begin; i < end; i++) {
			if (i - begin >= window && end - i >= window + SIDE_BY_SIDE) {
				smooth_whole(logits + i - window, window, smooth + i);
				i += SIDE_BY_SIDE - 1;
				continue;
			}
			int64_t first = i - begin < window ? begin : i - window;
			int64_t last = end - 1 - i < window ? end - 1 : i + window;
			double sum = 0;
			for (int64_t j = first; j <= last; j++)
				sum += logits[j];
			smooth[i] = sum / (double)(last - first + 1);
		}
	}
}

double scoring_document(const double *logits, int64_t tokens, int64_t judged)
{
	int64_t count = judged > 0 && judged < tokens ? judged : tokens;
	double sum = 0;

	for (int64_t i = 0; i < count; i++)
		sum += logits[i];
	return sum / (double)count;
}
