/* Packing, scoring and summing evaluation documents.
 * SPDX-License-Identifier: Apache-2.0 */
#include "roles/evaluation.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "text/turns.h"

static enum status select_documents(struct shard_set *set, enum domain domain, int64_t limit,
                                    struct evaluation_set *out, int64_t **chosen_out)
{
	int64_t all = shard_set_documents(set), count = 0;
	int64_t *chosen = memory_allocate((size_t)all, sizeof *chosen);
	if (chosen == NULL)
		return STATUS_ENVIRONMENT;
	for (int64_t document = 0; document < all && (limit == 0 || count < limit); document++) {
		/* Its end-of-text token alone says nothing. */
		if (shard_set_document_domain(set, document) != domain || shard_set_document_tokens(set, document) < 2)
			continue;
		chosen[count++] = document;
		out->tokens += shard_set_document_tokens(set, document) - 1;
	}
	out->documents = count;
	*chosen_out = chosen;
	return STATUS_OK;
}

static enum status allocate_results(const struct shard_set *set, struct evaluation_set *out)
{
	size_t documents = (size_t)out->documents, tokens = (size_t)out->tokens;
	out->begin = memory_allocate(documents + 1, sizeof *out->begin);
	out->number = memory_allocate(documents, sizeof *out->number);
	if (shard_set_has_groups(set) && (out->group = memory_allocate(documents, sizeof *out->group)) == NULL)
		return STATUS_ENVIRONMENT;
	out->labels = memory_allocate(tokens, sizeof *out->labels);
	out->learned = memory_allocate(tokens, sizeof *out->learned);
	out->counted = memory_allocate(documents, sizeof *out->counted);
	out->token_nll = memory_allocate(tokens, sizeof *out->token_nll);
	out->nll = memory_allocate(documents, sizeof *out->nll);
	out->label_nll = memory_allocate(documents, sizeof *out->label_nll);
	out->label_tokens = memory_allocate(documents, sizeof *out->label_tokens);
	return out->begin != NULL && out->number != NULL && out->labels != NULL && out->learned != NULL &&
	                       out->counted != NULL && out->token_nll != NULL && out->nll != NULL &&
	                       out->label_nll != NULL && out->label_tokens != NULL
	               ? STATUS_OK
	               : STATUS_ENVIRONMENT;
}

static enum status read_documents(struct shard_set *set, const int64_t *chosen, struct evaluation_set *out,
                                  int32_t *ids)
{
	int64_t at = 0, longest = 1;
	for (int64_t i = 0; i < out->documents; i++)
		if (shard_set_document_tokens(set, chosen[i]) > longest)
			longest = shard_set_document_tokens(set, chosen[i]);
	int32_t *document = memory_allocate((size_t)longest, sizeof *document);
	uint8_t *labels = memory_allocate((size_t)longest, sizeof *labels);
	enum status status = document == NULL || labels == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	for (int64_t i = 0; i < out->documents && status == STATUS_OK; i++) {
		size_t length = (size_t)shard_set_document_tokens(set, chosen[i]) - 1;
		status = shard_set_read_document(set, chosen[i], document, labels);
		memcpy(ids + at, document, length * sizeof *ids);
		memcpy(out->labels + at, labels, length);
		turns_find_learned(&shard_set_facts(set)->learned, shard_set_facts(set)->end_of_text, document,
		                   (int64_t)length, out->learned + at);
		out->number[i] = shard_set_document_number(set, chosen[i]);
		if (out->group != NULL)
			out->group[i] = shard_set_document_group(set, chosen[i]);
		out->begin[i] = at;
		at += (int64_t)length;
	}
	out->begin[out->documents] = at;
	free(document);
	free(labels);
	return status;
}

enum status evaluation_set_create(struct shard_set *set, enum domain domain, int64_t limit, int64_t context,
                                  struct evaluation_set *out)
{
	*out = (struct evaluation_set){ .domain = domain, .loss = NAN, .label_loss = NAN };
	int64_t *chosen = NULL;
	int32_t *ids = NULL;
	enum status status = select_documents(set, domain, limit, out, &chosen);
	if (status == STATUS_OK)
		status = allocate_results(set, out);
	if (status == STATUS_OK) {
		ids = memory_allocate((size_t)out->tokens, sizeof *ids);
		status = ids == NULL ? STATUS_ENVIRONMENT : read_documents(set, chosen, out, ids);
	}
	if (status == STATUS_OK)
		status = rows_pack(&out->rows, ids, out->begin, out->documents, context,
		                   shard_set_facts(set)->end_of_text, false);
	for (int64_t i = 0; i < out->documents && status == STATUS_OK; i++)
		for (int64_t t = out->begin[i]; t < out->begin[i + 1]; t++) {
			out->counted[i] += out->learned[t];
			out->label_tokens[i] += out->learned[t] && domain_has_label(domain, out->labels[t]);
		}
	free(ids);
	free(chosen);
	if (status != STATUS_OK)
		evaluation_set_clear(out);
	return status;
}

