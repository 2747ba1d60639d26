/* Run files: what was collected is in the file and comes back; a checkpoint's state brings it back bit for bit.
 * SPDX-License-Identifier: Apache-2.0 */
#include "storage_fixture.h"

#include <math.h>

#include "results/run_file.h"

enum { STEPS = 300, DOCUMENTS = 50 };

/* A NaN with a payload: equal bits, not only equal values. */
static double odd_nan(void)
{
	uint64_t bits = 0x7ff8000000abcdefu;
	double value;
	memcpy(&value, &bits, sizeof value);
	return value;
}

static void add_evaluations(struct run_results *results, const char *set, int64_t seed)
{
	uint64_t number[DOCUMENTS], group[DOCUMENTS];
	int64_t tokens[DOCUMENTS], label_tokens[DOCUMENTS];
	double nll[DOCUMENTS], label_nll[DOCUMENTS];
	for (int64_t i = 1; i <= 5; i++) {
		struct run_evaluation_row row = { i * STEPS / 5, (double)seed / 3 + (double)i,
			                          i == 2 ? odd_nan() : -0.0 };
		assert_good(run_results_add_evaluation(results, set, &row));
	}
	for (int64_t i = 0; i < DOCUMENTS; i++) {
		number[i] = UINT64_MAX - (uint64_t)(seed + i);
		group[i] = UINT64_MAX - (uint64_t)(i / 2);
		tokens[i] = 100 * seed + i;
		label_tokens[i] = i % 3;
		nll[i] = (double)(seed + i) / 7;
		label_nll[i] = i == 3 ? INFINITY : (double)i / 9;
	}
	assert_good(run_results_set_documents(results, set, DOCUMENTS, number, seed % 2 ? group : NULL, tokens,
	                                      label_tokens, nll, label_nll));
}

/* Four questions in two groups, the last of which was not asked; scored in two ways. */
static void add_own_questions(struct run_results *results)
{
	uint8_t correct[4] = { 1, 0, 0, 0 }, other_correct[4] = { 0, 1, 1, 0 }, choices[4] = { 2, 4, 5, 4 },
		right[4] = { 0, 3, 4, 1 };
	float margin[4] = { 0.5f, -1, -2, NAN }, other_margin[4] = { -0.1f, 0.2f, 0.3f, NAN };
	uint64_t cluster[4] = { 7, 8, 7, UINT64_MAX };
	int32_t group[4] = { 1, 0, 1, 1 };
	char *groups[2] = { "", "anatomy" }, *ids[4] = { "a", "b", "caf\xc3\xa9", "exam.jsonl:4" };
	struct run_answers other = { "bytes", other_correct, other_margin, 2 / 3.0, 0.3, 0.875, 0.75, 3 };
	struct run_own own = { .rule = "cloze",
		               .listed = NAN,
		               .valid = NAN,
		               .domain = "hard",
		               .asked = 3,
		               .choices = choices,
		               .right = right,
		               .cluster = cluster,
		               .group = group,
		               .groups = groups,
		               .group_count = 2,
		               .ids = ids,
		               .others = &other,
		               .other_count = 1 };
	struct run_questions questions = { .set = "exam",
		                           .count = 4,
		                           .correct = correct,
		                           .margin = margin,
		                           .accuracy = 1 / 3.0,
		                           .chance = 0.3,
		                           .own = &own };
	assert_good(run_results_set_questions(results, &questions));
}

