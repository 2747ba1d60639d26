/* Questions to learn from, and the same questions asked: one template, the same tokens, and the loss of a letter in training is what scoring
 * by letters gives it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "validation/unit/letters_fixture.h"

#include "validation/unit/model_fixture.h"

#include "comm/world.h"
#include "roles/evaluation.h"
#include "roles/lane.h"
#include "roles/recall.h"
#include "text/shard.h"

static struct world world;

struct letters {
	struct tokenizer *tokenizer;
	struct shard_set *shards;
	struct question_set *sets;
	int count;
};

/* Shards of the questions that are asked, each with its right letter, as tokenizing makes them (text_letters_test.c). */
static void open_letters(void **state, struct letters *letters)
{
	struct question_options options = OPTIONS;
	struct shard_writer *writer;
	*letters = (struct letters){ .tokenizer = make_letters() };
	read_letters(state, &options, letters->tokenizer, &letters->sets, &letters->count);
	assert_good(questions_write(in_folder(state, "questions.h5"), letters->tokenizer, letters->sets, 1));
	const struct question_set *set = &letters->sets[0];
	struct token_span *spans = NULL;
	size_t capacity = 0, count = 0;
	assert_good(tokenizer_encode(letters->tokenizer, " ", 1, &spans, &capacity, &count));
	const struct shard_facts facts = { .tokenizer_hash = tokenizer_hash(letters->tokenizer),
		                           .tokenizer = "made up",
		                           .vocabulary = tokenizer_size(letters->tokenizer),
		                           .end_of_text = tokenizer_end_of_text(letters->tokenizer),
		                           .hidden = tokenizer_hidden(letters->tokenizer),
		                           .block_tokens = 200,
		                           .shard_count = 1,
		                           .learned = { .blank = 1 + spans[0].id } };
	free(spans);
	assert_good(shard_writer_create(in_folder(state, "train-00000.h5"), &facts, &writer));
	for (int64_t q = 0; q < LINES; q++) {
		int32_t ids[MOST_TOKENS];
		uint8_t labels[MOST_TOKENS];
		int64_t prompt = set->letter_prompts.begin[q + 1] - set->letter_prompts.begin[q],
			right = set->correct[q];
		int64_t letter = set->letters.begin[right + 1] - set->letters.begin[right];
		memcpy(ids, set->letter_prompts.tokens + set->letter_prompts.begin[q], (size_t)prompt * sizeof *ids);
		memcpy(ids + prompt, set->letters.tokens + set->letters.begin[right], (size_t)letter * sizeof *ids);
		memset(labels, DOMAIN_OTHER, sizeof labels);
		assert_good(shard_writer_add(writer, ids, labels, (size_t)(prompt + letter), DOMAIN_OTHER, (uint64_t)q,
		                             (uint64_t)q));
	}
	assert_good(shard_writer_finish(writer));
	assert_good(shard_set_open(in_folder(state, ""), "train", &letters->shards));
}

static void close_letters(struct letters *letters)
{
	questions_free(letters->sets, letters->count);
	shard_set_close(letters->shards);
	tokenizer_destroy(letters->tokenizer);
}

/* ---- windows ---- */

static struct lane_plan plan_of(const struct letters *letters)
{
	const struct shard_facts *facts = shard_set_facts(letters->shards);
	return (struct lane_plan){
		.seed = 5,
		.blocks = shard_set_blocks(letters->shards),
		.lanes = 1,
		.depth = 2,
		.filter = { .end_of_text = facts->end_of_text, .hidden = facts->hidden, .learned = facts->learned }
	};
}

struct window {
	int32_t inputs[CONTEXT], targets[CONTEXT], starts[CONTEXT];
	float weights[CONTEXT];
};

static void next_window(struct lane *lane, struct provider *provider, struct window *window)
{
	struct lane_statistics statistics = { 0 };
	assert_good(lane_next(lane, provider, true, CONTEXT, window->inputs, window->targets, window->weights,
	                      window->starts, NULL, &statistics));
}

/* A window's questions are whole, each behind an end-of-text, in the order of the blocks, none is missing in three epochs; a long one
 * keeps its end. A lane that begins at the position of another goes on as that does. */
static void windows_hold_whole_questions(void **state)
{
	enum { WINDOWS = 60 };
	struct letters letters;
	open_letters(state, &letters);
	struct lane_plan plan = plan_of(&letters);
	struct timers timers = { 0 };
	struct provider *provider;
	struct lane *lane;
	struct block block = { 0 };
	int64_t place = 0, document = 0, seen = 0, cut = 0;
	int32_t end = plan.filter.end_of_text;
	assert_good(provider_create_local(letters.shards, &timers, &provider));
	assert_good(lane_create(&plan, 0, NULL, &lane));
	for (int number = 0; number < WINDOWS; number++) {
		struct window window, again;
		struct lane_position position = lane_get_position(lane);
		next_window(lane, provider, &window);
		if (number % 7 == 3) {
			struct provider *other_provider;
			struct lane *other;
			assert_good(provider_create_local(letters.shards, &timers, &other_provider));
			assert_good(lane_create(&plan, 0, &position, &other));
			next_window(other, other_provider, &again);
			assert_memory_equal(&window, &again, sizeof window);
			lane_destroy(other);
			assert_good(provider_drain(other_provider));
			provider_destroy(other_provider);
		}
		for (int64_t at = 0; at < CONTEXT; at++) {
			assert_int_equal(window.inputs[at], at > 0 ? window.targets[at - 1] : end);
			assert_true(window.weights[at] == 0 || window.targets[at] != end);
		}
		for (int64_t at = 0; at < CONTEXT && window.targets[at] != end;) {
			if (block.document_count == document) {
				assert_good(shard_set_read_block(letters.shards, lane_block_number(&plan, 0, place++),
				                                 &block));
				document = 0;
			}
			int64_t begin = block.document_begin[document],
				count = block.document_begin[document + 1] - begin - 1;
			uint8_t learned[MOST_TOKENS];
			turns_find_learned(&plan.filter.learned, end, block.ids + begin, count, learned);
			int64_t skip = count > CONTEXT - 1 ? count - (CONTEXT - 1) : 0;
			for (int64_t i = skip; i < count; i++) {
				assert_int_equal(window.targets[at + i - skip], block.ids[begin + i]);
				assert_true(window.weights[at + i - skip] == (float)learned[i]);
				assert_int_equal(window.starts[at + i - skip], at);
			}
			assert_true(learned[count - 1] == 1);
			at += count - skip + 1;
			cut += skip > 0;
			document++;
			seen++;
		}
	}
	assert_true(seen > 3 * LINES && cut >= 3);
	block_clear(&block);
	lane_destroy(lane);
	assert_good(provider_drain(provider));
	provider_destroy(provider);
	close_letters(&letters);
}

