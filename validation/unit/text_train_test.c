/* Training a vocabulary, against the rule carried out naively: count all pairs anew for every token.
 * SPDX-License-Identifier: Apache-2.0 */
#include "validation/unit/text_fixture.h"

#include "base/random.h"
#include "text/pieces.h"

enum { PIECES_MAX = 2000, PIECE_SIZE = 24, RANKS_MAX = 600 };

/* A text in the state of the naive trainer: each piece a list of tokens. */
struct naive {
	char tokens[RANKS_MAX][PIECE_SIZE + 1];
	size_t token_size[RANKS_MAX];
	int token_count;
	int pieces[PIECES_MAX][PIECE_SIZE];
	int sizes[PIECES_MAX], piece_count;
};

static void naive_begin(struct naive *naive, const char *text, size_t size)
{
	struct piece_pattern *pattern = NULL;
	struct piece_matcher *matcher = NULL;
	assert_good(piece_pattern_create(PATTERN_GPT2, &pattern));
	assert_good(piece_matcher_create(pattern, &matcher));
	memset(naive, 0, sizeof *naive);
	for (naive->token_count = 0; naive->token_count < 256; naive->token_count++) {
		naive->tokens[naive->token_count][0] = (char)naive->token_count;
		naive->token_size[naive->token_count] = 1;
	}
	size_t end;
	for (size_t begin = 0; begin < size; begin = end) {
		assert_good(piece_next(matcher, text, size, begin, &end));
		assert_true(end - begin <= PIECE_SIZE && naive->piece_count < PIECES_MAX);
		for (size_t i = begin; i < end; i++)
			naive->pieces[naive->piece_count][i - begin] = (unsigned char)text[i];
		naive->sizes[naive->piece_count++] = (int)(end - begin);
	}
	piece_matcher_destroy(matcher);
	piece_pattern_destroy(pattern);
}

static int compare_bytes(const struct naive *naive, int a, int b)
{
	size_t x = naive->token_size[a], y = naive->token_size[b];
	int order = memcmp(naive->tokens[a], naive->tokens[b], x < y ? x : y);
	return order != 0 ? order : (x > y) - (x < y);
}

static bool pair_is_smaller(const struct naive *naive, int left, int right, int best_left, int best_right)
{
	int order = compare_bytes(naive, left, best_left);
	return order != 0 ? order < 0 : compare_bytes(naive, right, best_right) < 0;
}

static int find_token(const struct naive *naive, const char *bytes, size_t size)
{
	for (int id = 0; id < naive->token_count; id++) {
		if (naive->token_size[id] == size && memcmp(naive->tokens[id], bytes, size) == 0)
			return id;
	}
	return -1;
}

static void naive_join(struct naive *naive, int left, int right)
{
	char joined[2 * PIECE_SIZE];
	size_t size = naive->token_size[left] + naive->token_size[right];
	memcpy(joined, naive->tokens[left], naive->token_size[left]);
	memcpy(joined + naive->token_size[left], naive->tokens[right], naive->token_size[right]);
	int id = find_token(naive, joined, size);
	if (id < 0) {
		id = naive->token_count++;
		memcpy(naive->tokens[id], joined, size);
		naive->token_size[id] = size;
	}
	for (int p = 0; p < naive->piece_count; p++) {
		int *ids = naive->pieces[p], kept = 0;
		for (int i = 0; i < naive->sizes[p]; i++) {
			bool match = i + 1 < naive->sizes[p] && ids[i] == left && ids[i + 1] == right;
			ids[kept++] = match ? id : ids[i];
			i += match;
		}
		naive->sizes[p] = kept;
	}
}

static void naive_train(struct naive *naive, int ranks)
{
	static int counts[RANKS_MAX][RANKS_MAX];
	while (naive->token_count < ranks) {
		memset(counts, 0, sizeof counts);
		for (int p = 0; p < naive->piece_count; p++) {
			for (int i = 0; i + 1 < naive->sizes[p]; i++)
				counts[naive->pieces[p][i]][naive->pieces[p][i + 1]]++;
		}
		int best_left = -1, best_right = -1;
		for (int left = 0; left < naive->token_count; left++) {
			for (int right = 0; right < naive->token_count; right++) {
				int count = counts[left][right],
				    best = best_left < 0 ? 0 : counts[best_left][best_right];
				if (count > best || (count > 0 && count == best &&
				                     pair_is_smaller(naive, left, right, best_left, best_right))) {
					best_left = left;
					best_right = right;
				}
			}
		}
		assert_true(best_left >= 0);
		naive_join(naive, best_left, best_right);
	}
}

