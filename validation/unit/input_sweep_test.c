/* Points of a sweep: the order of axes, zipped axes, overrides, names; the text with every value in place; hashes.
 * SPDX-License-Identifier: Apache-2.0 */
#include "input_fixture.h"

#include "input_compare.h"

static void expect_names(struct sweep *sweep, const char *const *names, int count)
{
	assert_int_equal(sweep_point_count(sweep), count);
	for (int i = 0; i < count; i++)
		assert_string_equal(sweep_point_name(sweep, (size_t)i), names[i]);
}

static void test_one_point(void **state)
{
	(void)state;
	static const char *const names[] = { "point" };
	struct sweep *sweep = parse_good(MINIMAL, 0, NULL);
	expect_names(sweep, names, 1);
	assert_int_equal(sweep_axis_count(sweep), 0);
	assert_null(sweep_axis_name(sweep, 0));
	assert_null(sweep_point(sweep, 1));
	assert_null(sweep_point_name(sweep, 1));
	assert_string_equal(sweep_task(sweep), "pretrain");
	assert_string_equal(sweep_warnings(sweep), "");
	sweep_destroy(sweep);
}

/* In file order, not in the order of the table; the first varies slowest. */
static void test_axes_multiply(void **state)
{
	(void)state;
	static const char *const names[] = {
		"method=none,seed=1,size=13M", "method=none,seed=1,size=L2-D128-H4",
		"method=none,seed=2,size=13M", "method=none,seed=2,size=L2-D128-H4",
		"method=mask,seed=1,size=13M", "method=mask,seed=1,size=L2-D128-H4",
		"method=mask,seed=2,size=13M", "method=mask,seed=2,size=L2-D128-H4",
	};
	struct sweep *sweep = parse_good(
		MINIMAL
		"[filter]\nmethod = none, mask\n[run]\nseed = 1,2\n[model]\nsize = 13M , \"L2-D128-H4\" # two\n",
		0, NULL);
	expect_names(sweep, names, COUNT(names));
	assert_int_equal(sweep_axis_count(sweep), 3);
	assert_string_equal(sweep_axis_name(sweep, 0), "filter/method");
	assert_string_equal(sweep_axis_name(sweep, 1), "run/seed");
	assert_string_equal(sweep_axis_name(sweep, 2), "model/size");
	for (size_t i = 0; i < 8; i++) {
		const struct parameters *point = sweep_point(sweep, i);
		assert_string_equal(parameters_text(point, "filter/method"), i / 4 == 0 ? "none" : "mask");
		assert_int_equal(parameters_integer(point, "run/seed"), 1 + i / 2 % 2);
		assert_string_equal(parameters_text(point, "model/size"), i % 2 == 0 ? "13M" : "L2-D128-H4");
		assert_int_equal(parameters_integer(point, "model/context"), 512);
	}
	sweep_destroy(sweep);
}

/* {section/key} in a path is the value at the point; tasks whose points are results of their own need a folder each. */
static void test_paths_of_points(void **state)
{
	(void)state;
	static const char classifier[] =
		"[run]\ntask = classifier\noutput = \"c/seed={run/seed},{model/size}\"\nseed = 1, 2\n"
		"[data]\nfolder = d/{run/seed}\n[model]\nsize = 13M\n";
	struct sweep *sweep = parse_good(classifier, 0, NULL);
	assert_int_equal(sweep_point_count(sweep), 2);
	assert_string_equal(parameters_text(sweep_point(sweep, 0), "run/output"), "c/seed=1,13M");
	assert_string_equal(parameters_text(sweep_point(sweep, 1), "run/output"), "c/seed=2,13M");
	assert_string_equal(parameters_value(sweep_point(sweep, 1), "data/folder"), "d/2");
	/* The used text keeps what was written and gives the same points. */
	char *used = sweep_used_text(sweep);
	struct sweep *again = parse_good(used, 0, NULL);
	assert_string_equal(parameters_text(sweep_point(again, 1), "run/output"), "c/seed=2,13M");
	char first[33], second[33];
	parameters_hash(sweep_point(sweep, 0), first);
	parameters_hash(sweep_point(again, 0), second);
	assert_string_equal(first, second);
	parameters_hash(sweep_point(sweep, 1), second);
	assert_string_not_equal(first, second);
	sweep_destroy(again);
	free(used);
	sweep_destroy(sweep);
	static const char *const overrides[] = { "run/output=c", "run/output=c/{run/sed}", "run/output=c/{run/seed" };
	static const char *const problems[] = { "needs a folder of its own", "this names no key", "this names no key" };
	for (int i = 0; i < 3; i++) {
		assert_int_equal(sweep_parse("test.in", classifier, 1, overrides + i, &sweep), STATUS_USAGE);
		assert_non_null(strstr(error_message(), problems[i]));
	}
	static const char *const output[] = { "run/output=c/{run/seed}" };
	assert_int_equal(sweep_parse("test.in", MINIMAL "[run]\nseed = 1, 2\n", 1, output, &sweep), STATUS_USAGE);
	assert_non_null(strstr(error_message(), "one sweep in one folder"));
}

