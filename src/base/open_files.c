/* The limit on open files: raised, checked, and what failures by it mean.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/open_files.h"

#include <dirent.h>
#include <errno.h>
#include <stddef.h>
#include <sys/resource.h>

enum { MOST_RAISED = 1 << 20, OPEN_AT_START = 32 };

void open_files_raise(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	rlim_t wanted = limit.rlim_max < MOST_RAISED ? limit.rlim_max : MOST_RAISED;
	if (limit.rlim_cur >= wanted)
		return;
	limit.rlim_cur = wanted;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

/* Without /proc what a process has that runs MPI. */
static int64_t count_open(void)
{
	DIR *list = opendir("/proc/self/fd");
	if (list == NULL)
		return OPEN_AT_START;
	int64_t count = -3; /* the folder, "." and ".." */
	while (readdir(list) != NULL)
		count++;
	closedir(list);
	return count > 0 ? count : OPEN_AT_START;
}

enum status open_files_check(int64_t connections, const char *purpose)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
		return STATUS_OK;
	int64_t now = count_open(), needed = now + connections + OPEN_FILES_RESERVE;
	if (needed <= (int64_t)limit.rlim_cur)
		return STATUS_OK;
	return error_raise(STATUS_ENVIRONMENT,
	                   "this process may have %lld files and connections open and needs %lld: %lld that are open "
	                   "now, %lld %s, %d for the files of a run; raise the hard limit where the job is started "
	                   "(ulimit -Hn %lld, or LimitNOFILE of the daemon that starts it), or use fewer ranks",
	                   (long long)limit.rlim_cur, (long long)needed, (long long)now, (long long)connections,
	                   purpose, OPEN_FILES_RESERVE, (long long)needed);
}

static int is_lack(int error)
{
	return error == EMFILE || error == ENFILE;
}

enum status open_files_status(int error, enum status otherwise)
{
	return is_lack(error) ? STATUS_ENVIRONMENT : otherwise;
}

const char *open_files_advice(int error)
{
	return !is_lack(error)   ? ""
	       : error == EMFILE ? "; raise the hard limit on open files where the job is started (ulimit -Hn)"
	                         : "; too many files are open on the whole machine: use fewer ranks a node";
}
