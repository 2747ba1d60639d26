/* Requests in, blocks out. Sends stay pending until the asker takes the block: its credits bound their number.
 * SPDX-License-Identifier: Apache-2.0 */
#include "roles/server.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/timer.h"
#include "roles/block_table.h"
#include "roles/message.h"

enum {
	SILENT_TIMEOUTS = 4,   /* an asker may compute for long, but gives signs of life every quarter of a time-out */
	NOTES_PER_TIMEOUT = 4, /* signs of life to an asker that waits */
	TESTS_A_TURN = 8,      /* sends looked after in one turn */
	IDLE_TURNS_A_LOOK = 64 /* naps between two looks for silent askers */
};

struct waiting {
	int64_t block;
	int rank;
};

struct answer {
	MPI_Request pending;
	char *bytes;
	size_t capacity;
	int64_t block;
	int rank;
};

struct asker {
	double heard;  /* patience of the server when it last heard of this rank */
	int64_t block; /* it last asked for */
	bool asking;
	int waiting;      /* blocks that it has asked for and was not sent */
	double told;      /* when it was last sent anything */
	MPI_Request note; /* a sign of life on its way */
};

struct server {
	const struct world *world;
	struct provider *provider;
	struct waiting *queue; /* ring of `credits` */
	int credits, head, length;
	int upstream;             /* requests of the queue's front part that were already asked for upstream */
	struct block_table asked; /* blocks of that part */
	struct answer *answers;   /* [credits]: [0, pending_count) are being sent, the others are free */
	int pending_count, next_test;
	struct block block;
	int askers;            /* not yet done */
	struct asker *ranks;   /* [world->size] */
	const char *role_text; /* of the askers */
	struct patience patience;
	double looked;       /* when askers were last looked through for those to be told that this rank is alive */
	enum status failure; /* of a turn that was taken while computing */
	int64_t sent_bytes, memory;
};

static enum status accept_requests(struct server *server)
{
	for (;;) {
		int found = 0;
		MPI_Message message;
		MPI_Status facts;
		MPI_Improbe(MPI_ANY_SOURCE, TAG_REQUEST, server->world->comm, &found, &message, &facts);
		if (!found)
			return STATUS_OK;
		struct request request;
		MPI_Mrecv(&request, MESSAGE_REQUEST_WORDS, MPI_INT64_T, &message, MPI_STATUS_IGNORE);
		struct asker *asker = &server->ranks[facts.MPI_SOURCE];
		asker->heard = patience_waited(&server->patience);
		asker->asking = request.kind != REQUEST_FINISH;
		if (request.kind == REQUEST_FINISH)
			server->askers--;
		if (request.kind != REQUEST_BLOCK)
			continue;
		asker->block = request.block;
		if (server->length == server->credits)
			return error_raise(STATUS_INTERNAL, "rank %d asked for block %lld beyond its credits",
			                   world_job_rank(server->world, facts.MPI_SOURCE), (long long)request.block);
		server->queue[(server->head + server->length++) % server->credits] =
			(struct waiting){ request.block, facts.MPI_SOURCE };
		if (asker->waiting++ == 0)
			asker->told = timer_seconds();
	}
}

/* Two askers may want the same block (another epoch, another point): upstream it is asked for once at a time. */
static enum status ask_upstream(struct server *server)
{
	while (server->upstream < server->length) {
		int64_t block = server->queue[(server->head + server->upstream) % server->credits].block;
		if (block_table_find(&server->asked, block) >= 0)
			return STATUS_OK; /* when its turn comes */
		STATUS_TRY(provider_request(server->provider, block));
		block_table_add(&server->asked, block, 0);
		server->upstream++;
	}
	return STATUS_OK;
}

/* Sends that are complete free their place; a few are tested in each turn, so that a turn costs the same for any number of
 * credits. */
static void test_sends(struct server *server)
{
	for (int turn = 0; turn < TESTS_A_TURN && server->pending_count > 0; turn++) {
		int done = 0, index = server->next_test % server->pending_count;
		MPI_Test(&server->answers[index].pending, &done, MPI_STATUS_IGNORE);
		server->next_test = index + 1;
		if (!done)
			continue;
		struct answer last = server->answers[--server->pending_count];
		server->answers[server->pending_count] = server->answers[index];
		server->answers[index] = last;
	}
}

/* An asker that computes may be quiet for long, but not without any sign of life. A rank that dies is the lifeline's
 * business; this finds the ones that are stuck. */
static enum status look_for_silence(struct server *server)
{
	double now = patience_waited(&server->patience), longest = SILENT_TIMEOUTS * server->world->timeout;
	for (int rank = 0; rank < server->world->size; rank++) {
		const struct asker *asker = &server->ranks[rank];
		if (asker->asking && now - asker->heard > longest)
			return error_raise(
				STATUS_PEER,
				"no sign of life within %.0f s (%d x run/timeout) from %s rank %d, which last asked "
				"for block %lld",
				longest, SILENT_TIMEOUTS, server->role_text, world_job_rank(server->world, rank),
				(long long)asker->block);
	}
	return STATUS_OK;
}

/* Who waits for a block hears now and then that this rank is at work, be it on the blocks of others. The last message to an
 * asker is a block: none of these is left over. */
static void sign_life(struct server *server)
{
	double now = timer_seconds(), pause = server->world->timeout / NOTES_PER_TIMEOUT;
	if (now - server->looked < pause / 2)
		return;
	server->looked = now;
	for (int rank = 0; rank < server->world->size; rank++) {
		struct asker *asker = &server->ranks[rank];
		int done = 1;
		if (asker->waiting == 0 || now - asker->told < pause)
			continue;
		MPI_Test(&asker->note, &done, MPI_STATUS_IGNORE);
		if (!done)
			continue;
		MPI_Isend(NULL, 0, MPI_BYTE, rank, TAG_BLOCK, server->world->comm, &asker->note);
		asker->told = now;
	}
}

