/* --compare-runs: whether two run folders hold the same results, bit for bit: curves, evaluations, filter counts, final
 * weights, classifiers. Times, hosts and rank counts may differ.
 * SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/open_files.h"
#include "base/text.h"
#include "classifier/content.h"
#include "model/config.h"
#include "results/checkpoint.h"
#include "results/run_file.h"
#include "tasks/task.h"

struct comparison {
	const char *name; /* of the run, in messages */
	int64_t runs, differences;
};

static void note(struct comparison *comparison, bool same, const char *what)
{
	if (same)
		return;
	comparison->differences++;
	printf("%s: %s differ\n", comparison->name, what);
}

static bool same_bytes(const void *a, const void *b, size_t count, size_t size)
{
	return count == 0 || memcmp(a, b, count * size) == 0;
}

static void compare_evaluations(struct comparison *comparison, const struct run_results *a, const struct run_results *b)
{
	note(comparison, a->evaluation_count == b->evaluation_count, "the numbers of evaluation sets");
	for (size_t i = 0; i < a->evaluation_count && i < b->evaluation_count; i++) {
		const struct run_evaluation *x = &a->evaluations[i], *y = &b->evaluations[i];
		size_t documents = (size_t)x->document_count;
		bool same = strcmp(x->set, y->set) == 0 && x->row_count == y->row_count &&
		            same_bytes(x->rows, y->rows, x->row_count, sizeof *x->rows) &&
		            x->document_count == y->document_count &&
		            same_bytes(x->document_number, y->document_number, documents, sizeof *x->document_number) &&
		            (x->document_group == NULL || y->document_group == NULL || /* of older shards */
		             same_bytes(x->document_group, y->document_group, documents, sizeof *x->document_group)) &&
		            same_bytes(x->document_nll, y->document_nll, documents, sizeof *x->document_nll) &&
		            same_bytes(x->document_label_nll, y->document_label_nll, documents,
		                       sizeof *x->document_label_nll);
		note(comparison, same, "the evaluations");
	}
}

static void compare_recoveries(struct comparison *comparison, const struct run_results *a, const struct run_results *b)
{
	const struct run_recovery *x = &a->recovery, *y = &b->recovery;
	bool same = x->present == y->present && x->rows == y->rows && x->documents == y->documents &&
	            same_bytes(&x->target, &y->target, 1, sizeof x->target) &&
	            same_bytes(x->step, y->step, x->rows, sizeof *x->step) &&
	            same_bytes(x->nll, y->nll, x->rows * (size_t)x->documents, sizeof *x->nll);
	note(comparison, same, "the losses of finetuning");
}

static bool same_own(const struct run_own *a, const struct run_own *b, size_t count)
{
	bool same = strcmp(a->rule, b->rule) == 0 && same_bytes(a->cluster, b->cluster, count, sizeof *a->cluster) &&
	            a->other_count == b->other_count;
	for (size_t i = 0; same && i < a->other_count; i++) {
		const struct run_answers *x = &a->others[i], *y = &b->others[i];
		same = strcmp(x->rule, y->rule) == 0 && same_bytes(x->correct, y->correct, count, sizeof *x->correct) &&
		       same_bytes(x->margin, y->margin, count, sizeof *x->margin);
	}
	return same;
}

static void compare_questions(struct comparison *comparison, const struct run_results *a, const struct run_results *b)
{
	note(comparison, a->question_count == b->question_count, "the numbers of question sets");
	for (size_t i = 0; i < a->question_count && i < b->question_count; i++) {
		const struct run_questions *x = &a->questions[i], *y = &b->questions[i];
		bool same = strcmp(x->set, y->set) == 0 && x->count == y->count &&
		            same_bytes(x->correct, y->correct, (size_t)x->count, sizeof *x->correct) &&
		            same_bytes(x->margin, y->margin, (size_t)x->count, sizeof *x->margin) &&
		            (x->own == NULL) == (y->own == NULL) &&
		            (x->own == NULL || same_own(x->own, y->own, (size_t)x->count));
		note(comparison, same, "the answers to questions");
	}
}

static void compare_filters(struct comparison *comparison, const struct run_results *a, const struct run_results *b)
{
	bool same = a->domain_count == b->domain_count && a->has_histogram == b->has_histogram &&
	            same_bytes(a->histogram, b->histogram, RUN_HISTOGRAM_BINS, sizeof a->histogram[0]);
	for (size_t i = 0; same && i < a->domain_count; i++)
		same = strcmp(a->domains[i].name, b->domains[i].name) == 0 &&
		       a->domains[i].tokens == b->domains[i].tokens && a->domains[i].filtered == b->domains[i].filtered;
	note(comparison, same, "the filter's counts");
}

static enum status load_weights(const char *folder, const struct run_results *results, float **weights_out,
                                int64_t *count_out)
{
	struct model_config config = { .layers = (int32_t)results->model.layers,
		                       .width = (int32_t)results->model.width,
		                       .heads = (int32_t)results->model.heads,
		                       .context = (int32_t)results->model.context,
		                       .vocabulary = (int32_t)results->model.vocabulary,
		                       .base_width = 1 };
	*count_out = model_config_arena_size(&config);
	return checkpoint_load_finished(folder, results->identity, *count_out, weights_out);
}

