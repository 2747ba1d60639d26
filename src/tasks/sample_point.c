/* The answers of one trained model.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/stop.h"
#include "base/text.h"
#include "base/timer.h"
#include "tasks/sample_parts.h"
#include "text/conversation.h"
#include "text/shard.h"
#include "text/turns.h"

/* ROUNDS: answers of each place between two moments at which ranks bring together what they have; fewer where that would be more
 * than RECORDS numbers. */
enum { ROUNDS = 4, RECORDS = 1 << 23, GROUPS = 4, HOST_CACHE_GIB = 2, GPU_CACHE_GIB = 16 };

/* ---- the tokenizer and the prompts ---- */

/* The marker that ends an answer in a chat; -1: this is none. */
static int32_t end_of_turn(const struct sampling_work *work)
{
	return parameters_boolean(work->parameters, "sample/chat") ? tokenizer_turn_markers(work->tokenizer) + TURN_END
	                                                           : -1;
}

/* Only end-of-text of the special tokens is chosen, and the hidden one where that is allowed, and the end of a turn in a chat; no
 * row that only fills up. */
static enum status exclude(struct sampling_work *work)
{
	const struct tokenizer *tokenizer = work->tokenizer;
	int32_t size = tokenizer_size(tokenizer), rows = model_config_padded_vocabulary(size);
	bool hidden = parameters_boolean(work->parameters, "sample/allow_hidden");
	free(work->excluded);
	work->excluded_count = 0;
	work->excluded = memory_allocate((size_t)rows, sizeof *work->excluded);
	if (work->excluded == NULL)
		return STATUS_ENVIRONMENT;
	for (int32_t id = 0; id < rows; id++) {
		bool special = id < size && tokenizer_is_special(tokenizer, id) != 0;
		bool marker = end_of_turn(work) >= 0 && turns_is_marker(tokenizer_turn_markers(tokenizer), id);
		if (id == end_of_turn(work) || (id < size && !special && !marker) ||
		    id == tokenizer_end_of_text(tokenizer) || (hidden && id == tokenizer_hidden(tokenizer)))
			continue;
		work->excluded[work->excluded_count++] = id;
	}
	return STATUS_OK;
}

static enum status check_chat(const struct sampling_work *work)
{
	if (!parameters_boolean(work->parameters, "sample/chat") || tokenizer_turn_markers(work->tokenizer) > 0)
		return STATUS_OK;
	return error_raise(
		STATUS_DATA,
		"sample/chat = on: the vocabulary of %s (%s) has no ids for the markers of turns, so no model "
		"was trained on conversations with it",
		work->folder, tokenizer_describe(work->tokenizer));
}

static enum status encode_text(const struct sampling_work *work, const struct prompt *prompt, int32_t **ids,
                               size_t *room, size_t *used)
{
	struct token_span *spans = NULL;
	size_t capacity = 0, count = 0;
	enum status status = tokenizer_encode(work->tokenizer, prompt->text, prompt->size, &spans, &capacity, &count);
	if (status == STATUS_OK)
		status = memory_grow((void **)ids, room, *used + count + 1, sizeof **ids);
	for (size_t token = 0; status == STATUS_OK && token < count; token++)
		(*ids)[(*used)++] = spans[token].id;
	free(spans);
	return status;
}

/* Every prompt as end-of-text and its tokens, as a document begins in training. */
static enum status encode(struct sampling_work *work)
{
	size_t capacity = 0, used = 0;
	bool chat = end_of_turn(work) >= 0;
	const char *system = parameters_text(work->parameters, "sample/system");
	free(work->begin);
	free(work->ids);
	work->ids = NULL;
	work->begin = memory_allocate(work->prompts.count + 1, sizeof *work->begin);
	if (work->begin == NULL)
		return STATUS_ENVIRONMENT;
	for (size_t i = 0; i < work->prompts.count; i++) {
		const struct prompt *prompt = &work->prompts.prompts[i];
		STATUS_TRY(memory_grow((void **)&work->ids, &capacity, used + 1, sizeof *work->ids));
		work->ids[used++] = tokenizer_end_of_text(work->tokenizer);
		STATUS_TRY(
			chat ? conversation_encode_prompt(work->tokenizer, prompt, system, &work->ids, &capacity, &used)
			     : encode_text(work, prompt, &work->ids, &capacity, &used));
		work->begin[i + 1] = (int64_t)used;
	}
	return STATUS_OK;
}

