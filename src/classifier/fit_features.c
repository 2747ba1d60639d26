/* Gathering the features of the picked tokens and documents on rank 0. Ranks take blocks in turn; a block's features
 * depend on the block alone, and arrive in the order of the picks, so the number of ranks does not matter.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/stop.h"
#include "base/text.h"
#include "classifier/fit_state.h"
#include "classifier/scoring.h"

/* The documents of one block that are needed, side by side. */
struct extract {
	int64_t width;
	int32_t *ids;
	int64_t *begin; /* [documents + 1] */
	int64_t documents, tokens;
	int32_t *row;    /* [tokens]: row of `values` that the token belongs to, -1: none */
	double *sums;    /* documents: [rows, 2 D] sums over tokens; NULL for tokens */
	int64_t *counts; /* documents: tokens of each row */
	float *values;   /* [rows, 2 D] */
	/* tokens with a window: the features of every token, to be averaged around each picked one */
	int64_t window;
	float *all;      /* [tokens, 2 D]; NULL without a window */
	int64_t *places; /* [rows, 3]: the picked token, first and end of its document */
};

/* Fills `extract` with what the picks of a block need. */
typedef void (*extract_plan)(const struct fit *fit, const struct pick *picks, int64_t count, struct extract *extract);

static void add_document(const struct fit *fit, int64_t document, int64_t most, struct extract *extract)
{
	int64_t count = sample_document_tokens(&fit->block, document, fit->end_of_text);

	count = count < most ? count : most;
	extract->begin[extract->documents++] = extract->tokens;
	memcpy(extract->ids + extract->tokens, fit->block.ids + fit->block.document_begin[document],
	       (size_t)count * sizeof *extract->ids);
	for (int64_t i = 0; i < count; i++)
		extract->row[extract->tokens + i] = -1;
	extract->tokens += count;
	extract->begin[extract->documents] = extract->tokens;
}

/* Whole documents that hold a picked token; each picked token has its own row. */
static void plan_tokens(const struct fit *fit, const struct pick *picks, int64_t count, struct extract *extract)
{
	const int64_t *begin = fit->block.document_begin;

	for (int64_t i = 0, document = 0; i < count; document++) {
		if (picks[i].index >= begin[document + 1])
			continue;
		int64_t first = extract->tokens;
		add_document(fit, document, INT64_MAX, extract);
		for (; i < count && picks[i].index < begin[document + 1]; i++) {
			int64_t token = first + picks[i].index - begin[document];
			extract->row[token] = (int32_t)i;
			if (extract->places != NULL)
				memcpy(extract->places + 3 * i, (int64_t[]){ token, first, extract->tokens },
				       3 * sizeof *extract->places);
		}
	}
}

/* The beginnings of the picked documents; all tokens that are judged share the row of their document. One context more
 * than is judged is read: then the windows that answer for judged tokens are those of the whole document. */
static void plan_documents(const struct fit *fit, const struct pick *picks, int64_t count, struct extract *extract)
{
	int64_t judged = fit->options->document_tokens > 0 ? fit->options->document_tokens : INT64_MAX;
	int64_t context = features_context(fit->features),
		read = judged < INT64_MAX - context ? judged + context : judged;

	for (int64_t i = 0; i < count; i++) {
		int64_t first = extract->tokens;
		add_document(fit, picks[i].index, read, extract);
		for (int64_t token = first; token < extract->tokens && token - first < judged; token++) {
			extract->row[token] = (int32_t)i;
			extract->counts[i]++;
		}
	}
}

static void take_values(void *state, int half, int64_t rows, const int32_t *source, const float *values)
{
	struct extract *extract = state;
	int64_t width = extract->width;

	for (int64_t row = 0; row < rows; row++) {
		int32_t target = source[row] < 0 ? -1 : extract->row[source[row]];
		if (source[row] >= 0 && extract->all != NULL)
			memcpy(extract->all + (2 * (int64_t)source[row] + half) * width, values + row * width,
			       (size_t)width * sizeof *values);
		if (target < 0 || extract->all != NULL)
			continue;
		int64_t at = (2 * (int64_t)target + half) * width;
		if (extract->sums == NULL)
			memcpy(extract->values + at, values + row * width, (size_t)width * sizeof *values);
		for (int64_t j = 0; extract->sums != NULL && j < width; j++)
			extract->sums[at + j] += (double)values[row * width + j];
	}
}

static void finish_means(const struct extract *extract, int64_t rows)
{
	for (int64_t row = 0; row < rows; row++)
		for (int64_t j = 2 * extract->width * row; j < 2 * extract->width * (row + 1); j++)
			extract->values[j] = (float)(extract->sums[j] / (double)extract->counts[row]);
}

