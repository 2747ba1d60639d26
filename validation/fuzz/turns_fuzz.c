/* Fuzzer of conversations: any bytes as JSON lines give turns that follow each other in the text, or are refused with a message.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "text/corpus.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_turns(const struct document *document)
{
	bool answered = document->turn_count == 0;
	uint32_t end = 0;
	for (size_t i = 0; i < document->turn_count; i++) {
		const struct text_turn *turn = &document->turns[i];
		if (turn->begin != end || turn->end < turn->begin || turn->end >= document->size ||
		    document->text[turn->end] != '\n' || turn->role >= TURN_ROLES)
			abort();
		end = turn->end + 1;
		answered |= turn->role == TURN_ASSISTANT;
	}
	if (!answered || (document->turn_count > 0 && end != document->size))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int file = memfd_create("turns", 0);
	if (file < 0 || write(file, data, size) != (ssize_t)size)
		abort();
	char path[64];
	snprintf(path, sizeof path, "/proc/self/fd/%d", file);
	const char *paths[] = { path };
	struct corpus_options options = { .format = "jsonl", .forget_marks = "", .retain_marks = "" };
	struct corpus *corpus = NULL;
	struct document document;
	int found = 0;
	error_clear();
	enum status status = corpus_open(paths, 1, &options, &corpus);
	while (status == STATUS_OK && (status = corpus_next(corpus, &document, &found)) == STATUS_OK && found)
		check_turns(&document);
	if (status != STATUS_OK && error_message()[0] == '\0')
		abort();
	corpus_close(corpus);
	close(file);
	return 0;
}
