/* Shards: what is written is read back, blocks are runs of whole documents, and files that are cut off, damaged,
 * missing or of another set are refused by name.
 * SPDX-License-Identifier: Apache-2.0 */
#include "validation/unit/storage_fixture.h"

#include <sys/resource.h>

#include "base/random.h"
#include "storage/hdf5_file.h"
#include "text/corpus.h"
#include "text/shard.h"

enum { SHARDS = 3, DOCUMENTS = 40, END = 999, BLOCK_TOKENS = 100, LONGEST = 150 };

static const struct shard_facts FACTS = {
	.tokenizer_hash = "0123456789abcdef0123456789abcdef",
	.tokenizer = "a small tokenizer",
	.vocabulary = 1000,
	.end_of_text = END,
	.hidden = 998,
	.block_tokens = BLOCK_TOKENS,
	.has_token_labels = true,
	.shard_count = SHARDS,
};

/* Every document has its own length, domain and tokens; number 7 is empty, number 9 is longer than a block. */
static size_t document_size(uint64_t number)
{
	return number == 7 ? 0 : number == 9 ? LONGEST : random_bits(1, RANDOM_TEST, 0, number) % 60;
}

static int32_t document_token(uint64_t number, size_t i)
{
	return (int32_t)(random_bits(1, RANDOM_TEST, number + 1, i) % 998);
}

static uint8_t document_label(uint64_t number, size_t i)
{
	return (uint8_t)(random_bits(1, RANDOM_TEST, number + 1, i) >> 40) % DOMAIN_COUNT;
}

/* Three documents a group. */
static uint64_t document_group(uint64_t number)
{
	return UINT64_MAX - number / 3;
}

static void add_document(struct shard_writer *writer, uint64_t number)
{
	int32_t ids[LONGEST];
	uint8_t labels[LONGEST];
	size_t size = document_size(number);
	for (size_t i = 0; i < size; i++) {
		ids[i] = document_token(number, i);
		labels[i] = document_label(number, i);
	}
	assert_good(shard_writer_add(writer, ids, labels, size, (uint8_t)(number % DOMAIN_COUNT), number,
	                             document_group(number)));
}

static void write_shard(void **state, int64_t shard, const struct shard_facts *facts, uint64_t first, uint64_t end)
{
	char *path = shard_path(*state, "train", shard);
	struct shard_writer *writer = NULL;
	assert_good(shard_writer_create(path, facts, &writer));
	for (uint64_t number = first; number < end; number++)
		add_document(writer, number);
	assert_good(shard_writer_finish(writer));
	free(path);
}

/* Shards of 20, 0 and 20 documents. */
static void write_set(void **state)
{
	write_shard(state, 0, &FACTS, 0, DOCUMENTS / 2);
	write_shard(state, 1, &FACTS, DOCUMENTS / 2, DOCUMENTS / 2);
	write_shard(state, 2, &FACTS, DOCUMENTS / 2, DOCUMENTS);
}

static void check_document(const int32_t *ids, const uint8_t *labels, int64_t count, uint64_t number)
{
	assert_int_equal(count, document_size(number) + 1);
	for (size_t i = 0; i + 1 < (size_t)count; i++) {
		assert_int_equal(ids[i], document_token(number, i));
		assert_int_equal(labels[i], document_label(number, i));
	}
	assert_int_equal(ids[count - 1], END);
	assert_int_equal(labels[count - 1], DOMAIN_UNMARKED);
}

