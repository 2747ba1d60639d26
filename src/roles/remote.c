/* Requests out, blocks in, and signs of life.
 * SPDX-License-Identifier: Apache-2.0 */
#include "roles/remote.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/timer.h"
#include "roles/block_table.h"
#include "roles/message.h"

enum { NOTES_PER_TIMEOUT = 4, MOST_INCOMING = 16 };

struct buffer {
	char *bytes;
	size_t capacity;
};

/* A block asked for, and its message once it has arrived. */
struct arrival {
	int64_t block; /* -1: free */
	struct buffer buffer;
	int size;     /* 0: not yet there */
	int32_t next; /* another arrival of the same block (two lanes may be in two epochs), -1: none */
};

/* A message that is being received. */
struct incoming {
	MPI_Request pending;
	struct buffer buffer;
	int size, source;
};

struct remote {
	const struct world *world;
	int first, count, credits;
	const char *role_text;
	struct timers *timers;
	struct arrival *arrivals; /* [credits] */
	int32_t *free;            /* indices of free arrivals, free_count of them */
	int free_count;
	struct block_table asked; /* block -> its first arrival */
	struct incoming incoming[MOST_INCOMING];
	int incoming_count;
	struct buffer
		*spare; /* [credits] buffers that wait for their next message: there are never more than credits */
	int spare_count;
	int64_t stray; /* a block that nobody asked for, of rank stray_source; -1: none */
	int stray_source;
	/* signs of life */
	double *told;       /* [count] when each rank heard of this one */
	MPI_Request *notes; /* [count] */
	double looked;      /* when `told` was last gone through */
	int64_t *heard;     /* [count] messages that each rank has sent */
	void (*progress)(void *state);
	void *progress_state;
	int64_t held, received_bytes, received_blocks;
};

static const struct request note_of_life = { REQUEST_NOTHING, 0 };

static int index_of(const struct remote *remote, int64_t block)
{
	return (int)(block % remote->count);
}

enum status remote_create(const struct world *world, int first, int count, const char *role_text, int credits,
                          struct timers *timers, struct remote **remote_out)
{
	struct remote *remote = memory_allocate(1, sizeof *remote);
	if (remote == NULL)
		return STATUS_ENVIRONMENT;
	*remote = (struct remote){ .world = world,
		                   .first = first,
		                   .count = count,
		                   .credits = credits,
		                   .role_text = role_text,
		                   .timers = timers,
		                   .stray = -1 };
	remote->arrivals = memory_allocate((size_t)credits, sizeof *remote->arrivals);
	remote->free = memory_allocate((size_t)credits, sizeof *remote->free);
	remote->spare = memory_allocate((size_t)credits, sizeof *remote->spare);
	remote->told = memory_allocate((size_t)count, sizeof *remote->told);
	remote->notes = memory_allocate((size_t)count, sizeof *remote->notes);
	remote->heard = memory_allocate((size_t)count, sizeof *remote->heard);
	if (remote->arrivals == NULL || remote->free == NULL || remote->spare == NULL || remote->told == NULL ||
	    remote->notes == NULL || remote->heard == NULL ||
	    block_table_reserve(&remote->asked, credits) != STATUS_OK) {
		remote_destroy(remote);
		return STATUS_ENVIRONMENT;
	}
	remote->looked = timer_seconds();
	for (int i = 0; i < count; i++) {
		remote->told[i] = remote->looked;
		remote->notes[i] = MPI_REQUEST_NULL;
	}
	for (int i = credits - 1; i >= 0; i--) {
		remote->arrivals[i].block = -1;
		remote->free[remote->free_count++] = i;
	}
	*remote_out = remote;
	return STATUS_OK;
}

void remote_destroy(struct remote *remote)
{
	if (remote == NULL)
		return;
	for (int i = 0; remote->arrivals != NULL && i < remote->credits; i++)
		free(remote->arrivals[i].buffer.bytes);
	for (int i = 0; i < remote->incoming_count; i++)
		world_free_lent(&remote->incoming[i].pending, remote->incoming[i].buffer.bytes);
	while (remote->spare_count > 0)
		free(remote->spare[--remote->spare_count].bytes);
	free(remote->spare);
	free(remote->arrivals);
	free(remote->free);
	free(remote->told);
	free(remote->notes);
	free(remote->heard);
	block_table_clear(&remote->asked);
	free(remote);
}

/* ---- receiving ---- */

static enum status take_buffer(struct remote *remote, int size, struct buffer *buffer)
{
	*buffer = remote->spare_count > 0 ? remote->spare[--remote->spare_count] : (struct buffer){ 0 };
	if ((size_t)size <= buffer->capacity)
		return STATUS_OK;
	free(buffer->bytes); /* exactly as large as needed: the credits bound the memory */
	remote->held += size - (int64_t)buffer->capacity;
	*buffer = (struct buffer){ malloc((size_t)size), (size_t)size };
	return buffer->bytes != NULL ? STATUS_OK
	                             : error_raise(STATUS_ENVIRONMENT, "out of memory: %d bytes for a block", size);
}

