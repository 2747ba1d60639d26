/* What probes are fitted and measured on.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "tasks/probing_parts.h"

static const char *const set_names[LAYER_SETS] = { "train", "validation", "test" };

void probing_text_close(struct probing_text *text)
{
	for (int i = 0; i < LAYER_SETS; i++) {
		if (text->sets[i] != NULL)
			shard_set_close(text->sets[i]);
		free(text->documents[i]);
		for (int pair = 0; pair < text->pair_count; pair++) {
			free(text->pairs[pair].sets[i].rows);
			free(text->pairs[pair].sets[i].sides);
		}
	}
	picks_clear(&text->tokens);
	free(text->folder);
	*text = (struct probing_text){ 0 };
}

static enum status draw_tokens(const struct parameters *parameters, struct probing_text *text)
{
	const struct sample_options options = { .seed = (uint64_t)parameters_integer(parameters, "run/seed"),
		                                .labels = SAMPLE_TOKENS,
		                                .tokens = parameters_integer(parameters, "probe/tokens"),
		                                .end_of_text = text->end_of_text };
	int64_t most = parameters_integer(parameters, "probe/evaluation_tokens");
	if (options.tokens == 0)
		return STATUS_OK;
	for (int i = LAYER_VALIDATION; i < LAYER_SETS; i++)
		text->blocks[i] = sample_count_blocks(text->sets[i], options.seed, most);
	return sample_draw(text->sets[LAYER_TRAIN], &options, NULL, &text->tokens, NULL);
}

static enum status open_sets(const struct probing *probing, struct probing_text *text)
{
	for (int i = 0; i < LAYER_SETS; i++) {
		STATUS_TRY(shard_set_open(text->folder, set_names[i], &text->sets[i]));
		const struct shard_facts *facts = shard_set_facts(text->sets[i]),
					 *first = shard_set_facts(text->sets[0]);
		if (strcmp(facts->tokenizer_hash, first->tokenizer_hash) != 0)
			return error_raise(STATUS_DATA, "%s: the sets train and %s were made with different tokenizers",
			                   text->folder, set_names[i]);
	}
	text->end_of_text = shard_set_facts(text->sets[0])->end_of_text;
	enum status status = draw_tokens(probing->parameters, text);
	if (status == STATUS_OK)
		status = probing_pairs_open(probing, text);
	if (status == STATUS_OK && text->tokens.count == 0 && text->pair_count == 0)
		status = error_raise(STATUS_DATA, "there is nothing to probe for: probe/tokens is 0, and no pair of "
		                                  "probe/pairs has documents");
	return status == STATUS_OK ? STATUS_OK : error_context(status, "%s", text->folder);
}

enum status probing_text_open(struct probing *probing, const struct parameters *trained)
{
	struct probing_text *text = &probing->text;
	const char *folder = parameters_text(probing->parameters, "data/folder");
	if (folder[0] == '\0')
		folder = parameters_text(trained, "data/folder");
	if (text->folder != NULL && strcmp(folder, text->folder) == 0)
		return STATUS_OK;
	probing_text_close(text);
	text->folder = memory_copy_text(folder);
	enum status status = text->folder == NULL ? STATUS_ENVIRONMENT : open_sets(probing, text);
	if (status != STATUS_OK) /* begin anew with the next point */
		probing_text_close(text);
	return status;
}
