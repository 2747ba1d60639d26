/* Panels: the scale of the axes, ticks, grid, and what is drawn in data coordinates.
 * SPDX-License-Identifier: Apache-2.0 */
#include "report/draw.h"

#include <math.h>
#include <stdio.h>

#include "report/canvas.h"

/* ---- scales ---- */

void draw_axis_include(struct axis *axis, double value)
{
	if (!isfinite(value) || (axis->logarithmic && value <= 0.0))
		return;
	axis->low = fmin(axis->low, value);
	axis->high = fmax(axis->high, value);
}

void draw_axis_finish(struct axis *axis)
{
	static const double ROOM = 0.06;
	if (!(axis->low <= axis->high)) {
		axis->low = axis->logarithmic ? 1.0 : 0.0;
		axis->high = axis->logarithmic ? 10.0 : 1.0;
	} else if (axis->logarithmic) {
		double span = log(axis->high / axis->low), room = span > 1e-9 ? ROOM * span : log(3.5);
		axis->low *= exp(-room);
		axis->high *= exp(room);
	} else {
		double span = axis->high - axis->low;
		double room = span > 1e-12 * fabs(axis->high) ? ROOM * span : fmax(0.05 * fabs(axis->high), 1e-6);
		axis->low -= room;
		axis->high += room;
	}
}

/* 0 at the low end, 1 at the high end. */
static double scale(const struct axis *axis, double value)
{
	if (axis->logarithmic)
		return log(value / axis->low) / log(axis->high / axis->low);
	return (value - axis->low) / (axis->high - axis->low);
}

static double place_x(const struct panel *panel, double value)
{
	return panel->x + panel->width * scale(&panel->horizontal, value);
}

static double place_y(const struct panel *panel, double value)
{
	return panel->y + panel->height * (1.0 - scale(&panel->vertical, value));
}

static bool is_drawable(const struct panel *panel, double x, double y)
{
	return isfinite(x) && isfinite(y) && (!panel->horizontal.logarithmic || x > 0.0) &&
	       (!panel->vertical.logarithmic || y > 0.0);
}

/* ---- ticks ---- */

struct tick {
	double value;
	char text[32]; /* "0.5", or "2 x 10" with the exponent as a raised number; "": no label */
	bool power;
	int exponent;
};
enum { MOST_TICKS = 40 };

static size_t linear_ticks(const struct axis *axis, double wanted, struct tick *ticks)
{
	double rough = (axis->high - axis->low) / wanted, unit = pow(10.0, floor(log10(rough)));
	double step = unit * (rough <= unit ? 1.0 : rough <= 2.0 * unit ? 2.0 : rough <= 5.0 * unit ? 5.0 : 10.0);
	int exponent = axis->high >= 1e5 ? (int)floor(log10(axis->high)) : 0; /* long numbers as powers of ten */
	double divisor = pow(10.0, exponent);
	int decimals = (int)fmax(0.0, -floor(log10(step / divisor) + 1e-9));
	size_t count = 0;
	double first = ceil(axis->low / step - 1e-9);
	for (double k = first; k * step <= axis->high + 1e-9 * step && count < MOST_TICKS; k += 1.0) {
		ticks[count] = (struct tick){ .value = k * step, .power = exponent > 0, .exponent = exponent };
		snprintf(ticks[count].text, sizeof(ticks[count].text), exponent > 0 ? "%.*f\u00d710" : "%.*f", decimals,
		         k == 0.0 ? 0.0 : k * step / divisor);
		count++;
	}
	return count;
}

/* `most`: the largest exponent that is written out. */
static void name_log_tick(struct tick *tick, int mantissa, int exponent, int most)
{
	if (exponent >= -3 && exponent <= most) {
		snprintf(tick->text, sizeof(tick->text), "%.*f", exponent < 0 ? -exponent : 0, tick->value);
		return;
	}
	tick->power = true;
	tick->exponent = exponent;
	if (mantissa == 1)
		snprintf(tick->text, sizeof(tick->text), "10");
	else
		snprintf(tick->text, sizeof(tick->text), "%d\u00d710", mantissa);
}

