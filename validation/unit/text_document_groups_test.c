/* Groups that the user gives to documents: they are found by what token files say of ids, and what is no such file is refused.
 * SPDX-License-Identifier: Apache-2.0 */
#include "storage_fixture.h"

#include "text/corpus.h"
#include "text/document_groups.h"

static const char *write_lines(void **state, const char *lines)
{
	const char *path = in_folder(state, "groups.jsonl");
	assert_good(atomic_file_write(path, lines, strlen(lines)));
	return path;
}

/* The corpus itself, whose documents have these hashes. */
static void groups_are_those_of_the_ids(void **state)
{
	const char *path = write_lines(state, "{\"id\": \"a\", \"text\": \"one\", \"field\": \"neurology\"}\n"
	                                      "\n"
	                                      "{\"id\": 7, \"text\": \"two\", \"field\": \"infection\"}\n"
	                                      "{\"text\": \"three\", \"field\": \"infection\"}\n"
	                                      "{\"id\": \"b\", \"text\": \"four\"}\n"
	                                      "{\"id\": \"a\", \"text\": \"five\", \"field\": \"neurology\"}\n");
	static const char *const expected[5] = { "neurology", "infection", NULL, NULL, "neurology" };
	struct document_groups groups = { 0 };
	struct corpus_options options = { .format = "jsonl" };
	struct corpus *corpus;
	struct document document;
	int found;
	assert_good(document_groups_read(path, "field", &groups));
	assert_int_equal(groups.name_count, 2);
	assert_int_equal(groups.id_count, 2);
	assert_good(corpus_open(&path, 1, &options, &corpus));
	for (int i = 0; i < 5; i++) {
		assert_good(corpus_next(corpus, &document, &found));
		assert_true(found);
		int name = document_groups_find(&groups, document.group);
		if (expected[i] == NULL)
			assert_int_equal(name, -1);
		else
			assert_string_equal(groups.names[name], expected[i]);
	}
	corpus_close(corpus);
	assert_int_equal(document_groups_find_name(&groups, "infection"), 1);
	assert_int_equal(document_groups_find_name(&groups, "oncology"), -1);
	document_groups_clear(&groups);
}

static void the_hash_is_of_what_is_said(void **state)
{
	struct document_groups one = { 0 }, same = { 0 }, other = { 0 };
	assert_good(document_groups_read(
		write_lines(state, "{\"id\": 1, \"group\": \"a\"}\n{\"id\": 2, \"group\": \"b\"}"), "group", &one));
	assert_good(document_groups_read(
		write_lines(state, "{\"group\": \"a\", \"id\": 1, \"x\": 3}\n{\"id\": 2, \"group\": \"b\"}\n"), "group",
		&same));
	assert_good(document_groups_read(
		write_lines(state, "{\"id\": 1, \"group\": \"a\"}\n{\"id\": 3, \"group\": \"b\"}"), "group", &other));
	assert_string_equal(one.hash, same.hash);
	assert_string_not_equal(one.hash, other.hash);
	document_groups_clear(&one);
	document_groups_clear(&same);
	document_groups_clear(&other);
}

static void bad_files_are_refused(void **state)
{
	static const struct {
		const char *lines, *words;
	} cases[] = {
		{ "{\"id\": \"a\", \"group\": \"x\"}\n{\"id\": \"a\", \"group\": \"y\"}\n", "two groups, x and y" },
		{ "{\"id\": \"a\", \"group\": \"x\"}\n[1]\n", "groups.jsonl:2: a line must be a JSON object" },
		{ "{\"id\": \"a\", \"group\": 3}\n", "groups.jsonl:1: \"group\" is not the name of a group" },
		{ "{\"id\": true, \"group\": \"x\"}\n", "\"id\" is neither a string nor a whole number" },
		{ "{\"id\": \"a\", \"grop\": \"x\"}\n", "no line with both \"id\" and \"group\" (probe/group_key)" },
		{ "{\"id\": \"a\"", "groups.jsonl:1: not JSON" },
	};
	struct document_groups groups = { 0 };
	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_bad(document_groups_read(write_lines(state, cases[i].lines), "group", &groups), STATUS_DATA,
		           cases[i].words);
		document_groups_clear(&groups);
	}
	assert_bad(document_groups_read(in_folder(state, "nowhere"), "group", &groups), STATUS_DATA, "nowhere");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(groups_are_those_of_the_ids, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(the_hash_is_of_what_is_said, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(bad_files_are_refused, make_folder, remove_folder),
	};
	return cmocka_run_group_tests_name("text_document_groups", tests, NULL, NULL);
}
