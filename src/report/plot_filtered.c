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

static void draw(struct canvas *canvas, const void *context)
{
	const struct plot *plot = context;
	const struct panel *panel = &plot->panels[0];
	double width = 0.8 / (double)plot->series_count;
	plot_draw_frame(canvas, plot);
	for (size_t d = 0; d < panel->horizontal.category_count; d++)
		for (size_t i = 0; i < plot->series_count; i++) {
			double left = (double)d - 0.4 + (double)i * width;
			double share = share_of(plot->comparison->study, plot->series[i].method,
			                        panel->horizontal.categories[d]);
			char label[16];
			snprintf(label, sizeof(label), "%.1f", share);
			draw_column(canvas, panel, left + 0.04 * width, left + 0.96 * width, share,
			            plot->series[i].style.colour, label);
		}
}

enum status plot_filtered(const char *folder, const struct comparison *comparison, bool *drawn)
{
	const struct study *study = comparison->study;
	const struct run *model = NULL; /* the first filtered run that counts domains: all runs see one corpus */
	struct plot plot;
	plot_begin(&plot, comparison, "Share of corpus tokens filtered, by domain of the token", false, false);
	for (size_t i = 0; i < plot.series_count; i++)
		for (size_t s = 0; s < study->size_count && !model; s++) {
			const struct run *run = study_run(study, plot.series[i].method, s);
			model = run && run->domain_count > 0 ? run : NULL;
		}
	*drawn = model != NULL;
	if (!model)
		return plot_remove(folder, PLOT_FILTERED);
	const char **names = calloc(model->domain_count, sizeof(*names));
	if (!names)
		return error_raise(STATUS_ENVIRONMENT, "out of memory while drawing");
	struct axis vertical = { 0.0, 0.0, false, "tokens filtered (%)", NULL, 0 };
	for (size_t d = 0; d < model->domain_count; d++) {
		names[d] = model->domains[d].name;
		for (size_t i = 0; i < plot.series_count; i++)
			draw_axis_include(&vertical, share_of(study, plot.series[i].method, names[d]));
	}
	vertical.high = vertical.high > 0.0 ? 1.1 * vertical.high : 1.0;
	for (size_t i = 0; i < plot.legend_count; i++)
		plot.legend[i].block = true;
	plot.panels[0] = (struct panel){ .vertical = vertical };
	plot.panels[0].horizontal = (struct axis){ -0.5,  (double)model->domain_count - 0.5,
		                                   false, "domain by token label",
		                                   names, model->domain_count };
	plot.panel_count = 1;
	plot_arrange(&plot, 1, fmin(900.0, fmax(360.0, 110.0 * (double)model->domain_count)), 240.0);
	enum status status = draw_figure(folder, PLOT_FILTERED, plot.width, plot.height, draw, &plot);
	free(names);
	return status;
}