static size_t log_ticks(const struct axis *axis, double wanted, struct tick *ticks)
{
	static const int few[] = { 1 }, some[] = { 1, 3 }, many[] = { 1, 2, 5 }, all[] = { 1, 2, 3, 5, 7 };
	double decades = log10(axis->high / axis->low);
	const int *mantissas = decades > 2.2 ? few : decades > 1.6 ? some : decades > 0.8 ? many : all;
	int mantissa_count = decades > 2.2 ? 1 : decades > 1.6 ? 2 : decades > 0.8 ? 3 : 5;
	int stride = (int)fmax(1.0, ceil(decades / wanted));
	int most = axis->high >= 1e5 ? 3 : 4; /* 10000 beside 10^6 would be two ways to write */
	size_t count = 0;
	for (int e = (int)floor(log10(axis->low)); e <= (int)ceil(log10(axis->high)); e++) {
		if (stride > 1 && e % stride != 0)
			continue;
		for (int i = 0; i < mantissa_count && count < MOST_TICKS; i++) {
			double value = mantissas[i] * pow(10.0, e);
			if (value < axis->low * (1.0 - 1e-9) || value > axis->high * (1.0 + 1e-9))
				continue;
			ticks[count] = (struct tick){ .value = value };
			name_log_tick(&ticks[count++], mantissas[i], e, most);
		}
	}
	return count;
}

static size_t category_ticks(const struct axis *axis, struct tick *ticks)
{
	size_t count = 0;
	for (size_t i = 0; i < axis->category_count && count < MOST_TICKS; i++) {
		ticks[count] = (struct tick){ .value = (double)i };
		snprintf(ticks[count++].text, sizeof(ticks[0].text), "%s", axis->categories[i]);
	}
	return count;
}

/* `wanted`: about how many labels there is room for. */
static size_t find_ticks(const struct axis *axis, double wanted, struct tick *ticks)
{
	if (axis->categories)
		return category_ticks(axis, ticks);
	size_t count = axis->logarithmic ? log_ticks(axis, wanted, ticks) : 0;
	/* less than two round numbers in the range: number it like a linear axis */
	return count >= 2 ? count : linear_ticks(axis, wanted, ticks);
}

static double tick_width(const struct tick *tick)
{
	char exponent[16];
	double width = draw_text_width(tick->text, &draw_tick_text);
	if (!tick->power)
		return width;
	snprintf(exponent, sizeof(exponent), "%d", tick->exponent);
	return width + 0.72 * draw_text_width(exponent, &draw_tick_text) + 1.0;
}

/* Draws the label with its middle (anchor 0.5) or right end (1) at x. */
static void draw_tick(struct canvas *canvas, const struct tick *tick, double x, double y, double anchor)
{
	char exponent[16];
	double width = tick_width(tick), left = x - anchor * width;
	draw_text(canvas, left, y, 0.0, tick->text, &draw_tick_text);
	if (!tick->power)
		return;
	struct text_style raised = draw_tick_text;
	raised.size *= 0.72;
	snprintf(exponent, sizeof(exponent), "%d", tick->exponent);
	draw_text(canvas, left + width, y - 4.2, 1.0, exponent, &raised);
}

/* ---- the frame ---- */

static void stroke(struct canvas *canvas, double x0, double y0, double x1, double y1)
{
	cairo_move_to(canvas->cairo, x0, y0);
	cairo_line_to(canvas->cairo, x1, y1);
	cairo_stroke(canvas->cairo);
}

static void draw_horizontal_ticks(struct canvas *canvas, const struct panel *panel)
{
	struct tick ticks[MOST_TICKS];
	size_t count = find_ticks(&panel->horizontal, panel->width / 46.0, ticks);
	double end = -INFINITY, bottom = panel->y + panel->height;
	for (size_t i = 0; i < count; i++) {
		double x = place_x(panel, ticks[i].value), half = 0.5 * tick_width(&ticks[i]);
		canvas_set_colour(canvas, draw_light);
		cairo_set_line_width(canvas->cairo, 0.8);
		if (!panel->horizontal.categories)
			stroke(canvas, x, panel->y, x, bottom);
		if (x - half < end + 5.0) /* would touch the label before it */
			continue;
		draw_tick(canvas, &ticks[i], x, bottom + 15.0, 0.5);
		end = x + half;
	}
	draw_text(canvas, panel->x + 0.5 * panel->width, bottom + 33.0, 0.5, panel->horizontal.label, &draw_label_text);
}

