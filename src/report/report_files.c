/* The files of a report.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/text.h"
#include "report/html.h"
#include "report/plot.h"
#include "report/report_parts.h"
#include "report/show.h"
#include "storage/atomic_file.h"
#include "storage/hdf5_file.h"

/* ---- tables ---- */

static enum status write_buffer(const struct report *report, const char *name, struct buffer *buffer)
{
	char *path = buffer->status == STATUS_OK ? text_join_path(report->folder, name) : NULL;
	enum status status = path ? atomic_file_write(path, buffer->text, buffer->size) : STATUS_ENVIRONMENT;
	free(path);
	buffer_clear(buffer);
	return status;
}

/* NAME.csv of every table; the losses are table.csv. One of an older report that is empty now is removed. */
static enum status write_csv(const struct report *report, int number)
{
	const struct table *table = &report->tables[number];
	struct buffer buffer = { 0 };
	char *name = text_format("%s.csv", number == TABLE_LOSSES ? "table" : table->name);
	if (!name)
		return STATUS_ENVIRONMENT;
	enum status status = STATUS_OK;
	if (table_rows(table) > 0) {
		table_write_csv(table, &buffer);
		status = write_buffer(report, name, &buffer);
	} else {
		char *path = text_join_path(report->folder, name);
		if (!path)
			status = STATUS_ENVIRONMENT;
		else if (unlink(path) != 0 && errno != ENOENT)
			status = file_raise(errno, path, "an older table can not be removed");
		free(path);
	}
	free(name);
	return status;
}

static enum status write_facts(const struct report *report, struct hdf5_writer *writer)
{
	const struct compare_options *options = &report->comparison.options;
	STATUS_TRY(hdf5_write_text_attribute(writer, "/", "format", "capshape-report"));
	STATUS_TRY(hdf5_write_integer_attribute(writer, "/", "format_version", 1));
	STATUS_TRY(hdf5_write_text_attribute(writer, "/", "version", report->options->version));
	STATUS_TRY(hdf5_write_text_attribute(writer, "/", "folder", report->options->folder));
	STATUS_TRY(hdf5_write_text_attribute(writer, "/", "baseline", report->options->study.baseline));
	STATUS_TRY(hdf5_write_integer_attribute(writer, "/", "resamples", (int64_t)options->resamples));
	STATUS_TRY(hdf5_write_integer_attribute(writer, "/", "seed", (int64_t)options->seed));
	STATUS_TRY(hdf5_write_text_attribute(writer, "/", "compute", compare_compute_name(options->compute)));
	STATUS_TRY(hdf5_write_text_attribute(writer, "/", "law", compare_law_name(options->law)));
	return hdf5_write_real_attribute(writer, "/", "confidence", options->confidence);
}

static enum status write_hdf5(const struct report *report)
{
	struct hdf5_writer *writer = NULL;
	char *path = text_join_path(report->folder, "report.h5");
	enum status status = path ? hdf5_create(path, &writer) : STATUS_ENVIRONMENT;
	free(path);
	STATUS_TRY(status);
	status = write_facts(report, writer);
	for (int i = 0; i < TABLES && status == STATUS_OK; i++)
		status = table_write_hdf5(&report->tables[i], writer);
	if (status == STATUS_OK)
		return hdf5_commit(writer);
	hdf5_abandon(writer);
	return status;
}

/* ---- figures ---- */

static enum status add_figure(struct report *report, bool drawn, const char *name, const char *title)
{
	if (!drawn || report->figure_count == FIGURES)
		return STATUS_OK;
	report->figures[report->figure_count] = memory_copy_text(name);
	report->figure_titles[report->figure_count] = memory_copy_text(title);
	report->figure_count++;
	return report->figures[report->figure_count - 1] && report->figure_titles[report->figure_count - 1]
	               ? STATUS_OK
	               : STATUS_ENVIRONMENT;
}

