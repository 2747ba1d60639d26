/* A lane's buffer of filtered tokens and the blocks behind it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "roles/lane.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "roles/question_rows.h"
#include "text/turns.h"

enum { LEARNED = 1 };              /* the mark of what the loss may take in */
enum { EMPTY_BLOCKS_ALLOWED = 1 }; /* epochs without a single kept token before this is an error */

struct lane {
	const struct lane_plan *plan;
	int64_t number;
	struct lane_position position; /* of the first token in the buffer */
	int64_t asked;                 /* blocks before this index were asked for */
	int64_t next;                  /* block that enters next */
	int64_t counted;
	int64_t skip; /* tokens of the next block that were read before the checkpoint */
	/* tokens [begin, end) of the arrays are unread */
	int64_t begin, end;
	int32_t *ids;
	uint16_t *scores;
	uint64_t *corpus_positions;
	uint8_t *marks; /* LEARNED (text/turns.h), and those of filter_mark_document() */
	size_t ids_capacity, scores_capacity, positions_capacity, marks_capacity;
	/* filtered lengths of the blocks position.block_index .. next - 1 */
	int64_t *lengths;
	size_t lengths_capacity;
	int64_t length_count;
	struct question_row row; /* of questions */
};

int64_t lane_block_number(const struct lane_plan *plan, int64_t lane, int64_t index)
{
	uint64_t place = (uint64_t)(index * plan->lanes + lane), blocks = (uint64_t)plan->blocks;
	uint64_t number = random_permute(plan->seed, RANDOM_BLOCK_ORDER, place / blocks, blocks, place % blocks);
	return plan->chosen != NULL ? plan->chosen[number] : (int64_t)number;
}

enum status lane_create(const struct lane_plan *plan, int64_t number, const struct lane_position *position,
                        struct lane **lane_out)
{
	struct lane *lane = memory_allocate(1, sizeof *lane);
	if (lane == NULL)
		return STATUS_ENVIRONMENT;
	lane->plan = plan;
	lane->number = number;
	lane->position = (struct lane_position){ .first_active_index = -1 };
	if (position != NULL)
		lane->position = *position;
	lane->counted = lane->position.counted;
	lane->asked = lane->next = lane->position.block_index;
	lane->skip = lane->position.token;
	*lane_out = lane;
	return STATUS_OK;
}

void lane_destroy(struct lane *lane)
{
	if (lane == NULL)
		return;
	free(lane->ids);
	free(lane->scores);
	free(lane->corpus_positions);
	free(lane->marks);
	free(lane->lengths);
	question_row_clear(&lane->row);
	free(lane);
}

struct lane_position lane_get_position(const struct lane *lane)
{
	struct lane_position position = lane->position;
	position.counted = lane->counted;
	return position;
}

enum status lane_request(struct lane *lane, struct provider *provider, int most)
{
	int ahead = most < lane->plan->depth ? most : lane->plan->depth;
	for (; lane->asked < lane->next + ahead; lane->asked++)
		STATUS_TRY(provider_request(provider, lane_block_number(lane->plan, lane->number, lane->asked)));
	return STATUS_OK;
}

/* Moves the unread tokens to the front when the arrays would have to grow. */
static enum status make_room(struct lane *lane, int64_t tokens)
{
	if ((size_t)(lane->end + tokens) > lane->ids_capacity && lane->begin > 0) {
		size_t kept = (size_t)(lane->end - lane->begin);
		memmove(lane->ids, lane->ids + lane->begin, kept * sizeof *lane->ids);
		memmove(lane->scores, lane->scores + lane->begin, kept * sizeof *lane->scores);
		memmove(lane->corpus_positions, lane->corpus_positions + lane->begin,
		        kept * sizeof *lane->corpus_positions);
		memmove(lane->marks, lane->marks + lane->begin, kept * sizeof *lane->marks);
		lane->begin = 0;
		lane->end = (int64_t)kept;
	}
	size_t needed = (size_t)(lane->end + tokens);
	STATUS_TRY(memory_grow((void **)&lane->ids, &lane->ids_capacity, needed, sizeof *lane->ids));
	STATUS_TRY(memory_grow((void **)&lane->scores, &lane->scores_capacity, needed, sizeof *lane->scores));
	STATUS_TRY(memory_grow((void **)&lane->marks, &lane->marks_capacity, needed, sizeof *lane->marks));
	return memory_grow((void **)&lane->corpus_positions, &lane->positions_capacity, needed,
	                   sizeof *lane->corpus_positions);
}

