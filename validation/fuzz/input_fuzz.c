/* Fuzzer of the input-file parser: any bytes are either parsed, and then the used text parses again to the same points,
 * or refused with a message.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "input/parameters.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	if (!text)
		abort();
	memcpy(text, data, size);
	text[size] = '\0';

	struct sweep *sweep = NULL, *again = NULL;
	if (sweep_parse("fuzz.in", text, 0, NULL, &sweep) == STATUS_OK) {
		char *used = sweep_used_text(sweep);
		if (sweep_parse("used.in", used, 0, NULL, &again) != STATUS_OK ||
		    sweep_point_count(again) != sweep_point_count(sweep))
			abort();
		for (size_t i = 0; i < sweep_point_count(sweep); i++) {
			char hash[33], hash_again[33];
			parameters_hash(sweep_point(sweep, i), hash);
			parameters_hash(sweep_point(again, i), hash_again);
			if (strcmp(hash, hash_again) != 0 ||
			    strcmp(sweep_point_name(sweep, i), sweep_point_name(again, i)) != 0)
				abort();
		}
		sweep_destroy(again);
		sweep_destroy(sweep);
		free(used);
	} else if (error_message()[0] == '\0') {
		abort();
	}
	free(text);
	return 0;
}
