/* Encodes texts for tokenizer_compare.py: `tokenizer_encode TOKENIZER` reads (uint32 size, bytes) records from standard
 * input and writes (uint32 count, uint32 ids, uint32 begins, uint32 ends) records to standard output.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "text/tokenizer.h"

static int fail(void)
{
	fprintf(stderr, "tokenizer_encode: %s\n", error_message());
	return 1;
}

static int write_numbers(const struct token_span *spans, size_t count)
{
	uint32_t number = (uint32_t)count;
	int good = fwrite(&number, sizeof number, 1, stdout) == 1;
	for (int column = 0; column < 3; column++) {
		for (size_t i = 0; i < count && good; i++) {
			number = column == 0 ? (uint32_t)spans[i].id : column == 1 ? spans[i].begin : spans[i].end;
			good = fwrite(&number, sizeof number, 1, stdout) == 1;
		}
	}
	return good;
}

int main(int argc, char **argv)
{
	struct tokenizer *tokenizer;
	struct token_span *spans = NULL;
	char *text = NULL;
	size_t span_capacity = 0, text_capacity = 0, count = 0;
	uint32_t size;
	if (argc != 2) {
		fprintf(stderr, "usage: tokenizer_encode TOKENIZER\n");
		return 2;
	}
	if (tokenizer_read(argv[1], &tokenizer) != STATUS_OK)
		return fail();
	while (fread(&size, sizeof size, 1, stdin) == 1) {
		if (memory_grow((void **)&text, &text_capacity, (size_t)size + 1, 1) != STATUS_OK)
			return fail();
		if (fread(text, 1, size, stdin) != size) {
			fprintf(stderr, "tokenizer_encode: the input ends within a text\n");
			return 1;
		}
		if (tokenizer_encode(tokenizer, text, size, &spans, &span_capacity, &count) != STATUS_OK)
			return fail();
		if (!write_numbers(spans, count) || fflush(stdout) != 0) {
			fprintf(stderr, "tokenizer_encode: cannot write\n");
			return 1;
		}
	}
	tokenizer_destroy(tokenizer);
	free(spans);
	free(text);
	return 0;
}
