/* Two tiny random language models, a tokenizer, labelled shards and a classifier fitted on them, for the tests of fitting and
 * scoring. Under mpirun all ranks share one folder.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_VALIDATION_CLASSIFIER_FIXTURE_H
#define CAPSHAPE_VALIDATION_CLASSIFIER_FIXTURE_H

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
#include "model/model.h"
#include "storage/atomic_file.h"
#include "storage/hdf5_file.h"
#include "text/corpus.h"
#include "text/shard.h"

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

static const char *const forget_words[] = { "fever", "lesion", "biopsy", "insulin" };
static const char *const retain_words[] = { "river", "engine", "poem", "harbour" };
static const char *const common_words[] = { "the", "of", "and", "is", "a", "with", "some", "Many" };

/* Appends the words of one document; marks[byte] tells forget bytes. Words of the other class occur now and then, and
 * every fourth forget word is not labelled: no list of words can be perfect. */
static inline size_t compose(uint64_t document, bool forget, char *text, char *marks)
{
	uint64_t words = 2 + random_bits(1, RANDOM_TEST, document, 0) % 60;
	size_t size = 0;

	for (uint64_t i = 1; i <= words; i++) {
		uint64_t bits = random_bits(1, RANDOM_TEST, document, i);
		bool topic = bits % 3 == 0, own = (bits >> 8) % 10 != 0;
		const char *word = !topic          ? common_words[(bits >> 16) % 8]
		                   : own == forget ? forget_words[(bits >> 16) % 4]
		                                   : retain_words[(bits >> 16) % 4];
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

/* unlabelled: documents of ten that have no label; the texts are the same. */
static inline void write_labelled_shard(const char *folder, const char *name, uint64_t first, uint64_t documents,
                                        bool any_forget, uint64_t unlabelled)
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
		bool forget = any_forget && d % 3 == 0, known = d * 7 % 10 >= unlabelled;
		size_t size = compose(d, forget, text, marks);
		assert_int_equal(tokenizer_encode(fixture.tokenizer, text, size, &spans, &capacity, &count), STATUS_OK);
		for (size_t i = 0; i < count; i++) {
			ids[i] = spans[i].id;
			labels[i] = DOMAIN_OTHER;
			for (uint32_t byte = spans[i].begin; byte < spans[i].end && any_forget; byte++)
				if (marks[byte])
					labels[i] = DOMAIN_FORGET;
			if (!known)
				labels[i] = DOMAIN_UNLABELLED;
		}
		uint8_t domain = !known ? DOMAIN_UNLABELLED : forget ? DOMAIN_FORGET : DOMAIN_OTHER;
		assert_int_equal(shard_writer_add(writer, ids, labels, count, domain, d, d), STATUS_OK);
	}
	assert_int_equal(shard_writer_finish(writer), STATUS_OK);
	free(spans);
	free(path);
}

static inline void write_shard(const char *folder, const char *name, uint64_t first, uint64_t documents,
                               bool any_forget)
{
	write_labelled_shard(folder, name, first, documents, any_forget, 0);
}

static inline void make_tokenizer(void)
{
	struct tokenizer_trainer *trainer = NULL;
	char text[1024], marks[1024];

	assert_int_equal(tokenizer_trainer_create("cl100k", &trainer), STATUS_OK);
	for (uint64_t d = 0; d < 40; d++)
		assert_int_equal(tokenizer_trainer_add(trainer, text, compose(d, d % 3 == 0, text, marks)), STATUS_OK);
	assert_int_equal(tokenizer_trainer_finish(trainer, 280, &fixture.tokenizer), STATUS_OK);
	tokenizer_trainer_destroy(trainer);
}

static inline void make_sample(void)
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

static inline float *random_arena(uint64_t seed)
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

static inline void make_folder(void)
{
	if (fixture.world.rank == 0) {
		const char *base = getenv("TMPDIR");
		snprintf(fixture.folder, sizeof fixture.folder, "%s/classifier-fit-XXXXXX",
		         base != NULL ? base : "/tmp");
		assert_non_null(mkdtemp(fixture.folder));
	}
	assert_int_equal(world_broadcast(&fixture.world, fixture.folder, sizeof fixture.folder, 0), STATUS_OK);
}

static inline int set_up(void **state)
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
		.layers = LAYERS,
		.width = WIDTH,
		.heads = 2,
		.context = CONTEXT,
		.positions = POSITIONS_ROTARY,
		.vocabulary = model_config_padded_vocabulary(tokenizer_size(fixture.tokenizer)),
		.rope_base = 10000,
		.norm_epsilon = 1.1920929e-07,
		.base_width = WIDTH,
		.init_deviation = 0.02,
	};
	fixture.left = random_arena(11);
	fixture.right = random_arena(12);
	fixture.path = text_format("%s/classifier.h5", fixture.folder);
	fixture.options = (struct fit_options){
		.data_folder = fixture.folder,
		.tokenizer = fixture.tokenizer,
		.layer = -1,
		.context = CONTEXT,
		.probe_tokens = 600,
		.probe_documents = 60,
		.document_tokens = 4 * CONTEXT,
		.evaluation_tokens = 100000,
		.l2 = 1e-3,
		.forget_share = 0.1,
		.rows_per_batch = 3,
		.seed = 5,
		.config = &fixture.config,
		.left_parameters = fixture.left,
		.right_parameters = fixture.right,
		.output_path = fixture.path,
	};
	return 0;
}

static inline int tear_down(void **state)
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
static inline void need_classifier(void)
{
	if (!fixture.fitted)
		assert_int_equal(
			classifier_fit(&fixture.world, fixture.kernels, fixture.device, &fixture.options, NULL, NULL),
			STATUS_OK);
	fixture.fitted = true;
}

static inline struct classifier *read_classifier(const char *path)
{
	struct classifier *classifier = NULL;
	assert_int_equal(
		classifier_read(path, fixture.kernels, fixture.device, tokenizer_hash(fixture.tokenizer), &classifier),
		STATUS_OK);
	return classifier;
}

static inline double stored_metric(struct hdf5_reader *reader, const char *who, const char *prevalence,
                                   const char *name)
{
	double value = -1;
	char *group = text_format("metrics/%s/test/%s", who, prevalence);
	assert_int_equal(hdf5_read_real_attribute(reader, group, name, &value), STATUS_OK);
	free(group);
	return value;
}

static inline int64_t stored_integer(struct hdf5_reader *reader, const char *object, const char *name)
{
	int64_t value = -1;
	assert_int_equal(hdf5_read_integer_attribute(reader, object, name, &value), STATUS_OK);
	return value;
}

/* The main() of a test program. */
static inline int run_group(int argc, char **argv, const struct CMUnitTest *tests, size_t count)
{
	if (world_open(&argc, &argv, &fixture.world) != STATUS_OK ||
	    world_part_open(&fixture.world, fixture.world.rank, &fixture.alone) != STATUS_OK)
		return 99;
	int failed = _cmocka_run_group_tests("classifier", tests, count, set_up, tear_down);
	world_part_close(&fixture.alone);
	world_close(&fixture.world, failed ? STATUS_INTERNAL : STATUS_OK);
	return failed;
}

#endif
