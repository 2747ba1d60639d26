/* Which lines of a figure share a panel, what the panels and lines are called, and where the panels lie.
 * SPDX-License-Identifier: Apache-2.0 */
#include "report_findings.h"

#include "report/facets.h"
#include "report/plot.h"

/* ---- the rule ---- */

enum { MOST_LINES = 200 };

/* All combinations of values of three axes. */
static size_t cross(const size_t counts[3], size_t values[MOST_LINES * 3])
{
	size_t lines = 0;
	for (size_t a = 0; a < counts[0]; a++)
		for (size_t b = 0; b < counts[1]; b++)
			for (size_t c = 0; c < counts[2]; c++) {
				const size_t line[3] = { a, b, c };
				memcpy(values + 3 * lines++, line, sizeof(line));
			}
	return lines;
}

static void the_rule_divides(void **state)
{
	(void)state;
	static const struct {
		size_t counts[3];
		size_t axis_count, axes[FACETS_AXES];
	} cases[] = {
		{ { 1, 1, 7 }, 0, { 0 } },    /* few enough for one panel */
		{ { 1, 1, 10 }, 0, { 0 } },   /* put up with: ten panels of one line say nothing */
		{ { 3, 5, 1 }, 1, { 0 } },    /* the axis with the fewest values that leaves 7 lines at most */
		{ { 5, 3, 1 }, 1, { 1 } },    /* whatever the order */
		{ { 2, 3, 4 }, 1, { 2 } },    /* 12, 8 or 6 lines */
		{ { 5, 7, 1 }, 1, { 0 } },    /* 5 panels of 7; 7 panels are too many */
		{ { 2, 2, 7 }, 2, { 0, 1 } }, /* one axis does not do: 4 panels of 7 */
		{ { 1, 2, 10 }, 1, { 1 } },   /* 2 panels of 10, put up with */
		{ { 2, 9, 9 }, 1, { 0 } },    /* nothing does: 2 panels of 81 rather than one of 162 */
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t values[MOST_LINES * 3], chosen[FACETS_AXES];
		size_t lines = cross(cases[i].counts, values);
		const struct facets_lines what = { lines, 3, values, NULL, NULL };
		size_t count = facets_choose(&what, chosen);
		assert_int_equal(count, cases[i].axis_count);
		for (size_t a = 0; a < count; a++)
			assert_int_equal(chosen[a], cases[i].axes[a]);
	}
}

/* Baselines count where they are drawn, and of two equal divisions the preferred axis is taken. */
static void companions_and_preferred_axes_count(void **state)
{
	(void)state;
	const size_t counts[3] = { 2, 2, 3 };
	size_t values[MOST_LINES * 3], companions[MOST_LINES], chosen[FACETS_AXES], lines = cross(counts, values);
	const bool second[3] = { false, true, false };
	struct facets_lines what = { lines, 3, values, NULL, NULL };
	assert_int_equal(facets_choose(&what, chosen), 1);
	assert_int_equal(chosen[0], 0);
	what.preferred = second;
	assert_int_equal(facets_choose(&what, chosen), 1);
	assert_int_equal(chosen[0], 1);
	/* each value of the first axis has a baseline of its own: panels of the second would show both, 6 + 2 lines */
	for (size_t i = 0; i < lines; i++)
		companions[i] = 100 + values[3 * i];
	what.companions = companions;
	assert_int_equal(facets_choose(&what, chosen), 1);
	assert_int_equal(chosen[0], 0);
	/* two methods with their baseline and one without are one panel */
	for (size_t i = 0; i < 3; i++)
		companions[i] = i < 2 ? 7 : FACETS_NONE;
	what.count = 3;
	assert_int_equal(facets_choose(&what, chosen), 0);
}

/* ---- a study ---- */

static const char *const entanglements[] = { "0", "0.5", "1" };
static const char *const filters[] = { "none", "document", "mask", "remove", "mask", "remove" };
static const char *const sources[] = { "labels", "labels", "labels", "labels", "classifier", "classifier" };

