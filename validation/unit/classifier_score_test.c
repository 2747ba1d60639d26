/* Applying a classifier file to blocks: against the metrics that fitting stored, against features computed by hand, whatever
 * else is in the block; and refusing files that are not sound.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1 /* memmem */
#endif
#include <math.h>

#include "classifier/metrics.h"
#include "classifier_fixture.h"
#include "filter/score.h"

/* Scores all test blocks through the classifier file; the metrics must be those that fitting wrote. */
static void test_scores_give_stored_metrics(void **state)
{
	struct hdf5_reader *reader = NULL;
	struct shard_set *set = NULL;
	struct block block = { 0 };
	struct score_counts *tokens = calloc(2, sizeof *tokens), *documents = tokens + 1;
	struct metrics metrics;
	double expected = 0, scored = 0; /* forget tokens that the scores promise; tokens */

	(void)state;
	assert_non_null(tokens);
	need_classifier();
	struct classifier *classifier = read_classifier(fixture.path);
	assert_int_equal(shard_set_open(fixture.folder, "test", &set), STATUS_OK);
	assert_true(shard_set_blocks(set) > 1);
	for (int64_t number = 0; number < shard_set_blocks(set); number++) {
		assert_int_equal(shard_set_read_block(set, number, &block), STATUS_OK);
		assert_int_equal(classifier_score_block(classifier, &block), STATUS_OK);
		assert_true(block.scored);
		for (int64_t d = 0; d < block.document_count; d++) {
			int64_t end = block.document_begin[d + 1] - 1, forget = 0;
			for (int64_t i = block.document_begin[d]; i < end; i++) {
				forget += block.labels[i] == DOMAIN_FORGET;
				expected += score_probability(block.scores[i]);
				scored++;
				(block.labels[i] == DOMAIN_FORGET ? tokens->positive
				                                  : tokens->negative)[block.scores[i]]++;
			}
			assert_int_equal(block.scores[end], SCORE_LOWEST);
			bool is_forget = (double)forget / (double)(end - block.document_begin[d]) >=
			                 fixture.options.forget_share;
			(is_forget ? documents->positive : documents->negative)[block.document_scores[d]]++;
		}
	}
	assert_int_equal(hdf5_open(fixture.path, &reader), STATUS_OK);
	metrics_compute(tokens, classifier_token_threshold(classifier), 0, &metrics);
	/* Fitted on as many forget tokens as others, corrected to the odds at which they occur. */
	assert_true(fabs(expected / scored - metrics.prevalence) < 0.3 * metrics.prevalence);
	assert_true(metrics.f1 == stored_metric(reader, "classifier", "natural", "f1"));
	assert_true(metrics.auroc == stored_metric(reader, "classifier", "natural", "auroc"));
	assert_true(metrics.precision == stored_metric(reader, "classifier", "natural", "precision"));
	metrics_compute(documents, classifier_document_threshold(classifier), 0, &metrics);
	assert_true(metrics.f1 == stored_metric(reader, "document", "natural", "f1"));
	assert_true(metrics.recall == stored_metric(reader, "document", "natural", "recall"));
	assert_int_equal(stored_integer(reader, "/", "token_threshold_score"), classifier_token_threshold(classifier));
	assert_true(classifier_flops(classifier) > 0);
	assert_non_null(strstr(classifier_describe(classifier), "left + right"));
	hdf5_close(reader);
	shard_set_close(set);
	block_clear(&block);
	classifier_destroy(classifier);
	free(tokens);
}

/* A block of three documents of these numbers of tokens. The middle one is the same whatever lies around it. */
static void make_block(struct block *block, int64_t before, int64_t tokens, int64_t after)
{
	int32_t end = tokenizer_end_of_text(fixture.tokenizer);
	int64_t lengths[] = { before, tokens, after }, at = 0;

	assert_int_equal(block_reserve(block, before + tokens + after + 3, 3), STATUS_OK);
	block->document_count = 0;
	for (int i = 0; i < 3; i++) {
		block->document_begin[block->document_count++] = at;
		for (int64_t j = 0; j < lengths[i]; j++)
			block->ids[at++] = fixture.sample[(i == 1 ? j : 7 * before + 3 * j) % SAMPLE];
		block->ids[at++] = end;
	}
	block->document_begin[block->document_count] = block->token_count = at;
}

