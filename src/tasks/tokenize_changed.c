/* Whether the sources of a finished tokenization are still what they were.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "storage/hash_memory.h"
#include "tasks/tokenize_sources.h"

/* What to do about it. */
#define WAY_OUT "choose another run/output for the text as it is now, or remove that folder to make it anew"

/* The record and what is there now. */
struct comparison {
	const struct tokenizing *work;
	const char *summary_path;
	struct sources before, now;
	struct hash_memory *memory; /* of hashes found by earlier comparisons */
	const struct file_group **doubtful;
	size_t *doubtful_before; /* their places in `before` */
	size_t doubtful_count;
};

struct named {
	const char *name;
	size_t place;
};

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct named *)a)->name, ((const struct named *)b)->name);
}

/* From malloc. */
static struct named *sort_names(const struct sources *sources)
{
	struct named *names = memory_allocate(sources->count, sizeof *names);
	for (size_t i = 0; names != NULL && i < sources->count; i++)
		names[i] = (struct named){ sources->groups[i].name, i };
	if (names != NULL)
		qsort(names, sources->count, sizeof *names, by_name);
	return names;
}

/* ---- one source ---- */

/* Whether one of the paths of a list is a folder that is there, and has or had this file in it. */
static bool lies_under(const struct parameters *parameters, const char *key, const char *name)
{
	for (size_t i = 0; i < parameters_list_count(parameters, key); i++) {
		const char *path = parameters_list_item(parameters, key, i);
		size_t length = strlen(path);
		if (length > 0 && strncmp(name, path, length) == 0 &&
		    (name[length] == '/' || path[length - 1] == '/') && source_path_is_there(path))
			return true;
	}
	return false;
}

/* A source of the record that is not found now. */
static enum status check_missing(const struct comparison *comparison, const char *name, size_t *gone)
{
	const struct parameters *parameters = comparison->work->parameters;
	if (lies_under(parameters, "corpus/paths", name) || lies_under(parameters, "questions/paths", name))
		return error_raise(STATUS_DATA,
		                   "%s was made with %s, which is not there any more, while its folder is: " WAY_OUT,
		                   comparison->summary_path, name);
	++*gone;
	return STATUS_OK;
}

static enum status check_found(struct comparison *comparison, size_t before, size_t now)
{
	const struct source_facts *old = &comparison->before.facts[before], *new = &comparison->now.facts[now];
	const struct file_group *group = &comparison->now.groups[now];
	if (old->bytes != new->bytes)
		return error_raise(STATUS_DATA, "%s was made with %s of %lld bytes, which now has %lld: " WAY_OUT,
		                   comparison->summary_path, group->name, (long long)old->bytes, (long long)new->bytes);
	if (old->modified == new->modified)
		return STATUS_OK;
	comparison->doubtful[comparison->doubtful_count] = group;
	comparison->doubtful_before[comparison->doubtful_count++] = before;
	return STATUS_OK;
}

static enum status compare_names(struct comparison *comparison, const struct named *before, const struct named *now,
                                 size_t *gone)
{
	size_t i = 0, k = 0;
	while (i < comparison->before.count || k < comparison->now.count) {
		int order = i == comparison->before.count ? 1
		            : k == comparison->now.count  ? -1
		                                          : strcmp(before[i].name, now[k].name);
		if (order > 0)
			return error_raise(STATUS_DATA, "%s was made without %s, which is there now: " WAY_OUT,
			                   comparison->summary_path, now[k].name);
		if (order < 0)
			STATUS_TRY(check_missing(comparison, before[i++].name, gone));
		else
			STATUS_TRY(check_found(comparison, before[i++].place, now[k++].place));
	}
	return STATUS_OK;
}

/* ---- those in doubt ---- */

static enum status say_reading(const struct comparison *comparison)
{
	int64_t count = 0;
	double bytes = 0;
	char size[32];
	for (size_t i = 0; i < comparison->doubtful_count; i++) {
		int64_t one;
		bool known;
		STATUS_TRY(hash_memory_knows(comparison->memory, comparison->doubtful[i], &one, &known));
		count += !known;
		bytes += known ? 0 : (double)one;
	}
	if (count > 0)
		log_info("text: %lld file%s, %s, modified since %s was made: read for a checksum", (long long)count,
		         count == 1 ? "" : "s", text_bytes(bytes, size, sizeof size), comparison->summary_path);
	return STATUS_OK;
}

static enum status compare_hashes(const struct comparison *comparison)
{
	STATUS_TRY(say_reading(comparison));
	for (size_t i = 0; i < comparison->doubtful_count; i++) {
		int64_t size;
		char hash[CONTENT_HASH_SIZE];
		STATUS_TRY(hash_memory_find(comparison->memory, comparison->doubtful[i], &size, hash));
		if (strcmp(hash, comparison->before.facts[comparison->doubtful_before[i]].hash) != 0)
			return error_raise(STATUS_DATA,
			                   "%s was made with %s of the same size and other content: " WAY_OUT,
			                   comparison->summary_path, comparison->doubtful[i]->name);
	}
	return STATUS_OK;
}

/* The files are what they were; whether that can be noted or not, as in a folder of somebody else. */
static void note_seen(const struct comparison *comparison, const char *path)
{
	if (hash_memory_write(comparison->memory, path) == STATUS_OK)
		return;
	log_info("%s: what was modified is read for its checksum again by the next start", error_message());
	error_clear();
}

static enum status settle_doubts(struct comparison *comparison)
{
	if (comparison->doubtful_count == 0)
		return STATUS_OK;
	char *path = text_join_path(comparison->work->output, "sources-seen");
	enum status status = path == NULL ? STATUS_ENVIRONMENT : hash_memory_read(path, &comparison->memory);
	if (status == STATUS_OK)
		status = compare_hashes(comparison);
	if (status == STATUS_OK)
		note_seen(comparison, path);
	free(path);
	return status;
}

static enum status compare(struct comparison *comparison)
{
	size_t gone = 0;
	struct named *before = sort_names(&comparison->before), *now = sort_names(&comparison->now);
	comparison->doubtful = memory_allocate(comparison->now.count, sizeof *comparison->doubtful);
	comparison->doubtful_before = memory_allocate(comparison->now.count, sizeof *comparison->doubtful_before);
	enum status status =
		before == NULL || now == NULL || comparison->doubtful == NULL || comparison->doubtful_before == NULL
			? STATUS_ENVIRONMENT
			: compare_names(comparison, before, now, &gone);
	if (status == STATUS_OK && gone > 0)
		log_info("%s: %zu of its %zu sources are gone, and not compared", comparison->summary_path, gone,
		         comparison->before.count);
	if (status == STATUS_OK)
		status = settle_doubts(comparison);
	free(before);
	free(now);
	return status;
}

enum status sources_check(const struct tokenizing *work, const char *summary_path)
{
	struct comparison comparison = { .work = work, .summary_path = summary_path };
	STATUS_TRY(sources_read(summary_path, &comparison.before));
	enum status status = STATUS_OK;
	if (comparison.before.count > 0)
		status = sources_find(work, false, &comparison.now);
	if (status == STATUS_OK && comparison.before.count > 0)
		status = compare(&comparison);
	free(comparison.doubtful);
	free(comparison.doubtful_before);
	hash_memory_destroy(comparison.memory);
	sources_clear(&comparison.before);
	sources_clear(&comparison.now);
	return status;
}
