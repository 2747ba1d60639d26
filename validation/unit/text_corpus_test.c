/* Reading corpora: JSON lines plain and compressed, text, a small dictionary, and what is refused.
 * SPDX-License-Identifier: Apache-2.0 */
#include "validation/unit/storage_fixture.h"

#include <zlib.h>
#include <zstd.h>

#include "text/corpus.h"
#include "text/label_findings.h"

static const char THREE[] = "{\"text\": \"caf\\u00e9 one\", \"domain\": \"forget\", \"id\": \"first\"}\n"
			    "\r\n"
			    "{\"text\": \"two\", \"labels\": [{\"begin\": 1, \"end\": 3, \"domain\": \"retain\"},"
			    " {\"begin\": 0, \"end\": 1, \"domain\": \"forget\"}], \"id\": 17}\r\n"
			    "{\"text\": \"three\", \"other\": [1]}";

static enum status open_one(const char *path, const char *format, struct corpus **corpus)
{
	const struct corpus_options options = { .format = format };
	return corpus_open(&path, 1, &options, corpus);
}

static void put_text(const char *path, const char *text)
{
	put_file(path, text, strlen(text));
}

static void put_gzip(const char *path, const void *bytes, size_t size)
{
	gzFile file = gzopen(path, "wb");
	assert_non_null(file);
	assert_int_equal(gzwrite(file, bytes, (unsigned)size), size);
	assert_int_equal(gzclose(file), Z_OK);
}

/* Two frames, as parallel compressors write them. */
static void put_zstandard(const char *path, const char *bytes, size_t size)
{
	size_t bound = 2 * ZSTD_compressBound(size), half = size / 2;
	char *out = malloc(bound);
	assert_non_null(out);
	size_t used = ZSTD_compress(out, bound, bytes, half, 3);
	used += ZSTD_compress(out + used, bound - used, bytes + half, size - half, 3);
	put_file(path, out, used);
	free(out);
}

static void check_three(const char *path)
{
	struct corpus *corpus = NULL;
	struct document document;
	int found;
	assert_good(open_one(path, "auto", &corpus));
	assert_good(corpus_next(corpus, &document, &found));
	assert_true(found);
	assert_int_equal(document.size, 9);
	assert_memory_equal(document.text, "caf\xc3\xa9 one", 9);
	assert_string_equal(document.key, "first");
	assert_int_equal(document.domain, DOMAIN_FORGET);
	assert_int_equal(document.labels, LABELS_DOCUMENT);
	assert_int_equal(document.span_count, 0);
	assert_int_equal(document.number, 0);

	assert_good(corpus_next(corpus, &document, &found));
	assert_true(found);
	assert_string_equal(document.key, "17");
	assert_int_equal(document.labels, LABELS_TOKEN);
	assert_int_equal(document.span_count, 2);
	assert_int_equal(document.spans[0].end, 1);
	assert_int_equal(document.spans[0].domain, DOMAIN_FORGET);
	assert_int_equal(document.spans[1].begin, 1);
	/* One byte of three is forget, two are retain. */
	assert_int_equal(document.domain, DOMAIN_RETAIN);

	assert_good(corpus_next(corpus, &document, &found));
	assert_true(found);
	assert_string_equal(document.key, "2");
	assert_int_equal(document.domain, DOMAIN_UNLABELLED);
	assert_int_equal(document.outside, DOMAIN_UNLABELLED);
	assert_int_equal(document.labels, LABELS_NONE);
	assert_int_equal(document.number, 2);
	assert_good(corpus_next(corpus, &document, &found));
	assert_false(found);
	assert_good(corpus_next(corpus, &document, &found));
	assert_false(found);
	corpus_close(corpus);
}

