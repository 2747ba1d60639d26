/* Inside of task = probe: the text that probes see (probing_text.c), pairs of classes of documents (probing_pairs.c), the layers of a
 * point (probing_layer.c), their files (probing_units.c), its run file (probing_write.c), a point (probing_point.c), the table and the task (probing_task.c).
 *
 * The work on a point falls into units: the tokens, or the documents, of one layer. Ranks share them; each writes what it finds into the
 * point's folder `unfinished`, so that units that are done need not be done again, by any number of ranks. Rank 0 makes the point's file of them.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_TASKS_PROBING_PARTS_H
#define CAPSHAPE_TASKS_PROBING_PARTS_H

#include "base/checksum.h"
#include "classifier/layer.h"
#include "tasks/devices.h"
#include "tasks/task.h"
#include "tasks/trained.h"
#include "text/document_groups.h"

enum { PROBING_PAIRS = 16, PROBING_NAME = 96 };

/* Two classes of documents: domains, or groups of probe/groups. */
struct probing_pair {
	char name[2 * PROBING_NAME + 2]; /* "first:second" */
	char classes[2][PROBING_NAME];
	struct document_pair sets[LAYER_SETS];
};

/* What all models that were trained on one text are probed with. */
struct probing_text {
	char *folder; /* NULL: not open */
	struct shard_set *sets[LAYER_SETS];
	int32_t end_of_text;
	struct picks tokens; /* of the training set; none without probe/tokens */
	int64_t blocks[LAYER_SETS];
	struct probing_pair pairs[PROBING_PAIRS];
	int pair_count;
	int64_t *documents[LAYER_SETS]; /* numbers in the set, ascending: rows of the values */
	int64_t document_counts[LAYER_SETS];
};

struct probing {
	struct job *job;
	const struct parameters *parameters;
	const char *output;
	struct trained_run trained;
	struct document_groups groups;
	struct probing_text text;
	struct devices devices;
	bool opened;
};

/* ---- text ---- */

/* That of data/folder, or without it that of the model's own training; the one at hand where it is the same. Not collective. */
enum status probing_text_open(struct probing *probing, const struct parameters *trained);
void probing_text_close(struct probing_text *text);
/* The pairs that probe/pairs names, and their documents. */
enum status probing_pairs_open(const struct probing *probing, struct probing_text *text);

/* ---- layers ---- */

/* The layers of a model that are probed: 0, the embedding, to the number of its blocks. */
struct probing_layers {
	int *numbers; /* [count] ascending */
	int count;
};
/* probe/layers. STATUS_USAGE where a word is no layer of a model of `blocks` blocks. */
enum status probing_layers_find(const struct probing *probing, const char *point, int blocks,
                                struct probing_layers *layers_out);

/* What the probe of tokens finds in a layer. */
enum probing_figure {
	PROBING_F1, /* balanced, as accuracy; then the same at natural prevalence */
	PROBING_F1_NATURAL,
	PROBING_AUROC,
	PROBING_AVERAGE_PRECISION,
	PROBING_ACCURACY,
	PROBING_FIGURES
};
struct probing_tokens {
	double test[PROBING_FIGURES], validation[PROBING_FIGURES];
	int32_t threshold[LAYER_PREVALENCES]; /* score; 65536: none is forget */
	double gradient_norm;
	bool converged;
	/* of the test set */
	int64_t documents;
	uint64_t *number, *group; /* [documents] */
	int32_t *golds[2];        /* [documents] tokens by gold label */
	int32_t *true_forget[LAYER_PREVALENCES], *false_forget[LAYER_PREVALENCES]; /* [documents] */
};
void probing_tokens_clear(struct probing_tokens *tokens);

/* And the probes of pairs of documents. */
struct probing_documents {
	double accuracy[PROBING_PAIRS], validation[PROBING_PAIRS];
	bool converged[PROBING_PAIRS];
	uint8_t *correct[PROBING_PAIRS]; /* [pair's documents of the test set] */
};
void probing_documents_clear(struct probing_documents *documents);

enum status probing_layer_tokens(const struct probing *probing, struct features *features, int layer,
                                 struct probing_tokens *tokens_out);
enum status probing_layer_documents(const struct probing *probing, struct features *features, int layer,
                                    struct probing_documents *documents_out);

/* ---- files ---- */

/* A unit's file, which is complete or absent. *found: it is there and of `name`. */
enum status probing_tokens_write(const char *path, const char *name, const struct probing_tokens *tokens);
enum status probing_tokens_read(const char *path, const char *name, struct probing_tokens *tokens, bool *found);
enum status probing_documents_write(const char *path, const char *name, const struct probing_text *text,
                                    const struct probing_documents *documents);
enum status probing_documents_read(const char *path, const char *name, const struct probing_text *text,
                                   struct probing_documents *documents, bool *found);

/* All of a point. */
struct probing_results {
	const struct probing *probing;
	const struct probing_layers *layers;
	struct probing_tokens *tokens;       /* [layers]; NULL without */
	struct probing_documents *documents; /* [layers]; NULL without */
	char *classifier;                    /* of the run, where it was fitted on this text; NULL: none */
	double classifier_f1, classifier_f1_natural;
};
/* Adds group /probes to the run file (hdf5_note). */
enum status probing_results_note(struct hdf5_writer *writer, const void *results);
/* Index of the layer of best F1 on the validation set (with compat/probe_test_threshold: on the test set), the first of equals. */
int probing_best_layer(const struct probing_results *results);
int probing_best_pair_layer(const struct probing_results *results, int pair);

/* ---- a point ---- */

/* Its probes, unless they are there. Collective; the same status on all ranks. */
enum status probing_point(struct probing *probing, size_t number);

#endif