void evaluation_set_clear(struct evaluation_set *set)
{
	free(set->begin);
	free(set->number);
	free(set->group);
	free(set->labels);
	free(set->learned);
	free(set->counted);
	free(set->token_nll);
	free(set->nll);
	free(set->label_nll);
	free(set->label_tokens);
	rows_clear(&set->rows);
	*set = (struct evaluation_set){ 0 };
}

/* Rows [first, first + rows_per_batch) through the model; rows past the end are empty, with weight 0. */
static enum status score_rows(struct model *model, const struct rows *rows, const uint8_t *wanted, int64_t first,
                              int64_t rows_per_batch, int32_t *padded, float *weights, float *nll, float *token_nll)
{
	int64_t context = rows->context, cells = rows_per_batch * context;
	int64_t present = rows->count - first < rows_per_batch ? rows->count - first : rows_per_batch;
	int32_t *inputs = padded, *targets = padded + cells, *starts = padded + 2 * cells;
	memset(padded, 0, (size_t)(3 * cells) * sizeof *padded);
	memcpy(inputs, rows->inputs + first * context, (size_t)(present * context) * sizeof *inputs);
	memcpy(targets, rows->targets + first * context, (size_t)(present * context) * sizeof *targets);
	memcpy(starts, rows->starts + first * context, (size_t)(present * context) * sizeof *starts);
	const int32_t *source = rows->target_source + first * context;
	for (int64_t cell = 0; cell < cells; cell++)
		weights[cell] =
			cell < present * context && source[cell] >= 0 && (wanted == NULL || wanted[source[cell]])
				? 1.0f
				: 0.0f;
	struct model_batch batch = { .sequences = rows_per_batch,
		                     .length = context,
		                     .inputs = inputs,
		                     .targets = targets,
		                     .weights = weights,
		                     .starts = starts };
	STATUS_TRY(model_token_losses(model, &batch, nll));
	for (int64_t cell = 0; cell < present * context; cell++)
		if (source[cell] >= 0)
			token_nll[source[cell]] = nll[cell];
	return STATUS_OK;
}

static void sum_documents(struct evaluation_set *set)
{
	double nll = 0, label_nll = 0;
	int64_t labelled = 0, counted = 0;
	for (int64_t i = 0; i < set->documents; i++) {
		set->nll[i] = set->label_nll[i] = 0;
		for (int64_t t = set->begin[i]; t < set->begin[i + 1]; t++) {
			if (!set->learned[t])
				continue;
			set->nll[i] += (double)set->token_nll[t];
			if (domain_has_label(set->domain, set->labels[t]))
				set->label_nll[i] += (double)set->token_nll[t];
		}
		nll += set->nll[i];
		label_nll += set->label_nll[i];
		labelled += set->label_tokens[i];
		counted += set->counted[i];
	}
	set->loss = counted > 0 ? nll / (double)counted : NAN;
	set->label_loss = labelled > 0 ? label_nll / (double)labelled : NAN;
}

enum status evaluation_score(const struct world *trainers, struct model *model, int64_t rows_per_batch,
                             const struct rows *rows, const uint8_t *wanted, int64_t tokens, float *token_nll)
{
	int64_t cells = rows_per_batch * rows->context;
	int32_t *padded = memory_allocate((size_t)(3 * cells), sizeof *padded);
	float *weights = memory_allocate((size_t)(2 * cells), sizeof *weights);
	enum status status = padded == NULL || weights == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	if (status == STATUS_OK)
		memset(token_nll, 0, (size_t)tokens * sizeof *token_nll);
	int64_t batches = (rows->count + rows_per_batch - 1) / rows_per_batch;
	for (int64_t batch = trainers->rank; batch < batches && status == STATUS_OK; batch += trainers->size) {
		status = score_rows(model, rows, wanted, batch * rows_per_batch, rows_per_batch, padded, weights,
		                    weights + cells, token_nll);
		world_progress(trainers);
	}
	free(padded);
	free(weights);
	STATUS_TRY(status);
	/* Every token has exactly one trainer; the others hold 0. */
	return world_merge_floats(trainers, token_nll, tokens);
}

enum status evaluation_run(const struct world *trainers, struct model *model, int64_t rows_per_batch,
                           struct evaluation_set *set)
{
	STATUS_TRY(evaluation_score(trainers, model, rows_per_batch, &set->rows, set->learned, set->tokens,
	                            set->token_nll));
	sum_documents(set);
	return STATUS_OK;
}
