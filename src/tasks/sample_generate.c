/* Answers of a model: those of this rank in `batch` places, where the next one begins when one is over.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "base/stop.h"
#include "tasks/sample_parts.h"

/* An answer that is being generated. */
struct place {
	int64_t number; /* of the answer; -1: free */
	int64_t *record;
	int64_t position; /* of the next token that the model takes in */
	int32_t next;     /* that token, once the prompt is taken in */
	double log_probability, hidden;
};

struct generation {
	const struct answer_plan *plan;
	struct decoder *decoder;
	struct place *places;
	struct token_list {
		struct decoder_token *list;
		size_t count, capacity;
	} tokens;
	int64_t *asked; /* [batch] the places whose logits come, in order */
	int64_t asked_count;
	float *logits; /* [batch, V] */
	struct sampling_scratch scratch;
};

double answer_real(int64_t bits)
{
	double value;
	memcpy(&value, &bits, sizeof value);
	return value;
}

static int64_t real_bits(double value)
{
	int64_t bits;
	memcpy(&bits, &value, sizeof bits);
	return bits;
}

static void generation_close(struct generation *generation)
{
	free(generation->places);
	free(generation->tokens.list);
	free(generation->asked);
	free(generation->logits);
	sampling_scratch_clear(&generation->scratch);
}

static enum status generation_open(const struct answer_plan *plan, struct decoder *decoder,
                                   struct generation *generation)
{
	size_t batch = (size_t)plan->batch;
	*generation = (struct generation){ .plan = plan,
		                           .decoder = decoder,
		                           .places = memory_allocate(batch, sizeof *generation->places),
		                           .asked = memory_allocate(batch, sizeof *generation->asked),
		                           .logits = memory_allocate(batch * (size_t)plan->sampling.vocabulary,
		                                                     sizeof *generation->logits) };
	if (generation->places == NULL || generation->asked == NULL || generation->logits == NULL)
		return STATUS_ENVIRONMENT;
	for (size_t i = 0; i < batch; i++)
		generation->places[i].number = -1;
	return STATUS_OK;
}

static enum status add_token(struct generation *generation, int64_t place, int64_t position, int32_t id, bool wanted)
{
	struct token_list *tokens = &generation->tokens;
	STATUS_TRY(memory_grow((void **)&tokens->list, &tokens->capacity, tokens->count + 1, sizeof *tokens->list));
	tokens->list[tokens->count++] = (struct decoder_token){ (int32_t)place, (int32_t)position, id, wanted };
	return STATUS_OK;
}

/* What the model takes in next: a whole prompt, or the token that was chosen last. */
static enum status ask(struct generation *generation, int64_t number)
{
	const struct answer_plan *plan = generation->plan;
	struct place *place = &generation->places[number];
	int64_t prompt = place->number / plan->each, begin = plan->begin[prompt], end = plan->begin[prompt + 1];
	if (place->position > 0) {
		STATUS_TRY(add_token(generation, number, place->position, place->next, true));
		place->position++;
	} else {
		for (int64_t i = begin; i < end; i++)
			STATUS_TRY(add_token(generation, number, i - begin, plan->ids[i], i == end - 1));
		place->position = end - begin;
	}
	generation->asked[generation->asked_count++] = number;
	return STATUS_OK;
}

/* Chooses the token after those that the model has of this answer. */
static enum status answer(struct generation *generation, struct place *place, float *logits)
{
	const struct answer_plan *plan = generation->plan;
	int64_t *record = place->record, prompt = place->number / plan->each, sample = place->number % plan->each;
	double uniform = random_uniform(plan->seed, RANDOM_SAMPLING, (uint64_t)prompt,
	                                (uint64_t)sample << 32 | (uint64_t)record[ANSWER_CHOSEN]);
	struct choice choice;
	STATUS_TRY(sampling_choose(&plan->sampling, logits, uniform, &generation->scratch, &choice));
	record[ANSWER_CHOSEN]++;
	place->log_probability += choice.log_probability;
	place->hidden += choice.hidden_probability;
	place->next = choice.token;
	if (choice.token == plan->end_of_text || choice.token == plan->end_of_turn)
		record[ANSWER_STOP] = ANSWER_END;
	else
		record[ANSWER_TOKENS + record[ANSWER_COUNT]++] = choice.token;
	if (record[ANSWER_STOP] == ANSWER_RUNNING && record[ANSWER_COUNT] == plan->most)
		record[ANSWER_STOP] = ANSWER_LENGTH;
	if (record[ANSWER_STOP] == ANSWER_RUNNING && place->position == plan->context)
		record[ANSWER_STOP] = ANSWER_CONTEXT;
	if (record[ANSWER_STOP] == ANSWER_RUNNING)
		return STATUS_OK;
	record[ANSWER_LOG_PROBABILITY] = real_bits(place->log_probability);
	record[ANSWER_HIDDEN] = real_bits(place->hidden);
	place->number = -1;
	return STATUS_OK;
}

/* Every answer at hand goes on by one token. */
static enum status advance(struct generation *generation)
{
	int64_t vocabulary = generation->plan->sampling.vocabulary;
	generation->tokens.count = 0;
	generation->asked_count = 0;
	for (int64_t place = 0; place < generation->plan->batch; place++)
		if (generation->places[place].number >= 0)
			STATUS_TRY(ask(generation, place));
	STATUS_TRY(decoder_take(generation->decoder, generation->tokens.list, (int64_t)generation->tokens.count,
	                        generation->logits));
	for (int64_t i = 0; i < generation->asked_count; i++)
		STATUS_TRY(answer(generation, &generation->places[generation->asked[i]],
		                  generation->logits + i * vocabulary));
	return STATUS_OK;
}

/* Those of first .. last - 1 that are this rank's. */
static enum status generate_own(const struct world *world, struct generation *generation, int64_t first, int64_t last,
                                int64_t *records)
{
	const struct answer_plan *plan = generation->plan;
	int64_t next = first + world->rank, running = 0;
	do {
		running = 0;
		for (int64_t i = 0; i < plan->batch; i++) {
			struct place *place = &generation->places[i];
			if (place->number < 0 && next < last) {
				*place = (struct place){ .number = next,
					                 .record = records + (next - first) * answer_width(plan) };
				next += world->size;
			}
			running += place->number >= 0;
		}
		STATUS_TRY(stop_check("sampling"));
		if (running > 0)
			STATUS_TRY(advance(generation));
		world_progress(world);
	} while (running > 0);
	return STATUS_OK;
}

enum status answers_generate(struct world *world, struct decoder *decoder, const struct answer_plan *plan,
                             int64_t first, int64_t last, int64_t *records)
{
	struct generation generation;
	int64_t numbers = (last - first) * answer_width(plan);
	memset(records, 0, (size_t)numbers * sizeof *records);
	enum status status = generation_open(plan, decoder, &generation);
	if (status == STATUS_OK)
		status = generate_own(world, &generation, first, last, records);
	generation_close(&generation);
	/* Before the sums: a rank that failed must not be waited for. */
	STATUS_TRY(world_agree(world, status));
	return world_sum_integers(world, records, numbers);
}
