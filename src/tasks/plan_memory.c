/* What the arrays of a rank take, each counted by its size, and the few things that only measuring tells.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tasks/plan_memory.h"

#include <math.h>

#include "classifier/features.h"

/* Resident after MPI_Init and opening the files of a run: measured on processes that do nothing else (Open MPI 4.1, HDF5 1.10). */
#define BYTES_OF_MPI          13e6
#define BYTES_OF_FILES        7e6
/* The pages of oneDNN, its first kernels and the threads' stacks, from the first step on. */
#define BYTES_OF_WORK         7e6
/* What HDF5 and the check of a file take beside the arrays that are saved. */
#define BYTES_OF_SAVING       4e6
/* oneDNN prepares every shape of product once and keeps the last thousand. */
#define BYTES_OF_A_SHAPE      36e3
#define BYTES_OF_A_HALF_SHAPE 58e3 /* bfloat16 */
#define MOST_SHAPES           1024.0
/* What the first rank keeps of its probe: kernels of shapes that its role does not use. */
#define BYTES_OF_PROBE        6e6
/* Row counts of a micro-batch with masked rows: they are rounded up to 64 sizes (docs/design.md). */
#define ROW_COUNTS            64.0

static double arena_of(const struct point *point)
{
	return (double)model_config_arena_size(&point->config);
}

static double block_bytes(const struct point *point)
{
	return 8 * point->block_tokens; /* ids, labels, scores, documents */
}

/* Two language models, as far as the layer whose features are used; log-odds of two probes for each, of two blocks on the
 * host. What is read from the file is given back when they are made. */
static double classifier_bytes(const struct plan_memory *memory, const struct point *point)
{
	const struct classifier_facts *facts = &point->classifier;
	if (!point->classified || facts->rows == 0)
		return 0;
	int64_t rows = facts->context * features_batch_rows(memory->kernels, facts->context, facts->rows);
	double model = (double)model_body_memory(memory->kernels, memory->device, &facts->body, rows);
	double block = fmax((double)rows, point->block_tokens);
	return 2 * model + 2 * 2 * 8 * (double)rows + 2 * 2 * (2 * 8 + 5 * 4) * block;
}

/* Model, optimiser range, partial sums of slots; of unlearning the original model, too. */
static double trainer_arrays(const struct plan_memory *memory, const struct point *point, int trainers)
{
	const struct training_settings *training = &point->training;
	int64_t rows = training->sequences / training->slots * training->length, slots = training->slots / trainers;
	double bytes = (double)model_memory(memory->kernels, memory->device, &point->config, rows, true);
	bytes += 8 * arena_of(point) / trainers; /* moments */
	if (training->steering.layer > 0)        /* the original */
		bytes += (double)model_body_memory(memory->kernels, memory->device, &point->config, rows);
	for (int64_t part = 1; part < slots; part *= 2)
		bytes += 4 * arena_of(point);
	return bytes;
}

/* Rows, labels and losses of all documents, rows and losses of all questions. */
static double evaluation_bytes(const struct point *point)
{
	const struct evaluation_counts *counts = &point->evaluation;
	return (counts->tokens + counts->recall_tokens) * (5 * 4 + 4 + 6) +
	       (counts->documents + counts->questions) * 68;
}

/* Of products with part of the rows: in an evaluation five of the last block and the vocabulary, in training three times as
 * many. */
static double shape_bytes(const struct plan_memory *memory, const struct point *point)
{
	double rows = (double)(point->training.sequences / point->training.slots * point->training.length);
	double slots = (double)(point->training.steps * point->training.slots);
	double shapes = 5 * fmin(ROW_COUNTS, (point->evaluation.tokens + point->evaluation.recall_tokens) / rows);
	if (point->masked > 0)
		shapes += 15 * fmin(ROW_COUNTS / 3, slots); /* not all: the shares of most micro-batches are alike */
	bool half = memory->kernels->activation_bytes(memory->device) < sizeof(float);
	return fmin(shapes, MOST_SHAPES) * (half ? BYTES_OF_A_HALF_SHAPE : BYTES_OF_A_SHAPE);
}

/* Blocks that are asked for and not taken yet, and the text of the lanes. */
static double lane_bytes(const struct point *point, const struct split *split)
{
	const struct training_settings *training = &point->training;
	double lanes = (double)(training->sequences / split_group_size(split));
	double depth = (double)parameters_integer(point->parameters, "roles/depth");
	bool remote = split->readers > 0 || (split->classifiers > 0 && point->classified);
	return lanes * ((remote ? depth * block_bytes(point) : 0) + 1.5 * 14 * point->block_tokens +
	                16 * (double)training->length);
}

