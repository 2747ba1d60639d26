/* One line of a file of multiple choice questions (JSON lines):
 *   {"question": "...", "choices": ["...", "..."], "answer": 0, "subject": "...", "set": "...", "domain": "forget",
 *    "context": "...", "id": "..."}
 * The forms that common data sets have are read as well; docs/questions.md.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_TEXT_QUESTION_LINE_H
#define CAPSHAPE_TEXT_QUESTION_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "text/questions.h"

/* Bytes of the name of a set, of a group, of a question: files have a row of the longest for each. */
enum { QUESTION_MOST_NAME = 255 };

/* What a line says; texts without white space at their ends, valid until the next line is read. */
struct question_line {
	const char *question, *context; /* context "": none */
	const char *choices[QUESTION_MOST_CHOICES];
	int count, correct;
	const char *id;     /* NULL: none */
	const char *set;    /* NULL: none */
	const char *group;  /* "": none */
	enum domain domain; /* DOMAIN_COUNT: none */
	bool repeated;      /* another choice has the text of the right one */
};

struct question_line_options {
	const char *set_key, *group_key; /* of the object; "": none */
	bool cut;                        /* compat/cut_choices: choices end before their first "=" */
};

/* Questions of one id belong together; without an id, those that say the same. */
uint64_t question_line_cluster(const struct question_line *line);
/* What decides in which set of tokens a question is, and tells whether two belong together: its id, or a name of what it says. */
enum { QUESTION_KEY_SIZE = QUESTION_MOST_NAME + 1 };
void question_line_key(const struct question_line *line, char key[QUESTION_KEY_SIZE]);
/* Puts the choices into one of their orders at random, number `order` of those that the seed draws for this question. */
void question_line_shuffle(struct question_line *line, uint64_t seed, uint64_t order);

struct question_reader;
enum status question_reader_create(const struct question_line_options *options, struct question_reader **reader_out);
/* STATUS_DATA with a sentence that does not name the place yet. */
enum status question_reader_read(struct question_reader *reader, const char *line, size_t size,
                                 struct question_line *out);
void question_reader_destroy(struct question_reader *reader);

#endif
