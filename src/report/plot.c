/* What the figures share: which methods, in which colours, where panels and legend go.
 * SPDX-License-Identifier: Apache-2.0 */
#include "report/plot.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"

/* Ends in an ellipsis when the label is longer, never inside a character. */
void plot_shorten(const char *label, size_t size, char *out)
{
	static const char ellipsis[] = "\u2026";
	size_t length = strlen(label);
	if (length < size) {
		memcpy(out, label, length + 1);
		return;
	}
	size_t kept = size - sizeof(ellipsis);
	while (kept > 0 && ((unsigned char)label[kept] & 0xc0) == 0x80)
		kept--;
	memcpy(out, label, kept);
	memcpy(out + kept, ellipsis, sizeof(ellipsis));
}

void plot_begin_empty(struct plot *plot, const struct comparison *comparison, const char *title)
{
	*plot = (struct plot){ .comparison = comparison, .title = title, .facet_count = 1, .same_text = true };
}

/* Facets that show a method and have room for a line more. */
static bool find_facets(const struct plot *plot, const struct facets *facets, size_t method, bool shown[FACETS_MOST])
{
	bool any = false;
	for (size_t f = 0; f < facets->count; f++) {
		size_t lines = 0;
		for (size_t i = 0; i < plot->series_count; i++)
			lines += plot->series[i].facets[f];
		shown[f] = facets_show(facets, f, method) && lines < PLOT_MOST_LINES;
		any = any || shown[f];
	}
	return any;
}

/* A line in the legend for everything that looks and is called the same. */
static void add_series(struct plot *plot, const struct facets *facets, size_t method, const bool *shown, bool lines)
{
	bool is_baseline = plot->comparison->study->methods[method].is_baseline, known = false;
	struct plot_series *series = &plot->series[plot->series_count];
	series->method = method;
	series->style = is_baseline ? draw_style_of_baseline(facets->looks[method]) : draw_style(facets->looks[method]);
	memcpy(series->facets, shown, sizeof(series->facets));
	plot_shorten(facets->labels[method], sizeof(series->label), series->label);
	for (size_t i = 0; i < plot->series_count; i++) {
		size_t other = plot->series[i].method;
		known = known || (facets->looks[other] == facets->looks[method] &&
		                  plot->comparison->study->methods[other].is_baseline == is_baseline);
	}
	plot->series_count++;
	if (!known)
		plot_add_legend(
			plot, &(struct legend_entry){ .label = series->label, .style = series->style, .line = lines });
}

enum status plot_begin(struct plot *plot, const struct comparison *comparison, const char *title, bool baselines,
                       bool lines)
{
	const struct study *study = comparison->study;
	struct facets facets;
	size_t omitted = 0;
	plot_begin_empty(plot, comparison, title);
	STATUS_TRY(facets_create(study, &facets));
	plot->facet_count = facets.count;
	plot->same_text = facets.same_text;
	for (size_t f = 0; f < facets.count; f++)
		plot_shorten(facets.titles[f], sizeof(plot->facets[f]), plot->facets[f]);
	for (size_t m = 0; m < study->method_count; m++) {
		bool shown[FACETS_MOST] = { false };
		if (study->methods[m].is_baseline && !baselines)
			continue;
		if (plot->series_count < PLOT_MOST_SERIES && find_facets(plot, &facets, m, shown))
			add_series(plot, &facets, m, shown, lines);
		else
			omitted++;
	}
	facets_clear(&facets);
	if (omitted > 0)
		plot_add_note(plot, "and %zu more, see the tables", omitted);
	return STATUS_OK;
}

struct panel *plot_add_panel(struct plot *plot, struct plot_place place)
{
	if (plot->panel_count == PLOT_MOST_PANELS)
		return NULL;
	struct panel *panel = &plot->panels[plot->panel_count];
	plot->places[plot->panel_count++] = place;
	*panel = (struct panel){ .subtitle = plot->facet_count > 1 ? plot->facets[place.facet] : NULL };
	return panel;
}

