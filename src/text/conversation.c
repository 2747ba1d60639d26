/* Writing turns as tokens.
 * SPDX-License-Identifier: Apache-2.0 */
#include "text/conversation.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum status conversation_encode(const struct tokenizer *tokenizer, const char *text, const struct text_turn *turns,
                                size_t count, int32_t **ids, size_t *capacity, size_t *used)
{
	struct token_span *spans = NULL;
	size_t room = 0, more = 0;
	int32_t markers = tokenizer_turn_markers(tokenizer);
	enum status status = STATUS_OK;
	if (markers == 0)
		return error_raise(
			STATUS_DATA,
			"the vocabulary (%s) has no ids for the markers of turns: it needs %d free ones in a row below the "
			"next multiple of %d, or as many single bytes in a row that UTF-8 does not have; take another "
			"vocabulary",
			tokenizer_describe(tokenizer), TURN_MARKERS, TOKENIZER_ROWS);
	for (size_t i = 0; i < count && status == STATUS_OK; i++) {
		const struct text_turn *turn = &turns[i];
		status = tokenizer_encode(tokenizer, text + turn->begin, turn->end - turn->begin, &spans, &room, &more);
		if (status == STATUS_OK)
			status = memory_grow((void **)ids, capacity, *used + more + 2, sizeof **ids);
		if (status != STATUS_OK)
			break;
		(*ids)[(*used)++] = markers + (int32_t)turn->role;
		for (size_t k = 0; k < more; k++)
			(*ids)[(*used)++] = spans[k].id;
		(*ids)[(*used)++] = markers + TURN_END;
	}
	free(spans);
	return status;
}

enum status conversation_encode_prompt(const struct tokenizer *tokenizer, const struct prompt *prompt,
                                       const char *system, int32_t **ids, size_t *capacity, size_t *used)
{
	const struct text_turn whole = { .begin = 0, .end = (uint32_t)prompt->size, .role = TURN_USER };
	const struct text_turn first = { .begin = 0, .end = (uint32_t)strlen(system), .role = TURN_SYSTEM };
	bool talk = prompt->turns != NULL;
	if (system[0] != '\0' && !(talk && prompt->turns[0].role == TURN_SYSTEM))
		STATUS_TRY(conversation_encode(tokenizer, system, &first, 1, ids, capacity, used));
	STATUS_TRY(conversation_encode(tokenizer, prompt->text, talk ? prompt->turns : &whole,
	                               talk ? prompt->turn_count : 1, ids, capacity, used));
	STATUS_TRY(memory_grow((void **)ids, capacity, *used + 1, sizeof **ids));
	(*ids)[(*used)++] = tokenizer_turn_markers(tokenizer) + TURN_ASSISTANT;
	return STATUS_OK;
}
