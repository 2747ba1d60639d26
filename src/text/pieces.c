/* The piece patterns on PCRE2.
 *
 * Two sets of characters differ between PCRE2 and the Unicode library of the original tokenizers, so they are spelled
 * out: white space (PCRE2's \s also has U+180E), and the letters and numbers of Unicode 15 and 16 (PCRE2 of Debian 12
 * stops at Unicode 14). ASCII ranges are spelled out for speed: listed characters are found in a bitmap.
 * SPDX-License-Identifier: Apache-2.0 */
#include "text/pieces.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

#define SPACES                                                                                                         \
	"\\x{9}-\\x{d}\\x{20}\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}"

#define NEW_LETTERS                                                                                                    \
	"\\x{1c89}-\\x{1c8a}\\x{a7cb}-\\x{a7cd}\\x{a7da}-\\x{a7dc}\\x{105c0}-\\x{105f3}\\x{10d4a}-\\x{10d65}"          \
	"\\x{10d6f}-\\x{10d85}\\x{10ec2}-\\x{10ec4}\\x{1123f}-\\x{11240}\\x{11380}-\\x{11389}\\x{1138b}\\x{1138e}"     \
	"\\x{11390}-\\x{113b5}\\x{113b7}\\x{113d1}\\x{113d3}\\x{11bc0}-\\x{11be0}\\x{11f02}\\x{11f04}-\\x{11f10}"      \
	"\\x{11f12}-\\x{11f33}\\x{1342f}\\x{13441}-\\x{13446}\\x{13460}-\\x{143fa}\\x{16100}-\\x{1611d}"               \
	"\\x{16d40}-\\x{16d6c}\\x{18cff}\\x{1b132}\\x{1b155}\\x{1df25}-\\x{1df2a}\\x{1e030}-\\x{1e06d}"                \
	"\\x{1e4d0}-\\x{1e4eb}\\x{1e5d0}-\\x{1e5ed}\\x{1e5f0}\\x{2b739}\\x{2ebf0}-\\x{2ee5d}\\x{31350}-\\x{323af}"

#define NEW_NUMBERS                                                                                                    \
	"\\x{10d40}-\\x{10d49}\\x{116d0}-\\x{116e3}\\x{11bf0}-\\x{11bf9}\\x{11f50}-\\x{11f59}\\x{16130}-\\x{16139}"    \
	"\\x{16d70}-\\x{16d79}\\x{1ccf0}-\\x{1ccf9}\\x{1d2c0}-\\x{1d2d3}\\x{1e4f0}-\\x{1e4f9}\\x{1e5f1}-\\x{1e5fa}"

#define LETTERS "a-zA-Z\\p{L}" NEW_LETTERS
#define NUMBERS "0-9\\p{N}" NEW_NUMBERS
#define SYMBOL  "[^" SPACES LETTERS NUMBERS "]"

static const char CL100K_TEXT[] = "'(?i:[sdmt]|ll|ve|re)"
				  "|[^\\r\\n" LETTERS NUMBERS "]?+[" LETTERS "]++"
				  "|[" NUMBERS "]{1,3}+"
				  "| ?" SYMBOL "++[\\r\\n]*+"
				  "|[" SPACES "]*[\\r\\n]"
				  "|[" SPACES "]+(?![^" SPACES "])"
				  "|[" SPACES "]+";

static const char GPT2_TEXT[] = "'(?:[sdmt]|ll|ve|re)"
				"| ?[" LETTERS "]++"
				"| ?[" NUMBERS "]++"
				"| ?" SYMBOL "++"
				"|[" SPACES "]+(?![^" SPACES "])"
				"|[" SPACES "]+";

struct piece_pattern {
	pcre2_code *code;
	bool compiled; /* to machine code */
};

struct piece_matcher {
	const struct piece_pattern *pattern;
	pcre2_match_data *data;
	pcre2_match_context *context;
};

const char *pattern_name(enum pattern pattern)
{
	return pattern == PATTERN_GPT2 ? "gpt2" : "cl100k";
}

