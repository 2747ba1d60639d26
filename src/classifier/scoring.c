/* Log-odds of tokens and documents.
 * SPDX-License-Identifier: Apache-2.0 */
#include "classifier/scoring.h"

struct scoring {
	struct scoring_head *heads;
	int head_count;
	int64_t width;
};

static void add_half(void *state, int half, int64_t rows, const int32_t *source, const float *values)
{
	struct scoring *scoring = state;

	for (int64_t row = 0; row < rows; row++) {
		if (source[row] < 0)
			continue;
		for (int i = 0; i < scoring->head_count; i++) {
			struct scoring_head *head = &scoring->heads[i];
			if (half == 1 && head->directions == DIRECTIONS_LEFT)
				continue;
			head->logits[source[row]] += probe_dot(head->probe->weights + half * scoring->width,
			                                       values + row * scoring->width, scoring->width);
		}
	}
}

enum status scoring_run(struct features *features, int layer, const int32_t *ids, const int64_t *document_begin,
                        int64_t documents, struct scoring_head *heads, int head_count)
{
	struct scoring scoring = { .heads = heads, .head_count = head_count, .width = features_width(features) };
	enum directions directions = DIRECTIONS_LEFT;

	for (int i = 0; i < head_count; i++) {
		for (int64_t token = 0; documents > 0 && token < document_begin[documents]; token++)
			heads[i].logits[token] = heads[i].probe->bias;
		if (heads[i].directions == DIRECTIONS_BOTH)
			directions = DIRECTIONS_BOTH;
	}
	return features_run(features, layer, directions, ids, document_begin, documents, add_half, &scoring);
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
			int64_t first = i - begin < window ? begin : i - window;
			int64_t last = end - 1 - i < window ? end - 1 : i + window;
			double sum = 0;
			for (int64_t j = first; j <= last; j++)
				sum += logits[j];
			smooth[i] = sum / (double)(last - first + 1);
		}
	}
}

double scoring_document(const double *logits, int64_t tokens, int64_t context)
{
	int64_t most = SCORING_DOCUMENT_CONTEXTS * context, count = tokens < most ? tokens : most;
	double sum = 0;

	for (int64_t i = 0; i < count; i++)
		sum += logits[i];
	return sum / (double)count;
}
