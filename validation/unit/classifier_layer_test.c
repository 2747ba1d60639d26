/* Probes of a layer: values are those of a model in double precision, token by token and averaged over documents; a probe finds what is
 * planted and nothing else; thresholds come from validation text; counts of documents add up.
 * SPDX-License-Identifier: Apache-2.0 */
#include "model_oracle.h"

#include "classifier/layer.h"
#include "storage_fixture.h"
#include "text/corpus.h"

enum { LAYERS = 2, WIDTH = 32, VOCABULARY = 64, WORDS = 24, END = 40, CONTEXT = 64, DOCUMENTS = 60 };

static const struct model_config config = { .layers = LAYERS,
	                                    .width = WIDTH,
	                                    .heads = 2,
	                                    .context = CONTEXT,
	                                    .vocabulary = VOCABULARY,
	                                    .positions = POSITIONS_ROTARY,
	                                    .rope_base = 10000.0,
	                                    .norm_epsilon = 1.1920929e-07,
	                                    .base_width = WIDTH,
	                                    .init_deviation = 0.2 };

/* What of a text is forget: the words of lower number, or words at random. */
enum planted { WORD, NOTHING };

/* Documents of 5 to 44 random words; every third is of the forget domain and has more of those. Every fifth word has no gold label. */
static void write_set(const char *folder, const char *name, uint64_t first, enum planted planted)
{
	const struct shard_facts facts = { .tokenizer_hash = "0123",
		                           .tokenizer = "none",
		                           .vocabulary = VOCABULARY,
		                           .end_of_text = END,
		                           .hidden = END + 1,
		                           .block_tokens = 200,
		                           .has_token_labels = true };
	struct shard_writer *writer;
	char *path = shard_path(folder, name, 0);
	int32_t ids[CONTEXT];
	uint8_t labels[CONTEXT];
	assert_good(shard_writer_create(path, &facts, &writer));
	for (uint64_t d = first; d < first + DOCUMENTS; d++) {
		size_t count = 5 + random_bits(1, RANDOM_TEST, d, 0) % 40;
		for (size_t i = 0; i < count; i++) {
			uint64_t bits = random_bits(1, RANDOM_TEST, d, i + 1);
			ids[i] = (int32_t)(bits % (d % 3 == 0 && bits >> 62 ? WORDS / 2 : WORDS));
			bool forget = planted == WORD ? ids[i] < WORDS / 2 : (bits >> 32) % 2;
			labels[i] = i % 5 == 4 ? DOMAIN_MIXED : forget ? DOMAIN_FORGET : DOMAIN_OTHER;
		}
		assert_good(shard_writer_add(writer, ids, labels, count, d % 3 == 0 ? DOMAIN_FORGET : DOMAIN_OTHER, d,
		                             d / 2));
	}
	assert_good(shard_writer_finish(writer));
	free(path);
}

struct setting {
	const struct kernels *kernels;
	struct device *device;
	struct features *features;
	float *weights;
	struct shard_set *sets[LAYER_SETS];
	struct picks picks;
};

static void open_setting(const char *folder, enum planted planted, struct setting *setting)
{
	static const char *const names[LAYER_SETS] = { "train", "validation", "test" };
	struct fixture fixture;
	int64_t count;
	*setting = (struct setting){ .kernels = kernels_cpu() };
	assert_good(setting->kernels->device_create(PRECISION_FLOAT32, 1, &setting->device));
	fixture_open(&fixture, setting->kernels, &config, CONTEXT, 3);
	setting->weights = fixture_parameters(&fixture, &count);
	fixture_close(&fixture);
	const struct features_options options = { .kernels = setting->kernels,
		                                  .device = setting->device,
		                                  .config = &config,
		                                  .left_parameters = setting->weights,
		                                  .layers = LAYERS,
		                                  .context = CONTEXT,
		                                  .rows_per_batch = 3,
		                                  .end_of_text = END,
		                                  .left_left = true };
	assert_good(features_create(&options, &setting->features));
	for (int i = 0; i < LAYER_SETS; i++) {
		write_set(folder, names[i], 1000 * (uint64_t)i, planted);
		assert_good(shard_set_open(folder, names[i], &setting->sets[i]));
	}
	const struct sample_options sample = { .seed = 5, .tokens = 400, .end_of_text = END };
	assert_good(sample_draw(setting->sets[LAYER_TRAIN], &sample, NULL, &setting->picks, NULL));
	assert_int_equal(setting->picks.count, 400);
}

