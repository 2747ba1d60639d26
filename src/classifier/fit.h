/* Fitting the probes on two trained language models, choosing thresholds, measuring, writing the classifier file.
 * Paper sections 5.1 and 5.2; evaluation at class balance (comparable with the paper) and at natural prevalence.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_CLASSIFIER_FIT_H
#define CAPSHAPE_CLASSIFIER_FIT_H

#include "classifier/classifier.h"
#include "classifier/fit_sample.h"
#include "comm/world.h"
#include "input/parameters.h"
#include "results/provenance.h"
#include "text/tokenizer.h"

struct fit_options {
	const char *data_folder; /* shard sets train, validation, test */
	/* For the word-list control, which rebuilds words from tokens; used by rank 0; NULL: no word-list control. */
	const struct tokenizer *tokenizer;
	int layer;               /* -1: every layer is tried, best validation F1 (token, balanced) kept */
	int context;             /* positions of a row */
	int64_t probe_tokens;    /* training tokens of the token probe, balanced */
	int64_t probe_documents; /* training documents of the document probe, balanced */
	int64_t evaluation_tokens; /* upper limit of labelled validation and of test tokens (natural prevalence), whole blocks */
	int64_t document_tokens;   /* a document is judged by the mean feature of its first so many tokens; 0: of all */
	double l2;                 /* ridge on the standardised features, relative to the mean loss */
	enum sample_labels labels; /* what the token probe is trained on; it is always measured on token labels */
	double forget_share;       /* gold label of a document is forget when at least this share of its tokens is */
	/* tokens on each side whose log-odds are averaged (scoring.h): -1: the best of a few on validation data, for the
	 * classifier and each control of its own; 0: none (paper) */
	int64_t smoothing;
	int64_t rows_per_batch; /* constant micro-batch of feature extraction, rows */
	bool compat_left_left;  /* the released code's "bidirectional" pair: left model fed twice */
	uint64_t seed;
	/* arenas of master parameters (host), model_config_layout order, the same on every rank; right may be NULL with
	 * compat_left_left */
	const struct model_config *config;
	const float *left_parameters, *right_parameters;
	const char *output_path;
	/* where unfinished work is kept (exists); NULL: nothing is kept. What it was made with, but for l2, and seconds between
	 * savings. Bytes of features that stay there once their probes are fitted, for another l2. */
	const char *kept_folder, *identity;
	double save_interval, kept_room;
};

/* Collective over `world`: ranks share feature extraction, rank 0 fits and writes `output_path`, the others nap
 * meanwhile. Every rank returns the same status (world_agree). The result does not depend on the number of ranks, nor on
 * what was kept of an earlier start (fit_keep.h), with any number of ranks; STATUS_STOPPED after all that was done is kept.
 *
 * Gold labels: a token is forget when its label is DOMAIN_FORGET; end-of-text and tokens of DOMAIN_MIXED or DOMAIN_UNLABELLED
 * have no gold label, so they are in no sample, prior, threshold or metric; every other label counts as not forget. Probes are
 * fitted to class-balanced random samples and then corrected to the odds of what is labelled in the training set, so that p is
 * calibrated at its prevalence. Document probe: mean feature of the document's first document_tokens tokens.
 *
 * Thresholds maximise F1 on the validation set: once with both classes weighing the same (comparable with the paper),
 * once at natural prevalence. Both are in the file: filter/token_threshold = auto takes the one for natural prevalence,
 * = balanced the other; metrics report both, each prevalence with its own threshold.
 *
 * The file:
 *   /left/parameters /right/parameters float32 arenas (no right one with compat_left_left); /model attributes and
 *   /tensors (model/config_file.h);
 *   /probe/token/weights float64 [2D], attributes bias, converged, gradient_norm (probe.h), threshold, threshold_score;
 *   /probe/document the same;
 *   attributes of /: format "capshape-classifier", format_version 2, layer, context, rows_per_batch, document_tokens, end_of_text,
 *   compat_left_left, token_threshold, document_threshold (p), token_threshold_score, document_threshold_score (16 bit), the
 *   same four with _balanced behind threshold,
 *   tokenizer_hash, tokenizer, classifier_hash;
 *   /metrics/<who>/<set>/<prevalence> with who = classifier, left_only, word_list, document; set = validation, test;
 *   prevalence = balanced, natural: attributes precision recall f1 auroc accuracy threshold threshold_score prevalence
 *   tokens (for who = document: documents);
 *   /metrics/<who>/test/natural/curve: precision, recall, threshold data sets (<= 512 points, threshold ascending);
 *   /shares/token, /shares/document int64 [65536], attribute total: all of the measured validation text by token score and
 *   by document score (tokens): what filter/share is resolved with;
 *   /layers with layer = -1: layer, f1, auroc (validation, balanced, token probe);
 *   /provenance, /parameters.
 * Prints one table (rank 0, log_info). */
enum status classifier_fit(struct world *world, const struct kernels *kernels, struct device *device,
                           const struct fit_options *options, const struct parameters *parameters,
                           const struct provenance *provenance);

#endif
