/* Numbers as people write them. Private to src/input.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_INPUT_NUMBER_H
#define CAPSHAPE_INPUT_NUMBER_H

#include <stddef.h>
#include <stdint.h>

enum number_result { NUMBER_OK, NUMBER_MALFORMED, NUMBER_NOT_WHOLE, NUMBER_TOO_LARGE, NUMBER_TOO_SMALL };

/* "1500", "1.5k", "2e6", "64Ki": exact, or an error. */
enum number_result number_integer(const char *text, int64_t *value);
/* "0.1", "3e-3". No hexadecimal, infinity or NaN; NUMBER_TOO_SMALL when a value that is not zero would be lost. */
enum number_result number_real(const char *text, double *value);
/* The shortest text that reads back as the same double. */
void number_write(double value, char *buffer, size_t size);

#endif
