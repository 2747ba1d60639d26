/* The documents of files of several kinds, one after the other.
 * SPDX-License-Identifier: Apache-2.0 */
#include "text/corpus.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/memory.h"
#include "text/corpus_files.h"
#include "text/gcide_entry.h"
#include "text/gcide_index.h"
#include "text/generate_text.h"
#include "text/json_lines.h"
#include "text/label_findings.h"
#include "text/question_documents.h"
#include "text/source.h"

struct corpus {
	struct corpus_files files;
	size_t file_index;
	struct gcide_mark_lists *marks;
	struct generator *generator; /* in the place of files */
	uint64_t generated;          /* documents that it makes */
	struct source *source;       /* of the file being read */
	struct gcide_dictionary *dictionary;
	size_t dictionary_index;
	struct json_record *record;
	struct question_documents *questions; /* NULL: of another format */
	struct gcide_entry entry;
	struct label_findings findings;
	char *text; /* of a plain text file */
	char key[24];
	uint64_t number, limit; /* limit 0: none */
};

const char *domain_name(enum domain domain)
{
	static const char *const names[DOMAIN_COUNT] = { "unmarked", "forget", "retain",    "other",
		                                         "hard",     "mixed",  "unlabelled" };
	return (unsigned)domain < DOMAIN_COUNT ? names[domain] : "?";
}

bool domain_has_label(enum domain set, enum domain label)
{
	return label == set || (set == DOMAIN_MIXED && label == DOMAIN_FORGET);
}

enum status domain_from_name(const char *name, enum domain *domain_out)
{
	for (int i = 0; i < DOMAIN_COUNT; i++) {
		if (strcmp(name, domain_name((enum domain)i)) == 0) {
			*domain_out = (enum domain)i;
			return STATUS_OK;
		}
	}
	return error_raise(STATUS_DATA,
	                   "\"%s\" is not a domain: one of unmarked, forget, retain, other, hard, mixed, "
	                   "unlabelled",
	                   name);
}

static enum status open_generator(struct corpus *corpus, size_t path_count, const struct generate_options *options)
{
	if (path_count > 0 || options == NULL)
		return error_raise(STATUS_USAGE, "generated text has no files: leave corpus/paths out");
	corpus->generated = options->documents;
	return generator_create(options, &corpus->generator);
}

enum status corpus_open(const char *const *paths, size_t path_count, const struct corpus_options *options,
                        struct corpus **corpus_out)
{
	struct corpus *corpus = memory_allocate(1, sizeof *corpus);
	if (corpus == NULL)
		return STATUS_ENVIRONMENT;
	corpus->limit = options->document_limit;
	enum status status = gcide_mark_lists_create(options->forget_marks, options->retain_marks, &corpus->marks);
	if (status == STATUS_OK)
		status = json_record_create(options->label_characters, &corpus->record);
	if (status == STATUS_OK && options->questions != NULL)
		status = question_documents_create(options->questions, &corpus->questions);
	else if (status == STATUS_OK && options->format != NULL && strcmp(options->format, "questions") == 0)
		status = error_raise(STATUS_INTERNAL, "a corpus of questions without templates");
	bool generated = options->format != NULL && strcmp(options->format, "generated") == 0;
	if (status == STATUS_OK && generated)
		status = open_generator(corpus, path_count, options->generate);
	else if (status == STATUS_OK && path_count == 0)
		status = error_raise(STATUS_USAGE, "a corpus needs at least one file");
	for (size_t i = 0; i < path_count && status == STATUS_OK; i++)
		status = corpus_files_add(&corpus->files, paths[i], options->format);
	if (status != STATUS_OK) {
		corpus_close(corpus);
		return status;
	}
	*corpus_out = corpus;
	return STATUS_OK;
}

/* ---- documents ---- */

static void file_finish(struct corpus *corpus)
{
	source_close(corpus->source);
	corpus->source = NULL;
	gcide_dictionary_close(corpus->dictionary);
	corpus->dictionary = NULL;
	corpus->dictionary_index = 0;
	corpus->file_index++;
}

static bool is_blank(const char *line, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (line[i] != ' ' && line[i] != '\t')
			return false;
	}
	return true;
}

/* The next line that is not blank. */
static enum status next_line(struct corpus *corpus, const char **line, size_t *size, bool *found)
{
	do {
		STATUS_TRY(source_read_line(corpus->source, line, size, found));
	} while (*found && is_blank(*line, *size));
	return STATUS_OK;
}

static enum status next_question(struct corpus *corpus, struct document *document, bool *found)
{
	const char *line = NULL;
	size_t size = 0;
	bool lines = true;
	STATUS_TRY(question_documents_again(corpus->questions, document, found));
	while (!*found && lines) {
		STATUS_TRY(next_line(corpus, &line, &size, &lines));
		if (!lines)
			return STATUS_OK;
		enum status status = question_documents_read(corpus->questions, line, size, document, found);
		if (status != STATUS_OK)
			return error_context(status, "%s:%" PRIu64, source_path(corpus->source),
			                     source_line_number(corpus->source));
	}
	return label_findings_add(&corpus->findings, document->labels != LABELS_NONE, source_path(corpus->source),
	                          source_line_number(corpus->source));
}

