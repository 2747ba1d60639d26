/* Every kind of error in an input file: the message names file, line, key, and what to write instead.
 * SPDX-License-Identifier: Apache-2.0 */
#include "input_fixture.h"

/* Text that follows MINIMAL (which has 5 lines), and words of the message. */
static const struct {
	const char *more, *words;
} cases[] = {
	{ "[train]\nbeta3 = 1\n", "test.in:7: train/beta3: unknown key; did you mean train/beta1?" },
	{ "[train]\nwidth = 64\n", "test.in:7: train/width: unknown key; did you mean model/width?" },
	{ "[train]\nmomentum = 64\n", "test.in:7: train/momentum: unknown key; --help keys lists" },
	{ "[trian]\nbeta1 = 0.9\n", "test.in:6: [trian]: unknown section" },
	{ "[trian]\n", "did you mean [train]?" },
	{ "[train\nbeta1 = 0.9\n", "test.in:6: a section is written [name]" },
	{ "[train] beta1 = 0.9\n", "test.in:6: a section is written [name]" },
	{ "[]\n", "test.in:6: a section is written [name]" },
	{ "[train]\nbeta1\n", "test.in:7: neither [section] nor key = value nor # comment" },
	{ "[train]\n= 3\n", "test.in:7: neither [section] nor key = value" },
	{ "[train]\nbeta1 = 0.9\n\nbeta1 = 0.8\n", "test.in:9: train/beta1: given twice, here and in line 7" },
	{ "[train]\nbeta1 =\n", "test.in:7: train/beta1: has no value" },
	{ "[train]\nbeta1 = # nothing\n", "test.in:7: train/beta1: has no value" },
	{ "[train]\nbeta1 = 1.5\n", "test.in:7: train/beta1: \"1.5\" is out of range: must be 0 to 1" },
	{ "[train]\nbeta1 = -0.1\n", "test.in:7: train/beta1: \"-0.1\" is out of range" },
	{ "[train]\nbeta1 = nan\n", "test.in:7: train/beta1: \"nan\" is not a number such as 0.1 or 3e-4" },
	{ "[train]\nbeta1 = auto\n", "test.in:7: train/beta1: \"auto\" is not a number" },
	{ "[train]\nbeta1 = 0.9k\n", "test.in:7: train/beta1: \"0.9k\" is not a number" },
	{ "[train]\nlearning_rate = 1e400\n", "\"1e400\" is too large for a number" },
	{ "[train]\nlearning_rate = 1e-400\n", "\"1e-400\" is too small for a number" },
	{ "[train]\nsequences = 1.5\n", "test.in:7: train/sequences: \"1.5\" is not a whole number" },
	{ "[train]\nsequences = 0\n", "test.in:7: train/sequences: \"0\" is out of range: must be 1 to 16777216" },
	{ "[train]\ntokens = -1\n", "\"-1\" is out of range: must be at least 1 (or auto)" },
	{ "[train]\ntokens = automatic\n", "\"automatic\" is not a whole number such as 1500, 1.5k or 64Ki (or auto)" },
	{ "[filter]\ntoken_threshold = balance\n",
	  "\"balance\" is not a number such as 0.1 or 3e-4 (or auto, balanced)" },
	{ "[filter]\ntoken_threshold = 2\n", "\"2\" is out of range: must be 0 to 1 (or auto, balanced)" },
	{ "[filter]\nshare = balanced\n", "\"balanced\" is not a number such as 0.1 or 3e-4 (or auto)" },
	{ "[train]\ntokens = 99999999999999999999\n", "is too large for a number" },
	{ "[train]\ntokens = 9007199254740993000\n", "is out of range: must be 1 to 9.007199255e+15" },
	{ "[train]\nschedule = cosin\n", "\"cosin\" is not one of: cosine constant linear wsd; did you mean cosine?" },
	{ "[train]\nschedule = \"\"\n", "test.in:7: train/schedule: \"\" is not one of: cosine" },
	{ "[train]\nschedule = cosine constant\n", "\"cosine constant\" is not one of" },
	{ "[train]\ndocument_attention = 1\n", "test.in:7: train/document_attention: \"1\" is not on or off" },
	{ "[train]\nbeta1 = \"0.9\n", "test.in:7: train/beta1: the closing quote is missing" },
	{ "[train]\nbeta1 = \"0.9\\n\"\n", "test.in:7: train/beta1: a backslash between quotes" },
	{ "[train]\nbeta1 = \"0.9\" 0.8\n", "test.in:7: train/beta1: text right after a closing quote" },
	{ "[train]\nbeta1 = 0.\"9\"\n", "test.in:7: train/beta1: a quote in the middle of a value" },
	{ "[train]\nbeta1 = 0.9,, 0.8\n", "test.in:7: train/beta1: an entry beside a comma is missing" },
	{ "[train]\nbeta1 = 0.9,\n", "test.in:7: train/beta1: an entry beside a comma is missing" },
	{ "[train]\nbeta1 = ,0.9\n", "test.in:7: train/beta1: an entry beside a comma is missing" },
	{ "[train]\nbeta1 = 0.9\x01\n", "test.in:7: the line holds a control character (byte 0x01)" },
	{ "[train]\rbeta1 = 0.9\n", "test.in:6: the line holds a control character (byte 0x0d)" },
	{ "[evaluate]\ndomains = forget, retain\n",
	  "test.in:7: evaluate/domains: the words of a list are separated by blanks" },
	{ "[evaluate]\ndomains = forget retains\n",
	  "\"retains\" is not one of: unmarked forget retain other hard mixed unlabelled" },
	{ "[evaluate]\ndomains = forget \"\"\n", "test.in:7: evaluate/domains: the list has an empty word" },
	{ "[evaluate]\ndomains = \"forget\"retain\n", "test.in:7: evaluate/domains: text right after a closing quote" },
	{ "[train]\nbeta1 = 0.9, 0.9\n", "test.in: two points have the name \"beta1=0.9\"" },
	{ "[train]\nbeta1 = 0.9, 9e-1\n", "test.in: two points have the name \"beta1=0.9\"" },
	{ "[model]\nsize = a/b, a_b\n", "test.in: two points have the name \"size=a_b\"" },
	{ "[run]\ntimeout = 1, 2\n", "test.in:7: run/timeout: takes one value" },
	{ "[tokenize]\nshards = 1, 2\n",
	  "test.in:7: tokenize/shards can not be an axis: the task pretrain does not read it" },
	{ "[train]\ntrain/beta1 = 0.9\n", "test.in:7: train/beta1: in a file the section stands above" },
	{ "[sweep]\nzip = train/beta1\n", "test.in:7: sweep/zip: names one axis" },
	{ "[train]\nbeta1 = 0.1, 0.2\nbeta2 = 0.1, 0.2\n[sweep]\nzip = train/beta1 train/beta2 and\n",
	  "test.in:10: sweep/zip: names no axis beside \"and\"" },
	{ "[sweep]\nzip = run/seed train/beta2\n[run]\nseed = 1, 2\n",
	  "test.in:7: sweep/zip: train/beta2 is not an axis: give it a comma-separated list" },
	{ "[sweep]\nzip = run/seed train/beta\n[run]\nseed = 1, 2\n",
	  "test.in:7: sweep/zip: train/beta is not a key; did you mean train/beta1?" },
	{ "[train]\nbeta1 = 0.1, 0.2\n[sweep]\nzip = train/beta1 train/beta1\n",
	  "sweep/zip: train/beta1 is named twice" },
	{ "[train]\nbeta1 = 0.1, 0.2\nbeta2 = 0.1, 0.2, 0.3\n[sweep]\nzip = train/beta1 train/beta2\n",
	  "test.in:10: sweep/zip: train/beta1 has 2 values but train/beta2 has 3" },
};

