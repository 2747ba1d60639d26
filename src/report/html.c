/* The page.
 * SPDX-License-Identifier: Apache-2.0 */
#include "report/html.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "report/words.h"
#include "storage/atomic_file.h"

static const char style[] =
	"body{font:16px/1.5 \"DejaVu Sans\",Verdana,sans-serif;color:#212126;max-width:75rem;margin:2rem auto;padding:0 1rem}\n"
	"h1{font-size:1.6rem}h2{font-size:1.25rem;margin-top:2.2rem}h3{font-size:1rem;margin:1.6rem 0 .4rem}\n"
	"table{border-collapse:collapse;font-size:.82rem}th,td{padding:.15rem .6rem;text-align:left;"
	"border-bottom:1px solid #e3e3e8;white-space:nowrap}\n"
	"th{border-bottom:2px solid #6b6b73}.n{text-align:right;font-variant-numeric:tabular-nums}\n"
	".wide{overflow-x:auto}.warn{background:#fff4e0;border-left:4px solid #e69f00;padding:.4rem .8rem}\n"
	"figure{margin:1.2rem 0;overflow-x:auto}figure svg{max-width:100%;height:auto}figcaption{font-weight:bold}\n"
	"dl{font-size:.85rem}dt{font-weight:bold}dd{margin:0 0 .3rem 1rem;overflow-wrap:anywhere}li{margin:.4rem 0}\n";

/* Every SVG numbers its glyphs and clips from 0: in one page each gets names of its own. */
static void add_svg(struct buffer *buffer, const char *svg, size_t figure)
{
	static const char *const marks[] = { "id=\"", "href=\"#", "url(#" };
	const char *at = strstr(svg, "<svg");
	while (at && *at) {
		const char *next = NULL;
		size_t length = 0;
		for (int i = 0; i < 3; i++) {
			const char *found = strstr(at, marks[i]);
			if (found && (!next || found < next)) {
				next = found;
				length = strlen(marks[i]);
			}
		}
		if (!next) {
			buffer_add(buffer, "%s", at);
			return;
		}
		buffer_add(buffer, "%.*sf%zu-", (int)(next - at + (long)length), at, figure);
		at = next + length;
	}
}

enum status html_add_figures(const char *const *names, const char *const *titles, size_t count, const char *folder,
                             struct buffer *buffer)
{
	for (size_t i = 0; i < count; i++) {
		char *path = text_format("%s/%s.svg", folder, names[i]), *svg = NULL;
		size_t size = 0;
		enum status status = path ? file_read(path, &svg, &size) : STATUS_ENVIRONMENT;
		if (status == STATUS_OK) {
			buffer_add(buffer, "<figure><figcaption>");
			buffer_add_escaped(buffer, titles[i]);
			buffer_add(buffer, "</figcaption>\n");
			add_svg(buffer, svg, i);
			buffer_add(buffer, "</figure>\n");
		}
		free(svg);
		free(path);
		STATUS_TRY(status);
	}
	return STATUS_OK;
}

static void add_fact(struct buffer *buffer, const char *name, const char *value)
{
	buffer_add(buffer, "<dt>%s</dt><dd>", name);
	buffer_add_escaped(buffer, value);
	buffer_add(buffer, "</dd>\n");
}

/* What the first run says about itself; a run file without provenance gives nothing. */
void html_add_provenance(const struct html_facts *facts, const char *run_folder, const char *statistics,
                         struct buffer *buffer)
{
	static const char *const names[] = { "version",      "git_revision", "date",  "host",
		                             "command_line", "device",       "roles", "libraries" };
	struct hdf5_reader *reader = NULL;
	char text[64];
	buffer_add(buffer, "<h2>Where this comes from</h2>\n<dl>\n");
	add_fact(buffer, "report made by", facts->version);
	add_fact(buffer, "run folder", run_folder);
	add_fact(buffer, "statistics", statistics);
	if (facts->run_path && hdf5_open(facts->run_path, &reader) == STATUS_OK) {
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
			char *value = NULL;
			if (hdf5_read_text_attribute(reader, "provenance", names[i], &value) == STATUS_OK && value[0]) {
				snprintf(text, sizeof(text), "first run: %s", names[i]);
				add_fact(buffer, text, value);
			}
			free(value);
		}
		hdf5_close(reader);
	}
	error_clear();
	buffer_add(buffer, "</dl>\n");
}

