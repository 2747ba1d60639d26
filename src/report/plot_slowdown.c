/* Compute slowdown by model size, a panel for each measure that has one; hollow markers rest on extrapolation.
 * SPDX-License-Identifier: Apache-2.0 */
#include "report/plot.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const struct slowdown *slowdown_at(const struct plot *plot, size_t measure, size_t method, size_t size)
{
	size_t run = study_cell(plot->comparison->study, method, size);
	if (run == STUDY_NONE)
		return NULL;
	const struct slowdown *slowdown = compare_slowdown(plot->comparison, measure, run, plot->comparison->options.compute, plot->comparison->options.law);
	return slowdown->why || !isfinite(slowdown->factor.value) ? NULL : slowdown;
}

/* Whether there is anything to draw for the measure; widens the axis. */
static bool include_measure(const struct plot *plot, size_t measure, struct panel *panel, bool *extrapolated)
{
	bool any = false;
	for (size_t i = 0; i < plot->series_count; i++)
		for (size_t s = 0; s < plot->comparison->study->size_count; s++) {
			const struct slowdown *slowdown = slowdown_at(plot, measure, plot->series[i].method, s);
			if (!slowdown)
				continue;
			any = true;
			*extrapolated = *extrapolated || slowdown->extrapolated;
			draw_axis_include(&panel->vertical, slowdown->factor.value);
			draw_axis_include(&panel->vertical, slowdown->factor.low);
			draw_axis_include(&panel->vertical, slowdown->factor.high);
		}
	draw_axis_include(&panel->vertical, 1.0);
	draw_axis_finish(&panel->vertical);
	return any;
}

static void draw_series(struct canvas *canvas, const struct plot *plot, size_t index, size_t number)
{
	const struct study *study = plot->comparison->study;
	const struct panel *panel = &plot->panels[index];
	const struct plot_series *series = &plot->series[number];
	/* methods side by side, so that their intervals stay apart */
	double last = (double)(plot->series_count - 1);
	double shift = last > 0.0 ? fmin(0.12, 0.5 / last) * ((double)number - 0.5 * last) : 0.0;
	double *x = calloc(study->size_count, sizeof(*x)), *y = calloc(study->size_count, sizeof(*y));
	for (size_t s = 0; s < study->size_count && x && y; s++) {
		const struct slowdown *slowdown = slowdown_at(plot, plot->measures[index], series->method, s);
		x[s] = (double)s + shift;
		y[s] = slowdown ? slowdown->factor.value : NAN;
	}
	if (x && y)
		draw_line(canvas, panel, study->size_count, x, y, series->style.colour, 1.2, DASH_SOLID);
	for (size_t s = 0; s < study->size_count && x && y; s++) {
		const struct slowdown *slowdown = slowdown_at(plot, plot->measures[index], series->method, s);
		if (!slowdown)
			continue;
		draw_error_vertical(canvas, panel, x[s], slowdown->factor.low, slowdown->factor.high,
		                    series->style.colour);
		draw_marker(canvas, panel, x[s], y[s], &series->style, 4.2, slowdown->extrapolated);
	}
	free(x);
	free(y);
}

static void draw(struct canvas *canvas, const void *context)
{
	const struct plot *plot = context;
	plot_draw_frame(canvas, plot);
	for (size_t index = 0; index < plot->panel_count; index++) {
		const struct panel *panel = &plot->panels[index];
		const double ends[2] = { panel->horizontal.low, panel->horizontal.high }, one[2] = { 1.0, 1.0 };
		draw_line(canvas, panel, 2, ends, one, draw_baseline_style.colour, 1.1, DASH_DASHED);
		for (size_t i = 0; i < plot->series_count; i++)
			draw_series(canvas, plot, index, i);
	}
}

static void explain(struct plot *plot, bool extrapolated)
{
	plot_add_legend(plot, &(struct legend_entry){ .label = "as fast as the baseline",
	                                              .line = true,
	                                              .dash = DASH_DASHED,
	                                              .style = { draw_baseline_style.colour, SHAPE_NONE } });
	if (extrapolated)
		plot_add_legend(plot, &(struct legend_entry){ .label = "hollow: extrapolated",
		                                              .hollow = true,
		                                              .style = { draw_grey, SHAPE_CIRCLE } });
}

enum status plot_slowdown(const char *folder, const struct comparison *comparison, bool *drawn)
{
	const struct study *study = comparison->study;
	char *titles[PLOT_MOST_PANELS] = { NULL };
	const char **names = calloc(study->size_count, sizeof(*names));
	struct plot plot;
	bool extrapolated = false;
	size_t sets = 0;
	enum status status = names ? STATUS_OK : error_raise(STATUS_ENVIRONMENT, "out of memory while drawing");
	char title[96];
	snprintf(title, sizeof(title), "Loss-matched compute slowdown (%s, %s of the baseline)",
	         compare_compute_name(comparison->options.compute), plot_law_name(comparison->options.law));
	plot_begin(&plot, comparison, title, false, true);
	for (size_t s = 0; s < study->size_count && names; s++)
		names[s] = study->sizes[s].label;
	for (int label = 0; label < 2; label++)
		for (size_t k = 0; k < study->measure_count && plot.panel_count < PLOT_MOST_PANELS; k++) {
			struct panel panel = {
				.horizontal = { -0.5, (double)study->size_count - 0.5, false, "model size", names,
				                study->size_count },
				.vertical = { AXIS_EMPTY, true, "slowdown (\u00d7)", NULL, 0 },
			};
			if (study->measures[k].label != (label == 1) ||
			    !include_measure(&plot, k, &panel, &extrapolated))
				continue;
			panel.title = titles[plot.panel_count] = study_measure_title(&study->measures[k]);
			status = panel.title ? status : STATUS_ENVIRONMENT;
			plot.measures[plot.panel_count] = k;
			plot.panels[plot.panel_count++] = panel;
			sets += label == 0;
		}
	explain(&plot, extrapolated);
	plot_explain_intervals(&plot, false);
	*drawn = plot.panel_count > 0;
	double widest = 0.0; /* room for the names of all sizes */
	for (size_t s = 0; s < study->size_count && names; s++)
		widest = fmax(widest, draw_text_width(names[s], &draw_tick_text) + 9.0);
	plot_arrange(&plot, sets > 0 && sets <= 4 ? sets : 4,
	             fmin(fmax(215.0, widest * (double)study->size_count), 420.0), 175.0);
	if (status == STATUS_OK)
		status = *drawn ? draw_figure(folder, PLOT_SLOWDOWN, plot.width, plot.height, draw, &plot)
		                : plot_remove(folder, PLOT_SLOWDOWN);
	for (size_t i = 0; i < PLOT_MOST_PANELS; i++)
		free(titles[i]);
	free(names);
	return status;
}
