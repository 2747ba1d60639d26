/* Filling templates in.
 * SPDX-License-Identifier: Apache-2.0 */
#include "text/question_template.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a template is filled with. */
struct filling {
	const struct question_line *line; /* NULL: none */
	const char *choice_template;      /* of {choices}; NULL: none, as inside of it */
	int choice;                       /* inside of it */
	struct text_range *passage;       /* NULL: not asked for */
};

/* The name in braces that `at` begins with, its length without them in *length; false: it is text. */
static bool is_name(const char *at, size_t *length)
{
	if (at[0] != '{')
		return false;
	*length = strcspn(at + 1, "{}");
	return at[1 + *length] == '}';
}

static bool equals(const char *at, size_t length, const char *name)
{
	return strlen(name) == length && strncmp(at, name, length) == 0;
}

static void fill(FILE *stream, const char *template, const struct filling *filling);

/* The context, between what a name has around it. */
static void fill_passage(FILE *stream, const char *before, const char *after, const struct filling *filling)
{
	const char *context = filling->line->context;
	if (context[0] == '\0')
		return;
	long begin = ftell(stream);
	fprintf(stream, "%s%s%s", before, context, after);
	if (filling->passage != NULL && filling->passage->end == 0 && begin >= 0)
		*filling->passage =
			(struct text_range){ (size_t)begin, (size_t)begin + strlen(before) + strlen(context) };
}

static void fill_choices(FILE *stream, const struct filling *filling)
{
	struct filling inside = { .line = filling->line };
	for (; inside.choice < filling->line->count; inside.choice++)
		fill(stream, filling->choice_template, &inside);
}

static void fill_name(FILE *stream, const char *name, size_t length, const struct filling *filling)
{
	const struct question_line *line = filling->line;
	if (equals(name, length, "question"))
		fputs(line->question, stream);
	else if (equals(name, length, "group"))
		fputs(line->group, stream);
	else if (equals(name, length, "context"))
		fill_passage(stream, "", "\n", filling);
	else if (equals(name, length, "passage"))
		fill_passage(stream, " ", "", filling);
	else if (equals(name, length, "letter"))
		fputc('A' + filling->choice, stream);
	else if (equals(name, length, "choice"))
		fputs(line->choices[filling->choice], stream);
	else if (equals(name, length, "choices"))
		fill_choices(stream, filling);
}

static void fill(FILE *stream, const char *template, const struct filling *filling)
{
	size_t length;
	for (const char *at = template; *at != '\0';) {
		if (at[0] == '\\' && at[1] == 'n') {
			fputc('\n', stream);
			at += 2;
		} else if (is_name(at, &length)) {
			fill_name(stream, at + 1, length, filling);
			at += length + 2;
		} else {
			fputc(*at++, stream);
		}
	}
}

static char *fill_all(const char *template, const struct filling *filling)
{
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);
	if (stream != NULL) {
		fill(stream, template, filling);
		if (fclose(stream) == 0) {
			while (size > 0 && strchr(" \t\n\r\v\f", text[size - 1]) != NULL)
				text[--size] = '\0';
			return text;
		}
		free(text);
	}
	error_raise(STATUS_ENVIRONMENT, "there is no memory for a prompt");
	return NULL;
}

static char *fill_prompt(const char *template, const struct question_templates *templates,
                         const struct question_line *line, struct text_range *passage)
{
	const struct filling filling = { .line = line, .choice_template = templates->choice, .passage = passage };
	if (passage != NULL)
		*passage = (struct text_range){ 0, 0 };
	return fill_all(template, &filling);
}

char *question_template_prompt(const struct question_templates *templates, const struct question_line *line,
                               struct text_range *passage)
{
	return fill_prompt(templates->prompt, templates, line, passage);
}

char *question_template_letter_prompt(const struct question_templates *templates, const struct question_line *line,
                                      struct text_range *passage)
{
	return fill_prompt(templates->letter_prompt, templates, line, passage);
}

char *question_template_bare(const struct question_templates *templates)
{
	return fill_all(templates->bare, &(struct filling){ 0 });
}

/* ---- checking ---- */

/* One key with the names that it may have ("a b"), and those that it must. */
struct rule {
	const char *key, *template, *known, *needed;
};

static bool has_word(const char *words, const char *word, size_t length)
{
	for (const char *at = words; *at != '\0'; at += strspn(at, " ")) {
		size_t size = strcspn(at, " ");
		if (size == length && strncmp(at, word, length) == 0)
			return true;
		at += size;
	}
	return false;
}

static bool has_name(const char *template, const char *name, size_t size)
{
	size_t length;
	for (const char *at = template; *at != '\0'; at++)
		if (is_name(at, &length) && length == size && strncmp(at + 1, name, size) == 0)
			return true;
	return false;
}

static enum status check_rule(const struct rule *rule)
{
	size_t length;
	for (const char *at = rule->template; *at != '\0'; at++)
		if (is_name(at, &length) && !has_word(rule->known, at + 1, length))
			return error_raise(STATUS_USAGE, "%s: \"{%.*s}\" is not known here; known is%s%s", rule->key,
			                   (int)length, at + 1, rule->known[0] != '\0' ? ", in braces: " : " nothing",
			                   rule->known);
	for (const char *at = rule->needed; *at != '\0'; at += strspn(at, " ")) {
		length = strcspn(at, " ");
		if (!has_name(rule->template, at, length))
			return error_raise(STATUS_USAGE, "%s: \"{%.*s}\" is missing", rule->key, (int)length, at);
		at += length;
	}
	return STATUS_OK;
}

enum status question_templates_check(const struct question_templates *templates)
{
	static const char all[] = "question context passage choices group";
	const struct rule rules[] = {
		{ "questions/template", templates->prompt, all, "question" },
		{ "questions/letter_template", templates->letter_prompt, all, "question choices" },
		{ "questions/choice_template", templates->choice, "letter choice", "letter choice" },
		{ "questions/bare_template", templates->bare, "", "" },
	};
	for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
		STATUS_TRY(check_rule(&rules[i]));
	return STATUS_OK;
}