/* A message that is complete goes where its block was asked for. */
static void keep_message(struct remote *remote, const struct incoming *incoming)
{
	int64_t number = message_block_number(incoming->buffer.bytes, incoming->size);
	int32_t index = number < 0 ? -1 : block_table_find(&remote->asked, number);
	while (index >= 0 && remote->arrivals[index].size > 0)
		index = remote->arrivals[index].next;
	if (index < 0) {
		remote->stray = number < 0 ? 0 : number;
		remote->stray_source = incoming->source;
		free(incoming->buffer.bytes);
		return;
	}
	remote->arrivals[index].buffer = incoming->buffer;
	remote->arrivals[index].size = incoming->size;
	remote->received_bytes += incoming->size;
	remote->received_blocks++;
}

static void complete_messages(struct remote *remote)
{
	for (int i = 0; i < remote->incoming_count;) {
		int done = 0;
		MPI_Test(&remote->incoming[i].pending, &done, MPI_STATUS_IGNORE);
		if (!done) {
			i++;
			continue;
		}
		keep_message(remote, &remote->incoming[i]);
		remote->incoming[i] = remote->incoming[--remote->incoming_count];
	}
}

static void note_heard(struct remote *remote, int rank)
{
	int index = rank - remote->first;
	if (index >= 0 && index < remote->count)
		remote->heard[index]++;
}

static enum status receive(struct remote *remote)
{
	for (;;) {
		complete_messages(remote);
		if (remote->stray >= 0)
			return error_raise(STATUS_PEER, "%s rank %d sent block %lld, which rank %d had not asked for",
			                   remote->role_text, world_job_rank(remote->world, remote->stray_source),
			                   (long long)remote->stray,
			                   world_job_rank(remote->world, remote->world->rank));
		int found = 0;
		MPI_Message message;
		MPI_Status facts;
		if (remote->incoming_count < MOST_INCOMING)
			MPI_Improbe(MPI_ANY_SOURCE, TAG_BLOCK, remote->world->comm, &found, &message, &facts);
		if (!found)
			return STATUS_OK;
		struct incoming *incoming = &remote->incoming[remote->incoming_count];
		incoming->source = facts.MPI_SOURCE;
		MPI_Get_count(&facts, MPI_BYTE, &incoming->size);
		note_heard(remote, incoming->source);
		if (incoming->size == 0) {
			MPI_Mrecv(NULL, 0, MPI_BYTE, &message, MPI_STATUS_IGNORE);
			continue;
		}
		STATUS_TRY(take_buffer(remote, incoming->size, &incoming->buffer));
		remote->incoming_count++;
		MPI_Imrecv(incoming->buffer.bytes, incoming->size, MPI_BYTE, &message, &incoming->pending);
	}
}

void remote_sign_life(struct remote *remote)
{
	double now = timer_seconds(), pause = remote->world->timeout / NOTES_PER_TIMEOUT;
	if (now - remote->looked < pause / 2)
		return;
	remote->looked = now;
	for (int i = 0; i < remote->count; i++) {
		int done = 1;
		if (now - remote->told[i] < pause)
			continue;
		if (remote->notes[i] != MPI_REQUEST_NULL)
			MPI_Test(&remote->notes[i], &done, MPI_STATUS_IGNORE);
		if (!done)
			continue;
		MPI_Isend(&note_of_life, MESSAGE_REQUEST_WORDS, MPI_INT64_T, remote->first + i, TAG_REQUEST,
		          remote->world->comm, &remote->notes[i]);
		remote->told[i] = now;
	}
}

void remote_progress(struct remote *remote)
{
	(void)receive(remote); /* a failure stays: remote_take() raises it */
	remote_sign_life(remote);
}

/* ---- asking ---- */

void remote_set_progress(struct remote *remote, void (*progress)(void *state), void *state)
{
	remote->progress = progress;
	remote->progress_state = state;
}

static enum status send_request(struct remote *remote, int index, struct request request)
{
	MPI_Request pending;
	char what[160];
	struct request *lent = memory_allocate(1, sizeof *lent); /* no frame of this thread: the wait may fail */
	if (lent == NULL)
		return STATUS_ENVIRONMENT;
	*lent = request;
	remote->told[index] = timer_seconds();
	MPI_Isend(lent, MESSAGE_REQUEST_WORDS, MPI_INT64_T, remote->first + index, TAG_REQUEST, remote->world->comm,
	          &pending);
	snprintf(what, sizeof what, "%s rank %d to take %s (block %lld)", remote->role_text,
	         world_job_rank(remote->world, remote->first + index),
	         request.kind == REQUEST_BLOCK ? "a request" : "this rank's farewell", (long long)request.block);
	enum status status = world_wait(remote->world, &pending, what);
	world_free_lent(&pending, lent);
	return status;
}

