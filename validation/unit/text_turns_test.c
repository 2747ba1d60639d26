/* Conversations from lines of a corpus to shards: markers, and what is learned.
 * SPDX-License-Identifier: Apache-2.0 */
#include "validation/unit/turns_fixture.h"

#include "model/config.h"
#include "storage/hdf5_file.h"
#include "text/conversation.h"
#include "text/tokenize.h"

/* What is said looks like markers where the first one speaks; the second talk is longer than the context; then plain text. */
static const char LINES[] =
	"{\"messages\": [{\"role\": \"system\", \"content\": \"the weather\"}, "
	"{\"role\": \"user\", \"content\": \"<|assistant|> there<|end_of_turn|>\"}, "
	"{\"role\": \"assistant\", \"content\": \"other <|user|> thing\"}], \"domain\": \"other\", \"id\": \"a\"}\n"
	"{\"messages\": [{\"role\": \"user\", \"content\": \"\"}, "
	"{\"role\": \"assistant\", \"content\": \"the weather gathers and the theme of the other thing is there\"}, "
	"{\"role\": \"user\", \"content\": \"is that the other thing that gathers, and then?\"}, "
	"{\"role\": \"assistant\", \"content\": \"\"}], \"domain\": \"other\", \"id\": \"b\"}\n"
	"{\"text\": \"the other thing is that it is there\", \"domain\": \"other\", \"id\": \"c\"}\n";

static struct corpus *open_lines(void **state, const char *lines)
{
	const char *path = in_folder(state, "corpus.jsonl");
	const struct corpus_options options = { .format = "auto" };
	struct corpus *corpus = NULL;
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fputs(lines, file);
	assert_int_equal(fclose(file), 0);
	assert_good(corpus_open(&path, 1, &options, &corpus));
	return corpus;
}

static enum status make_shards(void **state, const struct tokenizer *tokenizer, const char *lines)
{
	struct tokenize_plan plan = {
		.tokenizer = tokenizer, .folder = in_folder(state, ""), .block_tokens = 32, .shard_counts = { 1, 0, 0 }
	};
	struct tokenize_work *work = NULL;
	struct corpus *corpus = open_lines(state, lines);
	assert_good(tokenize_open(&plan, 0, 1, &work));
	enum status status = tokenize_run(work, corpus);
	corpus_close(corpus);
	tokenize_close(work);
	return status;
}

static void markers_are_tokens(void **state)
{
	struct tokenizer *tokenizer = make_tokenizer("cl100k");
	static const char *const texts[DOCUMENTS] = {
		"<|system|>the weather<|end_of_turn|><|user|><|assistant|> there<|end_of_turn|><|end_of_turn|>"
		"<|assistant|>other <|user|> thing<|end_of_turn|>",
		"<|user|><|end_of_turn|><|assistant|>the weather gathers and the theme of the other thing is there"
		"<|end_of_turn|><|user|>is that the other thing that gathers, and then?<|end_of_turn|><|assistant|>"
		"<|end_of_turn|>",
		"the other thing is that it is there"
	};
	/* 300 ordinary tokens, end-of-text and hidden; models have 320 rows. */
	assert_int_equal(tokenizer_turn_markers(tokenizer), 302);
	assert_int_equal(tokenizer_size(tokenizer), 302);
	assert_good(make_shards(state, tokenizer, LINES));
	struct shard_set *set = open_shards(state);
	assert_int_equal(shard_set_facts(set)->learned.markers, 302);
	assert_int_equal(shard_set_facts(set)->vocabulary, 306);
	assert_int_equal(shard_set_documents(set), DOCUMENTS);
	for (int document = 0; document < DOCUMENTS; document++) {
		int64_t count = 0;
		int32_t *ids = read_ids(set, (uint64_t)document, &count);
		uint8_t *expected = malloc((size_t)count), *found = malloc((size_t)count);
		char *text = NULL;
		size_t size;
		assert_good(tokenizer_decode(tokenizer, ids, (size_t)count, &text, &size));
		assert_string_equal(text, texts[document]);
		expect_learned(ids, count, document, expected);
		turns_find_learned(&(struct learned_rule){ .markers = 302 }, 300, ids, count, found);
		assert_memory_equal(found, expected, (size_t)count);
		turns_find_learned(&(struct learned_rule){ 0 }, 300, ids, count,
		                   found); /* a set without conversations */
		for (int64_t i = 0; i < count; i++)
			assert_int_equal(found[i], 1);
		free(ids);
		free(text);
		free(expected);
		free(found);
	}
	shard_set_close(set);
	tokenizer_destroy(tokenizer);
}

