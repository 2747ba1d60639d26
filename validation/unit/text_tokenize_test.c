/* From a corpus to shards: labels of tokens, splits by key, and the same bytes for any number of ranks.
 * SPDX-License-Identifier: Apache-2.0 */
#include "validation/unit/text_fixture.h"

#include "text/shard.h"
#include "text/tokenize.h"

enum { DOCUMENTS = 300 };

/* Document i: "word i i i ...", keys shared by pairs of documents, every third with a label. */
static void put_corpus(void **state)
{
	FILE *file = fopen(in_folder(state, "corpus.jsonl"), "w");
	assert_non_null(file);
	for (int i = 0; i < DOCUMENTS; i++) {
		fprintf(file, "{\"id\": \"key %d\", \"text\": \"the other weather %d", i / 2, i);
		for (int k = 0; k < i % 20; k++)
			fprintf(file, " there");
		fprintf(file, "\"");
		if (i % 3 == 0)
			fprintf(file, ", \"labels\": [{\"begin\": 4, \"end\": 9, \"domain\": \"forget\"}]");
		else if (i % 3 == 1)
			fprintf(file, ", \"domain\": \"retain\"");
		fprintf(file, "}\n");
	}
	assert_int_equal(fclose(file), 0);
}

static struct corpus *open_corpus(void **state)
{
	const char *path = in_folder(state, "corpus.jsonl");
	const struct corpus_options options = { .format = "auto" };
	struct corpus *corpus = NULL;
	assert_good(corpus_open(&path, 1, &options, &corpus));
	return corpus;
}

static struct tokenize_plan make_plan(const struct tokenizer *tokenizer, const char *folder)
{
	assert_good(text_make_directories(folder));
	return (struct tokenize_plan){
		.tokenizer = tokenizer,
		.folder = folder,
		.seed = 5,
		.validation_share = 0.2,
		.test_share = 0.1,
		.block_tokens = 64,
		.shard_counts = { 3, 1, 2 },
	};
}

/* All ranks one after the other; the statistics added up. */
static void run_ranks(void **state, const struct tokenize_plan *plan, int64_t ranks, struct tokenize_statistics *sum)
{
	memset(sum, 0, sizeof *sum);
	for (int64_t rank = 0; rank < ranks; rank++) {
		struct tokenize_work *work = NULL;
		struct corpus *corpus = open_corpus(state);
		assert_good(tokenize_open(plan, rank, ranks, &work));
		assert_good(tokenize_run(work, corpus));
		corpus_close(corpus);
		const int64_t *from = (const int64_t *)tokenize_statistics(work);
		int64_t *to = (int64_t *)sum;
		for (size_t i = 0; i < sizeof *sum / sizeof *from; i++)
			to[i] += from[i];
		tokenize_close(work);
	}
}

static void any_number_of_ranks_gives_the_same_files(void **state)
{
	static const int64_t ranks[] = { 1, 2, 4, 9 };
	static const char *const folders[] = { "ranks1", "ranks2", "ranks4", "ranks9" };
	struct tokenizer *tokenizer = make_tokenizer("cl100k");
	struct tokenize_statistics first, other;
	put_corpus(state);
	for (size_t r = 0; r < COUNT(ranks); r++) {
		const struct tokenize_plan plan = make_plan(tokenizer, in_folder(state, folders[r]));
		run_ranks(state, &plan, ranks[r], r == 0 ? &first : &other);
		assert_int_equal(tokenize_shard_total(&plan), 6);
		assert_int_equal(count_entries(plan.folder), 6);
		if (r == 0)
			continue;
		assert_memory_equal(&first, &other, sizeof first);
		for (int split = 0; split < SPLIT_COUNT; split++) {
			for (int64_t i = 0; i < plan.shard_counts[split]; i++) {
				char *paths[2] = {
					shard_path(in_folder(state, folders[0]), split_name((enum split)split), i),
					shard_path(in_folder(state, folders[r]), split_name((enum split)split), i)
				};
				size_t sizes[2];
				char *bytes[2] = { whole_file(paths[0], &sizes[0]), whole_file(paths[1], &sizes[1]) };
				assert_int_equal(sizes[0], sizes[1]);
				assert_memory_equal(bytes[0], bytes[1], sizes[0]);
				for (int k = 0; k < 2; k++) {
					free(paths[k]);
					free(bytes[k]);
				}
			}
		}
	}
	tokenizer_destroy(tokenizer);
}

