/* The losses of finetuning, document by document: in memory and in the file.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "results/run_tables.h"

enum status run_results_set_target(struct run_results *results, double target, int64_t documents, const double *nll)
{
	struct run_recovery *recovery = &results->recovery;
	double *copy = NULL;
	if (nll != NULL) {
		copy = memory_allocate((size_t)documents, sizeof *copy);
		if (copy == NULL)
			return STATUS_ENVIRONMENT;
		memcpy(copy, nll, (size_t)documents * sizeof *copy);
	}
	free(recovery->target_nll);
	recovery->target_nll = copy;
	recovery->target = target;
	recovery->documents = documents;
	recovery->present = true;
	return STATUS_OK;
}

enum status run_results_add_recovery(struct run_results *results, int64_t step, const double *nll)
{
	struct run_recovery *recovery = &results->recovery;
	size_t documents = (size_t)recovery->documents, at = recovery->rows;
	void *steps = recovery->step, *values = recovery->nll;
	if (at > 0 && recovery->step[at - 1] == step)
		at--;
	STATUS_TRY(memory_grow(&steps, &recovery->step_capacity, at + 1, sizeof *recovery->step));
	recovery->step = steps;
	STATUS_TRY(memory_grow(&values, &recovery->nll_capacity, (at + 1) * documents, sizeof *recovery->nll));
	recovery->nll = values;
	recovery->step[at] = step;
	memcpy(recovery->nll + at * documents, nll, documents * sizeof *nll);
	recovery->rows = at + 1;
	return STATUS_OK;
}

enum status run_recovery_copy(const struct run_recovery *from, struct run_results *to)
{
	if (!from->present)
		return STATUS_OK;
	STATUS_TRY(run_results_set_target(to, from->target, from->documents, from->target_nll));
	for (size_t row = 0; row < from->rows; row++)
		STATUS_TRY(run_results_add_recovery(to, from->step[row], from->nll + row * (size_t)from->documents));
	return STATUS_OK;
}

void run_recovery_clear(struct run_recovery *recovery)
{
	free(recovery->target_nll);
	free(recovery->step);
	free(recovery->nll);
	*recovery = (struct run_recovery){ 0 };
}

void run_results_drop_recovery(struct run_results *results)
{
	run_recovery_clear(&results->recovery);
}

/* ---- in the file ---- */

static enum status write_all(struct hdf5_writer *writer, const char *const names[4],
                             const struct run_recovery *recovery)
{
	int64_t sizes[2] = { (int64_t)recovery->rows, recovery->documents };
	STATUS_TRY(hdf5_write_real_attribute(writer, names[0], "target", recovery->target));
	STATUS_TRY(hdf5_write_integer_attribute(writer, names[0], "documents", recovery->documents));
	if (recovery->target_nll != NULL)
		STATUS_TRY(hdf5_write_vector(writer, names[1], HDF5_FLOAT64, recovery->documents, recovery->target_nll,
		                             "nats", "summed negative log-likelihood of the baseline"));
	STATUS_TRY(hdf5_write_vector(writer, names[2], HDF5_INT64, sizes[0], recovery->step, "steps",
	                             "steps done at the evaluation of the forget set"));
	if (sizes[0] > 0 && sizes[1] > 0)
		STATUS_TRY(hdf5_write(writer, names[3], HDF5_FLOAT64, 2, sizes, recovery->nll, "nats",
		                      "summed negative log-likelihood, a row an evaluation, a column a document"));
	return STATUS_OK;
}

static enum status read_all(struct hdf5_reader *reader, const char *const names[4], struct run_results *results)
{
	struct run_recovery read = { 0 };
	double target;
	int64_t rows = 0;
	void *steps = NULL;
	STATUS_TRY(hdf5_read_real_attribute(reader, names[0], "target", &target));
	STATUS_TRY(hdf5_read_integer_attribute(reader, names[0], "documents", &read.documents));
	if (read.documents < 0)
		return error_raise(STATUS_DATA, "%s: %lld documents", names[0], (long long)read.documents);
	enum status status = hdf5_read_all(reader, names[2], HDF5_INT64, &steps, &rows);
	read.step = steps;
	if (status == STATUS_OK && hdf5_exists(reader, names[1])) {
		read.target_nll = memory_allocate((size_t)read.documents, sizeof *read.target_nll);
		status = read.target_nll == NULL
		                 ? STATUS_ENVIRONMENT
		                 : hdf5_read(reader, names[1], HDF5_FLOAT64, read.documents, read.target_nll);
	}
	if (status == STATUS_OK)
		status = run_results_set_target(results, target, read.documents, read.target_nll);
	if (status == STATUS_OK && rows > 0 && read.documents > 0) {
		read.nll = memory_allocate((size_t)(rows * read.documents), sizeof *read.nll);
		status = read.nll == NULL ? STATUS_ENVIRONMENT
		                          : hdf5_read(reader, names[3], HDF5_FLOAT64, rows * read.documents, read.nll);
	}
	for (int64_t row = 0; row < rows && read.nll != NULL && status == STATUS_OK; row++)
		status = run_results_add_recovery(results, read.step[row], read.nll + row * read.documents);
	run_recovery_clear(&read);
	return status;
}

/* The group, baseline, steps, losses; each from malloc. */
static enum status make_names(const char *prefix, char *names[4])
{
	static const char *const parts[] = { "", "/target_nll", "/step", "/nll" };
	enum status status = STATUS_OK;
	for (int i = 0; i < 4; i++) {
		names[i] = text_format("%sfinetune%s", prefix, parts[i]);
		status = names[i] == NULL ? STATUS_ENVIRONMENT : status;
	}
	return status;
}

static void free_names(char *names[4])
{
	for (int i = 0; i < 4; i++)
		free(names[i]);
}

enum status run_recovery_write(struct hdf5_writer *writer, const char *prefix, const struct run_results *results)
{
	char *names[4];
	if (!results->recovery.present)
		return STATUS_OK;
	enum status status = make_names(prefix, names);
	if (status == STATUS_OK)
		status = write_all(writer, (const char *const *)names, &results->recovery);
	free_names(names);
	return status;
}

enum status run_recovery_read(struct hdf5_reader *reader, const char *prefix, struct run_results *results)
{
	char *names[4];
	enum status status = make_names(prefix, names);
	if (status == STATUS_OK && hdf5_exists(reader, names[0]))
		status = read_all(reader, (const char *const *)names, results);
	free_names(names);
	return status;
}
