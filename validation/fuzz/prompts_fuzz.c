/* Fuzzer of the reader of prompts: any bytes give texts that are UTF-8, each from a line of the file, or are refused with a message.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "text/prompts.h"
#include "text/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct prompt_set *set)
{
	char hash[CONTENT_HASH_SIZE];
	uint64_t line = 0;
	for (size_t i = 0; i < set->count; i++) {
		const struct prompt *prompt = &set->prompts[i];
		if (utf8_valid_prefix(prompt->text, prompt->size) != prompt->size ||
		    prompt->text[prompt->size] != '\0' || prompt->line <= line ||
		    (prompt->id != NULL && prompt->id[0] == '\0') ||
		    (prompt->group != NULL && prompt->group[0] == '\0'))
			abort();
		line = prompt->line;
	}
	if (set->count == 0 || prompt_set_hash(set, hash) != STATUS_OK)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int file = memfd_create("prompts", 0);
	if (file < 0 || write(file, data, size) != (ssize_t)size)
		abort();
	char path[64];
	snprintf(path, sizeof path, "/proc/self/fd/%d", file);
	struct prompt_set set = { 0 };
	error_clear();
	if (prompt_set_read(path, "prompt", &set) == STATUS_OK)
		check(&set);
	else if (error_message()[0] == '\0')
		abort();
	prompt_set_clear(&set);
	close(file);
	return 0;
}
