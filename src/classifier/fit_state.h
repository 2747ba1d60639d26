/* What the parts of fitting share, and the parts: extraction of training features, measuring on held-out sets, output.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_CLASSIFIER_FIT_STATE_H
#define CAPSHAPE_CLASSIFIER_FIT_STATE_H

#include "classifier/features.h"
#include "classifier/fit.h"
#include "classifier/fit_keep.h"
#include "classifier/fit_sample.h"
#include "classifier/metrics.h"
#include "classifier/probe.h"
#include "filter/share.h"

enum fit_set { SET_TRAIN, SET_VALIDATION, SET_TEST, SET_COUNT };
enum fit_who { WHO_CLASSIFIER, WHO_LEFT_ONLY, WHO_WORD_LIST, WHO_DOCUMENT, WHO_COUNT };

struct layer_trial {
	int32_t layer;
	double f1, auroc;
};

/* Windows of smoothing (scoring.h) that are tried. */
enum { FIT_WINDOWS = 7 };
extern const int fit_windows[FIT_WINDOWS];

/* Work of this start, and what earlier ones had done: blocks of text for features, probes, blocks measured. */
struct fit_progress {
	int64_t extracted, probes, measured;
	int64_t kept_extracted, kept_probes, kept_measured;
};

struct fit {
	struct world *world;
	struct world patient; /* the same without a time-out: for waiting while rank 0 fits */
	const struct fit_options *options;
	struct shard_set *sets[SET_COUNT];
	int64_t evaluation_blocks[SET_COUNT]; /* first blocks in visiting order; training: not used */
	struct features *features;
	int64_t width; /* D */
	int32_t end_of_text;
	struct block block; /* the block at hand */
	struct picks tokens, documents;
	struct word_list *words; /* rank 0, NULL without a tokenizer */
	/* results */
	int layer;
	struct layer_trial *trials; /* [trial_count], layer = -1 only */
	int trial_count;
	struct probe probes[WHO_COUNT]; /* none for the word list */
	int64_t windows[WHO_COUNT];     /* smoothing of each token scorer, chosen on validation data */
	struct score_counts *counts[SET_COUNT][WHO_COUNT];
	/* all of the validation text by score: what filter/share is resolved with */
	struct share_counts *token_shares, *document_shares;
	bool counts_shares;                     /* while validation data is measured for the last time */
	struct score_counts *trials_of_windows; /* [WHO_COUNT, FIT_WINDOWS], while windows are chosen; else NULL */
	/* keeping */
	struct fit_keep *keep; /* rank 0, when something is kept */
	int stage;             /* number of the sample or measurement at hand: part of the names of what is kept */
	struct fit_progress progress; /* rank 0 */
};

/* ---- fit.c ---- */
/* Collective, between two pieces of work: whether any rank is asked to stop, and whether rank 0 finds it is time to save. */
enum status fit_ask(struct fit *fit, bool *stop, bool *save);
/* "03-l2=0.0001-NAME", from malloc: what is kept in the stage at hand for this ridge. */
char *fit_kept_name(const struct fit *fit, const char *name);

/* ---- fit_features.c: collective; rank 0 receives values[picks->count, 2 D] in the order of the picks. The values that
 * are kept do not depend on the ridge ---- */
enum status fit_gather_tokens(struct fit *fit, int layer, float *values);
enum status fit_gather_documents(struct fit *fit, int layer, float *values);
/* Blocks that the picks come from. */
int64_t fit_count_blocks(const struct picks *picks);

/* ---- fit_probes.c: collective; all ranks get the probes. values[rows, 2 D] is room on rank 0 ---- */
/* The classifier's token probe after a layer, for features averaged over fit->windows[WHO_CLASSIFIER]; left_only: that of the
 * left model alone as well. */
enum status fit_token_probes(struct fit *fit, int layer, bool left_only, float *values);
enum status fit_document_probe(struct fit *fit, int layer, float *values);

/* ---- fit_measure.c: collective; histograms of a held-out set, the same on every rank ---- */
/* Adds to fit->counts[set][who] for every who of the list that has a probe (word list: a list). */
enum status fit_measure(struct fit *fit, enum fit_set set, int layer, const enum fit_who *whos, int who_count);

/* ---- fit_output.c: rank 0 ---- */
enum status fit_write(const struct fit *fit, const struct parameters *parameters, const struct provenance *provenance);
void fit_print_table(const struct fit *fit);
const char *fit_who_name(enum fit_who who);

#endif