/* text/shard.h: tables of documents and blocks of the training set, where blocks are read. */
static double table_bytes(const struct point *point)
{
	return 25 * point->set_documents + 8 * point->set_tokens / fmax(point->block_tokens, 1);
}

static bool trainer_reads(const struct point *point, const struct split *split)
{
	return point->from_file || (split->readers == 0 && (split->classifiers == 0 || !point->classified));
}

/* ---- on a GPU */

static struct kernels_load load_of(const struct plan_memory *memory, const struct model_config *config,
                                   int64_t sequences, int64_t length, bool training)
{
	bool half = memory->kernels->activation_bytes(memory->device) < sizeof(float);
	return (struct kernels_load){ .precision = half ? PRECISION_BFLOAT16 : PRECISION_FLOAT32,
		                      .sequences = sequences,
		                      .length = length,
		                      .width = config->width,
		                      .heads = config->heads,
		                      .parameters = model_config_arena_size(config),
		                      .training = training };
}

static double footprint_of(const struct kernels_load *load)
{
	struct cuda_footprint footprint = kernels_cuda_footprint(load);
	return (double)footprint.products + (double)footprint.attention + (double)footprint.scratch;
}

/* Of either model of the classifier: it scores rows of its context in micro-batches. */
static double classifier_footprint(const struct plan_memory *memory, const struct point *point)
{
	const struct classifier_facts *facts = &point->classifier;
	if (!point->classified || facts->rows == 0)
		return 0;
	struct kernels_load load =
		load_of(memory, &facts->body, features_batch_rows(memory->kernels, facts->context, facts->rows),
	                facts->context, false);
	return footprint_of(&load);
}

void plan_memory_score(struct plan_memory *memory, const struct points *points)
{
	for (int64_t i = 0; i < points->count; i++) {
		const struct point *point = &points->points[i];
		if (point->finished || !point->classified)
			continue;
		memory->scoring_arrays = fmax(memory->scoring_arrays, classifier_bytes(memory, point));
		memory->scoring_kernels = fmax(memory->scoring_kernels, classifier_footprint(memory, point));
	}
}

struct plan_gpu plan_memory_gpu(const struct plan_memory *memory, const struct point *point, int trainers, bool scores)
{
	const struct training_settings *training = &point->training;
	struct kernels_load load =
		load_of(memory, &point->config, training->sequences / training->slots, training->length, true);
	struct plan_gpu gpu = { .arrays = trainer_arrays(memory, point, trainers),
		                .kernels = footprint_of(&load),
		                .context = BYTES_OF_CONTEXT };
	if (scores) {
		gpu.arrays += memory->scoring_arrays;
		gpu.kernels = fmax(gpu.kernels, memory->scoring_kernels);
	}
	/* Half of the embedding's gradients, the largest part that moves at once. */
	if (trainers > 1 && point->direct.gradient_bytes > 0)
		gpu.peers = BYTES_OF_PEERS + 2 * (double)point->config.vocabulary * point->config.width;
	return gpu;
}

double plan_memory_gpu_sum(const struct plan_gpu *gpu)
{
	return gpu->arrays + gpu->kernels + gpu->peers + gpu->context;
}

/* ---- what fits */

void plan_memory_look(struct plan_memory *memory)
{
	double left = kernels_cuda_free();
	memory->room =
		left > 0 ? left + BYTES_OF_CONTEXT : 0; /* that of the device which is open is not free any more */
}

struct split_memory plan_memory_split(const struct plan_memory *memory, const struct points *points)
{
	struct split_memory all = { .gpu = memory->room };
	for (int64_t i = 0; i < points->count; i++) {
		const struct point *point = &points->points[i];
		if (point->finished)
			continue;
		for (int k = 0; k < SPLIT_SIZES && (int64_t)1 << k <= point->training.slots; k++)
			for (int scores = 0; scores < 2; scores++) {
				struct plan_gpu gpu = plan_memory_gpu(memory, point, 1 << k, scores);
				all.trainer[scores][k] = fmax(all.trainer[scores][k], plan_memory_gpu_sum(&gpu));
			}
		if (point->classified)
			all.classifier =
				fmax(all.classifier, classifier_bytes(memory, point) +
			                                     classifier_footprint(memory, point) + BYTES_OF_CONTEXT);
	}
	return all;
}

