/* The figures of probes: F1 of tokens and accuracy of documents against model size (paper, Figures 8 and 21), and F1 by layer.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/plot.h"
#include "report/probing.h"

/* A panel is of a pair (or of tokens), or of a size. */
struct figure {
	struct plot plot;
	const struct probings *probings;
	bool pairs;
};

static struct style style_of(const struct study *study, size_t method)
{
	size_t before = 0;
	for (size_t i = 0; i < method; i++)
		before += study->methods[i].is_baseline == study->methods[method].is_baseline;
	return study->methods[method].is_baseline ? draw_style_of_baseline(before) : draw_style(before);
}

static void add_legend(struct plot *plot, const struct study *study)
{
	for (size_t method = 0; method < study->method_count; method++)
		plot_add_legend(plot, &(struct legend_entry){ .label = study->methods[method].label,
		                                              .style = style_of(study, method),
		                                              .line = true });
}

static const struct group *group_of(const struct probings *probings, const struct probed *model)
{
	return &probings->study->groups[model->group];
}

/* ---- against size ---- */

/* What a panel shows of a model; false where it has nothing. In % of documents. */
static bool value_of(const struct figure *figure, size_t panel, const struct probed *model, struct interval *value)
{
	if (!figure->pairs) {
		*value = model->f1;
		return model->has_tokens;
	}
	const struct probed_pair *pair = probings_pair(model, figure->probings->pairs[panel]);
	if (pair)
		*value = (struct interval){ 100.0 * pair->mean.value, 100.0 * pair->mean.low, 100.0 * pair->mean.high };
	return pair != NULL;
}

static double parameters_of(const struct probings *probings, const struct probed *model)
{
	return (double)probings->study->list->runs[model->run].parameters;
}

/* Models of one size would hide each other: methods are moved apart a little. */
static double place_of(const struct figure *figure, const struct panel *panel, const struct probed *model)
{
	static const double APART = 0.012;
	const struct study *study = figure->probings->study;
	double step = (double)group_of(figure->probings, model)->method - 0.5 * (double)(study->method_count - 1);
	return parameters_of(figure->probings, model) *
	       pow(panel->horizontal.high / panel->horizontal.low, APART * step);
}

/* A line through the first seed of each size, marks for all. */
static void draw_method(struct canvas *canvas, const struct figure *figure, size_t index, size_t method)
{
	const struct probings *probings = figure->probings;
	const struct panel *panel = &figure->plot.panels[index];
	struct style style = style_of(probings->study, method);
	double last_x = NAN, last_y = NAN;
	size_t last_group = STUDY_NONE;
	for (size_t i = 0; i < probings->count; i++) {
		const struct probed *model = &probings->models[i];
		struct interval value;
		if (group_of(probings, model)->method != method || !value_of(figure, index, model, &value))
			continue;
		double x = place_of(figure, panel, model);
		if (model->group != last_group) {
			const double xs[2] = { last_x, x }, ys[2] = { last_y, value.value };
			draw_line(canvas, panel, 2, xs, ys, style.colour, 1.4, DASH_SOLID);
			last_x = x;
			last_y = value.value;
			last_group = model->group;
		}
		draw_error_vertical(canvas, panel, x, value.low, value.high, style.colour);
		draw_marker(canvas, panel, x, value.value, &style, 4.5, false);
	}
}

static double classifier_f1(const struct probings *probings)
{
	for (size_t i = 0; i < probings->count; i++)
		if (!isnan(probings->models[i].classifier_f1))
			return probings->models[i].classifier_f1;
	return NAN;
}

static void draw_sizes(struct canvas *canvas, const void *context)
{
	const struct figure *figure = context;
	double reference = figure->pairs ? NAN : classifier_f1(figure->probings);
	plot_draw_frame(canvas, &figure->plot);
	for (size_t index = 0; index < figure->plot.panel_count; index++) {
		const struct panel *panel = &figure->plot.panels[index];
		const double ends[2] = { panel->horizontal.low, panel->horizontal.high },
			     heights[2] = { reference, reference };
		if (!isnan(reference))
			draw_line(canvas, panel, 2, ends, heights, draw_grey, 1.1, DASH_DASHED);
		for (size_t method = figure->probings->study->method_count; method > 0; method--)
			draw_method(canvas, figure, index, method - 1);
	}
}

static void add_size_panel(struct figure *figure, size_t index, const char *title, const char *label, bool *drawn)
{
	struct panel *panel = plot_add_panel(&figure->plot, (struct plot_place){ index / 3, index % 3, index, 0 });
	if (!panel)
		return;
	panel->title = title;
	panel->horizontal = (struct axis){ AXIS_EMPTY, true, "parameters", NULL, 0 };
	panel->vertical = (struct axis){ AXIS_EMPTY, false, label, NULL, 0 };
	for (size_t i = 0; i < figure->probings->count; i++) {
		struct interval value;
		if (!value_of(figure, index, &figure->probings->models[i], &value))
			continue;
		*drawn = true;
		draw_axis_include(&panel->horizontal, parameters_of(figure->probings, &figure->probings->models[i]));
		draw_axis_include(&panel->vertical, value.value);
		draw_axis_include(&panel->vertical, value.low);
		draw_axis_include(&panel->vertical, value.high);
	}
}

