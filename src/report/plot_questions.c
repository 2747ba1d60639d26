/* Accuracy on recall questions against compute, a panel for each set; guessing is the dashed line.
 * SPDX-License-Identifier: Apache-2.0 */
#include "report/plot.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

struct question_plot {
	struct plot plot;
	const struct question_results *results;
};

static void draw_set(struct canvas *canvas, const struct question_plot *what, size_t set)
{
	const struct plot *plot = &what->plot;
	const struct comparison *comparison = plot->comparison;
	const struct study *study = comparison->study;
	const struct panel *panel = &plot->panels[set];
	double chance = NAN;
	for (size_t g = 0; g < study->group_count && isnan(chance); g++)
		chance = questions_at(what->results, set, g)->chance;
	const double ends[2] = { panel->horizontal.low, panel->horizontal.high };
	const double heights[2] = { 100.0 * chance, 100.0 * chance };
	draw_line(canvas, panel, 2, ends, heights, draw_grey, 1.1, DASH_DASHED);
	for (size_t i = plot->series_count; i > 0; i--) {
		const struct plot_series *series = &plot->series[i - 1];
		double last_x = NAN, last_y = NAN;
		for (size_t s = 0; s < study->size_count; s++) {
			size_t group = study_cell(study, series->method, s);
			if (group == STUDY_NONE || questions_at(what->results, set, group)->questions == 0)
				continue;
			const struct interval *accuracy = &questions_at(what->results, set, group)->accuracy;
			double x = compare_group_flops(study, group, comparison->options.compute);
			double y = 100.0 * accuracy->value;
			const double xs[2] = { last_x, x }, ys[2] = { last_y, y };
			draw_error_vertical(canvas, panel, x, 100.0 * accuracy->low, 100.0 * accuracy->high,
			                    series->style.colour);
			draw_line(canvas, panel, 2, xs, ys, series->style.colour, 1.3, DASH_SOLID);
			draw_marker(canvas, panel, x, y, &series->style, 4.2, false);
			last_x = x;
			last_y = y;
		}
	}
}

static void draw(struct canvas *canvas, const void *context)
{
	const struct question_plot *what = context;
	plot_draw_frame(canvas, &what->plot);
	for (size_t set = 0; set < what->plot.panel_count; set++)
		draw_set(canvas, what, set);
}

static void make_panel(struct question_plot *what, size_t set)
{
	const struct comparison *comparison = what->plot.comparison;
	const struct study *study = comparison->study;
	struct panel *panel = &what->plot.panels[what->plot.panel_count++];
	*panel = (struct panel){
		.horizontal = { AXIS_EMPTY, true, plot_compute_label(comparison->options.compute), NULL, 0 },
		.vertical = { 0.0, 0.0, false, "questions answered rightly (%)", NULL, 0 },
		.title = what->results->sets[set],
	};
	for (size_t g = 0; g < study->group_count; g++) {
		const struct question_result *result = questions_at(what->results, set, g);
		if (result->questions == 0)
			continue;
		draw_axis_include(&panel->horizontal, compare_group_flops(study, g, comparison->options.compute));
		draw_axis_include(&panel->vertical, 100.0 * result->accuracy.value);
		draw_axis_include(&panel->vertical, 100.0 * result->accuracy.high);
		draw_axis_include(&panel->vertical, 100.0 * result->chance);
	}
	draw_axis_finish(&panel->horizontal);
	panel->vertical.high = fmin(104.0, 1.06 * fmax(panel->vertical.high, 1.0));
}

enum status plot_questions(const char *folder, const struct question_results *results, bool *drawn)
{
	struct question_plot what = { .results = results };
	plot_begin(&what.plot, results->comparison, "Recall questions against training compute", true, true);
	plot_add_legend(&what.plot, &(struct legend_entry){ .label = "guessing",
	                                                    .line = true,
	                                                    .dash = DASH_DASHED,
	                                                    .style = { draw_grey, SHAPE_NONE } });
	if (results->comparison->options.resamples > 0)
		plot_add_note(&what.plot, "bars: %g %% intervals over questions",
		              100.0 * results->comparison->options.confidence);
	for (size_t set = 0; set < results->set_count && set < PLOT_MOST_PANELS; set++)
		make_panel(&what, set);
	*drawn = what.plot.panel_count > 0;
	if (!*drawn)
		return plot_remove(folder, PLOT_QUESTIONS);
	plot_arrange(&what.plot, 2, 300.0, 230.0);
	return draw_figure(folder, PLOT_QUESTIONS, what.plot.width, what.plot.height, draw, &what);
}
