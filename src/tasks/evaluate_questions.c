/* Own questions of task = evaluate: from the files of questions/paths into questions.h5 of the output folder, where all ranks read
 * them.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "tasks/evaluate_parts.h"
#include "tasks/question_settings.h"

/* Rank 0. */
static enum status write_questions(const struct assessment *assessment)
{
	struct question_set *sets = NULL;
	struct tokenizer *tokenizer = NULL;
	int count = 0;
	char *vocabulary = text_join_path(assessment->folder, "tokenizer.h5");
	char *path = text_join_path(assessment->output, "questions.h5");
	enum status status =
		vocabulary == NULL || path == NULL ? STATUS_ENVIRONMENT : tokenizer_read(vocabulary, &tokenizer);
	if (status == STATUS_OK)
		status = question_settings_read(assessment->parameters, tokenizer, NULL, 0, NULL, &sets, &count);
	if (status == STATUS_OK)
		status = text_make_directories(assessment->output);
	if (status == STATUS_OK)
		status = questions_write(path, tokenizer, sets, (size_t)count);
	questions_free(sets, count);
	if (tokenizer != NULL)
		tokenizer_destroy(tokenizer);
	free(vocabulary);
	free(path);
	return status;
}

enum status evaluate_write_questions(struct assessment *assessment)
{
	struct world *world = assessment->job->world;
	const char *hash = shard_set_facts(assessment->shards)->tokenizer_hash;
	assessment->question_folder = assessment->folder;
	if (!question_settings_given(assessment->parameters))
		return STATUS_OK;
	assessment->question_folder = assessment->output;
	if (strcmp(assessment->asked_for, hash) == 0)
		return STATUS_OK;
	enum status status = world_agree(world, world->rank == 0 ? write_questions(assessment) : STATUS_OK);
	assessment->bad_questions = status != STATUS_OK;
	STATUS_TRY(status);
	snprintf(assessment->asked_for, sizeof assessment->asked_for, "%s", hash);
	return STATUS_OK;
}