static void fill_results(struct run_results *results, bool histogram)
{
	assert_good(run_results_set_point(results, 7, "method=mask,size=13M"));
	strcpy(results->model.name, "13M");
	results->model.layers = 8;
	results->model.width = 128;
	results->model.heads = 4;
	results->model.context = 1024;
	results->model.vocabulary = 100288;
	results->model.parameters = 13230720;
	results->model.embedding_parameters = 100288 * 128;
	results->compute = (struct run_compute){ 1e17, 1.25e17, 3600.5, 12345.6 };
	for (int64_t i = 1; i <= STEPS; i++) {
		struct run_step row = { i,        11 - (double)i / 37, 0.01 / (double)i,     i == 5 ? odd_nan() : 0.3,
			                i * 1024, (double)i * 1023.5,  (double)i * 1e12 / 3, NAN,
			                NAN };
		if (histogram) { /* of unlearning, too */
			row.forget_distance = i == 2 ? NAN : 1 / (double)i;
			row.retain_distance = (double)i / 3;
		}
		assert_good(run_results_add_step(results, &row));
	}
	add_evaluations(results, "retain", 5);
	add_evaluations(results, "forget", 9);
	struct run_evaluation_row row = { STEPS, 1.5, 2.5 };
	assert_good(run_results_add_evaluation(results, "other", &row));
	assert_good(run_results_set_domain(results, "unmarked", 1000, 10));
	assert_good(run_results_set_domain(results, "forget", 500, 490));
	assert_good(run_results_set_domain(results, "unmarked", 2000, 20));
	for (int i = 0; i < 2; i++) {
		uint8_t correct[3] = { 1, 0, (uint8_t)i };
		float margin[3] = { 0.5f, -INFINITY, (float)i - 0.25f };
		int64_t occurrences[3] = { 1000, 10, i };
		struct run_questions questions = { .set = i == 0 ? "retain" : "forget",
			                           .count = 3,
			                           .correct = correct,
			                           .margin = margin,
			                           .occurrences = occurrences,
			                           .accuracy = (1 + i) / 3.0,
			                           .chance = 0.125 };
		assert_good(run_results_set_questions(results, &questions));
	}
	const double target[3] = { 1, 2, 3 };
	assert_good(run_results_set_target(results, 1.75, 3, target));
	for (int64_t i = 0; i < 4; i++) {
		const double nll[3] = { (double)i / 3, -0.0, odd_nan() };
		assert_good(run_results_add_recovery(results, 10 * i, nll));
	}
	const double again[3] = { 0.5, 0.25, 0.125 }; /* instead of the last */
	assert_good(run_results_add_recovery(results, 30, again));
	add_own_questions(results);
	results->has_histogram = histogram;
	for (int i = 0; histogram && i < RUN_HISTOGRAM_BINS; i++)
		results->histogram[i] = i * i;
}

static void check_evaluation(const struct run_evaluation *a, const struct run_evaluation *b)
{
	assert_string_equal(a->set, b->set);
	assert_int_equal(a->row_count, b->row_count);
	assert_memory_equal(a->rows, b->rows, a->row_count * sizeof *a->rows);
	assert_int_equal(a->document_count, b->document_count);
	size_t bytes = (size_t)a->document_count * 8;
	if (bytes == 0)
		return;
	assert_memory_equal(a->document_number, b->document_number, bytes);
	assert_int_equal(a->document_group != NULL, b->document_group != NULL);
	if (a->document_group != NULL)
		assert_memory_equal(a->document_group, b->document_group, bytes);
	assert_memory_equal(a->document_tokens, b->document_tokens, bytes);
	assert_memory_equal(a->document_label_tokens, b->document_label_tokens, bytes);
	assert_memory_equal(a->document_nll, b->document_nll, bytes);
	assert_memory_equal(a->document_label_nll, b->document_label_nll, bytes);
}

static void check_own(const struct run_own *a, const struct run_own *b, size_t count)
{
	assert_string_equal(a->rule, b->rule);
	assert_string_equal(a->domain, b->domain);
	assert_int_equal(a->asked, b->asked);
	assert_true(isnan(a->listed) == isnan(b->listed) && isnan(a->valid) == isnan(b->valid));
	assert_memory_equal(a->choices, b->choices, count);
	assert_memory_equal(a->right, b->right, count);
	assert_memory_equal(a->cluster, b->cluster, count * sizeof *a->cluster);
	assert_memory_equal(a->group, b->group, count * sizeof *a->group);
	assert_int_equal(a->group_count, b->group_count);
	for (size_t i = 0; i < a->group_count; i++)
		assert_string_equal(a->groups[i], b->groups[i]);
	for (size_t i = 0; i < count; i++)
		assert_string_equal(a->ids[i], b->ids[i]);
	assert_int_equal(a->other_count, b->other_count);
	for (size_t i = 0; i < a->other_count; i++) {
		const struct run_answers *x = &a->others[i], *y = &b->others[i];
		assert_string_equal(x->rule, y->rule);
		assert_memory_equal(x->correct, y->correct, count);
		assert_memory_equal(x->margin, y->margin, count * sizeof *x->margin);
		assert_int_equal(x->asked, y->asked);
		assert_true(x->accuracy == y->accuracy && x->chance == y->chance);
		assert_true(x->listed == y->listed && x->valid == y->valid);
	}
}

