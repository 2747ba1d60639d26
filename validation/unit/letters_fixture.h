/* What the tests of learning letters share: a file of questions, and a vocabulary.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef VALIDATION_LETTERS_FIXTURE_H
#define VALIDATION_LETTERS_FIXTURE_H

#include "validation/unit/text_fixture.h"

#include "text/question_files.h"

enum { LINES = 24, ORDERS = 3, CONTEXT = 96, MOST_TOKENS = 512 };

/* A vocabulary that has some letters with their blank as one token, and others as two. */
static inline struct tokenizer *make_letters(void)
{
	static const char text[] =
		"A A A A A B B B B B the theme of the other thing is that it is there and then the weather "
		"gathers; the other people are there too, and the theme of it is the weather.";
	struct tokenizer_trainer *trainer = NULL;
	struct tokenizer *tokenizer = NULL;
	assert_good(tokenizer_trainer_create("cl100k", &trainer));
	assert_good(tokenizer_trainer_add(trainer, text, sizeof text - 1));
	assert_good(tokenizer_trainer_finish(trainer, 290, &tokenizer));
	tokenizer_trainer_destroy(trainer);
	return tokenizer;
}

/* Question i has 2 to 5 choices and, every third, a passage; number 5 is longer than a window. */
static inline void write_lines(const char *path)
{
	static const char *const words[] = { "weather", "theme", "other", "people", "thing", "there" };
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	for (int i = 0; i < LINES; i++) {
		fprintf(file, "{\"id\": \"%d\", \"domain\": \"%s\", \"question\": \"is %s %d\", \"choices\": [", i,
		        i % 2 ? "forget" : "retain", words[i % 6], i);
		for (int k = 0; k < 2 + i % 4; k++)
			fprintf(file, "%s\"the %s = %d\"", k > 0 ? ", " : "", words[(i + k) % 6], k);
		fprintf(file, "], \"answer\": %d", i % (2 + i % 4));
		if (i % 3 == 0)
			fprintf(file, ", \"context\": \"it is the %s.\"", words[i % 6]);
		if (i == 5) {
			fprintf(file, ", \"context\": \"");
			for (int k = 0; k < CONTEXT; k++)
				fprintf(file, "%sthe weather", k > 0 ? " " : "");
			fprintf(file, "\"");
		}
		fprintf(file, "}\n");
	}
	assert_int_equal(fclose(file), 0);
}

static const struct question_options OPTIONS = {
	.line = { "set", "subject", false },
	.templates = { "{context}Question: {question}\\nAnswer:", "{passage} {question}{choices}", " {letter} {choice}",
	               "" },
	.orders = ORDERS,
	.seed = 7,
};

/* The lines as the set of questions that are asked; options->paths are for this call. */
static inline void read_letters(void **state, struct question_options *options, const struct tokenizer *tokenizer,
                                struct question_set **sets, int *count)
{
	const char *path = in_folder(state, "lines.jsonl");
	write_lines(path);
	options->paths = &path;
	options->path_count = 1;
	assert_good(question_files_read(options, tokenizer, sets, count));
	assert_int_equal(*count, 1);
}

#endif