/* Every document is in exactly one split, with its tokens; documents of one key are together. */
static void documents_are_complete(void **state)
{
	struct tokenizer *tokenizer = make_tokenizer("cl100k");
	struct tokenize_statistics statistics;
	int seen[DOCUMENTS] = { 0 }, split_of[DOCUMENTS];
	uint64_t group_of[DOCUMENTS];
	int64_t tokens = 0, documents = 0, in_order = 0;
	put_corpus(state);
	const struct tokenize_plan plan = make_plan(tokenizer, in_folder(state, "shards"));
	run_ranks(state, &plan, 1, &statistics);
	for (int split = 0; split < SPLIT_COUNT; split++) {
		struct shard_set *set = NULL;
		assert_good(shard_set_open(plan.folder, split_name((enum split)split), &set));
		assert_true(shard_set_facts(set)->has_token_labels);
		assert_int_equal(shard_set_facts(set)->vocabulary, tokenizer_size(tokenizer));
		for (int64_t d = 0; d < shard_set_documents(set); d++) {
			uint64_t number = shard_set_document_number(set, d);
			int32_t ids[512];
			uint8_t labels[512];
			int64_t count = shard_set_document_tokens(set, d);
			assert_true(number < DOCUMENTS && count <= 512);
			assert_good(shard_set_read_document(set, d, ids, labels));
			char *text = NULL, begin[64];
			size_t size;
			assert_good(tokenizer_decode(tokenizer, ids, (size_t)count, &text, &size));
			snprintf(begin, sizeof begin, "the other weather %d", (int)number);
			assert_memory_equal(text, begin, strlen(begin));
			assert_string_equal(text + size - 13, "<|endoftext|>");
			free(text);
			seen[number]++;
			split_of[number] = split;
			group_of[number] = shard_set_document_group(set, d);
			in_order += d > 0 && number > shard_set_document_number(set, d - 1);
			documents++;
			tokens += count;
		}
		int64_t counted = 0;
		for (int domain = 0; domain < DOMAIN_COUNT; domain++)
			counted += statistics.tokens[split][domain];
		assert_int_equal(counted, shard_set_tokens(set));
		shard_set_close(set);
	}
	int64_t labelled = 0;
	for (int split = 0; split < SPLIT_COUNT; split++) {
		for (int domain = 0; domain < DOMAIN_COUNT; domain++)
			labelled += statistics.labelled[split][domain];
	}
	assert_int_equal(labelled, tokens);
	assert_int_equal(documents, DOCUMENTS);
	for (int i = 0; i < DOCUMENTS; i++) {
		assert_int_equal(seen[i], 1);
		assert_int_equal(split_of[i], split_of[i - i % 2]);
		/* two documents a key */
		assert_true(group_of[i] == group_of[i - i % 2]);
		assert_true(i < 2 || group_of[i] != group_of[i - 2]);
	}
	/* Shuffled: about half of the neighbours rise. */
	assert_in_range(in_order, DOCUMENTS / 3, 2 * DOCUMENTS / 3);
	tokenizer_destroy(tokenizer);
}

static void splits_have_their_shares(void **state)
{
	(void)state;
	enum { KEYS = 20000 };
	struct tokenize_plan plan = { .seed = 1, .validation_share = 0.2, .test_share = 0.1 };
	int counts[SPLIT_COUNT] = { 0 };
	for (int i = 0; i < KEYS; i++) {
		char key[16];
		snprintf(key, sizeof key, "key %d", i);
		counts[tokenize_split(&plan, key)]++;
	}
	assert_in_range(counts[SPLIT_TRAIN], KEYS * 68 / 100, KEYS * 72 / 100);
	assert_in_range(counts[SPLIT_VALIDATION], KEYS * 18 / 100, KEYS * 22 / 100);
	assert_in_range(counts[SPLIT_TEST], KEYS * 8 / 100, KEYS * 12 / 100);
	plan.validation_share = plan.test_share = 0;
	assert_int_equal(tokenize_split(&plan, "key"), SPLIT_TRAIN);
	plan.test_share = 1;
	assert_int_equal(tokenize_split(&plan, "key"), SPLIT_TEST);
}

