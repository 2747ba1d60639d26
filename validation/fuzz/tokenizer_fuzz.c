/* Fuzzer of the tokenizer: the tokens of any bytes cover them without gaps, and what they decode to encodes to the same.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "text/tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct tokenizer *make_tokenizer(void)
{
	static const char sample[] =
		"the rain in Spain stays mainly in the plain; 1234 times 56 is 69104, they're sure.\n\n"
		"the theme of the thesis \xc3\xa4nderte sich, und \xe2\x82\xac 12 blieben.";
	struct tokenizer_trainer *trainer = NULL;
	struct tokenizer *tokenizer = NULL;
	if (tokenizer_trainer_create("cl100k", &trainer) != STATUS_OK ||
	    tokenizer_trainer_add(trainer, sample, sizeof sample - 1) != STATUS_OK ||
	    tokenizer_trainer_finish(trainer, 280, &tokenizer) != STATUS_OK)
		abort();
	tokenizer_trainer_destroy(trainer);
	return tokenizer;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct tokenizer *tokenizer;
	if (!tokenizer)
		tokenizer = make_tokenizer();

	struct token_span *spans = NULL, *again = NULL;
	size_t capacity = 0, count = 0, capacity_again = 0, count_again = 0;
	if (tokenizer_encode(tokenizer, (const char *)data, size, &spans, &capacity, &count) != STATUS_OK)
		abort();
	int32_t *ids = calloc(count + 1, sizeof *ids);
	if (!ids)
		abort();
	uint32_t end = 0;
	for (size_t i = 0; i < count; i++) {
		if (spans[i].begin > end || spans[i].end < spans[i].begin || spans[i].end > size ||
		    tokenizer_is_special(tokenizer, spans[i].id))
			abort();
		end = spans[i].end;
		ids[i] = spans[i].id;
	}
	if (end != size)
		abort();

	char *text = NULL;
	size_t text_size = 0;
	if (tokenizer_decode(tokenizer, ids, count, &text, &text_size) != STATUS_OK ||
	    tokenizer_encode(tokenizer, text, text_size, &again, &capacity_again, &count_again) != STATUS_OK ||
	    count_again != count)
		abort();
	for (size_t i = 0; i < count; i++)
		if (again[i].id != ids[i])
			abort();
	free(text);
	free(ids);
	free(spans);
	free(again);
	return 0;
}
