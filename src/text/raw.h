/* The raw files of the reference implementation: NAME.bin (uint32 ids, little-endian, no header), NAME_lens.bin
 * (uint32 tokens per document, optional), NAME_filter.bin (float16 p(forget) per token, optional), NAME_labels.bin
 * (bool bytes, optional). Converted into a shard set, so that everything after it is the same.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_TEXT_RAW_H
#define CAPSHAPE_TEXT_RAW_H

#include <stdint.h>

#include "base/status.h"
#include "storage/file_hash.h"
#include "text/shard.h"

/* Reads `stem`.bin and its companions and writes shards `folder`/`name`-*.h5 of at most `shard_tokens` tokens (a longer
 * document is a shard of its own). Without lens, documents are runs of 2048 tokens. An end-of-text token at the end of
 * a document is the one that every document of a shard ends with; a document without gets one.
 * Labels: true is DOMAIN_FORGET, false DOMAIN_UNMARKED (not forget); a document is forget when at least half of its tokens are;
 * without _labels.bin all of it is DOMAIN_UNLABELLED. facts->shard_count and has_token_labels are found here.
 * `scores_out`: p for each token of the shards in their order when _filter.bin exists (from malloc; 0 for an
 * end-of-text token that was added), else NULL; *token_count tokens. STATUS_DATA when sizes disagree, naming both files and both
 * sizes.
 * `kept_folder`: where it is noted which shards are finished (shard_note.h), these are not written again; NULL: nowhere.
 * *kept_count: how many these were. */
enum status raw_convert(const char *stem, const char *folder, const char *name, const struct shard_facts *facts,
                        int64_t shard_tokens, const char *kept_folder, float **scores_out, int64_t *token_count,
                        int64_t *kept_count);
/* `stem`.bin and those of its companions that are there. To be cleared. */
enum status raw_file_group(const char *stem, struct file_group *group);

/* IEEE half precision to float. */
float raw_half_to_float(uint16_t half);

#endif
