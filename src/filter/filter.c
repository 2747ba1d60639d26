/* The filter methods.
 * SPDX-License-Identifier: Apache-2.0 */
#include "filter/filter.h"

#include <string.h>

#include "base/random.h"
#include "filter/score.h"

static const char *const method_names[] = {
	[FILTER_NONE] = "none",     [FILTER_DOCUMENT] = "document", [FILTER_MASK] = "mask",
	[FILTER_REMOVE] = "remove", [FILTER_WEIGHT] = "weight",     [FILTER_ROUTE] = "route",
};

enum { METHOD_COUNT = sizeof method_names / sizeof method_names[0] };

enum status filter_method_from_name(const char *name, enum filter_method *method_out)
{
	for (int method = 0; method < METHOD_COUNT; method++) {
		if (strcmp(name, method_names[method]) == 0) {
			*method_out = (enum filter_method)method;
			return STATUS_OK;
		}
	}
	return error_raise(STATUS_USAGE,
	                   "\"%.60s\" is not a filter method; the methods are none, document, mask, remove, weight, "
	                   "route",
	                   name);
}

const char *filter_method_name(enum filter_method method)
{
	return (unsigned)method < METHOD_COUNT ? method_names[method] : "unknown";
}

bool filter_needs_scores(const struct filter *filter)
{
	return filter->method != FILTER_NONE;
}

bool filter_by_documents(const struct filter *filter)
{
	return filter->method == FILTER_DOCUMENT || (filter->method == FILTER_ROUTE && filter->route_documents);
}

/* Streams of RANDOM_THRESHOLD_TIE. */
enum { TIES_OF_TOKENS = 1, TIES_OF_DOCUMENTS };

static bool reaches(const struct filter *filter, uint16_t score, uint16_t threshold, double spared, int stream,
                    uint64_t position)
{
	if (score != threshold || !(spared > 0))
		return score >= threshold;
	return random_uniform(filter->seed, RANDOM_THRESHOLD_TIE, (uint64_t)stream, position) >= spared;
}

bool filter_keeps_document(const struct filter *filter, uint16_t document_score, uint64_t position)
{
	return filter->method != FILTER_DOCUMENT || !reaches(filter, document_score, filter->document_threshold,
	                                                     filter->document_spared, TIES_OF_DOCUMENTS, position);
}

/* Whether noise turns the decision on the token round. */
static bool is_flipped(const struct filter *filter, uint64_t position)
{
	return filter->noise > 0 &&
	       random_uniform(filter->seed, RANDOM_LABEL_NOISE, position >> 32, position & UINT32_MAX) < filter->noise;
}

/* What no filter acts on. */
static bool is_structure(const struct filter *filter, int32_t id)
{
	return id == filter->end_of_text || turns_is_marker(filter->learned.markers, id);
}

bool filter_flags_token(const struct filter *filter, int32_t id, uint16_t score, uint64_t position)
{
	if (is_structure(filter, id))
		return false;
	return reaches(filter, score, filter->token_threshold, filter->token_spared, TIES_OF_TOKENS, position) !=
	       is_flipped(filter, position);
}

/* 1 - p of a token. */
static float retain_weight(const struct filter *filter, int32_t id, uint16_t score, uint64_t position)
{
	if (is_structure(filter, id))
		return 1;
	double p = score_probability(score);
	return (float)(is_flipped(filter, position) ? p : 1 - p);
}

static uint64_t position_of(const uint64_t *positions, int64_t index)
{
	return positions != NULL ? positions[index] : 0;
}

static void apply_weight(const struct filter *filter, int64_t count, const int32_t *ids, const uint16_t *scores,
                         const uint64_t *positions, float *weights)
{
	int64_t shift = filter->compat_input_mask ? 0 : 1;
	for (int64_t i = 0; i < count; i++)
		weights[i] =
			retain_weight(filter, ids[i + shift], scores[i + shift], position_of(positions, i + shift));
}

/* mask and remove. */
static void apply_flags(const struct filter *filter, int64_t count, const int32_t *ids, const uint16_t *scores,
                        const uint64_t *positions, int32_t *inputs, int32_t *targets, float *weights)
{
	bool remove = filter->method == FILTER_REMOVE;
	/* Deciding by the input alone trains the hidden id as a target where a span begins, as the released code does. */
	bool skip_hidden = remove && !filter->compat_hidden_target;
	bool flag = count > 0 && filter_flags_token(filter, ids[0], scores[0], position_of(positions, 0));
	for (int64_t i = 0; i < count; i++) {
		bool next = filter_flags_token(filter, ids[i + 1], scores[i + 1], position_of(positions, i + 1));
		bool masked = filter->compat_input_mask ? flag || (skip_hidden && next) : next;
		if (remove && flag)
			inputs[i] = filter->hidden;
		if (remove && next)
			targets[i] = filter->hidden;
		weights[i] = masked ? 0 : 1;
		flag = next;
	}
}

void filter_apply(const struct filter *filter, bool active, int64_t count, const int32_t *ids, const uint16_t *scores,
                  const uint64_t *positions, int32_t *inputs, int32_t *targets, float *weights)
{
	for (int64_t i = 0; i < count; i++) {
		inputs[i] = ids[i];
		targets[i] = ids[i + 1];
		weights[i] = 1;
	}
	if (!active)
		return;
	switch (filter->method) {
	case FILTER_NONE:
	case FILTER_DOCUMENT:
	case FILTER_ROUTE:
		break;
	case FILTER_MASK:
	case FILTER_REMOVE:
		apply_flags(filter, count, ids, scores, positions, inputs, targets, weights);
		break;
	case FILTER_WEIGHT:
		apply_weight(filter, count, ids, scores, positions, weights);
		break;
	}
}

uint8_t filter_mark_document(const struct filter *filter, uint16_t document_score, uint64_t position)
{
	bool forget = reaches(filter, document_score, filter->document_threshold, filter->document_spared,
	                      TIES_OF_DOCUMENTS, position) != is_flipped(filter, position);
	bool known = filter->route_retain >= 1 || random_uniform(filter->seed, RANDOM_ROUTE, position >> 32,
	                                                         position & UINT32_MAX) < filter->route_retain;
	bool certain =
		!filter->route_documents || (!forget && score_probability(document_score) < filter->route_certain);
	return (uint8_t)((forget ? FILTER_FORGET_DOCUMENT : 0) | (known && certain ? FILTER_RETAIN_DOCUMENT : 0));
}

static enum route route_of_document(uint8_t mark)
{
	return mark & FILTER_FORGET_DOCUMENT ? ROUTE_FORGET : mark & FILTER_RETAIN_DOCUMENT ? ROUTE_RETAIN : ROUTE_ALL;
}

static enum route route_of_token(const struct filter *filter, int32_t id, uint16_t score, uint64_t position,
                                 uint8_t mark)
{
	if (filter_flags_token(filter, id, score, position))
		return ROUTE_FORGET;
	bool certain = is_structure(filter, id) || score_probability(score) < filter->route_certain;
	return certain && mark & FILTER_RETAIN_DOCUMENT ? ROUTE_RETAIN : ROUTE_ALL;
}

void filter_route(const struct filter *filter, bool active, int64_t count, const int32_t *ids, const uint16_t *scores,
                  const uint64_t *positions, const uint8_t *marks, uint8_t *routes)
{
	for (int64_t i = 0, next = 1; i < count; i++, next++)
		routes[i] = (uint8_t)(!active                   ? ROUTE_ALL
		                      : filter->route_documents ? route_of_document(marks[next])
		                                                : route_of_token(filter, ids[next], scores[next],
		                                                                 positions[next], marks[next]));
}