static enum status draw_curves(struct report *report)
{
	for (size_t a = 0; a < report->curves.axis_count; a++) {
		bool drawn = false;
		STATUS_TRY(plot_curve(report->folder, &report->curves, a, &drawn));
		const char *key = report->curves.axes[a].name;
		char *name = text_format("%s%s", PLOT_CURVE, study_axis_key(key));
		char *title = text_format("Compute slowdown against %s", key);
		enum status status = name && title ? add_figure(report, drawn, name, title) : STATUS_ENVIRONMENT;
		free(name);
		free(title);
		STATUS_TRY(status);
	}
	return STATUS_OK;
}

static enum status draw_figures(struct report *report)
{
	static const struct {
		enum status (*plot)(const char *folder, const struct comparison *comparison, bool *drawn);
		const char *name, *title;
	} figures[] = {
		{ plot_slowdown, PLOT_SLOWDOWN, "Loss-matched compute slowdown" },
		{ plot_losses, PLOT_LOSSES, "Loss against training compute" },
		{ plot_reading, PLOT_READING, "How the slowdown is read off" },
		{ plot_frontier, PLOT_FRONTIER, "Forget loss against retain loss" },
		{ plot_filtered, PLOT_FILTERED, "Share of tokens filtered" },
	};
	bool drawn = false;
	for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]); i++) {
		STATUS_TRY(figures[i].plot(report->folder, &report->comparison, &drawn));
		STATUS_TRY(add_figure(report, drawn, figures[i].name, figures[i].title));
	}
	STATUS_TRY(plot_pareto(report->folder, &report->curves, &drawn));
	STATUS_TRY(add_figure(report, drawn, PLOT_PARETO, "Forget loss against retain loss while a key is swept"));
	STATUS_TRY(draw_curves(report));
	STATUS_TRY(plot_quality(report->folder, &report->comparison, &report->tables[TABLE_AREAS],
	                        &report->tables[TABLE_CLASSIFIER], &drawn));
	STATUS_TRY(add_figure(report, drawn, PLOT_QUALITY, "Classifier quality and frontier"));
	STATUS_TRY(plot_questions(report->folder, &report->questions, &drawn));
	return add_figure(report, drawn, PLOT_QUESTIONS, "Questions");
}

/* ---- pages ---- */

static enum status write_page(const struct report *report, const struct show *show)
{
	struct buffer buffer = { 0 };
	char *run_path = text_format("%s/points/%s/run.h5", report->options->folder, report->list.runs[0].point);
	if (!run_path)
		return STATUS_ENVIRONMENT;
	const struct html_facts facts = { report->folder, report->options->version, run_path };
	enum status status = html_write(show, &facts, &buffer);
	free(run_path);
	if (status == STATUS_OK)
		return write_buffer(report, "report.html", &buffer);
	buffer_clear(&buffer);
	return status;
}

enum status report_write(struct report *report, FILE *out)
{
	STATUS_TRY(text_make_directories(report->folder));
	STATUS_TRY(draw_figures(report));
	for (int i = 0; i < TABLES; i++)
		STATUS_TRY(write_csv(report, i));
	STATUS_TRY(write_hdf5(report));

	const struct show show = {
		.folder = report->options->folder,
		.list = &report->list,
		.comparison = &report->comparison,
		.classifier = &report->tables[TABLE_CLASSIFIER],
		.tables = report->tables,
		.table_count = TABLES,
		.notes = report->notes.text ? report->notes.text : "",
		.figures = (const char *const *)report->figures,
		.figure_titles = (const char *const *)report->figure_titles,
		.figure_count = report->figure_count,
	};
	struct buffer buffer = { 0 };
	STATUS_TRY(write_page(report, &show));
	show_report(&show, SHOW_MARKDOWN, &buffer);
	STATUS_TRY(write_buffer(report, "report.md", &buffer));
	show_report(&show, SHOW_TEXT, &buffer);
	enum status status = buffer.status;
	if (status == STATUS_OK)
		fprintf(out, "%s\nWritten to %s: report.html, report.md, report.h5, tables as CSV, figures\n",
		        buffer.text, report->folder);
	buffer_clear(&buffer);
	if (status == STATUS_OK && (fflush(out) != 0 || ferror(out)))
		status = error_raise(STATUS_IO, "the tables can not be printed: standard output is closed or full");
	return status;
}
