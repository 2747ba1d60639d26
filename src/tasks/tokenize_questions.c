/* questions.h5 beside the tokens: about the facts of generated text, and the user's own.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "storage/atomic_file.h"
#include "tasks/question_settings.h"
#include "tasks/tokenize_parts.h"
#include "text/generate_questions.h"

static enum status print_overlap(const struct tokenizing *work)
{
	struct fact_table *facts = NULL;
	double words = 0, subjects = 0;
	STATUS_TRY(fact_table_create(&work->generate, &facts));
	fact_table_overlap(facts, &words, &subjects);
	fact_table_destroy(facts);
	log_info(
		"entanglement: of the words of forget facts %.1f %% are words of retain facts, of their subjects %.1f %%",
		100 * words, 100 * subjects);
	return STATUS_OK;
}

/* Moves the sets of `more` (QUESTION_SETS of facts, or own ones) behind those of `sets`, which has room for them. */
static void move_sets(struct question_set *sets, size_t *count, const struct question_set *more, int more_count)
{
	for (int i = 0; i < more_count; i++)
		sets[(*count)++] = more[i];
}

/* No two sets of one name. */
static enum status check_own_names(const struct question_set *own, int count)
{
	for (int i = 0; i < count; i++)
		for (int k = 0; k < i; k++)
			if (strcmp(own[i].name, own[k].name) == 0)
				return error_raise(
					STATUS_USAGE,
					"questions/paths: a set is called %s, as one of the questions of corpus/paths is: "
					"give the set, or its file, another name",
					own[i].name);
	return STATUS_OK;
}

static enum status check_names(const struct question_set *own, int count)
{
	for (int i = 0; i < count; i++)
		for (int domain = 0; domain < DOMAIN_COUNT; domain++)
			if (strcmp(own[i].name, domain_name((enum domain)domain)) == 0)
				return error_raise(
					STATUS_USAGE,
					"questions/paths: a set of own questions is called %s, as questions about the facts of "
					"generated text are: set generate/questions = 0, or give the set another name",
					own[i].name);
	return STATUS_OK;
}

/* Takes over the sets of both, whatever the status. */
static enum status write_sets(const struct tokenizing *work, const struct question_set *facts, int fact_count,
                              const struct question_set *own, int own_count)
{
	size_t count = 0;
	char *path = text_join_path(work->output, "questions.h5");
	struct question_set *sets = memory_allocate((size_t)(fact_count + own_count), sizeof *sets);
	enum status status = path == NULL || sets == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	if (sets != NULL) {
		move_sets(sets, &count, facts, fact_count);
		move_sets(sets, &count, own, own_count);
	}
	if (status == STATUS_OK && fact_count > 0)
		status = check_names(own, own_count);
	if (status == STATUS_OK)
		status = check_own_names(own, own_count);
	if (status == STATUS_OK)
		status = questions_write(path, work->tokenizer, sets, count);
	if (status == STATUS_OK && fact_count > 0)
		log_info("questions: %lld about forget facts, %lld about retain facts, in %s", (long long)sets[0].count,
		         (long long)sets[1].count, path);
	if (status == STATUS_OK && own_count > 0)
		log_info("questions: in %s", path);
	questions_free(sets, (int)count);
	free(path);
	return status;
}

/* The questions about facts once more, as a file of questions. */
static enum status write_lines(const struct tokenizing *work, const char *lines)
{
	char *path = text_join_path(work->output, "questions.jsonl");
	enum status status = path == NULL ? STATUS_ENVIRONMENT : atomic_file_write(path, lines, strlen(lines));
	free(path);
	return status;
}

/* Appends the sets of questions/paths, and those of the questions among the text that are not learned from: the test set's. */
static enum status read_own(const struct tokenizing *work, struct question_set **own, int *own_count)
{
	struct question_set *held_out = NULL;
	int count = 0;
	if (question_settings_given(work->parameters))
		STATUS_TRY(question_settings_read(work->parameters, work->tokenizer, NULL, 0, NULL, own, own_count));
	if (!work->plan.questions)
		return STATUS_OK;
	enum status status = question_settings_read(work->parameters, work->tokenizer, work->paths, work->path_count,
	                                            &work->plan, &held_out, &count);
	struct question_set *all =
		status == STATUS_OK ? memory_allocate((size_t)(*own_count + count), sizeof *all) : NULL;
	if (all == NULL) {
		questions_free(held_out, count);
		questions_free(*own, *own_count);
		return status != STATUS_OK ? status : STATUS_ENVIRONMENT;
	}
	size_t moved = 0;
	move_sets(all, &moved, *own, *own_count);
	move_sets(all, &moved, held_out, count);
	free(held_out);
	free(*own);
	*own = all;
	*own_count = (int)moved;
	return STATUS_OK;
}

enum status tokenize_questions(const struct tokenizing *work)
{
	struct question_set facts[QUESTION_SETS], *own = NULL;
	int fact_count = 0, own_count = 0;
	if (work->corpus.generate != NULL)
		STATUS_TRY(print_overlap(work));
	STATUS_TRY(read_own(work, &own, &own_count));
	if (work->corpus.generate != NULL && work->generate.questions > 0) {
		char *lines = NULL;
		enum status status = generate_questions(&work->generate, work->tokenizer, facts, &lines);
		fact_count = status == STATUS_OK ? QUESTION_SETS : 0;
		if (status == STATUS_OK)
			status = write_lines(work, lines);
		free(lines);
		if (status != STATUS_OK) {
			for (int i = 0; i < fact_count; i++)
				question_set_clear(&facts[i]);
			questions_free(own, own_count);
			return status;
		}
	}
	enum status status =
		fact_count + own_count > 0 ? write_sets(work, facts, fact_count, own, own_count) : STATUS_OK;
	free(own); /* the sets themselves were taken over */
	return status;
}
