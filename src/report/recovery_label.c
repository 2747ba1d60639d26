/* What the lines of the tables and figures are called.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "report/load_start.h"
#include "report/recovery.h"
#include "report/table.h"

/* The name without what says only that it began from a run itself: "point=". */
static const char *plain_name(const char *name)
{
	while (strncmp(name, "point=", 6) == 0 && strchr(name + 6, '=') != NULL)
		name += 6;
	return name;
}

/* Length of the part "key=value" at the beginning of a name. */
static size_t part_length(const char *name)
{
	return strcspn(name, ",");
}

static const char *next_part(const char *name)
{
	size_t length = part_length(name);
	return name[length] == ',' ? name + length + 1 : name + length;
}

/* Sizes have a place of their own. */
static bool is_shape(const char *part)
{
	static const char *const keys[] = { "size=", "layers=", "width=", "heads=", "context=" };
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (strncmp(part, keys[i], strlen(keys[i])) == 0)
			return true;
	return false;
}

/* The part of `name` with the key of `part`; NULL when there is none. */
static const char *find_part(const char *name, const char *part)
{
	size_t length = strcspn(part, "=") + 1;
	for (const char *at = plain_name(name); *at; at = next_part(at))
		if (strncmp(at, part, length) == 0)
			return at;
	return NULL;
}

/* Whether another start of the same size has another value of that key. */
static bool varies(const struct recovery *recovery, const struct recovery_run *run, const char *part)
{
	for (size_t i = 0; i < recovery->count; i++) {
		const struct recovery_run *other = &recovery->runs[i];
		if (strcmp(other->size, run->size) != 0)
			continue;
		const char *found = find_part(other->start, part);
		if (!found || part_length(found) != part_length(part) || strncmp(found, part, part_length(part)) != 0)
			return true;
	}
	return false;
}

/* How large a forget part would be says nothing of a start that has none. */
static bool matters(const struct recovery_run *run, const char *part)
{
	return strncmp(part, "route_", 6) != 0 || load_start_is_routed(run->method);
}

static enum status name_run(const struct recovery *recovery, struct recovery_run *run)
{
	struct buffer label = { 0 };
	bool routed = load_start_is_routed(run->method);
	if (routed) /* the start's name does not say which of its versions it was */
		buffer_add(&label, "%s", run->method);
	for (int pass = 0; pass < 2; pass++) /* the method first */
		for (const char *part = plain_name(run->start); *part; part = next_part(part)) {
			bool method = strncmp(part, "method=", 7) == 0;
			size_t skipped = method ? 7 : 0;
			if (method != (pass == 0) || (method && routed) || is_shape(part) || !matters(run, part) ||
			    !varies(recovery, run, part))
				continue;
			buffer_add(&label, "%s%.*s", label.size > 0 ? "," : "", (int)(part_length(part) - skipped),
			           part + skipped);
		}
	if (label.size == 0)
		buffer_add(&label, "%s", run->method);
	if (run->apart[0] != '\0')
		buffer_add(&label, ",%s", run->apart);
	free(run->label);
	run->label = label.status == STATUS_OK ? label.text : NULL;
	if (!run->label)
		buffer_clear(&label);
	return run->label ? STATUS_OK : STATUS_ENVIRONMENT;
}

static bool is_known(char *const *names, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

static double parameters_of(const struct recovery *recovery, const char *size)
{
	for (size_t i = 0; i < recovery->count; i++)
		if (strcmp(recovery->runs[i].size, size) == 0)
			return recovery->runs[i].parameters;
	return 0;
}

static void sort_sizes(struct recovery *recovery)
{
	for (size_t i = 1; i < recovery->size_count; i++)
		for (size_t j = i; j > 0 && parameters_of(recovery, recovery->sizes[j]) <
		                                    parameters_of(recovery, recovery->sizes[j - 1]);
		     j--) {
			char *swap = recovery->sizes[j];
			recovery->sizes[j] = recovery->sizes[j - 1];
			recovery->sizes[j - 1] = swap;
		}
}

enum status recovery_label(struct recovery *recovery)
{
	free(recovery->sizes);
	free(recovery->labels);
	recovery->size_count = recovery->label_count = 0;
	recovery->sizes = memory_allocate(recovery->count, sizeof(*recovery->sizes));
	recovery->labels = memory_allocate(recovery->count, sizeof(*recovery->labels));
	if (!recovery->sizes || !recovery->labels)
		return STATUS_ENVIRONMENT;
	for (size_t i = 0; i < recovery->count; i++)
		STATUS_TRY(name_run(recovery, &recovery->runs[i]));
	for (size_t i = 0; i < recovery->count; i++) {
		struct recovery_run *run = &recovery->runs[i];
		if (!is_known(recovery->sizes, recovery->size_count, run->size))
			recovery->sizes[recovery->size_count++] = run->size;
		if (!is_known(recovery->labels, recovery->label_count, run->label))
			recovery->labels[recovery->label_count++] = run->label;
	}
	sort_sizes(recovery);
	return STATUS_OK;
}
