/* Reading files of questions.
 * SPDX-License-Identifier: Apache-2.0 */
#include "text/question_files.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/checksum.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/open_files.h"
#include "base/text.h"
#include "text/source.h"
#include "text/tokenize.h"

/* ---- files ---- */

void question_files_free(char **files, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(files[i]);
	free(files);
}

struct file_list {
	char **files;
	size_t count, capacity;
};

/* Takes over `path` (NULL after an error). */
static enum status add_file(struct file_list *list, char *path)
{
	enum status status = path == NULL ? STATUS_ENVIRONMENT
	                                  : memory_grow((void **)&list->files, &list->capacity, list->count + 1,
	                                                sizeof *list->files);
	if (status != STATUS_OK)
		free(path);
	else
		list->files[list->count++] = path;
	return status;
}

static int not_hidden(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* By bytes, so that the order does not depend on the locale. */
static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static enum status add_folder(struct file_list *list, const char *folder)
{
	struct dirent **entries = NULL;
	size_t before = list->count;
	int count = scandir(folder, &entries, not_hidden, by_name);
	if (count < 0)
		return error_raise(open_files_status(errno, STATUS_DATA), "cannot read the folder %s: %s%s", folder,
		                   strerror(errno), open_files_advice(errno));
	enum status status = STATUS_OK;
	for (int i = 0; i < count; i++) {
		struct stat information;
		char *path = status == STATUS_OK ? text_join_path(folder, entries[i]->d_name) : NULL;
		if (path != NULL && stat(path, &information) == 0 && !S_ISREG(information.st_mode))
			free(path);
		else if (status == STATUS_OK)
			status = add_file(list, path);
		free(entries[i]);
	}
	free(entries);
	if (status == STATUS_OK && list->count == before)
		return error_raise(STATUS_DATA, "questions/paths: the folder %s has no files", folder);
	return status;
}

enum status question_files_find(const char *const *paths, size_t path_count, char ***files, size_t *count)
{
	struct file_list list = { 0 };
	enum status status = STATUS_OK;
	for (size_t i = 0; i < path_count && status == STATUS_OK; i++) {
		struct stat information;
		if (stat(paths[i], &information) != 0)
			status = error_raise(STATUS_DATA, "questions/paths: %s: %s", paths[i], strerror(errno));
		else if (S_ISDIR(information.st_mode))
			status = add_folder(&list, paths[i]);
		else
			status = add_file(&list, memory_copy_text(paths[i]));
	}
	if (status != STATUS_OK) {
		question_files_free(list.files, list.count);
		return status;
	}
	*files = list.files;
	*count = list.count;
	return STATUS_OK;
}

/* ---- names ---- */

static void cut_end(char *name, const char *end)
{
	size_t length = strlen(name), size = strlen(end);
	if (length > size && strcmp(name + length - size, end) == 0)
		name[length - size] = '\0';
}

/* From malloc. Letters, digits, . _ + = - and what is not ASCII stay; a name never begins with a dot. */
static char *set_name(const char *given, const char *path)
{
	const char *slash = strrchr(path, '/');
	char *name = memory_copy_text(given != NULL ? given : slash != NULL ? slash + 1 : path);
	static const char *const ends[] = { ".gz", ".zst", ".jsonl", ".json" };
	for (size_t i = 0; name != NULL && given == NULL && i < sizeof ends / sizeof ends[0]; i++)
		cut_end(name, ends[i]);
	for (char *at = name; at != NULL && *at != '\0'; at++) {
		bool letter = (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') || (*at >= '0' && *at <= '9');
		if (!letter && strchr("._+=-", *at) == NULL && (unsigned char)*at < 0x80)
			*at = '_';
	}
	if (name != NULL && name[0] == '.')
		name[0] = '_';
	return name;
}

/* ---- sets ---- */

struct set_list {
	struct question_set *sets;
	size_t count, capacity;
	int64_t repeated; /* questions that offer the right answer twice */
	int64_t skipped;  /* lines */
	char *first;      /* of these: where, and what is wrong; from malloc */
};

/* Takes over `name`. */
static enum status find_set(struct set_list *list, char *name, struct question_set **set)
{
	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->sets[i].name, name) == 0) {
			free(name);
			*set = &list->sets[i];
			return STATUS_OK;
		}
	enum status status = memory_grow((void **)&list->sets, &list->capacity, list->count + 1, sizeof *list->sets);
	if (status != STATUS_OK) {
		free(name);
		return status;
	}
	*set = &list->sets[list->count++];
	**set = (struct question_set){ .name = name };
	return STATUS_OK;
}