enum status probings_plot_tokens(const char *folder, const struct probings *probings, bool *drawn)
{
	struct figure figure = { .probings = probings };
	struct plot *plot = &figure.plot;
	double reference = classifier_f1(probings);
	*drawn = false;
	plot_begin_empty(plot, NULL, "Forget tokens told from others by a probe of the best layer");
	add_legend(plot, probings->study);
	add_size_panel(&figure, 0, "tokens of the test set", "F1, both classes weighing the same", drawn);
	if (!*drawn)
		return plot_remove(folder, PROBING_PLOT);
	if (!isnan(reference)) {
		draw_axis_include(&plot->panels[0].vertical, reference);
		plot_add_legend(plot, &(struct legend_entry){ .label = "the runs' classifier",
		                                              .line = true,
		                                              .dash = DASH_DASHED,
		                                              .style = { draw_grey, SHAPE_NONE } });
	}
	plot_finish_axes(plot);
	plot_arrange(plot, 300.0, 240.0);
	return draw_figure(folder, PROBING_PLOT, plot->width, plot->height, draw_sizes, &figure);
}

enum status probings_plot_pairs(const char *folder, const struct probings *probings, bool *drawn)
{
	struct figure figure = { .probings = probings, .pairs = true };
	struct plot *plot = &figure.plot;
	*drawn = false;
	plot_begin_empty(plot, NULL, "Documents of two classes told apart, mean over layers");
	add_legend(plot, probings->study);
	for (size_t i = 0; i < probings->pair_count; i++)
		add_size_panel(&figure, i, probings->pairs[i], "told rightly (%)", drawn);
	if (!*drawn)
		return plot_remove(folder, PROBING_PAIRS_PLOT);
	plot_finish_axes(plot);
	plot_arrange(plot, 220.0, 190.0);
	return draw_figure(folder, PROBING_PAIRS_PLOT, plot->width, plot->height, draw_sizes, &figure);
}

/* ---- by layer ---- */

static void draw_layers(struct canvas *canvas, const void *context)
{
	const struct figure *figure = context;
	const struct probings *probings = figure->probings;
	plot_draw_frame(canvas, &figure->plot);
	for (size_t i = probings->count; i > 0; i--) {
		const struct probed *model = &probings->models[i - 1];
		const struct group *group = group_of(probings, model);
		double *x = calloc(model->layers, sizeof(*x));
		if (!x || !model->has_tokens || group->size >= figure->plot.panel_count) {
			free(x);
			continue;
		}
		const struct panel *panel = &figure->plot.panels[group->size];
		struct style style = style_of(probings->study, group->method);
		for (size_t layer = 0; layer < model->layers; layer++)
			x[layer] = model->layer[layer];
		draw_line(canvas, panel, model->layers, x, model->figures[PROBED_F1], style.colour, 1.4, DASH_SOLID);
		draw_marker(canvas, panel, x[model->best], model->figures[PROBED_F1][model->best], &style, 4.5, false);
		free(x);
	}
}

enum status probings_plot_layers(const char *folder, const struct probings *probings, bool *drawn)
{
	struct figure figure = { .probings = probings };
	struct plot *plot = &figure.plot;
	*drawn = false;
	plot_begin_empty(plot, NULL, "Forget tokens told from others, by layer; marked: best on validation text");
	add_legend(plot, probings->study);
	for (size_t size = 0; size < probings->study->size_count; size++) {
		struct panel *panel = plot_add_panel(plot, (struct plot_place){ size / 3, size % 3, size, 0 });
		if (!panel)
			continue;
		panel->title = probings->study->sizes[size].label;
		panel->horizontal = (struct axis){ AXIS_EMPTY, false, "layer", NULL, 0 };
		panel->vertical = (struct axis){ AXIS_EMPTY, false, "F1, both classes weighing the same", NULL, 0 };
		for (size_t i = 0; i < probings->count; i++) {
			const struct probed *model = &probings->models[i];
			for (size_t k = 0; k < model->layers && model->has_tokens; k++) {
				if (group_of(probings, model)->size != size)
					break;
				*drawn = true;
				draw_axis_include(&panel->horizontal, model->layer[k]);
				draw_axis_include(&panel->vertical, model->figures[PROBED_F1][k]);
			}
		}
	}
	if (!*drawn)
		return plot_remove(folder, PROBING_LAYERS_PLOT);
	plot_finish_axes(plot);
	plot_arrange(plot, 220.0, 190.0);
	return draw_figure(folder, PROBING_LAYERS_PLOT, plot->width, plot->height, draw_layers, &figure);
}
