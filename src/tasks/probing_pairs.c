/* Documents of two classes that probes are to tell apart.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/random.h"
#include "tasks/probing_parts.h"
#include "text/corpus.h"

/* Stream of RANDOM_SUBSAMPLE, which no other drawing of a sample uses. */
enum { STREAM_CLASS = 16, FEWEST = 2 };

/* A class of documents: those of a domain, or of a group. */
struct class
{
	enum domain domain;
	int group; /* -1: a domain */
};

struct drawn {
	uint64_t key;
	int64_t document;
};

static int compare_drawn(const void *left, const void *right)
{
	const struct drawn *a = left, *b = right;
	if (a->key != b->key)
		return a->key < b->key ? -1 : 1;
	return a->document < b->document ? -1 : a->document > b->document;
}

static int compare_documents(const void *left, const void *right)
{
	int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
	return a < b ? -1 : a > b;
}

/* ---- names ---- */

static enum status find_class(const struct probing *probing, const char *name, struct class *class)
{
	const struct document_groups *groups = &probing->groups;
	class->group = document_groups_find_name(groups, name);
	if (class->group >= 0 || domain_from_name(name, &class->domain) == STATUS_OK)
		return STATUS_OK;
	error_clear();
	return error_raise(STATUS_USAGE,
	                   "%s: probe/pairs: %s is neither a domain (unmarked, forget, retain, other, hard, mixed) nor "
	                   "%s%s",
	                   parameters_origin(probing->parameters, "probe/pairs"), name,
	                   groups->name_count == 0 ? "a group, as probe/groups is not given" : "a group of ",
	                   groups->name_count == 0 ? "" : parameters_text(probing->parameters, "probe/groups"));
}

static enum status name_pair(const struct probing *probing, const char *word, struct probing_pair *pair)
{
	const char *colon = strchr(word, ':');
	size_t first = colon == NULL ? 0 : (size_t)(colon - word), second = colon == NULL ? 0 : strlen(colon + 1);
	if (first == 0 || second == 0 || first >= PROBING_NAME || second >= PROBING_NAME || strchr(word, '/') != NULL ||
	    strchr(colon + 1, ':') != NULL)
		return error_raise(STATUS_USAGE,
		                   "%s: probe/pairs: %s: a pair is written first:second, such as forget:retain",
		                   parameters_origin(probing->parameters, "probe/pairs"), word);
	memcpy(pair->name, word, first + second + 2);
	memcpy(pair->classes[0], word, first);
	pair->classes[0][first] = '\0';
	memcpy(pair->classes[1], colon + 1, second + 1);
	return STATUS_OK;
}

/* ---- documents ---- */

static bool is_of(const struct probing *probing, const struct shard_set *set, const struct class *class,
                  int64_t document)
{
	if (shard_set_document_tokens(set, document) < 2) /* end-of-text alone says nothing */
		return false;
	if (class->group < 0)
		return shard_set_document_domain(set, document) == class->domain;
	return document_groups_find(&probing->groups, shard_set_document_group(set, document)) == class->group;
}

/* At most `most` documents of the class, in an order that the seed decides. */
static enum status draw_class(const struct probing *probing, const struct shard_set *set, const struct class *class,
                              int64_t most, struct drawn **drawn_out, int64_t *count_out)
{
	uint64_t seed = (uint64_t)parameters_integer(probing->parameters, "run/seed");
	struct drawn *drawn = NULL;
	size_t capacity = 0;
	int64_t count = 0;
	for (int64_t document = 0; document < shard_set_documents(set); document++) {
		if (!is_of(probing, set, class, document))
			continue;
		enum status status = memory_grow((void **)&drawn, &capacity, (size_t)count + 1, sizeof *drawn);
		if (status != STATUS_OK) {
			free(drawn);
			return status;
		}
		drawn[count++] = (struct drawn){ random_bits(seed, RANDOM_SUBSAMPLE, STREAM_CLASS, (uint64_t)document),
			                         document };
	}
	if (count > 1)
		qsort(drawn, (size_t)count, sizeof *drawn, compare_drawn);
	*drawn_out = drawn;
	*count_out = most > 0 && most < count ? most : count;
	return STATUS_OK;
}

/* The documents of a pair in one set; `rows` are their numbers in the set until all pairs are known. Training documents are as many
 * of each class. */