static void check_questions(const struct run_results *a, const struct run_results *b)
{
	assert_int_equal(a->question_count, b->question_count);
	for (size_t i = 0; i < a->question_count; i++) {
		const struct run_questions *x = &a->questions[i], *y = &b->questions[i];
		assert_string_equal(x->set, y->set);
		assert_int_equal(x->count, y->count);
		assert_memory_equal(x->correct, y->correct, (size_t)x->count);
		assert_memory_equal(x->margin, y->margin, (size_t)x->count * sizeof *x->margin);
		assert_int_equal(x->own != NULL, y->own != NULL);
		if (x->own != NULL)
			check_own(x->own, y->own, (size_t)x->count);
		else
			assert_memory_equal(x->occurrences, y->occurrences, (size_t)x->count * sizeof *x->occurrences);
		assert_true(x->accuracy == y->accuracy && x->chance == y->chance);
	}
}

static void check_recovery(const struct run_recovery *a, const struct run_recovery *b)
{
	assert_int_equal(a->present, b->present);
	assert_true(a->target == b->target);
	assert_int_equal(a->documents, b->documents);
	assert_int_equal(a->rows, b->rows);
	assert_int_equal(a->target_nll != NULL, b->target_nll != NULL);
	if (a->target_nll != NULL)
		assert_memory_equal(a->target_nll, b->target_nll, (size_t)a->documents * sizeof *a->target_nll);
	if (a->rows == 0)
		return;
	assert_memory_equal(a->step, b->step, a->rows * sizeof *a->step);
	assert_memory_equal(a->nll, b->nll, a->rows * (size_t)a->documents * sizeof *a->nll);
}

/* Bit for bit: all rows are made of 8-byte fields without gaps. */
static void check_accumulated(const struct run_results *a, const struct run_results *b)
{
	assert_int_equal(a->step_count, b->step_count);
	if (a->step_count > 0)
		assert_memory_equal(a->steps, b->steps, a->step_count * sizeof *a->steps);
	assert_int_equal(a->evaluation_count, b->evaluation_count);
	for (size_t i = 0; i < a->evaluation_count; i++)
		check_evaluation(&a->evaluations[i], &b->evaluations[i]);
	check_questions(a, b);
	check_recovery(&a->recovery, &b->recovery);
	assert_int_equal(a->domain_count, b->domain_count);
	for (size_t i = 0; i < a->domain_count; i++) {
		assert_string_equal(a->domains[i].name, b->domains[i].name);
		assert_int_equal(a->domains[i].tokens, b->domains[i].tokens);
		assert_int_equal(a->domains[i].filtered, b->domains[i].filtered);
	}
	assert_int_equal(a->has_histogram, b->has_histogram);
	assert_memory_equal(a->histogram, b->histogram, sizeof a->histogram);
}

static void check_facts(const struct run_results *a, const struct run_results *b)
{
	assert_int_equal(a->point, b->point);
	assert_string_equal(a->point_name, b->point_name);
	assert_string_equal(a->model.name, b->model.name);
	assert_memory_equal(&a->model.layers, &b->model.layers, sizeof a->model - sizeof a->model.name);
	assert_memory_equal(&a->compute, &b->compute, sizeof a->compute);
}

