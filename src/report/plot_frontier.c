/* Forget loss against retain loss: what a method costs where it should not, for what it gains where it should. A line
 * joins the sizes of a method, larger markers are larger models.
 * SPDX-License-Identifier: Apache-2.0 */
#include "report/plot.h"

#include <math.h>

static const struct interval *loss_at(const struct plot *plot, size_t measure, size_t method, size_t size)
{
	static const struct interval none = { NAN, NAN, NAN };
	size_t run = study_cell(plot->comparison->study, method, size);
	return run == STUDY_NONE ? &none : &compare_loss(plot->comparison, measure, run)->loss;
}

/* Measure of the retain set in panel `index`; its place names that of the forget set. */
static size_t retain_of(const struct plot *plot, size_t index)
{
	const struct study *study = plot->comparison->study;
	return study_find_measure(study, "retain", study->measures[plot->places[index].measure].label);
}

static void include_series(const struct plot *plot, size_t index, struct panel *panel)
{
	const struct study *study = plot->comparison->study;
	for (size_t i = 0; i < plot->series_count; i++)
		for (size_t s = 0; s < study->size_count && plot_shows(plot, index, i); s++) {
			const struct interval *x = loss_at(plot, retain_of(plot, index), plot->series[i].method, s);
			const struct interval *y =
				loss_at(plot, plot->places[index].measure, plot->series[i].method, s);
			if (isnan(x->value) || isnan(y->value))
				continue;
			const double xs[3] = { x->value, x->low, x->high }, ys[3] = { y->value, y->low, y->high };
			for (int k = 0; k < 3; k++) {
				draw_axis_include(&panel->horizontal, xs[k]);
				draw_axis_include(&panel->vertical, ys[k]);
			}
		}
}

static void draw_series(struct canvas *canvas, const struct plot *plot, size_t index, const struct plot_series *series)
{
	const struct study *study = plot->comparison->study;
	const struct panel *panel = &plot->panels[index];
	for (size_t s = 0, last = STUDY_NONE; s < study->size_count; s++) {
		const struct interval *x = loss_at(plot, retain_of(plot, index), series->method, s);
		const struct interval *y = loss_at(plot, plot->places[index].measure, series->method, s);
		if (isnan(x->value) || isnan(y->value))
			continue;
		if (last != STUDY_NONE) {
			double xs[2] = { loss_at(plot, retain_of(plot, index), series->method, last)->value, x->value };
			double ys[2] = { loss_at(plot, plot->places[index].measure, series->method, last)->value,
				         y->value };
			draw_line(canvas, panel, 2, xs, ys, series->style.colour, 1.4, DASH_SOLID);
		}
		last = s;
	}
	for (size_t s = 0; s < study->size_count; s++) {
		const struct interval *x = loss_at(plot, retain_of(plot, index), series->method, s);
		const struct interval *y = loss_at(plot, plot->places[index].measure, series->method, s);
		draw_error_horizontal(canvas, panel, y->value, x->low, x->high, series->style.colour);
		draw_error_vertical(canvas, panel, x->value, y->low, y->high, series->style.colour);
		draw_marker(canvas, panel, x->value, y->value, &series->style, plot_marker_size(study, s), false);
	}
}

static void draw(struct canvas *canvas, const void *context)
{
	const struct plot *plot = context;
	plot_draw_frame(canvas, plot);
	for (size_t index = 0; index < plot->panel_count; index++)
		for (size_t i = 0; i < plot->series_count; i++)
			if (plot_shows(plot, index, i))
				draw_series(canvas, plot, index, &plot->series[i]);
}

static void add_panel(struct plot *plot, bool label, size_t forget, struct plot_place place)
{
	size_t index = plot->panel_count;
	struct panel *panel = plot_add_panel(plot, place);
	if (!panel)
		return;
	panel->horizontal = (struct axis){ AXIS_EMPTY, false, "retain loss (nats/token)", NULL, 0 };
	panel->vertical = (struct axis){ AXIS_EMPTY, false, "forget loss (nats/token)", NULL, 0 };
	panel->title = label ? "label tokens" : "all tokens";
	panel->corner = "\u2196 forgets more, retains more";
	plot->places[index].measure = forget;
	include_series(plot, index, panel);
}

enum status plot_frontier(const char *folder, const struct comparison *comparison, bool *drawn)
{
	const struct study *study = comparison->study;
	struct plot plot;
	STATUS_TRY(plot_begin(&plot, comparison, "Forget loss against retain loss", true, true));
	if (study->size_count > 1)
		plot_add_note(&plot, "larger marker: larger model");
	plot_explain_intervals(&plot, true);
	for (int label = 0; label < 2; label++) {
		size_t forget = study_find_measure(study, "forget", label == 1), before = plot.panel_count;
		size_t retain = study_find_measure(study, "retain", label == 1);
		if (forget == STUDY_NONE || retain == STUDY_NONE ||
		    (study->measures[forget].repeated && study->measures[retain].repeated))
			continue;
		for (size_t f = 0; f < plot.facet_count && plot.facet_count > 1; f++)
			add_panel(&plot, label == 1, forget, plot_place_facet(&plot, before > 0, forget, f));
		if (plot.facet_count == 1)
			add_panel(&plot, label == 1, forget, (struct plot_place){ 0, before, forget, 0 });
	}
	*drawn = plot.panel_count > 0;
	if (!*drawn)
		return plot_remove(folder, PLOT_FRONTIER);
	if (plot.same_text)
		plot_share_axes(&plot);
	plot_finish_axes(&plot);
	plot_arrange(&plot, plot.facet_count > 1 ? 270.0 : 320.0, plot.facet_count > 1 ? 235.0 : 280.0);
	return draw_figure(folder, PLOT_FRONTIER, plot.width, plot.height, draw, &plot);
}
