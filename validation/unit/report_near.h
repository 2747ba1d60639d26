/* Comparison of real numbers for the tests of src/report; cmocka 1.1.5 has it for float only.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_VALIDATION_REPORT_NEAR_H
#define CAPSHAPE_VALIDATION_REPORT_NEAR_H

#include <math.h>
#include <stdio.h>

#define assert_near(value, expected, tolerance)                                                                        \
	assert_near_at((value), (expected), (tolerance), #value, __FILE__, __LINE__)

static inline void assert_near_at(double value, double expected, double tolerance, const char *text, const char *file,
                                  int line)
{
	if (value == expected || fabs(value - expected) <= tolerance)
		return;
	print_error("%s is %.15g, expected %.15g within %g\n", text, value, expected, tolerance);
	_fail(file, line);
}

#endif
