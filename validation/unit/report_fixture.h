/* Run folders with known laws for the tests of src/report: losses follow L = floor + scale C^-exponent in effective
 * compute C / slowdown, documents differ in difficulty, and every run sees the same documents.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_VALIDATION_REPORT_FIXTURE_H
#define CAPSHAPE_VALIDATION_REPORT_FIXTURE_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/random.h"
#include "base/text.h"
#include "storage/atomic_file.h"
#include "storage/hdf5_file.h"

#define FIXTURE_TRY(expression) assert_int_equal((expression), STATUS_OK)

enum { FIXTURE_SETS = 4 };
static const char *const fixture_sets[FIXTURE_SETS] = { "forget", "retain", "other", "unmarked" };

struct fixture_run {
	const char *point, *method, *size;
	const char *parameter, *value; /* one more parameter, NULL: none */
	const char *second, *second_value;
	double recall; /* share of recall questions answered rightly, 0: none asked */
	int64_t parameters;
	double tokens; /* trained on */
	double spent;  /* really spent / nominal FLOPs */
	double slowdown[FIXTURE_SETS];
	double floor, exponent; /* of all sets; the law passes 4.0 nats at 1e17 FLOP without a floor */
	double noise;           /* relative, of a document in this run */
	int64_t documents, first_document;
	int64_t per_group; /* documents of one id, which share their noise; negative: the file does not say; 0: one each */
	bool whole_labels;             /* every token of forget and retain documents has their label */
	double filtered[FIXTURE_SETS]; /* share of each domain */
	uint64_t seed;
	bool unfinished;
	const char *classifier;
	const char *number; /* run/seed, NULL: 1 */
	double shift;       /* factor of all losses, 0: 1 */
	/* Writes more into the file; NULL: nothing. */
	void (*more)(struct hdf5_writer *writer, const struct fixture_run *run);
};

static inline double fixture_loss(const struct fixture_run *run, int set)
{
	static const double harder[FIXTURE_SETS] = { 1.0, 1.05, 0.95, 0.9 };
	double compute = 6.0 * (double)run->parameters * run->tokens / run->slowdown[set];
	return (run->shift > 0.0 ? run->shift : 1.0) * harder[set] *
	       (run->floor + (4.0 - run->floor) * pow(compute / 1e17, -run->exponent));
}

/* Tokens, label tokens, nll of the documents of a set. The token-weighted mean of the losses is exact without noise. */
static inline void fixture_write_documents(struct hdf5_writer *writer, const struct fixture_run *run, int set)
{
	size_t count = (size_t)run->documents;
	uint64_t *number = calloc(count, sizeof(*number)), *group = calloc(count, sizeof(*group));
	int64_t *tokens = calloc(count, sizeof(*tokens)), *label = calloc(count, sizeof(*label));
	double *nll = calloc(count, sizeof(*nll)), *label_nll = calloc(count, sizeof(*label_nll));
	double *hard = calloc(count, sizeof(*hard));
	double loss = fixture_loss(run, set), sums[4] = { 0.0 };
	assert_true(number && group && tokens && label && nll && label_nll && hard);
	for (size_t d = 0; d < count; d++) {
		uint64_t document = (uint64_t)run->first_document + d;
		number[d] = 1000u * (uint64_t)(set + 1) + document;
		tokens[d] = 40 + (int64_t)(400.0 * random_uniform(7, RANDOM_TEST, (uint64_t)set, document));
		label[d] = set == 3 ? 0
		                    : 1 + (int64_t)(0.6 * (double)tokens[d] *
		                                    random_uniform(8, RANDOM_TEST, (uint64_t)set, document));
		if (run->whole_labels && set < 2)
			label[d] = tokens[d];
		hard[d] = exp(0.25 * random_normal(9, RANDOM_TEST, (uint64_t)set, document));
		sums[0] += (double)tokens[d] * hard[d];
		sums[1] += (double)tokens[d];
		sums[2] += (double)label[d] * hard[d];
		sums[3] += (double)label[d];
	}
	for (size_t d = 0; d < count; d++) {
		uint64_t which = run->per_group != 0 ? d / (uint64_t)llabs(run->per_group) : d;
		double own =
			loss * (1.0 + run->noise * random_normal(run->seed, RANDOM_TEST, 100 + (uint64_t)set, which));
		nll[d] = own * (double)tokens[d] * hard[d] * sums[1] / sums[0];
		group[d] = UINT64_MAX - which;
		label_nll[d] = run->whole_labels && set < 2 ? nll[d]
		               : sums[2] > 0.0              ? 1.1 * own * (double)label[d] * hard[d] * sums[3] / sums[2]
		                                            : 0.0;
	}
	const char *names[6] = { "number", "tokens", "label_tokens", "nll", "label_nll", "group" };
	const enum hdf5_type types[6] = {
		HDF5_UINT64, HDF5_INT64, HDF5_INT64, HDF5_FLOAT64, HDF5_FLOAT64, HDF5_UINT64
	};
	const void *values[6] = { number, tokens, label, nll, label_nll, group };
	for (int i = 0; i < (run->per_group > 0 ? 6 : 5); i++) {
		char *name = text_format("evaluations/%s/documents/%s", fixture_sets[set], names[i]);
		FIXTURE_TRY(hdf5_write_vector(writer, name, types[i], run->documents, values[i], NULL, NULL));
		free(name);
	}
	free(number);
	free(group);
	free(tokens);
	free(label);
	free(nll);
	free(label_nll);
	free(hard);
}