static enum status next_json(struct corpus *corpus, struct document *document, bool *found)
{
	const char *line = NULL;
	size_t size = 0;
	STATUS_TRY(next_line(corpus, &line, &size, found));
	if (!*found)
		return STATUS_OK;
	const char *path = source_path(corpus->source);
	uint64_t number = source_line_number(corpus->source);
	enum status status = json_record_read(corpus->record, line, size, document);
	if (status != STATUS_OK)
		return error_context(status, "%s:%" PRIu64, path, number);
	STATUS_TRY(label_findings_add(&corpus->findings, document->labels != LABELS_NONE, path, number));
	const char *key = json_record_misspelt(corpus->record);
	return key == NULL ? STATUS_OK : label_findings_add_key(&corpus->findings, key, path, number);
}

static enum status next_text(struct corpus *corpus, struct document *document, bool *found)
{
	/* One document a file: the second call finds the end. */
	size_t size = 0;
	free(corpus->text);
	corpus->text = NULL;
	STATUS_TRY(source_read_rest(corpus->source, &corpus->text, &size));
	if (size > UINT32_MAX)
		return error_raise(STATUS_DATA, "%s: a text of %zu bytes is longer than 4 GiB",
		                   source_path(corpus->source), size);
	*found = size > 0;
	*document = (struct document){
		.text = corpus->text, .size = size, .domain = DOMAIN_UNLABELLED, .outside = DOMAIN_UNLABELLED
	};
	return *found ? label_findings_add(&corpus->findings, false, source_path(corpus->source), 1) : STATUS_OK;
}

static enum status next_entry(struct corpus *corpus, struct document *document, bool *found)
{
	*found = corpus->dictionary_index < gcide_dictionary_count(corpus->dictionary);
	if (!*found)
		return STATUS_OK;
	size_t size;
	const char *head_word;
	const char *text = gcide_dictionary_entry(corpus->dictionary, corpus->dictionary_index++, &size, &head_word);
	struct gcide_entry *entry = &corpus->entry;
	STATUS_TRY(gcide_entry_parse(text, size, corpus->marks, entry));
	*document = (struct document){
		.text = entry->text,
		.size = entry->size,
		.key = entry->key[0] != '\0' ? entry->key : head_word,
		.domain = entry->domain,
		.spans = entry->spans,
		.span_count = entry->span_count,
		.labels = LABELS_TOKEN,
	};
	return STATUS_OK;
}

static enum status next_of_file(struct corpus *corpus, struct document *document, bool *found)
{
	const struct corpus_file *file = &corpus->files.files[corpus->file_index];
	if (file->kind == FILE_GCIDE) {
		if (corpus->dictionary == NULL)
			STATUS_TRY(gcide_dictionary_open(file->path, &corpus->dictionary));
		return next_entry(corpus, document, found);
	}
	if (corpus->source == NULL)
		STATUS_TRY(source_open(file->path, &corpus->source));
	if (file->kind == FILE_QUESTIONS)
		return next_question(corpus, document, found);
	return file->kind == FILE_JSON_LINES ? next_json(corpus, document, found) : next_text(corpus, document, found);
}

enum status corpus_next(struct corpus *corpus, struct document *document, int *found)
{
	bool got = false;
	if (corpus->limit > 0 && corpus->number >= corpus->limit) {
		*found = 0;
		return STATUS_OK;
	}
	if (corpus->generator != NULL && corpus->number < corpus->generated) {
		STATUS_TRY(generator_document(corpus->generator, corpus->number, document));
		got = true;
	}
	while (!got && corpus->file_index < corpus->files.count) {
		STATUS_TRY(next_of_file(corpus, document, &got));
		if (!got)
			file_finish(corpus);
	}
	*found = got;
	if (!got)
		return STATUS_OK;
	document->number = corpus->number++;
	bool named = document->key != NULL;
	if (!named) {
		snprintf(corpus->key, sizeof corpus->key, "%" PRIu64, document->number);
		document->key = corpus->key;
	}
	/* Another seed, so that document 7 and one of "id" 7 are two groups. */
	document->group = XXH3_64bits_withSeed(document->key, strlen(document->key), named ? 0 : 1);
	return STATUS_OK;
}

void corpus_close(struct corpus *corpus)
{
	if (corpus == NULL)
		return;
	file_finish(corpus);
	corpus_files_clear(&corpus->files);
	gcide_mark_lists_destroy(corpus->marks);
	json_record_destroy(corpus->record);
	question_documents_destroy(corpus->questions);
	generator_destroy(corpus->generator);
	gcide_entry_clear(&corpus->entry);
	label_findings_clear(&corpus->findings);
	free(corpus->text);
	free(corpus);
}

const struct label_findings *corpus_findings(const struct corpus *corpus)
{
	return &corpus->findings;
}

/* ---- the files ---- */

size_t corpus_file_count(const struct corpus *corpus)
{
	return corpus->files.count;
}

enum status corpus_file_group(const struct corpus *corpus, size_t index, struct file_group *group)
{
	const struct corpus_file *file = &corpus->files.files[index];
	bool dictionary = file->kind == FILE_GCIDE;
	*group = (struct file_group){ .name = memory_copy_text(file->path), .count = dictionary ? 2 : 1 };
	enum status status = group->name == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	if (status == STATUS_OK && dictionary)
		status = gcide_dictionary_files(file->path, &group->paths[0], &group->paths[1]);
	else if (status == STATUS_OK && (group->paths[0] = memory_copy_text(file->path)) == NULL)
		status = STATUS_ENVIRONMENT;
	if (status != STATUS_OK)
		file_group_clear(group);
	return status;
}
