/* The files of a corpus, and of what kind each is.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_TEXT_CORPUS_FILES_H
#define CAPSHAPE_TEXT_CORPUS_FILES_H

#include <stddef.h>

#include "base/status.h"

enum file_kind { FILE_JSON_LINES, FILE_TEXT, FILE_GCIDE, FILE_QUESTIONS };

struct corpus_file {
	char *path;
	enum file_kind kind;
};

/* Zero-initialise. */
struct corpus_files {
	struct corpus_file *files;
	size_t count, capacity;
};

/* A file, or the files of a folder sorted by name; of a dictionary its folder or file. format: as in struct corpus_options, NULL: "auto".
 * STATUS_DATA naming what is missing or of a kind that its name does not tell, STATUS_USAGE for an unknown format. */
enum status corpus_files_add(struct corpus_files *list, const char *path, const char *format);
void corpus_files_clear(struct corpus_files *list);

#endif
