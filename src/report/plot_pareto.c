/* Forget loss against retain loss while one key is swept (paper, figure 3), and the front of all models of that size.
 * SPDX-License-Identifier: Apache-2.0 */
#include "report/plot.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/frontier.h"

struct pareto {
	struct plot plot;
	const struct curves *curves;
	size_t axis, size; /* shown */
	char names[PLOT_MOST_SERIES][PLOT_LABEL_SIZE];
	struct frontier_point *points[2]; /* of each panel */
	size_t counts[2];
};

/* Losses on different texts make no front. */
static bool changes_text(const char *axis)
{
	return strncmp(axis, "generate/", 9) == 0 || strncmp(axis, "data/", 5) == 0;
}

/* Thresholds and budgets first: they trade forget against retain; else the first numeric axis. */
static bool find_axis(const struct curves *curves, size_t *axis_out)
{
	bool found = false;
	for (size_t c = 0; c < curves->curve_count; c++) {
		const struct curve_axis *axis = &curves->axes[curves->curves[c].axis];
		if (!axis->numeric || changes_text(axis->name))
			continue;
		bool better = strstr(axis->name, "threshold") || strstr(axis->name, "budget");
		if (!found || (better && !strstr(curves->axes[*axis_out].name, "threshold") &&
		               !strstr(curves->axes[*axis_out].name, "budget")))
			*axis_out = curves->curves[c].axis;
		found = true;
	}
	return found;
}

/* By order of the families. */
static struct style style_of(const struct pareto *pareto, const struct curve *curve)
{
	size_t family = 0;
	for (size_t c = 0; c < pareto->curves->curve_count; c++) {
		const struct curve *other = &pareto->curves->curves[c];
		if (other == curve)
			break;
		family += other->axis == curve->axis && other->size == curve->size;
	}
	return draw_style(family);
}

static bool is_shown(const struct pareto *pareto, const struct curve *curve)
{
	return curve->axis == pareto->axis && curve->size == pareto->size;
}

static void draw_curve(struct canvas *canvas, const struct pareto *pareto, size_t index, const struct curve *curve)
{
	const struct comparison *comparison = pareto->plot.comparison;
	const struct panel *panel = &pareto->plot.panels[index];
	size_t forget = pareto->plot.places[index].measure;
	size_t retain = study_find_measure(comparison->study, "retain", comparison->study->measures[forget].label);
	struct style style = style_of(pareto, curve);
	for (size_t i = 0; i < curve->count; i++) {
		const struct interval *x = &compare_loss(comparison, retain, curve->groups[i])->loss;
		const struct interval *y = &compare_loss(comparison, forget, curve->groups[i])->loss;
		if (i > 0) {
			const double xs[2] = { compare_loss(comparison, retain, curve->groups[i - 1])->loss.value,
				               x->value };
			const double ys[2] = { compare_loss(comparison, forget, curve->groups[i - 1])->loss.value,
				               y->value };
			draw_line(canvas, panel, 2, xs, ys, style.colour, 1.3, DASH_SOLID);
		}
	}
	for (size_t i = 0; i < curve->count; i++)
		draw_marker(canvas, panel, compare_loss(comparison, retain, curve->groups[i])->loss.value,
		            compare_loss(comparison, forget, curve->groups[i])->loss.value, &style,
		            3.4 + 2.4 * (double)i / (double)(curve->count - 1), false);
}

/* A staircase through the points of the front, from low retain loss to high. */
static void draw_front(struct canvas *canvas, const struct pareto *pareto, size_t index)
{
	const struct panel *panel = &pareto->plot.panels[index];
	const struct frontier_point *points = pareto->points[index];
	double last = -INFINITY, height = NAN;
	for (;;) {
		const struct frontier_point *next = NULL;
		for (size_t i = 0; i < pareto->counts[index]; i++)
			if (points[i].front && points[i].retain > last && (!next || points[i].retain < next->retain))
				next = &points[i];
		double end = next ? next->retain : panel->horizontal.high;
		if (isfinite(last)) {
			const double x[3] = { last, end, end }, y[3] = { height, height, next ? next->forget : height };
			draw_line(canvas, panel, 3, x, y, draw_grey, 1.1, DASH_DOTTED);
		}
		if (!next)
			return;
		last = next->retain;
		height = next->forget;
	}
}

