/* Owns how curves, evaluations and filter statistics lie in HDF5 (docs/run-file.md).
 * SPDX-License-Identifier: Apache-2.0 */
#include "results/run_tables.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"

/* A field of a row as a data set. All are 8 bytes wide. */
struct column {
	const char *name;
	enum hdf5_type type;
	size_t offset;
	const char *unit, *long_name;
};

/* Rows in memory that are columns in the file. */
struct table {
	const struct column *columns;
	size_t column_count;
	size_t row_size;
	size_t optional_count; /* the last so many are left out where all is NaN, and read as that */
};

static const struct column step_columns[] = {
	{ "step", HDF5_INT64, offsetof(struct run_step, step), "steps", "steps done" },
	{ "loss", HDF5_FLOAT64, offsetof(struct run_step, loss), "nats/token",
	  "sum(weight x nll) / sum(weight) over the global batch" },
	{ "learning_rate", HDF5_FLOAT64, offsetof(struct run_step, learning_rate), "1", "learning rate" },
	{ "gradient_norm", HDF5_FLOAT64, offsetof(struct run_step, gradient_norm), "nats/token",
	  "norm of the gradient before clipping" },
	{ "tokens", HDF5_INT64, offsetof(struct run_step, tokens), "tokens", "tokens seen by the model so far" },
	{ "kept_tokens", HDF5_FLOAT64, offsetof(struct run_step, kept_tokens), "tokens",
	  "sum of the loss weights so far" },
	{ "flops", HDF5_FLOAT64, offsetof(struct run_step, flops), "FLOP", "floating-point operations spent so far" },
	{ "forget_distance", HDF5_FLOAT64, offsetof(struct run_step, forget_distance), "1",
	  "unlearning: mean square of activations minus their target on forget text" },
	{ "retain_distance", HDF5_FLOAT64, offsetof(struct run_step, retain_distance), "1",
	  "unlearning: mean square of activations minus those of the original on retain text" },
};

static const struct column evaluation_columns[] = {
	{ "step", HDF5_INT64, offsetof(struct run_evaluation_row, step), "steps", "steps done at the evaluation" },
	{ "loss", HDF5_FLOAT64, offsetof(struct run_evaluation_row, loss), "nats/token", "loss over the whole text" },
	{ "label_loss", HDF5_FLOAT64, offsetof(struct run_evaluation_row, label_loss), "nats/token",
	  "loss over tokens whose own label is the set's domain" },
};

static const struct column domain_columns[] = {
	{ "tokens", HDF5_INT64, offsetof(struct run_domain, tokens), "tokens", "tokens that reached the trainers" },
	{ "filtered", HDF5_INT64, offsetof(struct run_domain, filtered), "tokens",
	  "of these, dropped with their document or flagged as forget tokens" },
};

