/* Figures as files, text and legend: everything of the drawing that knows no axes.
 * SPDX-License-Identifier: Apache-2.0 */
#include "report/canvas.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <cairo-svg.h>

#include "base/memory.h"
#include "base/text.h"
#include "storage/atomic_file.h"
#include "text/utf8.h"

static const double PIXELS_A_POINT = 2.0;

const struct colour draw_black = { 0.13, 0.13, 0.15 };
const struct colour draw_grey = { 0.42, 0.42, 0.45 };
const struct colour draw_light = { 0.89, 0.89, 0.91 };

const struct text_style draw_title_text = { 14.0, true, { 0.13, 0.13, 0.15 } };
const struct text_style draw_panel_text = { 11.5, true, { 0.13, 0.13, 0.15 } };
const struct text_style draw_label_text = { 11.0, false, { 0.13, 0.13, 0.15 } };
const struct text_style draw_tick_text = { 10.0, false, { 0.30, 0.30, 0.33 } };
const struct text_style draw_note_text = { 9.5, false, { 0.42, 0.42, 0.45 } };

/* The palette of Okabe and Ito without its black (the baseline) and its yellow (too faint on white), and two dark colours
 * more. */
struct style draw_style(size_t index)
{
	static const struct colour colours[] = {
		{ 0.000, 0.447, 0.698 }, { 0.835, 0.369, 0.000 }, { 0.000, 0.620, 0.451 }, { 0.800, 0.475, 0.655 },
		{ 0.902, 0.624, 0.000 }, { 0.337, 0.706, 0.914 }, { 0.400, 0.220, 0.600 }, { 0.500, 0.330, 0.200 },
	};
	static const enum shape shapes[] = { SHAPE_SQUARE, SHAPE_TRIANGLE, SHAPE_DIAMOND, SHAPE_DOWN, SHAPE_CIRCLE };
	return (struct style){ colours[index % 8], shapes[index % 5] };
}

const struct style draw_baseline_style = { { 0.13, 0.13, 0.15 }, SHAPE_CIRCLE };

struct style draw_style_of_baseline(size_t index)
{
	static const enum shape shapes[] = { SHAPE_CIRCLE, SHAPE_SQUARE, SHAPE_TRIANGLE, SHAPE_DIAMOND, SHAPE_DOWN };
	static const double lighter[] = { 0.0, 0.3, 0.5 };
	struct style style = draw_baseline_style;
	style.shape = shapes[index % 5];
	style.colour.red += lighter[index % 3];
	style.colour.green += lighter[index % 3];
	style.colour.blue += lighter[index % 3];
	return style;
}

/* ---- files ---- */

struct bytes {
	unsigned char *data;
	size_t size, capacity;
	enum status status;
};

static cairo_status_t add_bytes(void *closure, const unsigned char *data, unsigned int length)
{
	struct bytes *bytes = closure;
	bytes->status = memory_grow((void **)&bytes->data, &bytes->capacity, bytes->size + length, 1);
	if (bytes->status != STATUS_OK)
		return CAIRO_STATUS_NO_MEMORY;
	memcpy(bytes->data + bytes->size, data, length);
	bytes->size += length;
	return CAIRO_STATUS_SUCCESS;
}

/* Cairo numbers surfaces over the whole process, and an SVG holds the number of its own: made 0, the file depends on
 * the figure only. */
static void forget_number(struct bytes *bytes)
{
	static const char name[] = "id=\"surface";
	const size_t length = sizeof(name) - 1;
	size_t kept = 0;
	for (size_t i = 0; i < bytes->size;) {
		bool found = i + length <= bytes->size && memcmp(bytes->data + i, name, length) == 0;
		size_t copied = found ? length : 1;
		memmove(bytes->data + kept, bytes->data + i, copied);
		kept += copied;
		i += copied;
		if (!found)
			continue;
		while (i < bytes->size && bytes->data[i] >= '0' && bytes->data[i] <= '9')
			i++;
		if (kept < i)
			bytes->data[kept++] = '0';
	}
	bytes->size = kept;
}

static cairo_t *create_context(cairo_surface_t *surface)
{
	cairo_t *cairo = cairo_create(surface);
	cairo_font_options_t *options = cairo_font_options_create();
	/* no hinting: text has the same width in both formats */
	cairo_font_options_set_hint_style(options, CAIRO_HINT_STYLE_NONE);
	cairo_font_options_set_hint_metrics(options, CAIRO_HINT_METRICS_OFF);
	cairo_font_options_set_antialias(options, CAIRO_ANTIALIAS_GRAY);
	cairo_set_font_options(cairo, options);
	cairo_font_options_destroy(options);
	return cairo;
}

static cairo_status_t paint(cairo_surface_t *surface, draw_function draw, const void *context)
{
	struct canvas canvas = { create_context(surface) };
	cairo_set_source_rgb(canvas.cairo, 1.0, 1.0, 1.0);
	cairo_paint(canvas.cairo);
	draw(&canvas, context);
	cairo_status_t status = cairo_status(canvas.cairo);
	cairo_destroy(canvas.cairo);
	return status;
}

static cairo_status_t make_svg(double width, double height, draw_function draw, const void *context,
                               struct bytes *bytes)
{
	cairo_surface_t *surface = cairo_svg_surface_create_for_stream(add_bytes, bytes, width, height);
	cairo_status_t status = paint(surface, draw, context);
	cairo_surface_finish(surface);
	if (status == CAIRO_STATUS_SUCCESS)
		status = cairo_surface_status(surface);
	cairo_surface_destroy(surface);
	forget_number(bytes);
	return status;
}