static void test_memory(void **state)
{
	(void)state;
	struct run_results results = { 0 };
	fill_results(&results, true);
	assert_int_equal(results.evaluation_count, 3);
	assert_string_equal(results.evaluations[0].set, "forget");
	assert_string_equal(results.evaluations[1].set, "other");
	assert_string_equal(results.evaluations[2].set, "retain");
	assert_int_equal(results.question_count, 3);
	assert_string_equal(results.questions[0].set, "exam");
	assert_string_equal(results.questions[1].set, "forget");
	assert_string_equal(results.questions[2].set, "retain");
	assert_int_equal(results.questions[1].correct[2], 1);
	assert_int_equal(results.evaluations[1].document_count, 0);
	assert_int_equal(results.domain_count, 2);
	assert_int_equal(results.domains[0].tokens, 2000);
	/* An evaluation done again replaces the first, as after a resume at the end of a run. */
	struct run_evaluation_row again = { STEPS, 9, 8 };
	assert_good(run_results_add_evaluation(&results, "other", &again));
	assert_int_equal(results.evaluations[1].row_count, 1);
	assert_true(results.evaluations[1].rows[0].loss == 9);
	struct run_step backwards = { .step = STEPS };
	assert_bad(run_results_add_step(&results, &backwards), STATUS_INTERNAL, "step 300 is recorded after step 300");
	assert_bad(run_results_add_evaluation(&results, "a/b", &again), STATUS_INTERNAL, "a/b");
	run_results_clear(&results);
	assert_null(results.steps);
	run_results_clear(&results);
}

/* Curves that are of unlearning only. */
static void check_distances(const char *path, bool expected)
{
	struct hdf5_reader *reader = NULL;
	assert_good(hdf5_open(path, &reader));
	assert_int_equal(hdf5_exists(reader, "curves/forget_distance"), expected);
	assert_int_equal(hdf5_exists(reader, "curves/retain_distance"), expected);
	hdf5_close(reader);
}

static void test_file(void **state)
{
	for (int histogram = 0; histogram < 2; histogram++) {
		const char *path = in_folder(state, "run.h5");
		struct run_results written = { 0 }, read = { 0 };
		fill_results(&written, histogram);
		assert_good(run_file_write(path, &written, NULL, NULL, histogram));
		assert_good(run_file_read(path, &read));
		check_accumulated(&read, &written);
		check_facts(&read, &written);
		check_distances(path, histogram);
		assert_int_equal(read.finished, histogram);
		run_results_clear(&read);
		run_results_clear(&written);
	}
}

static void test_empty(void **state)
{
	const char *path = in_folder(state, "run.h5");
	struct run_results nothing = { 0 }, read = { 0 };
	assert_good(run_file_write(path, &nothing, NULL, NULL, false));
	assert_good(run_file_read(path, &read));
	check_accumulated(&read, &nothing);
	assert_string_equal(read.point_name, "");
	run_results_clear(&read);
}

/* The names of docs/run-file.md, as other programs look for them. */
static void test_layout(void **state)
{
	static const char *const data_sets[] = {
		"curves/step",
		"curves/loss",
		"curves/learning_rate",
		"curves/gradient_norm",
		"curves/tokens",
		"curves/kept_tokens",
		"curves/flops",
		"evaluations/forget/step",
		"evaluations/forget/loss",
		"evaluations/forget/label_loss",
		"evaluations/forget/documents/number",
		"evaluations/forget/documents/group",
		"evaluations/forget/documents/tokens",
		"evaluations/forget/documents/label_tokens",
		"evaluations/forget/documents/nll",
		"evaluations/forget/documents/label_nll",
		"filter/domain",
		"filter/tokens",
		"filter/filtered",
		"filter/score_histogram",
	};
	const char *path = in_folder(state, "run.h5");
	struct run_results results = { 0 };
	struct hdf5_reader *reader;
	fill_results(&results, true);
	assert_good(run_file_write(path, &results, NULL, NULL, true));
	assert_good(hdf5_open(path, &reader));
	for (size_t i = 0; i < COUNT(data_sets); i++) {
		char *unit, *long_name;
		assert_good(hdf5_read_text_attribute(reader, data_sets[i], "unit", &unit));
		assert_good(hdf5_read_text_attribute(reader, data_sets[i], "long_name", &long_name));
		assert_true(long_name[0] != '\0');
		free(unit);
		free(long_name);
	}
	assert_false(hdf5_exists(reader, "evaluations/other/documents"));
	assert_false(hdf5_exists(reader, "provenance") || hdf5_exists(reader, "parameters"));
	hdf5_close(reader);
	run_results_clear(&results);
}