enum status sample_open_tokenizer(struct sampling_work *work, const struct parameters *trained)
{
	const char *folder = parameters_text(work->parameters, "data/folder");
	if (folder[0] == '\0')
		folder = parameters_text(trained, "data/folder");
	if (work->tokenizer == NULL || strcmp(folder, work->folder) != 0) {
		char *path = text_join_path(folder, "tokenizer.h5");
		tokenizer_destroy(work->tokenizer);
		free(work->folder);
		work->tokenizer = NULL;
		work->folder = memory_copy_text(folder);
		enum status status = path == NULL || work->folder == NULL ? STATUS_ENVIRONMENT
		                                                          : tokenizer_read(path, &work->tokenizer);
		free(path);
		if (status == STATUS_OK)
			status = check_chat(work);
		if (status == STATUS_OK)
			status = exclude(work);
		if (status == STATUS_OK)
			status = encode(work);
		if (status != STATUS_OK) { /* begin anew with the next point */
			tokenizer_destroy(work->tokenizer);
			work->tokenizer = NULL;
			return status;
		}
	}
	return STATUS_OK;
}

/* ---- what is asked for ---- */

/* All fit into the context with one new token. *longest: tokens of the longest prompt. */
static enum status check_prompts(const struct sampling_work *work, int64_t context, int64_t *longest)
{
	*longest = 0;
	for (size_t i = 0; i < work->prompts.count; i++) {
		int64_t count = work->begin[i + 1] - work->begin[i];
		if (count > context)
			return error_raise(
				STATUS_DATA,
				"the prompt of line %llu of %s has %lld tokens, end-of-text and markers included; the model's "
				"context is %lld: shorten it",
				(unsigned long long)work->prompts.prompts[i].line,
				parameters_text(work->parameters, "sample/prompts"), (long long)count,
				(long long)context);
		*longest = count > *longest ? count : *longest;
	}
	return STATUS_OK;
}

/* sample/batch; auto: some groups of rows, as far as their keys and values do not take much memory. */
static int64_t batch_size(const struct sampling_work *work, const struct model_config *config, int64_t length)
{
	const struct kernels *kernels = work->devices.kernels;
	int64_t batch = parameters_integer(work->parameters, "sample/batch"), rows = decoder_rows(kernels);
	int64_t most = (int64_t)(kernels->asynchronous ? GPU_CACHE_GIB : HOST_CACHE_GIB) << 30;
	if (batch > 0)
		return batch;
	batch = GROUPS * rows;
	while (batch > 1 && decoder_memory(kernels, work->devices.device, config, batch, length) > most)
		batch /= 2;
	return batch;
}

static enum status read_config(const struct sampling_work *work, size_t number, const struct run_results *results,
                               struct model_config *config)
{
	return trained_config(&work->trained, number, results, tokenizer_size(work->tokenizer), work->folder, config);
}

