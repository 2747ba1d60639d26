/* A communicator of the stand-in for NCCL, inside view.
 *
 * Ranks meet in a folder whose name is in the unique id. What one rank tells another is a small file there:
 *   rank.R           who rank R is
 *   connect.R.P      rank R knows that it will exchange messages with P; connect.R.all: that it will take part in collectives
 *   p.N.R.P          message number N from R to P; c.N.R.P: R's part of collective number N, for P. P removes it.
 *   want.R           somebody waits for something that rank R has not yet done
 *   final.R, left.R  rank R has finalized; has nothing more to do here
 * The last to leave removes the folder.
 *
 * Functions here want a streams_guard of the calling thread.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_VALIDATION_EMULATOR_NCCL_STATE_H
#define CAPSHAPE_VALIDATION_EMULATOR_NCCL_STATE_H

#include <sys/types.h>

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "nccl.h"
#include "streams.h"

enum nccl_kind { NCCL_SEND, NCCL_RECEIVE, NCCL_REDUCE_SCATTER, NCCL_ALL_GATHER, NCCL_BROADCAST };
enum nccl_fault { NCCL_NO_FAULT, NCCL_FAILS, NCCL_HANGS };

/* One call. */
struct nccl_task {
	nccl_kind kind;
	const char *source;
	char *target;
	size_t count; /* of elements, as the caller gave it */
	ncclDataType_t type;
	int peer; /* or root */
	nccl_fault fault;
	CUstream_st *stream;
};

/* The calls of a group on one communicator. */
typedef std::vector<nccl_task> nccl_tasks;

enum nccl_phase { NCCL_JOINING, NCCL_READY, NCCL_CONNECTING, NCCL_FINALIZING, NCCL_FINALIZED };

struct ncclComm {
	int rank, ranks;
	std::string folder, bus;
	bool blocking, aborted, unreachable;
	pid_t process;
	nccl_phase phase;
	ncclResult_t state; /* what is asked for by ncclCommGetAsyncError() */
	int polls;          /* so many more times "in progress" is said */
	std::string error;
	/* Whether this rank has said so to others, by peer; and to all. */
	std::vector<bool> connected;
	bool all_connected;
	std::vector<nccl_tasks> held; /* until connected */
	/* Messages so far, by peer; collectives so far. */
	std::vector<long> sent, received;
	long collectives;
	/* Ends of what is in streams, in order. */
	std::deque<stream_place> unfinished;

	std::string path(const std::string &name) const;
};
typedef std::shared_ptr<ncclComm> nccl_communicator;

/* ---- nccl_communicator.cpp */

/* NULL, with a message, where there is no such communicator. */
nccl_communicator nccl_find(ncclComm_t comm, const char *call);
/* Those that were neither destroyed nor aborted. */
const std::vector<nccl_communicator> &nccl_communicators();
/* Says what is wrong on standard error, keeps it for ncclGetLastError() (comm may be NULL), returns `result`. */
ncclResult_t nccl_complain(ncclComm *comm, ncclResult_t result, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Drops the ends that were reached; whether any is left. */
bool nccl_has_unfinished(ncclComm &comm);

/* ---- nccl_operations.cpp */

/* Whether a group of this thread was begun and not ended. */
bool nccl_group_is_open();
/* Puts what was held into its streams, if all peers know of it; false if not. */
bool nccl_connect(const nccl_communicator &comm);

/* ---- nccl_messages.cpp: files of a folder */

/* All but the last return whether they could. `bytes` may be 0. */
bool nccl_file_write(const ncclComm &comm, const std::string &name, const void *begin, size_t begin_bytes,
                     const void *data, size_t bytes);
/* Fails where there is one already. */
bool nccl_file_create(const ncclComm &comm, const std::string &name, const std::string &text);
bool nccl_file_read(const ncclComm &comm, const std::string &name, std::string *text);
bool nccl_file_remove(const ncclComm &comm, const std::string &name);
bool nccl_file_exists(const ncclComm &comm, const std::string &name);
/* Says that this rank has gone; removes the folder if all who came have. */
void nccl_folder_leave(const ncclComm &comm);

/* ---- nccl_progress.cpp: what runs in a stream */

size_t nccl_type_bytes(ncclDataType_t type); /* 0: there is none */
/* Operations in one kernel: all of them go on together. Returns whether all are done. */
std::function<bool()> nccl_progress(const nccl_communicator &comm, const nccl_tasks &tasks);

/* ---- nccl_helper.cpp */

/* A GPU goes on while its process does something else: where another rank wants something that is in a stream here, a thread
 * makes that stream go on. From the first call on. */
void nccl_helper_start();

#endif
