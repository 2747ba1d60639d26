/* Drawing figures: one description, written as SVG and as PNG through cairo. Panels with axes, lines, markers, error
 * bars, a legend. Coordinates of a figure are points from the top left corner; PNG has two pixels a point.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_REPORT_DRAW_H
#define CAPSHAPE_REPORT_DRAW_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

struct canvas; /* a figure being drawn */
typedef void (*draw_function)(struct canvas *canvas, const void *context);

/* Writes FOLDER/NAME.svg and FOLDER/NAME.png, each complete or absent. */
enum status draw_figure(const char *folder, const char *name, double width, double height, draw_function draw,
                        const void *context);

struct colour {
	double red, green, blue;
};
extern const struct colour draw_black, draw_grey, draw_light;

enum shape { SHAPE_CIRCLE, SHAPE_SQUARE, SHAPE_TRIANGLE, SHAPE_DIAMOND, SHAPE_DOWN, SHAPE_NONE };
enum dash { DASH_SOLID, DASH_DASHED, DASH_DOTTED };

/* How a series looks. Colours tell apart for colour-blind readers too; shapes repeat the distinction. */
struct style {
	struct colour colour;
	enum shape shape;
};
/* Style of series `index`, 0 ..; the baseline has draw_baseline_style. */
struct style draw_style(size_t index);
extern const struct style draw_baseline_style;
/* Greys for several baselines; the first is draw_baseline_style. */
struct style draw_style_of_baseline(size_t index);

/* ---- text ---- */
struct text_style {
	double size;
	bool bold;
	struct colour colour;
};
extern const struct text_style draw_title_text, draw_panel_text, draw_label_text, draw_tick_text, draw_note_text;
double draw_text_width(const char *text, const struct text_style *style);
/* `anchor` 0: x is the left end, 0.5: the middle, 1: the right end; y is the base line. */
void draw_text(struct canvas *canvas, double x, double y, double anchor, const char *text,
               const struct text_style *style);

/* ---- panels ---- */
struct axis {
	double low, high; /* an axis begins empty: AXIS_EMPTY */
	bool logarithmic;
	const char *label;             /* with the unit */
	const char *const *categories; /* names at 0, 1, ..; NULL: numbers */
	size_t category_count;
};
#define AXIS_EMPTY INFINITY, -INFINITY
/* Widens the axis to hold the value; NaN, infinities and (logarithmic) values <= 0 are passed over. */
void draw_axis_include(struct axis *axis, double value);
/* Adds room at both ends; an empty axis becomes 0 .. 1 (1 .. 10), a single value gets room around it. */
void draw_axis_finish(struct axis *axis);

struct panel {
	double x, y, width, height; /* of the plotting area */
	struct axis horizontal, vertical;
	const char *title, *corner; /* above the area, left and right; may be NULL */
	const char *subtitle;       /* between title and area; may be NULL */
	const char *message;        /* in the middle of an area that has nothing else to show; may be NULL */
};
/* Background, grid, ticks, labels. */
void draw_panel(struct canvas *canvas, const struct panel *panel);
/* Undefined points are passed over; lines are clipped to the panel. */
void draw_line(struct canvas *canvas, const struct panel *panel, size_t count, const double *x, const double *y,
               struct colour colour, double width, enum dash dash);
void draw_marker(struct canvas *canvas, const struct panel *panel, double x, double y, const struct style *style,
                 double size, bool hollow);
/* A bar from `low` to `high` with caps. */
void draw_error_vertical(struct canvas *canvas, const struct panel *panel, double x, double low, double high,
                         struct colour colour);
void draw_error_horizontal(struct canvas *canvas, const struct panel *panel, double y, double low, double high,
                           struct colour colour);
/* A filled column from the lower edge of the panel, with a label on top where it is wide enough. */
void draw_column(struct canvas *canvas, const struct panel *panel, double left, double right, double height,
                 struct colour colour, const char *label);

/* ---- legend: one entry a line, downwards ---- */
struct legend_entry {
	const char *label;
	struct style style;
	bool line, hollow, block;
	enum dash dash;
};
double draw_legend_width(const struct legend_entry *entries, size_t count);
void draw_legend(struct canvas *canvas, double x, double y, const struct legend_entry *entries, size_t count);

#endif