enum status remote_request(struct remote *remote, int64_t block)
{
	if (remote->free_count == 0)
		return error_raise(STATUS_INTERNAL, "block %lld was asked for beyond %d credits", (long long)block,
		                   remote->credits);
	int32_t index = remote->free[--remote->free_count];
	remote->arrivals[index] = (struct arrival){ .block = block, .next = -1 };
	int32_t first = block_table_find(&remote->asked, block);
	if (first < 0) {
		block_table_add(&remote->asked, block, index);
	} else {
		remote->arrivals[index].next = remote->arrivals[first].next;
		remote->arrivals[first].next = index;
	}
	return send_request(remote, index_of(remote, block), (struct request){ REQUEST_BLOCK, block });
}

/* The first arrival of the block that is there, or -1. */
static int32_t find_arrived(const struct remote *remote, int64_t block)
{
	int32_t index = block_table_find(&remote->asked, block);
	while (index >= 0 && remote->arrivals[index].size == 0)
		index = remote->arrivals[index].next;
	return index;
}

bool remote_has(const struct remote *remote, int64_t block)
{
	return find_arrived(remote, block) >= 0;
}

/* A server that is at work says so, however long its work and that of others before this block last. */
static enum status await(struct remote *remote, int64_t block, int32_t *index_out)
{
	struct patience patience = { 0 };
	const int64_t *heard = &remote->heard[index_of(remote, block)];
	int64_t before = *heard;
	unsigned naps = 0;
	for (;;) {
		STATUS_TRY(receive(remote));
		*index_out = find_arrived(remote, block);
		if (*index_out >= 0)
			return STATUS_OK;
		remote_sign_life(remote);
		if (remote->progress != NULL)
			remote->progress(remote->progress_state);
		if (*heard != before) {
			before = *heard;
			patience = (struct patience){ 0 };
		}
		if (naps > 16 && patience_waited(&patience) > remote->world->timeout)
			return error_raise(STATUS_PEER,
			                   "no answer within %.3g s (run/timeout), and no sign of life, from %s rank "
			                   "%d about block %lld",
			                   remote->world->timeout, remote->role_text,
			                   world_job_rank(remote->world, remote->first + index_of(remote, block)),
			                   (long long)block);
		world_nap(&naps);
	}
}

/* The arrival is free again, its buffer is spare. */
static void release(struct remote *remote, int64_t block, int32_t index)
{
	struct arrival *arrival = &remote->arrivals[index];
	int32_t first = block_table_find(&remote->asked, block);
	if (first == index) {
		block_table_remove(&remote->asked, block);
		if (arrival->next >= 0)
			block_table_add(&remote->asked, block, arrival->next);
	} else {
		while (remote->arrivals[first].next != index)
			first = remote->arrivals[first].next;
		remote->arrivals[first].next = arrival->next;
	}
	remote->spare[remote->spare_count++] = arrival->buffer;
	*arrival = (struct arrival){ .block = -1, .next = -1 };
	remote->free[remote->free_count++] = index;
}

enum status remote_take(struct remote *remote, int64_t block, struct block *out)
{
	int32_t index;
	if (block_table_find(&remote->asked, block) < 0)
		return error_raise(STATUS_INTERNAL, "block %lld was not asked for", (long long)block);
	double since = timer_seconds();
	STATUS_TRY(await(remote, block, &index));
	timers_add(remote->timers, ACTIVITY_WAIT_BLOCK, &since);
	const struct arrival *arrival = &remote->arrivals[index];
	STATUS_TRY(message_block_unpack(arrival->buffer.bytes, arrival->size, out));
	release(remote, block, index);
	return STATUS_OK;
}

enum status remote_drain(struct remote *remote)
{
	struct block dropped = { 0 };
	enum status status = STATUS_OK;
	/* Of a block that was asked for twice any of the two may be taken first. */
	for (int i = 0; i < remote->credits && status == STATUS_OK; i++)
		while (remote->arrivals[i].block >= 0 && status == STATUS_OK)
			status = remote_take(remote, remote->arrivals[i].block, &dropped);
	block_clear(&dropped);
	return status;
}

enum status remote_finish(struct remote *remote)
{
	STATUS_TRY(remote_drain(remote));
	for (int i = 0; i < remote->count; i++) {
		if (remote->notes[i] != MPI_REQUEST_NULL)
			STATUS_TRY(world_wait(remote->world, &remote->notes[i], "a sign of life to be taken"));
		STATUS_TRY(send_request(remote, i, (struct request){ REQUEST_FINISH, 0 }));
	}
	return STATUS_OK;
}

void remote_measure(const struct remote *remote, int64_t *held_out, int64_t *bytes_out, int64_t *blocks_out)
{
	*held_out = remote->held;
	*bytes_out = remote->received_bytes;
	*blocks_out = remote->received_blocks;
}
