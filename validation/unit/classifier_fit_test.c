/* Fitting and applying a classifier on tiny random language models, end to end. Under mpirun all ranks fit together and
 * the result must be what one rank alone makes.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/random.h"
#include "base/text.h"
#include "classifier/fit.h"
#include "classifier/metrics.h"
#include "filter/score.h"
#include "model/model.h"
#include "storage/atomic_file.h"
#include "storage/hdf5_file.h"
#include "text/corpus.h"

enum { CONTEXT = 24, LAYERS = 2, WIDTH = 32, BLOCK_TOKENS = 400, SAMPLE = 100 };

struct fixture {
	struct world world, alone; /* alone: this rank only */
	const struct kernels *kernels;
	struct device *device;
	struct tokenizer *tokenizer;
	struct model_config config;
	float *left, *right;
	char folder[256], *path;
	struct fit_options options;
	int32_t sample[SAMPLE]; /* tokens of texts, to make blocks of */
	bool fitted;
};

static struct fixture fixture;

static const char *const forget_words[] = {"fever", "lesion", "biopsy", "insulin"};
static const char *const retain_words[] = {"river", "engine", "poem", "harbour"};
static const char *const common_words[] = {"the", "of", "and", "is", "a", "with", "some", "Many"};

/* Appends the words of one document; marks[byte] tells forget bytes. Words of the other class occur now and then, and
 * every fourth forget word is not labelled: no list of words can be perfect. */
static size_t compose(uint64_t document, bool forget, char *text, char *marks)
{
	uint64_t words = 2 + random_bits(1, RANDOM_TEST, document, 0) % 60;
	size_t size = 0;

	for (uint64_t i = 1; i <= words; i++) {
		uint64_t bits = random_bits(1, RANDOM_TEST, document, i);
		bool topic = bits % 3 == 0, own = (bits >> 8) % 10 != 0;
		const char *word = !topic ? common_words[(bits >> 16) % 8]
		                   : own == forget ? forget_words[(bits >> 16) % 4] : retain_words[(bits >> 16) % 4];
		size_t length = strlen(word);
		bool marked = topic && own == forget && (bits >> 24) % 4 != 0;
		if (i > 1) {
			marks[size] = 0;
			text[size++] = ' ';
		}
		memcpy(text + size, word, length);
		memset(marks + size, marked, length);
		size += length;
	}
	return size;
}

static void write_shard(const char *folder, const char *name, uint64_t first, uint64_t documents, bool any_forget)
{
	const struct shard_facts facts = {
		.tokenizer_hash = tokenizer_hash(fixture.tokenizer),
		.tokenizer = tokenizer_describe(fixture.tokenizer),
		.vocabulary = tokenizer_size(fixture.tokenizer),
		.end_of_text = tokenizer_end_of_text(fixture.tokenizer),
		.hidden = tokenizer_hidden(fixture.tokenizer),
		.block_tokens = BLOCK_TOKENS,
		.has_token_labels = true,
	};
	char *path = text_format("%s/%s-00000.h5", folder, name), text[1024], marks[1024];
	struct shard_writer *writer = NULL;
	struct token_span *spans = NULL;
	size_t capacity = 0, count = 0;
	int32_t ids[1024];
	uint8_t labels[1024];

	assert_int_equal(shard_writer_create(path, &facts, &writer), STATUS_OK);
	for (uint64_t d = first; d < first + documents; d++) {
		bool forget = any_forget && d % 3 == 0;
		size_t size = compose(d, forget, text, marks);
		assert_int_equal(tokenizer_encode(fixture.tokenizer, text, size, &spans, &capacity, &count), STATUS_OK);
		for (size_t i = 0; i < count; i++) {
			ids[i] = spans[i].id;
			labels[i] = DOMAIN_OTHER;
			for (uint32_t byte = spans[i].begin; byte < spans[i].end && any_forget; byte++)
				if (marks[byte])
					labels[i] = DOMAIN_FORGET;
		}
		assert_int_equal(shard_writer_add(writer, ids, labels, count, forget ? DOMAIN_FORGET : DOMAIN_OTHER, d),
		                 STATUS_OK);
	}
	assert_int_equal(shard_writer_finish(writer), STATUS_OK);
	free(spans);
	free(path);
}

static void make_tokenizer(void)
{
	struct tokenizer_trainer *trainer = NULL;
	char text[1024], marks[1024];

	assert_int_equal(tokenizer_trainer_create("cl100k", &trainer), STATUS_OK);
	for (uint64_t d = 0; d < 40; d++)
		assert_int_equal(tokenizer_trainer_add(trainer, text, compose(d, d % 3 == 0, text, marks)), STATUS_OK);
	assert_int_equal(tokenizer_trainer_finish(trainer, 280, &fixture.tokenizer), STATUS_OK);
	tokenizer_trainer_destroy(trainer);
}