/* The line with its passage, or without, in the set of the name, which is taken over. */
static enum status add_question(struct set_list *list, const struct question_options *options,
                                const struct tokenizer *tokenizer, char *name, const char *id,
                                const struct question_line *line, uint64_t cluster)
{
	struct question_set *set = NULL;
	struct own_question question = { .choices = line->choices,
		                         .count = line->count,
		                         .correct = line->correct,
		                         .id = id,
		                         .group = line->group,
		                         .cluster = cluster,
		                         .domain = line->domain };
	STATUS_TRY(name == NULL ? STATUS_ENVIRONMENT : find_set(list, name, &set));
	char *prompt = question_template_prompt(&options->templates, line, &question.passage);
	char *letter_prompt = question_template_letter_prompt(&options->templates, line, &question.letter_passage);
	question.prompt = prompt;
	question.letter_prompt = letter_prompt;
	enum status status = prompt == NULL || letter_prompt == NULL ? STATUS_ENVIRONMENT
	                                                             : question_set_add_own(set, tokenizer, &question);
	free(prompt);
	free(letter_prompt);
	return status;
}

static enum status add_line(struct set_list *list, const struct question_options *options,
                            const struct tokenizer *tokenizer, const struct source *source,
                            const struct question_line *line)
{
	const char *path = source_path(source), *slash = strrchr(path, '/');
	struct question_line closed = *line;
	uint64_t cluster = question_line_cluster(line);
	char *id = line->id != NULL ? memory_copy_text(line->id)
	                            : text_format("%s:%llu", slash != NULL ? slash + 1 : path,
	                                          (unsigned long long)source_line_number(source));
	enum status status = id == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	if (options->passages != PASSAGES_SHOWN)
		closed.context = "";
	if (status == STATUS_OK)
		status = add_question(list, options, tokenizer, set_name(line->set, path), id, &closed, cluster);
	if (status == STATUS_OK && options->passages == PASSAGES_BOTH && line->context[0] != '\0') {
		char *name = set_name(line->set, path),
		     *open = name == NULL ? NULL : text_format("%s%s", name, PASSAGES_SUFFIX);
		free(name);
		status = add_question(list, options, tokenizer, open, id, line, cluster);
	}
	list->repeated += line->repeated;
	free(id);
	return status;
}

/* Whether a question is asked: not where it is of the text that is learned. */
static bool is_wanted(const struct question_options *options, const struct question_line *line)
{
	char key[QUESTION_KEY_SIZE];
	question_line_key(line, key);
	return options->held_out == NULL || tokenize_split(options->held_out, key) == SPLIT_TEST;
}

static bool is_blank(const char *line, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (strchr(" \t\r", line[i]) == NULL || line[i] == '\0')
			return false;
	return true;
}

/* After an error in the line last read. */
static enum status bad_line(struct set_list *list, const struct question_options *options, const struct source *source)
{
	unsigned long long number = source_line_number(source);
	const char *path = source_path(source);
	if (!options->skip)
		return error_raise(STATUS_DATA,
		                   "%s:%llu: %s: correct the line, remove it, or set questions/bad_lines = skip", path,
		                   number, error_message());
	if (list->skipped++ == 0)
		list->first = text_format("%s:%llu: %s", path, number, error_message());
	error_clear();
	return list->skipped == 1 && list->first == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
}

static enum status read_file(struct set_list *list, const struct question_options *options,
                             const struct tokenizer *tokenizer, struct question_reader *reader, const char *path)
{
	struct source *source = NULL;
	int64_t questions = 0;
	bool found = true;
	STATUS_TRY(source_open(path, &source));
	enum status status = STATUS_OK;
	while (status == STATUS_OK) {
		const char *line = NULL;
		size_t size = 0;
		struct question_line read;
		status = source_read_line(source, &line, &size, &found);
		if (status != STATUS_OK || !found)
			break;
		if (is_blank(line, size))
			continue;
		status = question_reader_read(reader, line, size, &read);
		if (status == STATUS_DATA) {
			status = bad_line(list, options, source);
			continue;
		}
		questions++;
		if (status != STATUS_OK || !is_wanted(options, &read))
			continue;
		if (options->orders > 0)
			question_line_shuffle(&read, options->seed, 0);
		status = add_line(list, options, tokenizer, source, &read);
	}
	source_close(source);
	if (status == STATUS_OK && questions == 0)
		return error_raise(STATUS_DATA, "questions/paths: %s has no questions", path);
	return status;
}