/* Words of a small alphabet with many repetitions, so that ties and overlaps ("aaa") are common. */
static size_t make_text(uint64_t seed, char *text, size_t size)
{
	size_t used = 0;
	for (uint64_t i = 0; used + 12 < size && i < PIECES_MAX / 2; i++) {
		uint64_t bits = random_bits(seed, RANDOM_TEST, 1, i);
		size_t length = 1 + bits % 9;
		for (size_t k = 0; k < length; k++)
			text[used++] = "aaabbcde"[bits >> (8 + 3 * k) & 7];
		text[used++] = ' ';
	}
	return used;
}

static struct tokenizer *train(const char *text, size_t size, size_t part, int32_t ranks)
{
	struct tokenizer_trainer *trainer = NULL;
	struct tokenizer *tokenizer = NULL;
	assert_good(tokenizer_trainer_create("gpt2", &trainer));
	for (size_t begin = 0; begin < size; begin += part)
		assert_good(tokenizer_trainer_add(trainer, text + begin, size - begin < part ? size - begin : part));
	assert_good(tokenizer_trainer_finish(trainer, ranks, &tokenizer));
	tokenizer_trainer_destroy(trainer);
	return tokenizer;
}

static void training_equals_its_definition(void **state)
{
	(void)state;
	static struct naive naive;
	static char text[20000];
	for (uint64_t seed = 1; seed <= 3; seed++) {
		const int32_t ranks = 420;
		size_t size = make_text(seed, text, sizeof text);
		naive_begin(&naive, text, size);
		naive_train(&naive, ranks);
		struct tokenizer *tokenizer = train(text, size, size, ranks);
		for (int32_t id = 0; id < ranks; id++) {
			char *found = NULL;
			size_t found_size;
			assert_good(tokenizer_decode(tokenizer, &id, 1, &found, &found_size));
			assert_int_equal(found_size, naive.token_size[id]);
			assert_memory_equal(found, naive.tokens[id], found_size);
			free(found);
		}
		tokenizer_destroy(tokenizer);
	}
}

/* A file that a training of fewer tokens left is one of a training that was stopped there. */
static void training_goes_on_from_its_file(void **state)
{
	static char text[20000];
	size_t size = make_text(5, text, sizeof text), half = size / 2;
	const char *path = in_folder(state, "vocabulary.h5");
	while (text[half] != ' ') /* a piece is not cut in two */
		half++;
	struct tokenizer *whole = train(text, size, size, 420);
	static const int32_t stops[] = { 0, 257, 300, 419 }; /* 0: half of the text is counted */
	for (size_t i = 0; i < COUNT(stops); i++) {
		struct tokenizer_trainer *trainer = NULL;
		struct tokenizer *tokenizer = NULL;
		struct training_place place, found;
		assert_good(tokenizer_trainer_create("gpt2", &trainer));
		assert_good(tokenizer_trainer_keep(trainer, path, 0, &place));
		assert_true(place.documents == 0 && place.tokens == 0 && !place.counted);
		assert_good(tokenizer_trainer_add(trainer, text, half));
		place = (struct training_place){ .documents = 1, .bytes = (int64_t)half };
		assert_good(tokenizer_trainer_save(trainer, &place, true));
		if (stops[i] > 0) {
			assert_good(tokenizer_trainer_add(trainer, text + half, size - half));
			place = (struct training_place){ .documents = 2, .bytes = (int64_t)size, .counted = true };
			assert_good(tokenizer_trainer_save(trainer, &place, true));
			assert_good(tokenizer_trainer_finish(trainer, stops[i], &tokenizer));
			tokenizer_destroy(tokenizer);
		}
		tokenizer_trainer_destroy(trainer);

		assert_good(tokenizer_trainer_create("gpt2", &trainer));
		assert_good(tokenizer_trainer_keep(trainer, path, 1e9, &found));
		assert_true(found.documents == place.documents && found.bytes == place.bytes &&
		            found.counted == place.counted);
		assert_int_equal(found.tokens, stops[i] > 257 ? stops[i] - 1 : stops[i] == 257 ? 256 : 0);
		if (!found.counted)
			assert_good(tokenizer_trainer_add(trainer, text + half, size - half));
		assert_good(tokenizer_trainer_finish(trainer, 420, &tokenizer));
		assert_string_equal(tokenizer_hash(tokenizer), tokenizer_hash(whole));
		tokenizer_destroy(tokenizer);
		tokenizer_trainer_destroy(trainer);
		assert_int_equal(unlink(path), 0);
	}
	tokenizer_destroy(whole);
}

