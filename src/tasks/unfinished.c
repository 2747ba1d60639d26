/* The folder of an unfinished task.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tasks/unfinished.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "results/provenance.h"
#include "storage/atomic_file.h"
#include "tasks/guard.h"

char *unfinished_add_line(char *text, const char *format, ...)
{
	va_list arguments, again;
	va_start(arguments, format);
	va_copy(again, arguments);
	int size = vsnprintf(NULL, 0, format, arguments);
	size_t length = text == NULL ? 0 : strlen(text);
	char *longer = text == NULL || size < 0 ? NULL : memory_allocate(length + (size_t)size + 2, 1);
	if (longer != NULL) {
		memcpy(longer, text, length);
		vsnprintf(longer + length, (size_t)size + 1, format, again);
		longer[length + (size_t)size] = '\n';
	}
	va_end(again);
	va_end(arguments);
	free(text);
	return longer;
}

char *unfinished_keys(const struct parameters *parameters, const char *except)
{
	size_t count;
	const struct key *keys = keys_table(&count);
	const char *task = parameters_text(parameters, "run/task");
	char *text = memory_copy_text("");
	for (size_t i = 0; i < count; i++)
		if (keys_decides(&keys[i], task) && (except == NULL || strcmp(keys[i].name, except) != 0))
			text = unfinished_add_line(text, "%s = %s", keys[i].name,
			                           parameters_value(parameters, keys[i].name));
	return text;
}

/* The first line that differs: its beginning in both, and its size. */
static void find_difference(const char **before, const char **now, int *before_size, int *now_size)
{
	for (;;) {
		*before_size = (int)strcspn(*before, "\n");
		*now_size = (int)strcspn(*now, "\n");
		bool same = *before_size == *now_size && strncmp(*before, *now, (size_t)*now_size) == 0;
		if (!same || (*before)[*before_size] == '\0' || (*now)[*now_size] == '\0')
			return;
		*before += *before_size + 1;
		*now += *now_size + 1;
	}
}

static void say_difference(const char *folder, const char *before, const char *now)
{
	int before_size, now_size;
	find_difference(&before, &now, &before_size, &now_size);
	log_info("%s was made with \"%.*s\", but now it is \"%.*s\": it is removed, and the work begins anew", folder,
	         before_size, before, now_size, now);
}

/* The names that are given in such a folder. */
static int is_foreign(const struct dirent *entry)
{
	static const char *const own[] = { ".",      "..",      "made-with*", "hashes*", "vocabulary.*",  "*.journal",
		                           "*.done", "*.probe", "*.counts",   "*.tmp-*", "autoencoder.h5" };
	for (size_t i = 0; i < sizeof own / sizeof *own; i++)
		if (fnmatch(own[i], entry->d_name, 0) == 0)
			return 0;
	return 1;
}

/* STATUS_USAGE for a folder of that name which somebody else has filled. */
static enum status check_own(const char *folder)
{
	struct dirent **entries = NULL;
	int count = scandir(folder, &entries, is_foreign, alphasort);
	enum status status = STATUS_OK;
	if (count > 0)
		status = error_raise(
			STATUS_USAGE,
			"%s holds %s, which is no unfinished work of this program: move the folder away, or choose "
			"another run/output",
			folder, entries[0]->d_name);
	for (int i = 0; i < count; i++)
		free(entries[i]);
	free(entries);
	return status;
}

/* ---- the note ---- */

static const char version_mark[] = "capshape = ";

/* A note is lines of versions, the latest last, then what decides the content. Where that begins; *version: of the last such
 * line, *size long, NULL where there is none. */
static const char *skip_versions(const char *note, const char **version, int *size)
{
	*version = NULL;
	*size = 0;
	while (strncmp(note, version_mark, sizeof version_mark - 1) == 0) {
		*version = note + sizeof version_mark - 1;
		*size = (int)strcspn(*version, "\n");
		note = *version + *size;
		note += *note == '\n';
	}
	return note;
}

/* Adds this version to the note of a folder that another one has filled, and says so. */
static enum status note_version(const char *folder, const char *path, const char *note)
{
	const char *version;
	int size;
	const char *rest = skip_versions(note, &version, &size);
	const char *own = provenance_version();
	if (version != NULL && size == (int)strlen(own) && strncmp(version, own, (size_t)size) == 0)
		return STATUS_OK;
	if (version == NULL)
		log_info("%s: capshape %s goes on with the work of an earlier version", folder, own);
	else
		log_info("%s: capshape %s goes on with the work of capshape %.*s", folder, own, size, version);
	char *text = text_format("%.*s%s%s\n%s", (int)(rest - note), note, version_mark, own, rest);
	enum status status = text == NULL ? STATUS_ENVIRONMENT : atomic_file_write(path, text, strlen(text));
	free(text);
	return status;
}

