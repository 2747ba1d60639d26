/* What the tests of src/input share: parsing that must work, and parsing that must fail with certain words.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef VALIDATION_INPUT_FIXTURE_H
#define VALIDATION_INPUT_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "input/parameters.h"

/* A pretrain file with everything that is required; more sections can follow. */
#define MINIMAL "[run]\ntask = pretrain\noutput = out\n[data]\nfolder = tok\n"

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

/* Parses; the test fails with the message when that fails. sweep_destroy(). */
static inline struct sweep *parse_good(const char *text, int override_count, const char *const *overrides)
{
	struct sweep *sweep = NULL;
	error_clear();
	enum status status = sweep_parse("test.in", text, override_count, overrides, &sweep);
	if (status != STATUS_OK)
		print_error("%s\n", error_message());
	assert_int_equal(status, STATUS_OK);
	assert_non_null(sweep);
	return sweep;
}

/* Parses, expects STATUS_USAGE and a message that holds `words`. */
static inline void parse_bad(const char *text, const char *override, const char *words)
{
	struct sweep *untouched = (struct sweep *)&untouched, *sweep = untouched;
	error_clear();
	enum status status = sweep_parse("test.in", text, override != NULL, &override, &sweep);
	assert_int_equal(status, STATUS_USAGE);
	assert_ptr_equal(sweep, untouched);
	if (strstr(error_message(), words) == NULL)
		print_error("expected: %s\nmessage:  %s\n", words, error_message());
	assert_non_null(strstr(error_message(), words));
}

/* MINIMAL and then `more`, from malloc. */
static inline char *with_minimal(const char *more)
{
	size_t size = sizeof MINIMAL + strlen(more);
	char *text = malloc(size);
	assert_non_null(text);
	snprintf(text, size, "%s%s", MINIMAL, more);
	return text;
}

#endif