static void json_lines_in_every_packing(void **state)
{
	const char *plain = in_folder(state, "a.jsonl"), *gzip = in_folder(state, "a.jsonl.gz");
	const char *zstandard = in_folder(state, "a.jsonl.zst");
	put_text(plain, THREE);
	put_gzip(gzip, THREE, sizeof THREE - 1);
	put_zstandard(zstandard, THREE, sizeof THREE - 1);
	check_three(plain);
	check_three(gzip);
	check_three(zstandard);
}

/* Lines longer than any buffer inside. */
static void long_lines(void **state)
{
	enum { SIZE = 300000, LINES = 4 };
	const char *path = in_folder(state, "long.jsonl.gz");
	char *bytes = malloc((SIZE + 20) * LINES);
	assert_non_null(bytes);
	size_t used = 0;
	for (int line = 0; line < LINES; line++) {
		used += (size_t)sprintf(bytes + used, "{\"text\": \"");
		memset(bytes + used, 'a' + line, SIZE);
		used += SIZE;
		used += (size_t)sprintf(bytes + used, "\"}\n");
	}
	put_gzip(path, bytes, used);
	struct corpus *corpus = NULL;
	struct document document;
	int found;
	assert_good(open_one(path, "auto", &corpus));
	for (int line = 0; line < LINES; line++) {
		assert_good(corpus_next(corpus, &document, &found));
		assert_int_equal(document.size, SIZE);
		assert_int_equal(document.text[0], 'a' + line);
		assert_int_equal(document.text[SIZE - 1], 'a' + line);
	}
	assert_good(corpus_next(corpus, &document, &found));
	assert_false(found);
	corpus_close(corpus);
	free(bytes);
}

static void broken_records_are_named(void **state)
{
	static const struct {
		const char *line, *words;
	} cases[] = {
		{ "{\"text\": \"x\"", "not JSON" },
		{ "[1]", "JSON object" },
		{ "{\"txt\": \"x\"}", "\"text\" is missing" },
		{ "{\"text\": 5}", "\"text\" is missing" },
		{ "{\"text\": \"x\", \"domain\": \"forgotten\"}", "\"forgotten\" is not a domain" },
		{ "{\"text\": \"x\", \"domain\": 3}", "not a string" },
		{ "{\"text\": \"x\", \"id\": []}", "\"id\"" },
		{ "{\"text\": \"x\", \"labels\": 3}", "not an array" },
		{ "{\"text\": \"x\", \"labels\": [{\"begin\": 0}]}", "\"begin\" and \"end\"" },
		{ "{\"text\": \"x\", \"labels\": [{\"begin\": 0, \"end\": 2, \"domain\": \"forget\"}]}",
		  "the text has 1 bytes" },
		{ "{\"text\": \"x\", \"labels\": [{\"begin\": -1, \"end\": 1, \"domain\": \"forget\"}]}", "bytes -1" },
		{ "{\"text\": \"x\", \"labels\": [{\"begin\": 0, \"end\": 1}]}", "domain" },
		{ "{\"text\": \"xyz\", \"labels\": [{\"begin\": 0, \"end\": 2, \"domain\": \"forget\"},"
		  " {\"begin\": 1, \"end\": 3, \"domain\": \"retain\"}]}",
		  "overlap at byte 1" },
		{ "{\"text\": \"\u00e9t\u00e9\", \"labels\": [{\"begin\": 0, \"end\": 4, \"domain\": \"forget\"}]}",
		  "label 0 begins or ends at byte 4, inside a character" },
		{ "{\"text\": \"\u00e9\", \"labels\": [{\"begin\": 1, \"end\": 2, \"domain\": \"forget\"}]}",
		  "corpus/label_offsets = characters" },
		{ "{\"text\": \"x\", \"labels\": [{\"begin\": 0, \"end\": 1, \"domain\": \"unlabelled\"}]}",
		  "only a whole document" },
		{ "{\"text\": \"x\", \"domain\": \"unlabelled\", \"labels\": []}", "but also \"labels\"" },
		{ "{\"text\": \"\xff\"}", "not JSON" },
		{ "{\"text\": \"x\", \"text\": \"y\"}", "not JSON" },
	};
	const char *path = in_folder(state, "bad.jsonl");
	for (size_t i = 0; i < COUNT(cases); i++) {
		char *text = text_format("{\"text\": \"good\"}\n%s\n", cases[i].line);
		struct corpus *corpus = NULL;
		struct document document;
		int found;
		put_text(path, text);
		assert_good(open_one(path, "jsonl", &corpus));
		assert_good(corpus_next(corpus, &document, &found));
		enum status status = corpus_next(corpus, &document, &found);
		assert_non_null(strstr(error_message(), "bad.jsonl:2"));
		assert_bad(status, STATUS_DATA, cases[i].words);
		corpus_close(corpus);
		free(text);
	}
}

