/* The recorded failure message and the table of exit codes.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MESSAGE_SIZE = 16384 };

static _Thread_local char message[MESSAGE_SIZE];

static const struct {
	int exit_code;
	const char *name;
} status_table[] = {
	[STATUS_OK] = { 0, "success" },
	[STATUS_INTERNAL] = { 1, "internal error" },
	[STATUS_USAGE] = { 2, "bad input" },
	[STATUS_DATA] = { 3, "bad data" },
	[STATUS_IO] = { 4, "input/output error" },
	[STATUS_ENVIRONMENT] = { 5, "unsuitable environment" },
	[STATUS_PEER] = { 6, "lost rank" },
	[STATUS_NUMERIC] = { 7, "numerical failure" },
	[STATUS_STOPPED] = { 75, "stopped on request" },
};

static const enum status status_last = STATUS_STOPPED;

int status_exit_code(enum status status)
{
	return (unsigned)status <= (unsigned)status_last ? status_table[status].exit_code : 1;
}

const char *status_name(enum status status)
{
	return (unsigned)status <= (unsigned)status_last ? status_table[status].name : "unknown status";
}

enum status error_raise(enum status status, const char *format, ...)
{
	/* Formatted aside first: an argument may be the old message itself. */
	char text[MESSAGE_SIZE];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	memcpy(message, text, sizeof text);
	return status;
}

enum status error_context(enum status status, const char *format, ...)
{
	char text[MESSAGE_SIZE];
	va_list arguments;
	va_start(arguments, format);
	int length = vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	size_t used = length < 0 ? 0 : (size_t)length < sizeof text ? (size_t)length : sizeof text - 1;
	/* The old message may lose its end, never its NUL. */
	for (const char *part = ": "; *part != '\0' && used + 1 < sizeof text; part++)
		text[used++] = *part;
	for (const char *part = message; *part != '\0' && used + 1 < sizeof text; part++)
		text[used++] = *part;
	text[used] = '\0';
	memcpy(message, text, used + 1);
	return status;
}

const char *error_message(void)
{
	return message;
}

void error_clear(void)
{
	message[0] = '\0';
}