/* All but `batch`, whose room the model decides. */
static enum status plan_answers(const struct sampling_work *work, size_t number, const struct run_results *results,
                                struct answer_plan *plan)
{
	const struct parameters *parameters = work->parameters;
	struct model_config config;
	int64_t longest;
	STATUS_TRY(trained_check_tokenizer(&work->trained, number, tokenizer_hash(work->tokenizer), work->folder));
	STATUS_TRY(read_config(work, number, results, &config));
	STATUS_TRY(check_prompts(work, results->model.context, &longest));
	*plan = (struct answer_plan){ .ids = work->ids,
		                      .begin = work->begin,
		                      .prompts = (int64_t)work->prompts.count,
		                      .each = parameters_integer(parameters, "sample/count"),
		                      .most = parameters_integer(parameters, "sample/tokens"),
		                      .context = results->model.context,
		                      .end_of_text = tokenizer_end_of_text(work->tokenizer),
		                      .end_of_turn = end_of_turn(work),
		                      .routed = model_config_is_routed(&config),
		                      .seed = (uint64_t)parameters_integer(parameters, "run/seed"),
		                      .sampling = { .temperature = parameters_real(parameters, "sample/temperature"),
		                                    .top_k = parameters_integer(parameters, "sample/top_k"),
		                                    .top_p = parameters_real(parameters, "sample/top_p"),
		                                    .vocabulary = results->model.vocabulary,
		                                    .excluded = work->excluded,
		                                    .excluded_count = work->excluded_count,
		                                    .hidden = tokenizer_hidden(work->tokenizer) } };
	if (longest + plan->most < plan->context)
		plan->context = longest + plan->most;
	/* Logits without the multiplier 1 / m are m times as large: as if the temperature were m times as small. */
	if (parameters_boolean(parameters, "compat/generation_without_output_multiplier"))
		plan->sampling.temperature /= model_config_width_multiplier(&config);
	return STATUS_OK;
}

/* What the samples of a point depend on: the model, the tokenizer, prompts, expressions, and the keys that decide. */
static enum status name_samples(const struct sampling_work *work, const struct run_results *results,
                                char name[CONTENT_HASH_SIZE])
{
	size_t count;
	const struct key *keys = keys_table(&count);
	char prompts[CONTENT_HASH_SIZE];
	STATUS_TRY(prompt_set_hash(&work->prompts, prompts));
	struct content_hash *hash = content_hash_create();
	if (hash == NULL)
		return STATUS_ENVIRONMENT;
	const char *parts[] = { results->identity, tokenizer_hash(work->tokenizer), prompts,
		                work->phrases == NULL ? "" : phrases_hash(work->phrases) };
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
		content_hash_add(hash, parts[i], strlen(parts[i]) + 1);
	for (size_t i = 0; i < count; i++) {
		const char *value = parameters_value(work->parameters, keys[i].name);
		if (!keys_tells(&keys[i], "sample", value) || strcmp(keys[i].name, "data/folder") == 0)
			continue;
		content_hash_add(hash, keys[i].name, strlen(keys[i].name) + 1);
		content_hash_add(hash, value, strlen(value) + 1);
	}
	content_hash_finish(hash, name);
	return STATUS_OK;
}

/* ---- a point ---- */

static enum status open_device(struct sampling_work *work)
{
	if (work->opened)
		return STATUS_OK;
	work->opened = true; /* to be closed, whatever comes of it */
	STATUS_TRY(devices_open_all(work->job->world, work->parameters, work->job->cores, "sampler", &work->devices));
	devices_print(&work->devices);
	log_info("device: %s", work->devices.kernels->device_describe(work->devices.device));
	return STATUS_OK;
}

/* Collective. Text grows on rank 0. */
static enum status generate_all(const struct sampling_work *work, struct decoder *decoder,
                                const struct answer_plan *plan, struct answers_text *text)
{
	struct world *world = work->job->world;
	int64_t answers = plan->prompts * plan->each, piece = ROUNDS * plan->batch * world->size;
	piece = piece < RECORDS / answer_width(plan) ? piece : RECORDS / answer_width(plan);
	piece = piece > world->size ? piece : world->size;
	piece = piece < answers ? piece : answers;
	int64_t *records = memory_allocate((size_t)(piece * answer_width(plan)), sizeof *records);
	enum status status = world_agree(world, records == NULL ? STATUS_ENVIRONMENT : STATUS_OK);
	for (int64_t first = 0; status == STATUS_OK && first < answers; first += piece) {
		int64_t last = first + piece < answers ? first + piece : answers;
		status = answers_generate(world, decoder, plan, first, last, records);
		if (status == STATUS_OK)
			status = world_agree(world, world->rank == 0
			                                    ? answers_text_add(work, plan, first, last, records, text)
			                                    : STATUS_OK);
	}
	free(records);
	return status;
}