static inline void fixture_write_evaluations(struct hdf5_writer *writer, const struct fixture_run *run)
{
	const int64_t steps[2] = { 10, 20 };
	for (int set = 0; set < FIXTURE_SETS; set++) {
		double loss = fixture_loss(run, set);
		double losses[2] = { 2.0 * loss, loss }, label[2] = { 2.2 * loss, set == 3 ? NAN : 1.1 * loss };
		const char *names[3] = { "step", "loss", "label_loss" };
		const void *values[3] = { steps, losses, label };
		for (int i = 0; i < 3; i++) {
			char *name = text_format("evaluations/%s/%s", fixture_sets[set], names[i]);
			FIXTURE_TRY(hdf5_write_vector(writer, name, i ? HDF5_FLOAT64 : HDF5_INT64, 2, values[i], NULL,
			                              NULL));
			free(name);
		}
		if (run->documents > 0)
			fixture_write_documents(writer, run, set);
	}
}

static inline void fixture_write_filter(struct hdf5_writer *writer, const struct fixture_run *run)
{
	int64_t tokens[FIXTURE_SETS] = { 100000, 300000, 200000, 400000 }, filtered[FIXTURE_SETS];
	for (int i = 0; i < FIXTURE_SETS; i++)
		filtered[i] = llround(run->filtered[i] * (double)tokens[i]);
	FIXTURE_TRY(hdf5_write_texts(writer, "filter/domain", FIXTURE_SETS, fixture_sets, NULL));
	FIXTURE_TRY(hdf5_write_vector(writer, "filter/tokens", HDF5_INT64, FIXTURE_SETS, tokens, NULL, NULL));
	FIXTURE_TRY(hdf5_write_vector(writer, "filter/filtered", HDF5_INT64, FIXTURE_SETS, filtered, NULL, NULL));
}

static inline void fixture_write_parameters(struct hdf5_writer *writer, const struct fixture_run *run)
{
	char learning_rate[32];
	snprintf(learning_rate, sizeof(learning_rate), "%g", 1.0 / (double)run->parameters);
	FIXTURE_TRY(hdf5_write_text_attribute(writer, "parameters", "filter/method", run->method));
	FIXTURE_TRY(hdf5_write_text_attribute(writer, "parameters", "filter/classifier",
	                                      run->classifier ? run->classifier : ""));
	FIXTURE_TRY(hdf5_write_text_attribute(writer, "parameters", "model/size", run->size));
	FIXTURE_TRY(hdf5_write_text_attribute(writer, "parameters", "train/learning_rate", learning_rate));
	FIXTURE_TRY(hdf5_write_text_attribute(writer, "parameters", "run/seed", run->number ? run->number : "1"));
	if (run->parameter)
		FIXTURE_TRY(hdf5_write_text_attribute(writer, "parameters", run->parameter, run->value));
	if (run->second)
		FIXTURE_TRY(hdf5_write_text_attribute(writer, "parameters", run->second, run->second_value));
}

