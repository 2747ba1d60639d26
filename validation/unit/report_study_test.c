/* Arranging runs: labels of methods, sizes, baselines, exclusion, repeated runs.
 * SPDX-License-Identifier: Apache-2.0 */
#include "report_fixture.h"

#include "base/memory.h"
#include "report/columns.h"
#include "report/load_start.h"
#include "report/study.h"

static const struct study_options plain = { .baseline = "none" };

/* A run list in memory; names and values are copied, so that load_clear() may free them. */
static void add_run(struct run_list *list, const char *point, int64_t parameters, size_t count,
                    const char *const settings[][2])
{
	FIXTURE_TRY(memory_grow((void **)&list->runs, &list->capacity, list->count + 1, sizeof(*list->runs)));
	struct run run = { .point = memory_copy_text(point),
		           .model_name = memory_copy_text(""),
		           .parameters = parameters,
		           .nominal_flops = 120.0 * (double)parameters * (double)parameters };
	run.settings = memory_allocate(count, sizeof(*run.settings));
	for (size_t i = 0; i < count; i++)
		run.settings[i] =
			(struct setting){ memory_copy_text(settings[i][0]), memory_copy_text(settings[i][1]) };
	run.setting_count = count;
	list->runs[list->count++] = run;
}

static void set_axes(struct run_list *list, size_t count, const char *const *axes)
{
	list->axes = malloc(count * sizeof(*list->axes));
	for (size_t i = 0; i < count; i++)
		list->axes[i] = memory_copy_text(axes[i]);
	list->axis_count = count;
}

static void method_and_size_are_found(void **state)
{
	(void)state;
	struct run_list list = { 0 };
	struct study study;
	static const char *const methods[] = { "remove", "mask", "none" };
	for (int m = 0; m < 3; m++)
		for (int s = 0; s < 2; s++) {
			const char *settings[][2] = { { "filter/method", methods[m] },
				                      { "model/size", s ? "13M" : "61M" },
				                      { "train/learning_rate", s ? "1e-3" : "3e-3" } };
			add_run(&list, "p", s ? 13000000 : 61000000, 3, settings);
		}
	set_axes(&list, 3, (const char *const[]){ "filter/method", "model/size", "train/learning_rate" });
	FIXTURE_TRY(study_create(&list, &plain, &study));
	assert_int_equal(study.method_count, 3); /* size and the learning rate that goes with it are no methods */
	assert_string_equal(study.methods[0].label, "none");
	assert_string_equal(study.methods[1].label, "mask");
	assert_string_equal(study.methods[2].label, "remove");
	assert_true(study.methods[0].is_baseline && !study.methods[1].is_baseline);
	assert_int_equal(study.methods[2].baseline, 0);
	assert_int_equal(study.size_count, 2);
	assert_string_equal(study.sizes[0].label, "13.0M");
	assert_string_equal(study.sizes[1].label, "61.0M");
	assert_ptr_equal(study_run(&study, 1, 0), &list.runs[3]);
	assert_ptr_equal(study_run(&study, 0, 1), &list.runs[4]);
	study_clear(&study);
	load_clear(&list);
}

