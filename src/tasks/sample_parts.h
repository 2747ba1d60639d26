/* Inside of task = sample: generating answers (sample_generate.c), a point's model and files (sample_point.c), lines of
 * its answers (sample_write.c), numbers of them (sample_summary.c), the table (sample_table.c) and the task (sample_task.c).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_TASKS_SAMPLE_PARTS_H
#define CAPSHAPE_TASKS_SAMPLE_PARTS_H

#include "model/decode.h"
#include "model/sampling.h"
#include "tasks/devices.h"
#include "tasks/task.h"
#include "tasks/trained.h"
#include "text/answers.h"
#include "text/phrases.h"
#include "text/prompts.h"
#include "text/tokenizer.h"

/* ---- generating ---- */

enum answer_stop { ANSWER_RUNNING, ANSWER_END, ANSWER_LENGTH, ANSWER_CONTEXT };

/* What is to be generated: `each` answers to every prompt. Answer i is number i % each to prompt i / each. */
struct answer_plan {
	const int32_t *
		ids; /* the prompts' tokens, each prompt beginning with end-of-text; in a chat with the markers around it */
	const int64_t *begin; /* [prompts + 1] into ids */
	int64_t prompts, each;
	int64_t most;    /* new tokens of an answer */
	int64_t context; /* tokens of prompt and answer together */
	int64_t batch;   /* answers at a time */
	int32_t end_of_text;
	int32_t end_of_turn; /* ends an answer as end-of-text does; -1: not in a chat */
	bool routed;         /* the model has a forget part: run/routed says whether it was cut out */
	uint64_t seed;
	struct sampling sampling;
};

/* An answer as whole numbers, so that ranks can add up what each of them has. */
enum answer_field {
	ANSWER_STOP,            /* enum answer_stop */
	ANSWER_COUNT,           /* tokens, end-of-text not counted */
	ANSWER_LOG_PROBABILITY, /* bits of a double: the sum over tokens, that of an end-of-text included */
	ANSWER_HIDDEN,          /* bits of a double: sum of the hidden token's probabilities */
	ANSWER_CHOSEN,          /* tokens that were chosen: ANSWER_COUNT, and 1 more for an end-of-text */
	ANSWER_TOKENS           /* `most` places */
};
static inline int64_t answer_width(const struct answer_plan *plan)
{
	return ANSWER_TOKENS + plan->most;
}
double answer_real(int64_t bits);

/* Answers first .. last - 1 into records[last - first, answer_width()]: the same bits whoever computes them. Collective: ranks share
 * them. */
enum status answers_generate(struct world *world, struct decoder *decoder, const struct answer_plan *plan,
                             int64_t first, int64_t last, int64_t *records);

/* ---- the work ---- */

struct sampling_work {
	struct job *job;
	const struct parameters *parameters;
	const char *output;
	struct trained_run trained;
	struct prompt_set prompts;
	struct phrases *phrases; /* NULL: none */
	char *folder;            /* that tokenizer.h5 was read from */
	struct tokenizer *tokenizer;
	int32_t *excluded; /* ids that are never chosen */
	int64_t excluded_count;
	int32_t *ids; /* of the prompts */
	int64_t *begin;
	struct devices devices;
	bool opened;
};

/* Sums over answers: to a prompt, or to several. */
struct answers_tally {
	int64_t answers, tokens, chosen;
	int64_t stops[ANSWER_CONTEXT + 1];
	int64_t matches;                          /* answers that match a phrase */
	int64_t replaced;                         /* parts of texts that were no UTF-8 */
	double log_probability, hidden, repeated; /* over tokens, over tokens, over answers */
};

/* The text of a point's files so far. */
struct answers_text {
	char *text;
	size_t size, capacity;
	struct answers_pairs pairs;
	struct answers_tally *tallies; /* [prompts] */
};
void answers_text_clear(struct answers_text *text);
/* Adds a line for each of the answers `first` .. of `records`, and counts them. */
enum status answers_text_add(const struct sampling_work *work, const struct answer_plan *plan, int64_t first,
                             int64_t last, const int64_t *records, struct answers_text *text);
/* Writes samples.jsonl, then summary.json, into the folder. `name`: of what the samples depend on. */
enum status answers_text_write(const struct sampling_work *work, const struct answer_plan *plan, const char *folder,
                               const char *point, const char *name, struct answers_text *text);
/* Tokens that were chosen for all answers. */
int64_t answers_text_chosen(const struct sampling_work *work, const struct answers_text *text);

/* The text of summary.json, from malloc; samples_hash: names the content of samples.jsonl. */
enum status answers_summary_make(const struct sampling_work *work, const struct answer_plan *plan, const char *point,
                                 const char *name, const char *samples_hash, struct answers_text *text,
                                 char **summary_out);
/* Whether the folder holds whole files of that name. */
bool answers_are_there(const char *folder, const char *name);

/* The tokenizer that the point's model was trained with, and the prompts as its tokens; those at hand where they are the same.
 * Not collective. */
enum status sample_open_tokenizer(struct sampling_work *work, const struct parameters *trained);
/* The point's answers, unless they are there. Collective; the same status on all ranks. */
enum status sample_point(struct sampling_work *work, size_t number);

/* A line for each point that has a summary. Rank 0. */
void sample_print_table(const struct sampling_work *work);

#endif
