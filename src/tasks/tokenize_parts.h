/* Inside of task = tokenize: what its parts share.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_TASKS_TOKENIZE_PARTS_H
#define CAPSHAPE_TASKS_TOKENIZE_PARTS_H

#include "tasks/task.h"
#include "tasks/unfinished.h"
#include "text/generate_text.h"
#include "text/tokenize.h"

struct tokenizing {
	struct job *job;
	const struct parameters *parameters;
	const char *output;
	struct corpus_options corpus;
	struct generate_options generate; /* corpus.generate when the text is generated */
	struct tokenize_plan plan;
	struct unfinished unfinished;
	struct tokenizer *tokenizer;
	const char **paths;
	size_t path_count;
};

/* Rank 0 makes the vocabulary or finds the one that an earlier start made, everybody reads it. Collective. */
enum status tokenize_obtain_vocabulary(struct tokenizing *work);

/* Rank 0: warns where the tokens, as the sizes of the files let expect, will not fit into the free memory of its node. */
void tokenize_warn_of_memory(const struct tokenizing *work);

/* Rank 0: tokenize/raw. */
enum status tokenize_raw(const struct tokenizing *work);
/* A line about the files of each set that tokenize_raw() reads, added to `text`: unfinished_add_line(). */
enum status tokenize_raw_describe(const struct tokenizing *work, char **text);

#endif