/* The benchmark: three texts, six methods of each, two sizes. */
static void write_benchmark(const char *folder, size_t texts)
{
	for (size_t e = 0; e < texts; e++)
		for (size_t m = 0; m < 6; m++)
			for (size_t s = 0; s < 2; s++) {
				struct fixture_run run = fixture_run_of(m > 3 ? m - 2 : m, s, 0.0, 0.004, 20);
				char point[96];
				snprintf(point, sizeof(point), "%s-%zu-%zu-%s", filters[m], m, e, run.size);
				run.point = point;
				run.method = filters[m];
				run.parameter = "generate/entanglement";
				run.value = entanglements[e];
				run.second = "filter/source";
				run.second_value = sources[m];
				run.recall = 0.5;
				fixture_write_run(folder, &run);
			}
}

static void write_three_texts(const char *folder)
{
	write_benchmark(folder, 3);
}

static void write_one_text(const char *folder)
{
	write_benchmark(folder, 1);
}

static void find_in(struct findings *findings, void (*write)(const char *folder))
{
	char *folder = fixture_folder();
	write(folder);
	find_comparison(findings, folder, 0);
}

static void a_benchmark_has_a_panel_for_each_text(void **state)
{
	(void)state;
	struct findings findings;
	struct facets facets;
	find_in(&findings, write_three_texts);
	assert_int_equal(findings.study.method_count, 18);
	FIXTURE_TRY(facets_create(&findings.study, &facets));
	assert_int_equal(facets.count, 3);
	assert_false(facets.same_text);
	size_t shown[3] = { 0 }, most = 0;
	for (size_t f = 0; f < 3; f++)
		for (size_t m = 0; m < 18; m++) {
			if (!facets_show(&facets, f, m))
				continue;
			shown[f]++;
			const char *value = study_value(&findings.study, m, "generate/entanglement");
			assert_string_equal(facets.titles[f] + strlen("entanglement="), value);
		}
	for (size_t f = 0; f < 3; f++)
		assert_int_equal(shown[f], 6);
	for (size_t m = 0; m < 18; m++) {
		assert_null(strstr(facets.labels[m], "entanglement"));
		if (findings.study.methods[m].is_baseline)
			assert_string_equal(facets.labels[m], "none");
		most = facets.looks[m] > most ? facets.looks[m] : most;
		for (size_t other = 0; other < m; other++) /* one look for one label */
			assert_int_equal(strcmp(facets.labels[m], facets.labels[other]) == 0,
			                 facets.looks[m] == facets.looks[other] &&
			                         findings.study.methods[m].is_baseline ==
			                                 findings.study.methods[other].is_baseline);
	}
	assert_int_equal(most, 4); /* five filtered methods, told apart by six colours */
	facets_clear(&facets);
	forget(&findings);
}

static void few_methods_are_one_panel(void **state)
{
	(void)state;
	struct findings findings;
	struct facets facets;
	find_in(&findings, write_one_text);
	FIXTURE_TRY(facets_create(&findings.study, &facets));
	assert_int_equal(facets.count, 1);
	assert_string_equal(facets.titles[0], "");
	assert_true(facets.same_text);
	for (size_t m = 0; m < findings.study.method_count; m++) {
		assert_true(facets_show(&facets, 0, m));
		assert_string_equal(facets.labels[m], findings.study.methods[m].label);
	}
	facets_clear(&facets);
	forget(&findings);
}

/* Three methods that filter the same share, and two baselines of different models. */
static void write_share(const char *folder)
{
	for (size_t m = 0; m < 5; m++)
		for (size_t s = 0; s < 2; s++) {
			size_t filter = m < 2 ? 0 : m - 1;
			struct fixture_run run = fixture_run_of(filter, s, 0.0, 0.004, 20);
			char point[96];
			snprintf(point, sizeof(point), "%zu-%s", m, run.size);
			run.point = point;
			run.method = filters[filter];
			run.parameter = "filter/share";
			run.value = m < 2 ? "auto" : "0.03";
			run.second = "compat/no_rotary";
			run.second_value = m == 0 ? "off" : "on";
			fixture_write_run(folder, &run);
		}
}