static void add_statistics(const struct show *show, const struct html_facts *facts, struct buffer *buffer)
{
	const struct compare_options *options = &show->comparison->options;
	char text[160];
	snprintf(text, sizeof(text), "%zu resamples, seed %llu, %g %% intervals; figures: compute %s, %s law",
	         options->resamples, (unsigned long long)options->seed, 100.0 * options->confidence,
	         compare_compute_name(options->compute), compare_law_name(options->law));
	html_add_provenance(facts, show->folder, text, buffer);
}

static void add_left_out(const struct run_list *list, struct buffer *buffer)
{
	buffer_add(buffer, "<p>%zu finished run%s, %zu left out.</p>\n", list->count, list->count == 1 ? "" : "s",
	           list->left_count);
	if (list->left_count == 0)
		return;
	buffer_add(buffer, "<div class=\"warn\">Left out, named so that nothing is missing by accident:<ul>\n");
	for (size_t i = 0; i < list->left_count; i++) {
		buffer_add(buffer, "<li><code>");
		buffer_add_escaped(buffer, list->left[i].point);
		buffer_add(buffer, "</code>: ");
		buffer_add_escaped(buffer, list->left[i].reason);
		buffer_add(buffer, "</li>\n");
	}
	buffer_add(buffer, "</ul></div>\n");
}

static void add_reading(const struct comparison *comparison, struct buffer *buffer)
{
	bool seeds = study_most_seeds(comparison->study) > 1;
	buffer_add(
		buffer,
		"<h2>How to read this</h2>\n<ul>\n"
		"<li>Intervals: %g %% of %zu resamples of the evaluation documents, those of one id together%s; all runs see the same draws, "
		"so differences are paired.%s</li>\n"
		"<li><b>worse</b>, <b>better</b>: the interval of the difference to the baseline of equal size "
		"excludes 0.</li>\n"
		"<li><b>Slowdown</b>: compute of the run / compute at which the law of the baseline reaches its "
		"loss.</li>\n"
		"<li><b>*</b>, <b>EXTRAPOLATED</b>, hollow markers: that compute lies outside the range of the "
		"baseline's models.</li>\n</ul>\n",
		100.0 * comparison->options.confidence, comparison->options.resamples,
		seeds ? " and of the training seeds" : "",
		seeds ? "" : " They do not hold what another training seed would give.");
}

void html_begin(const char *folder, struct buffer *buffer)
{
	buffer_add(buffer, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
	                   "<meta name=\"viewport\" content=\"width=device-width\">\n<title>capshape report: ");
	buffer_add_escaped(buffer, folder);
	buffer_add(buffer, "</title>\n<style>\n%s</style></head><body>\n<h1>Report of ", style);
	buffer_add_escaped(buffer, folder);
	buffer_add(buffer, "</h1>\n");
}

void html_end(struct buffer *buffer)
{
	buffer_add(buffer, "</body></html>\n");
}

enum status html_write(const struct show *show, const struct html_facts *facts, struct buffer *buffer)
{
	html_begin(show->folder, buffer);
	buffer_add(buffer, "<h2>What was found</h2>\n");
	words_write(show->comparison, SHOW_HTML, buffer);
	add_left_out(show->list, buffer);
	show_notes(show->notes, SHOW_HTML, buffer);
	buffer_add(buffer, "<h2>Figures</h2>\n");
	STATUS_TRY(html_add_figures(show->figures, show->figure_titles, show->figure_count, facts->folder, buffer));
	add_reading(show->comparison, buffer);
	buffer_add(buffer, "<h2>Tables</h2>\n");
	show_tables(show, SHOW_HTML, buffer);
	add_statistics(show, facts, buffer);
	html_end(buffer);
	return buffer->status;
}