/* ---- the loss ---- */

/* Minus the log-probability of the right letter of question q, as scoring by letters has it. */
static double letter_loss(const struct recall_set *set, int64_t q)
{
	int64_t text = set->family[RECALL_LETTERED] + set->questions.first[q] + set->questions.correct[q];
	double sum = 0;
	for (int64_t t = set->begin[text]; t < set->begin[text + 1]; t++)
		sum += (double)set->token_nll[t];
	return sum;
}

static void losses_are_those_of_scoring(void **state)
{
	static const struct recall_rules rules = { 1, { RECALL_LETTERS } };
	struct letters letters;
	open_letters(state, &letters);
	const struct shard_facts *facts = shard_set_facts(letters.shards);
	struct model_config config =
		fixture_config(2, 32, 2, model_config_padded_vocabulary(tokenizer_size(letters.tokenizer)));
	config.context = CONTEXT;
	config.init_deviation = 0.3; /* far from uniform */
	struct fixture fixture;
	struct recall_set *sets = NULL;
	struct evaluation_set losses;
	struct lane_plan plan = plan_of(&letters);
	struct timers timers = { 0 };
	struct provider *provider;
	struct lane *lane;
	int count = 0, compared = 0;
	fixture_open(&fixture, fixture_table(1), &config, CONTEXT, 9);
	assert_good(recall_open(*state, facts, CONTEXT, &rules, &sets, &count));
	assert_good(recall_run(&world, fixture.model, 1, &sets[0]));
	assert_good(evaluation_set_create(letters.shards, DOMAIN_OTHER, 0, CONTEXT, &losses));
	assert_good(evaluation_run(&world, fixture.model, 1, &losses));
	for (int64_t i = 0; i < losses.documents; i++) {
		if (sets[0].cut[RECALL_LETTERED][losses.number[i]] > 0)
			continue; /* evaluation has windows that overlap for it */
		assert_near(losses.nll[i], letter_loss(&sets[0], (int64_t)losses.number[i]), 1e-4);
		compared++;
	}
	assert_int_equal(compared, LINES - 1);
	/* and in windows of training, of a passage that is cut, too */
	struct block block = { 0 };
	int64_t place = 0, document = 0, cut = 0, seen = 0;
	assert_good(provider_create_local(letters.shards, &timers, &provider));
	assert_good(lane_create(&plan, 0, NULL, &lane));
	while (seen < LINES) {
		struct window window;
		float nll[CONTEXT];
		next_window(lane, provider, &window);
		struct model_batch batch = { .sequences = 1,
			                     .length = CONTEXT,
			                     .inputs = window.inputs,
			                     .targets = window.targets,
			                     .weights = window.weights,
			                     .starts = window.starts };
		assert_good(model_token_losses(fixture.model, &batch, nll));
		for (int64_t at = 0; at < CONTEXT && window.targets[at] != facts->end_of_text; seen++, document++) {
			int64_t before_token, before_document;
			double sum = 0;
			if (block.document_count == document) {
				assert_good(shard_set_read_block(letters.shards, lane_block_number(&plan, 0, place++),
				                                 &block));
				document = 0;
			}
			shard_set_block_begin(letters.shards, block.number, &before_token, &before_document);
			int64_t q = (int64_t)shard_set_document_number(letters.shards, before_document + document);
			for (int64_t start = at;
			     at < CONTEXT && window.starts[at] == start && window.targets[at] != facts->end_of_text;
			     at++)
				sum += window.weights[at] > 0 ? (double)nll[at] : 0;
			at++;
			assert_near(sum, letter_loss(&sets[0], q), 1e-4);
			cut += sets[0].cut[RECALL_LETTERED][q] > 0;
		}
	}
	assert_true(cut > 0);
	block_clear(&block);
	lane_destroy(lane);
	assert_good(provider_drain(provider));
	provider_destroy(provider);
	evaluation_set_clear(&losses);
	recall_close(sets, count);
	fixture_close(&fixture);
	close_letters(&letters);
}

#define in_new_folder(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(int argc, char **argv)
{
	if (world_open(&argc, &argv, &world) != STATUS_OK)
		return 99;
	world.timeout = 60;
	const struct CMUnitTest tests[] = {
		in_new_folder(windows_hold_whole_questions),
		in_new_folder(losses_are_those_of_scoring),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	world_close(&world, STATUS_OK);
	return failed;
}