/* ---- all ---- */

static int compare_sets(const void *a, const void *b)
{
	return strcmp(((const struct question_set *)a)->name, ((const struct question_set *)b)->name);
}

static enum status give_domain(const struct set_list *list, const char *key, const char *const *names, size_t count,
                               enum domain domain)
{
	for (size_t i = 0; i < count; i++) {
		size_t place = 0;
		while (place < list->count && strcmp(list->sets[place].name, names[i]) != 0)
			place++;
		if (place == list->count) {
			char *known = memory_copy_text("");
			for (size_t k = 0; k < list->count && known != NULL; k++) {
				char *longer = text_format("%s %s", known, list->sets[k].name);
				free(known);
				known = longer;
			}
			enum status status = error_raise(STATUS_USAGE, "%s: there is no set %s; there are:%s", key,
			                                 names[i], known != NULL ? known : "");
			free(known);
			return status;
		}
		list->sets[place].domain = domain;
	}
	return STATUS_OK;
}

static double chance_of(const struct question_set *set)
{
	double sum = 0;
	for (int64_t q = 0; q < set->count; q++)
		sum += 1.0 / (double)(set->first[q + 1] - set->first[q]);
	return sum / (double)set->count;
}

static void say_sets(const struct set_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct question_set *set = &list->sets[i];
		log_info("questions: %s: %lld, in %lld group%s, up to %lld choices, chance %.1f %%, domain %s",
		         set->name, (long long)set->count, (long long)set->group_count,
		         set->group_count == 1 ? "" : "s", (long long)set->candidates, 100 * chance_of(set),
		         set->domain == DOMAIN_COUNT ? "not said" : domain_name(set->domain));
	}
	if (list->skipped > 0)
		log_warning("questions: %lld line%s passed over, being no questions; the first: %s",
		            (long long)list->skipped, list->skipped == 1 ? "" : "s", list->first);
	if (list->repeated > 0)
		log_warning(
			"questions: %lld offer the text of the right answer twice: no text of theirs can win, so they "
			"are wrong however scored, but by letters",
			(long long)list->repeated);
}

static enum status read_all(const struct question_options *options, const struct tokenizer *tokenizer,
                            char *const *files, size_t file_count, struct set_list *list)
{
	struct question_reader *reader = NULL;
	char *bare = question_template_bare(&options->templates);
	enum status status = bare == NULL ? STATUS_ENVIRONMENT : question_reader_create(&options->line, &reader);
	for (size_t i = 0; i < file_count && status == STATUS_OK; i++)
		status = read_file(list, options, tokenizer, reader, files[i]);
	question_reader_destroy(reader);
	for (size_t i = 0; i < list->count && status == STATUS_OK; i++)
		status = question_set_finish(&list->sets[i], tokenizer, bare);
	free(bare);
	if (status == STATUS_OK && list->count > 1)
		qsort(list->sets, list->count, sizeof *list->sets, compare_sets);
	if (status == STATUS_OK)
		status = give_domain(list, "questions/forget_sets", options->forget_sets, options->forget_count,
		                     DOMAIN_FORGET);
	if (status == STATUS_OK)
		status = give_domain(list, "questions/retain_sets", options->retain_sets, options->retain_count,
		                     DOMAIN_RETAIN);
	return status;
}

enum status question_files_read(const struct question_options *options, const struct tokenizer *tokenizer,
                                struct question_set **sets, int *count)
{
	struct set_list list = { 0 };
	char **files = NULL;
	size_t file_count = 0;
	STATUS_TRY(question_templates_check(&options->templates));
	STATUS_TRY(question_files_find(options->paths, options->path_count, &files, &file_count));
	enum status status = read_all(options, tokenizer, files, file_count, &list);
	question_files_free(files, file_count);
	if (status == STATUS_OK)
		say_sets(&list);
	free(list.first);
	if (status != STATUS_OK) {
		questions_free(list.sets, (int)list.count);
		return status;
	}
	*sets = list.sets;
	*count = (int)list.count;
	return STATUS_OK;
}