static void splits_without_files_are_left_out(void **state)
{
	struct tokenizer *tokenizer = make_tokenizer("gpt2");
	struct tokenize_statistics statistics;
	put_corpus(state);
	struct tokenize_plan plan = make_plan(tokenizer, in_folder(state, "shards"));
	plan.shard_counts[SPLIT_TRAIN] = 0;
	plan.shard_counts[SPLIT_TEST] = 0;
	run_ranks(state, &plan, 3, &statistics);
	assert_int_equal(count_entries(plan.folder), 1);
	for (int domain = 0; domain < DOMAIN_COUNT; domain++)
		assert_int_equal(statistics.documents[SPLIT_TRAIN][domain], 0);
	assert_true(statistics.bytes[SPLIT_VALIDATION] > 0);
	tokenizer_destroy(tokenizer);
}

/* What one start finds of what the one before it kept; `corpus`: the text, empty when none is needed. */
static struct tokenize_progress start(const struct tokenize_plan *plan, struct corpus *corpus, int64_t rank,
                                      int64_t ranks, struct tokenize_statistics *statistics)
{
	struct tokenize_work *work = NULL;
	assert_good(tokenize_open(plan, rank, ranks, &work));
	assert_good(tokenize_run(work, corpus));
	struct tokenize_progress progress = *tokenize_progress(work);
	*statistics = *tokenize_statistics(work);
	tokenize_close(work);
	corpus_close(corpus);
	return progress;
}

static void finished_files_are_kept(void **state)
{
	struct tokenizer *tokenizer = make_tokenizer("cl100k");
	struct tokenize_statistics first, second;
	put_corpus(state);
	struct tokenize_plan plan = make_plan(tokenizer, in_folder(state, "shards"));
	assert_good(text_make_directories(in_folder(state, "kept")));
	plan.kept_folder = in_folder(state, "kept");
	plan.identity = "same";
	struct tokenize_progress progress = start(&plan, open_corpus(state), 0, 1, &first);
	assert_true(progress.files == 6 && progress.kept_files == 0 && progress.documents == DOCUMENTS);
	assert_int_equal(count_entries(plan.kept_folder), 6); /* notes; journals are gone */
	progress = start(&plan, open_corpus(state), 0, 1, &second);
	assert_true(progress.kept_files == 6 && progress.documents == 0 && progress.kept_documents == DOCUMENTS);
	assert_memory_equal(&first, &second, sizeof first);

	/* One is taken away, of another the file is that of another text. */
	size_t size, other_size;
	char *path = shard_path(plan.folder, "train", 1), *other = shard_path(plan.folder, "train", 2);
	char *bytes = whole_file(path, &size), *other_bytes = whole_file(other, &other_size);
	assert_int_equal(rename(path, other), 0);
	progress = start(&plan, open_corpus(state), 0, 1, &second);
	assert_int_equal(progress.kept_files, 4);
	assert_memory_equal(&first, &second, sizeof first);
	char *again = whole_file(path, &size), *other_again = whole_file(other, &other_size);
	assert_memory_equal(again, bytes, size);
	assert_memory_equal(other_again, other_bytes, other_size);
	free(again);
	free(other_again);
	free(bytes);
	free(other_bytes);
	free(path);
	free(other);
	tokenizer_destroy(tokenizer);
}

