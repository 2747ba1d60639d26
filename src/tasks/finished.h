/* Whether an earlier run left a finished file, and whether it was made with what the input now says.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_TASKS_FINISHED_H
#define CAPSHAPE_TASKS_FINISHED_H

#include <stdbool.h>

#include "comm/world.h"
#include "input/parameters.h"

/* Compares the record /parameters of a file with `parameters`: STATUS_DATA naming file, key, both values and the origin
 * when a key that decides results differs. */
enum status finished_check_parameters(const char *path, const struct parameters *parameters);
/* Collective, of a task whose last file is `path`: *finished: it is there, and complete; then it agrees with `parameters`, or the
 * status is that of finished_check_parameters(). */
enum status finished_find(struct world *world, const char *path, const struct parameters *parameters, bool *finished);
/* A run file: *finished. STATUS_DATA when it has another identity. A missing or incomplete file is not finished. */
enum status finished_check_run(const char *path, const char *identity, const struct parameters *parameters,
                               bool *finished);

#endif