/* A document's scores are the same whatever lies before and after it and wherever it lands in a row. */
static void test_scores_depend_on_own_document_only(void **state)
{
	struct block alone = { 0 }, crowded = { 0 };
	const int64_t lengths[] = { 1, 7, CONTEXT - 1, CONTEXT, 5 * CONTEXT + 3 };
	int64_t inside = 0, documents_inside = 0, tokens = 0;

	(void)state;
	need_classifier();
	struct classifier *classifier = read_classifier(fixture.path);
	for (size_t k = 0; k < sizeof lengths / sizeof *lengths; k++) {
		make_block(&alone, 0, lengths[k], 0);
		assert_int_equal(classifier_score_block(classifier, &alone), STATUS_OK);
		for (int64_t i = 1; i <= lengths[k]; i++)
			inside += alone.scores[i] > SCORE_LOWEST && alone.scores[i] < SCORE_HIGHEST;
		documents_inside += alone.document_scores[1] > SCORE_LOWEST && alone.document_scores[1] < SCORE_HIGHEST;
		tokens += lengths[k];
		assert_int_equal(alone.scores[0], SCORE_LOWEST);
		assert_int_equal(alone.document_scores[0], SCORE_LOWEST);
		for (int64_t before = 0; before < 3 * CONTEXT; before += 5) {
			make_block(&crowded, before, lengths[k], 4 * CONTEXT - before);
			assert_int_equal(classifier_score_block(classifier, &crowded), STATUS_OK);
			assert_memory_equal(crowded.scores + before + 1, alone.scores + 1,
			                    (size_t)lengths[k] * sizeof *alone.scores);
			assert_int_equal(crowded.document_scores[1], alone.document_scores[1]);
		}
	}
	/* Scores at an end of the scale would be equal for the wrong reason. */
	assert_true(inside > tokens / 2);
	assert_true(documents_inside > 0);
	block_clear(&alone);
	block_clear(&crowded);
	classifier_destroy(classifier);
}

/* Features of one short document by hand: one row, no packing. */
static void features_by_hand(const float *arena, const int32_t *ids, int64_t count, bool reversed, int layer,
                             float *values)
{
	struct model *model = NULL;
	int64_t size = 0;
	int32_t row[CONTEXT];

	assert_int_equal(model_create(fixture.kernels, fixture.device, &fixture.config, CONTEXT, false, &model),
	                 STATUS_OK);
	float *parameters = model_parameters(model, &size);
	assert_int_equal(fixture.kernels->upload(fixture.device, parameters, arena, (size_t)size * sizeof *arena),
	                 STATUS_OK);
	assert_int_equal(model_refresh_weights(model), STATUS_OK);
	row[0] = tokenizer_end_of_text(fixture.tokenizer);
	for (int64_t i = 0; i < count; i++)
		row[i + 1] = ids[reversed ? count - 1 - i : i];
	const struct model_batch batch = { .sequences = 1, .length = count + 1, .inputs = row };
	assert_int_equal(model_features(model, &batch, layer, values), STATUS_OK);
	model_destroy(model);
}

static void test_scores_by_hand(void **state)
{
	enum { COUNT = 12 };
	struct hdf5_reader *reader = NULL;
	struct block block = { 0 };
	double weights[2][2 * WIDTH], bias[2], document = 0;
	static const char *const probes[] = { "probe/token", "probe/document" };
	static const char *const weight_names[] = { "probe/token/weights", "probe/document/weights" };
	float left[CONTEXT * WIDTH], right[CONTEXT * WIDTH];

	(void)state;
	need_classifier();
	assert_int_equal(hdf5_open(fixture.path, &reader), STATUS_OK);
	int layer = (int)stored_integer(reader, "/", "layer");
	for (int p = 0; p < 2; p++) {
		assert_int_equal(hdf5_read(reader, weight_names[p], HDF5_FLOAT64, 2 * WIDTH, weights[p]), STATUS_OK);
		assert_int_equal(hdf5_read_real_attribute(reader, probes[p], "bias", &bias[p]), STATUS_OK);
	}
	hdf5_close(reader);
	make_block(&block, 3, COUNT, 4);
	features_by_hand(fixture.left, block.ids + 4, COUNT, false, layer, left);
	features_by_hand(fixture.right, block.ids + 4, COUNT, true, layer, right);
	struct classifier *classifier = read_classifier(fixture.path);
	assert_int_equal(classifier_score_block(classifier, &block), STATUS_OK);
	for (int i = 0; i < COUNT; i++) {
		double logits[2] = { bias[0], bias[1] };
		for (int p = 0; p < 2; p++)
			for (int j = 0; j < WIDTH; j++)
				logits[p] += weights[p][j] * left[(i + 1) * WIDTH + j] +
				             weights[p][WIDTH + j] * right[(COUNT - i) * WIDTH + j];
		assert_in_range(block.scores[4 + i] + 1, score_from_logit(logits[0]), score_from_logit(logits[0]) + 2);
		document += logits[1] / COUNT;
	}
	assert_in_range(block.document_scores[1] + 1, score_from_logit(document), score_from_logit(document) + 2);
	block_clear(&block);
	classifier_destroy(classifier);
}