static void draw_vertical_ticks(struct canvas *canvas, const struct panel *panel)
{
	struct tick ticks[MOST_TICKS];
	size_t count = find_ticks(&panel->vertical, panel->height / 34.0, ticks);
	double widest = 0.0;
	for (size_t i = 0; i < count; i++) {
		double y = place_y(panel, ticks[i].value);
		canvas_set_colour(canvas, draw_light);
		cairo_set_line_width(canvas->cairo, 0.8);
		stroke(canvas, panel->x, y, panel->x + panel->width, y);
		draw_tick(canvas, &ticks[i], panel->x - 6.0, y + 3.5, 1.0);
		widest = fmax(widest, tick_width(&ticks[i]));
	}
	if (!panel->vertical.label)
		return;
	cairo_save(canvas->cairo);
	cairo_translate(canvas->cairo, panel->x - widest - 14.0, panel->y + 0.5 * panel->height);
	cairo_rotate(canvas->cairo, -0.5 * M_PI);
	draw_text(canvas, 0.0, 0.0, 0.5, panel->vertical.label, &draw_label_text);
	cairo_restore(canvas->cairo);
}

void draw_panel(struct canvas *canvas, const struct panel *panel)
{
	draw_horizontal_ticks(canvas, panel);
	draw_vertical_ticks(canvas, panel);
	canvas_set_colour(canvas, draw_grey);
	cairo_set_line_width(canvas->cairo, 1.0);
	stroke(canvas, panel->x, panel->y + panel->height, panel->x + panel->width, panel->y + panel->height);
	stroke(canvas, panel->x, panel->y, panel->x, panel->y + panel->height);
	if (panel->title)
		draw_text(canvas, panel->x, panel->y - (panel->subtitle ? 22.0 : 8.0), 0.0, panel->title,
		          &draw_panel_text);
	if (panel->subtitle)
		draw_text(canvas, panel->x, panel->y - 8.0, 0.0, panel->subtitle, &draw_label_text);
	if (panel->corner)
		draw_text(canvas, panel->x + panel->width, panel->y - (panel->subtitle ? 22.0 : 8.0), 1.0,
		          panel->corner, &draw_note_text);
	if (panel->message)
		draw_text(canvas, panel->x + 0.5 * panel->width, panel->y + 0.45 * panel->height, 0.5, panel->message,
		          &draw_note_text);
}

/* ---- data ---- */

static void set_dash(struct canvas *canvas, enum dash dash)
{
	static const double dashed[] = { 5.0, 3.5 }, dotted[] = { 1.5, 2.5 };
	cairo_set_dash(canvas->cairo, dash == DASH_DASHED ? dashed : dotted, dash == DASH_SOLID ? 0 : 2, 0.0);
}

void draw_line(struct canvas *canvas, const struct panel *panel, size_t count, const double *x, const double *y,
               struct colour colour, double width, enum dash dash)
{
	cairo_save(canvas->cairo);
	cairo_rectangle(canvas->cairo, panel->x, panel->y, panel->width, panel->height);
	cairo_clip(canvas->cairo);
	canvas_set_colour(canvas, colour);
	cairo_set_line_width(canvas->cairo, width);
	cairo_set_line_join(canvas->cairo, CAIRO_LINE_JOIN_ROUND);
	set_dash(canvas, dash);
	bool begun = false;
	for (size_t i = 0; i < count; i++) {
		if (!is_drawable(panel, x[i], y[i]))
			continue;
		if (begun)
			cairo_line_to(canvas->cairo, place_x(panel, x[i]), place_y(panel, y[i]));
		else
			cairo_move_to(canvas->cairo, place_x(panel, x[i]), place_y(panel, y[i]));
		begun = true;
	}
	cairo_stroke(canvas->cairo);
	cairo_restore(canvas->cairo);
}

