/* Order of the work, and the files of the report.
 * SPDX-License-Identifier: Apache-2.0 */
#include "report/report.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <gsl/gsl_errno.h>

#include "base/memory.h"
#include "base/text.h"
#include "report/classifier_metrics.h"
#include "report/columns.h"
#include "report/frontier.h"
#include "report/html.h"
#include "report/notes.h"
#include "report/plot.h"
#include "report/predict.h"
#include "report/show.h"
#include "storage/atomic_file.h"
#include "storage/hdf5_file.h"

enum { FIGURES = 32, DEFAULT_RESAMPLES = 1000 };
enum {
	TABLE_RUNS,
	TABLE_LOSSES,
	TABLE_SLOWDOWN,
	TABLE_LAWS,
	TABLE_FILTERED,
	TABLE_FRONTIER,
	TABLE_AREAS,
	TABLE_CURVES,
	TABLE_DECAY,
	TABLE_QUESTIONS,
	TABLE_CLASSIFIER,
	TABLE_PREDICTIONS,
	TABLE_LEFT_OUT,
	TABLES
};

/* Everything between reading and writing. */
struct report {
	const struct report_options *options;
	const char *folder; /* of the report */
	struct run_list list;
	struct study study;
	struct comparison comparison;
	struct curves curves;
	struct question_results questions;
	struct buffer notes;
	struct table tables[TABLES];
	char *figures[FIGURES], *figure_titles[FIGURES];
	size_t figure_count;
};

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
	if (study->merged > 0)
		buffer_add(
			&report->notes,
			"%zu unfiltered runs differ from another only in keys of [filter], which say nothing without a "
			"filter: one of each stands for all.\n",
			study->merged);
	if (study->measure_count == 0)
		buffer_add(&report->notes, "No run was evaluated: there are no losses.\n");
}

/* Whether the filtered runs decide by gold labels: all (1), none (0), or some (NaN). */
static double share_of_labels(const struct study *study)
{
	size_t filtered = 0, labels = 0;
	for (size_t m = 0; m < study->method_count; m++) {
		if (study->methods[m].is_baseline)
			continue;
		filtered++;
		labels += strcmp(study_value(study, m, "filter/source"), "labels") == 0;
	}
	return labels == 0 ? 0.0 : labels == filtered ? 1.0 : NAN;
}

/* Accuracy on the balanced test set, as the paper's 0.89: given, 1 for gold labels, else from the classifier's file; NaN
 * where the runs have no one accuracy. */
static double find_accuracy(const struct report *report)
{
	const struct table *classifier = &report->tables[TABLE_CLASSIFIER];
	double accuracy = NAN;
	if (!isnan(report->options->accuracy))
		return report->options->accuracy;
	double labels = share_of_labels(&report->study);
	if (isnan(labels) || labels > 0.0)
		return labels;
	for (size_t row = 0; row < table_rows(classifier); row++)
		if (strcmp(table_cell(classifier, row, "who")->text, "classifier") == 0 &&
		    strcmp(table_cell(classifier, row, "set")->text, "test") == 0 &&
		    strcmp(table_cell(classifier, row, "prevalence")->text, "balanced") == 0) {
			if (!isnan(accuracy))
				return NAN; /* several classifiers: no one accuracy */
			accuracy = classifier_metrics_accuracy(table_cell(classifier, row, "precision")->real,
			                                       table_cell(classifier, row, "recall")->real,
			                                       table_cell(classifier, row, "positives")->real);
		}
	return accuracy;
}

static enum status fill_tables(struct report *report)
{
	const struct comparison *comparison = &report->comparison;
	struct table *tables = report->tables;
	classifier_metrics_collect(&report->study, &tables[TABLE_CLASSIFIER], &report->notes);
	STATUS_TRY(tables[TABLE_CLASSIFIER].status);
	STATUS_TRY(curves_create(comparison, find_accuracy(report), &report->curves));
	STATUS_TRY(questions_create(comparison, &report->questions));
	columns_of_runs(&report->study, &tables[TABLE_RUNS]);
	columns_of_losses(comparison, &tables[TABLE_LOSSES]);
	columns_of_slowdowns(comparison, &tables[TABLE_SLOWDOWN]);
	columns_of_laws(comparison, &tables[TABLE_LAWS]);
	columns_of_filtered(&report->study, &tables[TABLE_FILTERED]);
	frontier_table(comparison, &tables[TABLE_FRONTIER]);
	frontier_area_table(comparison, &report->curves, &tables[TABLE_AREAS]);
	curves_table(&report->curves, &tables[TABLE_CURVES]);
	curves_decay_table(&report->curves, &tables[TABLE_DECAY]);
	questions_table(&report->questions, &tables[TABLE_QUESTIONS]);
	STATUS_TRY(predict_table(comparison, report->options->folder, &tables[TABLE_PREDICTIONS]));
	columns_of_left_out(&report->list, &tables[TABLE_LEFT_OUT]);
	for (int i = 0; i < TABLES; i++)
		STATUS_TRY(tables[i].status);
	return report->notes.status;
}

/* Predictions are stored before the tables are made, so that they show them. */
static enum status predict(const struct report *report, FILE *out)
{
	const struct report_options *options = report->options;
	char date[16];
	time_t now = time(NULL);
	struct tm parts;
	struct predict_counts counts;
	if (!options->predict)
		return STATUS_OK;
	if (!gmtime_r(&now, &parts) || strftime(date, sizeof(date), "%Y-%m-%d", &parts) == 0)
		return error_raise(STATUS_ENVIRONMENT, "the date is not known, so a prediction can not be dated");
	STATUS_TRY(
		predict_size(&report->comparison, options->folder, options->predict, date, options->version, &counts));
	fprintf(out, "%zu predictions for %s stored in %s/%s\n", counts.rows, options->predict, options->folder,
	        PREDICT_FILE);
	if (counts.without_misfit > 0)
		fprintf(out,
		        "%zu of them have no interval: a %s law through as many sizes as it has parameters says nothing about "
		        "its error; run %zu sizes or more of a method\n",
		        counts.without_misfit, compare_law_name(options->law), predict_sizes_needed(options->law));
	return STATUS_OK;
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
	return add_figure(report, drawn, PLOT_QUESTIONS, "Recall questions");
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

static enum status write_all(struct report *report, FILE *out)
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

static void report_clear(struct report *report)
{
	for (int i = 0; i < TABLES; i++)
		table_clear(&report->tables[i]);
	for (size_t i = 0; i < report->figure_count; i++) {
		free(report->figures[i]);
		free(report->figure_titles[i]);
	}
	buffer_clear(&report->notes);
	questions_clear(&report->questions);
	curves_clear(&report->curves);
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
	notes_add(&report->comparison, &report->notes);
	STATUS_TRY(predict(report, out));
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
