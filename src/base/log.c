/* Output lines: who speaks and how they begin.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>

static struct {
	int rank;
	char role[64];
	bool opened, speaks;
} state = { .speaks = true };

void log_open(int rank, const char *role, bool speaks)
{
	state.rank = rank;
	snprintf(state.role, sizeof state.role, "%s", role);
	state.opened = true;
	state.speaks = speaks;
}

void log_info(const char *format, ...)
{
	if (!state.speaks)
		return;
	va_list arguments;
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	putchar('\n');
	fflush(stdout);
}

/* One fprintf, so that lines of several ranks do not mix. */
static void write_line(const char *kind, const char *format, va_list arguments)
{
	char text[16384];
	vsnprintf(text, sizeof text, format, arguments);
	fflush(stdout);
	if (state.opened && state.role[0] != '\0')
		fprintf(stderr, "capshape: rank %d (%s): %s: %s\n", state.rank, state.role, kind, text);
	else if (state.opened)
		fprintf(stderr, "capshape: rank %d: %s: %s\n", state.rank, kind, text);
	else
		fprintf(stderr, "capshape: %s: %s\n", kind, text);
	fflush(stderr);
}

void log_warning(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	write_line("warning", format, arguments);
	va_end(arguments);
}

void log_error(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	write_line("error", format, arguments);
	va_end(arguments);
}
