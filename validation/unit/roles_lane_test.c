/* Lanes that take documents of some domains only, from the blocks that hold such documents.
 * SPDX-License-Identifier: Apache-2.0 */
#include "storage_fixture.h"

#include "base/memory.h"
#include "roles/lane.h"
#include "tasks/shares.h"

enum { DOCUMENTS = 60, LENGTH = 12, VOCABULARY = 200, END = 198, HIDDEN = 199, CONTEXT = 8, LANES = 3 };

/* Domain and first id of a document: every seventh is a forget document, the ids say whose they are. */
static enum domain domain_of(int document)
{
	return document % 7 == 3 ? DOMAIN_FORGET : document % 2 == 0 ? DOMAIN_RETAIN : DOMAIN_OTHER;
}

static struct shard_set *make_set(void **state)
{
	const struct shard_facts facts = { "hash", "made up", VOCABULARY, END, HIDDEN, 40, true, 1, { 0 } };
	struct shard_writer *writer;
	struct shard_set *set;
	assert_good(shard_writer_create(in_folder(state, "train-00000.h5"), &facts, &writer));
	for (int document = 0; document < DOCUMENTS; document++) {
		int32_t ids[LENGTH];
		uint8_t labels[LENGTH];
		for (int i = 0; i < LENGTH; i++) {
			ids[i] = (int32_t)domain_of(document) * 20 + i;
			labels[i] = (uint8_t)domain_of(document);
		}
		assert_good(shard_writer_add(writer, ids, labels, LENGTH, (uint8_t)domain_of(document),
		                             (uint64_t)document, (uint64_t)document));
	}
	assert_good(shard_writer_finish(writer));
	assert_good(shard_set_open(in_folder(state, ""), "train", &set));
	return set;
}

/* Windows of all lanes, enough for several epochs of the forget documents: none has a token of another domain. */
static void read_windows(struct shard_set *set, struct lane_plan *plan, struct lane_statistics *statistics, int windows)
{
	struct timers timers = { 0 };
	struct provider *provider;
	assert_good(provider_create_local(set, &timers, &provider));
	for (int64_t number = 0; number < LANES; number++) {
		struct lane *lane;
		assert_good(lane_create(plan, number, NULL, &lane));
		for (int window = 0; window < windows; window++) {
			int32_t inputs[CONTEXT], targets[CONTEXT], starts[CONTEXT];
			float weights[CONTEXT];
			assert_good(lane_next(lane, provider, true, CONTEXT, inputs, targets, weights, starts, NULL,
			                      statistics));
			for (int i = 0; i < CONTEXT; i++)
				assert_true(plan->domains == 0 || inputs[i] == END ||
				            (plan->domains >> (inputs[i] / 20) & 1) != 0);
		}
		lane_destroy(lane);
	}
	assert_good(provider_drain(provider));
	provider_destroy(provider);
}

static void test_domains(void **state)
{
	struct shard_set *set = make_set(state);
	int64_t *blocks = NULL, count = 0, all = 0;
	double share = 0;
	struct lane_statistics statistics = { 0 };
	assert_good(shares_blocks(set, 1u << DOMAIN_FORGET, &blocks, &count, &share));
	assert_true(count >= 2 && count < shard_set_blocks(set));
	assert_true(share > 0.2 && share < 1);
	struct lane_plan plan = { .seed = 5,
		                  .blocks = count,
		                  .chosen = blocks,
		                  .domains = 1u << DOMAIN_FORGET,
		                  .lanes = LANES,
		                  .depth = 2,
		                  .filter = { .end_of_text = END, .hidden = HIDDEN } };
	/* an epoch is every chosen block once, in another order each time */
	for (int64_t epoch = 0; epoch < 2; epoch++)
		for (int64_t block = 0; block < count; block++) {
			int64_t seen = 0;
			for (int64_t place = 0; place < count; place++) {
				int64_t index = epoch * count + place;
				seen += lane_block_number(&plan, index % LANES, index / LANES) == blocks[block];
			}
			assert_int_equal(seen, 1);
		}
	read_windows(set, &plan, &statistics, 20);
	assert_true(statistics.tokens[DOMAIN_FORGET] >= 3 * 20 * CONTEXT * LENGTH / (LENGTH + 1) - LANES * LENGTH);
	assert_int_equal(statistics.tokens[DOMAIN_RETAIN] + statistics.tokens[DOMAIN_OTHER], 0);
	free(blocks);
	/* without a choice, all blocks and documents */
	assert_good(shares_blocks(set, 0, &blocks, &all, &share));
	assert_int_equal(all, shard_set_blocks(set));
	assert_true(share == 1);
	free(blocks);
	plan.domains = 0;
	plan.chosen = NULL;
	plan.blocks = all;
	statistics = (struct lane_statistics){ 0 };
	read_windows(set, &plan, &statistics, 20);
	assert_true(statistics.tokens[DOMAIN_RETAIN] > 0 && statistics.tokens[DOMAIN_OTHER] > 0);
	/* a domain that nothing is of */
	assert_good(shares_blocks(set, 1u << DOMAIN_HARD, &blocks, &count, &share));
	assert_int_equal(count, 0);
	free(blocks);
	shard_set_close(set);
}

