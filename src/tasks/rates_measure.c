/* Short runs of the classifier, of reading, of saving; with those of the real step (rates_shape.c) all rates.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE /* O_TMPFILE */
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/text.h"
#include "base/timer.h"
#include "roles/evaluation.h"
#include "tasks/rates.h"

/* Seconds a token of scoring these two in turn, as roles/scorer.c does: where the device works by itself the next block is begun
 * before the last one is waited for. Trainers that score for themselves have less of that, as they pause between steps. */
static enum status measure_scoring(struct classifier *classifier, struct block blocks[CLASSIFIER_BLOCKS],
                                   double seconds, struct rates *rates)
{
	int ahead = classifier_is_asynchronous(classifier), at = 0;
	int64_t tokens = 0;
	enum status status = classifier_score_block(classifier, &blocks[0]); /* warm */
	if (status == STATUS_OK && ahead)
		status = classifier_score_begin(classifier, &blocks[at]);
	double begin = timer_seconds(), now = begin;
	struct pieces pieces = { .begin = begin, .length = seconds / PIECES };
	while (now - begin < seconds && status == STATUS_OK) {
		status = classifier_score_begin(classifier, &blocks[(at + ahead) % CLASSIFIER_BLOCKS]);
		if (status == STATUS_OK)
			status = classifier_score_end(classifier);
		tokens += blocks[at].token_count;
		now = timer_seconds();
		pieces_add(&pieces, now, (double)blocks[at].token_count);
		at = (at + 1) % CLASSIFIER_BLOCKS;
	}
	if (status == STATUS_OK && ahead)
		status = classifier_score_end(classifier);
	if (tokens > 0)
		rates->scoring = pieces_best(&pieces, now);
	return status;
}

/* Seconds a token of reading a block, and of scoring it where there is a classifier. */
static enum status measure_block(const struct point *point, const struct kernels *kernels, struct device *device,
                                 struct shard_set *shards, double seconds, struct rates *rates)
{
	struct classifier *classifier = NULL;
	struct block read[CLASSIFIER_BLOCKS] = { 0 };
	double begin = timer_seconds(), elapsed = 0;
	int64_t tokens = 0, blocks = shard_set_blocks(shards);
	enum status status = STATUS_OK;
	for (int64_t i = 0; blocks > 0 && i < 64 && (i < CLASSIFIER_BLOCKS || elapsed < 0.1) && status == STATUS_OK;
	     i++) {
		struct block *block = &read[i % CLASSIFIER_BLOCKS];
		status = shard_set_read_block(shards, i * 7919 % blocks, block);
		tokens += block->token_count;
		elapsed = timer_seconds() - begin;
	}
	if (tokens > 0)
		rates->reading = elapsed / (double)tokens;
	if (status == STATUS_OK && point->classified && access(point->classifier_path, R_OK) == 0)
		status = classifier_read(point->classifier_path, kernels, device, NULL, &classifier);
	if (status == STATUS_OK && classifier != NULL && tokens > 0)
		status = measure_scoring(classifier, read, seconds, rates);
	classifier_destroy(classifier);
	for (int i = 0; i < CLASSIFIER_BLOCKS; i++)
		block_clear(&read[i]);
	return status;
}

/* Bytes a second of copying memory: ranks of a node exchange through it. */
static double measure_copies(void)
{
	enum { BYTES = 1 << 24 };
	char *from = malloc(BYTES), *to = malloc(BYTES);
	double begin = 0, elapsed = 0;
	int calls = -1;
	for (; from != NULL && to != NULL && (calls < 1 || elapsed < 0.02); calls++) {
		memset(from, calls, BYTES);
		if (calls == 0)
			begin = timer_seconds();
		memcpy(to, from, BYTES);
		elapsed = timer_seconds() - begin;
	}
	free(from);
	free(to);
	return calls > 0 && elapsed > 0 ? (double)BYTES * calls / elapsed : BYTES_A_SECOND;
}

/* What comes before the first step of a point: its evaluation's documents are found, read and packed, domain by domain. One
 * document tells what does not depend on their number. */
