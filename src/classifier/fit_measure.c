/* Scoring the held-out sets: every rank its blocks, histograms of 16-bit scores added up exactly.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

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
		                                fit->options->document_tokens);
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

/* One block for each rank; the word list is known to rank 0 alone, which scores all of them by it. */
static enum status measure_round(const struct measure *measure, int64_t first, int64_t end, bool wants_words)
{
	struct fit *fit = measure->fit;

	for (int64_t order = first; order < end; order++) {
		bool mine = order - first == fit->world->rank;
		if (!mine && !wants_words)
			continue;
		int64_t number = sample_block_number(fit->sets[measure->set], fit->options->seed, order);
		STATUS_TRY(shard_set_read_block(fit->sets[measure->set], number, &fit->block));
		if (mine)
			STATUS_TRY(score_block(measure, &fit->block));
		if (wants_words)
			STATUS_TRY(score_words(measure, &fit->block));
	}
	return STATUS_OK;
}

/* ---- counts ---- */

static void add_counts(struct tally *tally, struct score_counts *counts)
{
	tally_add(tally, counts->positive, SHARE_SCORES);
	tally_add(tally, counts->negative, SHARE_SCORES);
}

/* Everything that measuring counts. */
static void list_counts(const struct measure *measure, struct tally *tally)
{
	const struct fit *fit = measure->fit;

	*tally = (struct tally){ .count = 0 };
	for (int i = 0; i < measure->who_count; i++)
		add_counts(tally, fit->counts[measure->set][measure->whos[i]]);
	for (int i = 0; fit->trials_of_windows != NULL && i < WHO_COUNT * FIT_WINDOWS; i++)
		add_counts(tally, &fit->trials_of_windows[i]);
	if (!fit->counts_shares)
		return;
	tally_add(tally, fit->token_shares->tokens, SHARE_SCORES);
	tally_add(tally, &fit->token_shares->total, 1);
	tally_add(tally, fit->document_shares->tokens, SHARE_SCORES);
	tally_add(tally, &fit->document_shares->total, 1);
}

/* Afterwards all ranks have the sums. */
static enum status sum_counts(const struct fit *fit, const struct tally *tally)
{
	for (int part = 0; part < tally->count; part++)
		STATUS_TRY(world_sum_integers(fit->world, tally->parts[part].values, tally->parts[part].count));
	return STATUS_OK;
}

/* One rank holds the sums, so that they count once when they are summed again. */
static void leave_to_first(const struct fit *fit, const struct tally *tally)
{
	for (int part = 0; fit->world->rank > 0 && part < tally->count; part++)
		memset(tally->parts[part].values, 0, (size_t)tally->parts[part].count * sizeof(int64_t));
}

/* ---- all blocks ---- */

/* What is kept of this measurement; counts that were added to before have been set to 0 by the caller. */
static enum status find_kept(struct fit *fit, const char *name, struct tally *tally, int64_t *done)
{
	enum status status = STATUS_OK;

	*done = 0;
	if (fit->world->rank == 0) {
		status = fit_keep_find_tally(fit->keep, name, tally, done);
		fit->progress.kept_measured += *done;
	}
	STATUS_TRY(world_agree(fit->world, status));
	return world_broadcast(fit->world, done, sizeof *done, 0);
}

static enum status save(struct fit *fit, const char *name, const struct tally *tally, int64_t done)
{
	STATUS_TRY(sum_counts(fit, tally));
	leave_to_first(fit, tally);
	return world_agree(fit->world, fit_keep_save_tally(fit->keep, name, tally, done));
}

static enum status measure_blocks(const struct measure *measure, const char *name, struct tally *tally)
{
	struct fit *fit = measure->fit;
	int64_t blocks = fit->evaluation_blocks[measure->set], done = 0, kept;
	bool wants_words = false, stop, due;

	for (int i = 0; i < measure->who_count; i++)
		wants_words = wants_words || (measure->whos[i] == WHO_WORD_LIST && fit->words != NULL);
	STATUS_TRY(find_kept(fit, name, tally, &done));
	for (kept = done; done < blocks;) {
		STATUS_TRY(fit_ask(fit, &stop, &due));
		if ((stop || due) && fit->options->kept_folder != NULL && done > kept) {
			STATUS_TRY(save(fit, name, tally, done));
			kept = done;
		}
		if (stop)
			return world_agree(fit->world, stop_check("measuring the classifier"));
		int64_t end = blocks - done < fit->world->size ? blocks : done + fit->world->size;
		STATUS_TRY(world_agree(fit->world, measure_round(measure, done, end, wants_words)));
		fit->progress.measured += end - done;
		done = end;
	}
	STATUS_TRY(sum_counts(fit, tally));
	bool keeps = fit->world->rank == 0 && done > kept;
	return world_agree(fit->world, keeps ? fit_keep_save_tally(fit->keep, name, tally, done) : STATUS_OK);
}

static enum status measure_kept(struct measure *measure)
{
	struct tally tally;
	char *name = fit_kept_name(measure->fit, "measured");
	enum status status = world_agree(measure->fit->world, name == NULL ? STATUS_ENVIRONMENT : STATUS_OK);

	list_counts(measure, &tally);
	if (status == STATUS_OK)
		status = measure_blocks(measure, name, &tally);
	free(name);
	return status;
}

enum status fit_measure(struct fit *fit, enum fit_set set, int layer, const enum fit_who *whos, int who_count)
{
	struct measure measure = { .fit = fit, .set = set, .layer = layer, .whos = whos, .who_count = who_count };
	int64_t documents = 0, tokens = shard_set_largest_block(fit->sets[set], &documents);
	double *logits = memory_allocate((size_t)tokens * (WHO_COUNT + 1), sizeof *logits);
	enum status status = world_agree(fit->world, logits == NULL ? STATUS_ENVIRONMENT : STATUS_OK);

	fit->stage++;
	for (int who = 0; who < WHO_COUNT && logits != NULL; who++)
		measure.logits[who] = logits + who * tokens;
	if (logits != NULL)
		measure.smooth = logits + WHO_COUNT * tokens;
	if (status == STATUS_OK)
		status = measure_kept(&measure);
	free(logits);
	return status;
}
