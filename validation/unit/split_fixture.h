/* What the tests of splits share: a request for whatever is best.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef VALIDATION_SPLIT_FIXTURE_H
#define VALIDATION_SPLIT_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "roles/split.h"

static const struct split_point one_point = { .training = 4e6 };

static inline struct split_request automatic(int ranks)
{
	return (struct split_request){ .ranks = ranks,
		                       .trainers = -1,
		                       .groups = -1,
		                       .classifiers = -1,
		                       .readers = -1,
		                       .slots = 8,
		                       .needs_scores = true,
		                       .points = &one_point,
		                       .point_count = 1,
		                       .scoring = 1e6,
		                       .reading = 2e4 };
}

#endif