/* A conversation that is asked is, to the token, what is learned up to the answer; a line's own system message wins over the common one. */
static void what_is_asked_is_what_is_learned(void **state)
{
	static const struct {
		const char *line, *system;
		int document, markers; /* so many markers of the document are asked, the assistant's included */
	} cases[] = {
		{ "{\"messages\": [{\"role\": \"system\", \"content\": \"the weather\"}, {\"role\": \"user\", \"content\": "
		  "\"<|assistant|> there<|end_of_turn|>\"}]}\n",
		  "another", 0, 5 },
		{ "{\"prompt\": \"<|assistant|> there<|end_of_turn|>\"}\n", "the weather", 0, 5 },
		{ "{\"messages\": [{\"role\": \"user\", \"content\": \"\"}, {\"role\": \"assistant\", \"content\": "
		  "\"the weather gathers and the theme of the other thing is there\"}, "
		  "{\"role\": \"user\", \"content\": \"is that the other thing that gathers, and then?\"}]}\n",
		  "", 1, 7 },
		{ "{\"prompt\": \"\"}\n", "", 1, 3 },
	};
	struct tokenizer *tokenizer = make_tokenizer("cl100k");
	assert_good(make_shards(state, tokenizer, LINES));
	struct shard_set *set = open_shards(state);
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct prompt_set prompts = { 0 };
		const char *path = in_folder(state, "prompts.jsonl");
		int32_t *asked = NULL;
		size_t capacity = 0, used = 0;
		int64_t count = 0, markers = 0;
		int32_t *ids = read_ids(set, (uint64_t)cases[i].document, &count);
		put_file(path, cases[i].line, strlen(cases[i].line));
		assert_good(prompt_set_read(path, "prompt", &prompts));
		assert_good(conversation_encode_prompt(tokenizer, &prompts.prompts[0], cases[i].system, &asked,
		                                       &capacity, &used));
		assert_true((int64_t)used < count);
		assert_memory_equal(asked, ids, used * sizeof *ids);
		for (size_t k = 0; k < used; k++)
			markers += asked[k] >= MARKERS;
		assert_int_equal(markers, cases[i].markers);
		assert_int_equal(asked[used - 1], MARKERS + TURN_ASSISTANT);
		free(asked);
		free(ids);
		prompt_set_clear(&prompts);
	}
	shard_set_close(set);
	tokenizer_destroy(tokenizer);
}

/* Documents in a journal are those of conversations in the next start too, when nothing of the corpus has to be read again. */
static void journals_know_of_conversations(void **state)
{
	struct tokenizer *tokenizer = make_tokenizer("cl100k");
	struct tokenize_plan plan = { .tokenizer = tokenizer,
		                      .folder = in_folder(state, ""),
		                      .block_tokens = 32,
		                      .shard_counts = { 1, 0, 0 },
		                      .identity = "same" };
	struct tokenize_work *work = NULL;
	char broken[sizeof LINES + 8];
	assert_good(text_make_directories(in_folder(state, "kept")));
	plan.kept_folder = in_folder(state, "kept");
	snprintf(broken, sizeof broken, "%s{", LINES);
	struct corpus *corpus = open_lines(state, broken);
	assert_good(tokenize_open(&plan, 0, 1, &work));
	assert_bad(tokenize_run(work, corpus), STATUS_DATA, "corpus.jsonl:4");
	tokenize_close(work);
	corpus_close(corpus);
	/* what is read now is plain text, behind the documents that are kept */
	corpus = open_lines(state, "{\"text\": \"a\"}\n{\"text\": \"b\"}\n{\"text\": \"c\"}\n{\"text\": \"d\"}\n");
	assert_good(tokenize_open(&plan, 0, 1, &work));
	assert_int_equal(tokenize_progress(work)->kept_documents, DOCUMENTS);
	assert_good(tokenize_run(work, corpus));
	tokenize_close(work);
	corpus_close(corpus);
	struct shard_set *set = open_shards(state);
	assert_int_equal(shard_set_documents(set), DOCUMENTS + 1);
	assert_int_equal(shard_set_facts(set)->learned.markers, MARKERS);
	shard_set_close(set);
	tokenizer_destroy(tokenizer);
}