/* ---- the host of a GPU */

/* roles/trainer_save.c: parameters and moments of the own part, kept from one checkpoint to the next, in whole pages of 2 MiB. */
static double copy_bytes(const struct point *point, int size)
{
	return 12 * arena_of(point) / size + (2 << 20);
}

struct plan_host plan_memory_host(const struct plan_memory *memory, const struct point *point,
                                  const struct split *split)
{
	const struct training_settings *training = &point->training;
	int size = split_group_size(split);
	struct kernels_load load =
		load_of(memory, &point->config, training->sequences / training->slots, training->length, true);
	bool direct = point->direct.gradient_bytes > 0 && split->trainers_a_gpu == 1;
	return (struct plan_host){
		.process = BYTES_OF_GPU_PROCESS,
		.staging = (double)kernels_cuda_footprint(&load).page_locked, /* kernels/cuda/memory.c */
		.checkpoint = copy_bytes(point, size),
		.reading =
			BYTES_OF_SAVING /* roles/trainer_load.c: the own part again, and what the check of a file takes */
		,
		.exchange =
			size > 1 && !direct ? 6 * arena_of(point) : 0, /* comm/gradient_host.c: all of it, and half */
		.text = lane_bytes(point, split) + evaluation_bytes(point) +
		        (trainer_reads(point, split) ? table_bytes(point) : 0),
	};
}

double plan_memory_host_sum(const struct plan_host *host)
{
	return host->process + host->staging + host->checkpoint + host->reading + host->exchange + host->text;
}

/* ---- by role */

double plan_memory_trainer(const struct plan_memory *memory, const struct point *point, const struct split *split)
{
	int size = split_group_size(split);
	bool scores = split->classifiers == 0;
	double device = trainer_arrays(memory, point, size) + (scores ? memory->scoring_arrays : 0);
	if (memory->gpu) {
		struct plan_gpu gpu = plan_memory_gpu(memory, point, size, scores);
		return plan_memory_gpu_sum(&gpu);
	}
	double host =
		memory->process + BYTES_OF_MPI + BYTES_OF_FILES + BYTES_OF_WORK + (memory->probed ? BYTES_OF_PROBE : 0);
	host += (size > 1 ? 6 * arena_of(point) : 0) + lane_bytes(point, split);
	host += evaluation_bytes(point) + shape_bytes(memory, point);
	host += trainer_reads(point, split) ? table_bytes(point) : 0;
	return device + host + 12 * arena_of(point) / size + BYTES_OF_SAVING;
}

static double serving_bytes(const struct point *point, const struct split *split)
{
	return (double)point_credits(point, split) * split->trainers * block_bytes(point);
}

double plan_memory_classifier(const struct plan_memory *memory, const struct points *points, const struct split *split)
{
	double most = 0;
	for (int64_t i = 0; i < points->count && split->classifiers > 0; i++) {
		const struct point *point = &points->points[i];
		double device = classifier_bytes(memory, point);
		double host = memory->process + BYTES_OF_MPI + BYTES_OF_FILES +
		              serving_bytes(point, split) / split->classifiers +
		              (split->readers == 0 ? table_bytes(point) : 0);
		if (point->classified && !point->finished)
			most = fmax(most, device + (memory->gpu ? classifier_footprint(memory, point) + BYTES_OF_CONTEXT
			                                        : host));
	}
	return most;
}

double plan_memory_classifier_host(const struct plan_memory *memory, const struct points *points,
                                   const struct split *split)
{
	double most = 0;
	for (int64_t i = 0; i < points->count && split->classifiers > 0; i++) {
		const struct point *point = &points->points[i];
		struct kernels_load load = load_of(memory, &point->config, 1, 1, false);
		if (point->classified && !point->finished)
			most = fmax(most, BYTES_OF_GPU_PROCESS + (double)kernels_cuda_footprint(&load).page_locked +
			                          serving_bytes(point, split) / split->classifiers +
			                          (split->readers == 0 ? table_bytes(point) : 0));
	}
	return most;
}

double plan_memory_reader(const struct plan_memory *memory, const struct points *points, const struct split *split)
{
	double most = 0;
	for (int64_t i = 0; i < points->count && split->readers > 0; i++)
		most = fmax(most, memory->process + BYTES_OF_MPI + BYTES_OF_FILES +
		                          serving_bytes(&points->points[i], split) / split->readers +
		                          table_bytes(&points->points[i]));
	return most;
}