/* A threshold is part of the method, a seed is not: runs that differ in it are one group, by seed. */
static void other_axes_belong_to_the_method(void **state)
{
	(void)state;
	struct run_list list = { 0 };
	struct study study;
	static const char *const rows[][4] = {
		{ "none", "auto", "off", "10" }, { "none", "auto", "off", "2" }, { "none", "auto", "on", "2" },
		{ "mask", "0.3", "off", "10" },  { "mask", "0.3", "off", "2" },  { "mask", "0.6", "on", "2" },
		{ "mask", "0.6", "on", "2" },
	};
	for (int i = 0; i < 7; i++) {
		const char *settings[][2] = { { "filter/method", rows[i][0] },
			                      { "filter/token_threshold", rows[i][1] },
			                      { "compat/no_rotary", rows[i][2] },
			                      { "run/seed", rows[i][3] } };
		add_run(&list, i == 6 ? "again" : "p", 13000000, 4, settings);
	}
	set_axes(&list, 4,
	         (const char *const[]){ "filter/method", "filter/token_threshold", "compat/no_rotary", "run/seed" });
	FIXTURE_TRY(study_create(&list, &plain, &study));
	assert_int_equal(study.method_count, 4);
	assert_int_equal(study.axis_count, 2);
	assert_string_equal(study.methods[0].label, "none");
	assert_string_equal(study.methods[2].label, "mask, token_threshold=0.3");
	assert_int_equal(study.methods[2].baseline, 0);
	assert_int_equal(study.methods[3].baseline, 1); /* agrees in no_rotary */
	assert_string_equal(study_value(&study, 3, "filter/token_threshold"), "0.6");
	assert_int_equal(study.group_count, 4);
	const struct group *group = &study.groups[study_cell(&study, 2, 0)];
	assert_int_equal(group->count, 2);
	assert_string_equal(run_setting(&list.runs[group->runs[0]], "run/seed"), "2");
	assert_string_equal(run_setting(&list.runs[group->runs[1]], "run/seed"), "10");
	assert_int_equal(study_most_seeds(&study), 2);
	assert_int_equal(study_method_sizes(&study, 3), 1);
	assert_int_equal(list.left_count, 1); /* the same seed again */
	assert_string_equal(list.left[0].point, "again");
	study_clear(&study);
	load_clear(&list);
}

static void unfiltered_runs_are_one_whatever_the_filter_says(void **state)
{
	(void)state;
	struct run_list list = { 0 };
	struct study study;
	for (int i = 0; i < 6; i++) {
		const char *settings[][2] = { { "filter/method", i % 2 ? "mask" : "none" },
			                      { "filter/noise", i < 2   ? "0"
			                                        : i < 4 ? "0.3"
			                                                : "0.6" } };
		add_run(&list, "p", 13000000, 2, settings);
	}
	set_axes(&list, 2, (const char *const[]){ "filter/method", "filter/noise" });
	FIXTURE_TRY(study_create(&list, &plain, &study));
	assert_int_equal(study.method_count, 4);
	assert_string_equal(study.methods[0].label, "none");
	assert_string_equal(study.methods[3].label, "mask, noise=0.6");
	for (size_t m = 1; m < 4; m++)
		assert_int_equal(study.methods[m].baseline, 0);
	assert_int_equal(study.merged, 2);
	assert_int_equal(list.count, 4);
	assert_int_equal(list.left_count, 0);
	study_clear(&study);
	load_clear(&list);
}

/* The share that an unfiltered run happens to carry does not make it the baseline; how it was trained does. */
static void baseline_agrees_in_what_matters(void **state)
{
	(void)state;
	struct run_list list = { 0 };
	struct study study;
	static const char *const rows[][3] = { { "none", "0.1", "off" },
		                               { "none", "0.2", "on" },
		                               { "mask", "0.1", "on" } };
	for (int i = 0; i < 3; i++) {
		const char *settings[][2] = { { "filter/method", rows[i][0] },
			                      { "filter/share", rows[i][1] },
			                      { "compat/no_rotary", rows[i][2] } };
		add_run(&list, "p", 13000000, 3, settings);
	}
	set_axes(&list, 3, (const char *const[]){ "filter/method", "filter/share", "compat/no_rotary" });
	FIXTURE_TRY(study_create(&list, &plain, &study));
	assert_int_equal(study.method_count, 3);
	assert_string_equal(study.methods[study.methods[2].baseline].label, "none, no_rotary");
	study_clear(&study);
	load_clear(&list);
}

/* A training axis that differs at one size is no size axis. */
static void training_axis_at_one_size_is_a_method(void **state)
{
	(void)state;
	struct run_list list = { 0 };
	struct study study;
	for (int i = 0; i < 2; i++) {
		const char *settings[][2] = { { "filter/method", "mask" }, { "train/tokens", i ? "1000" : "2000" } };
		add_run(&list, "p", 13000000, 2, settings);
	}
	set_axes(&list, 1, (const char *const[]){ "train/tokens" });
	FIXTURE_TRY(study_create(&list, &plain, &study));
	assert_int_equal(study.method_count, 2);
	assert_string_equal(study.methods[0].label, "mask, tokens=2000");
	assert_true(study.methods[0].baseline == STUDY_NONE);
	study_clear(&study);
	load_clear(&list);
}

