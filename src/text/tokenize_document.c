/* One document as tokens with labels: text as it is, a conversation with a marker around each turn.
 * SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
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

/* ---- conversations ---- */

static enum status add_token(struct held_shard *shard, size_t *count, int32_t id)
{
	STATUS_TRY(held_shard_reserve(shard, 0, *count + 1));
	shard->ids[shard->token_count + *count] = id;
	shard->labels[shard->token_count + *count] = DOMAIN_UNMARKED; /* as end-of-text: never forget */
	++*count;
	return STATUS_OK;
}

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

static enum status add_turns(struct tokenize_work *work, struct held_shard *shard, const struct document *document,
                             size_t *count)
{
	int32_t markers = tokenizer_turn_markers(work->plan.tokenizer);
	if (markers == 0)
		return error_raise(
			STATUS_DATA,
			"document %" PRIu64 " of the corpus is a conversation, but the vocabulary (%s) has no "
			"ids for the markers of turns: it needs %d free ones in a row below the next multiple of %d, or "
			"as many single bytes in a row that UTF-8 does not have; take another vocabulary",
			document->number, tokenizer_describe(work->plan.tokenizer), TURN_MARKERS, TOKENIZER_ROWS);
	for (size_t i = 0; i < document->turn_count; i++) {
		const struct text_turn *turn = &document->turns[i];
		STATUS_TRY(add_token(shard, count, markers + (int32_t)turn->role));
		STATUS_TRY(add_text(work, shard, document, turn->begin, turn->end, count));
		STATUS_TRY(add_token(shard, count, markers + TURN_END));
	}
	return STATUS_OK;
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
