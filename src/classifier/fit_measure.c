/* Scoring the held-out sets: every rank its blocks, histograms of 16-bit scores added up exactly.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/stop.h"
#include "classifier/fit_state.h"
#include "classifier/scoring.h"
#include "filter/score.h"

struct measure {
	struct fit *fit;
	enum fit_set set;
	int layer;
	const enum fit_who *whos;
	int who_count;
	double *logits[WHO_COUNT]; /* of one block */
	double *smooth;
};

const int fit_windows[FIT_WINDOWS] = { 0, 1, 2, 4, 8, 16, 32 };

static void count_score(struct score_counts *counts, uint16_t score, enum gold gold)
{
	if (gold == GOLD_FORGET)
		counts->positive[score]++;
	else if (gold == GOLD_RETAIN)
		counts->negative[score]++;
}

/* Every token, whatever its label, as the filter will meet them. */
static void count_token_shares(const struct measure *measure, const struct block *block)
{
	struct share_counts *shares = measure->fit->token_shares;

	shares->total += block->token_count;
	for (int64_t i = 0; i < block->token_count; i++)
		if (block->ids[i] != measure->fit->end_of_text)
			shares->tokens[score_from_logit(measure->smooth[i])]++;
}

static enum status count_smoothed(const struct measure *measure, const struct block *block, enum fit_who who,
                                  int64_t window, struct score_counts *counts)
{
	const struct fit *fit = measure->fit;

	scoring_smooth(measure->logits[who], block->ids, block->document_begin, block->document_count, fit->end_of_text,
	               window, measure->smooth);
	if (fit->counts_shares && who == WHO_CLASSIFIER)
		count_token_shares(measure, block);
	for (int64_t i = 0; i < block->token_count; i++) {
		enum gold gold = sample_token_gold(block, i, fit->end_of_text);
		if (gold == GOLD_NONE)
			continue;
		if (!isfinite(measure->smooth[i]))
			return error_raise(STATUS_NUMERIC,
			                   "a held-out token has a score that is no number: the language models "
			                   "of the classifier have diverged");
		count_score(counts, score_from_logit(measure->smooth[i]), gold);
	}
	return STATUS_OK;
}

static enum status count_tokens(const struct measure *measure, const struct block *block, enum fit_who who)
{
	const struct fit *fit = measure->fit;

	if (fit->trials_of_windows == NULL)
		return count_smoothed(measure, block, who, fit->windows[who], fit->counts[measure->set][who]);
	for (int i = 0; i < FIT_WINDOWS; i++)
		STATUS_TRY(count_smoothed(measure, block, who, fit_windows[i],
		                          &fit->trials_of_windows[who * FIT_WINDOWS + i]));
	return STATUS_OK;
}

static void count_documents(const struct measure *measure, const struct block *block)
{
	const struct fit *fit = measure->fit;

	if (fit->counts_shares)
		fit->document_shares->total += block->token_count;
	for (int64_t d = 0; d < block->document_count; d++) {
		enum gold gold = sample_document_gold(block, d, fit->end_of_text, fit->options->forget_share);
		if (gold == GOLD_NONE && !fit->counts_shares)
			continue;
		double logit = scoring_document(measure->logits[WHO_DOCUMENT] + block->document_begin[d],
		                                sample_document_tokens(block, d, fit->end_of_text),
		                                features_context(fit->features));
		uint16_t score = score_from_logit(logit);
		count_score(fit->counts[measure->set][WHO_DOCUMENT], score, gold);
		if (fit->counts_shares)
			fit->document_shares->tokens[score] += block->document_begin[d + 1] - block->document_begin[d];
	}
}

/* The probes of the list, in one run of the language models. */
static enum status score_block(const struct measure *measure, const struct block *block)
{
	struct fit *fit = measure->fit;
	struct scoring_head heads[WHO_COUNT];
	int head_count = 0;

