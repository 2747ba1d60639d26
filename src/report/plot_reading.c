/* How a slowdown is read off: from the loss of the filtered model across to the baseline's law, and down to its compute.
 * SPDX-License-Identifier: Apache-2.0 */
#include "report/plot.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CURVE_POINTS = 96 };

/* The group of the largest size of a method, STUDY_NONE when it has no slowdown for the measure. */
static size_t largest_of(const struct comparison *comparison, size_t measure, size_t method)
{
	const struct study *study = comparison->study;
	for (size_t s = study->size_count; s > 0; s--) {
		size_t group = study_cell(study, method, s - 1);
		if (group == STUDY_NONE)
			continue;
		const struct slowdown *slowdown = compare_chosen(comparison, measure, group);
		return slowdown->why || !(slowdown->matched > 0.0) ? STUDY_NONE : group;
	}
	return STUDY_NONE;
}

static void draw_law(struct canvas *canvas, const struct plot *plot, const struct panel *panel,
                     const struct plot_series *series)
{
	const struct compare_options *options = &plot->comparison->options;
	const struct law_result *law =
		compare_law(plot->comparison, plot->places[0].measure, series->method, options->compute, options->law);
	double x[CURVE_POINTS], y[CURVE_POINTS], from = panel->horizontal.low, to = panel->horizontal.high;
	const double ends[4] = { from, law->lowest, law->highest, to };
	if (law->why)
		return;
	for (int part = 0; part < 3; part++) {
		for (int i = 0; i < CURVE_POINTS; i++) {
			x[i] = ends[part] * exp(log(ends[part + 1] / ends[part]) * i / (CURVE_POINTS - 1));
			y[i] = fit_loss(&law->law, x[i]);
		}
		draw_line(canvas, panel, CURVE_POINTS, x, y, series->style.colour, 1.4,
		          part == 1 ? DASH_SOLID : DASH_DASHED);
	}
}

static void draw_baseline(struct canvas *canvas, const struct plot *plot, const struct panel *panel,
                          const struct plot_series *series)
{
	const struct comparison *comparison = plot->comparison;
	for (size_t s = 0; s < comparison->study->size_count; s++) {
		size_t group = study_cell(comparison->study, series->method, s);
		if (group != STUDY_NONE)
			draw_marker(canvas, panel,
			            compare_group_flops(comparison->study, group, comparison->options.compute),
			            compare_loss(comparison, plot->places[0].measure, group)->loss.value,
			            &series->style, 4.2, false);
	}
}

/* Across to the law and down to its compute. */
static void draw_reading(struct canvas *canvas, const struct plot *plot, const struct panel *panel,
                         const struct plot_series *series)
{
	size_t group = largest_of(plot->comparison, plot->places[0].measure, series->method);
	if (group == STUDY_NONE)
		return;
	const struct slowdown *slowdown = compare_chosen(plot->comparison, plot->places[0].measure, group);
	double loss = compare_loss(plot->comparison, plot->places[0].measure, group)->loss.value;
	const double x[3] = { slowdown->flops, slowdown->matched, slowdown->matched };
	const double y[3] = { loss, loss, panel->vertical.low };
	draw_line(canvas, panel, 3, x, y, series->style.colour, 1.2, DASH_DASHED);
	draw_marker(canvas, panel, slowdown->flops, loss, &series->style, 4.6, false);
	draw_marker(canvas, panel, slowdown->matched, loss, &series->style, 3.4, true);
}

static void draw(struct canvas *canvas, const void *context)
{
	const struct plot *plot = context;
	plot_draw_frame(canvas, plot);
	for (size_t index = 0; index < plot->panel_count; index++) {
		const struct panel *panel = &plot->panels[index];
		for (size_t i = 0; i < plot->series_count; i++)
			if (plot_shows(plot, index, i) &&
			    plot->comparison->study->methods[plot->series[i].method].is_baseline) {
				draw_law(canvas, plot, panel, &plot->series[i]);
				draw_baseline(canvas, plot, panel, &plot->series[i]);
			}
		for (size_t i = 0; i < plot->series_count; i++)
			if (plot_shows(plot, index, i))
				draw_reading(canvas, plot, panel, &plot->series[i]);
	}
}