/* 40 questions about forget and 40 about retain; retain is always known at 0.9. */
static inline void fixture_write_questions(struct hdf5_writer *writer, const struct fixture_run *run)
{
	enum { QUESTIONS = 40 };
	for (int set = 0; set < 2 && run->recall > 0.0; set++) {
		uint8_t correct[QUESTIONS];
		float margin[QUESTIONS];
		char *group = text_format("questions/%s", fixture_sets[set]);
		double share = set ? 0.9 : run->recall, right = 0.0;
		for (int q = 0; q < QUESTIONS; q++) {
			correct[q] = q < (int)lround(share * QUESTIONS);
			margin[q] = correct[q] ? 1.5f : -0.5f;
			right += correct[q];
		}
		char *correct_name = text_format("%s/correct", group), *margin_name = text_format("%s/margin", group);
		FIXTURE_TRY(hdf5_write_vector(writer, correct_name, HDF5_UINT8, QUESTIONS, correct, NULL, NULL));
		FIXTURE_TRY(hdf5_write_vector(writer, margin_name, HDF5_FLOAT32, QUESTIONS, margin, NULL, NULL));
		FIXTURE_TRY(hdf5_write_real_attribute(writer, group, "accuracy", right / QUESTIONS));
		FIXTURE_TRY(hdf5_write_real_attribute(writer, group, "chance", 0.25));
		FIXTURE_TRY(hdf5_write_integer_attribute(writer, group, "questions", QUESTIONS));
		free(correct_name);
		free(margin_name);
		free(group);
	}
}

/* FOLDER/points/POINT/run.h5 */
static inline void fixture_write_run(const char *folder, const struct fixture_run *run)
{
	struct hdf5_writer *writer = NULL;
	char *points = text_format("%s/points/%s", folder, run->point), *path = text_format("%s/run.h5", points);
	double nominal = 6.0 * (double)run->parameters * run->tokens;
	const int64_t steps[2] = { 10, 20 };
	FIXTURE_TRY(text_make_directories(points));
	FIXTURE_TRY(hdf5_create(path, &writer));
	FIXTURE_TRY(hdf5_write_text_attribute(writer, "/", "format", "capshape-run"));
	FIXTURE_TRY(hdf5_write_integer_attribute(writer, "/", "format_version", 1));
	FIXTURE_TRY(hdf5_write_integer_attribute(writer, "/", "point", 0));
	FIXTURE_TRY(hdf5_write_text_attribute(writer, "/", "point_name", run->point));
	FIXTURE_TRY(hdf5_write_integer_attribute(writer, "/", "finished", !run->unfinished));
	FIXTURE_TRY(hdf5_write_integer_attribute(writer, "model", "parameters", run->parameters));
	FIXTURE_TRY(hdf5_write_text_attribute(writer, "model", "name", run->size));
	FIXTURE_TRY(hdf5_write_real_attribute(writer, "compute", "nominal_flops", nominal));
	FIXTURE_TRY(hdf5_write_real_attribute(writer, "compute", "training_flops", nominal * run->spent));
	FIXTURE_TRY(hdf5_write_real_attribute(writer, "compute", "seconds", 12.0));
	FIXTURE_TRY(hdf5_write_vector(writer, "curves/step", HDF5_INT64, 2, steps, NULL, NULL));
	fixture_write_parameters(writer, run);
	fixture_write_evaluations(writer, run);
	fixture_write_filter(writer, run);
	fixture_write_questions(writer, run);
	if (run->more)
		run->more(writer, run);
	FIXTURE_TRY(hdf5_commit(writer));
	free(points);
	free(path);
}

