/* What every rank measured of the stream, as a table and as a file.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_TASKS_STREAM_REPORT_H
#define CAPSHAPE_TASKS_STREAM_REPORT_H

#include "comm/world.h"
#include "roles/split.h"

enum stream_column {
	STREAM_TOKENS,        /* delivered to (trainer), scored by (classifier), read by (reader) this rank */
	STREAM_SECONDS,       /* that it took */
	STREAM_FIRST_SECONDS, /* trainers: until the first step had all of its windows */
	STREAM_WAIT,          /* seconds of waiting for blocks of other ranks */
	STREAM_IDLE,          /* seconds in which nothing was asked of this rank */
	STREAM_SENT,          /* bytes of blocks */
	STREAM_RECEIVED,
	STREAM_BLOCKS,   /* that entered lanes (trainer) or came from other ranks */
	STREAM_BUFFERS,  /* bytes held for blocks and lanes at most */
	STREAM_BOUND,    /* the most that the credits allow */
	STREAM_RESIDENT, /* bytes of the process before the stream began */
	STREAM_PEAK,     /* and at most */
	STREAM_COLUMNS
};

/* Collective: gathers `own`, prints the table on rank 0, writes it to `path` there. */
enum status stream_report(struct world *world, const struct split *split, const double own[STREAM_COLUMNS],
                          const char *path, const char *point_name, const char *command_line);

#endif
