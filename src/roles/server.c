/* Requests in, blocks out. Sends stay pending until the asker takes the block: its credits bound their number.
 * SPDX-License-Identifier: Apache-2.0 */
#include "roles/server.h"

#include <stdlib.h>

#include "base/memory.h"
#include "base/timer.h"
#include "roles/message.h"

struct waiting {
	int64_t block;
	int rank, slot;
};

struct answer {
	MPI_Request pending; /* MPI_REQUEST_NULL: free */
	char *bytes;
	size_t capacity;
};

struct server {
	const struct world *world;
	struct provider *provider;
	struct waiting *queue; /* ring of `credits` */
	int credits, head, length;
	int upstream; /* requests of the queue's front part that were already asked for upstream */
	struct answer *answers; /* [credits] */
	struct block block;
	int askers; /* not yet done */
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
		MPI_Mrecv(&request, 3, MPI_INT64_T, &message, MPI_STATUS_IGNORE);
		if (request.kind == REQUEST_FINISH) {
			server->askers--;
			continue;
		}
		if (server->length == server->credits)
			return error_raise(STATUS_INTERNAL, "rank %d asked for block %lld beyond its credits",
			                   facts.MPI_SOURCE, (long long)request.block);
		server->queue[(server->head + server->length++) % server->credits] =
			(struct waiting){ request.block, facts.MPI_SOURCE, (int)request.slot };
	}
}

/* Two askers may want the same block (another epoch, another point): upstream it is asked for once at a time. */
static bool asked_upstream(const struct server *server, int64_t block)
{
	for (int i = 0; i < server->upstream; i++)
		if (server->queue[(server->head + i) % server->credits].block == block)
			return true;
	return false;
}

static enum status ask_upstream(struct server *server)
{
	while (server->upstream < server->length) {
		int64_t block = server->queue[(server->head + server->upstream) % server->credits].block;
		if (asked_upstream(server, block))
			return STATUS_OK; /* when its turn comes */
		STATUS_TRY(provider_request(server->provider, block));
		server->upstream++;
	}
	return STATUS_OK;
}

static struct answer *free_answer(struct server *server)
{
	for (int i = 0; i < server->credits; i++) {
		int done = 1;
		if (server->answers[i].pending != MPI_REQUEST_NULL)
			MPI_Test(&server->answers[i].pending, &done, MPI_STATUS_IGNORE);
		if (done)
			return &server->answers[i];
	}
	return NULL;
}

static enum status answer_first(struct server *server, struct answer *answer)
{
	struct waiting waiting = server->queue[server->head];
	STATUS_TRY(provider_take(server->provider, waiting.block, &server->block));
	server->head = (server->head + 1) % server->credits;
	server->length--;
	server->upstream--;
	int64_t size = message_block_size(&server->block);
	if (size > INT32_MAX)
		return error_raise(STATUS_DATA, "block %lld holds %lld tokens: too large for one message; tokenize with a "
		                                "smaller tokenize/block_tokens or shorter documents",
		                   (long long)waiting.block, (long long)server->block.token_count);
	STATUS_TRY(memory_grow((void **)&answer->bytes, &answer->capacity, (size_t)size, 1));
	message_block_pack(&server->block, answer->bytes);
	MPI_Isend(answer->bytes, (int)size, MPI_BYTE, waiting.rank, TAG_BLOCK + waiting.slot, server->world->comm,
	          &answer->pending);
	return STATUS_OK;
}

static enum status serve(struct server *server, struct timers *timers)
{
	unsigned naps = 0;
	double since = timer_seconds();
	while (server->askers > 0 || server->length > 0) {
		STATUS_TRY(accept_requests(server));
		STATUS_TRY(ask_upstream(server));
		struct answer *answer = server->length > 0 ? free_answer(server) : NULL;
		if (answer == NULL) {
			free_answer(server); /* progress of the sends */
			world_nap(&naps);
			continue;
		}
		timers_add(timers, ACTIVITY_IDLE, &since);
		naps = 0;
		STATUS_TRY(answer_first(server, answer));
		since = timer_seconds();
	}
	timers_add(timers, ACTIVITY_IDLE, &since);
	for (int i = 0; i < server->credits; i++)
		STATUS_TRY(world_wait(server->world, &server->answers[i].pending, "a trainer to take a block"));
	return provider_finish(server->provider);
}

enum status server_run(const struct world *world, struct provider *provider, int askers, int credits,
                       struct timers *timers)
{
	struct server server = { .world = world, .provider = provider, .credits = credits, .askers = askers };
	server.queue = memory_allocate((size_t)credits, sizeof *server.queue);
	server.answers = memory_allocate((size_t)credits, sizeof *server.answers);
	enum status status = STATUS_ENVIRONMENT;
	if (server.queue != NULL && server.answers != NULL) {
		for (int i = 0; i < credits; i++)
			server.answers[i].pending = MPI_REQUEST_NULL;
		status = serve(&server, timers);
	}
	for (int i = 0; server.answers != NULL && i < credits; i++)
		free(server.answers[i].bytes);
	free(server.answers);
	free(server.queue);
	block_clear(&server.block);
	return status;
}
