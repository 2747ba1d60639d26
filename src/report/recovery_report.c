/* The files of a finetuning's report.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "report/compare.h"
#include "report/html.h"
#include "report/page.h"
#include "report/recovery.h"
#include "report/table.h"

enum { DEFAULT_RESAMPLES = 1000, FIGURES = 2 };

struct page {
	const struct report_options *options;
	const char *folder; /* of the report */
	struct recovery recovery;
	size_t resamples;
	struct table tables[RECOVERY_TABLES];
	const char *figures[FIGURES], *titles[FIGURES];
	size_t figure_count;
};

/* ---- pages ---- */

static void write_notes(const struct page *page, enum show_form form, struct buffer *buffer)
{
	const struct recovery *recovery = &page->recovery;
	struct buffer notes = { 0 };
	bool coarse = false, given = false;
	for (size_t i = 0; i < recovery->count; i++) {
		coarse = coarse || (recovery->runs[i].chosen && recovery_is_coarse(&recovery->runs[i]));
		given = given || !recovery->runs[i].known.target_nll;
	}
	buffer_add(&notes, "%zu finished runs, %zu left out.\n", recovery->count, recovery->left_count);
	for (size_t i = 0; i < recovery->left_count; i++)
		buffer_add(&notes, "left out: %s\n", recovery->left_out[i]);
	buffer_add(
		&notes,
		"Target: the loss of the unfiltered model of the same size on the same documents. Tokens to the target: "
		"a line between the last evaluation above it and the first at or below it. The retain loss is its "
		"change until then, or until the end; it has no interval.\n");
	if (given)
		buffer_add(&notes, "The target of some runs was given as a number (finetune/target).\n");
	const struct recovery_documents *fewest = recovery_fewest(recovery);
	if (fewest && fewest->groups < COMPARE_FEW_GROUPS)
		buffer_add(
			&notes,
			"FEW GROUPS: the %zu documents of the forget set are of %zu ids. Intervals over fewer than %d groups "
			"are too narrow: evaluate documents of more ids (evaluate/documents).\n",
			fewest->documents, fewest->groups, COMPARE_FEW_GROUPS);
	if (page->resamples > 1)
		buffer_add(
			&notes,
			"Intervals: %g %% of %zu resamples of the forget documents, those of one id together; the model and "
			"the unfiltered one see the same. They do not hold what another seed of training would give, nor "
			"that the best of several settings was taken.\n",
			100.0 * page->options->confidence, page->resamples);
	if (coarse)
		buffer_add(&notes,
		           "*: the two evaluations around the answer are more than a fifth of it apart: it is mostly "
		           "interpolation.\n");
	show_notes(notes.text ? notes.text : "", form, buffer);
	if (notes.status != STATUS_OK)
		buffer->status = notes.status;
	buffer_clear(&notes);
}

static void write_text(const struct page *page, enum show_form form, struct buffer *buffer)
{
	bool markdown = form == SHOW_MARKDOWN;
	buffer_add(buffer, markdown ? "# Report of %s\n\n" : "Report of %s\n\n", page->options->folder);
	recovery_words(&page->recovery, form, buffer);
	for (size_t i = 0; i < page->figure_count && markdown; i++)
		buffer_add(buffer, "![%s](%s.svg)\n\n", page->titles[i], page->figures[i]);
	recovery_show(&page->recovery, page->resamples > 1, form, buffer);
	buffer_add(buffer, "%s", markdown ? "\n## How to read this\n\n" : "\n");
	write_notes(page, form, buffer);
}

static enum status write_html(const struct page *page, struct buffer *buffer)
{
	char statistics[96];
	char *run = text_format("%s/points/%s/run.h5", page->options->folder, page->recovery.runs[0].point);
	if (!run)
		return STATUS_ENVIRONMENT;
	const struct html_facts facts = { page->folder, page->options->version, run };
	snprintf(statistics, sizeof(statistics), "%zu resamples, seed %llu, %g %% intervals", page->resamples,
	         (unsigned long long)page->options->seed, 100.0 * page->options->confidence);
	html_begin(page->options->folder, buffer);
	buffer_add(buffer, "<h2>What was found</h2>\n");
	recovery_words(&page->recovery, SHOW_HTML, buffer);
	buffer_add(buffer, "<h2>Figures</h2>\n");
	enum status status = html_add_figures(page->figures, page->titles, page->figure_count, page->folder, buffer);
	buffer_add(buffer, "<h2>Tables</h2>\n");
	recovery_show(&page->recovery, page->resamples > 1, SHOW_HTML, buffer);
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
		enum status (*plot)(const char *folder, const struct recovery *recovery, bool *drawn);
		const char *name, *title;
	} figures[FIGURES] = {
		{ recovery_plot_tokens, RECOVERY_PLOT, "Tokens of finetuning to the unfiltered model's loss" },
		{ recovery_plot_curves, RECOVERY_CURVES_PLOT, "Loss on the forget set while models are finetuned" },
	};
	for (int i = 0; i < FIGURES; i++) {
		bool drawn = false;
		STATUS_TRY(figures[i].plot(page->folder, &page->recovery, &drawn));
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
	STATUS_TRY(page_write_tables(page->folder, page->options, page->resamples, page->tables, RECOVERY_TABLES));
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
	struct recovery *recovery = &page->recovery;
	long given;
	STATUS_TRY(recovery_read(options, recovery, &given));
	given = options->resamples >= 0 ? options->resamples : given;
	page->resamples = given >= 0 ? (size_t)given : DEFAULT_RESAMPLES;
	if (recovery->count == 0) {
		for (size_t i = 0; i < recovery->left_count; i++)
			fprintf(out, "left out: %s\n", recovery->left_out[i]);
		return error_raise(STATUS_DATA,
		                   "%s holds no finished run to report on (%zu left out); run the same input file "
		                   "again to finish them",
		                   options->folder, recovery->left_count);
	}
	recovery_choose(recovery);
	STATUS_TRY(recovery_label(recovery));
	return recovery_intervals(recovery, page->resamples, options->confidence, options->seed);
}

enum status recovery_make(const struct report_options *options, const char *folder, FILE *out)
{
	struct page page = { .options = options, .folder = folder };
	enum status status = find_all(&page, out);
	if (status == STATUS_OK)
		status = recovery_tables(&page.recovery, page.tables);
	if (status == STATUS_OK)
		status = write_all(&page, out);
	for (int i = 0; i < RECOVERY_TABLES; i++)
		table_clear(&page.tables[i]);
	recovery_clear(&page.recovery);
	return status;
}
