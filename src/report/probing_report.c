/* The files of a report of probes.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "report/html.h"
#include "report/page.h"
#include "report/probing.h"

enum { DEFAULT_RESAMPLES = 1000, FIGURES = 3 };

struct page {
	const struct report_options *options;
	const char *folder; /* of the report */
	struct run_list list;
	struct study study;
	struct probings probings;
	size_t resamples;
	struct table tables[PROBING_TABLES];
	const char *figures[FIGURES], *titles[FIGURES];
	size_t figure_count;
};

static bool has_reference(const struct probings *probings)
{
	for (size_t i = 0; i < probings->count; i++)
		if (!isnan(probings->models[i].classifier_f1))
			return true;
	return false;
}

static bool has_tokens(const struct probings *probings)
{
	for (size_t i = 0; i < probings->count; i++)
		if (probings->models[i].has_tokens)
			return true;
	return false;
}

static void write_notes(const struct page *page, enum show_form form, struct buffer *buffer)
{
	struct buffer notes = { 0 };
	buffer_add(&notes, "%zu models, %zu left out.\n", page->probings.count,
	           page->probings.left_count + page->list.left_count);
	for (size_t i = 0; i < page->probings.left_count; i++)
		buffer_add(&notes, "left out: %s\n", page->probings.left_out[i]);
	for (size_t i = 0; i < page->list.left_count; i++)
		buffer_add(&notes, "left out: %s: %s\n", page->list.left[i].point, page->list.left[i].reason);
	if (has_tokens(&page->probings))
		buffer_add(
			&notes,
			"F1, accuracy: both classes weigh the same, so that calling every token forget has F1 2/3. Natural F1 "
			"and average precision: as the classes occur in the test set; each F1 has a threshold of its own. "
			"Thresholds and the best layer are chosen on validation text (with compat/probe_test_threshold: on "
			"the test text itself).\n");
	if (page->probings.pair_count > 0)
		buffer_add(
			&notes,
			"Documents: the mean of what the layer makes of their tokens; balanced accuracy, half of it is "
			"guessing.\n");
	if (has_tokens(&page->probings) && has_reference(&page->probings))
		buffer_add(
			&notes,
			"The runs' classifier has F1 as its file says, on its own choice of the same test set and with "
			"its own smoothing: it reads text in both directions.\n");
	if (page->resamples > 1)
		buffer_add(
			&notes,
			"Intervals: %g %% of %zu resamples of the test documents, those of one id together; a model and "
			"the unfiltered one see the same. They do not hold what another seed of training, or another "
			"sample of training tokens, would give.\n",
			100.0 * page->options->confidence, page->resamples);
	show_notes(notes.text ? notes.text : "", form, buffer);
	if (notes.status != STATUS_OK)
		buffer->status = notes.status;
	buffer_clear(&notes);
}

static void write_text(const struct page *page, enum show_form form, struct buffer *buffer)
{
	bool markdown = form == SHOW_MARKDOWN;
	buffer_add(buffer, markdown ? "# Report of %s\n\n" : "Report of %s\n\n", page->options->folder);
	probings_words(&page->probings, form, buffer);
	for (size_t i = 0; i < page->figure_count && markdown; i++)
		buffer_add(buffer, "![%s](%s.svg)\n\n", page->titles[i], page->figures[i]);
	probings_show(&page->probings, form, buffer);
	buffer_add(buffer, "%s", markdown ? "\n## How to read this\n\n" : "\n");
	write_notes(page, form, buffer);
}

