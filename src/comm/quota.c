/* Limits of control groups.
 * SPDX-License-Identifier: Apache-2.0 */
#include "comm/quota.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { PATH_MOST = 4096, TEXT_MOST = 65536 };

static const struct quota no_limit = { .cores = INFINITY };

/* The beginning of a file; false where there is none. */
static bool read_text(const char *path, char *text, size_t size)
{
	FILE *file = fopen(path, "r");
	if (file == NULL)
		return false;
	size_t length = fread(text, 1, size - 1, file);
	text[length] = '\0';
	fclose(file);
	return true;
}

static bool read_in(const char *directory, const char *name, char *text, size_t size)
{
	char path[PATH_MOST + 32];
	snprintf(path, sizeof path, "%s/%s", directory, name);
	return read_text(path, text, size);
}

/* Of one group; INFINITY where it sets none. Microseconds of processor time a period: "200000 100000" or "max 100000" in version 2,
 * two files and -1 in version 1. */
static double cores_of_group(const char *directory)
{
	char text[64], period_text[64];
	double time = -1, period = 0;
	if (read_in(directory, "cpu.max", text, sizeof text)) {
		if (sscanf(text, "%lf %lf", &time, &period) != 2)
			return INFINITY;
	} else if (!read_in(directory, "cpu.cfs_quota_us", text, sizeof text) ||
	           !read_in(directory, "cpu.cfs_period_us", period_text, sizeof period_text) ||
	           sscanf(text, "%lf", &time) != 1 || sscanf(period_text, "%lf", &period) != 1) {
		return INFINITY;
	}
	return time > 0 && period > 0 ? time / period : INFINITY;
}

static void narrow(struct quota *quota, const char *directory)
{
	struct stat facts;
	double cores = cores_of_group(directory);
	/* By its number: paths differ from container to container, or are "/" in all of them. */
	if (cores < quota->cores && stat(directory, &facts) == 0)
		*quota = (struct quota){ .cores = cores, .group = facts.st_ino };
}

/* The group `path` below `mount`, and all above it. */
static void narrow_upwards(struct quota *quota, const char *mount, const char *path)
{
	char directory[PATH_MOST];
	size_t end = strlen(mount);
	if ((size_t)snprintf(directory, sizeof directory, "%s%s", mount, path) >= sizeof directory)
		return;
	for (;;) {
		narrow(quota, directory);
		char *slash = strrchr(directory, '/');
		if (slash == NULL || slash < directory + end)
			break;
		*slash = '\0';
	}
}

static bool has_cpu(const char *controllers)
{
	for (const char *name = controllers; name != NULL; name = strchr(name, ',')) {
		name += *name == ',';
		size_t length = strcspn(name, ",");
		if (length == 3 && memcmp(name, "cpu", 3) == 0)
			return true;
	}
	return false;
}

/* "4:cpu,cpuacct:/path" of version 1, "0::/path" of version 2. */
static void narrow_by_line(struct quota *quota, char *line, const char *root)
{
	char mount[PATH_MOST];
	char *controllers = strchr(line, ':');
	char *path = controllers == NULL ? NULL : strchr(controllers + 1, ':');
	if (path == NULL)
		return;
	*path++ = '\0';
	controllers++;
	if (*controllers == '\0') {
		narrow_upwards(quota, root, path);
		snprintf(mount, sizeof mount, "%s/unified", root);
		narrow_upwards(quota, mount, path);
	} else if (has_cpu(controllers)) {
		snprintf(mount, sizeof mount, "%s/%s", root, controllers);
		narrow_upwards(quota, mount, path);
		snprintf(mount, sizeof mount, "%s/cpu", root);
		narrow_upwards(quota, mount, path);
	}
}

struct quota quota_find(const char *membership, const char *root)
{
	struct quota quota = no_limit;
	while (*membership != '\0') {
		char line[PATH_MOST];
		size_t length = strcspn(membership, "\n");
		if (length < sizeof line) {
			memcpy(line, membership, length);
			line[length] = '\0';
			narrow_by_line(&quota, line, root);
		}
		membership += length + (membership[length] == '\n');
	}
	return quota;
}

struct quota quota_own(void)
{
	char membership[TEXT_MOST];
	if (!read_text("/proc/self/cgroup", membership, sizeof membership))
		return no_limit;
	return quota_find(membership, "/sys/fs/cgroup");
}

double quota_share(double share, const struct quota *quotas, int count, int own)
{
	int users = 0;
	if (!isfinite(quotas[own].cores))
		return share;
	for (int rank = 0; rank < count; rank++)
		users += quotas[rank].group == quotas[own].group;
	double part = quotas[own].cores / users;
	return part < share ? part : share;
}