enum status pattern_from_name(const char *name, enum pattern *pattern_out)
{
	if (strcmp(name, "cl100k") == 0)
		*pattern_out = PATTERN_CL100K;
	else if (strcmp(name, "gpt2") == 0)
		*pattern_out = PATTERN_GPT2;
	else
		return error_raise(STATUS_DATA, "\"%s\" is not a piece pattern: cl100k or gpt2", name);
	return STATUS_OK;
}

enum status piece_pattern_create(enum pattern pattern, struct piece_pattern **pattern_out)
{
	struct piece_pattern *created = memory_allocate(1, sizeof *created);
	if (created == NULL)
		return STATUS_ENVIRONMENT;
	int error;
	PCRE2_SIZE offset;
	const char *text = pattern == PATTERN_GPT2 ? GPT2_TEXT : CL100K_TEXT;
	created->code = pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_ANCHORED, &error,
	                              &offset, NULL);
	if (created->code == NULL) {
		char reason[128] = "";
		pcre2_get_error_message(error, (PCRE2_UCHAR *)reason, sizeof reason);
		free(created);
		return error_raise(STATUS_INTERNAL, "PCRE2 rejects the piece pattern %s at offset %zu: %s",
		                   pattern_name(pattern), (size_t)offset, reason);
	}
	created->compiled = pcre2_jit_compile(created->code, PCRE2_JIT_COMPLETE) == 0;
	*pattern_out = created;
	return STATUS_OK;
}

void piece_pattern_destroy(struct piece_pattern *pattern)
{
	if (pattern == NULL)
		return;
	pcre2_code_free(pattern->code);
	free(pattern);
}

enum status piece_matcher_create(const struct piece_pattern *pattern, struct piece_matcher **matcher_out)
{
	struct piece_matcher *matcher = memory_allocate(1, sizeof *matcher);
	if (matcher == NULL)
		return STATUS_ENVIRONMENT;
	matcher->pattern = pattern;
	matcher->data = pcre2_match_data_create(1, NULL);
	matcher->context = pcre2_match_context_create(NULL);
	if (matcher->data == NULL || matcher->context == NULL) {
		piece_matcher_destroy(matcher);
		return error_raise(STATUS_ENVIRONMENT, "out of memory for the piece pattern");
	}
	/* A run of a million blanks is an ordinary piece. */
	pcre2_set_match_limit(matcher->context, UINT32_MAX);
	pcre2_set_heap_limit(matcher->context, UINT32_MAX);
	*matcher_out = matcher;
	return STATUS_OK;
}

void piece_matcher_destroy(struct piece_matcher *matcher)
{
	if (matcher == NULL)
		return;
	pcre2_match_data_free(matcher->data);
	pcre2_match_context_free(matcher->context);
	free(matcher);
}

enum status piece_next(struct piece_matcher *matcher, const char *text, size_t size, size_t begin, size_t *end)
{
	const pcre2_code *code = matcher->pattern->code;
	int result = PCRE2_ERROR_JIT_STACKLIMIT;
	if (matcher->pattern->compiled)
		result = pcre2_jit_match(code, (PCRE2_SPTR)text, size, begin, 0, matcher->data, matcher->context);
	if (result == PCRE2_ERROR_JIT_STACKLIMIT)
		result = pcre2_match(code, (PCRE2_SPTR)text, size, begin, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT,
		                     matcher->data, matcher->context);
	if (result < 0) {
		char reason[128] = "";
		pcre2_get_error_message(result, (PCRE2_UCHAR *)reason, sizeof reason);
		return error_raise(STATUS_INTERNAL, "PCRE2 cannot cut the text at byte %zu: %s", begin, reason);
	}
	size_t stop = pcre2_get_ovector_pointer(matcher->data)[1];
	if (stop <= begin)
		return error_raise(STATUS_INTERNAL, "PCRE2 found an empty piece at byte %zu", begin);
	*end = stop;
	return STATUS_OK;
}
