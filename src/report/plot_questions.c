/* Accuracy on multiple choice questions against compute, a row for each set and a column for each facet; guessing is the dashed line.
 * SPDX-License-Identifier: Apache-2.0 */
#include "report/plot.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

struct question_plot {
	struct plot plot; /* what a panel is about is the number of the set */
	const struct question_results *results;
};

/* Models of one size have the same nominal compute: their marks are moved apart, by this share of the axis. */
static const double APART = 0.018;

/* Accuracy of a series at a size, NULL when it was not asked. */
static const struct question_result *result_at(const struct question_plot *what, size_t set, size_t series, size_t size,
                                               double *flops)
{
	const struct comparison *comparison = what->plot.comparison;
	size_t group = study_cell(comparison->study, what->plot.series[series].method, size);
	if (group == STUDY_NONE || questions_at(what->results, set, group)->questions == 0)
		return NULL;
	*flops = compare_group_flops(comparison->study, group, comparison->options.compute);
	return questions_at(what->results, set, group);
}

static void draw_series(struct canvas *canvas, const struct question_plot *what, size_t index, size_t number,
                        double place)
{
	const struct panel *panel = &what->plot.panels[index];
	const struct plot_series *series = &what->plot.series[number];
	double apart = pow(panel->horizontal.high / panel->horizontal.low, APART * place), last_x = NAN, last_y = NAN,
	       x;
	for (size_t s = 0; s < what->plot.comparison->study->size_count; s++) {
		const struct question_result *result = result_at(what, what->plot.places[index].measure, number, s, &x);
		if (!result)
			continue;
		double y = 100.0 * result->accuracy.value;
		const double xs[2] = { last_x, x * apart }, ys[2] = { last_y, y };
		draw_line(canvas, panel, 2, xs, ys, series->style.colour, 1.3, DASH_SOLID);
		draw_error_vertical(canvas, panel, x * apart, 100.0 * result->accuracy.low,
		                    100.0 * result->accuracy.high, series->style.colour);
		draw_marker(canvas, panel, x * apart, y, &series->style, 4.2, false);
		last_x = x * apart;
		last_y = y;
	}
}

static void draw(struct canvas *canvas, const void *context)
{
	const struct question_plot *what = context;
	const struct plot *plot = &what->plot;
	plot_draw_frame(canvas, plot);
	for (size_t index = 0; index < plot->panel_count; index++) {
		const struct panel *panel = &plot->panels[index];
		size_t set = plot->places[index].measure, lines = 0;
		double chance = NAN, place = 0.0;
		for (size_t g = 0; g < plot->comparison->study->group_count && isnan(chance); g++)
			chance = questions_at(what->results, set, g)->chance;
		const double ends[2] = { panel->horizontal.low, panel->horizontal.high };
		const double heights[2] = { 100.0 * chance, 100.0 * chance };
		draw_line(canvas, panel, 2, ends, heights, draw_grey, 1.1, DASH_DASHED);
		for (size_t i = 0; i < plot->series_count; i++)
			lines += plot_shows(plot, index, i);
		for (size_t i = plot->series_count; i > 0; i--)
			if (plot_shows(plot, index, i - 1))
				draw_series(canvas, what, index, i - 1, 0.5 * (double)(lines - 1) - place++);
	}
}

static void add_panel(struct question_plot *what, size_t set, size_t facet)
{
	struct plot *plot = &what->plot;
	size_t index = plot->panel_count;
	struct panel *panel = plot_add_panel(plot, plot_place_facet(plot, set, set, facet));
	if (!panel)
		return;
	panel->title = what->results->titles[set];
	panel->horizontal =
		(struct axis){ AXIS_EMPTY, true, plot_compute_label(plot->comparison->options.compute), NULL, 0 };
	panel->vertical = (struct axis){ 0.0, 1.0, false, "right answers (%)", NULL, 0 };
	for (size_t i = 0; i < plot->series_count; i++)
		for (size_t s = 0; s < plot->comparison->study->size_count && plot_shows(plot, index, i); s++) {
			double flops;
			const struct question_result *result = result_at(what, set, i, s, &flops);
			if (!result)
				continue;
			draw_axis_include(&panel->horizontal, flops);
			draw_axis_include(&panel->vertical, 100.0 * result->accuracy.value);
			draw_axis_include(&panel->vertical, 100.0 * result->accuracy.high);
			draw_axis_include(&panel->vertical, 100.0 * result->chance);
		}
}

/* One facet: the sets side by side; several: a row for each set. From 0 on, all panels alike. */
static void add_panels(struct question_plot *what)
{
	struct plot *plot = &what->plot;
	for (size_t set = 0; set < what->results->set_count; set++)
		for (size_t f = 0; f < plot->facet_count; f++)
			add_panel(what, set, f);
	for (size_t i = 0; i < plot->panel_count && plot->facet_count == 1; i++) {
		plot->places[i].row = i / 2;
		plot->places[i].column = i % 2;
	}
	double highest = 0.0;
	for (size_t i = 0; i < plot->panel_count; i++)
		highest = fmax(highest, plot->panels[i].vertical.high);
	for (size_t i = 0; i < plot->panel_count; i++)
		plot->panels[i].vertical.high = highest;
	plot_share_axes(plot);
	for (size_t i = 0; i < plot->panel_count; i++) {
		draw_axis_finish(&plot->panels[i].horizontal);
		draw_axis_finish(&plot->panels[i].horizontal); /* room for what is moved, too */
		plot->panels[i].vertical.high = fmin(104.0, 1.06 * highest);
	}
}

enum status plot_questions(const char *folder, const struct question_results *results, bool *drawn)
{
	struct question_plot what = { .results = results };
	STATUS_TRY(plot_begin(&what.plot, results->comparison, "Questions against training compute", true, true));
	plot_add_legend(&what.plot, &(struct legend_entry){ .label = "guessing",
	                                                    .line = true,
	                                                    .dash = DASH_DASHED,
	                                                    .style = { draw_grey, SHAPE_NONE } });
	if (results->comparison->options.resamples > 0)
		plot_add_note(&what.plot, "bars: %g %% intervals over questions",
		              100.0 * results->comparison->options.confidence);
	plot_add_note(&what.plot, "marks of equal compute are moved apart");
	add_panels(&what);
	*drawn = what.plot.panel_count > 0;
	if (!*drawn)
		return plot_remove(folder, PLOT_QUESTIONS);
	plot_arrange(&what.plot, what.plot.facet_count > 1 ? 250.0 : 300.0, what.plot.facet_count > 1 ? 200.0 : 230.0);
	return draw_figure(folder, PLOT_QUESTIONS, what.plot.width, what.plot.height, draw, &what);
}
