/* Reading /metrics/<who>/<set>/<prevalence> of classifier files.
 * SPDX-License-Identifier: Apache-2.0 */
#include "report/classifier_metrics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/memory.h"
#include "base/text.h"
#include "storage/hdf5_file.h"

static const char *const who_names[] = { "classifier", "left_only", "word_list", "document" };
static const char *const set_names[] = { "validation", "test" };
static const char *const prevalence_names[] = { "balanced", "natural" };

/* A metric that the file lacks is NaN, so that older files still give the others. */
static double read_metric(struct hdf5_reader *reader, const char *group, const char *name)
{
	double value = NAN;
	if (hdf5_read_real_attribute(reader, group, name, &value) == STATUS_OK)
		return value;
	error_clear();
	return NAN;
}

static void add_row(struct hdf5_reader *reader, const char *path, const char *who, const char *set,
                    const char *prevalence, struct table *table)
{
	static const char *const metrics[] = { "precision", "recall", "f1", "auroc", "threshold", "prevalence" };
	char *group = text_format("metrics/%s/%s/%s", who, set, prevalence);
	if (!group) {
		table->status = STATUS_ENVIRONMENT;
	} else if (hdf5_exists(reader, group)) {
		int64_t count = 0;
		table_add_text(table, "%s", path);
		table_add_text(table, "%s", who);
		table_add_text(table, "%s", set);
		table_add_text(table, "%s", prevalence);
		for (size_t i = 0; i < sizeof(metrics) / sizeof(metrics[0]); i++)
			table_add_real(table, read_metric(reader, group, metrics[i]));
		if (hdf5_read_integer_attribute(reader, group, "tokens", &count) != STATUS_OK)
			error_clear();
		table_add_integer(table, count);
	}
	free(group);
}

static void add_file(const char *path, struct table *table, struct buffer *notes)
{
	struct hdf5_reader *reader = NULL;
	if (hdf5_open(path, &reader) != STATUS_OK) {
		buffer_add(notes, "Classifier left out: %s.\n", error_message());
		error_clear();
		return;
	}
	for (size_t s = 0; s < 2; s++)
		for (size_t p = 0; p < 2; p++)
			for (size_t w = 0; w < 4; w++)
				add_row(reader, path, who_names[w], set_names[s], prevalence_names[p], table);
	hdf5_close(reader);
}

double classifier_metrics_accuracy(double precision, double recall, double positives)
{
	double found = positives * recall;
	return 1.0 - found * (1.0 / precision - 1.0) - positives * (1.0 - recall);
}

static bool named_before(const struct study *study, size_t run)
{
	for (size_t i = 0; i < run; i++)
		if (strcmp(run_setting(&study->list->runs[i], "filter/classifier"),
		           run_setting(&study->list->runs[run], "filter/classifier")) == 0)
			return true;
	return false;
}

void classifier_metrics_collect(const struct study *study, struct table *table, struct buffer *notes)
{
	static const struct column columns[] = {
		{ "file", COLUMN_TEXT, NULL, "classifier file" },
		{ "who", COLUMN_TEXT, NULL,
		  "classifier: both directions; left_only, word_list: controls; document: whole documents" },
		{ "set", COLUMN_TEXT, NULL, "held-out set" },
		{ "prevalence", COLUMN_TEXT, NULL, "balanced: both classes weigh the same; natural: as in the set" },
		{ "precision", COLUMN_REAL, "1", "share of what is called forget that is" },
		{ "recall", COLUMN_REAL, "1", "share of what is forget that is called so" },
		{ "f1", COLUMN_REAL, "1", "harmonic mean of precision and recall" },
		{ "auroc", COLUMN_REAL, "1", "area under the receiver operating characteristic" },
		{ "threshold", COLUMN_REAL, "1", "probability from which on a token is called forget" },
		{ "positives", COLUMN_REAL, "1", "share of forget in what was measured" },
		{ "count", COLUMN_INTEGER, "1", "tokens measured, documents for the document probe" },
	};
	table_create(table, "classifier", "", columns, sizeof(columns) / sizeof(columns[0]));
	for (size_t r = 0; r < study->list->count; r++) {
		const char *name = run_setting(&study->list->runs[r], "filter/classifier");
		struct stat facts;
		if (name[0] == '\0' || named_before(study, r))
			continue;
		if (stat(name, &facts) != 0) {
			buffer_add(notes,
			           "The classifier %s of the runs is not there: its F1 and AUROC are not shown.\n",
			           name);
			continue;
		}
		char *path = S_ISDIR(facts.st_mode) ? text_join_path(name, "classifier.h5") : memory_copy_text(name);
		if (path)
			add_file(path, table, notes);
		else
			table->status = STATUS_ENVIRONMENT;
		free(path);
	}
}