/* What a document and its bytes outside spans are, by what a line says. */
static void lines_say_domains(void **state)
{
	static const struct {
		const char *keys;
		int labels;
		enum domain domain, outside;
	} cases[] = {
		{ "", LABELS_NONE, DOMAIN_UNLABELLED, DOMAIN_UNLABELLED },
		{ ", \"domain\": null, \"labels\": null", LABELS_NONE, DOMAIN_UNLABELLED, DOMAIN_UNLABELLED },
		{ ", \"domain\": \"unlabelled\"", LABELS_NONE, DOMAIN_UNLABELLED, DOMAIN_UNLABELLED },
		{ ", \"domain\": \"forget\"", LABELS_DOCUMENT, DOMAIN_FORGET, DOMAIN_FORGET },
		{ ", \"domain\": \"unmarked\"", LABELS_DOCUMENT, DOMAIN_UNMARKED, DOMAIN_UNMARKED },
		{ ", \"domain\": \"retain\", \"labels\": []", LABELS_TOKEN, DOMAIN_RETAIN, DOMAIN_RETAIN },
		{ ", \"domain\": \"forget\", \"labels\": []", LABELS_TOKEN, DOMAIN_FORGET, DOMAIN_UNMARKED },
		{ ", \"domain\": \"mixed\", \"labels\": []", LABELS_TOKEN, DOMAIN_MIXED, DOMAIN_UNMARKED },
		{ ", \"labels\": []", LABELS_TOKEN, DOMAIN_UNMARKED, DOMAIN_UNMARKED },
		/* The text has ten bytes. */
		{ ", \"labels\": [{\"begin\": 0, \"end\": 4, \"domain\": \"forget\"}]", LABELS_TOKEN, DOMAIN_UNMARKED,
		  DOMAIN_UNMARKED },
		{ ", \"labels\": [{\"begin\": 0, \"end\": 5, \"domain\": \"forget\"}]", LABELS_TOKEN, DOMAIN_FORGET,
		  DOMAIN_UNMARKED },
		{ ", \"labels\": [{\"begin\": 0, \"end\": 4, \"domain\": \"retain\"}]", LABELS_TOKEN, DOMAIN_OTHER,
		  DOMAIN_UNMARKED },
	};
	const char *path = in_folder(state, "says.jsonl");
	for (size_t i = 0; i < COUNT(cases); i++) {
		char *text = text_format("{\"text\": \"0123456789\"%s}\n", cases[i].keys);
		struct corpus *corpus = NULL;
		struct document document;
		int found;
		put_text(path, text);
		assert_good(open_one(path, "jsonl", &corpus));
		assert_good(corpus_next(corpus, &document, &found));
		assert_int_equal(document.labels, cases[i].labels);
		assert_int_equal(document.domain, cases[i].domain);
		assert_int_equal(document.outside, cases[i].outside);
		corpus_close(corpus);
		free(text);
	}
}

