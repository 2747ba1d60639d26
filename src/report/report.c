/* Order of the work, and the content of the report.
 * SPDX-License-Identifier: Apache-2.0 */
#include "report/report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <gsl/gsl_errno.h>

#include "base/text.h"
#include "report/classifier_metrics.h"
#include "report/columns.h"
#include "report/frontier.h"
#include "report/notes.h"
#include "report/passages.h"
#include "report/predict.h"
#include "report/probing.h"
#include "report/recovery.h"
#include "report/report_parts.h"

enum { DEFAULT_RESAMPLES = 1000 };

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
	questions_group_table(&report->questions, &tables[TABLE_QUESTION_GROUPS]);
	STATUS_TRY(passages_table(&report->questions, &tables[TABLE_PASSAGES]));
	questions_add_notes(&report->questions, &report->notes);
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
	return report_write(report, out);
}

enum status report_make(const struct report_options *options, FILE *out)
{
	struct report report = { .options = options };
	gsl_error_handler_t *handler =
		gsl_set_error_handler_off(); /* a fit that fails is a finding, not a reason to abort */
	char *folder = options->output ? text_format("%s", options->output) : text_join_path(options->folder, "report");
	report.folder = folder;
	enum status status = STATUS_ENVIRONMENT;
	if (folder)
		status = recovery_is_folder(options->folder)   ? recovery_make(options, folder, out)
		         : probings_is_folder(options->folder) ? probings_make(options, folder, out)
		                                               : make(&report, out);
	report_clear(&report);
	free(folder);
	gsl_set_error_handler(handler);
	return status;
}
