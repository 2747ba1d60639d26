/* Fuzzer of the dictionary entries: any bytes give UTF-8 text with sorted spans inside it.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "text/gcide_entry.h"
#include "text/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct gcide_mark_lists *lists;
	static struct gcide_entry entry;
	if (lists == NULL && gcide_mark_lists_create("Med. Anat.", "Zool. Bot.", &lists) != STATUS_OK)
		abort();
	if (gcide_entry_parse((const char *)data, size, lists, &entry) != STATUS_OK)
		abort();
	if (utf8_valid_prefix(entry.text, entry.size) != entry.size || entry.text[entry.size] != '\0' ||
	    (unsigned)entry.domain >= DOMAIN_COUNT)
		abort();
	uint32_t end = 0;
	for (size_t i = 0; i < entry.span_count; i++) {
		const struct label_span *span = &entry.spans[i];
		if (span->begin < end || span->end <= span->begin || span->end > entry.size ||
		    span->domain == DOMAIN_UNMARKED || span->domain > DOMAIN_OTHER)
			abort();
		end = span->end;
	}
	if (entry.scope_count == 0 && (entry.span_count > 0 || entry.domain != DOMAIN_UNMARKED))
		abort();
	/* The same again from used memory. */
	size_t first = entry.size;
	if (gcide_entry_parse((const char *)data, size, lists, &entry) != STATUS_OK || entry.size != first)
		abort();
	return 0;
}
