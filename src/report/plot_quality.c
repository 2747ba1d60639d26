/* Does a better classifier give a better frontier (paper, figure 28)?
 * SPDX-License-Identifier: Apache-2.0 */
#include "report/plot.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

enum { MOST_CLASSIFIERS = 64 };

struct quality_point {
	double auroc;
	struct interval area; /* normalised height: 0 is the baseline */
	struct style style;
};

struct quality_plot {
	struct plot plot;
	struct quality_point points[MOST_CLASSIFIERS];
	size_t count;
};

/* AUROC of the classifier on its test set at natural prevalence, NaN when its file is not there. */
static double auroc_of(const struct table *classifier, const char *name)
{
	for (size_t row = 0; row < table_rows(classifier); row++) {
		const char *file = table_cell(classifier, row, "file")->text;
		size_t length = strlen(name);
		if (length > 0 && strncmp(file, name, length) == 0 && (file[length] == '\0' || file[length] == '/') &&
		    strcmp(table_cell(classifier, row, "who")->text, "classifier") == 0 &&
		    strcmp(table_cell(classifier, row, "set")->text, "test") == 0 &&
		    strcmp(table_cell(classifier, row, "prevalence")->text, "natural") == 0)
			return table_cell(classifier, row, "auroc")->real;
	}
	return NAN;
}

static void collect(struct quality_plot *what, const struct table *areas, const struct table *classifier)
{
	const struct study *study = what->plot.comparison->study;
	for (size_t row = 0; row < table_rows(areas) && what->count < MOST_CLASSIFIERS; row++) {
		if (strcmp(table_cell(areas, row, "over")->text, "size") != 0 ||
		    strcmp(table_cell(areas, row, "tokens")->text, "label") != 0)
			continue;
		for (size_t i = 0; i < what->plot.series_count; i++) {
			size_t m = what->plot.series[i].method;
			if (strcmp(study->methods[m].label, table_cell(areas, row, "method")->text) != 0)
				continue;
			bool exact = strcmp(study_value(study, m, "filter/source"), "labels") == 0;
			const struct quality_point point = {
				.auroc = exact ? 1 : auroc_of(classifier, study_value(study, m, "filter/classifier")),
				.area = { table_cell(areas, row, "height_normalised")->real,
				          table_cell(areas, row, "height_normalised_low")->real,
				          table_cell(areas, row, "height_normalised_high")->real },
				.style = what->plot.series[i].style,
			};
			if (!isnan(point.auroc) && !isnan(point.area.value))
				what->points[what->count++] = point;
		}
	}
}

static void draw(struct canvas *canvas, const void *context)
{
	const struct quality_plot *what = context;
	const struct panel *panel = &what->plot.panels[0];
	plot_draw_frame(canvas, &what->plot);
	for (size_t i = 0; i < what->count; i++) {
		const struct quality_point *point = &what->points[i];
		draw_error_vertical(canvas, panel, point->auroc, point->area.low, point->area.high,
		                    point->style.colour);
		draw_marker(canvas, panel, point->auroc, point->area.value, &point->style, 4.6, false);
	}
}

enum status plot_quality(const char *folder, const struct comparison *comparison, const struct table *areas,
                         const struct table *classifier, bool *drawn)
{
	struct quality_plot *what = calloc(1, sizeof(*what));
	if (!what)
		return error_raise(STATUS_ENVIRONMENT, "out of memory while drawing");
	bool swept = false;
	for (size_t a = 0; a < comparison->study->axis_count; a++)
		swept = swept || strcmp(comparison->study->axes[a], "filter/classifier") == 0;
	enum status status = plot_begin(&what->plot, comparison, "Classifier quality and frontier", false, false);
	what->plot.facet_count = 1; /* points are told apart by where they are */
	if (swept && status == STATUS_OK)
		collect(what, areas, classifier);
	*drawn = what->count >= 2;
	if (status == STATUS_OK && *drawn) {
		struct panel *panel = plot_add_panel(&what->plot, (struct plot_place){ 0 });
		*panel = (struct panel){
			.horizontal = { AXIS_EMPTY, false, "AUROC on the test set", NULL, 0 },
			.vertical = { AXIS_EMPTY, false, "1 \u2212 mean forget loss of baseline / own", NULL, 0 },
			.title = "frontier over sizes, label tokens",
		};
		for (size_t i = 0; i < what->count; i++) {
			draw_axis_include(&panel->horizontal, what->points[i].auroc);
			draw_axis_include(&panel->vertical, what->points[i].area.value);
			draw_axis_include(&panel->vertical, what->points[i].area.low);
			draw_axis_include(&panel->vertical, what->points[i].area.high);
		}
		draw_axis_finish(&panel->horizontal);
		draw_axis_finish(&panel->vertical);
		plot_explain_intervals(&what->plot, false);
		plot_arrange(&what->plot, 360.0, 260.0);
		status = draw_figure(folder, PLOT_QUALITY, what->plot.width, what->plot.height, draw, what);
	} else if (status == STATUS_OK) {
		status = plot_remove(folder, PLOT_QUALITY);
	}
	free(what);
	return status;
}
