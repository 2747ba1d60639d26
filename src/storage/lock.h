/* A lock file that says who works in a folder, for jobs on different nodes of a cluster.
 *
 * flock and fcntl do nothing or too much on many parallel file systems, so the lock is a file that exists or not
 * (O_EXCL, which Lustre and NFS hold). Its owner writes a new beat into it every few seconds. Nobody needs to clean up
 * after a crash: a lock is stale, and is taken over, when its process is gone from this machine, when it belongs to an
 * earlier start of this same Slurm job (requeued after a node failed), or when its beat has not changed for a minute, by
 * the clock of the watcher alone. An owner that finds its lock in other hands, as after having been suspended, ends its
 * process at once.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_STORAGE_LOCK_H
#define CAPSHAPE_STORAGE_LOCK_H

#include "base/status.h"

struct lock;

enum { LOCK_BEAT_SECONDS = 5, LOCK_STALE_SECONDS = 60 };

/* What watching found out about an owner, for its other locks. Zero to begin with. */
struct lock_memory {
	char owner[192];
	int verdict;
};

/* Tries to take `path`. *lock_out: the lock, or NULL when somebody alive has it; then *owner_out, from malloc, names that
 * one ("job 17 on node03, process 4711, since 2026-01-31T12:00:00Z"). To see whether an owner on another machine lives
 * it is watched for up to a minute (usually some seconds), once for all calls with the same `memory`. STATUS_IO when the
 * file cannot be made; STATUS_STOPPED when asked to stop while watching. */
enum status lock_take(const char *path, struct lock_memory *memory, struct lock **lock_out, char **owner_out);
/* Removes the file. NULL is fine. */
void lock_release(struct lock *lock);

#endif