static cairo_status_t make_png(double width, double height, draw_function draw, const void *context,
                               struct bytes *bytes)
{
	cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, (int)ceil(width * PIXELS_A_POINT),
	                                                      (int)ceil(height * PIXELS_A_POINT));
	cairo_surface_set_device_scale(surface, PIXELS_A_POINT, PIXELS_A_POINT);
	cairo_status_t status = paint(surface, draw, context);
	if (status == CAIRO_STATUS_SUCCESS)
		status = cairo_surface_write_to_png_stream(surface, add_bytes, bytes);
	cairo_surface_destroy(surface);
	return status;
}

enum status draw_figure(const char *folder, const char *name, double width, double height, draw_function draw,
                        const void *context)
{
	static const char *const endings[] = { "svg", "png" };
	enum status status = STATUS_OK;
	for (int i = 0; i < 2 && status == STATUS_OK; i++) {
		struct bytes bytes = { 0 };
		cairo_status_t drawn = i == 0 ? make_svg(width, height, draw, context, &bytes)
		                              : make_png(width, height, draw, context, &bytes);
		char *file = text_format("%s/%s.%s", folder, name, endings[i]);
		if (!file || bytes.status != STATUS_OK)
			status = STATUS_ENVIRONMENT;
		else if (drawn != CAIRO_STATUS_SUCCESS)
			status = error_raise(STATUS_ENVIRONMENT, "%s can not be drawn: %s", file,
			                     cairo_status_to_string(drawn));
		else
			status = atomic_file_write(file, bytes.data, bytes.size);
		free(bytes.data);
		free(file);
	}
	return status;
}

/* ---- text ---- */

void canvas_set_colour(struct canvas *canvas, struct colour colour)
{
	cairo_set_source_rgb(canvas->cairo, colour.red, colour.green, colour.blue);
}

void canvas_set_text(cairo_t *cairo, const struct text_style *style)
{
	cairo_select_font_face(cairo, "DejaVu Sans", CAIRO_FONT_SLANT_NORMAL,
	                       style->bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
	cairo_set_font_size(cairo, style->size);
}

enum { DRAW_TEXT_SIZE = 1024 };

/* Cairo refuses a figure with a text that is no UTF-8: names of files may be anything, and a long one may have been cut. */
static const char *make_readable(const char *text, char buffer[DRAW_TEXT_SIZE])
{
	size_t size = strlen(text);
	if (utf8_valid_prefix(text, size) == size)
		return text;
	size = size < DRAW_TEXT_SIZE / 3 ? size : DRAW_TEXT_SIZE / 3;
	buffer[utf8_replace(text, size, buffer)] = '\0';
	return buffer;
}

void draw_text(struct canvas *canvas, double x, double y, double anchor, const char *text,
               const struct text_style *style)
{
	cairo_text_extents_t extents;
	char buffer[DRAW_TEXT_SIZE];
	text = make_readable(text, buffer);
	canvas_set_text(canvas->cairo, style);
	cairo_text_extents(canvas->cairo, text, &extents);
	canvas_set_colour(canvas, style->colour);
	cairo_move_to(canvas->cairo, x - anchor * extents.x_advance, y);
	cairo_show_text(canvas->cairo, text);
}

double draw_text_width(const char *text, const struct text_style *style)
{
	cairo_text_extents_t extents = { 0 };
	cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_A8, 1, 1);
	cairo_t *cairo = create_context(surface);
	char buffer[DRAW_TEXT_SIZE];
	canvas_set_text(cairo, style);
	cairo_text_extents(cairo, make_readable(text, buffer), &extents);
	cairo_destroy(cairo);
	cairo_surface_destroy(surface);
	return extents.x_advance;
}

/* ---- legend ---- */

enum { LEGEND_SAMPLE = 26, LEGEND_GAP = 8, LEGEND_LINE = 18 };

double draw_legend_width(const struct legend_entry *entries, size_t count)
{
	double widest = 0.0;
	for (size_t i = 0; i < count; i++)
		widest = fmax(widest, draw_text_width(entries[i].label, &draw_tick_text));
	return widest + LEGEND_SAMPLE + LEGEND_GAP;
}

void draw_legend(struct canvas *canvas, double x, double y, const struct legend_entry *entries, size_t count)
{
	/* a panel of one point a unit, so that lines and markers look as in the figure */
	struct panel panel = { .x = x, .y = y, .width = LEGEND_SAMPLE, .height = (double)(count * LEGEND_LINE) };
	panel.horizontal = (struct axis){ .low = 0.0, .high = panel.width };
	panel.vertical = (struct axis){ .low = panel.height, .high = 0.0 };
	for (size_t i = 0; i < count; i++) {
		const struct legend_entry *entry = &entries[i];
		double middle = ((double)i + 0.5) * LEGEND_LINE;
		double ends[2] = { 1.0, LEGEND_SAMPLE - 1.0 }, heights[2] = { middle, middle };
		if (entry->line)
			draw_line(canvas, &panel, 2, ends, heights, entry->style.colour, 1.6, entry->dash);
		if (entry->block) {
			canvas_set_colour(canvas, entry->style.colour);
			cairo_rectangle(canvas->cairo, x + 7.0, y + middle - 6.0, 12.0, 12.0);
			cairo_fill(canvas->cairo);
		}
		if (entry->style.shape != SHAPE_NONE && !entry->block)
			draw_marker(canvas, &panel, 0.5 * LEGEND_SAMPLE, middle, &entry->style, 4.2, entry->hollow);
		draw_text(canvas, x + LEGEND_SAMPLE + LEGEND_GAP, y + middle + 3.6, 0.0, entry->label, &draw_tick_text);
	}
}