static enum status compare_weights(struct comparison *comparison, const char *first, const char *second,
                                   const struct run_results *a, const struct run_results *b)
{
	float *x = NULL, *y = NULL;
	int64_t x_count = 0, y_count = 0;
	enum status status = load_weights(first, a, &x, &x_count);
	if (status == STATUS_OK)
		status = load_weights(second, b, &y, &y_count);
	if (status == STATUS_OK)
		note(comparison, x_count == y_count && same_bytes(x, y, (size_t)x_count, sizeof *x), "the weights");
	free(x);
	free(y);
	return status;
}

static enum status compare_run(struct comparison *comparison, const char *first, const char *second)
{
	char *first_file = text_join_path(first, "run.h5"), *second_file = text_join_path(second, "run.h5");
	struct run_results a = { 0 }, b = { 0 };
	comparison->name = first;
	enum status status =
		first_file == NULL || second_file == NULL ? STATUS_ENVIRONMENT : run_file_read(first_file, &a);
	if (status == STATUS_OK)
		status = run_file_read(second_file, &b);
	if (status == STATUS_OK) {
		comparison->runs++;
		note(comparison, a.finished == b.finished, "the ends (one run is unfinished)");
		note(comparison,
		     a.step_count == b.step_count && same_bytes(a.steps, b.steps, a.step_count, sizeof *a.steps),
		     "the curves");
		compare_evaluations(comparison, &a, &b);
		compare_questions(comparison, &a, &b);
		compare_recoveries(comparison, &a, &b);
		compare_filters(comparison, &a, &b);
		status = compare_weights(comparison, first, second, &a, &b);
	}
	run_results_clear(&a);
	run_results_clear(&b);
	free(first_file);
	free(second_file);
	return status;
}

static enum status compare_classifiers(struct comparison *comparison, const char *first, const char *second)
{
	struct content a, b;
	STATUS_TRY(content_read(first, &a));
	enum status status = content_read(second, &b);
	if (status == STATUS_OK) {
		comparison->name = first;
		comparison->runs++;
		note(comparison,
		     strcmp(a.hash, b.hash) == 0 && a.token_threshold == b.token_threshold &&
		             a.document_threshold == b.document_threshold &&
		             a.token_threshold_balanced == b.token_threshold_balanced &&
		             a.document_threshold_balanced == b.document_threshold_balanced,
		     "the classifiers");
		content_clear(&b);
	}
	content_clear(&a);
	return status;
}

static bool is_folder(const char *path)
{
	struct stat facts;
	return stat(path, &facts) == 0 && S_ISDIR(facts.st_mode);
}

/* Folders that hold results themselves or further down; caches and reports do not. */
static int holds_results(const struct dirent *entry)
{
	static const char *const others[] = { ".", "..", "checkpoints", "scores", "report" };
	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
		if (strcmp(entry->d_name, others[i]) == 0)
			return 0;
	return 1;
}

static enum status compare_folders(struct comparison *comparison, const char *first, const char *second);

static enum status compare_entry(struct comparison *comparison, const char *first, const char *second, const char *name)
{
	char *a = text_join_path(first, name), *b = text_join_path(second, name);
	enum status status = STATUS_OK;
	if (a == NULL || b == NULL)
		status = STATUS_ENVIRONMENT;
	else if (strcmp(name, "run.h5") == 0)
		status = compare_run(comparison, first, second);
	else if (strcmp(name, "classifier.h5") == 0)
		status = compare_classifiers(comparison, a, b);
	else if (is_folder(a))
		status = is_folder(b) ? compare_folders(comparison, a, b)
		                      : error_raise(STATUS_DATA, "%s is there, but not %s", a, b);
	free(a);
	free(b);
	return status;
}

/* What only the second folder holds is a difference, too. */
static enum status check_extra(const char *first, const char *second)
{
	struct dirent **entries;
	int count = scandir(second, &entries, holds_results, alphasort);
	enum status status = STATUS_OK;
	for (int i = 0; i < count; i++) {
		char *a = text_join_path(first, entries[i]->d_name), *b = text_join_path(second, entries[i]->d_name);
		if (a == NULL || b == NULL)
			status = STATUS_ENVIRONMENT;
		else if (is_folder(b) && !is_folder(a))
			status = error_raise(STATUS_DATA, "%s is there, but not %s", b, a);
		free(a);
		free(b);
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
	return status;
}

/* Every folder below `first` that holds a run.h5 or a classifier.h5, and its twin below `second`. */
static enum status compare_folders(struct comparison *comparison, const char *first, const char *second)
{
	struct dirent **entries;
	int count = scandir(first, &entries, holds_results, alphasort);
	if (count < 0)
		return error_raise(open_files_status(errno, STATUS_DATA), "%s: cannot read the folder: %s%s", first,
		                   strerror(errno), open_files_advice(errno));
	enum status status = STATUS_OK;
	for (int i = 0; i < count; i++) {
		if (status == STATUS_OK)
			status = compare_entry(comparison, first, second, entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	return status == STATUS_OK ? check_extra(first, second) : status;
}

enum status task_compare(const char *first, const char *second, bool *equal_out)
{
	struct comparison comparison = { 0 };
	enum status status = compare_folders(&comparison, first, second);
	if (status == STATUS_OK && comparison.runs == 0)
		status = error_raise(STATUS_DATA, "%s holds no run.h5 and no classifier.h5: nothing to compare", first);
	if (status == STATUS_DATA)
		return error_raise(
			status,
			"%s; --compare-runs takes the output folders (run/output) of two studies of the same "
			"points, both finished",
			error_message());
	STATUS_TRY(status);
	printf("%lld runs compared, %lld differences\n", (long long)comparison.runs, (long long)comparison.differences);
	*equal_out = comparison.differences == 0;
	return STATUS_OK;
}