static void close_setting(struct setting *setting)
{
	for (int i = 0; i < LAYER_SETS; i++)
		shard_set_close(setting->sets[i]);
	picks_clear(&setting->picks);
	features_destroy(setting->features);
	free(setting->weights);
	setting->kernels->device_destroy(setting->device);
}

/* ---- values ---- */

/* The stream at each of the `count` words, divided by its root mean square: out[count, WIDTH]. */
static void read_oracle(const struct oracle *oracle, int layer, const int32_t *words, int64_t count, double *out)
{
	static double x[CONTEXT * WIDTH], scratch[5 * CONTEXT * WIDTH];
	int32_t inputs[CONTEXT] = { END };
	const struct model_batch batch = { .sequences = 1, .length = count + 1, .inputs = inputs };
	memcpy(inputs + 1, words, (size_t)count * sizeof *words);
	oracle_stream(oracle, &batch, layer, x, scratch);
	for (int64_t i = 0; i < count; i++) {
		const double *row = x + (i + 1) * WIDTH;
		double squares = 0.0;
		for (int j = 0; j < WIDTH; j++)
			squares += row[j] * row[j];
		for (int j = 0; j < WIDTH; j++)
			out[i * WIDTH + j] = row[j] / sqrt(squares / WIDTH + config.norm_epsilon);
	}
}

static void compare(const float *values, const double *expected)
{
	for (int j = 0; j < WIDTH; j++)
		assert_near((double)values[j], expected[j], 2e-5);
}

static void check_tokens(const struct setting *setting, const struct oracle *oracle, int layer)
{
	static float values[400 * WIDTH];
	static double expected[CONTEXT * WIDTH];
	struct block block = { 0 };
	int forget = 0;
	assert_good(layer_token_values(setting->features, setting->sets[0], END, layer, &setting->picks, values));
	for (int64_t i = 0; i < setting->picks.count; i += 7) {
		const struct pick *pick = &setting->picks.items[i];
		int64_t document = 0;
		assert_good(shard_set_read_block(setting->sets[0], pick->block, &block));
		while (pick->index >= block.document_begin[document + 1])
			document++;
		int64_t begin = block.document_begin[document];
		read_oracle(oracle, layer, block.ids + begin, pick->index - begin + 1, expected);
		compare(values + i * WIDTH, expected + (pick->index - begin) * WIDTH);
		assert_int_equal(pick->forget, block.labels[pick->index] == DOMAIN_FORGET);
		forget += pick->forget;
	}
	assert_true(forget > 10 && forget < 50);
	block_clear(&block);
}

/* The first 20 words of each. */
static void check_documents(const struct setting *setting, const struct oracle *oracle, int layer)
{
	static const int64_t documents[] = { 0, 3, 4, 17, 58 };
	static double expected[CONTEXT * WIDTH];
	float values[5 * WIDTH];
	int32_t ids[CONTEXT];
	uint8_t labels[CONTEXT];
	assert_good(layer_document_values(setting->features, setting->sets[2], layer, 20, documents, 5, values));
	for (int d = 0; d < 5; d++) {
		double mean[WIDTH] = { 0 };
		int64_t count = shard_set_document_tokens(setting->sets[2], documents[d]) - 1;
		count = count < 20 ? count : 20;
		assert_good(shard_set_read_document(setting->sets[2], documents[d], ids, labels));
		read_oracle(oracle, layer, ids, count, expected);
		for (int64_t i = 0; i < count; i++)
			for (int j = 0; j < WIDTH; j++)
				mean[j] += expected[i * WIDTH + j] / (double)count;
		compare(values + d * WIDTH, mean);
	}
}