static void test_message_of_each_error(void **state)
{
	(void)state;
	for (int i = 0; i < COUNT(cases); i++) {
		char *text = with_minimal(cases[i].more);
		parse_bad(text, NULL, cases[i].words);
		/* One error is reported once, on one line. */
		if (strchr(error_message(), '\n') != NULL)
			print_error("%s\n", error_message());
		assert_null(strchr(error_message(), '\n'));
		free(text);
	}
}

static void test_overrides(void **state)
{
	(void)state;
	static const struct {
		const char *override, *words;
	} bad[] = {
		{ "train/beta3=1", "command line: train/beta3: unknown key; did you mean train/beta1?" },
		{ "beta1=1", "command line: beta1: unknown key; did you mean train/beta1?" },
		{ "train/beta1", "command line: train/beta1: not of the form section/key=value" },
		{ "", "command line: not of the form section/key=value" },
		{ "=3", "command line: =3: not of the form section/key=value" },
		{ "train/beta1=", "command line: train/beta1: has no value" },
		{ "train/beta1=2", "command line: train/beta1: \"2\" is out of range" },
		{ "train/beta1=0.9 # rather", "command line: train/beta1: \"0.9 # rather\" is not a number" },
		{ "run/output=a\nb", "command line: run/output: the value holds a control character" },
		{ "run/task=tokenize,pretrain", "command line: run/task: takes one value: it can not be an axis" },
		{ "run/output=", "command line: run/output: the path is empty" },
	};
	for (int i = 0; i < COUNT(bad); i++)
		parse_bad(MINIMAL, bad[i].override, bad[i].words);
}

