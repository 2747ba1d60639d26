/* Slowdown against what was swept: label noise (paper, figure 12), delay (figures 22, 23), thresholds, budgets, switches.
 * SPDX-License-Identifier: Apache-2.0 */
#include "report/plot.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"

struct curve_plot {
	struct plot plot;
	const struct curves *curves;
	size_t axis;
	bool loss; /* no slowdown anywhere: losses are shown */
	struct shown_curve {
		const struct curve *curve;
		size_t facet;
		struct style style;
		char name[PLOT_LABEL_SIZE];
	} shown[PLOT_MOST_SERIES];
	size_t shown_count;
	const char *categories[64];
};

static const struct interval *height_at(const struct curve_plot *what, size_t measure, size_t group)
{
	static const struct interval none = { NAN, NAN, NAN };
	if (what->loss)
		return &compare_loss(what->plot.comparison, measure, group)->loss;
	const struct slowdown *slowdown = compare_chosen(what->plot.comparison, measure, group);
	return slowdown->why || !isfinite(slowdown->factor.value) ? &none : &slowdown->factor;
}

static void draw_curve(struct canvas *canvas, const struct curve_plot *what, size_t index, size_t number)
{
	const struct curve *curve = what->shown[number].curve;
	const struct panel *panel = &what->plot.panels[index];
	const struct style style = what->shown[number].style;
	size_t measure = what->plot.places[index].measure;
	for (size_t i = 0; i < curve->count; i++) {
		const struct interval *own = height_at(what, measure, curve->groups[i]);
		draw_error_vertical(canvas, panel, curve->x[i], own->low, own->high, style.colour);
		if (i == 0)
			continue;
		const double x[2] = { curve->x[i - 1], curve->x[i] };
		const double y[2] = { height_at(what, measure, curve->groups[i - 1])->value, own->value };
		if (!isnan(y[0]) && !isnan(y[1]))
			draw_line(canvas, panel, 2, x, y, style.colour, 1.3, DASH_SOLID);
	}
	for (size_t i = 0; i < curve->count; i++) {
		const struct slowdown *slowdown = compare_chosen(what->plot.comparison, measure, curve->groups[i]);
		draw_marker(canvas, panel, curve->x[i], height_at(what, measure, curve->groups[i])->value, &style, 4.2,
		            !what->loss && !slowdown->why && slowdown->extrapolated);
	}
}

/* The unfiltered group that all curves of a facet are compared with; STUDY_NONE when there is not one. */
static size_t baseline_of(const struct curve_plot *what, size_t facet)
{
	const struct study *study = what->plot.comparison->study;
	size_t found = STUDY_NONE;
	for (size_t i = 0; i < what->shown_count; i++) {
		const struct curve *curve = what->shown[i].curve;
		for (size_t p = 0; p < curve->count && what->shown[i].facet == facet; p++) {
			size_t baseline = study->methods[study->groups[curve->groups[p]].method].baseline;
			size_t group = baseline == STUDY_NONE ? STUDY_NONE : study_cell(study, baseline, curve->size);
			if (group == STUDY_NONE || (found != STUDY_NONE && group != found))
				return STUDY_NONE;
			found = group;
		}
	}
	return found;
}

static double baseline_height(const struct curve_plot *what, struct plot_place place)
{
	if (!what->loss)
		return 1.0;
	size_t group = baseline_of(what, place.facet);
	return group == STUDY_NONE ? NAN : compare_loss(what->plot.comparison, place.measure, group)->loss.value;
}

static void draw(struct canvas *canvas, const void *context)
{
	const struct curve_plot *what = context;
	plot_draw_frame(canvas, &what->plot);
	for (size_t index = 0; index < what->plot.panel_count; index++) {
		const struct panel *panel = &what->plot.panels[index];
		double height = baseline_height(what, what->plot.places[index]);
		const double ends[2] = { panel->horizontal.low, panel->horizontal.high },
			     heights[2] = { height, height };
		draw_line(canvas, panel, 2, ends, heights, draw_baseline_style.colour, 1.1, DASH_DASHED);
		for (size_t i = 0; i < what->shown_count; i++)
			if (what->shown[i].facet == what->plot.places[index].facet)
				draw_curve(canvas, what, index, i);
	}
}

static size_t family_of(const struct curve_plot *what, size_t number)
{
	size_t same = 0;
	while (strcmp(what->shown[same].curve->family, what->shown[number].curve->family) != 0)
		same++;
	return same;
}

/* What tells a curve from the others of its panel. */
static void name_curve(const struct curve_plot *what, bool divided, size_t axis, const struct curve *curve, char *name)
{
	const char *size = what->plot.comparison->study->sizes[curve->size].label;
	char label[256];
	if (!divided)
		snprintf(label, sizeof(label), "%s, %s", size, curve->family);
	else
		snprintf(label, sizeof(label), "%s", axis == 0 ? curve->family : size);
	plot_shorten(label, PLOT_LABEL_SIZE, name);
}

