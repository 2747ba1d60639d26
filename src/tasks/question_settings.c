/* Keys of [questions].
 * SPDX-License-Identifier: Apache-2.0 */
#include "tasks/question_settings.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static enum status read_rules(const struct parameters *parameters, struct recall_rules *rules)
{
	size_t count = parameters_list_count(parameters, "questions/scoring");
	*rules = (struct recall_rules){ 0 };
	for (size_t i = 0; i < count; i++) {
		const char *name = parameters_list_item(parameters, "questions/scoring", i);
		int rule = 0;
		while (rule + 1 < RECALL_RULES && strcmp(recall_rule_name((enum recall_rule)rule), name) != 0)
			rule++;
		for (int k = 0; k < rules->count; k++)
			if ((int)rules->rules[k] == rule)
				return error_raise(STATUS_USAGE, "%s: questions/scoring names %s twice",
				                   parameters_origin(parameters, "questions/scoring"), name);
		rules->rules[rules->count++] = (enum recall_rule)rule;
	}
	if (rules->count > 0)
		return STATUS_OK;
	return error_raise(STATUS_USAGE, "%s: questions/scoring names no way to score",
	                   parameters_origin(parameters, "questions/scoring"));
}

static bool are_asked(const struct parameters *parameters)
{
	return strcmp(parameters_text(parameters, "evaluate/questions"), "none") != 0;
}

enum status question_settings_check(const struct parameters *parameters)
{
	struct recall_rules rules;
	STATUS_TRY(read_rules(parameters, &rules));
	if (are_asked(parameters) || !question_settings_given(parameters))
		return STATUS_OK;
	return error_raise(
		STATUS_USAGE,
		"%s: evaluate/questions = none asks no questions, but questions/paths names some: leave one of the "
		"two out",
		parameters_origin(parameters, "evaluate/questions"));
}

enum status question_settings_open(const struct parameters *parameters, const char *folder,
                                   const struct shard_facts *facts, int64_t context, struct recall_set **sets,
                                   int *count)
{
	struct recall_rules rules;
	STATUS_TRY(read_rules(parameters, &rules));
	*sets = NULL;
	*count = 0;
	return are_asked(parameters) ? recall_open(folder, facts, context, &rules, sets, count) : STATUS_OK;
}

bool question_settings_given(const struct parameters *parameters)
{
	return parameters_list_count(parameters, "questions/paths") > 0;
}

/* The words of a list; from malloc, NULL without memory. */
static const char **list_words(const struct parameters *parameters, const char *key, size_t *count)
{
	*count = parameters_list_count(parameters, key);
	const char **words = memory_allocate(*count, sizeof *words);
	for (size_t i = 0; words != NULL && i < *count; i++)
		words[i] = parameters_list_item(parameters, key, i);
	return words;
}

static enum question_passages passages_of(const char *name)
{
	return strcmp(name, "both") == 0     ? PASSAGES_BOTH
	       : strcmp(name, "hidden") == 0 ? PASSAGES_HIDDEN
	                                     : PASSAGES_SHOWN;
}

void question_settings_lines(const struct parameters *parameters, struct question_options *options)
{
	*options = (struct question_options){
		.line = { .set_key = parameters_text(parameters, "questions/set_key"),
		          .group_key = parameters_text(parameters, "questions/group_key"),
		          .cut = parameters_boolean(parameters, "compat/cut_choices") },
		.templates = { .prompt = parameters_text(parameters, "questions/template"),
		               .letter_prompt = parameters_text(parameters, "questions/letter_template"),
		               .choice = parameters_text(parameters, "questions/choice_template"),
		               .bare = parameters_text(parameters, "questions/bare_template") },
		.skip = strcmp(parameters_text(parameters, "questions/bad_lines"), "skip") == 0,
		.passages = passages_of(parameters_text(parameters, "questions/passages")),
		.orders = parameters_integer(parameters, "questions/orders"),
		.seed = (uint64_t)parameters_integer(parameters, "run/seed"),
	};
}

enum status question_settings_read(const struct parameters *parameters, const struct tokenizer *tokenizer,
                                   const char *const *paths, size_t path_count, const struct tokenize_plan *held_out,
                                   struct question_set **sets, int *count)
{
	struct question_options options;
	size_t given_count = 0;
	question_settings_lines(parameters, &options);
	const char **given = list_words(parameters, "questions/paths", &given_count);
	const char **forget = list_words(parameters, "questions/forget_sets", &options.forget_count);
	const char **retain = list_words(parameters, "questions/retain_sets", &options.retain_count);
	options.paths = paths != NULL ? paths : given;
	options.path_count = paths != NULL ? path_count : given_count;
	options.held_out = held_out;
	options.forget_sets = forget;
	options.retain_sets = retain;
	if (paths != NULL && given_count > 0) /* the names are of the sets of questions/paths */
		options.forget_count = options.retain_count = 0;
	enum status status = given == NULL || forget == NULL || retain == NULL
	                             ? STATUS_ENVIRONMENT
	                             : question_files_read(&options, tokenizer, sets, count);
	free(given);
	free(forget);
	free(retain);
	return status;
}

/* The paths of all files. */
static enum status find_files(const struct parameters *parameters, char ***files, size_t *count)
{
	size_t path_count;
	const char **paths = list_words(parameters, "questions/paths", &path_count);
	enum status status = paths == NULL ? STATUS_ENVIRONMENT : question_files_find(paths, path_count, files, count);
	free(paths);
	return status;
}

enum status question_settings_hash(const struct parameters *parameters, char hash[CONTENT_HASH_SIZE])
{
	char **files = NULL;
	size_t count = 0;
	int64_t size;
	STATUS_TRY(find_files(parameters, &files, &count));
	enum status status = file_hash((const char *const *)files, count, "reading questions", &size, hash);
	question_files_free(files, count);
	return status;
}
