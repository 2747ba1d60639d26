/* Keys of [questions] as options of the modules that read, score and keep questions.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_TASKS_QUESTION_SETTINGS_H
#define CAPSHAPE_TASKS_QUESTION_SETTINGS_H

#include <stdbool.h>

#include "input/parameters.h"
#include "roles/recall.h"
#include "text/question_files.h"

/* questions/scoring. STATUS_USAGE when it names none, or one twice. */
enum status question_settings_rules(const struct parameters *parameters, struct recall_rules *rules);
/* Whether questions/paths names any. */
bool question_settings_given(const struct parameters *parameters);
/* What the keys say of lines, templates and orders; no paths, no names of sets. */
void question_settings_lines(const struct parameters *parameters, struct question_options *options);
/* The sets of the files in `paths` (NULL: questions/paths) in tokens; questions_free(). held_out: as in struct question_options. One
 * rank. */
enum status question_settings_read(const struct parameters *parameters, const struct tokenizer *tokenizer,
                                   const char *const *paths, size_t path_count, const struct tokenize_plan *held_out,
                                   struct question_set **sets, int *count);
/* The files of questions/paths, each a group of its own, *count of them from malloc; to be cleared each. */
enum status question_settings_files(const struct parameters *parameters, struct file_group **groups, size_t *count);
/* Names what the files of questions/paths hold. */
enum status question_settings_hash(const struct parameters *parameters, char hash[CONTENT_HASH_SIZE]);

#endif
