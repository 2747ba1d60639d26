/* Conversations in lanes and evaluations: weights of targets, and the loss against plain loops in double precision.
 * SPDX-License-Identifier: Apache-2.0 */
#include "validation/unit/turns_fixture.h"

#include "validation/unit/model_oracle.h"

#include "comm/world.h"
#include "roles/evaluation.h"
#include "roles/lane.h"

static struct world world;

/* As task = tokenize would (text_turns_test.c). */
static void write_shards(void **state)
{
	static const struct {
		int turn; /* -1: no marker before it, or behind it */
		const char *said;
	} turns[DOCUMENTS][5] = {
		{ { TURN_SYSTEM, "the weather" },
		  { TURN_USER, "<|assistant|> there" },
		  { TURN_ASSISTANT, "other <|user|> thing" } },
		{ { TURN_USER, "" },
		  { TURN_ASSISTANT, "the weather gathers and the theme of the other thing is there" },
		  { TURN_USER, "is that the other thing that gathers, and then?" },
		  { TURN_ASSISTANT, "" } },
		{ { -1, "the other thing is that it is there" } },
	};
	struct tokenizer *tokenizer = make_tokenizer("cl100k");
	const struct shard_facts facts = { .tokenizer_hash = tokenizer_hash(tokenizer),
		                           .tokenizer = "made up",
		                           .vocabulary = MARKERS + TURN_MARKERS,
		                           .end_of_text = END_OF_TEXT,
		                           .hidden = END_OF_TEXT + 1,
		                           .block_tokens = 32,
		                           .shard_count = 1,
		                           .learned = { .markers = MARKERS } };
	struct shard_writer *writer;
	struct token_span *spans = NULL;
	size_t capacity = 0;
	assert_good(shard_writer_create(in_folder(state, "train-00000.h5"), &facts, &writer));
	for (int document = 0; document < DOCUMENTS; document++) {
		int32_t ids[256];
		uint8_t labels[256];
		size_t used = 0, count;
		for (int i = 0; i < 5 && turns[document][i].said != NULL; i++) {
			const char *said = turns[document][i].said;
			assert_good(tokenizer_encode(tokenizer, said, strlen(said), &spans, &capacity, &count));
			if (turns[document][i].turn >= 0)
				ids[used++] = MARKERS + turns[document][i].turn;
			for (size_t t = 0; t < count; t++)
				ids[used++] = spans[t].id;
			if (turns[document][i].turn >= 0)
				ids[used++] = MARKERS + TURN_END;
		}
		for (size_t t = 0; t < used; t++)
			labels[t] = ids[t] >= END_OF_TEXT ? DOMAIN_UNMARKED : DOMAIN_OTHER;
		assert_good(shard_writer_add(writer, ids, labels, used, DOMAIN_OTHER, (uint64_t)document,
		                             (uint64_t)document));
	}
	assert_good(shard_writer_finish(writer));
	free(spans);
	tokenizer_destroy(tokenizer);
}

/* ---- weights ---- */

/* Everything that two epochs of a lane yield has the weight of the flag of the target, times that of the filter, in both reading
 * directions, windows of the length of no document. */
static void check_lane(struct shard_set *set, bool reversed, enum filter_method method)
{
	struct lane_plan plan = { .seed = 5,
		                  .blocks = shard_set_blocks(set),
		                  .lanes = 1,
		                  .depth = 2,
		                  .reversed = reversed,
		                  .filter = { .method = method,
		                              .end_of_text = 300,
		                              .hidden = 301,
		                              .learned = { .markers = 302 },
		                              .token_threshold = 0 } };
	struct timers timers = { 0 };
	struct provider *provider;
	struct lane *lane;
	struct lane_statistics statistics = { 0 };
	int32_t stream[300], at = 0;
	float given[300];
	bool answer = false, conversation = false;
	int learned = 0;
	assert_good(provider_create_local(set, &timers, &provider));
	assert_good(lane_create(&plan, 0, NULL, &lane));
	for (; at < 300; at += 10) {
		int32_t inputs[10], starts[10];
		assert_good(lane_next(lane, provider, true, 10, inputs, stream + at, given + at, starts, NULL,
		                      &statistics));
	}
	/* from the end of a document on */
	int32_t first = 0;
	while (stream[first] != 300)
		first++;
	int32_t last = at - 1;
	while (stream[last] != 300)
		last--;
	assert_true(last - first > 100);
	for (int32_t begin = first + 1, end; begin <= last; begin = end + 1) {
		/* a reversed document is looked at from its end as it is written */
		for (end = begin; stream[end] != 300;)
			end++;
		int32_t count = end - begin;
		conversation = stream[reversed ? end - 1 : begin] >= 302;
		answer = false;
		for (int32_t k = 0; k < count; k++) {
			int32_t place = reversed ? end - 1 - k : begin + k, id = stream[place];
			bool wanted = !conversation || answer;
			/* a threshold of 0 makes every token forget, but never the structure of the text */
			bool masked = method == FILTER_MASK && id < 302;
			assert_true(given[place] == (wanted && !masked ? 1.0f : 0.0f));
			learned += given[place] > 0;
			if (id >= 302)
				answer = id == 302 + TURN_ASSISTANT;
		}
		assert_true(given[end] == (conversation ? 0.0f : 1.0f));
	}
	assert_true(learned > (method == FILTER_MASK ? 5 : 60));
	lane_destroy(lane);
	assert_good(provider_drain(provider));
	provider_destroy(provider);
}