	for (int i = 0; i < measure->who_count; i++) {
		enum fit_who who = measure->whos[i];
		if (who == WHO_WORD_LIST)
			continue;
		heads[head_count++] = (struct scoring_head){
			.probe = &fit->probes[who],
			.directions = who == WHO_LEFT_ONLY ? DIRECTIONS_LEFT : DIRECTIONS_BOTH,
			.logits = measure->logits[who],
		};
	}
	STATUS_TRY(scoring_run(fit->features, measure->layer, block->ids, block->document_begin, block->document_count,
	                       heads, head_count));
	for (int i = 0; i < measure->who_count; i++) {
		if (measure->whos[i] == WHO_DOCUMENT)
			count_documents(measure, block);
		else if (measure->whos[i] != WHO_WORD_LIST)
			STATUS_TRY(count_tokens(measure, block, measure->whos[i]));
	}
	return STATUS_OK;
}

static enum status score_words(const struct measure *measure, const struct block *block)
{
	for (int64_t d = 0; d < block->document_count; d++) {
		int64_t begin = block->document_begin[d];
		STATUS_TRY(word_list_score(measure->fit->words, block->ids + begin,
		                           sample_document_tokens(block, d, measure->fit->end_of_text),
		                           measure->logits[WHO_WORD_LIST] + begin));
	}
	return count_tokens(measure, block, WHO_WORD_LIST);
}

static enum status measure_blocks(const struct measure *measure)
{
	struct fit *fit = measure->fit;
	bool wants_words = false;

	for (int i = 0; i < measure->who_count; i++)
		wants_words = wants_words || (measure->whos[i] == WHO_WORD_LIST && fit->words != NULL);
	for (int64_t order = 0; order < fit->evaluation_blocks[measure->set]; order++) {
		bool mine = order % fit->world->size == fit->world->rank;
		if (!mine && !wants_words)
			continue;
		STATUS_TRY(stop_check("measuring the classifier"));
		int64_t number = sample_block_number(fit->sets[measure->set], fit->options->seed, order);
		STATUS_TRY(shard_set_read_block(fit->sets[measure->set], number, &fit->block));
		if (mine)
			STATUS_TRY(score_block(measure, &fit->block));
		if (wants_words)
			STATUS_TRY(score_words(measure, &fit->block));
	}
	return STATUS_OK;
}

static enum status sum_counts(const struct fit *fit, struct score_counts *counts)
{
	STATUS_TRY(world_sum_integers(fit->world, counts->positive, 65536));
	return world_sum_integers(fit->world, counts->negative, 65536);
}

static enum status sum_shares(const struct fit *fit, struct share_counts *shares)
{
	STATUS_TRY(world_sum_integers(fit->world, shares->tokens, SHARE_SCORES));
	return world_sum_integers(fit->world, &shares->total, 1);
}

enum status fit_measure(struct fit *fit, enum fit_set set, int layer, const enum fit_who *whos, int who_count)
{
	struct measure measure = { .fit = fit, .set = set, .layer = layer, .whos = whos, .who_count = who_count };
	int64_t documents = 0, tokens = shard_set_largest_block(fit->sets[set], &documents);
	double *logits = memory_allocate((size_t)tokens * (WHO_COUNT + 1), sizeof *logits);
	enum status status = logits == NULL ? STATUS_ENVIRONMENT : STATUS_OK;

	for (int who = 0; who < WHO_COUNT && logits != NULL; who++)
		measure.logits[who] = logits + who * tokens;
	if (logits != NULL)
		measure.smooth = logits + WHO_COUNT * tokens;
	if (status == STATUS_OK)
		status = measure_blocks(&measure);
	free(logits);
	STATUS_TRY(world_agree(fit->world, status));
	for (int i = 0; i < who_count; i++)
		STATUS_TRY(sum_counts(fit, fit->counts[set][whos[i]]));
	for (int i = 0; fit->trials_of_windows != NULL && i < WHO_COUNT * FIT_WINDOWS; i++)
		STATUS_TRY(sum_counts(fit, &fit->trials_of_windows[i]));
	if (!fit->counts_shares)
		return STATUS_OK;
	STATUS_TRY(sum_shares(fit, fit->token_shares));
	return sum_shares(fit, fit->document_shares);
}