static void add_three(struct run_list *list)
{
	static const char *const names[] = { "method=none,size=13M", "method=mask,size=13M", "method=mask,size=61M" };
	for (int i = 0; i < 3; i++) {
		const char *settings[][2] = { { "filter/method", i ? "mask" : "none" } };
		add_run(list, names[i], i == 2 ? 61000000 : 13000000, 1, settings);
	}
}

static void excluded_runs_are_named(void **state)
{
	(void)state;
	static const char *const patterns[] = { "method=mask,size=61M", "13.0M", "mask", "method=*" };
	static const size_t kept[] = { 2, 1, 1, 0 };
	for (int i = 0; i < 4; i++) {
		struct run_list list = { 0 };
		struct study study = { 0 };
		const struct study_options options = { "none", &patterns[i], 1 };
		add_three(&list);
		assert_int_equal(study_create(&list, &options, &study), kept[i] ? STATUS_OK : STATUS_DATA);
		assert_int_equal(list.count, kept[i]);
		assert_int_equal(list.left_count, 3 - kept[i]);
		assert_string_equal(list.left[0].reason, "excluded on the command line");
		study_clear(&study);
		load_clear(&list);
	}
}

static void repeated_run_is_left_out(void **state)
{
	(void)state;
	struct run_list list = { 0 };
	struct study study;
	add_three(&list);
	const char *settings[][2] = { { "filter/method", "mask" } };
	add_run(&list, "again", 61000000, 1, settings);
	FIXTURE_TRY(study_create(&list, &plain, &study));
	assert_int_equal(list.count, 3);
	assert_int_equal(list.left_count, 1);
	assert_string_equal(list.left[0].point, "again");
	assert_ptr_equal(study_run(&study, 1, 1), &list.runs[2]);
	study_clear(&study);
	load_clear(&list);
}

static void another_baseline_can_be_chosen(void **state)
{
	(void)state;
	struct run_list list = { 0 };
	struct study study;
	const struct study_options options = { .baseline = "mask" };
	add_three(&list);
	FIXTURE_TRY(study_create(&list, &options, &study));
	assert_string_equal(study.methods[0].label, "mask");
	assert_true(study.methods[0].is_baseline);
	assert_int_equal(study.methods[1].baseline, 0);
	study_clear(&study);
	load_clear(&list);
}

/* Two sizes, each unlearned at two values of a key of [unlearn], beside what they began from: none and mask at each size. */
static void add_unlearned(struct run_list *list, const char *folder)
{
	static const char *const points[] = { "method=none,size=13M", "method=none,size=28M" };
	static const char *const alphas[] = { "10", "100" };
	for (int s = 0; s < 2; s++)
		for (int a = 0; a < 2; a++) {
			const char *settings[][2] = { { "run/task", "unlearn" },
				                      { "start/run", folder },
				                      { "start/point", points[s] },
				                      { "unlearn/alpha", alphas[a] } };
			add_run(list, "u", s ? 28000000 : 13000000, 4, settings);
			FIXTURE_TRY(load_start_name_method(&list->runs[list->count - 1]));
		}
	set_axes(list, 2, (const char *const[]){ "start/point", "unlearn/alpha" });
}

