/* Questions as documents.
 * SPDX-License-Identifier: Apache-2.0 */
#include "text/question_documents.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "text/tokenize.h"

struct question_documents {
	const struct question_options *options;
	struct question_reader *reader;
	struct question_line line; /* as it was read */
	int64_t order, orders;     /* the next one, and how many there are of it */
	char key[QUESTION_KEY_SIZE];
	char *text;
};

enum status question_documents_create(const struct question_options *options, struct question_documents **out)
{
	STATUS_TRY(question_templates_check(&options->templates));
	struct question_documents *documents = memory_allocate(1, sizeof *documents);
	if (documents == NULL)
		return STATUS_ENVIRONMENT;
	documents->options = options;
	enum status status = question_reader_create(&options->line, &documents->reader);
	if (status != STATUS_OK) {
		question_documents_destroy(documents);
		return status;
	}
	*out = documents;
	return STATUS_OK;
}

void question_documents_destroy(struct question_documents *documents)
{
	if (documents == NULL)
		return;
	question_reader_destroy(documents->reader);
	free(documents->text);
	free(documents);
}

/* The question in the order that is due. */
static enum status make(struct question_documents *documents, struct document *document)
{
	struct question_line line = documents->line;
	if (documents->options->orders > 0)
		question_line_shuffle(&line, documents->options->seed, (uint64_t)documents->order);
	if (documents->options->passages == PASSAGES_HIDDEN)
		line.context = "";
	documents->order++;
	char *prompt = question_template_letter_prompt(&documents->options->templates, &line, NULL);
	if (prompt == NULL)
		return STATUS_ENVIRONMENT;
	size_t letter = strlen(prompt);
	char *text = text_format("%s %c", prompt, 'A' + line.correct);
	free(prompt);
	if (text == NULL)
		return STATUS_ENVIRONMENT;
	free(documents->text);
	documents->text = text;
	if (letter + 2 > UINT32_MAX)
		return error_raise(STATUS_DATA, "a question is longer than 4 GiB");
	enum domain domain = line.domain == DOMAIN_COUNT ? DOMAIN_UNLABELLED : line.domain;
	*document = (struct document){ .text = text,
		                       .size = letter + 2,
		                       .letter = (uint32_t)letter,
		                       .key = documents->key,
		                       .domain = domain,
		                       .outside = domain,
		                       .labels = domain == DOMAIN_UNLABELLED ? LABELS_NONE : LABELS_DOCUMENT };
	return STATUS_OK;
}

enum status question_documents_read(struct question_documents *documents, const char *line, size_t size,
                                    struct document *document, bool *found)
{
	enum status status = question_reader_read(documents->reader, line, size, &documents->line);
	*found = status == STATUS_OK;
	documents->order = documents->orders = 0;
	if (status == STATUS_DATA && documents->options->skip) {
		error_clear();
		return STATUS_OK;
	}
	STATUS_TRY(status);
	question_line_key(&documents->line, documents->key);
	const struct tokenize_plan *plan = documents->options->held_out;
	if (plan == NULL || tokenize_split(plan, documents->key) == SPLIT_TRAIN)
		documents->orders = documents->options->orders;
	return make(documents, document);
}

enum status question_documents_again(struct question_documents *documents, struct document *document, bool *found)
{
	*found = documents->order > 0 && documents->order < documents->orders;
	return *found ? make(documents, document) : STATUS_OK;
}
