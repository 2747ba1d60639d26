/* Loss against compute: a panel for each measure, the baseline's law through its models.
 * SPDX-License-Identifier: Apache-2.0 */
#include "report/plot.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"

enum { CURVE_POINTS = 64 };

/* All runs, so that a law is drawn as far as there is data to compare it with. */
static void include_runs(const struct plot *plot, size_t index, struct panel *panel)
{
	const struct study *study = plot->comparison->study;
	for (size_t i = 0; i < plot->series_count; i++)
		for (size_t s = 0; s < study->size_count && plot_shows(plot, index, i); s++) {
			size_t run = study_cell(study, plot->series[i].method, s);
			if (run == STUDY_NONE)
				continue;
			const struct interval *loss =
				&compare_loss(plot->comparison, plot->places[index].measure, run)->loss;
			if (isnan(loss->value))
				continue;
			draw_axis_include(&panel->horizontal,
			                  compare_group_flops(study, run, plot->comparison->options.compute));
			draw_axis_include(&panel->vertical, loss->value);
			draw_axis_include(&panel->vertical, loss->low);
			draw_axis_include(&panel->vertical, loss->high);
		}
}

static void draw_law(struct canvas *canvas, const struct panel *panel, const struct law_result *result, double from,
                     double to, struct colour colour, enum dash dash)
{
	double x[CURVE_POINTS], y[CURVE_POINTS];
	for (int i = 0; i < CURVE_POINTS; i++) {
		x[i] = from * exp(log(to / from) * i / (CURVE_POINTS - 1));
		y[i] = fit_loss(&result->law, x[i]);
	}
	draw_line(canvas, panel, CURVE_POINTS, x, y, colour, 1.3, dash);
}

static void draw_laws(struct canvas *canvas, const struct plot *plot, size_t index)
{
	const struct panel *panel = &plot->panels[index];
	for (size_t i = 0; i < plot->series_count; i++) {
		size_t method = plot->series[i].method;
		struct colour colour = plot->series[i].style.colour;
		if (!plot->comparison->study->methods[method].is_baseline || !plot_shows(plot, index, i))
			continue;
		const struct law_result *power = compare_law(plot->comparison, plot->places[index].measure, method,
		                                             plot->comparison->options.compute, LAW_POWER);
		const struct law_result *floor = compare_law(plot->comparison, plot->places[index].measure, method,
		                                             plot->comparison->options.compute, LAW_FLOOR);
		if (!power->why) {
			draw_law(canvas, panel, power, power->lowest, power->highest, colour, DASH_SOLID);
			draw_law(canvas, panel, power, panel->horizontal.low, power->lowest, colour, DASH_DASHED);
			draw_law(canvas, panel, power, power->highest, panel->horizontal.high, colour, DASH_DASHED);
		}
		if (!floor->why && floor->law.floor > 0.0) /* else it is the straight one */
			draw_law(canvas, panel, floor, panel->horizontal.low, panel->horizontal.high, colour,
			         DASH_DOTTED);
	}
}

/* Intervals or points; the baseline, which comes first, is drawn last: on top. */
static void draw_runs(struct canvas *canvas, const struct plot *plot, size_t index, bool points)
{
	const struct study *study = plot->comparison->study;
	const struct panel *panel = &plot->panels[index];
	for (size_t i = plot->series_count; i > 0; i--) {
		const struct plot_series *series = &plot->series[i - 1];
		for (size_t s = 0; s < study->size_count && plot_shows(plot, index, i - 1); s++) {
			size_t run = study_cell(study, series->method, s);
			if (run == STUDY_NONE)
				continue;
			const struct interval *loss =
				&compare_loss(plot->comparison, plot->places[index].measure, run)->loss;
			double flops = compare_group_flops(study, run, plot->comparison->options.compute);
			if (points)
				draw_marker(canvas, panel, flops, loss->value, &series->style, 4.2, false);
			else
				draw_error_vertical(canvas, panel, flops, loss->low, loss->high, series->style.colour);
		}
	}
}