/* A value that was refused still counts as given. */
static void test_bad_value_given_twice(void **state)
{
	(void)state;
	parse_bad(MINIMAL "[train]\nbeta1 = x\nbeta1 = 0.8\n", NULL,
	          "test.in:8: train/beta1: given twice, here and in line 7");
	parse_bad(MINIMAL "[train]\nbeta1 = x\nbeta1 = 0.8\n", NULL, "test.in:7: train/beta1: \"x\" is not a number");
}

static void test_override_given_twice(void **state)
{
	(void)state;
	static const char *const overrides[] = { "train/beta1=0.5", "train/beta1=0.6" };
	struct sweep *sweep = NULL;
	assert_int_equal(sweep_parse("test.in", MINIMAL, 2, overrides, &sweep), STATUS_USAGE);
	assert_string_equal(error_message(), "command line: train/beta1: given twice; keep one");
}

static void test_required(void **state)
{
	(void)state;
	parse_bad("", NULL, "test.in: run/task is missing");
	parse_bad("", NULL, "(tokenize label classifier pretrain finetune unlearn evaluate sample probe)");
	parse_bad("", NULL, "test.in: run/output is missing");
	parse_bad("[run]\ntask = pretrain\noutput = x\n", NULL,
	          "test.in: data/folder is missing: output folder of a tokenize run");
	parse_bad("[run]\ntask = classifier\noutput = x\n", NULL, "test.in: data/folder is missing");
	parse_bad("[run]\ntask = tokenize\noutput = x\n", NULL, "test.in: corpus/paths is missing");
	parse_bad("[run]\ntask = evaluate\noutput = x\n[data]\nfolder = y\n", NULL, "test.in: evaluate/run is missing");
	parse_bad("a = 1\n", NULL, "test.in:1: a: a key before the first [section]");
	/* What was given wrongly is not called missing as well. */
	parse_bad("[run]\ntask = pretain\noutput = x\n", NULL, "did you mean pretrain?");
	assert_null(strstr(error_message(), "missing"));
}

static void test_raw_files_need_no_corpus(void **state)
{
	(void)state;
	sweep_destroy(parse_good("[run]\ntask = tokenize\noutput = x\n[tokenize]\nraw = old/train\n", 0, NULL));
	sweep_destroy(parse_good("[run]\ntask = tokenize\noutput = x\n[corpus]\npaths = a b\n", 0, NULL));
}

static void test_all_errors_in_one_message(void **state)
{
	(void)state;
	parse_bad(MINIMAL "[train]\nbeta1 = 2, 3\nfoo = 1\n[modle]\n", "run/sede=1", "5 errors in the input:\n");
	static const char *const words[] = {
		"test.in:7: train/beta1: \"2\"",
		"test.in:7: train/beta1: \"3\"",
		"test.in:8: train/foo",
		"test.in:9: [modle]",
		"command line: run/sede: unknown key; did you mean run/seed?",
	};
	for (int i = 0; i < COUNT(words); i++)
		assert_non_null(strstr(error_message(), words[i]));
}