/* What one document of a block is to the filter. */
struct verdict {
	bool kept;     /* enters the lane */
	bool active;   /* the filter was when its block entered */
	uint8_t marks; /* of method route */
};

static bool is_flagged(const struct filter *filter, const struct block *block, int64_t i, struct verdict verdict)
{
	if (!verdict.active || !verdict.kept || !block->scored)
		return false;
	if (filter->method == FILTER_ROUTE && filter->route_documents)
		return verdict.marks & FILTER_FORGET_DOCUMENT;
	return (filter->method == FILTER_MASK || filter->method == FILTER_REMOVE || filter->method == FILTER_ROUTE) &&
	       filter_flags_token(filter, block->ids[i], block->scores[i], (uint64_t)block->number << 32 | (uint64_t)i);
}

static void count_document(const struct lane *lane, const struct block *block, int64_t first, int64_t last,
                           struct verdict verdict, struct lane_statistics *statistics)
{
	const struct filter *filter = &lane->plan->filter;
	for (int64_t i = first; i < last; i++) {
		int domain = block->labels[i] < DOMAIN_COUNT ? block->labels[i] : DOMAIN_UNMARKED;
		statistics->tokens[domain]++;
		statistics->filtered[domain] += !verdict.kept || is_flagged(filter, block, i, verdict);
		if (block->scored) {
			statistics->histogram[block->scores[i] >> 10]++;
			statistics->scored++;
		}
	}
}

/* Appends a document, its tokens in reading direction, the end-of-text token last either way. */
static void append_document(struct lane *lane, const struct block *block, int64_t first, int64_t last, uint8_t marks)
{
	bool ended = last > first && block->ids[last - 1] == lane->plan->filter.end_of_text;
	int64_t text = last - first - ended;
	uint8_t *learned = lane->marks + lane->end; /* 0 or 1 so far */
	turns_find_learned(&lane->plan->filter.learned, lane->plan->filter.end_of_text, block->ids + first,
	                   last - first, learned);
	for (int64_t k = 0; lane->plan->reversed && k < text / 2; k++) {
		uint8_t other = learned[text - 1 - k];
		learned[text - 1 - k] = learned[k];
		learned[k] = other;
	}
	for (int64_t k = 0; k < last - first; k++) {
		int64_t i = lane->plan->reversed && k < text ? first + text - 1 - k : first + k;
		lane->ids[lane->end] = block->ids[i];
		lane->scores[lane->end] = block->scored ? block->scores[i] : 0;
		lane->corpus_positions[lane->end] = (uint64_t)block->number << 32 | (uint64_t)i;
		lane->marks[lane->end] = (uint8_t)(learned[k] | marks);
		lane->end++;
	}
}

static struct verdict judge(const struct filter *filter, const struct block *block, int64_t document, bool active)
{
	uint64_t place = (uint64_t)block->number << 32 | (uint64_t)block->document_begin[document];
	struct verdict verdict = { .kept = true, .active = active };
	if (active && filter->method == FILTER_DOCUMENT)
		verdict.kept = filter_keeps_document(filter, block->document_scores[document], place);
	/* Where the filter is not active yet when the block enters, it may be when the document is read. */
	if (filter->method == FILTER_ROUTE)
		verdict.marks = filter_mark_document(filter, block->document_scores[document], place);
	return verdict;
}

static enum status enter_block(struct lane *lane, struct provider *provider, bool active,
                               struct lane_statistics *statistics)
{
	const struct filter *filter = &lane->plan->filter;
	struct block *block = provider_block(provider);
	int64_t index = lane->next;
	STATUS_TRY(lane_request(lane, provider, lane->plan->depth));
	STATUS_TRY(provider_take(provider, lane_block_number(lane->plan, lane->number, index), block));
	lane->next++;
	if (lane->plan->seen != NULL)
		lane->plan->seen(lane->plan->seen_state, lane->number, block);
	STATUS_TRY(lane_request(lane, provider, lane->plan->depth));
	if (active && lane->position.first_active_index < 0 && index >= lane->counted)
		lane->position.first_active_index = index;
	/* A block that enters again after a resume is treated as it was the first time. */
	bool was_active = lane->position.first_active_index >= 0 && index >= lane->position.first_active_index;
	bool needed = filter->method == FILTER_ROUTE || (was_active && filter->method == FILTER_DOCUMENT);
	if (needed && !block->scored)
		return error_raise(STATUS_INTERNAL, "block %lld came without scores", (long long)block->number);
	STATUS_TRY(make_room(lane, block->token_count));
	int64_t before = lane->end;
	for (int64_t document = 0; document < block->document_count; document++) {
		int64_t first = block->document_begin[document], last = block->document_begin[document + 1];
		if (lane->plan->domains != 0 && (lane->plan->domains >> block->document_domain[document] & 1) == 0)
			continue;
		struct verdict verdict = judge(filter, block, document, was_active);
		if (index >= lane->counted)
			count_document(lane, block, first, last, verdict, statistics);
		if (verdict.kept)
			append_document(lane, block, first, last, verdict.marks);
	}
	if (index >= lane->counted)
		lane->counted = index + 1;
	STATUS_TRY(memory_grow((void **)&lane->lengths, &lane->lengths_capacity, (size_t)lane->length_count + 1,
	                       sizeof *lane->lengths));
	lane->lengths[lane->length_count++] = lane->end - before;
	if (lane->skip > 0) { /* first block after a resume */
		lane->begin += lane->skip;
		lane->skip = 0;
	}
	return STATUS_OK;
}