/* A group stands where its first axis stands; the axes of a group need not be neighbours. */
static void test_zip(void **state)
{
	(void)state;
	static const char *const names[] = {
		"size=13M,method=none,learning_rate=0.001",
		"size=13M,method=mask,learning_rate=0.001",
		"size=61M,method=none,learning_rate=0.003",
		"size=61M,method=mask,learning_rate=0.003",
	};
	static const char text[] =
		MINIMAL "[model]\nsize = 13M, 61M\n[filter]\nmethod = none, mask\n[train]\nlearning_rate = 1e-3, 3e-3\n"
			"[sweep]\nzip = train/learning_rate model/size\n";
	struct sweep *sweep = parse_good(text, 0, NULL);
	expect_names(sweep, names, COUNT(names));
	for (size_t i = 0; i < 4; i++) {
		assert_string_equal(parameters_text(sweep_point(sweep, i), "model/size"), i < 2 ? "13M" : "61M");
		assert_true(parameters_real(sweep_point(sweep, i), "train/learning_rate") == (i < 2 ? 1e-3 : 3e-3));
	}
	sweep_destroy(sweep);
	/* Equal values are no repetition when another axis of the group differs. */
	static const char *const overrides[] = { "train/learning_rate=0.1,0.1" };
	sweep = parse_good(text, 1, overrides);
	assert_int_equal(sweep_point_count(sweep), 4);
	assert_string_equal(sweep_point_name(sweep, 2), "size=61M,method=none,learning_rate=0.1");
	sweep_destroy(sweep);
	/* Two groups multiply. */
	static const char *const groups[] = {
		"filter/noise=0,0.5", "sweep/zip=train/learning_rate model/size and filter/noise filter/method"
	};
	static const char *const products[] = {
		"size=13M,method=none,learning_rate=0.001,noise=0",
		"size=13M,method=mask,learning_rate=0.001,noise=0.5",
		"size=61M,method=none,learning_rate=0.003,noise=0",
		"size=61M,method=mask,learning_rate=0.003,noise=0.5",
	};
	sweep = parse_good(text, 2, groups);
	expect_names(sweep, products, COUNT(products));
	sweep_destroy(sweep);
	/* The command line can undo the zip. */
	static const char *const undo[] = { "sweep/zip=" };
	sweep = parse_good(text, 1, undo);
	assert_int_equal(sweep_point_count(sweep), 8);
	sweep_destroy(sweep);
}

