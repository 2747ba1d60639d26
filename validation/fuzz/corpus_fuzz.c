/* Fuzzer of the reader of JSON lines: any bytes give documents whose spans are sorted and inside the text, or are refused
 * with a message.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "text/corpus.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int file = memfd_create("corpus", 0);
	if (file < 0 || write(file, data, size) != (ssize_t)size)
		abort();
	char path[64];
	snprintf(path, sizeof path, "/proc/self/fd/%d", file);

	const char *paths[] = { path };
	struct corpus_options options = { .format = "jsonl", .forget_marks = "", .retain_marks = "" };
	struct corpus *corpus = NULL;
	struct document document;
	int found = 0;
	enum status status = corpus_open(paths, 1, &options, &corpus);
	while (status == STATUS_OK && (status = corpus_next(corpus, &document, &found)) == STATUS_OK && found) {
		uint32_t end = 0;
		for (size_t i = 0; i < document.span_count; i++) {
			if (document.spans[i].begin < end || document.spans[i].end <= document.spans[i].begin ||
			    document.spans[i].end > document.size || document.spans[i].domain >= DOMAIN_COUNT)
				abort();
			end = document.spans[i].end;
		}
	}
	if (status != STATUS_OK && error_message()[0] == '\0')
		abort();
	corpus_close(corpus);
	close(file);
	return 0;
}
