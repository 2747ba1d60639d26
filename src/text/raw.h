/* The raw files of the reference implementation: NAME.bin (uint32 ids, little-endian, no header), NAME_lens.bin (uint32
 * tokens per document, optional), NAME_filter.bin (float16 p(forget) per token, optional), NAME_labels.bin (bool bytes).
 * Converted into a shard set, so that everything after it is the same.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_TEXT_RAW_H
#define CAPSHAPE_TEXT_RAW_H

#include "base/status.h"
#include "text/shard.h"

/* Reads `stem`.bin and its companions and writes shards `folder`/`name`-*.h5 of at most `shard_tokens` tokens. Without
 * lens, documents are runs of 2048 tokens. `scores_out`: p per token when _filter.bin exists (malloc), else NULL;
 * *token_count tokens. STATUS_DATA when sizes disagree, naming both files and both sizes. */
enum status raw_convert(const char *stem, const char *folder, const char *name, const struct shard_facts *facts,
                        int64_t shard_tokens, float **scores_out, int64_t *token_count);

/* IEEE half precision to float. */
float raw_half_to_float(uint16_t half);

#endif
