/* Processor time that a control group grants: the limit of containers (docker --cpus, limits of Kubernetes, CPUQuota of systemd), which no
 * mask of cores shows.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_COMM_QUOTA_H
#define CAPSHAPE_COMM_QUOTA_H

#include <stdint.h>

struct quota {
	double cores;   /* cores' worth of time; INFINITY: no limit */
	uint64_t group; /* equal for all processes of a node that share this limit; 0 without one */
};

/* The narrowest limit of the groups that a process is in: `membership` is the text of its /proc/PID/cgroup, `root` where control groups
 * are mounted (version 2, version 1, or both below it). Groups that cannot be seen from here, as in containers, are passed over. */
struct quota quota_find(const char *membership, const char *root);
/* Of this process, by /proc/self/cgroup and /sys/fs/cgroup. */
struct quota quota_own(void);

/* `share` cores of rank `own`, or less: ranks that share a limit (quotas [count ranks], this job's on the node) have equal parts of
 * it. */
double quota_share(double share, const struct quota *quotas, int count, int own);

#endif
