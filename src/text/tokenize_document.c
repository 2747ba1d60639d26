/* One document as tokens with labels: text as it is, a conversation with a marker around each turn.
 * SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "text/conversation.h"
#include "text/tokenize_state.h"
#include "text/turns.h"

/* ---- labels ---- */

static int strength(enum domain domain)
{
	static const int strengths[DOMAIN_COUNT] = {
		[DOMAIN_FORGET] = 5, [DOMAIN_HARD] = 4, [DOMAIN_RETAIN] = 3, [DOMAIN_MIXED] = 2, [DOMAIN_OTHER] = 1
	};
	return strengths[domain];
}

void tokenize_labels(const struct document *document, const struct token_span *tokens, size_t count, uint8_t *labels)
{
	size_t span = 0;
	for (size_t i = 0; i < count; i++) {
		/* Tokens are in order, and neighbours may share a byte where the text was not UTF-8. */
		while (span < document->span_count && document->spans[span].end <= tokens[i].begin)
			span++;
		enum domain label = document->outside;
		bool inside = false;
		for (size_t k = span; k < document->span_count && document->spans[k].begin < tokens[i].end; k++) {
			if (!inside || strength(document->spans[k].domain) > strength(label))
				label = document->spans[k].domain;
			inside = true;
		}
		labels[i] = (uint8_t)label;
	}
}

/* ---- documents ---- */

/* Encodes bytes of the text behind what the shard has. */
static enum status add_text(struct tokenize_work *work, struct held_shard *shard, const struct document *document,
                            uint32_t begin, uint32_t end, size_t *count)
{
	size_t more = 0;
	STATUS_TRY(tokenizer_encode(work->plan.tokenizer, document->text + begin, end - begin, &work->tokens,
	                            &work->token_capacity, &more));
	STATUS_TRY(held_shard_reserve(shard, 0, *count + more));
	for (size_t i = 0; i < more; i++)
		shard->ids[shard->token_count + *count + i] = work->tokens[i].id;
	tokenize_labels(document, work->tokens, more, shard->labels + shard->token_count + *count);
	*count += more;
	return STATUS_OK;
}

/* A conversation has no spans: what is said is of one label, and markers, as end-of-text, are never forget. */
static enum status add_turns(struct tokenize_work *work, struct held_shard *shard, const struct document *document,
                             size_t *count)
{
	int32_t *ids = NULL, markers = tokenizer_turn_markers(work->plan.tokenizer);
	size_t capacity = 0, used = 0;
	enum status status = conversation_encode(work->plan.tokenizer, document->text, document->turns,
	                                         document->turn_count, &ids, &capacity, &used);
	status = error_context(status, "document %" PRIu64 " of the corpus is a conversation", document->number);
	if (status == STATUS_OK)
		status = held_shard_reserve(shard, 0, *count + used);
	for (size_t i = 0; i < used && status == STATUS_OK; i++, ++*count) {
		shard->ids[shard->token_count + *count] = ids[i];
		shard->labels[shard->token_count + *count] =
			(uint8_t)(turns_is_marker(markers, ids[i]) ? DOMAIN_UNMARKED : document->outside);
	}
	free(ids);
	return status;
}

/* As scoring has them (text/questions.h): prompt and letter apart. */
static enum status add_question(struct tokenize_work *work, struct held_shard *shard, const struct document *document,
                                size_t *count)
{
	STATUS_TRY(add_text(work, shard, document, 0, document->letter, count));
	return add_text(work, shard, document, document->letter, (uint32_t)document->size, count);
}

enum status hold_document(struct tokenize_work *work, struct held_shard *shard, const struct document *document)
{
	size_t count = 0;
	STATUS_TRY(held_shard_reserve(shard, 1, 0));
	STATUS_TRY(document->turn_count > 0 ? add_turns(work, shard, document, &count)
	           : document->letter > 0   ? add_question(work, shard, document, &count)
	                                    : add_text(work, shard, document, 0, (uint32_t)document->size, &count));
	shard->documents[shard->document_count++] = (struct held_document){
		.place = random_bits(work->plan.seed, RANDOM_DOCUMENT_ORDER, STREAM_PLACE, document->number),
		.number = document->number,
		.group = document->group,
		.begin = shard->token_count,
		.count = count,
		.bytes = (int64_t)document->size,
		.domain = (uint8_t)document->domain,
	};
	shard->token_count += count;
	work->unsaved += count;
	work->progress.documents++;
	return STATUS_OK;
}