static void what_all_methods_share_is_not_said(void **state)
{
	(void)state;
	static const char *const labels[] = { "none", "none, no_rotary", "document, no_rotary", "mask, no_rotary",
		                              "remove, no_rotary" };
	struct findings findings;
	struct facets facets;
	size_t found = 0;
	find_in(&findings, write_share);
	assert_int_equal(findings.study.method_count, 5);
	FIXTURE_TRY(facets_create(&findings.study, &facets));
	assert_int_equal(facets.count, 1);
	for (size_t m = 0; m < 5; m++)
		for (size_t l = 0; l < 5; l++)
			found += strcmp(facets.labels[m], labels[l]) == 0;
	assert_int_equal(found, 5);
	facets_clear(&facets);
	forget(&findings);
}

/* ---- the figures ---- */

static void panels_are_placed_in_rows_and_columns(void **state)
{
	(void)state;
	struct findings findings;
	struct plot plot;
	struct plot_place places[PLOT_MOST_PANELS];
	bool wanted[8] = { true, true, true, true, true, true, true, true };
	find_in(&findings, write_three_texts);
	FIXTURE_TRY(plot_begin(&plot, &findings.comparison, "title", true, true));
	assert_int_equal(plot.facet_count, 3);
	assert_int_equal(plot.legend_count, 6); /* once each, not once a panel */
	/* forget, retain, other by their label tokens, unmarked by all: 4 rows of 3 */
	size_t count = plot_place_measures(&plot, wanted, places);
	assert_int_equal(count, 12);
	bool taken[4][3] = { { false } };
	for (size_t i = 0; i < count; i++) {
		const struct measure *measure = &findings.study.measures[places[i].measure];
		assert_int_equal(measure->label, strcmp(measure->set, "unmarked") != 0);
		assert_true(places[i].row < 4 && places[i].column < 3);
		assert_int_equal(places[i].column, places[i].facet);
		assert_false(taken[places[i].row][places[i].column]);
		taken[places[i].row][places[i].column] = true;
		assert_non_null(plot_add_panel(&plot, places[i]));
	}
	plot_arrange(&plot, 100.0, 80.0);
	for (size_t i = 0; i < count; i++) {
		const struct panel *own = &plot.panels[i];
		assert_true(own->x >= 0.0 && own->x + own->width < plot.legend_x && own->y + own->height < plot.height);
		assert_non_null(own->subtitle);
		for (size_t j = 0; j < i; j++) { /* with room for title, subtitle, numbers and the name of the axis */
			const struct panel *other = &plot.panels[j];
			assert_true(
				own->x >= other->x + other->width + 60.0 || other->x >= own->x + own->width + 60.0 ||
				own->y >= other->y + other->height + 70.0 || other->y >= own->y + own->height + 70.0);
		}
	}
	/* six facets are two rows of three */
	plot.facet_count = 6;
	const struct plot_place place = plot_place_facet(&plot, 2, 0, 4);
	assert_int_equal(place.row, 5);
	assert_int_equal(place.column, 1);
	forget(&findings);
}

static void axes_of_a_measure_are_shared(void **state)
{
	(void)state;
	struct plot plot;
	plot_begin_empty(&plot, NULL, "title");
	for (size_t i = 0; i < 3; i++) {
		struct panel *panel = plot_add_panel(&plot, (struct plot_place){ 0, i, i / 2, i });
		panel->horizontal = (struct axis){ .low = (double)i, .high = (double)i + 1.0 };
		panel->vertical = (struct axis){ .low = -(double)i, .high = 2.0 };
	}
	plot_share_axes(&plot);
	assert_true(plot.panels[0].horizontal.low == 0.0 && plot.panels[0].horizontal.high == 2.0);
	assert_true(plot.panels[1].horizontal.low == 0.0 && plot.panels[1].vertical.low == -1.0);
	assert_true(plot.panels[2].horizontal.low == 2.0 && plot.panels[2].vertical.low == -2.0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_rule_divides),
		cmocka_unit_test(companions_and_preferred_axes_count),
		cmocka_unit_test(a_benchmark_has_a_panel_for_each_text),
		cmocka_unit_test(few_methods_are_one_panel),
		cmocka_unit_test(what_all_methods_share_is_not_said),
		cmocka_unit_test(panels_are_placed_in_rows_and_columns),
		cmocka_unit_test(axes_of_a_measure_are_shared),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