/* A panel for each size, or for each family, where the curves are more than can be told apart (report/facets.h). Whether it
 * is for each size. */
static bool divide(struct curve_plot *what)
{
	size_t values[PLOT_MOST_SERIES * 2], axes[FACETS_AXES], first[FACETS_MOST];
	for (size_t i = 0; i < what->shown_count; i++) {
		values[2 * i] = what->shown[i].curve->size;
		values[2 * i + 1] = family_of(what, i);
	}
	const struct facets_lines lines = { what->shown_count, 2, values, NULL, NULL };
	size_t count = facets_choose(&lines, axes), looks = 0;
	what->plot.facet_count = 0;
	for (size_t i = 0; i < what->shown_count; i++) {
		struct shown_curve *own = &what->shown[i];
		for (own->facet = 0; own->facet < what->plot.facet_count; own->facet++) {
			bool same = true;
			for (size_t a = 0; a < count; a++)
				same = same && values[2 * i + axes[a]] == values[2 * first[own->facet] + axes[a]];
			if (same)
				break;
		}
		if (own->facet == what->plot.facet_count) {
			first[what->plot.facet_count] = i;
			plot_shorten(axes[0] == 0 ? what->plot.comparison->study->sizes[own->curve->size].label
			                          : own->curve->family,
			             PLOT_LABEL_SIZE, what->plot.facets[what->plot.facet_count++]);
		}
		name_curve(what, count > 0, axes[0], own->curve, own->name);
		size_t same = 0;
		while (same < i && strcmp(what->shown[same].name, own->name) != 0)
			same++;
		own->style = same < i ? what->shown[same].style : draw_style(looks);
		looks += same == i;
		if (same == i)
			plot_add_legend(&what->plot, &(struct legend_entry){
							     .label = own->name, .style = own->style, .line = true });
	}
	return count > 0 && axes[0] == 0;
}

/* The curves come from the largest size on; panels go from the smallest. */
static void turn_facets(struct curve_plot *what)
{
	struct plot *plot = &what->plot;
	for (size_t i = 0; i < what->shown_count; i++)
		what->shown[i].facet = plot->facet_count - 1 - what->shown[i].facet;
	for (size_t f = 0; f < plot->facet_count / 2; f++) {
		char title[PLOT_LABEL_SIZE];
		memcpy(title, plot->facets[f], sizeof(title));
		memcpy(plot->facets[f], plot->facets[plot->facet_count - 1 - f], sizeof(title));
		memcpy(plot->facets[plot->facet_count - 1 - f], title, sizeof(title));
	}
}

/* Curves of the axis; the largest sizes when there are too many. */
static size_t choose_curves(struct curve_plot *what)
{
	size_t omitted = 0;
	for (size_t s = what->plot.comparison->study->size_count; s > 0; s--)
		for (size_t c = 0; c < what->curves->curve_count; c++) {
			const struct curve *curve = &what->curves->curves[c];
			if (curve->axis != what->axis || curve->size != s - 1)
				continue;
			if (what->shown_count == FACETS_MOST * FACETS_MOST_LINES) {
				omitted++;
				continue;
			}
			what->shown[what->shown_count++].curve = curve;
		}
	return omitted;
}

static bool any_slowdown(const struct curve_plot *what)
{
	const struct comparison *comparison = what->plot.comparison;
	for (size_t k = 0; k < comparison->study->measure_count; k++)
		for (size_t i = 0; i < what->shown_count; i++) {
			const struct curve *curve = what->shown[i].curve;
			for (size_t p = 0; p < curve->count; p++)
				if (!isnan(height_at(what, k, curve->groups[p])->value))
					return true;
		}
	return false;
}

static void explain(struct curve_plot *what, size_t omitted)
{
	bool extrapolated = false;
	for (size_t i = 0; i < what->shown_count; i++) {
		const struct curve *curve = what->shown[i].curve;
		for (size_t p = 0; p < curve->count; p++)
			for (size_t k = 0; k < what->plot.panel_count; k++) {
				const struct slowdown *slowdown = compare_chosen(
					what->plot.comparison, what->plot.places[k].measure, curve->groups[p]);
				extrapolated = extrapolated || (!slowdown->why && slowdown->extrapolated);
			}
	}
	bool known = false;
	for (size_t i = 0; i < what->plot.panel_count; i++)
		known = known || !isnan(baseline_height(what, what->plot.places[i]));
	if (known)
		plot_add_legend(&what->plot,
		                &(struct legend_entry){ .label = what->loss ? "baseline" : "as fast as the baseline",
		                                        .line = true,
		                                        .dash = DASH_DASHED,
		                                        .style = { draw_baseline_style.colour, SHAPE_NONE } });
	if (extrapolated && !what->loss)
		plot_add_legend(&what->plot, &(struct legend_entry){ .label = "hollow: extrapolated",
		                                                     .hollow = true,
		                                                     .style = { draw_grey, SHAPE_CIRCLE } });
	if (omitted)
		plot_add_note(&what->plot, "and %zu more, see curves.csv", omitted);
	plot_explain_intervals(&what->plot, false);
}