/* What goes on while a block is being scored or waited for: called from inside provider_take(). */
static void take_turn(void *state)
{
	struct server *server = state;
	provider_progress(server->provider);
	test_sends(server);
	sign_life(server);
	if (server->failure == STATUS_OK)
		server->failure = accept_requests(server);
	if (server->failure == STATUS_OK)
		server->failure = ask_upstream(server);
}

static enum status answer_first(struct server *server)
{
	struct waiting waiting = server->queue[server->head];
	STATUS_TRY(provider_take(server->provider, waiting.block, &server->block));
	STATUS_TRY(server->failure);
	block_table_remove(&server->asked, waiting.block);
	server->head = (server->head + 1) % server->credits;
	server->length--;
	server->upstream--;
	int64_t size = message_block_size(&server->block);
	if (size > INT32_MAX)
		return error_raise(STATUS_DATA,
		                   "block %lld holds %lld tokens: too large for one message; tokenize with a "
		                   "smaller tokenize/block_tokens or shorter documents",
		                   (long long)waiting.block, (long long)server->block.token_count);
	struct answer *answer = &server->answers[server->pending_count];
	if ((size_t)size > answer->capacity) {
		free(answer->bytes);
		server->memory += size - (int64_t)answer->capacity;
		*answer = (struct answer){ .bytes = malloc((size_t)size), .capacity = (size_t)size };
		if (answer->bytes == NULL)
			return error_raise(STATUS_ENVIRONMENT, "out of memory: %lld bytes for a block",
			                   (long long)size);
	}
	message_block_pack(&server->block, answer->bytes);
	answer->block = waiting.block;
	answer->rank = waiting.rank;
	MPI_Isend(answer->bytes, (int)size, MPI_BYTE, waiting.rank, TAG_BLOCK, server->world->comm, &answer->pending);
	server->pending_count++;
	server->sent_bytes += size;
	server->ranks[waiting.rank].waiting--;
	server->ranks[waiting.rank].told = timer_seconds();
	return STATUS_OK;
}

static enum status finish_sends(struct server *server)
{
	for (; server->pending_count > 0; server->pending_count--) {
		struct answer *answer = &server->answers[server->pending_count - 1];
		char what[128];
		snprintf(what, sizeof what, "%s rank %d to take block %lld", server->role_text,
		         world_job_rank(server->world, answer->rank), (long long)answer->block);
		STATUS_TRY(world_wait(server->world, &answer->pending, what));
	}
	for (int rank = 0; rank < server->world->size; rank++) {
		char what[128];
		snprintf(what, sizeof what, "%s rank %d to take a sign of life", server->role_text,
		         world_job_rank(server->world, rank));
		STATUS_TRY(world_wait(server->world, &server->ranks[rank].note, what));
	}
	return STATUS_OK;
}

static enum status serve(struct server *server, struct timers *timers)
{
	unsigned naps = 0;
	double since = timer_seconds();
	while (server->askers > 0 || server->length > 0) {
		STATUS_TRY(accept_requests(server));
		STATUS_TRY(ask_upstream(server));
		provider_progress(server->provider);
		test_sends(server);
		sign_life(server);
		if (server->length == 0 || server->pending_count == server->credits) {
			patience_waited(&server->patience);
			if (naps % IDLE_TURNS_A_LOOK == IDLE_TURNS_A_LOOK - 1)
				STATUS_TRY(look_for_silence(server));
			world_nap(&naps);
			continue;
		}
		timers_add(timers, ACTIVITY_IDLE, &since);
		naps = 0;
		STATUS_TRY(answer_first(server));
		since = timer_seconds();
	}
	timers_add(timers, ACTIVITY_IDLE, &since);
	STATUS_TRY(finish_sends(server));
	return provider_finish(server->provider);
}

static enum status open_server(struct server *server)
{
	server->queue = memory_allocate((size_t)server->credits, sizeof *server->queue);
	server->answers = memory_allocate((size_t)server->credits, sizeof *server->answers);
	server->ranks = memory_allocate((size_t)server->world->size, sizeof *server->ranks);
	if (server->queue == NULL || server->answers == NULL || server->ranks == NULL)
		return STATUS_ENVIRONMENT;
	for (int rank = 0; rank < server->world->size; rank++)
		server->ranks[rank].note = MPI_REQUEST_NULL;
	return block_table_reserve(&server->asked, server->credits);
}

enum status server_run(const struct world *world, struct provider *provider, const char *role_text, int askers,
                       int credits, struct timers *timers)
{
	struct server server = {
		.world = world, .provider = provider, .credits = credits, .askers = askers, .role_text = role_text
	};
	enum status status = open_server(&server);
	if (status == STATUS_OK) {
		provider_set_progress(provider, take_turn, &server);
		status = serve(&server, timers);
		provider_set_progress(provider, NULL, NULL);
	}
	for (int i = 0; server.answers != NULL && i < credits; i++)
		if (i < server.pending_count)
			world_free_lent(&server.answers[i].pending, server.answers[i].bytes);
		else
			free(server.answers[i].bytes);
	free(server.answers);
	free(server.queue);
	free(server.ranks);
	block_table_clear(&server.asked);
	block_clear(&server.block);
	timers->sent_bytes += server.sent_bytes;
	timers->send_memory = server.memory > timers->send_memory ? server.memory : timers->send_memory;
	return status;
}