/* As scoring_smooth() averages log-odds: the probe is then fitted on what its scores will be averages of. */
static void finish_windows(const struct extract *extract, int64_t rows)
{
	for (int64_t row = 0; row < rows; row++) {
		int64_t token = extract->places[3 * row], begin = extract->places[3 * row + 1];
		int64_t end = extract->places[3 * row + 2];
		int64_t first = token - begin < extract->window ? begin : token - extract->window;
		int64_t last = end - 1 - token < extract->window ? end - 1 : token + extract->window;
		for (int64_t j = 0; j < 2 * extract->width; j++) {
			double sum = 0;
			for (int64_t i = first; i <= last; i++)
				sum += (double)extract->all[2 * extract->width * i + j];
			extract->values[2 * extract->width * row + j] = (float)(sum / (double)(last - first + 1));
		}
	}
}

static enum status reserve_extract(const struct fit *fit, int64_t rows, bool means, struct extract *extract)
{
	extract->width = fit->width;
	extract->ids = memory_allocate((size_t)fit->block.token_count, sizeof *extract->ids);
	extract->row = memory_allocate((size_t)fit->block.token_count, sizeof *extract->row);
	extract->begin = memory_allocate((size_t)fit->block.document_count + 1, sizeof *extract->begin);
	if (extract->ids == NULL || extract->row == NULL || extract->begin == NULL)
		return STATUS_ENVIRONMENT;
	if (!means && fit->windows[WHO_CLASSIFIER] > 0) {
		extract->window = fit->windows[WHO_CLASSIFIER];
		extract->all =
			memory_allocate((size_t)(fit->block.token_count * 2 * extract->width), sizeof *extract->all);
		extract->places = memory_allocate((size_t)rows, 3 * sizeof *extract->places);
		return extract->all != NULL && extract->places != NULL ? STATUS_OK : STATUS_ENVIRONMENT;
	}
	if (!means)
		return STATUS_OK;
	extract->sums = memory_allocate((size_t)(rows * 2 * extract->width), sizeof *extract->sums);
	extract->counts = memory_allocate((size_t)rows, sizeof *extract->counts);
	return extract->sums != NULL && extract->counts != NULL ? STATUS_OK : STATUS_ENVIRONMENT;
}

static void clear_extract(struct extract *extract)
{
	free(extract->ids);
	free(extract->row);
	free(extract->begin);
	free(extract->sums);
	free(extract->counts);
	free(extract->all);
	free(extract->places);
}

/* values[count, 2 D] of the picks of one block. */
static enum status extract_block(struct fit *fit, int layer, const struct pick *picks, int64_t count, extract_plan plan,
                                 float *values)
{
	struct extract extract = { .values = values };

	STATUS_TRY(shard_set_read_block(fit->sets[SET_TRAIN], picks[0].block, &fit->block));
	enum status status = reserve_extract(fit, count, plan == plan_documents, &extract);
	if (status == STATUS_OK) {
		plan(fit, picks, count, &extract);
		status = features_run(fit->features, layer, DIRECTIONS_BOTH, extract.ids, extract.begin,
		                      extract.documents, take_values, &extract);
	}
	if (status == STATUS_OK && extract.sums != NULL)
		finish_means(&extract, count);
	if (status == STATUS_OK && extract.all != NULL)
		finish_windows(&extract, count);
	clear_extract(&extract);
	return status;
}

/* Where the picks of each block begin: *runs_out[*count + 1]. */
static enum status list_runs(const struct picks *picks, int64_t **runs_out, int64_t *count)
{
	int64_t *runs = memory_allocate((size_t)picks->count + 1, sizeof *runs);
	if (runs == NULL)
		return STATUS_ENVIRONMENT;
	*count = 0;
	for (int64_t i = 0; i < picks->count; i++)
		if (i == 0 || picks->items[i].order != picks->items[i - 1].order)
			runs[(*count)++] = i;
	runs[*count] = picks->count;
	*runs_out = runs;
	return STATUS_OK;
}

/* Sends the rows of runs [first, first + size), one a rank, to rank 0.
 * counts: room for two numbers a rank. */
