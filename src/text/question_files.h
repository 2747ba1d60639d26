/* Files of the user's multiple choice questions: JSON lines, plain, .gz or .zst, read into sets in tokens.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_TEXT_QUESTION_FILES_H
#define CAPSHAPE_TEXT_QUESTION_FILES_H

#include "storage/file_hash.h"
#include "text/question_template.h"
#include "text/questions.h"

struct tokenize_plan;

/* Whether prompts have the passage that a line has as context. BOTH: sets are asked without, and what has passages is asked with them once
 * more, in a set named with ".open" behind; questions to learn from have them. */
enum question_passages { PASSAGES_SHOWN, PASSAGES_HIDDEN, PASSAGES_BOTH };
#define PASSAGES_SUFFIX ".open"

struct question_options {
	const char *const *paths; /* files, or folders, which stand for their files sorted by name */
	size_t path_count;
	struct question_line_options line;
	struct question_templates templates;
	bool skip; /* pass over lines that are no questions */
	/* names of sets whose domain is forget, retain, whatever the lines say */
	const char *const *forget_sets, *const *retain_sets;
	size_t forget_count, retain_count;
	/* Orders of the choices, drawn by the seed: 0: as they are in the file. Questions that are asked have the first of them, those that
	 * are learned from (text/question_documents.h) come in each. */
	int64_t orders;
	uint64_t seed;
	enum question_passages passages;
	const struct tokenize_plan *held_out; /* only the questions of its test set; NULL: all */
};

/* The sets in the order of their names; questions_free(). A set is named by its line, else by its file without .jsonl, .json, .gz and
 * .zst; characters that an HDF5 name or a file name should not have become _. STATUS_DATA naming file and line of what is wrong,
 * STATUS_USAGE when forget_sets or retain_sets names a set that there is not. Says what it found in lines of the log. */
enum status question_files_read(const struct question_options *options, const struct tokenizer *tokenizer,
                                struct question_set **sets, int *count);
/* The files, each from malloc: for content hashes. */
enum status question_files_find(const char *const *paths, size_t path_count, char ***files, size_t *count);
void question_files_free(char **files, size_t count);

#endif
