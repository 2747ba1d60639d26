/* Order of the work, and the files of the report.
 * SPDX-License-Identifier: Apache-2.0 */
#include "report/report.h"

#include <stdlib.h>
#include <string.h>

#include <gsl/gsl_errno.h>

#include "base/text.h"
#include "report/classifier_metrics.h"
#include "report/columns.h"
#include "report/compare.h"
#include "report/plot.h"
#include "report/show.h"
#include "storage/atomic_file.h"
#include "storage/hdf5_file.h"

enum { FIGURES = 4, TABLES = 7, DEFAULT_RESAMPLES = 1000 };

/* Everything between reading and writing. */
struct report {
	const struct report_options *options;
	const char *folder; /* of the report */
	struct run_list list;
	struct study study;
	struct comparison comparison;
	struct buffer notes;
	struct table tables[TABLES];
	const char *figures[FIGURES], *figure_titles[FIGURES];
	size_t figure_count;
};
enum { TABLE_RUNS, TABLE_LOSSES, TABLE_SLOWDOWN, TABLE_LAWS, TABLE_FILTERED, TABLE_CLASSIFIER, TABLE_LEFT_OUT };

static size_t choose_resamples(const struct report *report)
{
	if (report->options->resamples >= 0)
		return (size_t)report->options->resamples;
	const char *text = run_setting(&report->list.runs[0], "evaluate/resamples");
	long given = text[0] ? strtol(text, NULL, 10) : -1;
	return given >= 0 ? (size_t)given : DEFAULT_RESAMPLES;
}

static void print_left_out(const struct run_list *list, FILE *out)
{
	for (size_t i = 0; i < list->left_count; i++)
		fprintf(out, "left out: %s: %s\n", list->left[i].point, list->left[i].reason);
}

static enum status read_runs(struct report *report, FILE *out)
{
	STATUS_TRY(load_folder(report->options->folder, &report->list));
	if (report->list.count > 0)
		return STATUS_OK;
	print_left_out(&report->list, out);
	return error_raise(STATUS_DATA,
	                   "%s holds no finished run to report on (%zu left out); run the same input file "
	                   "again to finish them",
	                   report->options->folder, report->list.left_count);
}

static void add_notes(struct report *report)
{
	const struct study *study = &report->study;
	size_t baselines = 0, most = 0;
	for (size_t m = 0; m < study->method_count; m++) {
		size_t runs = study_method_sizes(study, m);
		baselines += study->methods[m].is_baseline;
		most = study->methods[m].is_baseline && runs > most ? runs : most;
	}
	if (baselines == 0)
		buffer_add(&report->notes,
		           "No run has filter/method = %s: there is nothing to compare with, so neither "
		           "differences nor slowdowns.\n",
		           report->options->study.baseline);
	else if (most == 1)
		buffer_add(&report->notes, "The baseline has one model size: a slowdown needs at least two.\n");
	else if (most == 2)
		buffer_add(&report->notes, "The baseline has two model sizes: its law is the line through both.\n");
	if (study->measure_count == 0)
		buffer_add(&report->notes, "No run was evaluated: there are no losses.\n");
}

static enum status fill_tables(struct report *report)
{
	columns_of_runs(&report->study, &report->tables[TABLE_RUNS]);
	columns_of_losses(&report->comparison, &report->tables[TABLE_LOSSES]);
	columns_of_slowdowns(&report->comparison, &report->tables[TABLE_SLOWDOWN]);
	columns_of_laws(&report->comparison, &report->tables[TABLE_LAWS]);
	columns_of_filtered(&report->study, &report->tables[TABLE_FILTERED]);
	columns_of_left_out(&report->list, &report->tables[TABLE_LEFT_OUT]);
	classifier_metrics_collect(&report->study, &report->tables[TABLE_CLASSIFIER], &report->notes);
	for (int i = 0; i < TABLES; i++)
		STATUS_TRY(report->tables[i].status);
	return report->notes.status;
}

/* ---- files ---- */

static enum status write_buffer(const struct report *report, const char *name, struct buffer *buffer)
{
	char *path = buffer->status == STATUS_OK ? text_join_path(report->folder, name) : NULL;
	enum status status = path ? atomic_file_write(path, buffer->text, buffer->size) : STATUS_ENVIRONMENT;
	free(path);
	buffer_clear(buffer);
	return status;
}