/* sweep.h5 with the axes filter/method and model/size. */
static inline void fixture_write_sweep(const char *folder, size_t count, const char *const *points,
                                       const char *const *methods, const char *const *sizes)
{
	struct hdf5_writer *writer = NULL;
	char *path = text_format("%s/sweep.h5", folder);
	FIXTURE_TRY(hdf5_create(path, &writer));
	FIXTURE_TRY(hdf5_write_text_attribute(writer, "/", "format", "capshape-sweep"));
	FIXTURE_TRY(hdf5_write_integer_attribute(writer, "/", "format_version", 1));
	FIXTURE_TRY(hdf5_write_texts(writer, "points/name", count, points, NULL));
	FIXTURE_TRY(hdf5_write_texts(writer, "points/filter/method", count, methods, NULL));
	FIXTURE_TRY(hdf5_write_texts(writer, "points/model/size", count, sizes, NULL));
	FIXTURE_TRY(hdf5_commit(writer));
	free(path);
}

/* A new empty folder. */
static inline char *fixture_folder(void)
{
	const char *place = getenv("TMPDIR");
	char *folder = text_format("%s/capshape-report-XXXXXX", place && place[0] ? place : "/tmp");
	assert_non_null(folder);
	assert_non_null(mkdtemp(folder));
	return folder;
}

static inline void fixture_remove(char *folder)
{
	FIXTURE_TRY(folder_remove(folder));
	free(folder);
}

struct fixture_method {
	const char *name;
	double slowdown[FIXTURE_SETS], filtered[FIXTURE_SETS], spent;
};

static const struct fixture_method fixture_methods[4] = {
	{ "none", { 1, 1, 1, 1 }, { 0, 0, 0, 0 }, 1.0 },
	{ "document", { 3, 1.3, 1.05, 1 }, { 0.72, 0.16, 0.03, 0.01 }, 1.0 },
	{ "mask", { 12, 1.1, 1, 1 }, { 0.93, 0.06, 0.02, 0.01 }, 0.9 },
	{ "remove", { 60, 1.15, 1, 1 }, { 0.93, 0.06, 0.02, 0.01 }, 0.9 },
};
struct fixture_size {
	const char *name;
	int64_t parameters;
};
static const struct fixture_size fixture_sizes[5] = {
	{ "13M", 13230720 }, { "28M", 28821760 }, { "61M", 61794880 }, { "113M", 113349760 }, { "224M", 224757120 },
};

static inline struct fixture_run fixture_run_of(size_t method, size_t size, double floor, double noise,
                                                int64_t documents)
{
	const struct fixture_method *m = &fixture_methods[method];
	const struct fixture_size *s = &fixture_sizes[size];
	struct fixture_run run = { .method = m->name,
		                   .size = s->name,
		                   .parameters = s->parameters,
		                   .tokens = 20.0 * (double)s->parameters,
		                   .spent = m->spent,
		                   .floor = floor,
		                   .exponent = floor > 0.0 ? 0.2 : 0.06,
		                   .noise = noise,
		                   .documents = documents,
		                   .seed = 50 + method * 10 + size };
	memcpy(run.slowdown, m->slowdown, sizeof(run.slowdown));
	memcpy(run.filtered, m->filtered, sizeof(run.filtered));
	return run;
}

/* The whole study: `methods` x `sizes`, points "method=mask,size=13M", with sweep.h5. */
static inline void fixture_write_study(const char *folder, size_t methods, size_t sizes, double floor, double noise,
                                       int64_t documents)
{
	enum { MOST = 20 };
	char *points[MOST] = { NULL };
	const char *method_names[MOST] = { NULL }, *size_names[MOST] = { NULL };
	size_t count = 0;
	for (size_t m = 0; m < methods; m++)
		for (size_t s = 0; s < sizes; s++) {
			struct fixture_run run = fixture_run_of(m, s, floor, noise, documents);
			points[count] = text_format("method=%s,size=%s", run.method, run.size);
			method_names[count] = run.method;
			size_names[count] = run.size;
			run.point = points[count++];
			fixture_write_run(folder, &run);
		}
	fixture_write_sweep(folder, count, (const char *const *)points, method_names, size_names);
	for (size_t i = 0; i < count; i++)
		free(points[i]);
}

#endif
