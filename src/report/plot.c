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
	*plot = (struct plot){ .comparison = comparison, .title = title };
}

struct style plot_method_style(const struct study *study, size_t method)
{
	size_t alike = 0;
	for (size_t m = 0; m < method; m++)
		alike += study->methods[m].is_baseline == study->methods[method].is_baseline;
	return study->methods[method].is_baseline ? draw_style_of_baseline(alike) : draw_style(alike);
}

void plot_begin(struct plot *plot, const struct comparison *comparison, const char *title, bool baselines, bool lines)
{
	const struct study *study = comparison->study;
	size_t omitted = 0;
	plot_begin_empty(plot, comparison, title);
	for (size_t m = 0; m < study->method_count; m++) {
		bool is_baseline = study->methods[m].is_baseline;
		if (is_baseline && !baselines)
			continue;
		struct style style = plot_method_style(study, m);
		if (plot->series_count == PLOT_MOST_SERIES) {
			omitted++;
			continue;
		}
		struct plot_series *series = &plot->series[plot->series_count++];
		series->method = m;
		series->style = style;
		plot_shorten(study->methods[m].label, sizeof(series->label), series->label);
		plot_add_legend(plot, &(struct legend_entry){ .label = series->label, .style = style, .line = lines });
	}
	if (omitted > 0)
		plot_add_note(plot, "and %zu more, see the tables", omitted);
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
	size_t documents = 0;
	for (size_t k = 0; k < comparison->study->measure_count; k++)
		documents += comparison->facts[k].documents;
	if (documents == 0)
		return;
	plot_add_note(plot, "bars: %g %% intervals over documents%s", 100.0 * comparison->options.confidence,
	              study_most_seeds(comparison->study) > 1 ? " and seeds" : "");
	if (paired)
		plot_add_note(plot, "differences are paired: see the tables");
}

void plot_arrange(struct plot *plot, size_t columns, double panel_width, double panel_height)
{
	enum {
		LEFT = 78,
		TOP = 66,
		GAP_X = 78,
		GAP_Y = 84,
		BOTTOM = 50,
		LEGEND_GAP = 26,
		RIGHT = 20,
		LEGEND_LINE = 18
	};
	size_t across = plot->panel_count < columns ? plot->panel_count : columns;
	size_t down = (plot->panel_count + columns - 1) / columns;
	for (size_t i = 0; i < plot->panel_count; i++) {
		struct panel *panel = &plot->panels[i];
		panel->x = LEFT + (double)(i % columns) * (panel_width + GAP_X);
		panel->y = TOP + (double)(i / columns) * (panel_height + GAP_Y);
		panel->width = panel_width;
		panel->height = panel_height;
	}
	double right = LEFT + (double)across * (panel_width + GAP_X) - GAP_X;
	double legend = draw_legend_width(plot->legend, plot->legend_count);
	for (size_t i = 0; i < plot->note_count; i++)
		legend = fmax(legend, draw_text_width(plot->notes[i], &draw_note_text));
	plot->legend_x = right + LEGEND_GAP;
	plot->width = fmax(plot->legend_x + legend, LEFT + draw_text_width(plot->title, &draw_title_text)) + RIGHT;
	double panels = TOP + (double)down * (panel_height + GAP_Y) - GAP_Y + BOTTOM;
	plot->height = fmax(panels, TOP + (double)(plot->legend_count + plot->note_count) * LEGEND_LINE + 30.0);
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
