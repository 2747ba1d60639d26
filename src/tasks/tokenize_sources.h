/* The files that a tokenization is made from: text, questions, a vocabulary that is given. One rank.
 *
 * corpus.h5 keeps a record of them (group /sources: name, bytes, modified, hash), by which a later start notices that they are not what
 * they were. What an older version wrote has no such record.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_TASKS_TOKENIZE_SOURCES_H
#define CAPSHAPE_TASKS_TOKENIZE_SOURCES_H

#include "storage/hdf5_file.h"
#include "tasks/tokenize_parts.h"

#define SOURCES_GROUP "sources"

/* A path that is not there, and an empty folder, are not. */
bool source_path_is_there(const char *path);

/* The text, then questions, then the vocabulary; all but their hashes. STATUS_DATA where one is missing; with `all` false what is named in the
 * input file and is not there is left out. To be cleared. */
enum status sources_find(const struct tokenizing *work, bool all, struct sources *sources);

enum status sources_write(const struct sources *sources, struct hdf5_writer *writer);
/* The record of a corpus.h5; of groups names alone, no source where there is no record. To be cleared. */
enum status sources_read(const char *path, struct sources *sources);

/* Compares the sources of a finished tokenization, whose corpus.h5 is `summary_path`, with what is there now: STATUS_DATA naming a file that
 * was added, removed, or is another one. A file of the same size whose modification time is another is read for its hash, once: that is
 * noted in a file `sources-seen` beside corpus.h5. What the input file names and is not there any more is not compared. */
enum status sources_check(const struct tokenizing *work, const char *summary_path);

#endif