/* *same: the folder is there and made with `text`. */
static enum status compare(const char *folder, const char *path, const char *text, bool *same)
{
	char *before = NULL;
	const char *version;
	int version_size;
	size_t size;
	*same = false;
	if (access(folder, F_OK) != 0)
		return STATUS_OK;
	STATUS_TRY(check_own(folder));
	if (access(path, F_OK) != 0) {
		log_info("%s does not say what it was made with: it is removed, and the work begins anew", folder);
		return STATUS_OK;
	}
	STATUS_TRY(file_read(path, &before, &size));
	const char *made_with = skip_versions(before, &version, &version_size);
	enum status status = STATUS_OK;
	*same = strcmp(made_with, text) == 0;
	if (*same)
		status = note_version(folder, path, before);
	else
		say_difference(folder, made_with, text);
	free(before);
	return status;
}

/* The note goes first and comes last: without it, nothing in the folder counts. */
static enum status begin_anew(const char *folder, const char *path, const char *text)
{
	if (unlink(path) != 0 && errno != ENOENT)
		return file_raise(errno, path, "cannot be removed");
	STATUS_TRY(folder_remove(folder));
	STATUS_TRY(text_make_directories(folder));
	STATUS_TRY(parent_sync(folder));
	char *note = text_format("%s%s\n%s", version_mark, provenance_version(), text);
	enum status status = note == NULL ? STATUS_ENVIRONMENT : atomic_file_write(path, note, strlen(note));
	free(note);
	return status;
}

static enum status prepare(struct unfinished *unfinished, const char *output, const char *text,
                           enum status (*clean)(const char *output))
{
	bool same = false;
	char *path = text_join_path(unfinished->folder, "made-with");
	enum status status = path == NULL ? STATUS_ENVIRONMENT : compare(unfinished->folder, path, text, &same);
	if (status == STATUS_OK && !same && clean != NULL)
		status = clean(output);
	if (status == STATUS_OK && !same)
		status = begin_anew(unfinished->folder, path, text);
	free(path);
	checksum_content_hash(text, strlen(text), unfinished->identity);
	return status;
}

enum status unfinished_open(struct world *world, const char *output, const char *text,
                            enum status (*clean)(const char *output), struct unfinished *unfinished)
{
	*unfinished = (struct unfinished){ .folder = text_join_path(output, "unfinished") };
	enum status status = unfinished->folder == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	if (status == STATUS_OK && world->rank == 0)
		status = text == NULL ? STATUS_ENVIRONMENT : prepare(unfinished, output, text, clean);
	STATUS_TRY(world_agree(world, status));
	return world_broadcast(world, unfinished->identity, sizeof unfinished->identity, 0);
}

void unfinished_clear(struct unfinished *unfinished)
{
	free(unfinished->folder);
	*unfinished = (struct unfinished){ 0 };
}

/* "NAME.h5.tmp-PID", as files are called while they are written. */
static int is_temporary(const struct dirent *entry)
{
	const char *at = strstr(entry->d_name, ".h5.tmp-");
	return at != NULL && at[8] != '\0' && strspn(at + 8, "0123456789") == strlen(at + 8);
}

static enum status remove_temporaries(const char *folder)
{
	struct dirent **entries = NULL;
	int count = scandir(folder, &entries, is_temporary, alphasort);
	for (int i = 0; i < count; i++) {
		char *path = text_join_path(folder, entries[i]->d_name);
		if (path != NULL)
			unlink(path);
		free(path);
		free(entries[i]);
	}
	free(entries);
	return count < 0 ? file_raise(errno, folder, "the folder cannot be read") : STATUS_OK;
}

enum status unfinished_remove(const char *output)
{
	char *folder = text_join_path(output, "unfinished");
	enum status status = folder == NULL ? STATUS_ENVIRONMENT : remove_temporaries(output);
	if (status == STATUS_OK && check_own(folder) == STATUS_OK)
		status = folder_remove(folder);
	else if (status == STATUS_OK)
		error_clear(); /* what is not ours stays */
	free(folder);
	return status;
}

enum status unfinished_tidy(struct world *world, const char *output)
{
	struct lock *lock = NULL;
	char *folder = text_join_path(output, "unfinished");
	bool there = world->rank == 0 && folder != NULL && access(folder, F_OK) == 0;
	free(folder);
	STATUS_TRY(world_broadcast(world, &there, sizeof there, 0));
	if (!there)
		return STATUS_OK;
	STATUS_TRY(guard_wait(world, output, &lock));
	enum status status = world_agree(world, world->rank == 0 ? unfinished_remove(output) : STATUS_OK);
	lock_release(lock);
	return status;
}