static void make_sample(void)
{
	struct token_span *spans = NULL;
	size_t capacity = 0, count = 0, filled = 0;
	char text[1024], marks[1024];

	for (uint64_t d = 5000; filled < SAMPLE; d++) {
		size_t size = compose(d, d % 2 == 0, text, marks);
		assert_int_equal(tokenizer_encode(fixture.tokenizer, text, size, &spans, &capacity, &count), STATUS_OK);
		for (size_t i = 0; i < count && filled < SAMPLE; i++)
			fixture.sample[filled++] = spans[i].id;
	}
	free(spans);
}

static float *random_arena(uint64_t seed)
{
	struct model *model = NULL;
	int64_t count = 0;

	assert_int_equal(model_create(fixture.kernels, fixture.device, &fixture.config, 1, false, &model), STATUS_OK);
	assert_int_equal(model_initialise(model, seed), STATUS_OK);
	const float *parameters = model_parameters(model, &count);
	float *arena = malloc((size_t)count * sizeof *arena);
	assert_non_null(arena);
	assert_int_equal(fixture.kernels->download(fixture.device, arena, parameters, (size_t)count * sizeof *arena),
	                 STATUS_OK);
	model_destroy(model);
	return arena;
}

static void make_folder(void)
{
	if (fixture.world.rank == 0) {
		const char *base = getenv("TMPDIR");
		snprintf(fixture.folder, sizeof fixture.folder, "%s/classifier-fit-XXXXXX", base != NULL ? base : "/tmp");
		assert_non_null(mkdtemp(fixture.folder));
	}
	assert_int_equal(world_broadcast(&fixture.world, fixture.folder, sizeof fixture.folder, 0), STATUS_OK);
}

static int set_up(void **state)
{
	(void)state;
	fixture.kernels = kernels_cpu();
	assert_int_equal(fixture.kernels->device_create(PRECISION_FLOAT32, 1, &fixture.device), STATUS_OK);
	make_folder();
	make_tokenizer();
	make_sample();
	if (fixture.world.rank == 0) {
		write_shard(fixture.folder, "train", 0, 150, true);
		write_shard(fixture.folder, "validation", 1000, 60, true);
		write_shard(fixture.folder, "test", 2000, 60, true);
	}
	assert_int_equal(world_barrier(&fixture.world), STATUS_OK);
	fixture.config = (struct model_config){
		.layers = LAYERS, .width = WIDTH, .heads = 2, .context = CONTEXT, .positions = POSITIONS_ROTARY,
		.vocabulary = model_config_padded_vocabulary(tokenizer_size(fixture.tokenizer)), .rope_base = 10000,
		.norm_epsilon = 1.1920929e-07, .base_width = WIDTH, .init_deviation = 0.02,
	};
	fixture.left = random_arena(11);
	fixture.right = random_arena(12);
	fixture.path = text_format("%s/classifier.h5", fixture.folder);
	fixture.options = (struct fit_options){
		.data_folder = fixture.folder, .tokenizer = fixture.tokenizer, .layer = -1, .context = CONTEXT,
		.probe_tokens = 600, .probe_documents = 60, .evaluation_tokens = 100000, .l2 = 1e-3, .forget_share = 0.1,
		.rows_per_batch = 3, .seed = 5, .config = &fixture.config, .left_parameters = fixture.left,
		.right_parameters = fixture.right, .output_path = fixture.path,
	};
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	free(fixture.left);
	free(fixture.right);
	free(fixture.path);
	tokenizer_destroy(fixture.tokenizer);
	fixture.kernels->device_destroy(fixture.device);
	world_barrier(&fixture.world);
	if (fixture.world.rank == 0)
		assert_int_equal(folder_remove(fixture.folder), STATUS_OK);
	return 0;
}

/* The classifier that most tests look at: fitted by all ranks together. */
static void need_classifier(void)
{
	if (!fixture.fitted)
		assert_int_equal(classifier_fit(&fixture.world, fixture.kernels, fixture.device, &fixture.options, NULL, NULL),
		                 STATUS_OK);
	fixture.fitted = true;
}

static struct classifier *read_classifier(const char *path)
{
	struct classifier *classifier = NULL;
	assert_int_equal(classifier_read(path, fixture.kernels, fixture.device, tokenizer_hash(fixture.tokenizer),
	                                 &classifier), STATUS_OK);
	return classifier;
}

