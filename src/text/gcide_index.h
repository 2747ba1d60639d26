/* The files of a dictd dictionary: gcide.index (head word TAB offset TAB length, numbers in base 64) and gcide.dict.dz
 * (gzip). Several head words may point to one place of the text; each place is one entry.
 *
 * Head words that begin with "00-database" are the notices of the database. They are left out; in Debian's dict-gcide
 * their four texts are also reachable as 00-gcide-* and 00-web1913-info, which stay, so that the number of entries is
 * the number of distinct places behind all other head words: 126,240.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_TEXT_GCIDE_INDEX_H
#define CAPSHAPE_TEXT_GCIDE_INDEX_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

struct gcide_place {
	uint64_t offset, length;
	const char *head_word; /* the first of the index, owned by the dictionary */
};

struct gcide_dictionary;

/* `path`: gcide.dict.dz, gcide.dict, or a folder that holds one of them; the index lies beside it. STATUS_DATA naming
 * the file, and the line of the index. */
enum status gcide_dictionary_open(const char *path, struct gcide_dictionary **dictionary_out);
size_t gcide_dictionary_count(const struct gcide_dictionary *dictionary);
/* Entry `index` in the order of the text. */
const char *gcide_dictionary_entry(const struct gcide_dictionary *dictionary, size_t index, size_t *size,
                                   const char **head_word);
/* The file of the text for `path`, and of the index beside it. From malloc. */
enum status gcide_dictionary_files(const char *path, char **text_path, char **index_path);
void gcide_dictionary_close(struct gcide_dictionary *dictionary);

#endif