static enum status write_csv(const struct report *report, const char *name, const struct table *table)
{
	struct buffer buffer = { 0 };
	table_write_csv(table, &buffer);
	return write_buffer(report, name, &buffer);
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

static enum status draw_figures(struct report *report)
{
	static const struct {
		enum status (*plot)(const char *folder, const struct comparison *comparison, bool *drawn);
		const char *name, *title;
	} figures[FIGURES] = {
		{ plot_losses, PLOT_LOSSES, "Loss against training compute" },
		{ plot_frontier, PLOT_FRONTIER, "Forget loss against retain loss" },
		{ plot_slowdown, PLOT_SLOWDOWN, "Loss-matched compute slowdown" },
		{ plot_filtered, PLOT_FILTERED, "Share of tokens filtered" },
	};
	for (int i = 0; i < FIGURES; i++) {
		bool drawn = false;
		STATUS_TRY(figures[i].plot(report->folder, &report->comparison, &drawn));
		if (!drawn)
			continue;
		report->figures[report->figure_count] = figures[i].name;
		report->figure_titles[report->figure_count++] = figures[i].title;
	}
	return STATUS_OK;
}

static enum status write_all(struct report *report, FILE *out)
{
	STATUS_TRY(text_make_directories(report->folder));
	STATUS_TRY(draw_figures(report));
	STATUS_TRY(write_csv(report, "table.csv", &report->tables[TABLE_LOSSES]));
	STATUS_TRY(write_csv(report, "slowdown.csv", &report->tables[TABLE_SLOWDOWN]));
	STATUS_TRY(write_csv(report, "filtered.csv", &report->tables[TABLE_FILTERED]));
	STATUS_TRY(write_hdf5(report));

	struct show show = {
		.folder = report->options->folder,
		.list = &report->list,
		.comparison = &report->comparison,
		.classifier = &report->tables[TABLE_CLASSIFIER],
		.notes = report->notes.text ? report->notes.text : "",
		.figures = report->figures,
		.figure_titles = report->figure_titles,
		.figure_count = report->figure_count,
	};
	struct buffer buffer = { 0 };
	show_report(&show, true, &buffer);
	STATUS_TRY(write_buffer(report, "report.md", &buffer));
	show_report(&show, false, &buffer);
	enum status status = buffer.status;
	if (status == STATUS_OK)
		fprintf(out,
		        "%s\nWritten to %s: report.md, report.h5, table.csv, slowdown.csv, filtered.csv, figures\n",
		        buffer.text, report->folder);
	buffer_clear(&buffer);
	if (status == STATUS_OK && (fflush(out) != 0 || ferror(out)))
		status = error_raise(STATUS_IO, "the tables can not be printed: standard output is closed or full");
	return status;
}

static void report_clear(struct report *report)
{
	for (int i = 0; i < TABLES; i++)
		table_clear(&report->tables[i]);
	buffer_clear(&report->notes);
	compare_clear(&report->comparison);
	study_clear(&report->study);
	load_clear(&report->list);
}

static enum status make(struct report *report, FILE *out)
{
	STATUS_TRY(read_runs(report, out));
	STATUS_TRY(study_create(&report->list, &report->options->study, &report->study));
	const struct compare_options options = { .resamples = choose_resamples(report),
		                                 .confidence = report->options->confidence,
		                                 .seed = report->options->seed,
		                                 .fit_without = report->options->fit_without,
		                                 .fit_without_count = report->options->fit_without_count,
		                                 .compute = report->options->compute,
		                                 .law = report->options->law };
	STATUS_TRY(compare_create(&report->study, &options, &report->comparison));
	add_notes(report);
	STATUS_TRY(fill_tables(report));
	return write_all(report, out);
}

enum status report_make(const struct report_options *options, FILE *out)
{
	struct report report = { .options = options };
	gsl_error_handler_t *handler =
		gsl_set_error_handler_off(); /* a fit that fails is a finding, not a reason to abort */
	char *folder = options->output ? text_format("%s", options->output) : text_join_path(options->folder, "report");
	report.folder = folder;
	enum status status = folder ? make(&report, out) : STATUS_ENVIRONMENT;
	report_clear(&report);
	free(folder);
	gsl_set_error_handler(handler);
	return status;
}
