/* Packing documents into rows: which window answers for which token, and where every piece lies.
 * SPDX-License-Identifier: Apache-2.0 */
#include "classifier/rows.h"

#include <stdlib.h>

#include "base/memory.h"

/* Windows of a document of `count` tokens. Both directions cut a document at the same places, so that the two features
 * of a token have seen the same stretch of text. */
struct windows {
	int64_t count, width, stride, tokens;
};

static struct windows windows_of(int64_t tokens, int64_t context)
{
	struct windows windows = { .count = 1, .tokens = tokens, .width = context - 1 };
	windows.stride = windows.width - windows.width / 2;
	if (tokens > windows.width)
		windows.count += (tokens - windows.width + windows.stride - 1) / windows.stride;
	else
		windows.width = tokens;
	return windows;
}

/* The last window is moved back so that it is full: more context for the end of the document, no short pieces. */
static int64_t window_begin(const struct windows *windows, int64_t number)
{
	int64_t begin = number * windows->stride, last = windows->tokens - windows->width;
	return begin < last ? begin : last;
}

/* Tokens between `token` and the nearest cut of the window; the ends of the document are no cuts. */
static int64_t distance_from_cut(const struct windows *windows, int64_t number, int64_t token)
{
	int64_t begin = window_begin(windows, number), end = begin + windows->width;
	int64_t before = begin > 0 ? token - begin : INT64_MAX;
	int64_t after = end < windows->tokens ? end - 1 - token : INT64_MAX;
	return before < after ? before : after;
}

/* Whether window `number` answers for the token: it is farthest from a cut there, and in no earlier window as far. */
static bool window_owns(const struct windows *windows, int64_t number, int64_t token)
{
	int64_t own = distance_from_cut(windows, number, token);
	for (int64_t other = number - 1; other >= 0; other--) {
		if (window_begin(windows, other) + windows->width <= token)
			break;
		if (distance_from_cut(windows, other, token) >= own)
			return false;
	}
	for (int64_t other = number + 1; other < windows->count; other++) {
		if (window_begin(windows, other) > token)
			break;
		if (distance_from_cut(windows, other, token) > own)
			return false;
	}
	return true;
}

/* Tokens of document `document`, its final end-of-text left out. */
static int64_t document_tokens(const int32_t *ids, const int64_t *document_begin, int64_t document, int32_t end_of_text)
{
	int64_t begin = document_begin[document], end = document_begin[document + 1];
	if (end > begin && ids[end - 1] == end_of_text)
		end--;
	return end - begin;
}

static enum status rows_reserve(struct rows *rows, int64_t positions)
{
	int32_t **arrays[] = { &rows->inputs, &rows->targets, &rows->starts, &rows->source, &rows->target_source };

	if (positions <= rows->capacity)
		return STATUS_OK;
	rows_clear(rows);
	for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) {
		*arrays[i] = memory_allocate((size_t)positions, sizeof **arrays[i]);
		if (*arrays[i] == NULL) {
			rows_clear(rows);
			return STATUS_ENVIRONMENT;
		}
	}
	rows->capacity = positions;
	return STATUS_OK;
}

/* Position of the next piece of `size` positions (its own <eot> included). */
static int64_t place_piece(int64_t *next, int64_t size, int64_t context)
{
	int64_t used = *next % context, begin = *next;
	if (used != 0 && used + size > context)
		begin += context - used;
	*next = begin + size;
	return begin;
}

int64_t rows_end(int64_t position, int64_t tokens, int64_t context)
{
	struct windows windows = windows_of(tokens, context);
	for (int64_t number = 0; tokens > 0 && number < windows.count; number++)
		place_piece(&position, windows.width + 1, context);
	return position;
}

static int64_t count_positions(const int32_t *ids, const int64_t *document_begin, int64_t documents, int64_t context,
                               int32_t end_of_text)
{
	int64_t next = 0;
	for (int64_t document = 0; document < documents; document++)
		next = rows_end(next, document_tokens(ids, document_begin, document, end_of_text), context);
	return (next + context - 1) / context * context;
}

static void fill_unused(struct rows *rows, int64_t begin, int64_t end, int32_t end_of_text)
{
	for (int64_t at = begin; at < end; at++) {
		rows->inputs[at] = rows->targets[at] = end_of_text;
		rows->source[at] = rows->target_source[at] = -1;
		rows->starts[at] = (int32_t)(at % rows->context);
	}
}

/* One window at positions [at, at + width + 1). `first`: index of the document's first token. */
static void fill_piece(struct rows *rows, int64_t at, const struct windows *windows, int64_t number, const int32_t *ids,
                       int64_t first, int32_t end_of_text, bool reversed)
{
	int64_t begin = window_begin(windows, number), step = reversed ? -1 : 1;
	int64_t token = reversed ? begin + windows->width - 1 : begin; /* next in reading direction */
	int32_t start = (int32_t)(at % rows->context), source = -1;

	rows->inputs[at] = end_of_text;
	for (int64_t i = 0; i <= windows->width; i++, at++, token += step) {
		bool exists = token >= 0 && token < windows->tokens, inside = i < windows->width;
		int32_t next = inside && window_owns(windows, number, token) ? (int32_t)(first + token) : -1;
		rows->starts[at] = start;
		rows->source[at] = source;
		rows->targets[at] = exists ? ids[first + token] : end_of_text;
		rows->target_source[at] = source = next;
		if (inside)
			rows->inputs[at + 1] = ids[first + token];
	}
}

enum status rows_pack(struct rows *rows, const int32_t *ids, const int64_t *document_begin, int64_t documents,
                      int64_t context, int32_t end_of_text, bool reversed)
{
	int64_t positions, next = 0, filled = 0;

	if (context < 2 || context > INT32_MAX)
		return error_raise(STATUS_USAGE,
		                   "rows of %lld positions cannot hold documents: use a context of 2 or more",
		                   (long long)context);
	if (documents > 0 && document_begin[documents] > INT32_MAX)
		return error_raise(STATUS_USAGE, "%lld tokens are too many to pack at once: use smaller blocks",
		                   (long long)document_begin[documents]);
	positions = count_positions(ids, document_begin, documents, context, end_of_text);
	STATUS_TRY(rows_reserve(rows, positions));
	rows->context = context;
	rows->count = positions / context;
	for (int64_t document = 0; document < documents; document++) {
		int64_t tokens = document_tokens(ids, document_begin, document, end_of_text);
		struct windows windows = windows_of(tokens, context);
		for (int64_t number = 0; tokens > 0 && number < windows.count; number++) {
			int64_t at = place_piece(&next, windows.width + 1, context);
			fill_unused(rows, filled, at, end_of_text);
			fill_piece(rows, at, &windows, number, ids, document_begin[document], end_of_text, reversed);
			filled = next;
		}
	}
	fill_unused(rows, filled, positions, end_of_text);
	return STATUS_OK;
}

void rows_clear(struct rows *rows)
{
	free(rows->inputs);
	free(rows->targets);
	free(rows->starts);
	free(rows->source);
	free(rows->target_source);
	*rows = (struct rows){ 0 };
}