static void unlearned_runs_join_those_they_began_from(void **state)
{
	(void)state;
	struct run_list list = { 0 }, other = { 0 };
	struct study study;
	char *folder = fixture_folder();
	for (int m = 0; m < 2; m++)
		for (int s = 0; s < 2; s++) {
			char *point = text_format("method=%s,size=%s", m ? "mask" : "none", s ? "28M" : "13M");
			struct fixture_run run = { .point = point,
				                   .method = m ? "mask" : "none",
				                   .size = s ? "28M" : "13M",
				                   .parameter = "filter/token_threshold",
				                   .value = m ? "0.5" : "auto",
				                   .parameters = s ? 28000000 : 13000000,
				                   .tokens = 1e8,
				                   .spent = 1,
				                   .slowdown = { 1, 1, 1, 1 },
				                   .exponent = 0.1 };
			fixture_write_run(folder, &run);
			free(point);
		}
	add_unlearned(&list, folder);
	FIXTURE_TRY(load_start_add(&list));
	assert_int_equal(list.count, 8);
	FIXTURE_TRY(study_create(&list, &plain, &study));
	assert_int_equal(study.size_count, 2);
	assert_int_equal(study.method_count, 4);
	assert_string_equal(study.methods[0].label, "none");
	assert_string_equal(study.methods[1].label, "mask, token_threshold=0.5");
	assert_string_equal(study.methods[2].label, METHOD_UNLEARNED ", alpha=10");
	assert_string_equal(study.methods[3].label, METHOD_UNLEARNED ", alpha=100");
	for (size_t m = 0; m < 4; m++)
		for (size_t size = 0; size < 2; size++)
			assert_non_null(study_run(&study, m, size));
	assert_int_equal(study.methods[3].baseline, 0);
	study_clear(&study);
	load_clear(&list);
	/* Evaluated anew, or on other text: they stay alone. */
	add_unlearned(&list, folder);
	list.runs[0].reevaluated = true;
	FIXTURE_TRY(load_start_add(&list));
	assert_int_equal(list.count, 4);
	load_clear(&list);
	const char *settings[][2] = { { "run/task", "unlearn" },
		                      { "start/run", folder },
		                      { "data/folder", "elsewhere" } };
	add_run(&other, "u", 13000000, 3, settings);
	FIXTURE_TRY(load_start_add(&other));
	assert_int_equal(other.count, 1);
	assert_int_equal(other.left_count, 1);
	load_clear(&other);
	fixture_remove(folder);
	/* The folder is gone: said, and no more. */
	const char *lost[][2] = { { "run/task", "unlearn" }, { "start/run", "not/there" } };
	add_run(&other, "u", 13000000, 2, lost);
	FIXTURE_TRY(load_start_add(&other));
	assert_int_equal(other.count, 1);
	assert_string_equal(other.left[0].point, "not/there");
	load_clear(&other);
}

/* Models that were filtered before they unlearned are not those that were not, though all else is equal. */
static void unlearned_runs_of_filtered_starts_are_a_method_of_their_own(void **state)
{
	(void)state;
	static const char *const methods[] = { "none", "mask" };
	struct run_list list = { 0 };
	struct study study;
	char *folder = fixture_folder();
	for (int m = 0; m < 2; m++) {
		char *point = text_format("method=%s", methods[m]);
		struct fixture_run run = { .point = point,
			                   .method = methods[m],
			                   .size = "13M",
			                   .parameter = "filter/token_threshold",
			                   .value = m ? "0.5" : "auto",
			                   .parameters = 13000000,
			                   .tokens = 1e8,
			                   .spent = 1,
			                   .slowdown = { 1, 1, 1, 1 },
			                   .exponent = 0.1 };
		fixture_write_run(folder, &run);
		const char *settings[][2] = { { "run/task", "unlearn" },
			                      { "start/run", folder },
			                      { "start/point", point },
			                      { "unlearn/alpha", "10" } };
		add_run(&list, "u", 13000000, 4, settings);
		FIXTURE_TRY(load_start_name_method(&list.runs[list.count - 1]));
		free(point);
	}
	set_axes(&list, 1, (const char *const[]){ "start/point" });
	FIXTURE_TRY(load_start_add(&list));
	FIXTURE_TRY(study_create(&list, &plain, &study));
	assert_int_equal(study.method_count, 4);
	assert_int_equal(list.left_count, 0);
	assert_string_equal(study.methods[2].label, METHOD_UNLEARNED);
	assert_string_equal(study.methods[3].label, METHOD_UNLEARNED " of mask, token_threshold=0.5");
	assert_int_equal(study.methods[3].baseline, 0);
	assert_true(isnan(columns_group_share(&study, study_cell(&study, 3, 0))));
	study_clear(&study);
	load_clear(&list);
	fixture_remove(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unlearned_runs_of_filtered_starts_are_a_method_of_their_own),
		cmocka_unit_test(method_and_size_are_found),
		cmocka_unit_test(other_axes_belong_to_the_method),
		cmocka_unit_test(unfiltered_runs_are_one_whatever_the_filter_says),
		cmocka_unit_test(baseline_agrees_in_what_matters),
		cmocka_unit_test(training_axis_at_one_size_is_a_method),
		cmocka_unit_test(excluded_runs_are_named),
		cmocka_unit_test(repeated_run_is_left_out),
		cmocka_unit_test(another_baseline_can_be_chosen),
		cmocka_unit_test(unlearned_runs_join_those_they_began_from),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