/* A target that was given has no documents; the losses of the last evaluation at a step count. */
static void test_recovery(void **state)
{
	const char *path = in_folder(state, "run.h5");
	struct run_results written = { 0 }, read = { 0 }, copy = { 0 };
	const double nll[2][2] = { { 3, 4 }, { 1, 2 } };
	assert_good(run_results_set_point(&written, 1, "point"));
	assert_good(run_results_set_target(&written, 2.5, 2, NULL));
	assert_good(run_results_add_recovery(&written, 0, nll[0]));
	assert_good(run_results_add_recovery(&written, 8, nll[0]));
	assert_good(run_results_add_recovery(&written, 8, nll[1]));
	assert_good(run_file_write(path, &written, NULL, NULL, true));
	assert_good(run_file_read(path, &read));
	assert_good(run_results_copy(&read, &copy));
	assert_int_equal(copy.recovery.rows, 2);
	assert_memory_equal(copy.recovery.nll + 2, nll[1], sizeof nll[1]);
	assert_null(copy.recovery.target_nll);
	check_recovery(&written.recovery, &copy.recovery);
	run_results_clear(&written);
	run_results_clear(&read);
	run_results_clear(&copy);
}

static void test_refused(void **state)
{
	const char *path = in_folder(state, "run.h5");
	struct run_results results = { 0 };
	struct hdf5_writer *writer;
	assert_bad(run_file_read(path, &results), STATUS_DATA, "there is no such file");
	assert_good(hdf5_create(path, &writer));
	assert_good(hdf5_write_text_attribute(writer, "/", "format", "capshape-sweep"));
	assert_good(hdf5_commit(writer));
	assert_bad(run_file_read(path, &results), STATUS_DATA, "this is not a run file");
	assert_good(hdf5_create(path, &writer));
	assert_good(hdf5_write_text_attribute(writer, "/", "format", "capshape-run"));
	assert_good(hdf5_write_integer_attribute(writer, "/", "format_version", 2));
	assert_good(hdf5_commit(writer));
	assert_bad(run_file_read(path, &results), STATUS_DATA, "format version 2, this program knows 1");
	assert_null(results.point_name);
}

/* Through a checkpoint: the accumulated parts come back, the others stay what the resumed program says. */
static void test_state(void **state)
{
	const char *path = in_folder(state, "state.h5");
	struct run_results written = { 0 }, resumed = { 0 };
	struct hdf5_writer *writer;
	struct hdf5_reader *reader;
	fill_results(&written, true);
	assert_good(hdf5_create(path, &writer));
	assert_good(hdf5_write_integer_attribute(writer, "/", "of_the_trainer", 1));
	assert_good(run_results_write_state(writer, &written));
	assert_good(hdf5_commit(writer));
	assert_good(run_results_set_point(&resumed, 3, "other"));
	strcpy(resumed.model.name, "28M");
	struct run_evaluation_row stale = { 1, 1, 1 };
	assert_good(run_results_add_evaluation(&resumed, "stale", &stale));
	assert_good(hdf5_open(path, &reader));
	assert_good(run_results_read_state(reader, &resumed));
	hdf5_close(reader);
	check_accumulated(&resumed, &written);
	assert_int_equal(resumed.point, 3);
	assert_string_equal(resumed.point_name, "other");
	assert_string_equal(resumed.model.name, "28M");
	/* And a run goes on behind them. */
	struct run_step next = { .step = STEPS + 1 };
	assert_good(run_results_add_step(&resumed, &next));
	run_results_clear(&resumed);
	run_results_clear(&written);
}