/* Labels of the legend carry the factor, whole: "mask: 12x*"; where each has one. */
static void name_factors(struct plot *plot)
{
	for (size_t i = 0; i < plot->series_count && plot->facet_count == 1; i++) {
		struct plot_series *series = &plot->series[i];
		size_t group = largest_of(plot->comparison, plot->places[0].measure, series->method);
		if (group == STUDY_NONE)
			continue;
		const struct slowdown *slowdown = compare_chosen(plot->comparison, plot->places[0].measure, group);
		char factor[24];
		int length = snprintf(factor, sizeof(factor), ": %.3g\u00d7%s", slowdown->factor.value,
		                      slowdown->extrapolated ? "*" : "");
		plot_shorten(plot->comparison->study->methods[series->method].label,
		             sizeof(series->label) - (size_t)length, series->label);
		strcat(series->label, factor);
	}
}

static void include(const struct plot *plot, size_t index, struct panel *panel)
{
	const struct comparison *comparison = plot->comparison;
	const struct study *study = comparison->study;
	panel->message = "no slowdown: see the tables";
	for (size_t i = 0; i < plot->series_count; i++) {
		size_t group = largest_of(comparison, plot->places[0].measure, plot->series[i].method);
		if (!plot_shows(plot, index, i))
			continue;
		if (group != STUDY_NONE) {
			const struct slowdown *slowdown = compare_chosen(comparison, plot->places[0].measure, group);
			panel->message = NULL;
			draw_axis_include(&panel->horizontal, slowdown->flops);
			draw_axis_include(&panel->horizontal, slowdown->matched);
			draw_axis_include(&panel->vertical,
			                  compare_loss(comparison, plot->places[0].measure, group)->loss.value);
		}
		for (size_t s = 0; s < study->size_count; s++) {
			size_t baseline = study_cell(study, plot->series[i].method, s);
			if (baseline == STUDY_NONE || !study->methods[plot->series[i].method].is_baseline)
				continue;
			draw_axis_include(&panel->horizontal,
			                  compare_group_flops(study, baseline, comparison->options.compute));
			draw_axis_include(&panel->vertical,
			                  compare_loss(comparison, plot->places[0].measure, baseline)->loss.value);
		}
	}
}

enum status plot_reading(const char *folder, const struct comparison *comparison, bool *drawn)
{
	const struct study *study = comparison->study;
	struct plot plot;
	STATUS_TRY(plot_begin(&plot, comparison, "How the slowdown of the largest models is read off", true, false));
	size_t measure = study_sharpest(study, "forget");
	plot.places[0].measure = measure;
	*drawn = false;
	for (size_t i = 0; i < plot.series_count && measure != STUDY_NONE; i++)
		*drawn = *drawn || largest_of(comparison, measure, plot.series[i].method) != STUDY_NONE;
	if (!*drawn)
		return plot_remove(folder, PLOT_READING);
	char *title = study_measure_title(&study->measures[measure]);
	if (!title)
		return STATUS_ENVIRONMENT;
	name_factors(&plot);
	const struct style line = { draw_baseline_style.colour, SHAPE_NONE };
	plot_add_legend(&plot, &(struct legend_entry){
				       .label = plot_law_name(comparison->options.law), .style = line, .line = true });
	plot_add_legend(&plot, &(struct legend_entry){
				       .label = "extrapolated", .style = line, .line = true, .dash = DASH_DASHED });
	plot_add_note(&plot, "filled: model, hollow: baseline of equal loss");
	if (plot.facet_count == 1)
		plot_add_note(&plot, "*: outside the baseline's range");
	for (size_t f = 0; f < plot.facet_count; f++) {
		struct panel *panel = plot_add_panel(&plot, plot_place_facet(&plot, 0, measure, f));
		if (!panel)
			break;
		panel->horizontal =
			(struct axis){ AXIS_EMPTY, true, plot_compute_label(comparison->options.compute), NULL, 0 };
		panel->vertical = (struct axis){ AXIS_EMPTY, false, "loss (nats/token)", NULL, 0 };
		panel->title = title;
		include(&plot, f, panel);
	}
	if (plot.same_text)
		plot_share_axes(&plot);
	plot_finish_axes(&plot);
	plot_arrange(&plot, plot.facet_count > 1 ? 290.0 : 420.0, plot.facet_count > 1 ? 230.0 : 300.0);
	enum status status = draw_figure(folder, PLOT_READING, plot.width, plot.height, draw, &plot);
	free(title);
	return status;
}