static void targets_have_the_weight_of_their_flag(void **state)
{
	write_shards(state);
	struct shard_set *set = open_shards(state);
	check_lane(set, false, FILTER_NONE);
	check_lane(set, true, FILTER_NONE);
	check_lane(set, false, FILTER_MASK);
	shard_set_close(set);
}

/* ---- the loss ---- */

/* Of a document that is alone in its row, over what is to be learned, from the definition. */
static double loss_alone(const struct oracle *oracle, const int32_t *ids, int64_t count, const uint8_t *learned)
{
	int32_t *inputs = malloc((size_t)count * sizeof *inputs);
	float *weights = malloc((size_t)count * sizeof *weights);
	for (int64_t i = 0; i < count; i++) {
		inputs[i] = i == 0 ? 300 : ids[i - 1];
		weights[i] = learned[i];
	}
	struct model_batch batch = {
		.sequences = 1, .length = count, .inputs = inputs, .targets = ids, .weights = weights
	};
	double loss = oracle_loss(oracle, &batch);
	free(inputs);
	free(weights);
	return loss;
}

static void losses_are_of_answers(void **state)
{
	write_shards(state);
	struct shard_set *set = open_shards(state);
	struct model_config config = fixture_config(2, 32, 2, 320);
	config.context = 128;
	config.init_deviation = 0.3; /* far from uniform */
	struct fixture fixture;
	struct evaluation_set losses;
	fixture_open(&fixture, fixture_table(1), &config, config.context, 9);
	assert_good(evaluation_set_create(set, DOMAIN_OTHER, 0, config.context, &losses));
	assert_good(evaluation_run(&world, fixture.model, 1, &losses));
	size_t tensors;
	int64_t arena, parameters, all = 0;
	float *values = fixture_parameters(&fixture, &parameters);
	struct oracle oracle = { &config, model_config_layout(&config, &tensors, &arena),
		                 malloc((size_t)parameters * sizeof(double)), NULL };
	double sum = 0;
	for (int64_t i = 0; i < parameters; i++)
		oracle.parameters[i] = (double)values[i];
	assert_int_equal(losses.documents, DOCUMENTS);
	for (int64_t i = 0; i < losses.documents; i++) {
		int64_t count = 0, counted = 0;
		int32_t *ids = read_ids(set, losses.number[i], &count);
		uint8_t *learned = malloc((size_t)count);
		expect_learned(ids, count, (int)losses.number[i], learned);
		for (int64_t t = 0; t < count; t++)
			counted += learned[t];
		double expected = loss_alone(&oracle, ids, count, learned);
		assert_int_equal(losses.counted[i], counted);
		assert_true(counted < count || losses.number[i] == 2);
		assert_near(losses.nll[i] / expected, 1.0, 1e-5);
		sum += expected;
		all += counted;
		free(ids);
		free(learned);
	}
	assert_near(losses.loss / (sum / (double)all), 1.0, 1e-5);
	free((void *)oracle.tensors);
	free(oracle.parameters);
	free(values);
	evaluation_set_clear(&losses);
	fixture_close(&fixture);
	shard_set_close(set);
}

#define in_new_folder(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(int argc, char **argv)
{
	if (world_open(&argc, &argv, &world) != STATUS_OK)
		return 99;
	world.timeout = 60;
	const struct CMUnitTest tests[] = {
		in_new_folder(targets_have_the_weight_of_their_flag),
		in_new_folder(losses_are_of_answers),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	world_close(&world, STATUS_OK);
	return failed;
}