static void values_are_those_of_the_model(void **state)
{
	struct setting setting;
	size_t tensor_count;
	int64_t size;
	open_setting(*state, WORD, &setting);
	struct tensor *tensors = model_config_layout(&config, &tensor_count, &size);
	double *parameters = malloc((size_t)size * sizeof *parameters);
	assert_non_null(parameters);
	for (int64_t i = 0; i < size; i++)
		parameters[i] = (double)setting.weights[i];
	const struct oracle oracle = { &config, tensors, parameters, NULL };
	for (int layer = 0; layer <= LAYERS; layer++) {
		check_tokens(&setting, &oracle, layer);
		check_documents(&setting, &oracle, layer);
	}
	free(parameters);
	free(tensors);
	close_setting(&setting);
}

/* ---- what a probe finds ---- */

static struct token_figures probe_layer(const struct setting *setting, int layer, struct token_scores *test)
{
	struct token_scores validation = { 0 };
	struct token_figures figures;
	struct probe probe;
	assert_good(layer_token_fit(setting->features, setting->sets[0], END, layer, &setting->picks, 1e-3, &probe));
	assert_int_equal(probe.width, WIDTH);
	for (int i = LAYER_VALIDATION; i < LAYER_SETS; i++)
		assert_good(layer_token_scores(setting->features, setting->sets[i], 5,
		                               shard_set_blocks(setting->sets[i]), END, layer, 0, &probe,
		                               i == LAYER_TEST ? test : &validation));
	assert_good(layer_token_judge(&validation, test, false, &figures));
	token_scores_clear(&validation);
	probe_clear(&probe);
	return figures;
}

/* The embedding tells a word. */
static void what_is_planted_is_found(void **state)
{
	struct setting setting;
	struct token_scores test = { 0 };
	open_setting(*state, WORD, &setting);
	struct token_figures figures = probe_layer(&setting, 0, &test);
	assert_true(figures.test[LAYER_BALANCED].f1 == 1 && figures.test[LAYER_NATURAL].auroc == 1);
	assert_true(figures.test_precision == 1);
	assert_int_equal(test.documents, DOCUMENTS);
	assert_int_equal(test.group[0] != test.number[0] || test.group[5] != test.number[5], true);
	token_scores_clear(&test);
	close_setting(&setting);
}

static void what_is_not_there_is_not_found(void **state)
{
	struct setting setting;
	struct token_scores test = { 0 };
	open_setting(*state, NOTHING, &setting);
	struct token_figures figures = probe_layer(&setting, LAYERS, &test);
	assert_true(fabs(figures.test[LAYER_NATURAL].auroc - 0.5) < 0.08);
	token_scores_clear(&test);
	close_setting(&setting);
}

/* A smoothed score is the mean of those around it: here, of all in the document. */
static void scores_are_smoothed(void **state)
{
	struct setting setting;
	struct token_scores smooth = { 0 };
	struct probe probe;
	open_setting(*state, WORD, &setting);
	assert_good(layer_token_fit(setting.features, setting.sets[0], END, 1, &setting.picks, 1e-3, &probe));
	assert_good(layer_token_scores(setting.features, setting.sets[2], 5, 3, END, 1, CONTEXT, &probe, &smooth));
	for (int64_t d = 0; d < smooth.documents; d++)
		for (int64_t i = smooth.begin[d]; i < smooth.begin[d + 1]; i++)
			assert_true(abs(smooth.scores[i] - smooth.scores[smooth.begin[d]]) <= 1);
	assert_true(smooth.documents > 5 && smooth.scores[smooth.begin[0]] != smooth.scores[smooth.begin[1]]);
	token_scores_clear(&smooth);
	probe_clear(&probe);
	close_setting(&setting);
}

/* ---- thresholds ---- */

enum { TOKENS = 12 };

/* Two documents, of 5 and 7 tokens. */
static struct token_scores make_scores(const uint16_t scores[TOKENS], const int8_t golds[TOKENS])
{
	struct token_scores made = { .documents = 2, .tokens = TOKENS };
	const int64_t begin[3] = { 0, 5, TOKENS };
	made.begin = malloc(sizeof begin);
	made.scores = malloc(TOKENS * sizeof *made.scores);
	made.golds = malloc(TOKENS * sizeof *made.golds);
	assert_true(made.begin != NULL && made.scores != NULL && made.golds != NULL);
	memcpy(made.begin, begin, sizeof begin);
	memcpy(made.scores, scores, TOKENS * sizeof *scores);
	memcpy(made.golds, golds, TOKENS * sizeof *golds);
	return made;
}