/* "\u03b2-x \u2013 y \U0001F600z" has 9 characters and 15 bytes. */
static void offsets_may_count_characters(void **state)
{
	static const char line[] = "{\"text\": \"\\u03b2-x \\u2013 y\\ud83d\\ude00z\", \"labels\": [%s]}\n";
	static const char *const spans[] = {
		"{\"begin\": 4, \"end\": 5, \"domain\": \"forget\"}, {\"begin\": 7, \"end\": 9, \"domain\": \"retain\"}",
		"{\"begin\": 0, \"end\": 10, \"domain\": \"forget\"}",
	};
	const char *path = in_folder(state, "characters.jsonl");
	const struct corpus_options options = { .format = "jsonl", .label_characters = true };
	struct corpus *corpus = NULL;
	struct document document;
	int found;
	for (size_t i = 0; i < COUNT(spans); i++) {
		char *text = text_format(line, spans[i]);
		put_text(path, text);
		assert_good(corpus_open(&path, 1, &options, &corpus));
		enum status status = corpus_next(corpus, &document, &found);
		if (i > 0) {
			assert_bad(status, STATUS_DATA, "characters 0 to 10, but the text has 9 characters");
		} else {
			assert_good(status);
			assert_int_equal(document.size, 15);
			assert_int_equal(document.spans[0].begin, 5);
			assert_int_equal(document.spans[0].end, 8);
			assert_int_equal(document.spans[1].begin, 10);
			assert_int_equal(document.spans[1].end, 15);
		}
		corpus_close(corpus);
		free(text);
	}
}

static void what_looks_wrong_is_counted(void **state)
{
	const char *path = in_folder(state, "keys.jsonl");
	struct corpus *corpus = NULL;
	struct document document;
	int found = 1;
	put_text(path, "{\"text\": \"a\", \"domain\": \"retain\", \"language\": \"en\", \"main\": 1, \"lab\": 2}\n"
	               "{\"text\": \"b\", \"Domains\": \"forget\"}\n"
	               "{\"text\": \"c\", \"label\": []}\n"
	               "{\"text\": \"d\", \"lables\": []}\n"
	               "{\"text\": \"e\", \"label\": []}\n"
	               "{\"text\": \"f\", \"labels\": [], \"label_source\": \"x\"}\n");
	assert_good(open_one(path, "jsonl", &corpus));
	while (found)
		assert_good(corpus_next(corpus, &document, &found));
	const struct label_findings *findings = corpus_findings(corpus);
	assert_int_equal(findings->labelled, 2);
	assert_int_equal(findings->unlabelled, 4);
	assert_non_null(strstr(findings->first_unlabelled, "keys.jsonl:2"));
	static const struct {
		const char *name, *first;
		uint64_t count;
	} expected[] = { { "Domains", "keys.jsonl:2", 1 },
		         { "label", "keys.jsonl:3", 2 },
		         { "lables", "keys.jsonl:4", 1 } };
	assert_int_equal(findings->key_count, COUNT(expected));
	for (size_t i = 0; i < COUNT(expected); i++) {
		assert_string_equal(findings->keys[i].name, expected[i].name);
		assert_non_null(strstr(findings->keys[i].first, expected[i].first));
		assert_int_equal(findings->keys[i].count, expected[i].count);
	}
	corpus_close(corpus);
}

static enum status read_all(const char *path, size_t *count)
{
	struct corpus *corpus = NULL;
	struct document document;
	int found = 1;
	*count = 0;
	enum status status = open_one(path, "auto", &corpus);
	while (status == STATUS_OK && found) {
		status = corpus_next(corpus, &document, &found);
		*count += status == STATUS_OK && found;
	}
	if (corpus != NULL)
		corpus_close(corpus);
	return status;
}

static void cut_off_files_are_refused(void **state)
{
	const char *packed[] = { in_folder(state, "cut.jsonl.gz"), in_folder(state, "cut.jsonl.zst") };
	const char *damaged = in_folder(state, "damaged.jsonl.zst");
	size_t size, count;
	put_gzip(packed[0], THREE, sizeof THREE - 1);
	put_zstandard(packed[1], THREE, sizeof THREE - 1);
	char *bytes = whole_file(packed[1], &size);
	bytes[0] ^= 1;
	put_file(damaged, bytes, size);
	free(bytes);
	assert_bad(read_all(damaged, &count), STATUS_DATA, "damaged.jsonl.zst is damaged");
	for (size_t i = 0; i < 2; i++) {
		bytes = whole_file(packed[i], &size);
		put_file(packed[i], bytes, size - 5);
		free(bytes);
		assert_bad(read_all(packed[i], &count), STATUS_DATA, "cut off");
	}
}