/* Names of categories, or the range of the numbers; logarithmic where they are positive and span a factor of eight. */
static void make_horizontal(struct curve_plot *what, struct axis *axis)
{
	const struct study *study = what->plot.comparison->study;
	const struct curve_axis *own = &what->curves->axes[what->axis];
	*axis = (struct axis){ AXIS_EMPTY, false, own->label, NULL, 0 };
	for (size_t i = 0; i < what->shown_count; i++) {
		const struct curve *curve = what->shown[i].curve;
		for (size_t p = 0; p < curve->count; p++) {
			draw_axis_include(axis, curve->x[p]);
			size_t place = (size_t)curve->x[p];
			if (own->numeric || place >= sizeof(what->categories) / sizeof(what->categories[0]))
				continue;
			const char *value = study_value(study, study->groups[curve->groups[p]].method, own->name);
			what->categories[place] = strrchr(value, '/') ? strrchr(value, '/') + 1 : value;
			axis->category_count = place + 1 > axis->category_count ? place + 1 : axis->category_count;
		}
	}
	if (!own->numeric) {
		axis->categories = what->categories;
		axis->low = -0.5;
		axis->high = (double)axis->category_count - 0.5;
		for (size_t i = 0; i < axis->category_count; i++)
			what->categories[i] = what->categories[i] ? what->categories[i] : "";
		return;
	}
	axis->logarithmic = axis->low > 0.0 && axis->high / axis->low > 8.0;
	draw_axis_finish(axis);
}

static void add_panel(struct curve_plot *what, struct plot_place place, const char *title)
{
	struct panel *panel = plot_add_panel(&what->plot, place);
	if (!panel)
		return;
	panel->title = title;
	make_horizontal(what, &panel->horizontal);
	panel->vertical = (struct axis){ AXIS_EMPTY, !what->loss,
		                         what->loss ? "loss (nats/token)" : "slowdown (\u00d7)", NULL, 0 };
	bool any = false;
	for (size_t i = 0; i < what->shown_count; i++) {
		const struct curve *curve = what->shown[i].curve;
		for (size_t p = 0; p < curve->count && what->shown[i].facet == place.facet; p++) {
			const struct interval *height = height_at(what, place.measure, curve->groups[p]);
			any = any || !isnan(height->value);
			draw_axis_include(&panel->vertical, height->value);
			draw_axis_include(&panel->vertical, height->low);
			draw_axis_include(&panel->vertical, height->high);
		}
	}
	panel->message = any ? NULL : "no slowdown: see the tables";
	draw_axis_include(&panel->vertical, baseline_height(what, place));
	draw_axis_finish(&panel->vertical);
}

enum status plot_curve(const char *folder, const struct curves *curves, size_t axis, bool *drawn)
{
	static const char *const sets[] = { "forget", "retain", "other" };
	const struct study *study = curves->comparison->study;
	struct curve_plot what = { .curves = curves, .axis = axis };
	char *titles[3] = { NULL }, heading[96];
	char *name = text_format("%s%s", PLOT_CURVE, study_axis_key(curves->axes[axis].name));
	enum status status = name ? STATUS_OK : STATUS_ENVIRONMENT;
	plot_begin_empty(&what.plot, curves->comparison, heading);
	size_t omitted = choose_curves(&what), rows = 0;
	if (divide(&what))
		turn_facets(&what);
	what.loss = !any_slowdown(&what);
	snprintf(heading, sizeof(heading), "%s against %s", what.loss ? "Loss" : "Compute slowdown",
	         curves->axes[axis].name);
	for (int i = 0; i < 3 && what.shown_count > 0 && status == STATUS_OK; i++) {
		size_t measure = study_sharpest(study, sets[i]);
		if (measure == STUDY_NONE)
			continue;
		titles[i] = study_measure_title(&study->measures[measure]);
		status = titles[i] ? STATUS_OK : STATUS_ENVIRONMENT;
		for (size_t f = 0; f < what.plot.facet_count; f++)
			add_panel(&what,
			          what.plot.facet_count > 1 ? plot_place_facet(&what.plot, rows, measure, f)
			                                    : (struct plot_place){ 0, rows, measure, 0 },
			          titles[i]);
		rows++;
	}
	*drawn = what.plot.panel_count > 0;
	explain(&what, omitted);
	if (!what.loss)
		plot_share_axes(&what.plot);
	if (*drawn)
		plot_arrange(&what.plot, 250.0, what.plot.facet_count > 1 ? 185.0 : 220.0);
	if (status == STATUS_OK)
		status = *drawn ? draw_figure(folder, name, what.plot.width, what.plot.height, draw, &what)
		                : plot_remove(folder, name);
	for (int i = 0; i < 3; i++)
		free(titles[i]);
	free(name);
	return status;
}
