/* The report of probes (task = probe): how well linear probes of each model's layers tell forget tokens from others, and documents of two
 * classes (paper, Figures 8 and 21).
 *
 * Of tokens: F1 on test text, in the layer that is best on validation text. Of documents: balanced accuracy, averaged over layers.
 * Intervals are over the documents of the test set, those of one id together; differences are to the unfiltered model of the same size and
 * seed, on the same documents in each resample. Neither thresholds nor layers are chosen anew in a resample.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_REPORT_PROBING_H
#define CAPSHAPE_REPORT_PROBING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "report/bootstrap.h"
#include "report/report.h"
#include "report/show.h"
#include "report/study.h"
#include "report/table.h"

enum { PROBED_F1, PROBED_F1_NATURAL, PROBED_AUROC, PROBED_AVERAGE_PRECISION, PROBED_ACCURACY, PROBED_FIGURES };

/* Documents that a figure is over, and sums over groups of those that belong together. */
enum { PROBED_SUMS = 6 };
struct probed_documents {
	size_t count, groups;
	uint64_t *number, *group;  /* [count] as in the file */
	double *sums[PROBED_SUMS]; /* [groups] */
};

/* Two classes of documents. */
struct probed_pair {
	char *name;
	double *accuracy, *validation; /* [layers] */
	double best;                   /* accuracy in the layer that is best on validation documents */
	int best_layer;
	int64_t train;
	struct probed_documents
		documents; /* sums: of the first class all, right; of the second; right is the mean over layers */
	struct interval mean, difference; /* over layers */
};

/* A model. */
struct probed {
	size_t run;   /* of the list */
	size_t group; /* of the study */
	char *seed;
	char *settings; /* hash of the keys that it was probed with; NULL: not known */
	size_t layers;
	int32_t *layer; /* [layers] */
	/* of tokens */
	bool has_tokens;
	double *figures[PROBED_FIGURES], *validation[PROBED_FIGURES]; /* [layers] */
	size_t best;                                                  /* index of the layer */
	double prevalence;
	int64_t train, test; /* tokens */
	struct probed_documents
		documents; /* sums: forget, other, true and false forget, the same two at natural prevalence */
	struct interval f1, f1_natural, accuracy, difference;
	/* of documents */
	struct probed_pair *pairs;
	size_t pair_count;
	double classifier_f1; /* of the run's own classifier on this text; NaN: none */
};

struct probings {
	const struct study *study;
	struct probed *models; /* by group, then seed */
	size_t count;
	char **left_out; /* lines: damaged files */
	size_t left_count, left_capacity;
	const char **pairs; /* names that any model has */
	size_t pair_count;
};

/* Whether the folder holds probes (false as well when it cannot be read). */
bool probings_is_folder(const char *folder);
/* The probes of the runs of the study, read from `folder`. */
enum status probings_read(const char *folder, const struct study *study, struct probings *probings_out);
void probings_clear(struct probings *probings);
/* The unfiltered model of the same size and seed (else of the first seed); NULL when there is none, or for such a model itself. */
const struct probed *probings_baseline(const struct probings *probings, const struct probed *model);
/* NULL when the model has no such pair. */
const struct probed_pair *probings_pair(const struct probed *model, const char *name);
const char *probings_method(const struct probings *probings, const struct probed *model);
const char *probings_size(const struct probings *probings, const struct probed *model);

/* F1, its forms, and accuracies of pairs from sums. */
double probings_f1(double forget, double other, double true_forget, double false_forget, bool balanced);
double probings_accuracy(double forget, double other, double true_forget, double false_forget);
/* Intervals and differences. probing_intervals.c */
enum status probings_intervals(struct probings *probings, size_t resamples, double confidence, uint64_t seed);

#define PROBING_PLOT        "probe-f1"
#define PROBING_PAIRS_PLOT  "probe-documents"
#define PROBING_LAYERS_PLOT "probe-layers"
/* The figures; `drawn`: whether there was something to show. probing_plot.c */
enum status probings_plot_tokens(const char *folder, const struct probings *probings, bool *drawn);
enum status probings_plot_pairs(const char *folder, const struct probings *probings, bool *drawn);
enum status probings_plot_layers(const char *folder, const struct probings *probings, bool *drawn);

/* Tables for programs, and for people. probing_tables.c */
enum { PROBING_TOKENS, PROBING_LAYERS, PROBING_DOCUMENTS, PROBING_DOCUMENT_LAYERS, PROBING_TABLES };
enum status probings_tables(const struct probings *probings, struct table tables[PROBING_TABLES]);
void probings_show(const struct probings *probings, enum show_form form, struct buffer *buffer);
/* The findings in sentences, an item each. probing_words.c */
void probings_words(const struct probings *probings, enum show_form form, struct buffer *buffer);
/* All of it: as report_make(), of such a folder. probing_report.c */
enum status probings_make(const struct report_options *options, const char *folder, FILE *out);

#endif
