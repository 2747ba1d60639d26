/* What the tests of generated text share: one small text.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef VALIDATION_GENERATE_FIXTURE_H
#define VALIDATION_GENERATE_FIXTURE_H

#include "validation/unit/text_fixture.h"

#include "text/generate_text.h"

static const struct generate_options OPTIONS = { .seed = 5,
	                                         .documents = 4000,
	                                         .facts = 64,
	                                         .relations = 2,
	                                         .objects = 12,
	                                         .entanglement = 0.5,
	                                         .zipf = 1,
	                                         .filler_words = 50,
	                                         .sentences = 6,
	                                         .forget_share = 0.25,
	                                         .retain_share = 0.25,
	                                         .mixed_share = 0.3,
	                                         .mixed_forget_share = 0.5,
	                                         .filler_share = 0.3,
	                                         .questions = 1000,
	                                         .candidates = 8,
	                                         .validation_share = 0.1,
	                                         .test_share = 0.1 };

#endif