static void folders_are_read_by_name(void **state)
{
	put_text(in_folder(state, "b.txt"), "second");
	put_text(in_folder(state, "a.jsonl"), "{\"text\": \"first\"}\n");
	put_text(in_folder(state, "c.txt"), "");
	put_gzip(in_folder(state, "d.txt.gz"), "third\nwith lines\n", 17);
	put_text(in_folder(state, ".hidden"), "never");
	struct corpus *corpus = NULL;
	struct document document;
	int found;
	assert_good(open_one(*state, "auto", &corpus));
	static const char *const expected[] = { "first", "second", "third\nwith lines\n" };
	for (size_t i = 0; i < COUNT(expected); i++) {
		assert_good(corpus_next(corpus, &document, &found));
		assert_true(found);
		assert_int_equal(document.size, strlen(expected[i]));
		assert_memory_equal(document.text, expected[i], document.size);
		assert_int_equal(document.number, i);
	}
	assert_good(corpus_next(corpus, &document, &found));
	assert_false(found);
	corpus_close(corpus);
}

static void wrong_paths_are_named(void **state)
{
	struct corpus *corpus = NULL;
	put_text(in_folder(state, "table.csv"), "x");
	assert_bad(open_one(in_folder(state, "none.jsonl"), "auto", &corpus), STATUS_DATA, "none.jsonl");
	assert_bad(open_one(in_folder(state, "table.csv"), "auto", &corpus), STATUS_DATA, "table.csv: the kind");
	assert_bad(open_one(in_folder(state, "table.csv"), "csv", &corpus), STATUS_USAGE,
	           "\"csv\" is not a corpus format");
	const struct corpus_options options = { .format = "auto" };
	assert_bad(corpus_open(NULL, 0, &options, &corpus), STATUS_USAGE, "at least one file");
	const struct corpus_options bad = { .format = "auto", .forget_marks = "Nothing." };
	const char *path = in_folder(state, "table.csv");
	assert_bad(corpus_open(&path, 1, &bad, &corpus), STATUS_USAGE, "Nothing.");
}

static void put_dictionary(void **state, const char *index)
{
	static const char text[] =
		"notice\nnewt \\Newt\\, n. (Zool.)\n   An animal.\nNewt \\Newt\\, v.\n   To creep.\n";
	put_gzip(in_folder(state, "gcide.dict.dz"), text, sizeof text - 1);
	put_text(in_folder(state, "gcide.index"), index);
}

static void dictionary_places_are_documents(void **state)
{
	/* In base 64: H 7, m 38, t 45, d 29; "newt", "eft" and "water newt" are one place. */
	put_dictionary(state, "00-database-info\tA\tH\neft\tH\tm\nnewt\tH\tm\nnewt\tt\td\nwater newt\tH\tm\n");
	const char *path = *state;
	const struct corpus_options options = { .format = "auto", .retain_marks = "Zool." };
	struct corpus *corpus = NULL;
	struct document document;
	int found;
	assert_good(corpus_open(&path, 1, &options, &corpus));
	assert_good(corpus_next(corpus, &document, &found));
	assert_string_equal(document.text, "newt, n.\nAn animal.");
	assert_string_equal(document.key, "newt");
	assert_int_equal(document.domain, DOMAIN_RETAIN);
	assert_int_equal(document.labels, LABELS_TOKEN);
	assert_int_equal(document.span_count, 1);
	assert_int_equal(document.spans[0].end, document.size);
	assert_good(corpus_next(corpus, &document, &found));
	assert_string_equal(document.text, "Newt, v.\nTo creep.");
	assert_string_equal(document.key, "newt");
	assert_int_equal(document.domain, DOMAIN_UNMARKED);
	assert_good(corpus_next(corpus, &document, &found));
	assert_false(found);
	corpus_close(corpus);
}