bool plot_shows(const struct plot *plot, size_t panel, size_t series)
{
	return plot->series[series].facets[plot->places[panel].facet];
}

static void widen(struct axis *axis, const struct axis *other)
{
	draw_axis_include(axis, other->low);
	draw_axis_include(axis, other->high);
}

void plot_share_axes(struct plot *plot)
{
	for (size_t i = 0; i < plot->panel_count; i++)
		for (size_t j = 0; j < plot->panel_count; j++)
			if (plot->places[i].measure == plot->places[j].measure) {
				widen(&plot->panels[i].horizontal, &plot->panels[j].horizontal);
				widen(&plot->panels[i].vertical, &plot->panels[j].vertical);
			}
}

void plot_finish_axes(struct plot *plot)
{
	for (size_t i = 0; i < plot->panel_count; i++) {
		if (!plot->panels[i].horizontal.categories)
			draw_axis_finish(&plot->panels[i].horizontal);
		draw_axis_finish(&plot->panels[i].vertical);
	}
}

struct plot_place plot_place_facet(const struct plot *plot, size_t before, size_t measure, size_t facet)
{
	size_t columns = plot->facet_count <= 4 ? plot->facet_count : (plot->facet_count + 1) / 2;
	size_t rows = (plot->facet_count + columns - 1) / columns;
	return (struct plot_place){ before * rows + facet / columns, facet % columns, measure, facet };
}

static bool is_sharpest(const struct study *study, size_t measure)
{
	return study_sharpest(study, study->measures[measure].set) == measure;
}

size_t plot_place_measures(const struct plot *plot, const bool *wanted, struct plot_place places[PLOT_MOST_PANELS])
{
	enum { ACROSS = 4 };
	const struct study *study = plot->comparison->study;
	size_t count = 0, cell = 0;
	bool divided = plot->facet_count > 1;
	for (int pass = 0; pass < 2; pass++) {
		bool label = divided ? pass == 0 : pass == 1;
		if (!divided)
			cell = (cell + ACROSS - 1) / ACROSS * ACROSS; /* a new row */
		for (size_t k = 0; k < study->measure_count; k++) {
			if (!wanted[k] || study->measures[k].label != label || study->measures[k].repeated ||
			    (divided && !is_sharpest(study, k)))
				continue;
			for (size_t f = 0; f < plot->facet_count && count < PLOT_MOST_PANELS; f++)
				places[count++] = divided ? plot_place_facet(plot, cell, k, f)
				                          : (struct plot_place){ cell / ACROSS, cell % ACROSS, k, 0 };
			cell++;
		}
	}
	return count;
}

void plot_add_legend(struct plot *plot, const struct legend_entry *entry)
{
	if (plot->legend_count < sizeof(plot->legend) / sizeof(plot->legend[0]))
		plot->legend[plot->legend_count++] = *entry;
}

void plot_add_note(struct plot *plot, const char *format, ...)
{
	if (plot->note_count == sizeof(plot->notes) / sizeof(plot->notes[0]))
		return;
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(plot->notes[plot->note_count++], sizeof(plot->notes[0]), format, arguments);
	va_end(arguments);
}

void plot_explain_intervals(struct plot *plot, bool paired)
{
	const struct comparison *comparison = plot->comparison;
	size_t resampled = 0;
	for (size_t k = 0; k < comparison->study->measure_count; k++)
		resampled += comparison->facts[k].resampled;
	if (resampled == 0)
		return;
	plot_add_note(plot, "bars: %g %% intervals over documents%s", 100.0 * comparison->options.confidence,
	              study_most_seeds(comparison->study) > 1 ? " and seeds" : "");
	if (paired)
		plot_add_note(plot, "differences are paired: see the tables");
}

