/* Fuzzer of the reader of questions and of templates: any line gives a question whose answer is one of its choices, or is refused
 * with a message; any template is filled in, or refused. The first line says how the others are read: a byte of switches, then a
 * template.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "text/question_template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool holds)
{
	if (!holds)
		abort();
}

static bool is_trimmed(const char *text)
{
	static const char blanks[] = " \t\n\r\v\f";
	size_t length = strlen(text);
	return length == 0 || (strchr(blanks, text[0]) == NULL && strchr(blanks, text[length - 1]) == NULL);
}

static void check_question(const struct question_line *line)
{
	bool repeated = false;
	expect(line->question[0] != '\0' && is_trimmed(line->question) && is_trimmed(line->context));
	expect(line->count >= 2 && line->count <= QUESTION_MOST_CHOICES);
	expect(line->correct >= 0 && line->correct < line->count);
	for (int i = 0; i < line->count; i++) {
		expect(line->choices[i][0] != '\0' && is_trimmed(line->choices[i]));
		repeated |= i != line->correct && strcmp(line->choices[i], line->choices[line->correct]) == 0;
	}
	expect(repeated == line->repeated);
	expect(line->group != NULL && strlen(line->group) <= QUESTION_MOST_NAME);
	expect(line->set == NULL || (line->set[0] != '\0' && strlen(line->set) <= QUESTION_MOST_NAME));
	expect(line->id == NULL || (line->id[0] != '\0' && strlen(line->id) <= QUESTION_MOST_NAME));
	expect(line->domain <= DOMAIN_COUNT);
}

static void fill_in(const struct question_templates *templates, const struct question_line *line)
{
	char *texts[] = { question_template_prompt(templates, line), question_template_letter_prompt(templates, line),
		          question_template_bare(templates) };
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		expect(texts[i] != NULL);
		free(texts[i]);
	}
}

/* Of the bytes up to a line end, from malloc; *rest: what follows it. */
static char *take_line(const uint8_t **rest, size_t *left)
{
	const uint8_t *end = memchr(*rest, '\n', *left);
	size_t length = end == NULL ? *left : (size_t)(end - *rest);
	char *line = malloc(length + 1);
	expect(line != NULL);
	memcpy(line, *rest, length);
	line[length] = '\0';
	*rest += length + (end != NULL);
	*left -= length + (end != NULL);
	return line;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const keys[] = { "", "subject", "set", "id", "question", "answer", "domain", "choices" };
	if (size < 2)
		return 0;
	uint8_t switches = *data++;
	size--;
	char *template = take_line(&data, &size);
	const struct question_line_options options = { .set_key = keys[switches & 7],
		                                       .group_key = keys[switches >> 3 & 7],
		                                       .cut = switches >> 6 & 1 };
	struct question_templates templates = { "{context}Question: {question}\\nAnswer:", "{question}{choices}",
		                                "{letter}. {choice}\\n", "Answer:" };
	const char **own[] = { &templates.prompt, &templates.letter_prompt, &templates.choice, &templates.bare };
	if (switches >> 7)
		*own[strlen(template) % 4] = template;
	struct question_reader *reader = NULL;
	expect(question_reader_create(&options, &reader) == STATUS_OK);
	if (question_templates_check(&templates) != STATUS_OK) {
		expect(error_message()[0] != '\0');
		size = 0;
	}
	while (size > 0) {
		struct question_line line;
		char *text = take_line(&data, &size);
		error_clear();
		if (question_reader_read(reader, text, strlen(text), &line) == STATUS_OK) {
			check_question(&line);
			fill_in(&templates, &line);
		} else {
			expect(error_message()[0] != '\0');
		}
		free(text);
	}
	question_reader_destroy(reader);
	free(template);
	return 0;
}
