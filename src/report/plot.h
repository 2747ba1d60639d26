/* The figures of the report. Each is written as SVG and PNG under its name, or, when there is nothing to show, an
 * older one of that name is removed, so that a report folder never mixes two reports.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_REPORT_PLOT_H
#define CAPSHAPE_REPORT_PLOT_H

#include <stdbool.h>

#include "report/curves.h"
#include "report/draw.h"
#include "report/facets.h"
#include "report/questions.h"

#define PLOT_LOSSES    "loss-against-compute"
#define PLOT_FRONTIER  "forget-against-retain"
#define PLOT_SLOWDOWN  "slowdown"
#define PLOT_FILTERED  "filtered"
#define PLOT_READING   "slowdown-read-off"
#define PLOT_PARETO    "pareto"
#define PLOT_QUESTIONS "questions"
#define PLOT_QUALITY   "classifier-quality"
#define PLOT_CURVE     "curve-" /* and the key */

/* `drawn`: whether there was something to show. */
enum status plot_losses(const char *folder, const struct comparison *comparison, bool *drawn);
enum status plot_frontier(const char *folder, const struct comparison *comparison, bool *drawn);
enum status plot_slowdown(const char *folder, const struct comparison *comparison, bool *drawn);
enum status plot_filtered(const char *folder, const struct comparison *comparison, bool *drawn);
/* How the slowdown of the largest models is read off the baseline's law (paper, figure 19). */
enum status plot_reading(const char *folder, const struct comparison *comparison, bool *drawn);
/* Forget against retain loss of the families of one numeric axis, at the largest size that has them, with the front. */
enum status plot_pareto(const char *folder, const struct curves *curves, bool *drawn);
/* Slowdown (without one: loss) against the values of one axis; file name PLOT_CURVE and the key. */
enum status plot_curve(const char *folder, const struct curves *curves, size_t axis, bool *drawn);
enum status plot_questions(const char *folder, const struct question_results *results, bool *drawn);
/* Normalised area of each classifier's frontier over sizes against its AUROC, from the tables `areas` and `classifier`. */
enum status plot_quality(const char *folder, const struct comparison *comparison, const struct table *areas,
                         const struct table *classifier, bool *drawn);

/* ---- shared by the figures ---- */
enum { PLOT_MOST_SERIES = 64, PLOT_MOST_LINES = 20, PLOT_MOST_PANELS = 48, PLOT_LABEL_SIZE = 64 };

/* A method as it appears in every figure: same colour and marker everywhere. */
struct plot_series {
	size_t method;
	struct style style;
	char label[PLOT_LABEL_SIZE];
	bool facets[FACETS_MOST]; /* that show it */
};

struct plot_place {
	size_t row, column;
	size_t measure; /* what the panel is about */
	size_t facet;
};

/* What a figure is drawn from, and where its parts are. */
struct plot {
	const struct comparison *comparison;
	const char *title;
	struct plot_series series[PLOT_MOST_SERIES];
	size_t series_count;
	char facets[FACETS_MOST][PLOT_LABEL_SIZE]; /* titles, when there are several (report/facets.h) */
	size_t facet_count;
	bool same_text; /* in all facets */
	struct legend_entry legend[PLOT_MOST_SERIES + 4];
	size_t legend_count;
	struct panel panels[PLOT_MOST_PANELS];
	struct plot_place places[PLOT_MOST_PANELS];
	size_t panel_count;
	char notes[4][64]; /* lines under the legend */
	size_t note_count;
	double legend_x, width, height;
};

/* A plot without series, of one facet: for figures that have others than the methods. */
void plot_begin_empty(struct plot *plot, const struct comparison *comparison, const char *title);
/* At most size - 1 bytes, shortened with an ellipsis; size >= 4. */
void plot_shorten(const char *label, size_t size, char *out);
/* Takes the methods in the order of the study (baselines too when `baselines`), divided among facets, with lines in the
 * legend when `lines`. At most PLOT_MOST_LINES a facet. */
enum status plot_begin(struct plot *plot, const struct comparison *comparison, const char *title, bool baselines,
                       bool lines);
/* An empty panel; NULL when there are PLOT_MOST_PANELS. */
struct panel *plot_add_panel(struct plot *plot, struct plot_place place);
/* Whether a panel shows a series. */
bool plot_shows(const struct plot *plot, size_t panel, size_t series);
/* Gives the panels of each measure the same axes, the widest of theirs. Before the axes are finished. */
void plot_share_axes(struct plot *plot);
void plot_finish_axes(struct plot *plot);
/* Place of the panel of a facet below `before` others of the same facet. */
struct plot_place plot_place_facet(const struct plot *plot, size_t before, size_t measure, size_t facet);
/* Places of a figure with a panel for each measure that is `wanted`. With one facet: all tokens above, label tokens below, in
 * rows of four. With several: a row for each set, of label tokens where it has any. Number of places. */
size_t plot_place_measures(const struct plot *plot, const bool *wanted, struct plot_place places[PLOT_MOST_PANELS]);
void plot_add_legend(struct plot *plot, const struct legend_entry *entry);
void plot_add_note(struct plot *plot, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* What the error bars are; nothing when there are none. `paired`: that differences have intervals of their own. */
void plot_explain_intervals(struct plot *plot, bool paired);
/* Places the panels, each of the given size, the legend right of them. */
void plot_arrange(struct plot *plot, double panel_width, double panel_height);
/* Title, panels, legend. */
void plot_draw_frame(struct canvas *canvas, const struct plot *plot);
/* "power law", "law with floor", "robust power law", .. */
const char *plot_law_name(enum law_kind law);
/* "training compute 6ND (FLOP)", .. */
const char *plot_compute_label(enum compute_kind compute);
enum status plot_remove(const char *folder, const char *name);
/* Marker size of model size `index`: larger for larger models. */
double plot_marker_size(const struct study *study, size_t size);

#endif
