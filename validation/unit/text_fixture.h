/* What the tests of text share: a small tokenizer.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef VALIDATION_TEXT_FIXTURE_H
#define VALIDATION_TEXT_FIXTURE_H

#include "validation/unit/storage_fixture.h"

#include "text/tokenizer.h"

/* 300 ordinary tokens. */
static inline struct tokenizer *make_tokenizer(const char *pattern)
{
	static const char text[] = "the theme of the other thing is that it is there and then the weather gathers; "
				   "other people\xe2\x80\x99s caf\xc3\xa9s are there too, 1234 of them.";
	struct tokenizer_trainer *trainer = NULL;
	struct tokenizer *tokenizer = NULL;
	assert_good(tokenizer_trainer_create(pattern, &trainer));
	assert_good(tokenizer_trainer_add(trainer, text, sizeof text - 1));
	assert_good(tokenizer_trainer_finish(trainer, 300, &tokenizer));
	tokenizer_trainer_destroy(trainer);
	return tokenizer;
}

#endif
