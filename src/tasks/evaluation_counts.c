/* Counting the rows of documents and questions.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tasks/evaluation_counts.h"

#include <math.h>
#include <string.h>

#include "classifier/rows.h"
#include "roles/recall.h"
#include "tasks/question_settings.h"

static bool same_value(const struct point *a, const struct point *b, const char *key)
{
	return strcmp(parameters_value(a->parameters, key), parameters_value(b->parameters, key)) == 0;
}

static int64_t rows_per_batch(const struct point *point)
{
	return point->training.sequences / point->training.slots;
}

static bool counts_alike(const struct point *a, const struct point *b)
{
	return same_value(a, b, "data/folder") && same_value(a, b, "evaluate/set") &&
	       same_value(a, b, "evaluate/documents") && same_value(a, b, "evaluate/domains") &&
	       same_value(a, b, "questions/scoring") && same_value(a, b, "evaluate/questions") &&
	       rows_per_batch(a) == rows_per_batch(b) && a->training.length == b->training.length;
}

/* Of so many, in whole micro-batches. */
static double batched(const struct point *point, double tokens)
{
	double batch = (double)(rows_per_batch(point) * point->training.length);
	return ceil(tokens / batch) * batch;
}

static enum status count_documents(const struct point *point, const struct shard_set *shards,
                                   struct evaluation_counts *counts)
{
	const struct parameters *parameters = point->parameters;
	int64_t limit = parameters_integer(parameters, "evaluate/documents");
	int64_t positions[DOMAIN_COUNT] = { 0 }, scored[DOMAIN_COUNT] = { 0 }, documents[DOMAIN_COUNT] = { 0 };
	for (int64_t i = 0; i < shard_set_documents(shards); i++) {
		int domain = shard_set_document_domain(shards, i);
		int64_t tokens = shard_set_document_tokens(shards, i) - 1;
		if (tokens > 0 && domain < DOMAIN_COUNT && (limit == 0 || documents[domain] < limit)) {
			documents[domain]++;
			scored[domain] += tokens;
			positions[domain] = rows_end(positions[domain], tokens, point->training.length);
		}
	}
	double sum = 0;
	for (size_t i = 0; i < parameters_list_count(parameters, "evaluate/domains"); i++) {
		enum domain domain;
		STATUS_TRY(domain_from_name(parameters_list_item(parameters, "evaluate/domains", i), &domain));
		counts->tokens += batched(point, (double)positions[domain]);
		counts->documents += (double)documents[domain];
		if (domain == DOMAIN_FORGET)
			counts->forget_tokens = batched(point, (double)positions[domain]);
		sum += (double)scored[domain];
	}
	counts->scored_share = counts->tokens > 0 ? sum / counts->tokens : 1;
	return STATUS_OK;
}

/* As the trainers lay them out. */
static enum status count_questions(const struct point *point, const struct shard_set *shards,
                                   struct evaluation_counts *counts)
{
	struct recall_set *sets = NULL;
	int count = 0;
	double wanted = 0;
	STATUS_TRY(question_settings_open(point->parameters, parameters_text(point->parameters, "data/folder"),
	                                  shard_set_facts(shards), point->training.length, &sets, &count));
	for (int i = 0; i < count; i++) {
		for (int64_t t = 0; t < sets[i].tokens; t++)
			wanted += sets[i].wanted[t];
		counts->questions += (double)sets[i].questions.count;
		counts->recall_tokens += batched(point, (double)(sets[i].rows.count * sets[i].rows.context));
	}
	recall_close(sets, count);
	counts->recall_share = counts->recall_tokens > 0 ? wanted / counts->recall_tokens : 1;
	return STATUS_OK;
}

enum status evaluation_count(struct point *point, const struct point *previous)
{
	struct shard_set *shards = NULL;
	struct evaluation_counts counts = { 0 };
	if (previous != NULL && counts_alike(previous, point)) {
		point->evaluation = previous->evaluation;
		return STATUS_OK;
	}
	STATUS_TRY(shard_set_open(parameters_text(point->parameters, "data/folder"),
	                          parameters_text(point->parameters, "evaluate/set"), &shards));
	enum status status = count_documents(point, shards, &counts);
	if (status == STATUS_OK)
		status = count_questions(point, shards, &counts);
	shard_set_close(shards);
	point->evaluation = counts;
	return status;
}
