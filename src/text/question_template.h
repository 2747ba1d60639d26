/* Templates of prompts: text with names in braces, such as "Question: {question}\nAnswer:". The two characters \n stand for a new
 * line. Names: {question}, {context} (with a new line behind it; nothing when the question has none), {passage} (the same, with a blank
 * before it and no new line), {choices} (a choice template for
 * each, one after the other), {group}; in a choice template {letter} and {choice}.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_TEXT_QUESTION_TEMPLATE_H
#define CAPSHAPE_TEXT_QUESTION_TEMPLATE_H

#include <stddef.h>

#include "base/status.h"
#include "text/question_line.h"

struct question_templates {
	const char *prompt, *letter_prompt, *choice, *bare;
};

/* STATUS_USAGE naming the key (questions/template, questions/letter_template, questions/choice_template,
 * questions/bare_template) of a template with an unknown name, or without one that it needs. */
enum status question_templates_check(const struct question_templates *templates);
/* Filled in, without white space at the end; from malloc, NULL after error_raise(). `line` is not looked at for the bare prompt. passage
 * (NULL: not asked for): where the first {context} or {passage} has what the line has as context, the blank before it included; empty where there is none. */
char *question_template_prompt(const struct question_templates *templates, const struct question_line *line,
                               struct text_range *passage);
char *question_template_letter_prompt(const struct question_templates *templates, const struct question_line *line,
                                      struct text_range *passage);
char *question_template_bare(const struct question_templates *templates);

#endif
