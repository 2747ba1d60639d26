/* Fitting the probes on two trained language models, choosing thresholds, measuring, writing the classifier file.
 * Paper sections 5.1 and 5.2; evaluation at class balance (comparable with the paper) and at natural prevalence.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_CLASSIFIER_FIT_H
#define CAPSHAPE_CLASSIFIER_FIT_H

#include <mpi.h>

#include "classifier/classifier.h"
#include "input/parameters.h"
#include "results/provenance.h"

struct fit_options {
	const char *data_folder;      /* shard sets train, validation, test */
	int layer;                    /* -1: every layer is tried, best validation F1 (token, balanced) kept */
	int context;                  /* positions of a row */
	int64_t probe_tokens;         /* training tokens of the token probe, balanced */
	int64_t probe_documents;      /* training documents of the document probe, balanced */
	int64_t evaluation_tokens;    /* upper limit of validation and of test tokens (natural prevalence) */
	double l2;                    /* ridge on the standardised features, relative to the mean loss */
	double forget_share;          /* gold label of a document is forget when at least this share of its tokens is */
	int64_t rows_per_batch;       /* constant micro-batch of feature extraction, rows */
	bool compat_left_left;        /* the released code's "bidirectional" pair: left model fed twice */
	uint64_t seed;
	/* arenas of master parameters (host), model_config_layout order */
	const struct model_config *config;
	const float *left_parameters, *right_parameters;
	const char *output_path;
};

/* Collective over `comm`: ranks share feature extraction, rank 0 fits and writes `output_path`. Every rank returns the
 * same status. The file:
 *   /left/parameters /right/parameters float32 arenas; /model attributes (config); /probe/token/weights [2D], bias, and
 *   /probe/document the same; attributes layer, context, token_threshold, document_threshold (p and 16-bit score),
 *   tokenizer_hash, classifier_hash;
 *   /metrics/<who>/<set>/<prevalence> with who = classifier, left_only, word_list, document; set = validation, test;
 *   prevalence = balanced, natural: attributes precision recall f1 auroc threshold prevalence tokens;
 *   /metrics/.../curve: precision, recall, threshold arrays (test, natural, <= 512 points).
 * Prints one table (rank 0, log_info). `unit` of a document metric is documents. */
enum status classifier_fit(MPI_Comm comm, const struct kernels *kernels, struct device *device,
                           const struct fit_options *options, const struct parameters *parameters,
                           const struct provenance *provenance);

#endif