static void draw(struct canvas *canvas, const void *context)
{
	const struct pareto *pareto = context;
	const struct comparison *comparison = pareto->plot.comparison;
	plot_draw_frame(canvas, &pareto->plot);
	for (size_t index = 0; index < pareto->plot.panel_count; index++) {
		draw_front(canvas, pareto, index);
		for (size_t i = 0; i < pareto->counts[index]; i++) {
			const struct frontier_point *point = &pareto->points[index][i];
			size_t method = comparison->study->groups[point->group].method;
			if (comparison->study->methods[method].is_baseline)
				draw_marker(canvas, &pareto->plot.panels[index], point->retain, point->forget,
				            &draw_baseline_style, 4.2, false);
		}
		for (size_t c = 0; c < pareto->curves->curve_count; c++)
			if (is_shown(pareto, &pareto->curves->curves[c]))
				draw_curve(canvas, pareto, index, &pareto->curves->curves[c]);
	}
}

static void add_legend(struct pareto *pareto)
{
	struct plot *plot = &pareto->plot;
	size_t named = 0;
	plot_add_legend(plot, &(struct legend_entry){ .label = "baseline", .style = draw_baseline_style });
	for (size_t c = 0; c < pareto->curves->curve_count && named < PLOT_MOST_SERIES; c++) {
		const struct curve *curve = &pareto->curves->curves[c];
		if (!is_shown(pareto, curve))
			continue;
		plot_shorten(curve->family, PLOT_LABEL_SIZE, pareto->names[named]);
		plot_add_legend(plot, &(struct legend_entry){ .label = pareto->names[named++],
		                                              .style = style_of(pareto, curve),
		                                              .line = true });
	}
	plot_add_legend(plot, &(struct legend_entry){ .label = "front of this size",
	                                              .style = { draw_grey, SHAPE_NONE },
	                                              .line = true,
	                                              .dash = DASH_DOTTED });
	plot_add_note(plot, "larger marker: larger value");
}

static void include(struct pareto *pareto, size_t index)
{
	struct panel *panel = &pareto->plot.panels[index];
	for (size_t i = 0; i < pareto->counts[index]; i++) {
		draw_axis_include(&panel->horizontal, pareto->points[index][i].retain);
		draw_axis_include(&panel->vertical, pareto->points[index][i].forget);
	}
	draw_axis_finish(&panel->horizontal);
	draw_axis_finish(&panel->vertical);
}

enum status plot_pareto(const char *folder, const struct curves *curves, bool *drawn)
{
	const struct comparison *comparison = curves->comparison;
	const struct study *study = comparison->study;
	struct pareto pareto = { .curves = curves };
	char title[160];
	*drawn = find_axis(curves, &pareto.axis);
	if (!*drawn)
		return plot_remove(folder, PLOT_PARETO);
	for (size_t c = 0; c < curves->curve_count; c++)
		if (curves->curves[c].axis == pareto.axis && curves->curves[c].size > pareto.size)
			pareto.size = curves->curves[c].size;
	snprintf(title, sizeof(title), "Forget loss against retain loss over %s, size %s",
	         curves->axes[pareto.axis].name, study->sizes[pareto.size].label);
	plot_begin_empty(&pareto.plot, comparison, title);
	add_legend(&pareto);
	enum status status = STATUS_OK;
	for (int label = 0; label < 2 && status == STATUS_OK; label++) {
		size_t forget = study_find_measure(study, "forget", label == 1), index = pareto.plot.panel_count;
		size_t retain = study_find_measure(study, "retain", label == 1);
		if (forget == STUDY_NONE || retain == STUDY_NONE ||
		    (study->measures[forget].repeated && study->measures[retain].repeated))
			continue;
		pareto.points[index] = frontier_points(comparison, pareto.size, label == 1, &pareto.counts[index]);
		if (!pareto.points[index])
			status = STATUS_ENVIRONMENT;
		*plot_add_panel(&pareto.plot, (struct plot_place){ 0, index, forget, 0 }) = (struct panel){
			.horizontal = { AXIS_EMPTY, false, "retain loss (nats/token)", NULL, 0 },
			.vertical = { AXIS_EMPTY, false, "forget loss (nats/token)", NULL, 0 },
			.title = label ? "label tokens" : "all tokens",
			.corner = "\u2196 forgets more, retains more",
		};
		include(&pareto, index);
	}
	*drawn = pareto.plot.panel_count > 0;
	if (*drawn)
		plot_arrange(&pareto.plot, 320.0, 280.0);
	if (status == STATUS_OK)
		status = *drawn ? draw_figure(folder, PLOT_PARETO, pareto.plot.width, pareto.plot.height, draw, &pareto)
		                : plot_remove(folder, PLOT_PARETO);
	free(pareto.points[0]);
	free(pareto.points[1]);
	return status;
}