static void sets_round_trip(void **state)
{
	struct shard_set *set = NULL;
	struct block block = { 0 };
	write_set(state);
	assert_good(shard_set_open(*state, "train", &set));
	assert_int_equal(shard_set_documents(set), DOCUMENTS);
	const struct shard_facts *facts = shard_set_facts(set);
	assert_string_equal(facts->tokenizer_hash, FACTS.tokenizer_hash);
	assert_string_equal(facts->tokenizer, FACTS.tokenizer);
	assert_int_equal(facts->vocabulary, FACTS.vocabulary);
	assert_int_equal(facts->end_of_text, FACTS.end_of_text);
	assert_int_equal(facts->hidden, FACTS.hidden);
	assert_int_equal(facts->block_tokens, FACTS.block_tokens);
	assert_true(facts->has_token_labels);
	int64_t tokens = 0, largest_tokens = 0, largest_documents = 0;
	uint64_t number = 0;
	for (int64_t b = 0; b < shard_set_blocks(set); b++) {
		block.scored = true;
		assert_good(shard_set_read_block(set, b, &block));
		assert_false(block.scored);
		assert_int_equal(block.number, b);
		assert_int_equal(block.document_begin[0], 0);
		assert_int_equal(block.document_begin[block.document_count], block.token_count);
		for (int64_t d = 0; d < block.document_count; d++, number++) {
			int64_t begin = block.document_begin[d];
			check_document(block.ids + begin, block.labels + begin, block.document_begin[d + 1] - begin,
			               number);
			assert_int_equal(block.document_domain[d], number % DOMAIN_COUNT);
		}
		assert_true(block.token_count <= BLOCK_TOKENS || block.document_count == 1);
		/* The next document would not have fitted; shards end a block in any case. */
		if (number != DOCUMENTS / 2 && number != DOCUMENTS)
			assert_true(block.token_count + (int64_t)document_size(number) + 1 > BLOCK_TOKENS);
		tokens += block.token_count;
		largest_tokens = block.token_count > largest_tokens ? block.token_count : largest_tokens;
		largest_documents = block.document_count > largest_documents ? block.document_count : largest_documents;
	}
	int64_t documents;
	assert_int_equal(number, DOCUMENTS);
	assert_int_equal(tokens, shard_set_tokens(set));
	assert_int_equal(largest_tokens, LONGEST + 1);
	assert_int_equal(shard_set_largest_block(set, &documents), largest_tokens);
	assert_int_equal(documents, largest_documents);
	assert_bad(shard_set_read_block(set, shard_set_blocks(set), &block), STATUS_INTERNAL, "block");
	block_clear(&block);
	shard_set_close(set);
}

static void documents_are_read_one_by_one(void **state)
{
	struct shard_set *set = NULL;
	write_set(state);
	assert_good(shard_set_open(*state, "train", &set));
	assert_true(shard_set_has_groups(set));
	for (int64_t d = DOCUMENTS - 1; d >= 0; d--) {
		int32_t ids[LONGEST + 1];
		uint8_t labels[LONGEST + 1];
		assert_int_equal(shard_set_document_tokens(set, d), document_size((uint64_t)d) + 1);
		assert_int_equal(shard_set_document_domain(set, d), d % DOMAIN_COUNT);
		assert_int_equal(shard_set_document_number(set, d), d);
		assert_true(shard_set_document_group(set, d) == document_group((uint64_t)d));
		assert_good(shard_set_read_document(set, d, ids, labels));
		check_document(ids, labels, shard_set_document_tokens(set, d), (uint64_t)d);
	}
	int32_t id;
	uint8_t label;
	assert_bad(shard_set_read_document(set, DOCUMENTS, &id, &label), STATUS_INTERNAL, "document");
	shard_set_close(set);
}

enum { MANY = 50, FEW_HANDLES = 24 };

/* As many shards of one document each. */
static void write_many(void **state, uint64_t first)
{
	struct shard_facts facts = FACTS;
	facts.shard_count = MANY;
	for (int64_t shard = 0; shard < MANY; shard++)
		write_shard(state, shard, &facts, first + (uint64_t)shard, first + (uint64_t)shard + 1);
}

/* Reads documents in an order that comes back to each file: forwards, backwards, in leaps. */
static void read_all_ways(struct shard_set *set)
{
	for (int64_t i = 0; i < 3 * (int64_t)MANY; i++) {
		int32_t ids[LONGEST + 1];
		uint8_t labels[LONGEST + 1];
		int64_t d = i < MANY ? i : i < 2 * MANY ? 2 * MANY - 1 - i : i * 7 % MANY;
		struct block block = { 0 };
		assert_good(shard_set_read_document(set, d, ids, labels));
		check_document(ids, labels, shard_set_document_tokens(set, d), (uint64_t)d);
		assert_good(shard_set_read_block(set, d, &block));
		check_document(block.ids, block.labels, block.token_count, (uint64_t)d);
		block_clear(&block);
	}
}

