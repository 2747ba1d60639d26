/* What an unfinished task keeps for its next start: the folder OUTPUT/unfinished, with a file made-with that names everything
 * that decides its content, after a line "capshape = VERSION" for each version of this program that has worked there (which
 * decide nothing: a format that changes gets another kind of journal or another name). A task that finishes removes it;
 * whatever is in it can be made again.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_TASKS_UNFINISHED_H
#define CAPSHAPE_TASKS_UNFINISHED_H

#include <stdbool.h>

#include "base/checksum.h"
#include "comm/world.h"
#include "input/parameters.h"

struct unfinished {
	char *folder;
	char identity[CONTENT_HASH_SIZE]; /* of what it is made with */
};

/* A line "section/key = value" for each key that decides the results of the point's task, but for the key `except` (NULL: for
 * none). From malloc; NULL after error_raise(). */
char *unfinished_keys(const struct parameters *parameters, const char *except);
/* `text` with a line more, which it is replaced by; NULL stays. */
char *unfinished_add_line(char *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Collective; rank 0 gives the text. What an earlier start of another text left is removed, after a line that says the first
 * difference; what another version of this program left is gone on with, after a line that names both; before there is a new note, `clean` (may be NULL) removes from `output` what may be left there. STATUS_USAGE where the
 * folder has no note and holds files that are not of this program. The lock of `output` is held. */
enum status unfinished_open(struct world *world, const char *output, const char *text,
                            enum status (*clean)(const char *output), struct unfinished *unfinished);
void unfinished_clear(struct unfinished *unfinished);

/* One rank, the lock of `output` held: removes the folder, and temporary files that programs which were killed left in
 * `output`. */
enum status unfinished_remove(const char *output);
/* Collective, of a task that is finished: removes what a program left that was killed before it could. */
enum status unfinished_tidy(struct world *world, const char *output);

#endif
