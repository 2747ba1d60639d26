/* Share of corpus tokens filtered in each domain, over all sizes of a method.
 * SPDX-License-Identifier: Apache-2.0 */
#include "report/plot.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static double share_of(const struct study *study, size_t method, const char *domain)
{
	double filtered = 0.0, tokens = 0.0;
	for (size_t s = 0; s < study->size_count; s++) {
		const struct run *run = study_run(study, method, s);
		for (size_t d = 0; run && d < run->domain_count; d++)
			if (strcmp(run->domains[d].name, domain) == 0) {
				filtered += (double)run->domains[d].filtered;
				tokens += (double)run->domains[d].tokens;
			}
	}
	return tokens > 0.0 ? 100.0 * filtered / tokens : NAN;
}

/* Numbers on all columns of a figure or on none: with a decimal where that fits, else from 10 on without. */
static bool choose_numbers(double width, bool *whole)
{
	*whole = draw_text_width("88.8", &draw_note_text) > width;
	return draw_text_width(*whole ? "8.8" : "88.8", &draw_note_text) <= width;
}

static void draw_facet(struct canvas *canvas, const struct plot *plot, size_t index)
{
	const struct panel *panel = &plot->panels[index];
	size_t lines = 0, before = 0;
	for (size_t i = 0; i < plot->series_count; i++)
		lines += plot_shows(plot, index, i);
	double width = 0.8 / (double)lines;
	bool whole, numbers = choose_numbers(0.92 * width * panel->width / (double)panel->horizontal.category_count,
	                                     &whole);
	for (size_t i = 0; i < plot->series_count; i++) {
		if (!plot_shows(plot, index, i))
			continue;
		for (size_t d = 0; d < panel->horizontal.category_count; d++) {
			double left = (double)d - 0.4 + (double)before * width;
			double share = share_of(plot->comparison->study, plot->series[i].method,
			                        panel->horizontal.categories[d]);
			char label[16];
			snprintf(label, sizeof(label), whole && share >= 9.95 ? "%.0f" : "%.1f", share);
			draw_column(canvas, panel, left + 0.04 * width, left + 0.96 * width, share,
			            plot->series[i].style.colour, numbers ? label : "");
		}
		before++;
	}
}

static void draw(struct canvas *canvas, const void *context)
{
	const struct plot *plot = context;
	plot_draw_frame(canvas, plot);
	for (size_t index = 0; index < plot->panel_count; index++)
		draw_facet(canvas, plot, index);
}

/* The first filtered run that counts domains: all runs see one corpus. */
static const struct run *find_model(const struct plot *plot)
{
	const struct study *study = plot->comparison->study;
	for (size_t i = 0; i < plot->series_count; i++)
		for (size_t s = 0; s < study->size_count; s++) {
			const struct run *run = study_run(study, plot->series[i].method, s);
			if (run && run->domain_count > 0)
				return run;
		}
	return NULL;
}

static void add_panels(struct plot *plot, const char **names, size_t domains)
{
	struct axis vertical = { 0.0, 0.0, false, "tokens filtered (%)", NULL, 0 };
	for (size_t d = 0; d < domains; d++)
		for (size_t i = 0; i < plot->series_count; i++)
			draw_axis_include(&vertical,
			                  share_of(plot->comparison->study, plot->series[i].method, names[d]));
	vertical.high = vertical.high > 0.0 ? 1.1 * vertical.high : 1.0;
	for (size_t f = 0; f < plot->facet_count; f++) {
		struct plot_place place = plot_place_facet(plot, 0, 0, f);
		if (plot->facet_count > 2) { /* two in a row: columns want room */
			place.row = f / 2;
			place.column = f % 2;
		}
		struct panel *panel = plot_add_panel(plot, place);
		if (!panel)
			return;
		panel->vertical = vertical;
		panel->horizontal =
			(struct axis){ -0.5, (double)domains - 0.5, false, "domain by token label", names, domains };
	}
}

enum status plot_filtered(const char *folder, const struct comparison *comparison, bool *drawn)
{
	struct plot plot;
	STATUS_TRY(
		plot_begin(&plot, comparison, "Share of corpus tokens filtered, by domain of the token", false, false));
	const struct run *model = find_model(&plot);
	*drawn = model != NULL;
	if (!model)
		return plot_remove(folder, PLOT_FILTERED);
	const char **names = calloc(model->domain_count, sizeof(*names));
	if (!names)
		return error_raise(STATUS_ENVIRONMENT, "out of memory while drawing");
	for (size_t d = 0; d < model->domain_count; d++)
		names[d] = model->domains[d].name;
	for (size_t i = 0; i < plot.legend_count; i++)
		plot.legend[i].block = true;
	add_panels(&plot, names, model->domain_count);
	plot_arrange(&plot, fmin(900.0, fmax(360.0, 110.0 * (double)model->domain_count)), 240.0);
	enum status status = draw_figure(folder, PLOT_FILTERED, plot.width, plot.height, draw, &plot);
	free(names);
	return status;
}
