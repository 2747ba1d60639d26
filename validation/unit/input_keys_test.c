/* The key table is consistent with itself, names are suggested sensibly, and the pages made from it are up to date.
 * SPDX-License-Identifier: Apache-2.0 */
#include "input_fixture.h"

#include "filter/filter.h"
#include "text/gcide_marks.h"

static void test_table_is_consistent(void **state)
{
	(void)state;
	size_t key_count, section_count, section = 0;
	const struct key *table = keys_table(&key_count);
	const struct key_section *sections = keys_sections(&section_count);
	for (size_t i = 0; i < key_count; i++) {
		const struct key *key = &table[i];
		size_t length = strcspn(key->name, "/");
		assert_int_equal(key->name[length], '/');
		/* Sections stand together, in the order of the section table. */
		while (section < section_count && (strlen(sections[section].name) != length ||
		                                   strncmp(sections[section].name, key->name, length) != 0))
			section++;
		assert_true(section < section_count);
		assert_ptr_equal(keys_find(key->name), key);
		assert_int_equal(key->default_text == NULL, (key->flags & KEY_REQUIRED) != 0);
		assert_true(key->type != KEY_CHOICE || key->choices != NULL);
		/* A list of words, each of them a key. */
		for (const char *word = key->instead; word != NULL && *word != 0;) {
			char name[64];
			snprintf(name, sizeof name, "%.*s", (int)strcspn(word, " "), word);
			assert_non_null(keys_find(name));
			word += strcspn(word, " ");
			word += strspn(word, " ");
		}
		assert_true(key->meaning[0] != '\0' && strpbrk(key->meaning, "\n\t") == NULL);
		assert_non_null(key->unit);
		/* -1 stands for auto, so it must not be a value as well. */
		if ((key->flags & KEY_AUTO) != 0) {
			assert_true(key->type == KEY_INTEGER || key->type == KEY_REAL);
			assert_true(key->minimum >= 0 && key->maximum > 0);
		}
		char tasks[128];
		snprintf(tasks, sizeof tasks, "%s", key->tasks);
		for (char *word = strtok(tasks, " "); word != NULL; word = strtok(NULL, " "))
			assert_true(keys_has_word(keys_find("run/task")->choices, word));
	}
	assert_int_equal(section, section_count - 1);
}

/* Each default, written in a file, is accepted and means the same. */
static void test_defaults_can_be_written(void **state)
{
	(void)state;
	size_t count;
	const struct key *table = keys_table(&count);
	struct sweep *plain = parse_good(MINIMAL, 0, NULL);
	for (size_t i = 0; i < count; i++) {
		if (table[i].default_text == NULL)
			continue;
		char override[512];
		const char *overrides[] = { override };
		snprintf(override, sizeof override, "%s=%s", table[i].name, table[i].default_text);
		struct sweep *given = parse_good(MINIMAL, 1, overrides);
		assert_string_equal(parameters_value(sweep_point(plain, 0), table[i].name),
		                    parameters_value(sweep_point(given, 0), table[i].name));
		sweep_destroy(given);
	}
	sweep_destroy(plain);
}

/* What the table offers, the modules that use it understand. */
static void test_values_mean_something(void **state)
{
	(void)state;
	struct gcide_mark_lists *lists = NULL;
	assert_int_equal(gcide_mark_lists_create(keys_find("corpus/forget_marks")->default_text,
	                                         keys_find("corpus/retain_marks")->default_text, &lists),
	                 STATUS_OK);
	gcide_mark_lists_destroy(lists);
	char choices[128];
	snprintf(choices, sizeof choices, "%s", keys_find("filter/method")->choices);
	int count = 0;
	for (char *word = strtok(choices, " "); word != NULL; word = strtok(NULL, " "), count++) {
		enum filter_method method;
		assert_int_equal(filter_method_from_name(word, &method), STATUS_OK);
		assert_int_equal(method, count);
	}
	assert_int_equal(count, FILTER_ROUTE + 1);
}