static enum status draw_pair(const struct probing *probing, const struct probing_text *text, enum layer_set number,
                             const struct class classes[2], struct document_pair *pair)
{
	bool train = number == LAYER_TRAIN;
	int64_t most =
		parameters_integer(probing->parameters, train ? "probe/documents" : "probe/evaluation_documents");
	struct drawn *drawn[2] = { NULL };
	int64_t counts[2] = { 0 };
	enum status status = STATUS_OK;
	for (int side = 0; side < 2 && status == STATUS_OK; side++)
		status = draw_class(probing, text->sets[number], &classes[side], most / 2, &drawn[side], &counts[side]);
	if (train)
		counts[0] = counts[1] = counts[0] < counts[1] ? counts[0] : counts[1];
	pair->rows = memory_allocate((size_t)(counts[0] + counts[1]), sizeof *pair->rows);
	pair->sides = memory_allocate((size_t)(counts[0] + counts[1]), sizeof *pair->sides);
	if (status == STATUS_OK && (pair->rows == NULL || pair->sides == NULL))
		status = STATUS_ENVIRONMENT;
	for (int side = 0; side < 2 && status == STATUS_OK; side++)
		for (int64_t i = 0; i < counts[side]; i++) {
			pair->rows[pair->count] = drawn[side][i].document;
			pair->sides[pair->count++] = (uint8_t)side;
		}
	free(drawn[0]);
	free(drawn[1]);
	return status;
}

/* Whether there are enough of both classes in every set; says what is missing. */
static bool has_documents(const struct probing *probing, const struct probing_pair *pair)
{
	static const char *const names[LAYER_SETS] = { "train", "validation", "test" };
	for (int i = 0; i < LAYER_SETS; i++) {
		int64_t counts[2] = { 0 };
		for (int64_t row = 0; row < pair->sets[i].count; row++)
			counts[pair->sets[i].sides[row]]++;
		int64_t fewest = counts[0] < counts[1] ? counts[0] : counts[1];
		if (fewest >= (i == LAYER_TRAIN ? FEWEST : 1))
			continue;
		if (probing->job->world->rank == 0)
			log_info("pair %s is left out: the set %s has %s documents of both classes", pair->name,
			         names[i], fewest == 0 ? "no" : "too few");
		return false;
	}
	return true;
}

static void clear_pair(struct probing_pair *pair)
{
	for (int i = 0; i < LAYER_SETS; i++) {
		free(pair->sets[i].rows);
		free(pair->sets[i].sides);
	}
	*pair = (struct probing_pair){ 0 };
}

static enum status open_pair(const struct probing *probing, const char *word, struct probing_text *text)
{
	struct probing_pair *pair = &text->pairs[text->pair_count];
	struct class classes[2];
	STATUS_TRY(name_pair(probing, word, pair));
	for (int side = 0; side < 2; side++) {
		STATUS_TRY(find_class(probing, pair->classes[side], &classes[side]));
		for (int i = 0; i < LAYER_SETS; i++)
			if (classes[side].group >= 0 && !shard_set_has_groups(text->sets[i]))
				return error_raise(STATUS_DATA,
				                   "the token files do not say which documents belong together, so "
				                   "probe/groups finds none of its ids: make them anew");
	}
	text->pair_count++; /* from here on it is cleared with the text */
	for (int i = 0; i < LAYER_SETS; i++)
		STATUS_TRY(draw_pair(probing, text, (enum layer_set)i, classes, &pair->sets[i]));
	if (!has_documents(probing, pair)) {
		clear_pair(pair);
		text->pair_count--;
	}
	return STATUS_OK;
}

/* Every document once, ascending; rows become places among them. */
static enum status list_documents(struct probing_text *text, enum layer_set number)
{
	int64_t all = 0, count = 0;
	for (int pair = 0; pair < text->pair_count; pair++)
		all += text->pairs[pair].sets[number].count;
	int64_t *documents = memory_allocate((size_t)all, sizeof *documents);
	if (documents == NULL)
		return STATUS_ENVIRONMENT;
	all = 0;
	for (int pair = 0; pair < text->pair_count; pair++) {
		const struct document_pair *own = &text->pairs[pair].sets[number];
		memcpy(documents + all, own->rows, (size_t)own->count * sizeof *documents);
		all += own->count;
	}
	if (all > 1)
		qsort(documents, (size_t)all, sizeof *documents, compare_documents);
	for (int64_t i = 0; i < all; i++)
		if (i == 0 || documents[i] != documents[i - 1])
			documents[count++] = documents[i];
	for (int pair = 0; pair < text->pair_count; pair++) {
		struct document_pair *own = &text->pairs[pair].sets[number];
		for (int64_t i = 0; i < own->count; i++) {
			const int64_t *place =
				bsearch(&own->rows[i], documents, (size_t)count, sizeof *documents, compare_documents);
			own->rows[i] = place - documents;
		}
	}
	text->documents[number] = documents;
	text->document_counts[number] = count;
	return STATUS_OK;
}

enum status probing_pairs_open(const struct probing *probing, struct probing_text *text)
{
	size_t count = parameters_list_count(probing->parameters, "probe/pairs");
	if (count > PROBING_PAIRS)
		return error_raise(STATUS_USAGE, "%s: probe/pairs: %zu pairs: at most %d",
		                   parameters_origin(probing->parameters, "probe/pairs"), count, PROBING_PAIRS);
	for (size_t i = 0; i < count; i++)
		STATUS_TRY(open_pair(probing, parameters_list_item(probing->parameters, "probe/pairs", i), text));
	for (int i = 0; i < LAYER_SETS; i++)
		STATUS_TRY(list_documents(text, (enum layer_set)i));
	return STATUS_OK;
}