/* Moves the lane's position past `tokens` read tokens. */
static void advance(struct lane *lane, int64_t tokens)
{
	lane->begin += tokens;
	lane->position.token += tokens;
	int64_t passed = 0;
	while (passed < lane->length_count && lane->position.token >= lane->lengths[passed]) {
		lane->position.token -= lane->lengths[passed++];
		lane->position.block_index++;
	}
	memmove(lane->lengths, lane->lengths + passed, (size_t)(lane->length_count - passed) * sizeof *lane->lengths);
	lane->length_count -= passed;
}

static enum status fill(struct lane *lane, struct provider *provider, bool active, int64_t needed,
                        struct lane_statistics *statistics)
{
	int64_t begun = lane->next, epoch = lane->plan->blocks / lane->plan->lanes + 1;
	while (lane->end - lane->begin < needed) {
		STATUS_TRY(enter_block(lane, provider, active, statistics));
		if (lane->end - lane->begin <= 1 && lane->next - begun > epoch * (1 + EMPTY_BLOCKS_ALLOWED))
			return error_raise(STATUS_DATA,
			                   "filter/method = document leaves no text at all: no document stays below "
			                   "the document threshold (filter/document_threshold)");
	}
	return STATUS_OK;
}

enum status lane_next(struct lane *lane, struct provider *provider, bool active, int64_t length, int32_t *inputs,
                      int32_t *targets, float *weights, int32_t *starts, uint8_t *routes,
                      struct lane_statistics *statistics)
{
	bool questions = lane->plan->filter.learned.blank > 0;
	STATUS_TRY(fill(lane, provider, active, questions ? question_row_needs(length) : length + 1, statistics));
	struct token_arrays window = { lane->ids + lane->begin, lane->scores + lane->begin,
		                       lane->corpus_positions + lane->begin, lane->marks + lane->begin };
	int64_t passed = length;
	if (questions) {
		STATUS_TRY(question_row_reserve(&lane->row, length));
		passed = question_row_lay(&lane->row, &window, lane->end - lane->begin, lane->plan->filter.end_of_text);
		window = lane->row.tokens;
	}
	filter_apply(&lane->plan->filter, active, length, window.ids, window.scores, window.positions, inputs, targets,
	             weights);
	if (routes != NULL)
		filter_route(&lane->plan->filter, active, length, window.ids, window.scores, window.positions,
		             window.marks, routes);
	int32_t start = 0;
	for (int64_t t = 0; t < length; t++) {
		if (!(window.marks[t + 1] & LEARNED))
			weights[t] = 0;
		if (window.ids[t] == lane->plan->filter.end_of_text)
			start = (int32_t)t; /* the end-of-text token opens the next document */
		starts[t] = start;
	}
	advance(lane, passed);
	return STATUS_OK;
}

/* A token in the buffer: its id, its score, its place in the corpus, its marks. */
enum { TOKEN_BYTES = sizeof(int32_t) + sizeof(uint16_t) + sizeof(uint64_t) + sizeof(uint8_t) };

int64_t lane_largest_memory(int64_t block_tokens, int64_t length)
{
	/* memory_grow() takes up to half as much again. */
	return (block_tokens + question_row_needs(length)) * 3 / 2 * TOKEN_BYTES + question_row_memory(length) +
	       (int64_t)sizeof(struct lane);
}

int64_t lane_memory(const struct lane *lane)
{
	return (int64_t)(lane->ids_capacity * sizeof *lane->ids + lane->scores_capacity * sizeof *lane->scores +
	                 lane->positions_capacity * sizeof *lane->corpus_positions +
	                 lane->marks_capacity * sizeof *lane->marks + sizeof *lane) +
	       (lane->row.length > 0 ? question_row_memory(lane->row.length) : 0);
}