static double stored_metric(struct hdf5_reader *reader, const char *who, const char *prevalence, const char *name)
{
	double value = -1;
	char *group = text_format("metrics/%s/test/%s", who, prevalence);
	assert_int_equal(hdf5_read_real_attribute(reader, group, name, &value), STATUS_OK);
	free(group);
	return value;
}

static int64_t stored_integer(struct hdf5_reader *reader, const char *object, const char *name)
{
	int64_t value = -1;
	assert_int_equal(hdf5_read_integer_attribute(reader, object, name, &value), STATUS_OK);
	return value;
}

static void test_fit_learns(void **state)
{
	struct hdf5_reader *reader = NULL;
	static const char *const whos[] = {"classifier", "left_only", "word_list", "document"};

	(void)state;
	need_classifier();
	assert_int_equal(hdf5_open(fixture.path, &reader), STATUS_OK);
	for (int i = 0; i < 4; i++) {
		assert_true(stored_metric(reader, whos[i], "natural", "auroc") > 0.85);
		assert_true(stored_metric(reader, whos[i], "natural", "auroc") ==
		            stored_metric(reader, whos[i], "balanced", "auroc"));
		assert_true(stored_metric(reader, whos[i], "balanced", "prevalence") == 0.5);
		assert_true(stored_metric(reader, whos[i], "natural", "prevalence") < 0.4);
	}
	assert_true(stored_integer(reader, "/", "layer") >= 1 && stored_integer(reader, "/", "layer") <= LAYERS);
	/* p must be calibrated: the natural threshold of best F1 is not an extreme one. */
	double p = stored_metric(reader, "classifier", "natural", "threshold");
	assert_true(p > 0.15 && p < 0.85);
	assert_true(hdf5_exists(reader, "metrics/classifier/test/natural/curve/precision"));
	hdf5_close(reader);
}

/* Scores all test blocks through the classifier file; the metrics must be those that fitting wrote. */
static void test_scores_give_stored_metrics(void **state)
{
	struct hdf5_reader *reader = NULL;
	struct shard_set *set = NULL;
	struct block block = {0};
	struct score_counts *tokens = calloc(2, sizeof *tokens), *documents = tokens + 1;
	struct metrics metrics;

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
				(block.labels[i] == DOMAIN_FORGET ? tokens->positive : tokens->negative)[block.scores[i]]++;
			}
			assert_int_equal(block.scores[end], SCORE_LOWEST);
			bool is_forget = (double)forget / (double)(end - block.document_begin[d]) >= fixture.options.forget_share;
			(is_forget ? documents->positive : documents->negative)[block.document_scores[d]]++;
		}
	}
	assert_int_equal(hdf5_open(fixture.path, &reader), STATUS_OK);
	metrics_compute(tokens, classifier_token_threshold(classifier), 0, &metrics);
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
	int64_t lengths[] = {before, tokens, after}, at = 0;

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
	struct block alone = {0}, crowded = {0};
	const int64_t lengths[] = {1, 7, CONTEXT - 1, CONTEXT, 5 * CONTEXT + 3};
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

	assert_int_equal(model_create(fixture.kernels, fixture.device, &fixture.config, CONTEXT, false, &model), STATUS_OK);
	float *parameters = model_parameters(model, &size);
	assert_int_equal(fixture.kernels->upload(fixture.device, parameters, arena, (size_t)size * sizeof *arena),
	                 STATUS_OK);
	assert_int_equal(model_refresh_weights(model), STATUS_OK);
	row[0] = tokenizer_end_of_text(fixture.tokenizer);
	for (int64_t i = 0; i < count; i++)
		row[i + 1] = ids[reversed ? count - 1 - i : i];
	const struct model_batch batch = {.sequences = 1, .length = count + 1, .inputs = row};
	assert_int_equal(model_features(model, &batch, layer, values), STATUS_OK);
	model_destroy(model);
}

