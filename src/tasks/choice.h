/* Which points of a finished run are meant: start/points, sample/points.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_TASKS_CHOICE_H
#define CAPSHAPE_TASKS_CHOICE_H

#include <stdbool.h>

#include "input/parameters.h"

/* chosen[i] for every point i of `sweep`, the input of the run in the folder `run`, by the words of the list `key`: numbers from 0 ("12"),
 * ranges ("3-5"), names, in which * and ? stand for any letters, and conditions ("filter/method=mask"). A point is chosen when
 * one of the numbers, ranges and names is its own, and of all conditions on a key one holds; no word: every point. STATUS_USAGE where a word
 * means no point, or all words together none. */
enum status choice_make(const struct parameters *parameters, const char *key, const char *run,
                        const struct sweep *sweep, bool *chosen);

#endif
