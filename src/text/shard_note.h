/* Notes that shards are finished: NAME-00000.done in a folder of unfinished work, with the hash of the file of the shard and some
 * counts. A note counts for as long as the very file that it means is there.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_TEXT_SHARD_NOTE_H
#define CAPSHAPE_TEXT_SHARD_NOTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

struct shard_place {
	const char *folder, *name; /* of the shard */
	int64_t number;
	const char *kept_folder; /* of its note */
};

/* "kept_folder/NAME-00000.ENDING", from malloc. */
char *shard_kept_path(const struct shard_place *place, const char *ending);
/* The shard is written. */
enum status shard_note_write(const struct shard_place *place, const int64_t *counts, size_t count);
/* *finished: there is a note and its shard; then the counts are set. */
enum status shard_note_find(const struct shard_place *place, int64_t *counts, size_t count, bool *finished);

#endif
