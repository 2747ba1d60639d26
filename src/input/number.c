/* Reading whole and real numbers, and writing reals so that they read back the same.
 * SPDX-License-Identifier: Apache-2.0 */
#include "input/number.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The parts of a decimal number; digits point into the text. */
struct decimal {
	bool negative;
	const char *whole, *fraction;
	size_t whole_count, fraction_count;
	int exponent;
	const char *suffix;
};

static size_t count_digits(const char *text)
{
	size_t count = 0;
	while (isdigit((unsigned char)text[count]))
		count++;
	return count;
}

/* Splits [+-]digits[.digits][e[+-]digits]suffix; false when there is no digit. */
static bool decimal_split(const char *text, struct decimal *out)
{
	*out = (struct decimal){ .negative = *text == '-' };
	if (*text == '-' || *text == '+')
		text++;
	out->whole = text;
	out->whole_count = count_digits(text);
	text += out->whole_count;
	if (*text == '.') {
		out->fraction = ++text;
		out->fraction_count = count_digits(text);
		text += out->fraction_count;
	}
	if (out->whole_count + out->fraction_count == 0)
		return false;
	if (*text == 'e' || *text == 'E') {
		const char *digits = text + 1 + (text[1] == '-' || text[1] == '+');
		size_t count = count_digits(digits);
		if (count == 0 || count > 6)
			return false;
		out->exponent = (int)strtol(text + 1, NULL, 10);
		text = digits + count;
	}
	out->suffix = text;
	return true;
}

/* The factor of "", "k", "Mi", ...; 0 when there is no such suffix. */
static uint64_t suffix_factor(const char *suffix)
{
	static const char letters[] = "kMGT";
	if (suffix[0] == '\0')
		return 1;
	/* "K" is written for k often enough to be taken as meant. */
	char letter = suffix[0] == 'K' ? 'k' : suffix[0];
	const char *found = strchr(letters, letter);
	bool binary = suffix[1] == 'i';
	if (found == NULL || suffix[1 + binary] != '\0')
		return 0;
	uint64_t factor = 1;
	for (const char *step = letters; step <= found; step++)
		factor *= binary ? 1024 : 1000;
	return factor;
}

static bool append_digits(uint64_t *value, const char *digits, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (__builtin_mul_overflow(*value, 10U, value) ||
		    __builtin_add_overflow(*value, (uint64_t)(digits[i] - '0'), value))
			return false;
	return true;
}

enum number_result number_integer(const char *text, int64_t *value)
{
	struct decimal decimal;
	if (!decimal_split(text, &decimal))
		return NUMBER_MALFORMED;
	uint64_t factor = suffix_factor(decimal.suffix), magnitude = 0;
	if (factor == 0)
		return NUMBER_MALFORMED;
	while (decimal.fraction_count > 0 && decimal.fraction[decimal.fraction_count - 1] == '0')
		decimal.fraction_count--;
	if (!append_digits(&magnitude, decimal.whole, decimal.whole_count) ||
	    !append_digits(&magnitude, decimal.fraction, decimal.fraction_count) ||
	    __builtin_mul_overflow(magnitude, factor, &magnitude))
		return NUMBER_TOO_LARGE;
	long scale = decimal.exponent - (long)decimal.fraction_count;
	for (; magnitude != 0 && scale < 0; scale++) {
		if (magnitude % 10 != 0)
			return NUMBER_NOT_WHOLE;
		magnitude /= 10;
	}
	for (; magnitude != 0 && scale > 0; scale--)
		if (__builtin_mul_overflow(magnitude, 10U, &magnitude))
			return NUMBER_TOO_LARGE;
	if (magnitude > INT64_MAX)
		return NUMBER_TOO_LARGE;
	*value = decimal.negative ? -(int64_t)magnitude : (int64_t)magnitude;
	return NUMBER_OK;
}

enum number_result number_real(const char *text, double *value)
{
	struct decimal decimal;
	if (!decimal_split(text, &decimal) || decimal.suffix[0] != '\0')
		return NUMBER_MALFORMED;
	errno = 0;
	double result = strtod(text, NULL);
	if (!isfinite(result))
		return NUMBER_TOO_LARGE;
	if (errno == ERANGE)
		return NUMBER_TOO_SMALL;
	*value = result == 0 ? 0 : result; /* no negative zero */
	return NUMBER_OK;
}

void number_write(double value, char *buffer, size_t size)
{
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(buffer, size, "%.*g", digits, value);
		if (strtod(buffer, NULL) == value)
			return;
	}
}