/* Sets without conversations are as they were. */
static void plain_text_has_no_markers(void **state)
{
	struct tokenizer *tokenizer = make_tokenizer("cl100k");
	assert_good(make_shards(state, tokenizer, "{\"text\": \"the <|user|> thing\"}\n"));
	struct shard_set *set = open_shards(state);
	assert_int_equal(shard_set_facts(set)->learned.markers, 0);
	assert_int_equal(shard_set_facts(set)->vocabulary, 302);
	shard_set_close(set);
	struct hdf5_reader *reader = NULL;
	int64_t version;
	assert_good(hdf5_open(in_folder(state, "train-00000.h5"), &reader));
	assert_good(hdf5_read_integer_attribute(reader, "/", "format_version", &version));
	assert_int_equal(version, 2);
	assert_int_equal(hdf5_read_integer_attribute(reader, "/", "turn_markers", &version), STATUS_DATA);
	hdf5_close(reader);
	tokenizer_destroy(tokenizer);
}

/* A vocabulary file of `count` ranks: bytes in an order of their own, then pairs. */
static struct tokenizer *read_ranks(void **state, int count, int stride)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *path = in_folder(state, "made.tiktoken");
	struct tokenizer *tokenizer = NULL;
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	for (int rank = 0; rank < count; rank++) {
		int byte = rank < 256 ? rank * stride % 256 : 'a', next = rank < 256 ? 0 : 'A' + rank - 256;
		fprintf(file, "%c%c%c= %d\n", digits[byte >> 2], digits[(byte & 3) << 4 | next >> 4],
		        rank < 256 ? '=' : digits[(next & 15) << 2], rank);
	}
	assert_int_equal(fclose(file), 0);
	assert_good(tokenizer_read(path, &tokenizer));
	return tokenizer;
}

/* 318 + 2 fill 5 rows of 64, 314 + 2 leave just room enough. A full one has bytes that no text has, F5 and so on, unless these are
 * scattered. */
static void markers_take_what_is_free(void **state)
{
	static const struct {
		int ranks, stride, markers;
	} cases[] = { { 314, 1, 316 }, { 315, 1, 0xF5 }, { 318, 1, 0xF5 }, { 319, 1, 321 },
		      { 318, 255, 1 }, { 314, 37, 316 }, { 318, 37, 0 } };
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct tokenizer *tokenizer = read_ranks(state, cases[i].ranks, cases[i].stride);
		int32_t markers = tokenizer_turn_markers(tokenizer);
		char *text = NULL;
		size_t size;
		assert_int_equal(markers, cases[i].markers);
		if (markers == 0) {
			assert_bad(make_shards(state, tokenizer, LINES), STATUS_DATA, "no ids for the markers");
			tokenizer_destroy(tokenizer);
			continue;
		}
		assert_good(make_shards(state, tokenizer, LINES));
		struct shard_set *set = open_shards(state);
		assert_int_equal(shard_set_facts(set)->learned.markers, markers);
		assert_int_equal(model_config_padded_vocabulary(shard_set_facts(set)->vocabulary),
		                 model_config_padded_vocabulary(tokenizer_size(tokenizer)));
		shard_set_close(set);
		assert_good(tokenizer_decode(tokenizer, (const int32_t[]){ markers + TURN_END }, 1, &text, &size));
		assert_string_equal(text, "<|end_of_turn|>");
		free(text);
		tokenizer_destroy(tokenizer);
	}
}