void plot_arrange(struct plot *plot, double panel_width, double panel_height)
{
	enum {
		LEFT = 78,
		TOP = 66,
		GAP_X = 78,
		GAP_Y = 84,
		BOTTOM = 50,
		LEGEND_GAP = 26,
		RIGHT = 20,
		LEGEND_LINE = 18,
		SUBTITLE = 14
	};
	size_t across = 1, down = 1;
	double title = 0.0; /* room for subtitles */
	for (size_t i = 0; i < plot->panel_count; i++) {
		struct panel *panel = &plot->panels[i];
		panel->width = panel_width;
		panel->height = panel_height;
		title = panel->subtitle ? SUBTITLE : title;
		across = plot->places[i].column + 1 > across ? plot->places[i].column + 1 : across;
		down = plot->places[i].row + 1 > down ? plot->places[i].row + 1 : down;
	}
	for (size_t i = 0; i < plot->panel_count; i++) {
		plot->panels[i].x = LEFT + (double)plot->places[i].column * (panel_width + GAP_X);
		plot->panels[i].y = TOP + title + (double)plot->places[i].row * (panel_height + GAP_Y + title);
	}
	double right = LEFT + (double)across * (panel_width + GAP_X) - GAP_X;
	double legend = draw_legend_width(plot->legend, plot->legend_count);
	for (size_t i = 0; i < plot->note_count; i++)
		legend = fmax(legend, draw_text_width(plot->notes[i], &draw_note_text));
	plot->legend_x = right + LEGEND_GAP;
	plot->width = fmax(plot->legend_x + legend, LEFT + draw_text_width(plot->title, &draw_title_text)) + RIGHT;
	double panels = TOP + title + (double)down * (panel_height + GAP_Y + title) - GAP_Y - title + BOTTOM;
	plot->height = fmax(panels, TOP + title + (double)(plot->legend_count + plot->note_count) * LEGEND_LINE + 30.0);
}

void plot_draw_frame(struct canvas *canvas, const struct plot *plot)
{
	draw_text(canvas, plot->panels[0].x, 28.0, 0.0, plot->title, &draw_title_text);
	for (size_t i = 0; i < plot->panel_count; i++)
		draw_panel(canvas, &plot->panels[i]);
	double y = plot->panels[0].y - 4.0;
	draw_legend(canvas, plot->legend_x, y, plot->legend, plot->legend_count);
	y += (double)plot->legend_count * 18.0 + 14.0;
	for (size_t i = 0; i < plot->note_count; i++)
		draw_text(canvas, plot->legend_x, y + 15.0 * (double)i, 0.0, plot->notes[i], &draw_note_text);
}

const char *plot_law_name(enum law_kind law)
{
	static const char *const names[] = { "power law", "law with floor", "robust power law",
		                             "robust law with floor" };
	return names[law];
}

const char *plot_compute_label(enum compute_kind compute)
{
	return compute == COMPUTE_NOMINAL ? "training compute 6ND (FLOP)" : "training compute spent (FLOP)";
}

enum status plot_remove(const char *folder, const char *name)
{
	static const char *const endings[] = { "svg", "png" };
	for (int i = 0; i < 2; i++) {
		char *file = text_format("%s/%s.%s", folder, name, endings[i]);
		if (!file)
			return STATUS_ENVIRONMENT;
		enum status status = STATUS_OK;
		if (unlink(file) != 0 && errno != ENOENT)
			status = error_raise(STATUS_IO, "%s of an older report can not be removed: %s", file,
			                     strerror(errno));
		free(file);
		STATUS_TRY(status);
	}
	return STATUS_OK;
}

double plot_marker_size(const struct study *study, size_t size)
{
	enum { SMALLEST = 3, LARGEST = 6 };
	if (study->size_count < 2)
		return 0.5 * (SMALLEST + LARGEST);
	return SMALLEST + (LARGEST - SMALLEST) * (double)size / (double)(study->size_count - 1);
}