static void test_overrides_replace_in_place(void **state)
{
	(void)state;
	static const char *const overrides[] = { "model/size=28M,61M,113M", "filter/method=remove",
		                                 "train/beta1=0.1, 0.2" };
	static const char *const names[] = {
		"size=28M,seed=1,beta1=0.1",  "size=28M,seed=1,beta1=0.2",  "size=28M,seed=2,beta1=0.1",
		"size=28M,seed=2,beta1=0.2",  "size=61M,seed=1,beta1=0.1",  "size=61M,seed=1,beta1=0.2",
		"size=61M,seed=2,beta1=0.1",  "size=61M,seed=2,beta1=0.2",  "size=113M,seed=1,beta1=0.1",
		"size=113M,seed=1,beta1=0.2", "size=113M,seed=2,beta1=0.1", "size=113M,seed=2,beta1=0.2",
	};
	struct sweep *sweep = parse_good(
		MINIMAL "[model]\nsize = 13M\n[filter]\nmethod = none, mask\n[run]\nseed = 1, 2\n", 3, overrides);
	expect_names(sweep, names, COUNT(names));
	const struct parameters *point = sweep_point(sweep, 0);
	assert_string_equal(parameters_origin(point, "model/size"), "command line");
	assert_string_equal(parameters_origin(point, "run/seed"), "test.in:11");
	assert_string_equal(parameters_origin(point, "run/threads"), "default");
	assert_true(parameters_given(point, "filter/method"));
	assert_true(parameters_given(point, "run/seed"));
	assert_false(parameters_given(point, "run/threads"));
	sweep_destroy(sweep);
	/* What is required may come from the command line alone. */
	static const char *const all[] = { "run/task=evaluate", "run/output=a # b", "data/folder=c",
		                           "evaluate/run=\"d\"" };
	sweep = parse_good("", 4, all);
	assert_string_equal(parameters_text(sweep_point(sweep, 0), "run/output"), "a # b");
	assert_string_equal(parameters_text(sweep_point(sweep, 0), "evaluate/run"), "d");
	sweep_destroy(sweep);
}

static void test_names_of_points(void **state)
{
	(void)state;
	struct sweep *sweep = parse_good(MINIMAL "[filter]\nclassifier = \"a b/c\xc3\xa9 (1)\", x=1\n", 0, NULL);
	assert_string_equal(sweep_point_name(sweep, 0), "classifier=a_b_c____1_");
	assert_string_equal(sweep_point_name(sweep, 1), "classifier=x=1");
	sweep_destroy(sweep);
	char text[2000] = MINIMAL "[filter]\nclassifier = ";
	for (int i = 0; i < 600; i++)
		strcat(text, "x");
	strcat(text, "1, ");
	for (int i = 0; i < 600; i++)
		strcat(text, "x");
	strcat(text, "2\n");
	sweep = parse_good(text, 0, NULL);
	assert_int_equal(strlen(sweep_point_name(sweep, 0)), SWEEP_NAME_LIMIT);
	assert_int_equal(sweep_point_name(sweep, 0)[SWEEP_NAME_LIMIT - 17], '+');
	assert_int_not_equal(strcmp(sweep_point_name(sweep, 0), sweep_point_name(sweep, 1)), 0);
	sweep_destroy(sweep);
}

static void test_warnings(void **state)
{
	(void)state;
	static const char *const overrides[] = { "evaluate/run=x" };
	struct sweep *sweep = parse_good(MINIMAL "[tokenizer]\nranks = 300\n", 1, overrides);
	assert_string_equal(sweep_warnings(sweep),
	                    "test.in:7: tokenizer/ranks has no effect: the task pretrain does not read it\n"
	                    "command line: evaluate/run has no effect: the task pretrain does not read it");
	sweep_destroy(sweep);
}

/* Everything that the written text has to keep: quotes, lists, axes, zip, overrides, suffixes, required keys unread. */
static const struct {
	const char *text;
	int override_count;
	const char *overrides[3];
} round_trips[] = {
	{ MINIMAL, 0, { 0 } },
	{ "\xef\xbb\xbf[run]\r\ntask=tokenize\r\noutput =x\r\n\r\n[tokenize]\r\nraw= old\r\n", 0, { 0 } },
	{ "[run]\ntask = evaluate\noutput = \" x\"\n[data]\nfolder = a,b\n[evaluate]\nrun = \"a,b\\\\\\\"#\"\ndomains "
	  "= hard\n",
	  0,
	  { 0 } },
	{ MINIMAL "[run]\nafter = a \"b c\" \"d#\" e\\f \"g,\" \"h\\\\\\\"\"\n[model]\nsize = \"\", \"a, b\"\n",
	  0,
	  { 0 } },
	{ MINIMAL "[model]\nsize = 13M, 61M\n[filter]\nnoise = 0, .1\n[train]\nlearning_rate = 1e-3, 0.1\n[sweep]\n"
	          "zip = train/learning_rate model/size\n",
	  2,
	  { "run/seed=1,2", "filter/method=mask" } },
	{ MINIMAL "[train]\ntokens = auto, 1.5Gi\ndocument_attention = yes, no\nbeta1 = +.5\nepsilon = 1.1920929e-07\n",
	  2,
	  { "filter/classifier=a#b\\c", "run/after=\"x y\" z" } },
	{ MINIMAL "[train]\nlearning_rate = 0.1, 0.30000000000000004, 1e-300, 123456789012345680\n[filter]\n"
	          "token_threshold = auto, 0, 1\n",
	  0,
	  { 0 } },
};