static void test_many_errors_are_counted(void **state)
{
	(void)state;
	enum { LINES = 400 };
	char *text = malloc(sizeof MINIMAL + LINES * 20);
	assert_non_null(text);
	size_t used = (size_t)sprintf(text, "%s[train]\n", MINIMAL);
	for (int i = 0; i < LINES; i++)
		used += (size_t)sprintf(text + used, "nonsense%d = 1\n", i);
	parse_bad(text, NULL, "400 errors in the input (the first of them):\n");
	size_t lines = 0;
	for (const char *at = strchr(error_message(), '\n'); at != NULL; at = strchr(at + 1, '\n'))
		lines++;
	assert_int_equal(lines, 50);
	assert_non_null(strstr(error_message(), "nonsense49:"));
	free(text);
}

static void test_limits(void **state)
{
	(void)state;
	char *text = malloc(2 * SWEEP_LINE_LIMIT + 200);
	assert_non_null(text);
	/* A comment of just the longest allowed length, then one byte more. */
	for (int extra = 0; extra <= 1; extra++) {
		size_t used = (size_t)sprintf(text, "%s", MINIMAL);
		memset(text + used, '#', SWEEP_LINE_LIMIT + (size_t)extra);
		used += SWEEP_LINE_LIMIT + (size_t)extra;
		strcpy(text + used, "\n[train]\n");
		if (extra == 0)
			sweep_destroy(parse_good(text, 0, NULL));
		else
			parse_bad(text, NULL, "test.in:6: the line is longer than 65536 bytes");
	}
	size_t used = (size_t)sprintf(text, "%s[model]\nsize = ", MINIMAL);
	memset(text + used, 'x', SWEEP_LINE_LIMIT / 2);
	strcpy(text + used + SWEEP_LINE_LIMIT / 2, "\n");
	parse_bad(text, NULL, "test.in:7: model/size: the value is too long");
	free(text);
	/* 101 x 101 points. */
	char axes[2048] = "[run]\nseed = 0";
	for (int i = 1; i <= 100; i++)
		sprintf(axes + strlen(axes), ", %d", i);
	strcat(axes, "\n[train]\nsequences = 1");
	for (int i = 2; i <= 101; i++)
		sprintf(axes + strlen(axes), ", %d", i);
	strcat(axes, "\n");
	text = with_minimal(axes);
	parse_bad(text, NULL, "test.in: the axes make more than 10000 points");
	free(text);
}

static void write_file(const char *path, const char *text, size_t size)
{
	FILE *file = fopen(path, "wb");
	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
}

static void test_files(void **state)
{
	(void)state;
	const char *base = getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/tmp";
	char folder[512], path[600], words[700];
	snprintf(folder, sizeof folder, "%s/input-XXXXXX", base);
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof path, "%s/x.in", folder);
	struct sweep *sweep = NULL;
	assert_int_equal(sweep_read(path, 0, NULL, &sweep), STATUS_USAGE);
	snprintf(words, sizeof words, "%s: cannot be opened", path);
	assert_non_null(strstr(error_message(), words));
	static const char nul[] = "[run]\ntask = pre\0train\n";
	write_file(path, nul, sizeof nul - 1);
	assert_int_equal(sweep_read(path, 0, NULL, &sweep), STATUS_USAGE);
	snprintf(words, sizeof words, "%s:2: the line holds a NUL byte", path);
	assert_non_null(strstr(error_message(), words));
	assert_int_equal(sweep_read(folder, 0, NULL, &sweep), STATUS_USAGE);
	assert_non_null(strstr(error_message(), "cannot be read"));
	write_file(path, MINIMAL, sizeof MINIMAL - 1);
	static const char *const overrides[] = { "run/seed=7" };
	assert_int_equal(sweep_read(path, 1, overrides, &sweep), STATUS_OK);
	assert_int_equal(parameters_integer(sweep_point(sweep, 0), "run/seed"), 7);
	snprintf(words, sizeof words, "%s:2", path);
	assert_string_equal(parameters_origin(sweep_point(sweep, 0), "run/task"), words);
	sweep_destroy(sweep);
	assert_int_equal(remove(path), 0);
	assert_int_equal(remove(folder), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_message_of_each_error),
		cmocka_unit_test(test_overrides),
		cmocka_unit_test(test_bad_value_given_twice),
		cmocka_unit_test(test_override_given_twice),
		cmocka_unit_test(test_required),
		cmocka_unit_test(test_raw_files_need_no_corpus),
		cmocka_unit_test(test_all_errors_in_one_message),
		cmocka_unit_test(test_many_errors_are_counted),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_files),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
