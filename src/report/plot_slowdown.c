/* Compute slowdown by model size, a panel for each measure that has one; hollow markers rest on extrapolation.
 * SPDX-License-Identifier: Apache-2.0 */
#include "report/plot.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"

static const struct slowdown *slowdown_at(const struct plot *plot, size_t measure, size_t method, size_t size)
{
	size_t run = study_cell(plot->comparison->study, method, size);
	if (run == STUDY_NONE)
		return NULL;
	const struct slowdown *slowdown = compare_slowdown(
		plot->comparison, measure, run, plot->comparison->options.compute, plot->comparison->options.law);
	return slowdown->why || !isfinite(slowdown->factor.value) ? NULL : slowdown;
}

/* Whether there is anything to draw for the measure, in any facet. */
static bool has_slowdown(const struct plot *plot, size_t measure)
{
	for (size_t i = 0; i < plot->series_count; i++)
		for (size_t s = 0; s < plot->comparison->study->size_count; s++)
			if (slowdown_at(plot, measure, plot->series[i].method, s))
				return true;
	return false;
}

static void include_measure(const struct plot *plot, size_t index, struct panel *panel, bool *extrapolated)
{
	size_t measure = plot->places[index].measure;
	bool any = false;
	for (size_t i = 0; i < plot->series_count; i++)
		for (size_t s = 0; s < plot->comparison->study->size_count && plot_shows(plot, index, i); s++) {
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
	panel->message = any ? NULL : "no slowdown: see the tables";
}

/* Methods side by side, so that their intervals stay apart: by their place among the lines of the panel. */
static double shift_of(const struct plot *plot, size_t index, size_t number)
{
	size_t lines = 0, before = 0;
	for (size_t i = 0; i < plot->series_count; i++) {
		lines += plot_shows(plot, index, i);
		before += i < number && plot_shows(plot, index, i);
	}
	double last = (double)lines - 1.0;
	return last > 0.0 ? fmin(0.12, 0.5 / last) * ((double)before - 0.5 * last) : 0.0;
}

static void draw_series(struct canvas *canvas, const struct plot *plot, size_t index, size_t number)
{
	const struct study *study = plot->comparison->study;
	const struct panel *panel = &plot->panels[index];
	const struct plot_series *series = &plot->series[number];
	double shift = shift_of(plot, index, number);
	double *x = calloc(study->size_count, sizeof(*x)), *y = calloc(study->size_count, sizeof(*y));
	for (size_t s = 0; s < study->size_count && x && y; s++) {
		const struct slowdown *slowdown = slowdown_at(plot, plot->places[index].measure, series->method, s);
		x[s] = (double)s + shift;
		y[s] = slowdown ? slowdown->factor.value : NAN;
	}
	if (x && y)
		draw_line(canvas, panel, study->size_count, x, y, series->style.colour, 1.2, DASH_SOLID);
	for (size_t s = 0; s < study->size_count && x && y; s++) {
		const struct slowdown *slowdown = slowdown_at(plot, plot->places[index].measure, series->method, s);
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
			if (plot_shows(plot, index, i))
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

struct slowdown_figure {
	struct plot plot;
	const char **names; /* of the sizes */
	char *titles[PLOT_MOST_PANELS];
	bool extrapolated;
};

static enum status add_panel(struct slowdown_figure *figure, struct plot_place place)
{
	struct plot *plot = &figure->plot;
	const struct study *study = plot->comparison->study;
	size_t index = plot->panel_count;
	struct panel *panel = plot_add_panel(plot, place);
	if (!panel)
		return STATUS_OK;
	panel->horizontal = (struct axis){ -0.5,          (double)study->size_count - 0.5,
		                           false,         "model size",
		                           figure->names, study->size_count };
	panel->vertical = (struct axis){ AXIS_EMPTY, true, "slowdown (\u00d7)", NULL, 0 };
	panel->title = figure->titles[index] = study_measure_title(&study->measures[place.measure]);
	include_measure(plot, index, panel, &figure->extrapolated);
	return panel->title ? STATUS_OK : STATUS_ENVIRONMENT;
}

static enum status add_panels(struct slowdown_figure *figure)
{
	struct plot_place places[PLOT_MOST_PANELS];
	size_t measures = figure->plot.comparison->study->measure_count;
	bool *wanted = memory_allocate(measures, sizeof(*wanted));
	if (!wanted)
		return STATUS_ENVIRONMENT;
	for (size_t k = 0; k < measures; k++)
		wanted[k] = has_slowdown(&figure->plot, k);
	size_t count = plot_place_measures(&figure->plot, wanted, places);
	enum status status = STATUS_OK;
	for (size_t i = 0; i < count && status == STATUS_OK; i++)
		status = add_panel(figure, places[i]);
	free(wanted);
	return status;
}

/* Panels wide enough for the names of all sizes. */
static double panel_width(const struct slowdown_figure *figure)
{
	size_t count = figure->plot.comparison->study->size_count;
	double widest = 0.0;
	for (size_t s = 0; s < count; s++)
		widest = fmax(widest, draw_text_width(figure->names[s], &draw_tick_text) + 9.0);
	return fmin(fmax(215.0, widest * (double)count), 420.0);
}

static enum status draw_slowdowns(const char *folder, struct slowdown_figure *figure, bool *drawn)
{
	struct plot *plot = &figure->plot;
	STATUS_TRY(add_panels(figure));
	explain(plot, figure->extrapolated);
	plot_explain_intervals(plot, false);
	if (plot->facet_count > 1)
		plot_add_note(plot, "label tokens where a set has any");
	plot_share_axes(plot);
	plot_finish_axes(plot);
	*drawn = plot->panel_count > 0;
	if (!*drawn)
		return plot_remove(folder, PLOT_SLOWDOWN);
	plot_arrange(plot, panel_width(figure), 175.0);
	return draw_figure(folder, PLOT_SLOWDOWN, plot->width, plot->height, draw, plot);
}

enum status plot_slowdown(const char *folder, const struct comparison *comparison, bool *drawn)
{
	const struct study *study = comparison->study;
	struct slowdown_figure figure = { .names = calloc(study->size_count, sizeof(*figure.names)) };
	if (!figure.names)
		return error_raise(STATUS_ENVIRONMENT, "out of memory while drawing");
	for (size_t s = 0; s < study->size_count; s++)
		figure.names[s] = study->sizes[s].label;
	char title[96];
	snprintf(title, sizeof(title), "Loss-matched compute slowdown (%s, %s of the baseline)",
	         compare_compute_name(comparison->options.compute), plot_law_name(comparison->options.law));
	enum status status = plot_begin(&figure.plot, comparison, title, false, true);
	if (status == STATUS_OK)
		status = draw_slowdowns(folder, &figure, drawn);
	for (size_t i = 0; i < PLOT_MOST_PANELS; i++)
		free(figure.titles[i]);
	free(figure.names);
	return status;
}