/* A start that breaks off half-way leaves its documents in journals; the next one writes the same bytes, groups included. */
static void journals_keep_all_of_a_document(void **state)
{
	struct tokenizer *tokenizer = make_tokenizer("cl100k");
	struct tokenize_statistics statistics;
	struct tokenize_work *work = NULL;
	size_t size, kept_size;
	put_corpus(state);
	struct tokenize_plan plan = make_plan(tokenizer, in_folder(state, "shards"));
	struct tokenize_plan kept = make_plan(tokenizer, in_folder(state, "again"));
	start(&plan, open_corpus(state), 0, 1, &statistics);
	assert_good(text_make_directories(in_folder(state, "kept")));
	kept.kept_folder = in_folder(state, "kept");
	kept.identity = "same";
	char *text = whole_file(in_folder(state, "corpus.jsonl"), &size);
	put_file(in_folder(state, "corpus.jsonl"), text, size / 2); /* ends inside a line */
	free(text);
	struct corpus *corpus = open_corpus(state);
	assert_good(tokenize_open(&kept, 0, 1, &work));
	assert_bad(tokenize_run(work, corpus), STATUS_DATA, "corpus.jsonl");
	tokenize_close(work);
	corpus_close(corpus);
	put_corpus(state);
	struct tokenize_progress progress = start(&kept, open_corpus(state), 0, 1, &statistics);
	assert_in_range(progress.kept_documents, DOCUMENTS / 4, DOCUMENTS - 1);
	for (int64_t i = 0; i < plan.shard_counts[SPLIT_TRAIN]; i++) {
		char *path = shard_path(plan.folder, "train", i), *kept_path = shard_path(kept.folder, "train", i);
		char *bytes = whole_file(path, &size), *kept_bytes = whole_file(kept_path, &kept_size);
		assert_int_equal(size, kept_size);
		assert_memory_equal(bytes, kept_bytes, size);
		free(path);
		free(kept_path);
		free(bytes);
		free(kept_bytes);
	}
	tokenizer_destroy(tokenizer);
}

static void shards_of_an_earlier_plan_are_removed(void **state)
{
	static const char *const names[] = { "train-00000.h5", "test-00012.h5", "train-00000.h5.bak",
		                             "training-00000.h5" };
	const char *folder = in_folder(state, "shards");
	assert_good(text_make_directories(folder));
	for (size_t i = 0; i < COUNT(names); i++) {
		char *path = text_join_path(folder, names[i]);
		put_file(path, "x", 1);
		free(path);
	}
	assert_good(tokenize_remove_shards(folder));
	assert_int_equal(count_entries(folder), 2);
}

static void tokens_take_the_label_of_any_byte(void **state)
{
	(void)state;
	/* Tokens of 4 bytes each: 0-4, 4-8, ... */
	struct token_span tokens[6];
	for (uint32_t i = 0; i < 6; i++)
		tokens[i] = (struct token_span){ 0, 4 * i, 4 * i + 4 };
	const struct label_span spans[] = {
		{ 3, 5, DOMAIN_OTHER }, { 5, 6, DOMAIN_RETAIN }, { 7, 9, DOMAIN_FORGET }, { 16, 20, DOMAIN_RETAIN }
	};
	struct document document = { .spans = spans, .span_count = 4, .domain = DOMAIN_RETAIN, .labels = LABELS_TOKEN };
	uint8_t labels[6];
	tokenize_labels(&document, tokens, 6, labels);
	static const uint8_t expected[] = { DOMAIN_OTHER,    DOMAIN_FORGET, DOMAIN_FORGET,
		                            DOMAIN_UNMARKED, DOMAIN_RETAIN, DOMAIN_UNMARKED };
	assert_memory_equal(labels, expected, sizeof labels);

	/* What no span touches has the domain outside, however strong that is; what one touches has the span's. */
	document.outside = DOMAIN_HARD;
	tokenize_labels(&document, tokens, 6, labels);
	static const uint8_t inside[] = { DOMAIN_OTHER, DOMAIN_FORGET, DOMAIN_FORGET,
		                          DOMAIN_HARD,  DOMAIN_RETAIN, DOMAIN_HARD };
	assert_memory_equal(labels, inside, sizeof inside);

	document = (struct document){ .outside = DOMAIN_UNLABELLED };
	tokenize_labels(&document, tokens, 6, labels);
	for (int i = 0; i < 6; i++)
		assert_int_equal(labels[i], DOMAIN_UNLABELLED);
}

#define in_new_folder(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_new_folder(any_number_of_ranks_gives_the_same_files),
		in_new_folder(documents_are_complete),
		cmocka_unit_test(splits_have_their_shares),
		in_new_folder(splits_without_files_are_left_out),
		in_new_folder(finished_files_are_kept),
		in_new_folder(journals_keep_all_of_a_document),
		in_new_folder(shards_of_an_earlier_plan_are_removed),
		cmocka_unit_test(tokens_take_the_label_of_any_byte),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
