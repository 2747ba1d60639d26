/* What an earlier start of task = label may have left in its output folder.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_TASKS_LABEL_CLEAN_H
#define CAPSHAPE_TASKS_LABEL_CLEAN_H

#include "base/status.h"

/* Removes its shards. */
enum status label_remove_shards(const char *output);

#endif