static enum status write_html(const struct page *page, struct buffer *buffer)
{
	char statistics[96];
	const struct probed *first = &page->probings.models[0];
	char *run = text_format("%s/points/%s/run.h5", page->options->folder, page->list.runs[first->run].point);
	if (!run)
		return STATUS_ENVIRONMENT;
	const struct html_facts facts = { page->folder, page->options->version, run };
	snprintf(statistics, sizeof(statistics), "%zu resamples, seed %llu, %g %% intervals", page->resamples,
	         (unsigned long long)page->options->seed, 100.0 * page->options->confidence);
	html_begin(page->options->folder, buffer);
	buffer_add(buffer, "<h2>What was found</h2>\n");
	probings_words(&page->probings, SHOW_HTML, buffer);
	buffer_add(buffer, "<h2>Figures</h2>\n");
	enum status status = html_add_figures(page->figures, page->titles, page->figure_count, page->folder, buffer);
	buffer_add(buffer, "<h2>Tables</h2>\n");
	probings_show(&page->probings, SHOW_HTML, buffer);
	buffer_add(buffer, "<h2>How to read this</h2>\n");
	write_notes(page, SHOW_HTML, buffer);
	html_add_provenance(&facts, page->options->folder, statistics, buffer);
	html_end(buffer);
	free(run);
	return status == STATUS_OK ? buffer->status : status;
}

static enum status draw(struct page *page)
{
	static const struct {
		enum status (*plot)(const char *folder, const struct probings *probings, bool *drawn);
		const char *name, *title;
	} figures[FIGURES] = {
		{ probings_plot_tokens, PROBING_PLOT, "F1 of probes of tokens against model size" },
		{ probings_plot_pairs, PROBING_PAIRS_PLOT, "Accuracy of probes of documents against model size" },
		{ probings_plot_layers, PROBING_LAYERS_PLOT, "F1 of probes of tokens by layer" },
	};
	for (int i = 0; i < FIGURES; i++) {
		bool drawn = false;
		STATUS_TRY(figures[i].plot(page->folder, &page->probings, &drawn));
		if (!drawn)
			continue;
		page->figures[page->figure_count] = figures[i].name;
		page->titles[page->figure_count++] = figures[i].title;
	}
	return STATUS_OK;
}

static enum status write_all(struct page *page, FILE *out)
{
	struct buffer buffer = { 0 };
	STATUS_TRY(text_make_directories(page->folder));
	STATUS_TRY(draw(page));
	STATUS_TRY(page_write_tables(page->folder, page->options, page->resamples, page->tables, PROBING_TABLES));
	enum status status = write_html(page, &buffer);
	if (status != STATUS_OK) {
		buffer_clear(&buffer);
		return status;
	}
	STATUS_TRY(page_write_buffer(page->folder, "report.html", &buffer));
	write_text(page, SHOW_MARKDOWN, &buffer);
	STATUS_TRY(page_write_buffer(page->folder, "report.md", &buffer));
	write_text(page, SHOW_TEXT, &buffer);
	return page_print(page->folder, &buffer, out);
}

static enum status find_all(struct page *page, FILE *out)
{
	const struct report_options *options = page->options;
	STATUS_TRY(load_folder(options->folder, &page->list));
	enum status status = STATUS_OK;
	if (page->list.count > 0) {
		status = study_create(&page->list, &options->study, &page->study);
		if (status == STATUS_OK)
			status = probings_read(options->folder, &page->study, &page->probings);
	}
	STATUS_TRY(status);
	if (page->probings.count == 0) {
		for (size_t i = 0; i < page->list.left_count; i++)
			fprintf(out, "left out: %s: %s\n", page->list.left[i].point, page->list.left[i].reason);
		for (size_t i = 0; i < page->probings.left_count; i++)
			fprintf(out, "left out: %s\n", page->probings.left_out[i]);
		return error_raise(STATUS_DATA, "%s holds no probes to report on; run the same input file again",
		                   options->folder);
	}
	page->resamples = options->resamples >= 0 ? (size_t)options->resamples : DEFAULT_RESAMPLES;
	STATUS_TRY(probings_intervals(&page->probings, page->resamples, options->confidence, options->seed));
	return probings_tables(&page->probings, page->tables);
}

enum status probings_make(const struct report_options *options, const char *folder, FILE *out)
{
	struct page page = { .options = options, .folder = folder };
	enum status status = find_all(&page, out);
	if (status == STATUS_OK)
		status = write_all(&page, out);
	for (int i = 0; i < PROBING_TABLES; i++)
		table_clear(&page.tables[i]);
	probings_clear(&page.probings);
	study_clear(&page.study);
	load_clear(&page.list);
	return status;
}
