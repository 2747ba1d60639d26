/* Inside src/results only: the proof that a checkpoint is sound, needed by reading and by replacing one.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_RESULTS_CHECKPOINT_READ_H
#define CAPSHAPE_RESULTS_CHECKPOINT_READ_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

/* STATUS_OK: sound, with this identity and size. STATUS_DATA or STATUS_IO: damaged, or with *other = true of another
 * identity or size. */
enum status checkpoint_verify(const char *folder, int64_t step, const char *identity, int64_t arena_size, bool *other);

#endif