static void test_scores_by_hand(void **state)
{
	enum { COUNT = 12 };
	struct hdf5_reader *reader = NULL;
	struct block block = {0};
	double weights[2][2 * WIDTH], bias[2], document = 0;
	static const char *const probes[] = {"probe/token", "probe/document"};
	static const char *const weight_names[] = {"probe/token/weights", "probe/document/weights"};
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
		double logits[2] = {bias[0], bias[1]};
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

static void test_any_number_of_ranks(void **state)
{
	struct fit_options options = fixture.options;
	char *path = text_format("%s/alone-%d.h5", fixture.folder, fixture.world.rank), *all = NULL, *own = NULL;
	size_t all_size = 0, own_size = 0;

	(void)state;
	need_classifier();
	options.output_path = path;
	assert_int_equal(classifier_fit(&fixture.alone, fixture.kernels, fixture.device, &options, NULL, NULL), STATUS_OK);
	assert_int_equal(file_read(fixture.path, &all, &all_size), STATUS_OK);
	assert_int_equal(file_read(path, &own, &own_size), STATUS_OK);
	assert_int_equal(all_size, own_size);
	assert_memory_equal(all, own, own_size);
	free(all);
	free(own);
	free(path);
}

static void test_left_left(void **state)
{
	struct fit_options options = fixture.options;
	char *path = text_format("%s/left-left.h5", fixture.folder);

	(void)state;
	need_classifier();
	options.output_path = path;
	options.compat_left_left = true;
	options.right_parameters = NULL;
	options.tokenizer = NULL;
	options.layer = 1;
	assert_int_equal(classifier_fit(&fixture.world, fixture.kernels, fixture.device, &options, NULL, NULL), STATUS_OK);
	struct classifier *both = read_classifier(fixture.path), *left = read_classifier(path);
	assert_string_not_equal(classifier_hash(both), classifier_hash(left));
	assert_non_null(strstr(classifier_describe(left), "left + left"));
	struct hdf5_reader *reader = NULL;
	assert_int_equal(hdf5_open(path, &reader), STATUS_OK);
	assert_false(hdf5_exists(reader, "right"));
	assert_false(hdf5_exists(reader, "metrics/word_list"));
	assert_int_equal(stored_integer(reader, "/", "layer"), 1);
	hdf5_close(reader);
	classifier_destroy(both);
	classifier_destroy(left);
	free(path);
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
	const size_t cuts[] = {size / 2, size - 1, 100, 0};
	for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
		assert_int_equal(atomic_file_write(path, data, cuts[i]), STATUS_OK);
		assert_read_fails(path, NULL, "bad-");
	}
	/* One changed byte in the middle, where the parameters are. */
	data[size / 2] ^= 0x10;
	assert_int_equal(atomic_file_write(path, data, size), STATUS_OK);
	assert_read_fails(path, NULL, "bad-");
	free(data);
	free(path);
}

static void assert_fit_fails(const struct fit_options *options, enum status expected, const char *word)
{
	assert_int_equal(classifier_fit(&fixture.world, fixture.kernels, fixture.device, options, NULL, NULL), expected);
	if (fixture.world.rank == 0)
		assert_non_null(strstr(error_message(), word));
}

static void test_bad_requests(void **state)
{
	char *folder = text_format("%s/plain", fixture.folder), *path = text_format("%s/none.h5", fixture.folder);
	struct fit_options options = fixture.options;

	(void)state;
	options.output_path = path;
	options.layer = LAYERS + 1;
	assert_fit_fails(&options, STATUS_USAGE, "classifier/layer");
	options.layer = 1;
	options.context = CONTEXT + 1;
	assert_fit_fails(&options, STATUS_USAGE, "context");
	options.context = CONTEXT;
	options.forget_share = 0.99;
	assert_fit_fails(&options, STATUS_DATA, "documents");
	if (fixture.world.rank == 0) {
		assert_int_equal(text_make_directories(folder), STATUS_OK);
		write_shard(folder, "train", 0, 10, false);
		write_shard(folder, "validation", 1000, 10, false);
		write_shard(folder, "test", 2000, 10, false);
	}
	world_barrier(&fixture.world);
	options.data_folder = folder;
	assert_fit_fails(&options, STATUS_DATA, "0 forget");
	assert_false(hdf5_is_complete(path));
	free(folder);
	free(path);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fit_learns),
		cmocka_unit_test(test_scores_give_stored_metrics),
		cmocka_unit_test(test_scores_depend_on_own_document_only),
		cmocka_unit_test(test_scores_by_hand),
		cmocka_unit_test(test_any_number_of_ranks),
		cmocka_unit_test(test_left_left),
		cmocka_unit_test(test_bad_files),
		cmocka_unit_test(test_bad_requests),
	};
	if (world_open(&argc, &argv, &fixture.world) != STATUS_OK ||
	    world_part_open(&fixture.world, fixture.world.rank, &fixture.alone) != STATUS_OK)
		return 99;
	int failed = cmocka_run_group_tests(tests, set_up, tear_down);
	world_part_close(&fixture.alone);
	world_close(&fixture.world, failed ? STATUS_INTERNAL : STATUS_OK);
	return failed;
}