/* On validation text all from 100 on are forget, on test text all from 200 on. */
static void thresholds_come_from_validation_text(void **state)
{
	static const uint16_t scores[TOKENS] = { 50, 60, 100, 110, 120, 130, 140, 150, 200, 210, 220, 230 };
	static const int8_t all_from_100[TOKENS] = { 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 };
	static const int8_t all_from_200[TOKENS] = { 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1 };
	struct token_scores validation = make_scores(scores, all_from_100), test = make_scores(scores, all_from_200);
	struct token_figures figures;
	int32_t found[2], wrong[2];
	(void)state;
	assert_good(layer_token_judge(&validation, &test, false, &figures));
	/* The lowest of those that do the same. */
	assert_int_equal(figures.threshold[LAYER_BALANCED], 61);
	assert_int_equal(figures.threshold[LAYER_NATURAL], 61);
	assert_true(figures.validation[LAYER_NATURAL].f1 == 1);
	/* 4 found, 6 too many; balanced, these count for 3 */
	assert_near(figures.test[LAYER_NATURAL].f1, 2 * 4.0 / (10 + 4), 1e-12);
	assert_near(figures.test[LAYER_BALANCED].f1, 2 * 4.0 / (4 + 6 * 0.5 + 4), 1e-12);
	assert_near(figures.test[LAYER_BALANCED].accuracy, 0.5 * (1 + 2.0 / 8), 1e-12);
	layer_token_count(&test, figures.threshold[LAYER_NATURAL], found, wrong);
	assert_true(found[0] == 0 && found[1] == 4 && wrong[0] == 3 && wrong[1] == 3);
	assert_good(layer_token_judge(&validation, &test, true, &figures));
	assert_int_equal(figures.threshold[LAYER_BALANCED], 151);
	assert_true(figures.test[LAYER_NATURAL].f1 == 1 && figures.validation[LAYER_NATURAL].f1 < 1);
	memset(test.golds, 0, TOKENS);
	assert_bad(layer_token_judge(&validation, &test, false, &figures), STATUS_DATA,
	           "12 labelled tokens of the test set");
	token_scores_clear(&validation);
	token_scores_clear(&test);
}

/* ---- pairs ---- */

static void pairs_are_judged_by_class(void **state)
{
	enum { ROWS = 12 };
	static const float values[ROWS] = { -3, 3, -2, 2, -1, 1, -4, 4, -5, 5, 6, -6 };
	int64_t rows[ROWS];
	uint8_t sides[ROWS], correct[ROWS];
	struct probe probe;
	(void)state;
	for (int i = 0; i < ROWS; i++) {
		rows[i] = ROWS - 1 - i;
		sides[i] = values[rows[i]] > 0;
	}
	struct document_pair pair = { ROWS, rows, sides };
	assert_good(layer_pair_fit(values, 1, &pair, 1e-3, &probe));
	assert_true(layer_pair_judge(values, 1, &pair, &probe, correct) == 1);
	/* Two of one side are now of the other: 4 of 4 right there, 6 of 8 here. */
	int changed = 0;
	for (int i = 0; i < ROWS && changed < 2; i++)
		if (sides[i] == 0) {
			sides[i] = 1;
			changed++;
		}
	assert_near(layer_pair_judge(values, 1, &pair, &probe, correct), 0.5 * (1 + 6.0 / 8), 1e-12);
	int right = 0;
	for (int i = 0; i < ROWS; i++)
		right += correct[i];
	assert_int_equal(right, 10);
	probe_clear(&probe);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(values_are_those_of_the_model, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(what_is_planted_is_found, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(what_is_not_there_is_not_found, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(scores_are_smoothed, make_folder, remove_folder),
		cmocka_unit_test(thresholds_come_from_validation_text),
		cmocka_unit_test(pairs_are_judged_by_class),
	};
	return cmocka_run_group_tests_name("classifier_layer", tests, NULL, NULL);
}
