/* Loss against compute: a panel for each measure, the baseline's law through its models.
 * SPDX-License-Identifier: Apache-2.0 */
#include "report/plot.h"

#include <math.h>
#include <stdlib.h>

enum { CURVE_POINTS = 64 };

/* All runs, so that a law is drawn as far as there is data to compare it with. */
static void include_runs(const struct plot *plot, size_t index, struct panel *panel)
{
	const struct study *study = plot->comparison->study;
	for (size_t i = 0; i < plot->series_count; i++)
		for (size_t s = 0; s < study->size_count; s++) {
			size_t run = study_cell(study, plot->series[i].method, s);
			if (run == STUDY_NONE)
				continue;
			const struct interval *loss = &compare_loss(plot->comparison, plot->measures[index], run)->loss;
			if (isnan(loss->value))
				continue;
			draw_axis_include(&panel->horizontal, compare_group_flops(study, run, plot->comparison->options.compute));
			draw_axis_include(&panel->vertical, loss->value);
			draw_axis_include(&panel->vertical, loss->low);
			draw_axis_include(&panel->vertical, loss->high);
		}
	draw_axis_finish(&panel->horizontal);
	draw_axis_finish(&panel->vertical);
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
		if (!plot->comparison->study->methods[method].is_baseline)
			continue;
		const struct law_result *power =
			compare_law(plot->comparison, plot->measures[index], method, plot->comparison->options.compute, LAW_POWER);
		const struct law_result *floor =
			compare_law(plot->comparison, plot->measures[index], method, plot->comparison->options.compute, LAW_FLOOR);
		if (!power->why) {
			draw_law(canvas, panel, power, power->lowest, power->highest, colour, DASH_SOLID);
			draw_law(canvas, panel, power, panel->horizontal.low, power->lowest, colour, DASH_DASHED);
			draw_law(canvas, panel, power, power->highest, panel->horizontal.high, colour, DASH_DASHED);
		}
		if (!floor->why)
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
		for (size_t s = 0; s < study->size_count; s++) {
			size_t run = study_cell(study, series->method, s);
			if (run == STUDY_NONE)
				continue;
			const struct interval *loss = &compare_loss(plot->comparison, plot->measures[index], run)->loss;
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
		for (size_t m = 0; m < study->method_count; m++)
			if (study->methods[m].is_baseline && !compare_law(comparison, k, m, comparison->options.compute, kind)->why)
				return true;
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

/* All tokens above, label tokens below, as far as there are few enough sets for one row. */
enum status plot_losses(const char *folder, const struct comparison *comparison, bool *drawn)
{
	const struct study *study = comparison->study;
	char *titles[PLOT_MOST_PANELS] = { NULL };
	struct plot plot;
	enum status status = STATUS_OK;
	size_t sets = 0;
	plot_begin(&plot, comparison, "Loss against training compute", true, false);
	explain_lines(&plot);
	plot_explain_intervals(&plot, true);
	for (int label = 0; label < 2; label++)
		for (size_t k = 0; k < study->measure_count && plot.panel_count < PLOT_MOST_PANELS; k++) {
			if (study->measures[k].label != (label == 1))
				continue;
			struct panel *panel = &plot.panels[plot.panel_count];
			*panel = (struct panel){
				.horizontal = { AXIS_EMPTY, true, plot_compute_label(comparison->options.compute), NULL, 0 },
				.vertical = { AXIS_EMPTY, false, "loss (nats/token)", NULL, 0 },
			};
			panel->title = titles[plot.panel_count] = study_measure_title(&study->measures[k]);
			if (!panel->title)
				status = STATUS_ENVIRONMENT;
			plot.measures[plot.panel_count] = k;
			include_runs(&plot, plot.panel_count++, panel);
			sets += label == 0;
		}
	*drawn = plot.panel_count > 0;
	plot_arrange(&plot, sets > 0 && sets <= 4 ? sets : 4, 215.0, 175.0);
	if (status == STATUS_OK)
		status = *drawn ? draw_figure(folder, PLOT_LOSSES, plot.width, plot.height, draw, &plot)
		                : plot_remove(folder, PLOT_LOSSES);
	for (size_t i = 0; i < PLOT_MOST_PANELS; i++)
		free(titles[i]);
	return status;
}