/* The text without what follows each "# ". */
static void strip_comments(char *text)
{
	char *out = text;
	for (char *at = text; *at != '\0'; at++) {
		if (strncmp(at, "# default\n", 10) == 0 || strncmp(at, "# command line\n", 15) == 0) {
			at = strchr(at, '\n');
			while (out > text && out[-1] == ' ')
				out--;
		}
		*out++ = *at;
	}
	*out = '\0';
}

static void test_used_text_round_trip(void **state)
{
	(void)state;
	for (int i = 0; i < COUNT(round_trips); i++) {
		struct sweep *first =
			parse_good(round_trips[i].text, round_trips[i].override_count, round_trips[i].overrides);
		char *text = sweep_used_text(first);
		assert_non_null(text);
		struct sweep *second = parse_good(text, 0, NULL);
		const char *difference = sweeps_differ(first, second);
		if (difference != NULL)
			print_error("case %d: %s\n%s", i, difference, text);
		assert_null(difference);
		char *again = sweep_used_text(second);
		assert_non_null(again);
		strip_comments(text);
		strip_comments(again);
		assert_string_equal(text, again);
		free(text);
		free(again);
		sweep_destroy(first);
		sweep_destroy(second);
	}
}

static void test_used_text(void **state)
{
	(void)state;
	static const char *const overrides[] = { "filter/noise=0.25" };
	struct sweep *sweep = parse_good(MINIMAL "[filter]\nmethod = none, mask\n[train]\nbeta1 = .5\n", 1, overrides);
	char *text = sweep_used_text(sweep);
	assert_non_null(text);
	assert_non_null(strstr(text, "\n[filter]\nmethod = none, mask\n"));
	assert_non_null(strstr(text, "\nbeta1 = 0.5\n"));
	assert_non_null(strstr(text, "\nbeta2 = 0.95                            # default\n"));
	assert_non_null(strstr(text, "\nnoise = 0.25                            # command line\n"));
	assert_null(strstr(text, "[tokenizer]")); /* not read by the task and not given */
	free(text);
	sweep_destroy(sweep);
}

static void hash_of(const char *more, const char *override, char out[33])
{
	char *text = with_minimal(more);
	struct sweep *sweep = parse_good(text, override != NULL, &override);
	parameters_hash(sweep_point(sweep, sweep_point_count(sweep) - 1), out);
	assert_int_equal(strlen(out), 32);
	sweep_destroy(sweep);
	free(text);
}

static void test_hash(void **state)
{
	(void)state;
	char base[33], other[33];
	hash_of("", NULL, base);
	/* What may change on resume, what the task does not read, how a value is written and where it comes from. */
	static const char *const same[] = {
		"run/stop_after_steps=5",
		"run/output=elsewhere",
		"run/timeout=10",
		"run/threads=3",
		"roles/trainers=2",
		"run/after=x.in",
		"tokenizer/ranks=300",
		"train/learning_rate=0.003",
		"train/tokens=auto",
		"run/seed=0,1",
		"train/document_attention=no",
		"evaluate/resamples=10",
	};
	for (int i = 0; i < COUNT(same); i++) {
		hash_of("", same[i], other);
		assert_string_equal(base, other);
	}
	hash_of("# a comment\n[train]\nlearning_rate = 3e-3\n", NULL, other);
	assert_string_equal(base, other);
	static const char *const different[] = {
		"run/seed=2",           "train/tokens=1M",         "model/size=13M",
		"filter/method=mask",   "filter/noise=0.1",        "data/folder=tok2",
		"compat/input_mask=on", "evaluate/domains=forget", "train/tokens=1000000,2000000",
		"run/task=classifier",
	};
	char seen[COUNT(different)][33];
	for (int i = 0; i < COUNT(different); i++) {
		hash_of("", different[i], seen[i]);
		assert_string_not_equal(base, seen[i]);
		for (int j = 0; j < i; j++)
			assert_string_not_equal(seen[i], seen[j]);
	}
	/* A point is the same whether it is reached alone, as part of a product, or zipped. */
	hash_of("[run]\nseed = 2\n[filter]\nmethod = mask\n", NULL, base);
	hash_of("[run]\nseed = 1, 2\n[filter]\nmethod = none, mask\n", NULL, other);
	assert_string_equal(base, other);
	hash_of("[run]\nseed = 1, 2\n[filter]\nmethod = none, mask\n[sweep]\nzip = run/seed filter/method\n", NULL,
	        other);
	assert_string_equal(base, other);
}

