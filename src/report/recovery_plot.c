/* The figures of a finetuning: tokens to the target against model size (paper, Figure 7), and the losses on the way.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/plot.h"
#include "report/recovery.h"

/* What is drawn: one panel a measure, or one a size. */
struct figure {
	struct plot plot;
	const struct recovery *recovery;
};

static struct style style_of(const struct recovery *recovery, size_t label)
{
	size_t before = 0;
	if (recovery_is_baseline(recovery, recovery->labels[label]))
		return draw_baseline_style;
	for (size_t i = 0; i < label; i++)
		before += !recovery_is_baseline(recovery, recovery->labels[i]);
	return draw_style(before);
}

/* ---- tokens against size ---- */

/* Of the answer, or of what it was trained on without one, in tokens (measure 0) or as a share of pretraining in % (1). */
static double scaled(const struct recovery_run *run, size_t measure, double tokens)
{
	return measure == 0 ? tokens : 100.0 * tokens / run->pretraining;
}

static double last_tokens(const struct recovery_run *run)
{
	return run->forget.count > 0 ? run->forget.tokens[run->forget.count - 1] : NAN;
}

static void include_run(struct panel *panel, const struct recovery_run *run, size_t measure)
{
	double value = isnan(run->tokens.value) ? last_tokens(run) : run->tokens.value;
	draw_axis_include(&panel->horizontal, run->parameters);
	draw_axis_include(&panel->vertical, scaled(run, measure, value));
	draw_axis_include(&panel->vertical, scaled(run, measure, run->tokens.low));
	draw_axis_include(&panel->vertical,
	                  scaled(run, measure, isinf(run->tokens.high) ? last_tokens(run) : run->tokens.high));
}

static void draw_method(struct canvas *canvas, const struct figure *figure, size_t index, size_t label, double *x,
                        double *y)
{
	const struct recovery *recovery = figure->recovery;
	const struct panel *panel = &figure->plot.panels[index];
	struct style style = style_of(recovery, label);
	size_t count = 0;
	for (size_t s = 0; s < recovery->size_count; s++) {
		const struct recovery_run *run = recovery_find(recovery, recovery->labels[label], recovery->sizes[s]);
		if (!run)
			continue;
		x[count] = run->parameters;
		y[count++] = scaled(run, index, run->tokens.value);
	}
	draw_line(canvas, panel, count, x, y, style.colour, 1.4, DASH_SOLID);
	for (size_t s = 0; s < recovery->size_count; s++) {
		const struct recovery_run *run = recovery_find(recovery, recovery->labels[label], recovery->sizes[s]);
		if (!run)
			continue;
		bool reached = !isnan(run->tokens.value);
		double high = isinf(run->tokens.high) ? last_tokens(run) : run->tokens.high;
		if (reached)
			draw_error_vertical(canvas, panel, run->parameters, scaled(run, index, run->tokens.low),
			                    scaled(run, index, high), style.colour);
		draw_marker(canvas, panel, run->parameters,
		            scaled(run, index, reached ? run->tokens.value : last_tokens(run)), &style, 4.5, !reached);
	}
}

static void draw_tokens(struct canvas *canvas, const void *context)
{
	const struct figure *figure = context;
	const struct recovery *recovery = figure->recovery;
	double *x = calloc(recovery->size_count, sizeof(*x)), *y = calloc(recovery->size_count, sizeof(*y));
	plot_draw_frame(canvas, &figure->plot);
	for (size_t index = 0; index < figure->plot.panel_count && x && y; index++)
		for (size_t label = 0; label < recovery->label_count; label++)
			if (!recovery_is_baseline(recovery, recovery->labels[label]))
				draw_method(canvas, figure, index, label, x, y);
	free(x);
	free(y);
}