static void more_files_than_handles(void **state)
{
	struct shard_set *set = NULL, *other = NULL;
	struct rlimit before, few;
	write_many(state, 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = before;
	few.rlim_cur = FEW_HANDLES;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	assert_good(shard_set_open(*state, "train", &set));
	assert_good(shard_set_open(*state, "train", &other));
	read_all_ways(set);
	read_all_ways(other);
	shard_set_close(set);
	shard_set_close(other);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

/* What is in memory of a file is not mixed with what was put in its place. */
static void files_written_anew_are_noticed(void **state)
{
	struct shard_set *set = NULL;
	struct rlimit before, few;
	int32_t ids[LONGEST + 1];
	uint8_t labels[LONGEST + 1];
	write_many(state, 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = before;
	few.rlim_cur = FEW_HANDLES;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	assert_good(shard_set_open(*state, "train", &set));
	write_many(state, 1);
	assert_bad(shard_set_read_document(set, 0, ids, labels), STATUS_DATA, "train-00000.h5 was written anew");
	write_many(state, 0);
	read_all_ways(set);
	shard_set_close(set);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

static void counts_need_no_tables(void **state)
{
	struct shard_set *set = NULL, *counts = NULL;
	struct block block = { 0 };
	int32_t id;
	uint8_t label;
	int64_t documents, expected;
	write_set(state);
	assert_good(shard_set_open(*state, "train", &set));
	assert_good(shard_set_open_counts(*state, "train", &counts));
	assert_int_equal(shard_set_tokens(counts), shard_set_tokens(set));
	assert_int_equal(shard_set_documents(counts), DOCUMENTS);
	assert_int_equal(shard_set_blocks(counts), shard_set_blocks(set));
	assert_int_equal(shard_set_largest_block(counts, &documents), shard_set_largest_block(set, &expected));
	assert_int_equal(documents, expected);
	assert_string_equal(shard_set_content_hash(counts), shard_set_content_hash(set));
	assert_string_equal(shard_set_facts(counts)->tokenizer_hash, FACTS.tokenizer_hash);
	assert_bad(shard_set_read_block(counts, 0, &block), STATUS_INTERNAL,
	           "train-00000.h5 was opened for its counts");
	assert_bad(shard_set_read_document(counts, 0, &id, &label), STATUS_INTERNAL, "counts");
	shard_set_close(set);
	shard_set_close(counts);
	/* The same files are refused. */
	assert_int_equal(unlink(in_folder(state, "train-00001.h5")), 0);
	assert_bad(shard_set_open_counts(*state, "train", &set), STATUS_DATA, "train-00001.h5 is missing");
}

static void content_has_a_name(void **state)
{
	struct shard_set *set = NULL;
	char first[64];
	write_set(state);
	assert_good(shard_set_open(*state, "train", &set));
	snprintf(first, sizeof first, "%s", shard_set_content_hash(set));
	shard_set_close(set);
	write_set(state);
	assert_good(shard_set_open(*state, "train", &set));
	assert_string_equal(shard_set_content_hash(set), first);
	shard_set_close(set);
	write_shard(state, 2, &FACTS, DOCUMENTS / 2, DOCUMENTS - 1);
	assert_good(shard_set_open(*state, "train", &set));
	assert_string_not_equal(shard_set_content_hash(set), first);
	shard_set_close(set);
}

static void missing_files_are_named(void **state)
{
	struct shard_set *set = NULL;
	assert_bad(shard_set_open(in_folder(state, "nowhere"), "train", &set), STATUS_DATA, "nowhere");
	assert_bad(shard_set_open(*state, "train", &set), STATUS_DATA, "train-00000.h5");
	write_set(state);
	assert_bad(shard_set_open(*state, "test", &set), STATUS_DATA, "test-00000.h5");
	assert_int_equal(unlink(in_folder(state, "train-00001.h5")), 0);
	assert_bad(shard_set_open(*state, "train", &set), STATUS_DATA, "train-00001.h5 is missing");
	write_set(state);
	assert_int_equal(unlink(in_folder(state, "train-00002.h5")), 0);
	assert_bad(shard_set_open(*state, "train", &set), STATUS_DATA, "has 2 shards train-*.h5");
}

static void cut_off_and_damaged_files_are_named(void **state)
{
	struct shard_set *set = NULL;
	size_t size;
	write_set(state);
	const char *path = in_folder(state, "train-00002.h5");
	char *bytes = whole_file(path, &size);
	for (size_t cut = 0; cut < size; cut += size / 7) {
		put_file(path, bytes, cut);
		assert_bad(shard_set_open(*state, "train", &set), STATUS_DATA, "train-00002.h5");
	}
	put_file(path, bytes, size);
	/* The first tokens of document 20, where they lie in the file. */
	uint32_t tokens[4];
	for (size_t i = 0; i < COUNT(tokens); i++)
		tokens[i] = (uint32_t)document_token(DOCUMENTS / 2, i);
	assert_true(document_size(DOCUMENTS / 2) >= COUNT(tokens));
	size_t at = 0;
	while (at + sizeof tokens < size && memcmp(bytes + at, tokens, sizeof tokens) != 0)
		at++;
	assert_true(at + sizeof tokens < size);
	flip_bit(path, at, 3);
	struct block block = { 0 };
	enum status status = shard_set_open(*state, "train", &set);
	if (status == STATUS_OK) {
		for (int64_t b = 0; b < shard_set_blocks(set) && status == STATUS_OK; b++)
			status = shard_set_read_block(set, b, &block);
		shard_set_close(set);
	}
	assert_bad(status, STATUS_DATA, "train-00002.h5");
	block_clear(&block);
	free(bytes);
}

static void files_of_another_set_are_named(void **state)
{
	struct shard_facts others[7];
	static const char *const words[] = { "the tokenizer differs",
		                             "the size of the vocabulary differs",
		                             "the end-of-text token differs",
		                             "the hidden token differs",
		                             "tokens a block differs",
		                             "tokens are labelled differs",
		                             "number of files of the set differs" };
	for (size_t i = 0; i < COUNT(others); i++)
		others[i] = FACTS;
	others[0].tokenizer_hash = "another";
	others[1].vocabulary++;
	others[2].end_of_text--;
	others[3].hidden--;
	others[4].block_tokens++;
	others[5].has_token_labels = false;
	others[6].shard_count++;
	write_set(state);
	for (size_t i = 0; i < COUNT(others); i++) {
		struct shard_set *set = NULL;
		write_shard(state, 2, &others[i], DOCUMENTS / 2, DOCUMENTS);
		enum status status = shard_set_open(*state, "train", &set);
		assert_non_null(strstr(error_message(), "train-00002.h5"));
		assert_bad(status, STATUS_DATA, words[i]);
	}
}

static void files_of_another_kind_are_named(void **state)
{
	struct shard_set *set = NULL;
	struct hdf5_writer *writer = NULL;
	const char *path = in_folder(state, "train-00000.h5");
	const int64_t values[] = { 0, 1 };
	assert_good(hdf5_create(path, &writer));
	assert_good(hdf5_write_text_attribute(writer, "/", "format", "something else"));
	assert_good(hdf5_write_integer_attribute(writer, "/", "format_version", 1));
	assert_good(hdf5_write_vector(writer, "tokens", HDF5_INT64, 2, values, NULL, "x"));
	assert_good(hdf5_commit(writer));
	assert_bad(shard_set_open(*state, "train", &set), STATUS_DATA, "something else");
	assert_good(hdf5_create(path, &writer));
	assert_good(hdf5_write_text_attribute(writer, "/", "format", "capshape-shard"));
	/* Labels of the first version do not mean the same. */
	assert_good(hdf5_write_integer_attribute(writer, "/", "format_version", 1));
	assert_good(hdf5_commit(writer));
	assert_bad(shard_set_open(*state, "train", &set), STATUS_DATA, "(format version 1, this one reads 2 to 4)");
}

/* A shard of one document, "5 END", without groups. */
static void write_shard_without_groups(const char *path)
{
	struct hdf5_writer *writer = NULL;
	const uint32_t tokens[] = { 5, END };
	const uint8_t labels[] = { 1, 0 }, domain = 1;
	const int64_t offsets[] = { 0, 2 }, blocks[] = { 0, 1 };
	const uint64_t number = 7;
	static const char *const names[] = { "vocabulary",       "end_of_text", "hidden",        "block_tokens",
		                             "has_token_labels", "shard_count", "format_version" };
	const int64_t values[] = { 1000, END, 998, BLOCK_TOKENS, 1, SHARDS, 2 };
	assert_good(hdf5_create(path, &writer));
	assert_good(hdf5_write_vector(writer, "tokens", HDF5_UINT32, 2, tokens, NULL, "x"));
	assert_good(hdf5_write_vector(writer, "labels", HDF5_UINT8, 2, labels, NULL, "x"));
	assert_good(hdf5_write_vector(writer, "documents/offset", HDF5_INT64, 2, offsets, NULL, "x"));
	assert_good(hdf5_write_vector(writer, "documents/domain", HDF5_UINT8, 1, &domain, NULL, "x"));
	assert_good(hdf5_write_vector(writer, "documents/number", HDF5_UINT64, 1, &number, NULL, "x"));
	assert_good(hdf5_write_vector(writer, "blocks/document", HDF5_INT64, 2, blocks, NULL, "x"));
	for (size_t i = 0; i < COUNT(values); i++)
		assert_good(hdf5_write_integer_attribute(writer, "/", names[i], values[i]));
	assert_good(hdf5_write_text_attribute(writer, "/", "format", "capshape-shard"));
	assert_good(hdf5_write_text_attribute(writer, "/", "tokenizer_hash", FACTS.tokenizer_hash));
	assert_good(hdf5_write_text_attribute(writer, "/", "tokenizer", FACTS.tokenizer));
	assert_good(hdf5_write_text_attribute(writer, "/", "content_hash", "0123"));
	assert_good(hdf5_commit(writer));
}

/* They are read, and it is known that they do not know; so it is of a set of which one file is such. */
static void files_may_have_no_groups(void **state)
{
	struct shard_set *set = NULL;
	int32_t ids[LONGEST + 1];
	uint8_t labels[LONGEST + 1];
	write_set(state);
	write_shard_without_groups(in_folder(state, "train-00001.h5"));
	assert_good(shard_set_open(*state, "train", &set));
	assert_false(shard_set_has_groups(set));
	assert_int_equal(shard_set_documents(set), DOCUMENTS + 1);
	assert_int_equal(shard_set_document_number(set, DOCUMENTS / 2), 7);
	assert_good(shard_set_read_document(set, DOCUMENTS / 2, ids, labels));
	assert_int_equal(ids[0], 5);
	shard_set_close(set);
}

/* Models do not depend on groups: what was made with files that had none goes on with the same text. */
static void groups_do_not_change_the_name_of_the_content(void **state)
{
	char hashes[2][64];
	const int32_t id = 5;
	const uint8_t label = 1;
	struct shard_facts facts = FACTS;
	facts.shard_count = 1;
	for (uint64_t i = 0; i < 2; i++) {
		struct shard_writer *writer = NULL;
		struct shard_set *set = NULL;
		assert_good(shard_writer_create(in_folder(state, "train-00000.h5"), &facts, &writer));
		assert_good(shard_writer_add(writer, &id, &label, 1, 0, 0, 100 + i));
		assert_good(shard_writer_finish(writer));
		assert_good(shard_set_open(*state, "train", &set));
		assert_true(shard_set_document_group(set, 0) == 100 + i);
		snprintf(hashes[i], sizeof hashes[i], "%s", shard_set_content_hash(set));
		shard_set_close(set);
	}
	assert_string_equal(hashes[0], hashes[1]);
}

static void impossible_tokens_are_refused(void **state)
{
	struct shard_writer *writer = NULL;
	const int32_t ids[] = { 1, 1000 };
	const uint8_t labels[] = { 0, 0 };
	assert_good(shard_writer_create(in_folder(state, "train-00000.h5"), &FACTS, &writer));
	assert_bad(shard_writer_add(writer, ids, labels, 2, 0, 0, 0), STATUS_DATA, "token 1000");
	shard_writer_abandon(writer);
	assert_int_equal(count_entries(*state), 0);
}

static void blocks_keep_their_memory(void **state)
{
	(void)state;
	struct block block = { 0 };
	assert_good(block_reserve(&block, 10, 2));
	for (int i = 0; i < 10; i++) {
		block.ids[i] = i;
		block.labels[i] = (uint8_t)i;
		block.scores[i] = (uint16_t)i;
	}
	for (int i = 0; i < 2; i++) {
		block.document_begin[i + 1] = i;
		block.document_domain[i] = (uint8_t)i;
		block.document_scores[i] = (uint16_t)i;
	}
	assert_good(block_reserve(&block, 100000, 5000));
	for (int i = 0; i < 10; i++)
		assert_true(block.ids[i] == i && block.labels[i] == i && block.scores[i] == i);
	for (int i = 0; i < 2; i++)
		assert_true(block.document_begin[i + 1] == i && block.document_domain[i] == i &&
		            block.document_scores[i] == i);
	block.document_begin[5000] = 1;
	block.scores[99999] = 1;
	block_clear(&block);
	assert_null(block.ids);
}

#define in_new_folder(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_new_folder(sets_round_trip),
		in_new_folder(documents_are_read_one_by_one),
		in_new_folder(more_files_than_handles),
		in_new_folder(files_written_anew_are_noticed),
		in_new_folder(counts_need_no_tables),
		in_new_folder(content_has_a_name),
		in_new_folder(missing_files_are_named),
		in_new_folder(cut_off_and_damaged_files_are_named),
		in_new_folder(files_of_another_set_are_named),
		in_new_folder(files_of_another_kind_are_named),
		in_new_folder(files_may_have_no_groups),
		in_new_folder(groups_do_not_change_the_name_of_the_content),
		in_new_folder(impossible_tokens_are_refused),
		cmocka_unit_test(blocks_keep_their_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