static void trace_shape(cairo_t *cairo, enum shape shape, double x, double y, double r)
{
	cairo_new_path(cairo);
	switch (shape) {
	case SHAPE_SQUARE:
		cairo_rectangle(cairo, x - 0.88 * r, y - 0.88 * r, 1.76 * r, 1.76 * r);
		break;
	case SHAPE_TRIANGLE:
	case SHAPE_DOWN: {
		double up = shape == SHAPE_TRIANGLE ? 1.0 : -1.0;
		cairo_move_to(cairo, x, y - up * 1.15 * r);
		cairo_line_to(cairo, x + 1.1 * r, y + up * 0.8 * r);
		cairo_line_to(cairo, x - 1.1 * r, y + up * 0.8 * r);
		break;
	}
	case SHAPE_DIAMOND:
		cairo_move_to(cairo, x, y - 1.25 * r);
		cairo_line_to(cairo, x + 1.25 * r, y);
		cairo_line_to(cairo, x, y + 1.25 * r);
		cairo_line_to(cairo, x - 1.25 * r, y);
		break;
	default:
		cairo_arc(cairo, x, y, r, 0.0, 2.0 * M_PI);
		break;
	}
	cairo_close_path(cairo);
}

void draw_marker(struct canvas *canvas, const struct panel *panel, double x, double y, const struct style *style,
                 double size, bool hollow)
{
	if (!is_drawable(panel, x, y))
		return;
	cairo_t *cairo = canvas->cairo;
	trace_shape(cairo, style->shape, place_x(panel, x), place_y(panel, y), size);
	if (hollow) {
		cairo_set_source_rgb(cairo, 1.0, 1.0, 1.0);
		cairo_fill_preserve(cairo);
		canvas_set_colour(canvas, style->colour);
		cairo_set_line_width(cairo, 1.5);
	} else { /* a thin white rim keeps overlapping markers apart */
		canvas_set_colour(canvas, style->colour);
		cairo_fill_preserve(cairo);
		cairo_set_source_rgb(cairo, 1.0, 1.0, 1.0);
		cairo_set_line_width(cairo, 0.7);
	}
	cairo_stroke(cairo);
}

static const double CAP = 3.0;

/* Intervals stay behind the points and let each other through. */
static void set_faint(struct canvas *canvas, struct colour colour)
{
	cairo_set_source_rgba(canvas->cairo, colour.red, colour.green, colour.blue, 0.55);
}

void draw_error_vertical(struct canvas *canvas, const struct panel *panel, double x, double low, double high,
                         struct colour colour)
{
	if (!is_drawable(panel, x, low) || !is_drawable(panel, x, high))
		return;
	double at = place_x(panel, x), bottom = place_y(panel, low), top = place_y(panel, high);
	set_faint(canvas, colour);
	cairo_set_line_width(canvas->cairo, 1.2);
	stroke(canvas, at, bottom, at, top);
	stroke(canvas, at - CAP, bottom, at + CAP, bottom);
	stroke(canvas, at - CAP, top, at + CAP, top);
}

void draw_error_horizontal(struct canvas *canvas, const struct panel *panel, double y, double low, double high,
                           struct colour colour)
{
	if (!is_drawable(panel, low, y) || !is_drawable(panel, high, y))
		return;
	double at = place_y(panel, y), left = place_x(panel, low), right = place_x(panel, high);
	set_faint(canvas, colour);
	cairo_set_line_width(canvas->cairo, 1.2);
	stroke(canvas, left, at, right, at);
	stroke(canvas, left, at - CAP, left, at + CAP);
	stroke(canvas, right, at - CAP, right, at + CAP);
}

void draw_column(struct canvas *canvas, const struct panel *panel, double left, double right, double height,
                 struct colour colour, const char *label)
{
	if (!isfinite(height))
		return;
	double from = place_x(panel, left), top = place_y(panel, height), width = place_x(panel, right) - from;
	canvas_set_colour(canvas, colour);
	cairo_rectangle(canvas->cairo, from, top, width, panel->y + panel->height - top);
	cairo_fill(canvas->cairo);
	if (draw_text_width(label, &draw_note_text) <= width)
		draw_text(canvas, from + 0.5 * width, top - 4.0, 0.5, label, &draw_note_text);
}