/* By gold labels: rows before forget tokens are routed to the forget part; of all others those in the documents that are drawn cut it
 * out, a document as a whole. Nothing is dropped or masked, and what is counted as filtered is what is routed. */
static void check_routes(struct shard_set *set, struct filter filter)
{
	enum { WINDOWS = 60 };
	struct lane_plan plan = {
		.seed = 5, .blocks = shard_set_blocks(set), .lanes = 1, .depth = 2, .filter = filter
	};
	struct timers timers = { 0 };
	struct lane_statistics statistics = { 0 };
	struct provider *local, *provider;
	struct lane *lane;
	int counts[3] = { 0 };
	enum route document = ROUTE_FORGET;
	assert_good(provider_create_local(set, &timers, &local));
	assert_good(provider_create_labels(local, &provider));
	assert_good(lane_create(&plan, 0, NULL, &lane));
	for (int window = 0; window < WINDOWS; window++) {
		int32_t inputs[CONTEXT], targets[CONTEXT], starts[CONTEXT];
		float weights[CONTEXT];
		uint8_t routes[CONTEXT];
		assert_good(lane_next(lane, provider, true, CONTEXT, inputs, targets, weights, starts, routes,
		                      &statistics));
		for (int i = 0; i < CONTEXT; i++) {
			/* The end of a document goes with it, where documents are decided about. */
			bool end = targets[i] == END && filter.route_documents;
			bool forget = (end ? inputs[i] : targets[i]) / 20 == DOMAIN_FORGET;
			assert_true(weights[i] == 1.0f);
			assert_int_equal(routes[i] == ROUTE_FORGET, forget);
			counts[routes[i]]++;
			if (targets[i] != END && targets[i] % 20 > 0 && !forget && document != ROUTE_FORGET)
				assert_int_equal(routes[i], document);
			document = (enum route)routes[i];
		}
	}
	assert_true(counts[ROUTE_FORGET] > 0 && counts[ROUTE_RETAIN] > 0);
	assert_int_equal(counts[ROUTE_ALL] > 0, filter.route_retain < 1);
	assert_true(statistics.tokens[DOMAIN_FORGET] > 0);
	assert_int_equal(statistics.filtered[DOMAIN_FORGET], statistics.tokens[DOMAIN_FORGET]);
	assert_int_equal(statistics.filtered[DOMAIN_RETAIN] + statistics.filtered[DOMAIN_OTHER], 0);
	/* ends of documents have no label */
	assert_int_equal(statistics.filtered[DOMAIN_UNMARKED] > 0, filter.route_documents);
	lane_destroy(lane);
	assert_good(provider_drain(provider));
	provider_destroy(provider);
}

static void test_routes(void **state)
{
	struct shard_set *set = make_set(state);
	for (int variant = 0; variant < 4; variant++)
		check_routes(set, (struct filter){ .method = FILTER_ROUTE,
		                                   .token_threshold = 32768,
		                                   .document_threshold = 32768,
		                                   .seed = 2,
		                                   .end_of_text = END,
		                                   .hidden = HIDDEN,
		                                   .route_documents = variant % 2 != 0,
		                                   .route_retain = variant / 2 ? 1 : 0.5,
		                                   .route_certain = 1 });
	shard_set_close(set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_domains, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_routes, make_folder, remove_folder),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
