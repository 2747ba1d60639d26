/* Fuzzer of the reader of rank files: any bytes give a tokenizer or are refused with a message that names the file.
 * The 256 single bytes stand before what the fuzzer makes, so that it gets past them.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "text/tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put_bytes(FILE *file)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	for (int byte = 0; byte < 256; byte++)
		fprintf(file, "%c%c== %d\n", digits[byte >> 2], digits[(byte & 3) << 4], byte);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[64];
	snprintf(path, sizeof path, "/tmp/capshape-fuzz-%ld.tiktoken", (long)getpid());
	FILE *file = fopen(path, "w");
	if (file == NULL)
		abort();
	/* The first byte decides whether the single bytes are there. */
	if (size > 0 && data[0] % 8 != 0)
		put_bytes(file);
	if (size > 1)
		fwrite(data + 1, 1, size - 1, file);
	if (fclose(file) != 0)
		abort();

	struct tokenizer *tokenizer = NULL;
	if (tokenizer_read(path, &tokenizer) != STATUS_OK) {
		if (strstr(error_message(), path) == NULL)
			abort();
	} else {
		struct token_span *spans = NULL;
		size_t capacity = 0, count = 0;
		if (tokenizer_encode(tokenizer, (const char *)data, size, &spans, &capacity, &count) != STATUS_OK)
			abort();
		for (size_t i = 0; i < count; i++) {
			if (spans[i].id < 0 || spans[i].id >= tokenizer_size(tokenizer))
				abort();
		}
		free(spans);
	}
	tokenizer_destroy(tokenizer);
	unlink(path);
	return 0;
}