enum status recovery_plot_tokens(const char *folder, const struct recovery *recovery, bool *drawn)
{
	static const char *const titles[2] = { "tokens of forget text", "% of the pretraining tokens" };
	struct figure figure = { .recovery = recovery };
	struct plot *plot = &figure.plot;
	bool unreached = false;
	*drawn = false;
	plot_begin_empty(plot, NULL, "Finetuning until the loss on the forget set is the unfiltered model's");
	for (size_t label = 0; label < recovery->label_count; label++)
		if (!recovery_is_baseline(recovery, recovery->labels[label]))
			plot_add_legend(plot, &(struct legend_entry){ .label = recovery->labels[label],
			                                              .style = style_of(recovery, label),
			                                              .line = true });
	for (size_t measure = 0; measure < 2; measure++) {
		struct panel *panel = plot_add_panel(plot, (struct plot_place){ 0, measure, measure, 0 });
		if (!panel)
			continue;
		panel->title = titles[measure];
		panel->horizontal = (struct axis){ AXIS_EMPTY, true, "parameters", NULL, 0 };
		panel->vertical = (struct axis){ AXIS_EMPTY, true, titles[measure], NULL, 0 };
		for (size_t i = 0; i < recovery->count; i++) {
			const struct recovery_run *run = &recovery->runs[i];
			if (!run->chosen || recovery_is_baseline(recovery, run->label))
				continue;
			*drawn = true;
			unreached = unreached || isnan(run->tokens.value);
			include_run(panel, run, measure);
		}
	}
	if (!*drawn)
		return plot_remove(folder, RECOVERY_PLOT);
	if (unreached)
		plot_add_legend(plot, &(struct legend_entry){ .label = "hollow: not reached by then",
		                                              .hollow = true,
		                                              .style = { draw_grey, SHAPE_CIRCLE } });
	plot_finish_axes(plot);
	plot_arrange(plot, 260.0, 220.0);
	return draw_figure(folder, RECOVERY_PLOT, plot->width, plot->height, draw_tokens, &figure);
}

/* ---- losses ---- */

static void draw_curve(struct canvas *canvas, const struct figure *figure, size_t size, size_t label)
{
	const struct recovery *recovery = figure->recovery;
	const struct recovery_run *run = recovery_find(recovery, recovery->labels[label], recovery->sizes[size]);
	const struct panel *panel = &figure->plot.panels[size];
	struct style style = style_of(recovery, label);
	if (!run)
		return;
	const double ends[2] = { panel->horizontal.low, panel->horizontal.high },
		     target[2] = { run->target, run->target };
	draw_line(canvas, panel, 2, ends, target, draw_baseline_style.colour, 1.0, DASH_DASHED);
	draw_line(canvas, panel, run->forget.count, run->forget.tokens, run->forget.loss, style.colour, 1.4,
	          DASH_SOLID);
	if (!isnan(run->tokens.value))
		draw_marker(canvas, panel, run->tokens.value, run->target, &style, 4.0, false);
}

static void draw_curves(struct canvas *canvas, const void *context)
{
	const struct figure *figure = context;
	plot_draw_frame(canvas, &figure->plot);
	for (size_t size = 0; size < figure->plot.panel_count; size++)
		for (size_t label = 0; label < figure->recovery->label_count; label++)
			draw_curve(canvas, figure, size, label);
}

static void add_panel(struct figure *figure, size_t size)
{
	enum { ACROSS = 3 };
	const struct recovery *recovery = figure->recovery;
	struct panel *panel =
		plot_add_panel(&figure->plot, (struct plot_place){ size / ACROSS, size % ACROSS, size, 0 });
	if (!panel)
		return;
	panel->title = recovery->sizes[size];
	panel->horizontal = (struct axis){ AXIS_EMPTY, false, "tokens of forget text", NULL, 0 };
	panel->vertical = (struct axis){ AXIS_EMPTY, false, "forget loss (nats/token)", NULL, 0 };
	for (size_t i = 0; i < recovery->count; i++) {
		const struct recovery_run *run = &recovery->runs[i];
		if (!run->chosen || strcmp(run->size, recovery->sizes[size]) != 0)
			continue;
		draw_axis_include(&panel->vertical, run->target);
		for (size_t k = 0; k < run->forget.count; k++) {
			draw_axis_include(&panel->horizontal, run->forget.tokens[k]);
			draw_axis_include(&panel->vertical, run->forget.loss[k]);
		}
	}
}

enum status recovery_plot_curves(const char *folder, const struct recovery *recovery, bool *drawn)
{
	struct figure figure = { .recovery = recovery };
	struct plot *plot = &figure.plot;
	plot_begin_empty(plot, NULL, "Loss on the forget set while models are finetuned on forget text");
	for (size_t label = 0; label < recovery->label_count; label++)
		plot_add_legend(plot, &(struct legend_entry){ .label = recovery->labels[label],
		                                              .style = style_of(recovery, label),
		                                              .line = true });
	plot_add_legend(plot, &(struct legend_entry){ .label = "target",
	                                              .line = true,
	                                              .dash = DASH_DASHED,
	                                              .style = { draw_baseline_style.colour, SHAPE_NONE } });
	for (size_t size = 0; size < recovery->size_count; size++)
		add_panel(&figure, size);
	*drawn = plot->panel_count > 0;
	if (!*drawn)
		return plot_remove(folder, RECOVERY_CURVES_PLOT);
	plot_finish_axes(plot);
	plot_arrange(plot, 230.0, 180.0);
	return draw_figure(folder, RECOVERY_CURVES_PLOT, plot->width, plot->height, draw_curves, &figure);
}