static enum status gather_round(const struct fit *fit, const int64_t *runs, int64_t run_count, int64_t first,
                                const float *own, int *counts, float *values)
{
	const struct world *world = fit->world;
	int64_t mine = first + world->rank;
	int own_rows = mine < run_count ? (int)(runs[mine + 1] - runs[mine]) : 0;
	int *places = counts + world->size;

	memset(counts, 0, 2 * (size_t)world->size * sizeof *counts);
	for (int64_t i = 0; i < world->size && first + i < run_count; i++) {
		counts[i] = (int)(runs[first + i + 1] - runs[first + i]);
		places[i] = (int)(runs[first + i] - runs[first]);
	}
	int64_t width = 2 * fit->width;
	return world_gather_rows(world, own, own_rows, counts, width, values + runs[first] * width);
}

static enum status run_round(struct fit *fit, int layer, const struct picks *picks, extract_plan plan,
                             const int64_t *runs, int64_t run_count, int64_t first, int *counts, float *values)
{
	int64_t mine = first + fit->world->rank, width = 2 * fit->width;
	float *own = NULL, *target = NULL;
	enum status status = STATUS_OK;

	if (mine < run_count) {
		int64_t count = runs[mine + 1] - runs[mine];
		if (fit->world->rank == 0)
			target = values + runs[mine] * width;
		else
			target = own = memory_allocate((size_t)(count * width), sizeof *own);
		status = target == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
		if (status == STATUS_OK)
			status = extract_block(fit, layer, picks->items + runs[mine], count, plan, target);
	}
	status = world_agree(fit->world, status);
	if (status == STATUS_OK && fit->world->size > 1)
		status = gather_round(fit, runs, run_count, first, own, counts, values);
	free(own);
	return status;
}

/* How many runs, from the first on, need not be computed: their values are kept. */
static enum status find_kept(struct fit *fit, int layer, const struct picks *picks, const int64_t *runs,
                             int64_t run_count, float *values, int64_t *kept)
{
	enum status status = STATUS_OK;

	*kept = 0;
	if (fit->world->rank == 0) {
		int64_t rows = 0;
		/* Layer and window may have been chosen by probes of another ridge. */
		char *name = text_format("%02d-layer%d-window%lld-features", fit->stage, layer,
		                         (long long)fit->windows[WHO_CLASSIFIER]);
		status = name == NULL
		                 ? STATUS_ENVIRONMENT
		                 : fit_keep_begin_rows(fit->keep, name, 2 * fit->width, values, picks->count, &rows);
		free(name);
		while (*kept < run_count && runs[*kept + 1] <= rows)
			(*kept)++;
		fit->progress.kept_extracted += *kept;
	}
	STATUS_TRY(world_agree(fit->world, status));
	return world_broadcast(fit->world, kept, sizeof *kept, 0);
}

static enum status run_rounds(struct fit *fit, int layer, const struct picks *picks, extract_plan plan,
                              const int64_t *runs, int64_t run_count, int *counts, float *values)
{
	int64_t first = 0, size = fit->world->size;
	bool stop, save;

	STATUS_TRY(find_kept(fit, layer, picks, runs, run_count, values, &first));
	while (first < run_count) {
		STATUS_TRY(fit_ask(fit, &stop, &save));
		if (stop || save)
			STATUS_TRY(world_agree(fit->world, fit_keep_save_rows(fit->keep, values, runs[first])));
		if (stop)
			return world_agree(fit->world, stop_check("computing features for the probes"));
		STATUS_TRY(run_round(fit, layer, picks, plan, runs, run_count, first, counts, values));
		int64_t done = run_count - first < size ? run_count - first : size;
		fit->progress.extracted += done;
		first += done;
	}
	return world_agree(fit->world, fit_keep_complete_rows(fit->keep, values, picks->count));
}

static enum status gather(struct fit *fit, int layer, const struct picks *picks, extract_plan plan, float *values)
{
	int64_t *runs = NULL, run_count = 0;
	int *counts = memory_allocate(2 * (size_t)fit->world->size, sizeof *counts);
	enum status status = counts == NULL ? STATUS_ENVIRONMENT : list_runs(picks, &runs, &run_count);

	status = world_agree(fit->world, status);
	if (status == STATUS_OK)
		status = run_rounds(fit, layer, picks, plan, runs, run_count, counts, values);
	free(counts);
	free(runs);
	return status;
}

int64_t fit_count_blocks(const struct picks *picks)
{
	int64_t count = 0;
	for (int64_t i = 0; i < picks->count; i++)
		count += i == 0 || picks->items[i].order != picks->items[i - 1].order;
	return count;
}

enum status fit_gather_tokens(struct fit *fit, int layer, float *values)
{
	return gather(fit, layer, &fit->tokens, plan_tokens, values);
}

enum status fit_gather_documents(struct fit *fit, int layer, float *values)
{
	return gather(fit, layer, &fit->documents, plan_documents, values);
}