static void draw(struct canvas *canvas, const void *context)
{
	const struct plot *plot = context;
	plot_draw_frame(canvas, plot);
	for (size_t i = 0; i < plot->panel_count; i++) {
		draw_runs(canvas, plot, i, false);
		draw_laws(canvas, plot, i);
		draw_runs(canvas, plot, i, true);
	}
}

static bool any_law(const struct comparison *comparison, enum law_kind kind)
{
	const struct study *study = comparison->study;
	for (size_t k = 0; k < study->measure_count; k++)
		for (size_t m = 0; m < study->method_count; m++) {
			const struct law_result *law = compare_law(comparison, k, m, comparison->options.compute, kind);
			if (study->methods[m].is_baseline && !law->why && (kind != LAW_FLOOR || law->law.floor > 0.0))
				return true;
		}
	return false;
}

static void explain_lines(struct plot *plot)
{
	const struct style style = { draw_baseline_style.colour, SHAPE_NONE };
	if (any_law(plot->comparison, LAW_POWER)) {
		plot_add_legend(
			plot, &(struct legend_entry){ .label = "power law of baseline", .style = style, .line = true });
		plot_add_legend(plot,
		                &(struct legend_entry){
					.label = "extrapolated", .style = style, .line = true, .dash = DASH_DASHED });
	}
	if (any_law(plot->comparison, LAW_FLOOR))
		plot_add_legend(plot,
		                &(struct legend_entry){
					.label = "law with floor", .style = style, .line = true, .dash = DASH_DOTTED });
}

static enum status add_panel(struct plot *plot, struct plot_place place, char *titles[PLOT_MOST_PANELS])
{
	size_t index = plot->panel_count;
	struct panel *panel = plot_add_panel(plot, place);
	if (!panel)
		return STATUS_OK;
	panel->horizontal =
		(struct axis){ AXIS_EMPTY, true, plot_compute_label(plot->comparison->options.compute), NULL, 0 };
	panel->vertical = (struct axis){ AXIS_EMPTY, false, "loss (nats/token)", NULL, 0 };
	panel->title = titles[index] = study_measure_title(&plot->comparison->study->measures[place.measure]);
	include_runs(plot, index, panel);
	return panel->title ? STATUS_OK : STATUS_ENVIRONMENT;
}

static enum status add_panels(struct plot *plot, char *titles[PLOT_MOST_PANELS])
{
	struct plot_place places[PLOT_MOST_PANELS];
	size_t measures = plot->comparison->study->measure_count;
	bool *wanted = memory_allocate(measures, sizeof(*wanted));
	if (!wanted)
		return STATUS_ENVIRONMENT;
	for (size_t k = 0; k < measures; k++)
		wanted[k] = true;
	size_t count = plot_place_measures(plot, wanted, places);
	enum status status = STATUS_OK;
	for (size_t i = 0; i < count && status == STATUS_OK; i++)
		status = add_panel(plot, places[i], titles);
	free(wanted);
	return status;
}

enum status plot_losses(const char *folder, const struct comparison *comparison, bool *drawn)
{
	char *titles[PLOT_MOST_PANELS] = { NULL };
	struct plot plot;
	STATUS_TRY(plot_begin(&plot, comparison, "Loss against training compute", true, false));
	explain_lines(&plot);
	plot_explain_intervals(&plot, true);
	if (plot.facet_count > 1)
		plot_add_note(&plot, "label tokens where a set has any");
	enum status status = add_panels(&plot, titles);
	*drawn = plot.panel_count > 0;
	if (plot.same_text)
		plot_share_axes(&plot);
	plot_finish_axes(&plot);
	plot_arrange(&plot, 215.0, 175.0);
	if (status == STATUS_OK)
		status = *drawn ? draw_figure(folder, PLOT_LOSSES, plot.width, plot.height, draw, &plot)
		                : plot_remove(folder, PLOT_LOSSES);
	for (size_t i = 0; i < PLOT_MOST_PANELS; i++)
		free(titles[i]);
	return status;
}