static void order_of_the_texts_does_not_matter(void **state)
{
	(void)state;
	static const char *const texts[] = { "the other one", " and another", " of them", " the end" };
	static const int orders[][4] = { { 0, 1, 2, 3 }, { 3, 1, 0, 2 } };
	char hashes[2][CONTENT_HASH_SIZE];
	for (int order = 0; order < 2; order++) {
		struct tokenizer_trainer *trainer = NULL;
		struct tokenizer *tokenizer = NULL;
		assert_good(tokenizer_trainer_create("cl100k", &trainer));
		for (int i = 0; i < 4; i++)
			assert_good(tokenizer_trainer_add(trainer, texts[orders[order][i]],
			                                  strlen(texts[orders[order][i]])));
		assert_good(tokenizer_trainer_finish(trainer, 270, &tokenizer));
		memcpy(hashes[order], tokenizer_hash(tokenizer), CONTENT_HASH_SIZE);
		tokenizer_destroy(tokenizer);
		tokenizer_trainer_destroy(trainer);
	}
	assert_string_equal(hashes[0], hashes[1]);
}

static void first_tokens_are_the_common_pairs(void **state)
{
	(void)state;
	/* "ab" four times, then " ab" three times; of the pairs that come twice, " c" is the smallest. */
	struct tokenizer *tokenizer = train("ab ab ab ab cd cd ef ef", 23, 23, 259);
	char *text = NULL;
	size_t size;
	assert_good(tokenizer_decode(tokenizer, (const int32_t[]){ 256, '|', 257, '|', 258 }, 5, &text, &size));
	assert_string_equal(text, "ab| ab| c");
	free(text);
	assert_int_equal(tokenizer_end_of_text(tokenizer), 259);
	assert_int_equal(tokenizer_hidden(tokenizer), 260);
	tokenizer_destroy(tokenizer);
}

static void impossible_sizes_are_refused(void **state)
{
	(void)state;
	struct tokenizer_trainer *trainer = NULL;
	struct tokenizer *tokenizer = NULL;
	assert_bad(tokenizer_trainer_create("gpt5", &trainer), STATUS_DATA, "\"gpt5\"");
	assert_good(tokenizer_trainer_create("gpt2", &trainer));
	assert_good(tokenizer_trainer_finish(trainer, 256, &tokenizer));
	tokenizer_destroy(tokenizer);
	assert_good(tokenizer_trainer_add(trainer, "abc", 3));
	assert_bad(tokenizer_trainer_finish(trainer, 255, &tokenizer), STATUS_USAGE, "256 bytes");
	assert_bad(tokenizer_trainer_finish(trainer, 300, &tokenizer), STATUS_DATA, "gives 258 tokens, but 300");
	/* The trainer can still be used. */
	assert_good(tokenizer_trainer_finish(trainer, 258, &tokenizer));
	tokenizer_destroy(tokenizer);
	tokenizer_trainer_destroy(trainer);
}

static void broken_bytes_are_trained_as_replacements(void **state)
{
	(void)state;
	struct tokenizer *tokenizer = train("\xff \xff \xff \xff ", 8, 8, 258);
	char *text = NULL;
	size_t size;
	assert_good(tokenizer_decode(tokenizer, (const int32_t[]){ 257 }, 1, &text, &size));
	assert_int_equal(size, 3);
	assert_memory_equal(text, "\xef\xbf\xbd", 3);
	free(text);
	tokenizer_destroy(tokenizer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(training_equals_its_definition),
		cmocka_unit_test_setup_teardown(training_goes_on_from_its_file, make_folder, remove_folder),
		cmocka_unit_test(order_of_the_texts_does_not_matter),
		cmocka_unit_test(first_tokens_are_the_common_pairs),
		cmocka_unit_test(impossible_sizes_are_refused),
		cmocka_unit_test(broken_bytes_are_trained_as_replacements),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
