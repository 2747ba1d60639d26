/* Results of one run (one point of a sweep): collected in memory, written to points/NAME/run.h5 as docs/run-file.md
 * says, kept in checkpoints so that a resumed run ends with the same file, read back for reports.
 *
 * Zero-initialise a struct run_results, fill it with the functions below (and its plain fields directly), free it with
 * run_results_clear(). All texts and arrays are copied.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_RESULTS_RUN_FILE_H
#define CAPSHAPE_RESULTS_RUN_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "input/parameters.h"
#include "results/provenance.h"
#include "storage/hdf5_file.h"

enum { RUN_HISTOGRAM_BINS = 64 };

/* What the name of an evaluation set begins with where the model was evaluated with its forget part (filter/method = route). */
#define RUN_WHOLE_VERSION "whole_"

/* One row of the curves. */
struct run_step {
	int64_t step; /* steps done: 1, 2, ... */
	double loss, learning_rate, gradient_norm;
	int64_t tokens; /* so far, as the next two */
	double kept_tokens, flops;
	double forget_distance, retain_distance; /* of unlearning; else NaN */
};

struct run_evaluation_row {
	int64_t step;
	double loss, label_loss; /* nats a token; NaN when there is none */
};

/* One evaluation set. */
struct run_evaluation {
	char *set; /* "forget", "retain", ... */
	struct run_evaluation_row *rows;
	size_t row_count, row_capacity;
	/* of the last evaluation */
	int64_t document_count;
	uint64_t *document_number;
	uint64_t *document_group; /* equal where documents belong together; NULL: not known */
	int64_t *document_tokens, *document_label_tokens;
	double *document_nll, *document_label_nll;
};

struct run_domain {
	char *name;
	int64_t tokens, filtered;
};

/* Answers by one way of scoring (roles/recall.h). */
struct run_answers {
	char *rule;              /* "cloze", "bytes", "pmi", "letters" */
	uint8_t *correct;        /* [count] */
	float *margin;           /* [count] in the unit of the rule; NaN: not asked, the question is too long */
	double accuracy, chance; /* over those asked; NaN when there are none */
	double listed, valid;    /* by letters, else NaN (roles/recall.h) */
	int64_t asked;
};

/* What only the user's own questions have. */
struct run_own {
	char *rule;           /* of correct, margin, accuracy and chance */
	char *domain;         /* "" when not said */
	int64_t asked;        /* by that rule */
	double listed, valid; /* by that rule */
	uint8_t *choices;     /* [count] */
	uint8_t *right;       /* [count] the right one, from 0 */
	uint64_t *cluster;    /* [count] equal where questions belong together */
	int32_t *group;       /* [count] index into groups */
	char **groups;        /* [group_count] */
	size_t group_count;
	char **ids;                 /* [count] */
	struct run_answers *others; /* by other rules */
	size_t other_count;
};

/* Multiple choice questions of one set, at the last evaluation. */
struct run_questions {
	char *set; /* "forget", "retain"; own: their name */
	int64_t count;
	uint8_t *correct;     /* [count] */
	float *margin;        /* [count] nats; own: in the unit of the rule, NaN: not asked */
	int64_t *occurrences; /* [count] sentences of the training set that state the fact; NULL: own questions */
	double accuracy, chance;
	struct run_own *own; /* NULL: about facts */
};

struct run_model {
	char name[64];
	int64_t layers, width, heads, context, vocabulary, parameters, embedding_parameters;
	char tokenizer[64];       /* hash of the tokenizer of its text; "": not said */
	struct hdf5_note details; /* what else the file says of the model. Written to the run file, not read back */
};

struct run_compute {
	double nominal_flops, training_flops, seconds, tokens_per_second;
};

/* A run that began from the checkpoint of another one: its step (0: it did not), and what of training_flops that other
 * run had spent. Written to the run file, not read back. */
struct run_fork {
	int64_t step;
	double flops;
};

/* The threshold that was used, wherever it came from. Written to the run file, not read back. */
struct run_filter {
	bool has_threshold;
	int64_t threshold_score;
	double threshold, spared; /* p, and the share of what lies at it that was let through */
};

/* Unlearning (roles/steering.h); layer 0: none. Written to the run file, not read back. */
struct run_steering {
	int64_t layer, first_block;          /* both counted from 1 */
	double coefficient, alpha;           /* length the stream is to have; weight of the retain loss */
	double forget_length, retain_length; /* mean length before */
};

