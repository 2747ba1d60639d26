/* Inside of task = tokenize: what its parts share.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_TASKS_TOKENIZE_PARTS_H
#define CAPSHAPE_TASKS_TOKENIZE_PARTS_H

#include "storage/file_hash.h"
#include "tasks/task.h"
#include "tasks/unfinished.h"
#include "text/generate_text.h"
#include "text/question_files.h"
#include "text/tokenize.h"

/* Files that the tokens are made from (tasks/tokenize_sources.h). */
struct source_facts {
	int64_t bytes, modified;      /* modified: ns since 1970, of a group the latest */
	char hash[CONTENT_HASH_SIZE]; /* "": not known */
};
struct sources {
	struct file_group *groups;
	struct source_facts *facts; /* of each group */
	size_t count, capacity;
	size_t text_count; /* the first ones: all but a vocabulary that is given */
};
void sources_clear(struct sources *sources);

struct tokenizing {
	struct job *job;
	const struct parameters *parameters;
	const char *output;
	struct corpus_options corpus;
	struct generate_options generate;  /* corpus.generate when the text is generated */
	struct question_options questions; /* corpus.questions when it is questions */
	struct tokenize_plan plan;
	struct unfinished unfinished;
	struct tokenizer *tokenizer;
	const char **paths;
	size_t path_count;
	struct sources sources; /* rank 0, once the folder of unfinished work is open */
};

/* Rank 0 makes the vocabulary or finds the one that an earlier start made, everybody reads it. Collective. */
enum status tokenize_obtain_vocabulary(struct tokenizing *work);

/* Rank 0: warns where the tokens, as the sizes of the files let expect, will not fit into the free memory of its node. */
void tokenize_warn_of_memory(const struct tokenizing *work);

/* Rank 0: questions.h5, where there are questions. */
enum status tokenize_questions(const struct tokenizing *work);

/* Rank 0: tokenize/raw. */
enum status tokenize_raw(const struct tokenizing *work);
/* The files of each set that it reads, at most so many; *count is right after an error too. To be cleared. */
enum { TOKENIZE_RAW_SETS = 3 };
enum status tokenize_raw_files(const struct tokenizing *work, struct file_group *groups, size_t *count);

/* Collective: opens the folder of unfinished work, for which rank 0 names all that decides what is made: keys, vocabulary and
 * the hashes of all files of text. Says what files it reads for that; hashes that an earlier start found are not computed again
 * (storage/hash_memory.h). */
enum status tokenize_open_unfinished(struct tokenizing *work);

#endif