/* A run that was resumed writes the same file as one that was not. */
static void test_resumed_file_is_equal(void **state)
{
	const char *state_path = in_folder(state, "state.h5"), *a = in_folder(state, "a.h5"),
		   *b = in_folder(state, "b.h5");
	struct run_results whole = { 0 }, resumed = { 0 };
	struct hdf5_writer *writer;
	struct hdf5_reader *reader;
	size_t a_size, b_size;
	fill_results(&whole, true);
	assert_good(hdf5_create(state_path, &writer));
	assert_good(run_results_write_state(writer, &whole));
	assert_good(hdf5_commit(writer));
	assert_good(hdf5_open(state_path, &reader));
	assert_good(run_results_read_state(reader, &resumed));
	hdf5_close(reader);
	assert_good(run_results_set_point(&resumed, whole.point, whole.point_name));
	resumed.model = whole.model;
	resumed.compute = whole.compute;
	assert_good(run_file_write(a, &whole, NULL, NULL, true));
	assert_good(run_file_write(b, &resumed, NULL, NULL, true));
	char *a_bytes = whole_file(a, &a_size), *b_bytes = whole_file(b, &b_size);
	assert_int_equal(a_size, b_size);
	assert_memory_equal(a_bytes, b_bytes, a_size);
	free(a_bytes);
	free(b_bytes);
	run_results_clear(&resumed);
	run_results_clear(&whole);
}

/* The record of how the file was made. */
static void test_provenance(void **state)
{
	static const char *const attributes[] = { "version",        "git_revision",   "compiler",
		                                  "compiler_flags", "configure_line", "libraries",
		                                  "host",           "directory",      "date" };
	const char *path = in_folder(state, "run.h5");
	struct provenance provenance = { .command_line = "capshape x.in", .input_text = "[run]\n", .ranks = 4 };
	struct run_results results = { 0 };
	struct sweep *sweep;
	struct hdf5_reader *reader;
	char *text, **names;
	size_t count, keys;
	int64_t ranks;
	assert_good(
		sweep_parse("x.in", "[run]\ntask = tokenize\noutput = out\n[corpus]\npaths = a b\n", 0, NULL, &sweep));
	assert_good(run_file_write(path, &results, sweep_point(sweep, 0), &provenance, true));
	assert_good(hdf5_open(path, &reader));
	for (size_t i = 0; i < COUNT(attributes); i++) {
		assert_good(hdf5_read_text_attribute(reader, "provenance", attributes[i], &text));
		assert_true(text[0] != '\0');
		free(text);
	}
	assert_good(hdf5_read_text_attribute(reader, "provenance", "libraries", &text));
	assert_non_null(strstr(text, "HDF5 1."));
	assert_non_null(strstr(text, "zlib 1."));
	free(text);
	assert_good(hdf5_read_text_attribute(reader, "provenance", "command_line", &text));
	assert_string_equal(text, "capshape x.in");
	free(text);
	assert_good(hdf5_read_integer_attribute(reader, "provenance", "ranks", &ranks));
	assert_int_equal(ranks, 4);
	assert_bad(hdf5_read_text_attribute(reader, "provenance", "roles", &text), STATUS_DATA, "roles");
	assert_good(hdf5_list_attributes(reader, "parameters", &names, &count));
	keys_table(&keys);
	assert_int_equal(count, keys);
	hdf5_free_names(names, count);
	assert_good(hdf5_read_text_attribute(reader, "parameters", "corpus/paths", &text));
	assert_string_equal(text, parameters_value(sweep_point(sweep, 0), "corpus/paths"));
	free(text);
	hdf5_close(reader);
	sweep_destroy(sweep);
	text = provenance_version_text();
	assert_non_null(strstr(text, "capshape "));
	assert_non_null(strstr(text, "HDF5 1."));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_memory),
		cmocka_unit_test_setup_teardown(test_file, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_empty, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_layout, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_recovery, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_refused, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_state, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_resumed_file_is_equal, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_provenance, make_folder, remove_folder),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