static void damaged_indexes_are_named(void **state)
{
	size_t count;
	put_dictionary(state, "newt\tH\tm\neft H m\n");
	assert_bad(read_all(*state, &count), STATUS_DATA, "gcide.index:2");
	put_dictionary(state, "newt\tH\t!\n");
	assert_bad(read_all(*state, &count), STATUS_DATA, "gcide.index:1");
	put_dictionary(state, "newt\tH\tBA\n\n");
	assert_bad(read_all(*state, &count), STATUS_DATA, "gcide.index:2");
	put_dictionary(state, "newt\tH\tCA\n");
	assert_bad(read_all(*state, &count), STATUS_DATA, "behind the end");
	put_dictionary(state, "00-database-info\tA\tH\n");
	assert_bad(read_all(*state, &count), STATUS_DATA, "no entries");
	assert_int_equal(unlink(in_folder(state, "gcide.index")), 0);
	assert_bad(read_all(*state, &count), STATUS_DATA, "gcide.index");
}

/* Equal ids belong together; without an id a document belongs to no other, whatever number it has. */
static void ids_make_groups(void **state)
{
	static const char text[] =
		"{\"text\": \"a\", \"id\": \"book\"}\n{\"text\": \"b\"}\n{\"text\": \"c\", \"id\": 1}\n"
		"{\"text\": \"d\", \"id\": \"book\"}\n{\"text\": \"e\", \"id\": \"1\"}\n";
	enum { LINES = 5 };
	uint64_t groups[LINES];
	struct corpus *corpus = NULL;
	put_text(in_folder(state, "a.jsonl"), text);
	assert_good(open_one(in_folder(state, "a.jsonl"), "auto", &corpus));
	for (int i = 0; i < LINES; i++) {
		struct document document;
		int found;
		assert_good(corpus_next(corpus, &document, &found));
		assert_true(found);
		groups[i] = document.group;
	}
	corpus_close(corpus);
	assert_true(groups[0] == groups[3]);
	assert_true(groups[2] == groups[4]);
	assert_true(groups[0] != groups[1] && groups[1] != groups[2] && groups[0] != groups[2]);
}

static void domain_names(void **state)
{
	(void)state;
	for (int i = 0; i < DOMAIN_COUNT; i++) {
		enum domain domain = DOMAIN_COUNT;
		assert_good(domain_from_name(domain_name((enum domain)i), &domain));
		assert_int_equal(domain, i);
	}
	assert_true(domain_has_label(DOMAIN_RETAIN, DOMAIN_RETAIN) && domain_has_label(DOMAIN_MIXED, DOMAIN_MIXED));
	assert_true(domain_has_label(DOMAIN_MIXED, DOMAIN_FORGET));
	assert_false(domain_has_label(DOMAIN_RETAIN, DOMAIN_FORGET) || domain_has_label(DOMAIN_FORGET, DOMAIN_MIXED));
	enum domain domain;
	assert_bad(domain_from_name("", &domain), STATUS_DATA, "not a domain");
}

#define in_new_folder(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_new_folder(json_lines_in_every_packing),
		in_new_folder(long_lines),
		in_new_folder(broken_records_are_named),
		in_new_folder(lines_say_domains),
		in_new_folder(offsets_may_count_characters),
		in_new_folder(what_looks_wrong_is_counted),
		in_new_folder(cut_off_files_are_refused),
		in_new_folder(folders_are_read_by_name),
		in_new_folder(wrong_paths_are_named),
		in_new_folder(dictionary_places_are_documents),
		in_new_folder(damaged_indexes_are_named),
		cmocka_unit_test(domain_names),
		in_new_folder(ids_make_groups),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
