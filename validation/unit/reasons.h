/* After cmocka.h: an assert_int_equal() that prints the message of the last failure too, so that a call that fails where nobody can
 * look (a GPU that is lent for minutes) says why.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_VALIDATION_UNIT_REASONS_H
#define CAPSHAPE_VALIDATION_UNIT_REASONS_H

#include <stdint.h>

#include "base/status.h"

static inline void assert_same_number(intmax_t actual, intmax_t expected, const char *file, int line)
{
	if (actual == expected)
		return;
	print_error("%jd != %jd\n", actual, expected);
	if (error_message()[0] != '\0')
		print_error("%s\n", error_message());
	_fail(file, line);
}

#undef assert_int_equal
#define assert_int_equal(actual, expected)                                                                             \
	assert_same_number((intmax_t)(actual), (intmax_t)(expected), __FILE__, __LINE__)

#endif