/* Finetuning towards a loss on the forget set (evaluations/forget has the losses of whole sets and the documents). */
struct run_recovery {
	bool present;
	double target;      /* nats a token */
	int64_t documents;  /* of the forget set */
	double *target_nll; /* [documents] of the model whose loss is the target; NULL: the target was given */
	size_t rows, step_capacity, nll_capacity;
	int64_t *step; /* [rows] */
	double *nll;   /* [rows][documents] */
};

struct run_results {
	int64_t point;
	char *point_name;
	bool finished;      /* set by reading; run_file_write() takes it as an argument */
	char identity[160]; /* what the run was made with: attribute `identity` of the file, "" when there is none */
	struct run_model model;
	struct run_compute compute;
	struct run_filter filter;
	struct run_fork fork;
	struct hdf5_note origin;   /* what the file says of the run that this one began from. Not read back */
	struct hdf5_note addition; /* what else a task has to say. Not read back */
	struct run_steering steering;
	/* accumulating: these, and only these, are what a checkpoint's state holds */
	struct run_step *steps;
	size_t step_count, step_capacity;
	struct run_evaluation *evaluations; /* sorted by the name of the set */
	size_t evaluation_count, evaluation_capacity;
	struct run_domain *domains;
	size_t domain_count, domain_capacity;
	struct run_questions *questions; /* sorted by the name of the set */
	size_t question_count, question_capacity;
	struct run_recovery recovery;
	bool has_histogram; /* whether anything was scored */
	int64_t histogram[RUN_HISTOGRAM_BINS];
};

enum status run_results_set_point(struct run_results *results, int64_t point, const char *name);
/* Steps must grow. */
enum status run_results_add_step(struct run_results *results, const struct run_step *row);
/* Adds the set when it is new. A second evaluation at the step of the last one replaces it. */
enum status run_results_add_evaluation(struct run_results *results, const char *set,
                                       const struct run_evaluation_row *row);
/* Replaces the document table of a set (made when it is new). Arrays of `count`; `group` NULL: not known. */
enum status run_results_set_documents(struct run_results *results, const char *set, int64_t count,
                                      const uint64_t *number, const uint64_t *group, const int64_t *tokens,
                                      const int64_t *label_tokens, const double *nll, const double *label_nll);
/* Replaces the answers of a set (made when it is new); with `own`, of own questions. */
enum status run_results_set_questions(struct run_results *results, const struct run_questions *questions);
/* Sets the counts of a domain (added when it is new). */
enum status run_results_set_domain(struct run_results *results, const char *name, int64_t tokens, int64_t filtered);
/* Says what finetuning is to reach; `nll` [documents], NULL: a given number. */
enum status run_results_set_target(struct run_results *results, double target, int64_t documents, const double *nll);
/* Adds an evaluation of the forget set, of so many documents as the target; a second one at the same step replaces it. */
enum status run_results_add_recovery(struct run_results *results, int64_t step, const double *nll);
/* Drops all evaluations, or all answers to questions. */
void run_results_drop_evaluations(struct run_results *results);
void run_results_drop_questions(struct run_results *results);
/* Drops target and losses of a finetuning. */
void run_results_drop_recovery(struct run_results *results);
/* A copy of everything, into a zeroed struct: for a thread that writes it while the run goes on. */
enum status run_results_copy(const struct run_results *from, struct run_results *to);
/* Frees everything and zeroes the struct. */
void run_results_clear(struct run_results *results);

/* Complete or absent. `parameters` may be NULL (no group /parameters), `provenance` too (then neither group). */
enum status run_file_write(const char *path, const struct run_results *results, const struct parameters *parameters,
                           const struct provenance *provenance, bool finished);
/* Into a zeroed struct. STATUS_DATA when missing, damaged, or not a run file of this version. */
enum status run_file_read(const char *path, struct run_results *results);

/* The accumulating parts under the group results/ of a state file, bit for bit. Reading replaces those parts of
 * `results` and leaves its other fields as they are. */
enum status run_results_write_state(struct hdf5_writer *writer, const struct run_results *results);
enum status run_results_read_state(struct hdf5_reader *reader, struct run_results *results);

#endif