static void test_nearest(void **state)
{
	(void)state;
	static const struct {
		const char *name, *nearest;
	} cases[] = {
		{ "run/sead", "run/seed" },
		{ "modle/size", "model/size" },
		{ "train/context", "model/context" },
		{ "context", "model/context" },
		{ "filter/treshold", NULL },
		{ "filter/token_treshold", "filter/token_threshold" },
		{ "run/x", NULL },
		{ "", NULL },
		{ "nothing/like/this", NULL },
	};
	for (int i = 0; i < COUNT(cases); i++) {
		const char *nearest = keys_nearest(cases[i].name);
		if (cases[i].nearest == NULL)
			assert_null(nearest);
		else
			assert_string_equal(nearest, cases[i].nearest);
	}
	assert_string_equal(keys_nearest_section("trian"), "train");
	assert_null(keys_nearest_section("x"));
	assert_null(keys_find("seed"));
}

static void test_words(void **state)
{
	(void)state;
	assert_true(keys_has_word("a bc d", "a"));
	assert_true(keys_has_word("a bc d", "bc"));
	assert_true(keys_has_word("a bc d", "d"));
	assert_false(keys_has_word("a bc d", "b"));
	assert_false(keys_has_word("a bc d", "bc d"));
	assert_false(keys_has_word("a bc d", ""));
	assert_false(keys_has_word("", "a"));
}

static void test_help(void **state)
{
	(void)state;
	size_t count;
	const struct key *table = keys_table(&count);
	char *all, *model, *one, *none;
	assert_int_equal(keys_help_text("", &all), STATUS_OK);
	assert_int_equal(keys_help_text("model", &model), STATUS_OK);
	assert_int_equal(keys_help_text("model/size", &one), STATUS_OK);
	assert_non_null(all);
	assert_non_null(model);
	assert_non_null(one);
	for (size_t i = 0; i < count; i++)
		assert_non_null(strstr(all, table[i].meaning));
	assert_non_null(strstr(model, "[model]"));
	assert_non_null(strstr(model, "context = 512   # tokens"));
	assert_null(strstr(model, "learning_rate"));
	assert_non_null(strstr(one, "size = \"\""));
	assert_null(strstr(one, "context"));
	free(all);
	free(model);
	free(one);
	assert_int_equal(keys_help_text("modle", &none), STATUS_USAGE);
	assert_non_null(strstr(error_message(), "no section or key \"modle\"; the sections are: run corpus"));
	assert_int_equal(keys_help_text("device", &none), STATUS_USAGE);
	assert_non_null(strstr(error_message(), "do you mean the key run/device?"));
}

/* What was made before a KEY_LATER came is what is made with its default now. */
static void test_later_keys(void **state)
{
	(void)state;
	const struct key *later = keys_find("evaluate/questions"), *first = keys_find("evaluate/set");
	assert_true(later->flags & KEY_LATER);
	assert_false(keys_tells(later, "finetune", "all"));
	assert_true(keys_tells(later, "finetune", "none"));
	assert_false(keys_tells(later, "tokenize", "none"));
	assert_true(keys_decides(later, "finetune"));
	assert_true(keys_tells(first, "finetune", first->default_text));
}

static char *read_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	if (file == NULL)
		print_error("%s can not be read\n", path);
	assert_non_null(file);
	enum { LIMIT = 1 << 20 };
	char *text = malloc(LIMIT);
	assert_non_null(text);
	size_t size = fread(text, 1, LIMIT - 1, file);
	assert_int_equal(ferror(file), 0);
	fclose(file);
	text[size] = '\0';
	return text;
}

/* docs/parameters.md is what the program prints; CAPSHAPE_SOURCE names the source tree. */
static void test_markdown(void **state)
{
	(void)state;
	size_t count;
	const struct key *table = keys_table(&count);
	char *text = keys_markdown();
	assert_non_null(text);
	for (size_t i = 0; i < count; i++) {
		char cell[128];
		snprintf(cell, sizeof cell, "\n| `%s` | ", strchr(table[i].name, '/') + 1);
		assert_non_null(strstr(text, cell));
	}
	const char *source = getenv("CAPSHAPE_SOURCE");
	if (source != NULL) {
		char path[4096];
		snprintf(path, sizeof path, "%s/docs/parameters.md", source);
		char *page = read_file(path);
		assert_string_equal(page, text);
		free(page);
	}
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table_is_consistent),
		cmocka_unit_test(test_defaults_can_be_written),
		cmocka_unit_test(test_values_mean_something),
		cmocka_unit_test(test_nearest),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_help),
		cmocka_unit_test(test_later_keys),
		cmocka_unit_test(test_markdown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