static enum status measure_setting(const struct point *point, struct rates *rates)
{
	enum { DOCUMENTS = 64 };
	double domains = (double)parameters_list_count(point->parameters, "evaluate/domains");
	struct shard_set *shards = NULL;
	enum domain domain;
	STATUS_TRY(domain_from_name(parameters_list_item(point->parameters, "evaluate/domains", 0), &domain));
	double since = timer_seconds();
	STATUS_TRY(shard_set_open(parameters_text(point->parameters, "data/folder"),
	                          parameters_text(point->parameters, "evaluate/set"), &shards));
	double opening = timer_seconds() - since, seconds[2] = { 0 };
	int64_t documents[2] = { 0 };
	enum status status = STATUS_OK;
	for (int many = 0; many < 2 && status == STATUS_OK; many++) {
		struct evaluation_set set = { 0 };
		since = timer_seconds();
		status = evaluation_set_create(shards, domain, many ? DOCUMENTS : 1, point->training.length, &set);
		seconds[many] = timer_seconds() - since;
		documents[many] = set.documents;
		evaluation_set_clear(&set);
	}
	shard_set_close(shards);
	rates->setting = SECONDS_A_POINT + opening + domains * seconds[0];
	if (status == STATUS_OK && documents[1] > documents[0])
		rates->document = fmax(0, seconds[1] - seconds[0]) / (double)(documents[1] - documents[0]);
	return status;
}

/* The nearest folder above `path` that exists. From malloc. */
static char *existing_folder(const char *path)
{
	char *folder = memory_copy_text(path);
	while (folder != NULL && access(folder, F_OK) != 0) {
		char *slash = strrchr(folder, '/');
		if (slash == NULL)
			strcpy(folder, ".");
		else
			slash[slash == folder] = '\0';
	}
	return folder;
}

/* Seconds to write so many bytes into an empty file, have them on the disk, and read them back. Negative: it cannot be done. */
static double time_file(int file, char *data, size_t bytes)
{
	double begin = timer_seconds();
	bool done = pwrite(file, data, bytes, 0) == (ssize_t)bytes && fsync(file) == 0 &&
	            pread(file, data, bytes, 0) == (ssize_t)bytes;
	return done ? timer_seconds() - begin : -1;
}

void rates_measure_disk(const char *output, struct rates *rates)
{
	enum {
		SMALL = 4096,
		LARGE = 1 << 22,
		SYNCS = 12
	}; /* of shard, state, manifest and run file, and of their folders */
	char *folder = existing_folder(output), *data = calloc(1, LARGE);
	int file = folder == NULL || data == NULL ? -1 : open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	double small = file < 0 ? -1 : time_file(file, data, SMALL),
	       large = small < 0 ? -1 : time_file(file, data, LARGE);
	if (large > 0) {
		rates->save = fmax(rates->save, SYNCS * small);
		rates->saving = fmin(rates->saving, LARGE / fmax(large - small, 1e-6));
	}
	if (file >= 0)
		close(file);
	free(folder);
	free(data);
}

enum status rates_measure(const struct points *points, const struct kernels *kernels, struct device *device,
                          double seconds, struct rates *rates_out)
{
	double begin = timer_seconds();
	struct rates rates = { .reading = SECONDS_A_READ_TOKEN,
		               .save = SECONDS_A_CHECKPOINT,
		               .saving = BYTES_SAVED_A_SECOND,
		               .setting = SECONDS_A_POINT,
		               .document = SECONDS_A_DOCUMENT };
	const struct point *sample = NULL;
	for (int64_t i = 0; i < points->count; i++)
		if (!points->points[i].finished &&
		    (sample == NULL || (points->points[i].classified && !sample->classified)))
			sample = &points->points[i];
	enum status status = rates_list_shapes(points, &rates);
	if (status == STATUS_OK && sample != NULL)
		status = rates_measure_shapes(kernels, device, 0.7 * seconds, &rates);
	struct shard_set *shards = NULL;
	if (status == STATUS_OK && sample != NULL && !sample->ahead)
		status = shard_set_open(parameters_text(sample->parameters, "data/folder"), "train", &shards);
	if (shards != NULL) {
		status = measure_block(sample, kernels, device, shards, 0.3 * seconds, &rates);
		shard_set_close(shards);
		if (status == STATUS_OK)
			status = measure_setting(sample, &rates);
	}
	rates.exchange = measure_copies() / 4; /* into a message, out of it, added, and back */
	if (status != STATUS_OK) {
		rates_clear(&rates);
		return status;
	}
	char flops[32];
	snprintf(rates.source, sizeof rates.source, "measured here in %.1f s: training %sFLOP/s a rank",
	         timer_seconds() - begin, text_count(rates.flops, flops, sizeof flops));
	*rates_out = rates;
	return STATUS_OK;
}
