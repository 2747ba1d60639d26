/* Keys of [questions] as options of the modules that read, score and keep questions.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_TASKS_QUESTION_SETTINGS_H
#define CAPSHAPE_TASKS_QUESTION_SETTINGS_H

#include <stdbool.h>

#include "input/parameters.h"
#include "roles/recall.h"
#include "text/question_files.h"

/* questions/scoring and evaluate/questions. STATUS_USAGE when no way to score is named, or one twice, and when questions/paths are to be asked
 * and none are. */
enum status question_settings_check(const struct parameters *parameters);
/* recall_open() as these keys say: *count 0 with evaluate/questions = none. */
enum status question_settings_open(const struct parameters *parameters, const char *folder,
                                   const struct shard_facts *facts, int64_t context, struct recall_set **sets,
                                   int *count);
/* Whether questions/paths names any. */
bool question_settings_given(const struct parameters *parameters);
/* What the keys say of lines, templates and orders; no paths, no names of sets. */
void question_settings_lines(const struct parameters *parameters, struct question_options *options);
/* The sets of the files in `paths` (NULL: questions/paths) in tokens; questions_free(). held_out: as in struct question_options. One
 * rank. */
enum status question_settings_read(const struct parameters *parameters, const struct tokenizer *tokenizer,
                                   const char *const *paths, size_t path_count, const struct tokenize_plan *held_out,
                                   struct question_set **sets, int *count);
/* Names what the files of questions/paths hold. */
enum status question_settings_hash(const struct parameters *parameters, char hash[CONTENT_HASH_SIZE]);

#endif