static void assert_read_fails(const char *path, const char *hash, const char *word)
{
	struct classifier *classifier = NULL;
	assert_int_equal(classifier_read(path, fixture.kernels, fixture.device, hash, &classifier), STATUS_DATA);
	assert_null(classifier);
	assert_non_null(strstr(error_message(), path));
	assert_non_null(strstr(error_message(), word));
}

static void test_bad_files(void **state)
{
	char *data = NULL, *path = text_format("%s/bad-%d.h5", fixture.folder, fixture.world.rank);
	size_t size = 0;

	(void)state;
	need_classifier();
	assert_read_fails(fixture.path, "0123456789abcdef", "0123456789abcdef");
	assert_non_null(strstr(error_message(), tokenizer_hash(fixture.tokenizer)));
	assert_read_fails("/nowhere/classifier.h5", NULL, "nowhere");
	assert_int_equal(file_read(fixture.path, &data, &size), STATUS_OK);
	const size_t cuts[] = { size / 2, size - 1, 100, 0 };
	for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
		assert_int_equal(atomic_file_write(path, data, cuts[i]), STATUS_OK);
		assert_read_fails(path, NULL, "bad-");
	}
	/* One changed byte of the parameters. */
	char *place = memmem(data, size, fixture.left, 64);
	assert_non_null(place);
	place[2] ^= 0x10;
	assert_int_equal(atomic_file_write(path, data, size), STATUS_OK);
	assert_read_fails(path, NULL, "bad-");
	free(data);
	/* One of before text without a label was left out. */
	struct hdf5_writer *writer = NULL;
	assert_int_equal(hdf5_create(path, &writer), STATUS_OK);
	assert_int_equal(hdf5_write_text_attribute(writer, "/", "format", "capshape-classifier"), STATUS_OK);
	assert_int_equal(hdf5_write_integer_attribute(writer, "/", "format_version", 1), STATUS_OK);
	assert_int_equal(hdf5_commit(writer), STATUS_OK);
	assert_read_fails(path, NULL, "(format version 1, this one reads 2)");
	free(path);
}

/* Which of the two probes gives something that is no number; -1: neither. */
static int64_t broken_probe;

static enum status breaking_probe(struct device *device, double *out, const void *residual, const void *branch,
                                  const double *probes, int64_t count, int64_t rows, int64_t width)
{
	enum status status = kernels_cpu()->probe(device, out, residual, branch, probes, count, rows, width);
	for (int64_t row = 0; broken_probe >= 0 && row < rows; row++)
		out[broken_probe * rows + row] = NAN;
	return status;
}

/* The lowest score would pass for a decision. And one rank alone finds it, so it is no STATUS_NUMERIC (roles/trainer.h). */
static void test_no_number_is_no_score(void **state)
{
	static const char *const names[] = { "token 0 of block 7", "document 0 of block 7" };
	struct kernels kernels = *kernels_cpu();

	(void)state;
	need_classifier();
	kernels.probe = breaking_probe;
	for (broken_probe = -1; broken_probe < 2; broken_probe++) {
		struct classifier *classifier = NULL;
		struct block block = { .number = 7 };
		assert_int_equal(classifier_read(fixture.path, &kernels, fixture.device, NULL, &classifier), STATUS_OK);
		make_block(&block, 3, 9, 5);
		assert_int_equal(classifier_score_block(classifier, &block),
		                 broken_probe < 0 ? STATUS_OK : STATUS_DATA);
		if (broken_probe >= 0)
			assert_non_null(strstr(error_message(), names[broken_probe]));
		assert_int_equal(block.scored, broken_probe < 0);
		error_clear();
		block_clear(&block);
		classifier_destroy(classifier);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scores_give_stored_metrics),
		cmocka_unit_test(test_scores_depend_on_own_document_only),
		cmocka_unit_test(test_scores_by_hand),
		cmocka_unit_test(test_bad_files),
		cmocka_unit_test(test_no_number_is_no_score),
	};
	return run_group(argc, argv, tests, sizeof tests / sizeof *tests);
}
