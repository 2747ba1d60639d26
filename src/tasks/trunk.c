/* Comparing points of run folders.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tasks/trunk.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/open_files.h"
#include "base/text.h"
#include "storage/hdf5_file.h"

/* How many values of a trunk differ, and the first of them. */
struct difference {
	size_t count;
	char text[512];
};

struct nearest {
	char name[SWEEP_NAME_LIMIT + 1];
	struct difference difference;
};

/* Keys in which a trunk may differ: what the steps before the cool-down are not decided by. The learning rates of those
 * steps are compared one by one when the checkpoint is read (roles/trainer_fork.c). */
static bool may_differ(const struct key *key)
{
	static const char *const names[] = { "train/tokens",       "train/tokens_per_parameter", "train/schedule",
		                             "train/warmup_share", "train/warmup_tokens",        "train/final_factor",
		                             "train/decay_share" };
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (strcmp(key->name, names[i]) == 0)
			return true;
	return !keys_decides(key, "pretrain") || strncmp(key->name, "evaluate/", 9) == 0;
}

static void note(struct difference *difference, const char *what, const char *there, const char *here)
{
	if (difference->count++ == 0)
		snprintf(difference->text, sizeof difference->text, "%s is %s there and %s here", what, there, here);
}

/* What follows the hash of the parameters: text and classifier. */
static const char *of_data(const char *identity)
{
	const char *dash = strchr(identity, '-');
	return dash != NULL ? dash : identity;
}

static enum status compare(struct hdf5_reader *reader, const struct point *point, char **identity_out,
                           struct difference *difference)
{
	size_t count;
	const struct key *keys = keys_table(&count);
	*difference = (struct difference){ 0 };
	STATUS_TRY(hdf5_read_text_attribute(reader, "/", "identity", identity_out));
	if (strcmp(of_data(*identity_out), of_data(point->identity)) != 0)
		note(difference, "text or classifier", of_data(*identity_out) + 1, of_data(point->identity) + 1);
	for (size_t i = 0; i < count; i++) {
		char *there = NULL;
		if (may_differ(&keys[i]))
			continue;
		const char *here = parameters_value(point->parameters, keys[i].name);
		/* A key that is newer than the file had no say in it. */
		if (hdf5_read_text_attribute(reader, "parameters", keys[i].name, &there) != STATUS_OK)
			error_clear();
		else if (strcmp(there, here) != 0)
			note(difference, keys[i].name, there, here);
		free(there);
	}
	return STATUS_OK;
}

/* Looks at one point of the trunk; when it comes nearer than any before, it is the nearest and the point's trunk. */
static enum status look_at(const char *folder, const char *name, struct point *point, struct nearest *nearest)
{
	struct difference difference;
	struct hdf5_reader *reader = NULL;
	char *identity = NULL;
	char *path = text_format("%s/%s/run.h5", folder, name);
	if (path == NULL)
		return STATUS_ENVIRONMENT;
	if (strlen(name) > SWEEP_NAME_LIMIT || !hdf5_is_complete(path)) {
		free(path);
		return STATUS_OK;
	}
	enum status status = hdf5_open(path, &reader);
	free(path);
	STATUS_TRY(status);
	status = compare(reader, point, &identity, &difference);
	hdf5_close(reader);
	if (status == STATUS_OK && (nearest->name[0] == '\0' || difference.count < nearest->difference.count)) {
		snprintf(nearest->name, sizeof nearest->name, "%s", name);
		nearest->difference = difference;
		snprintf(point->trunk_name, sizeof point->trunk_name, "%s", name);
		snprintf(point->trunk_identity, sizeof point->trunk_identity, "%s", identity);
	}
	free(identity);
	return status;
}

static int not_hidden(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static enum status search(const char *folder, struct point *point)
{
	struct nearest nearest = { 0 };
	struct dirent **entries = NULL;
	int count = scandir(folder, &entries, not_hidden, alphasort);
	if (count < 0)
		return error_raise(open_files_status(errno, STATUS_DATA),
		                   "train/trunk: %s: cannot read the folder: %s%s", folder, strerror(errno),
		                   open_files_advice(errno));
	enum status status = STATUS_OK;
	for (int i = 0; i < count; i++) {
		if (status == STATUS_OK)
			status = look_at(folder, entries[i]->d_name, point, &nearest);
		free(entries[i]);
	}
	free(entries);
	STATUS_TRY(status);
	if (nearest.name[0] == '\0')
		return error_raise(STATUS_DATA, "train/trunk: %s holds no run; run the trunk first (run/after)",
		                   folder);
	if (nearest.difference.count > 0)
		return error_raise(STATUS_DATA,
		                   "train/trunk: no point of %s can be the trunk of %s: the nearest is %s, but %s",
		                   folder, point->name, nearest.name, nearest.difference.text);
	return STATUS_OK;
}

enum status trunk_find(struct point *point)
{
	const char *trunk = parameters_text(point->parameters, "train/trunk");
	point->trunk_name[0] = '\0';
	if (trunk[0] == '\0')
		return STATUS_OK;
	if (point->filter.begin_step > 0)
		return error_raise(STATUS_USAGE,
		                   "%s: train/trunk can not be used with filter/begin_share, a share of each run's "
		                   "own length",
		                   parameters_origin(point->parameters, "train/trunk"));
	char *folder = text_join_path(trunk, "points");
	enum status status = folder == NULL ? STATUS_ENVIRONMENT : search(folder, point);
	free(folder);
	return status;
}

char *trunk_folder(const struct point *point, enum status *status_out)
{
	*status_out = STATUS_OK;
	if (point->trunk_name[0] == '\0')
		return NULL;
	char *folder =
		text_format("%s/points/%s", parameters_text(point->parameters, "train/trunk"), point->trunk_name);
	if (folder == NULL)
		*status_out = STATUS_ENVIRONMENT;
	return folder;
}