/* A task may have defaults of its own, which what is given overrides; what is written back keeps them. */
static void test_task_defaults(void **state)
{
	(void)state;
	static const char finetune[] =
		"[run]\ntask = finetune\noutput = out\n[start]\nrun = base\n[data]\nfolder = tok\n";
	static const char *const overrides[] = { "train/clip_norm=2" };
	struct sweep *sweep = parse_good(finetune, 1, overrides), *plain = parse_good(MINIMAL, 0, NULL);
	const struct parameters *point = sweep_point(sweep, 0), *other = sweep_point(plain, 0);
	assert_string_equal(parameters_text(point, "train/schedule"), "constant");
	assert_string_equal(parameters_text(other, "train/schedule"), "cosine");
	assert_true(parameters_real(point, "train/warmup_share") == 0 &&
	            parameters_real(other, "train/warmup_share") == 0.1);
	assert_true(parameters_real(point, "train/clip_norm") == 2 && parameters_real(other, "train/clip_norm") == 1);
	assert_int_equal(parameters_integer(point, "train/sequences"), 20);
	assert_false(parameters_given(point, "train/schedule"));
	char *text = sweep_used_text(sweep);
	assert_non_null(text);
	struct sweep *again = parse_good(text, 0, NULL);
	assert_string_equal(parameters_text(sweep_point(again, 0), "train/schedule"), "constant");
	free(text);
	sweep_destroy(again);
	sweep_destroy(plain);
	sweep_destroy(sweep);
}

/* The start is the first axis wherever it is given: by the program, behind all others. */
static void test_start_leads(void **state)
{
	(void)state;
	static const char finetune[] =
		"[run]\ntask = finetune\noutput = out\n[train]\nlearning_rate = 1e-3, 2e-3\n[start]\nrun = base\n"
		"[data]\nfolder = tok\n";
	static const char *const overrides[] = { "start/point=\"method=mask,size=a\", \"method=none,size=a\"" };
	static const char *const names[] = { "point=method=mask,size=a,learning_rate=0.001",
		                             "point=method=mask,size=a,learning_rate=0.002",
		                             "point=method=none,size=a,learning_rate=0.001",
		                             "point=method=none,size=a,learning_rate=0.002" };
	struct sweep *sweep = parse_good(finetune, 1, overrides);
	expect_names(sweep, names, COUNT(names));
	char *text = sweep_used_text(sweep);
	assert_non_null(text);
	struct sweep *again = parse_good(text, 0, NULL);
	expect_names(again, names, COUNT(names));
	free(text);
	sweep_destroy(again);
	sweep_destroy(sweep);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_point),
		cmocka_unit_test(test_axes_multiply),
		cmocka_unit_test(test_paths_of_points),
		cmocka_unit_test(test_zip),
		cmocka_unit_test(test_overrides_replace_in_place),
		cmocka_unit_test(test_names_of_points),
		cmocka_unit_test(test_warnings),
		cmocka_unit_test(test_used_text_round_trip),
		cmocka_unit_test(test_used_text),
		cmocka_unit_test(test_hash),
		cmocka_unit_test(test_task_defaults),
		cmocka_unit_test(test_start_leads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