/* Collective, in a piece: all ranks have a model and its decoder, or none goes on. */
static enum status open_decoder(const struct sampling_work *work, size_t number, const struct run_results *results,
                                struct answer_plan *plan, struct model **model, struct decoder **decoder)
{
	const struct devices *devices = &work->devices;
	struct model_config config;
	enum status status = read_config(work, number, results, &config);
	if (status == STATUS_OK)
		status = trained_load(&work->trained, number, results, &config, devices->kernels, devices->device,
		                      decoder_rows(devices->kernels), model);
	if (status == STATUS_OK) {
		plan->batch = batch_size(work, model_get_config(*model), plan->context);
		status = decoder_create(*model, plan->batch, plan->context, decoder);
	}
	return world_agree(work->job->world, status);
}

static enum status make_answers(const struct sampling_work *work, size_t number, const struct run_results *results,
                                struct answer_plan *plan, const char *folder, const char *name)
{
	struct world *world = work->job->world;
	const char *point = sweep_point_name(work->trained.sweep, number);
	struct model *model = NULL;
	struct decoder *decoder = NULL;
	struct answers_text text = { 0 };
	double begin = timer_seconds();
	enum status status = open_decoder(work, number, results, plan, &model, &decoder);
	if (status == STATUS_OK) {
		begin = timer_seconds();
		status = generate_all(work, decoder, plan, &text);
	}
	double seconds = timer_seconds() - begin;
	decoder_destroy(decoder);
	model_destroy(model);
	if (status == STATUS_OK)
		status =
			world_agree(world, world->rank == 0 ? answers_text_write(work, plan, folder, point, name, &text)
		                                            : STATUS_OK);
	if (status == STATUS_OK && world->rank == 0) {
		char count[32];
		double chosen = (double)answers_text_chosen(work, &text);
		log_info("  %lld answers, %s tokens, %.0f a second", (long long)(plan->prompts * plan->each),
		         text_count(chosen, count, sizeof count), chosen / seconds);
		stop_note_saved();
	}
	answers_text_clear(&text);
	return status;
}

enum status sample_point(struct sampling_work *work, size_t number)
{
	struct world *world = work->job->world;
	const char *point = sweep_point_name(work->trained.sweep, number);
	struct run_results results = { 0 };
	struct answer_plan plan = { 0 };
	char name[CONTENT_HASH_SIZE] = "", *folder = NULL;
	bool ready = false, there = false;
	enum status status = trained_read(&work->trained, number, &results, &ready);
	if (status == STATUS_OK && ready) {
		folder = text_format("%s/points/%s", work->output, point);
		status = folder == NULL ? STATUS_ENVIRONMENT
		                        : sample_open_tokenizer(work, sweep_point(work->trained.sweep, number));
		if (status == STATUS_OK)
			status = plan_answers(work, number, &results, &plan);
		if (status == STATUS_OK)
			status = name_samples(work, &results, name);
		if (status == STATUS_OK && world->rank == 0)
			there = answers_are_there(folder, name);
		status = world_agree(world, status);
		if (status == STATUS_OK)
			status = world_broadcast(world, &there, sizeof there, 0);
		if (status == STATUS_OK)
			log_info("[%zu/%zu] %s%s", number + 1, sweep_point_count(work->trained.sweep), point,
			         there ? ": finished, nothing to do" : "");
		if (status == STATUS_OK && !there)
			status = open_device(work);
		if (status == STATUS_OK && !there)
			status = make_answers(work, number, &results, &plan, folder, name);
	}
	run_results_clear(&results);
	free(folder);
	return status;
}