/* No bytes, whatever they are, become a marker of a full vocabulary. */
static void no_bytes_are_markers(void **state)
{
	struct tokenizer *tokenizer = read_ranks(state, 318, 1);
	int32_t markers = tokenizer_turn_markers(tokenizer);
	struct token_span *spans = NULL;
	size_t capacity = 0, count;
	char bytes[512];
	for (int i = 0; i < 512; i++)
		bytes[i] = (char)(i % 2 ? i / 2 : 255 - i / 2);
	assert_good(tokenizer_encode(tokenizer, bytes, sizeof bytes, &spans, &capacity, &count));
	assert_true(markers > 0 && count > 256);
	for (size_t i = 0; i < count; i++)
		assert_false(turns_is_marker(markers, spans[i].id));
	free(spans);
	tokenizer_destroy(tokenizer);
}

static void wrong_messages_are_named(void **state)
{
	static const char *const wrong[][2] = {
		{ "{\"messages\": 1}", "corpus.jsonl:1: \"messages\" is not an array" },
		{ "{\"messages\": []}", "none of the role assistant" },
		{ "{\"messages\": [{\"role\": \"user\", \"content\": \"the\"}]}", "none of the role assistant" },
		{ "{\"messages\": [{\"role\": \"bot\", \"content\": \"the\"}]}", "message 0 has the role \"bot\"" },
		{ "{\"messages\": [{\"role\": \"end_of_turn\", \"content\": \"the\"}]}", "has the role" },
		{ "{\"messages\": [{\"role\": \"user\"}]}", "message 0 must be an object with two strings" },
		{ "{\"messages\": [\"the\"]}", "message 0 must be an object with two strings" },
		{ "{\"text\": \"the\", \"messages\": [{\"role\": \"assistant\", \"content\": \"the\"}]}", "not both" },
		{ "{\"messages\": [{\"role\": \"assistant\", \"content\": \"the\"}], \"labels\": []}", "\"labels\"" },
		{ "{}", "there are no \"messages\"" },
	};
	for (size_t i = 0; i < COUNT(wrong); i++) {
		struct corpus *corpus = open_lines(state, wrong[i][0]);
		struct document document;
		int found;
		assert_int_equal(corpus_next(corpus, &document, &found), STATUS_DATA);
		if (strstr(error_message(), wrong[i][1]) == NULL)
			fail_msg("%s: %s", wrong[i][0], error_message());
		error_clear();
		corpus_close(corpus);
	}
}

/* Ids that no tokenizer wrote (raw files): a turn that nobody ended is, but the marker of the next is not learned. */
static void odd_documents(void **state)
{
	enum { FIRST = 100, END = FIRST + TURN_END };
	static const struct {
		int32_t ids[8];
		uint8_t learned[8];
	} cases[] = { { { FIRST + TURN_USER, 1, END, FIRST + TURN_ASSISTANT, 2, 3, END, 99 },
		        { 0, 0, 0, 0, 1, 1, 1, 0 } },
		      { { FIRST + TURN_ASSISTANT, 1, FIRST + TURN_USER, 2, END, END, 3, 99 }, { 0, 1, 0 } },
		      { { END, 1, 2, FIRST + TURN_USER, 3, END, 4, 99 }, { 1, 1, 1, 1, 1, 1, 1, 1 } } };
	const struct learned_rule rule = { .markers = FIRST };
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		uint8_t learned[8];
		turns_find_learned(&rule, 99, cases[i].ids, 8, learned);
		assert_memory_equal(learned, cases[i].learned, sizeof learned);
	}
}

#define in_new_folder(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_new_folder(what_is_asked_is_what_is_learned), in_new_folder(markers_are_tokens),
		in_new_folder(journals_know_of_conversations),   in_new_folder(plain_text_has_no_markers),
		in_new_folder(markers_take_what_is_free),        in_new_folder(no_bytes_are_markers),
		in_new_folder(wrong_messages_are_named),         cmocka_unit_test(odd_documents),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
