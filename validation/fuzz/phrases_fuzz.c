/* Fuzzer of the expressions that answers are looked through for: any lines are expressions, or refused with a message; the text, what
 * follows the first empty line, has one of them or not.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "text/phrases.h"
#include "text/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look(const struct phrases *phrases, const char *text, size_t size)
{
	const char *expression = NULL;
	if (phrases_find(phrases, text, size, &expression) != STATUS_OK && error_message()[0] == '\0')
		abort();
	if (expression != NULL && expression[0] == '\0')
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *gap = memmem(data, size, "\n\n", 2);
	size_t lines = gap == NULL ? size : (size_t)(gap - data), left = gap == NULL ? 0 : size - lines - 2;
	int file = memfd_create("phrases", 0);
	if (file < 0 || write(file, data, lines) != (ssize_t)lines)
		abort();
	char path[64], *text = malloc(left + 1);
	if (text == NULL)
		abort();
	if (left > 0)
		memcpy(text, gap + 2, left);
	text[left] = '\0';
	snprintf(path, sizeof path, "/proc/self/fd/%d", file);
	struct phrases *phrases = NULL;
	error_clear();
	if (phrases_read(path, &phrases) == STATUS_OK) {
		look(phrases, text, utf8_valid_prefix(text, left));
		phrases_destroy(phrases);
	} else if (error_message()[0] == '\0') {
		abort();
	}
	free(text);
	close(file);
	return 0;
}