/* The document table has its columns as arrays in memory, too. The groups are left out where they are not known. */
#define GROUP "group"
static const struct column document_columns[] = {
	{ "number", HDF5_UINT64, offsetof(struct run_evaluation, document_number), "1",
	  "document number in the corpus" },
	{ GROUP, HDF5_UINT64, offsetof(struct run_evaluation, document_group), "1",
	  "hash of the id: equal where documents belong together" },
	{ "tokens", HDF5_INT64, offsetof(struct run_evaluation, document_tokens), "tokens", "tokens evaluated" },
	{ "label_tokens", HDF5_INT64, offsetof(struct run_evaluation, document_label_tokens), "tokens",
	  "tokens evaluated whose own label is the set's domain" },
	{ "nll", HDF5_FLOAT64, offsetof(struct run_evaluation, document_nll), "nats",
	  "summed negative log-likelihood at the last evaluation" },
	{ "label_nll", HDF5_FLOAT64, offsetof(struct run_evaluation, document_label_nll), "nats",
	  "the same over tokens whose own label is the set's domain" },
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct table steps_table = { step_columns, COUNT(step_columns), sizeof(struct run_step), 2 };
static const struct table evaluations_table = { evaluation_columns, COUNT(evaluation_columns),
	                                        sizeof(struct run_evaluation_row), 0 };
static const struct table domains_table = { domain_columns, COUNT(domain_columns), sizeof(struct run_domain), 0 };

/* ---- writing ---- */

static enum status write_column(struct hdf5_writer *writer, const char *name, const struct column *column,
                                size_t row_size, const void *rows, size_t count)
{
	char *values = memory_allocate(count, 8);
	if (values == NULL)
		return STATUS_ENVIRONMENT;
	for (size_t i = 0; i < count; i++)
		memcpy(values + i * 8, (const char *)rows + i * row_size + column->offset, 8);
	enum status status =
		hdf5_write_vector(writer, name, column->type, (int64_t)count, values, column->unit, column->long_name);
	free(values);
	return status;
}

static bool is_optional(const struct table *table, size_t column)
{
	return column + table->optional_count >= table->column_count;
}

/* Whether some row has a number in this column. */
static bool has_numbers(const struct table *table, size_t column, const void *rows, size_t count)
{
	double value;
	for (size_t i = 0; i < count; i++) {
		memcpy(&value, (const char *)rows + i * table->row_size + table->columns[column].offset, sizeof value);
		if (!isnan(value))
			return true;
	}
	return false;
}

/* `scale`: name of the column that the others are functions of, or NULL. */
static enum status write_table(struct hdf5_writer *writer, const char *group, const struct table *table,
                               const void *rows, size_t count, const char *scale)
{
	char *scale_name = text_format("%s/%s", group, scale != NULL ? scale : "");
	enum status status = scale_name == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	for (size_t i = 0; status == STATUS_OK && i < table->column_count; i++) {
		const struct column *column = &table->columns[i];
		if (is_optional(table, i) && !has_numbers(table, i, rows, count))
			continue;
		char *name = text_format("%s/%s", group, column->name);
		status = name == NULL ? STATUS_ENVIRONMENT
		                      : write_column(writer, name, column, table->row_size, rows, count);
		if (status == STATUS_OK && scale != NULL && strcmp(column->name, scale) != 0)
			status = hdf5_attach_scale(writer, name, scale_name);
		free(name);
	}
	free(scale_name);
	return status;
}

static enum status write_documents(struct hdf5_writer *writer, const char *group,
                                   const struct run_evaluation *evaluation)
{
	enum status status = STATUS_OK;
	for (size_t i = 0; status == STATUS_OK && i < COUNT(document_columns); i++) {
		const struct column *column = &document_columns[i];
		char *name = text_format("%s/documents/%s", group, column->name);
		const void *values;
		memcpy(&values, (const char *)evaluation + column->offset, sizeof values);
		if (values == NULL && strcmp(column->name, GROUP) == 0) {
			free(name);
			continue;
		}
		status = name == NULL ? STATUS_ENVIRONMENT
		                      : hdf5_write_vector(writer, name, column->type, evaluation->document_count,
		                                          values, column->unit, column->long_name);
		free(name);
	}
	return status;
}

static enum status write_evaluation(struct hdf5_writer *writer, const char *prefix,
                                    const struct run_evaluation *evaluation)
{
	char *group = text_format("%sevaluations/%s", prefix, evaluation->set);
	if (group == NULL)
		return STATUS_ENVIRONMENT;
	enum status status =
		write_table(writer, group, &evaluations_table, evaluation->rows, evaluation->row_count, "step");
	if (status == STATUS_OK && evaluation->document_count > 0)
		status = write_documents(writer, group, evaluation);
	free(group);
	return status;
}

static enum status write_domain_names(struct hdf5_writer *writer, const char *group, const struct run_results *results)
{
	const char **names = memory_allocate(results->domain_count, sizeof *names);
	char *name = text_format("%s/domain", group);
	enum status status = names == NULL || name == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	for (size_t i = 0; status == STATUS_OK && i < results->domain_count; i++)
		names[i] = results->domains[i].name;
	if (status == STATUS_OK)
		status = hdf5_write_texts(writer, name, results->domain_count, names, "domain of the token label");
	free(name);
	free(names);
	return status;
}

static enum status write_filter(struct hdf5_writer *writer, const char *group, const struct run_results *results)
{
	STATUS_TRY(write_domain_names(writer, group, results));
	STATUS_TRY(write_table(writer, group, &domains_table, results->domains, results->domain_count, NULL));
	if (!results->has_histogram)
		return STATUS_OK;
	char *name = text_format("%s/score_histogram", group);
	enum status status =
		name == NULL ? STATUS_ENVIRONMENT
			     : hdf5_write_vector(writer, name, HDF5_INT64, RUN_HISTOGRAM_BINS, results->histogram,
	                                         "tokens", "tokens by score (16-bit score >> 10)");
	free(name);
	return status;
}

enum status run_tables_write(struct hdf5_writer *writer, const char *prefix, const struct run_results *results)
{
	char *curves = text_format("%scurves", prefix), *filter = text_format("%sfilter", prefix);
	enum status status = curves == NULL || filter == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	if (status == STATUS_OK)
		status = write_table(writer, curves, &steps_table, results->steps, results->step_count, "step");
	for (size_t i = 0; status == STATUS_OK && i < results->evaluation_count; i++)
		status = write_evaluation(writer, prefix, &results->evaluations[i]);
	if (status == STATUS_OK)
		status = write_filter(writer, filter, results);
	if (status == STATUS_OK)
		status = run_questions_write(writer, prefix, results);
	if (status == STATUS_OK)
		status = run_recovery_write(writer, prefix, results);
	free(filter);
	free(curves);
	return status;
}

/* ---- reading ---- */

/* Columns into rows; *count must be equal for all columns, *rows is made with the first of them. */
static enum status read_table(struct hdf5_reader *reader, const char *group, const struct table *table, char **rows,
                              int64_t *count)
{
	*rows = NULL;
	enum status status = STATUS_OK;
	for (size_t i = 0; status == STATUS_OK && i < table->column_count; i++) {
		const struct column *column = &table->columns[i];
		int64_t found = 0;
		void *values = NULL;
		char *name = text_format("%s/%s", group, column->name);
		if (name != NULL && is_optional(table, i) && !hdf5_exists(reader, name)) {
			const double none = NAN;
			for (int64_t row = 0; row < *count; row++)
				memcpy(*rows + (size_t)row * table->row_size + column->offset, &none, sizeof none);
			free(name);
			continue;
		}
		status = name == NULL ? STATUS_ENVIRONMENT : hdf5_read_all(reader, name, column->type, &values, &found);
		if (status == STATUS_OK && i == 0) {
			*count = found;
			*rows = memory_allocate((size_t)found, table->row_size);
			status = *rows == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
		}
		if (status == STATUS_OK && found != *count)
			status = error_raise(STATUS_DATA, "%s has %lld rows, its neighbours %lld", name,
			                     (long long)found, (long long)*count);
		for (int64_t row = 0; status == STATUS_OK && row < found; row++)
			memcpy(*rows + (size_t)row * table->row_size + column->offset, (char *)values + row * 8, 8);
		free(values);
		free(name);
	}
	if (status != STATUS_OK) {
		free(*rows);
		*rows = NULL;
	}
	return status;
}

static enum status read_steps(struct hdf5_reader *reader, const char *prefix, struct run_results *results)
{
	char *rows = NULL;
	int64_t count = 0;
	char *group = text_format("%scurves", prefix);
	enum status status =
		group == NULL ? STATUS_ENVIRONMENT : read_table(reader, group, &steps_table, &rows, &count);
	for (int64_t i = 0; status == STATUS_OK && i < count; i++) {
		struct run_step row;
		memcpy(&row, rows + (size_t)i * sizeof row, sizeof row);
		status = run_results_add_step(results, &row);
	}
	free(rows);
	free(group);
	return status;
}

static enum status read_documents(struct hdf5_reader *reader, const char *group, const char *set,
                                  struct run_results *results)
{
	void *values[COUNT(document_columns)] = { NULL };
	int64_t count = 0;
	enum status status = STATUS_OK;
	for (size_t i = 0; status == STATUS_OK && i < COUNT(document_columns); i++) {
		int64_t found = 0;
		char *name = text_format("%s/documents/%s", group, document_columns[i].name);
		if (name != NULL && strcmp(document_columns[i].name, GROUP) == 0 && !hdf5_exists(reader, name)) {
			free(name);
			continue;
		}
		status = name == NULL ? STATUS_ENVIRONMENT
		                      : hdf5_read_all(reader, name, document_columns[i].type, &values[i], &found);
		count = i == 0 ? found : count;
		if (status == STATUS_OK && found != count)
			status = error_raise(STATUS_DATA, "%s has %lld rows, its neighbours %lld", name,
			                     (long long)found, (long long)count);
		free(name);
	}
	if (status == STATUS_OK)
		status = run_results_set_documents(results, set, count, values[0], values[1], values[2], values[3],
		                                   values[4], values[5]);
	for (size_t i = 0; i < COUNT(document_columns); i++)
		free(values[i]);
	return status;
}

static enum status read_evaluation(struct hdf5_reader *reader, const char *group, const char *set,
                                   struct run_results *results)
{
	char *rows = NULL;
	int64_t count = 0;
	enum status status = read_table(reader, group, &evaluations_table, &rows, &count);
	for (int64_t i = 0; status == STATUS_OK && i < count; i++) {
		struct run_evaluation_row row;
		memcpy(&row, rows + (size_t)i * sizeof row, sizeof row);
		status = run_results_add_evaluation(results, set, &row);
	}
	free(rows);
	char *documents = text_format("%s/documents", group);
	if (documents == NULL)
		return STATUS_ENVIRONMENT;
	if (status == STATUS_OK && hdf5_exists(reader, documents))
		status = read_documents(reader, group, set, results);
	free(documents);
	return status;
}

static enum status read_evaluations(struct hdf5_reader *reader, const char *prefix, struct run_results *results)
{
	char *group = text_format("%sevaluations", prefix);
	if (group == NULL)
		return STATUS_ENVIRONMENT;
	char **sets = NULL;
	size_t count = 0;
	/* Without any evaluation there is no group. */
	enum status status = hdf5_exists(reader, group) ? hdf5_list(reader, group, &sets, &count) : STATUS_OK;
	for (size_t i = 0; status == STATUS_OK && i < count; i++) {
		char *name = text_format("%s/%s", group, sets[i]);
		status = name == NULL ? STATUS_ENVIRONMENT : read_evaluation(reader, name, sets[i], results);
		free(name);
	}
	hdf5_free_names(sets, count);
	free(group);
	return status;
}

static enum status read_domains(struct hdf5_reader *reader, const char *group, struct run_results *results)
{
	char *rows = NULL, **names = NULL;
	int64_t count = 0;
	size_t name_count = 0;
	char *name = text_format("%s/domain", group);
	enum status status = name == NULL ? STATUS_ENVIRONMENT : hdf5_read_texts(reader, name, &names, &name_count);
	if (status == STATUS_OK)
		status = read_table(reader, group, &domains_table, &rows, &count);
	if (status == STATUS_OK && (size_t)count != name_count)
		status = error_raise(STATUS_DATA, "%s has %zu rows, its neighbours %lld", name, name_count,
		                     (long long)count);
	for (size_t i = 0; status == STATUS_OK && i < name_count; i++) {
		struct run_domain row;
		memcpy(&row, rows + i * sizeof row, sizeof row);
		status = run_results_set_domain(results, names[i], row.tokens, row.filtered);
	}
	free(rows);
	hdf5_free_names(names, name_count);
	free(name);
	return status;
}

static enum status read_filter(struct hdf5_reader *reader, const char *prefix, struct run_results *results)
{
	char *group = text_format("%sfilter", prefix), *histogram = text_format("%sfilter/score_histogram", prefix);
	enum status status =
		group == NULL || histogram == NULL ? STATUS_ENVIRONMENT : read_domains(reader, group, results);
	if (status == STATUS_OK && hdf5_exists(reader, histogram)) {
		status = hdf5_read(reader, histogram, HDF5_INT64, RUN_HISTOGRAM_BINS, results->histogram);
		results->has_histogram = true;
	}
	free(histogram);
	free(group);
	return status;
}

enum status run_tables_read(struct hdf5_reader *reader, const char *prefix, struct run_results *results)
{
	STATUS_TRY(read_steps(reader, prefix, results));
	STATUS_TRY(read_evaluations(reader, prefix, results));
	STATUS_TRY(read_filter(reader, prefix, results));
	STATUS_TRY(run_questions_read(reader, prefix, results));
	return run_recovery_read(reader, prefix, results);
}
