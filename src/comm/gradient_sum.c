/* The layout, what is common to both ways, and the norm.
 * SPDX-License-Identifier: Apache-2.0 */
#include "comm/gradient_sum.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "comm/gradient_way.h"

struct gradient_sum {
	struct world trainers;
	struct gradient_sum_setup setup;
	struct arena_layout *layout;
	struct gradient_arena arena;
	struct arena_piece *pieces; /* [buckets] */
	int buckets;
	const struct gradient_way *way; /* NULL: there is one trainer */
	void *state;
	int begun;  /* buckets from this one on have begun in this step */
	int shared; /* buckets before this one need not be waited for */
	double *own_chunks, *all_chunks;
	char description[320];
};

/* ---- places ---- */

/* Recursive halving by the lowest bit first gives rank r the piece of the bits of r in reverse order. */
static int reversed(int rank, int size)
{
	int place = 0;
	for (int bit = 1; bit < size; bit *= 2)
		place = 2 * place + (rank & bit ? 1 : 0);
	return place;
}

struct gradient_halving gradient_halving_at(const struct gradient_arena *arena, int bucket, int distance)
{
	const struct world *trainers = arena->setup->trainers;
	/* Before it the pieces of size / distance places are shared with those that have the same lower bits. */
	int half = trainers->size / distance / 2, partner = trainers->rank ^ distance;
	int place = reversed(partner, trainers->size), own = arena->place / half * half, other = place / half * half;
	return (struct gradient_halving){ .partner = partner,
		                          .partner_place = place,
		                          .own = arena_layout_piece(arena->layout, bucket, own, half),
		                          .other = arena_layout_piece(arena->layout, bucket, other, half) };
}

/* ---- life ---- */

static enum status choose_way(struct gradient_sum *sum, bool direct, const char *reason)
{
	if (sum->setup.trainers->size == 1) {
		snprintf(sum->description, sizeof sum->description, "nowhere");
		return STATUS_OK;
	}
	if (direct) {
		STATUS_TRY(gradient_direct_create(&sum->arena, &sum->state));
		sum->way = &gradient_direct_way;
		snprintf(sum->description, sizeof sum->description, "from GPU to GPU by %s, %d bucket%s",
		         gradient_direct_describe(sum->state), sum->buckets, sum->buckets == 1 ? "" : "s");
		return STATUS_OK;
	}
	STATUS_TRY(gradient_host_create(&sum->arena, &sum->state));
	sum->way = &gradient_host_way;
	snprintf(sum->description, sizeof sum->description, "through the host by MPI%s%s",
	         reason[0] == '\0' ? "" : ": ", reason);
	return STATUS_OK;
}

/* Of the sum, which may be NULL. */
static enum status lay_out(struct gradient_sum *sum, const struct gradient_sum_setup *given, bool direct)
{
	if (sum == NULL)
		return STATUS_ENVIRONMENT;
	sum->setup = *given;
	sum->trainers = *given->trainers;
	sum->setup.trainers = &sum->trainers;
	const struct gradient_sum_setup *setup = &sum->setup;
	int size = setup->trainers->size;
	/* Through the host a part is as good as the whole: nothing else goes on meanwhile. */
	STATUS_TRY(arena_layout_create(setup->count, size, setup->borders, direct ? setup->border_count : 0,
	                               setup->least_bucket, &sum->layout));
	sum->buckets = arena_layout_buckets(sum->layout);
	sum->arena = (struct gradient_arena){ .setup = setup,
		                              .layout = sum->layout,
		                              .place = reversed(setup->trainers->rank, size),
		                              .weight_bytes = setup->kernels->weight_bytes(setup->device) };
	int64_t chunks = arena_layout_chunks(sum->layout);
	sum->pieces = memory_allocate((size_t)sum->buckets, sizeof *sum->pieces);
	sum->own_chunks = memory_allocate((size_t)chunks, sizeof *sum->own_chunks);
	sum->all_chunks = memory_allocate((size_t)(chunks * size), sizeof *sum->all_chunks);
	if (sum->pieces == NULL || sum->own_chunks == NULL || sum->all_chunks == NULL)
		return STATUS_ENVIRONMENT;
	for (int bucket = 0; bucket < sum->buckets; bucket++)
		sum->pieces[bucket] = arena_layout_piece(sum->layout, bucket, sum->arena.place, 1);
	sum->begun = sum->shared = sum->buckets;
	return STATUS_OK;
}

enum status gradient_sum_refuse(const char *reason)
{
	return error_raise(STATUS_ENVIRONMENT, "run/exchange = device: %s; use run/exchange = auto or host", reason);
}

/* Whether devices exchange directly: all trainers agree. */
static enum status choose_exchange(const struct gradient_sum_setup *setup, bool *direct_out, char *reason, size_t size)
{
	*direct_out = false;
	if (setup->trainers->size == 1 || setup->exchange == EXCHANGE_HOST)
		return STATUS_OK;
	STATUS_TRY(gradient_direct_possible(setup, direct_out, reason, size));
	if (*direct_out || setup->exchange == EXCHANGE_AUTO)
		return STATUS_OK;
	return gradient_sum_refuse(reason);
}

enum status gradient_sum_create(const struct gradient_sum_setup *setup, struct gradient_sum **sum_out)
{
	char reason[256] = "";
	bool direct;
	STATUS_TRY(choose_exchange(setup, &direct, reason, sizeof reason));
	struct gradient_sum *sum = memory_allocate(1, sizeof *sum);
	/* A trainer without memory must not leave the others in calls that it never makes. */
	struct world agreeing = *setup->trainers;
	enum status status = world_agree(&agreeing, lay_out(sum, setup, direct));
	if (status == STATUS_OK)
		status = choose_way(sum, direct, reason);
	if (sum != NULL)
		sum->setup.borders = NULL; /* the caller's */
	if (status != STATUS_OK) {
		gradient_sum_destroy(sum, false);
		return status;
	}
	*sum_out = sum;
	return STATUS_OK;
}

void gradient_sum_destroy(struct gradient_sum *sum, bool orderly)
{
	if (sum == NULL)
		return;
	if (sum->state != NULL)
		sum->way->destroy(sum->state, orderly);
	arena_layout_destroy(sum->layout);
	free(sum->pieces);
	free(sum->own_chunks);
	free(sum->all_chunks);
	free(sum);
}

const char *gradient_sum_describe(const struct gradient_sum *sum)
{
	return sum->description;
}

const struct arena_piece *gradient_sum_pieces(const struct gradient_sum *sum, int *count_out)
{
	*count_out = sum->buckets;
	return sum->pieces;
}

int gradient_sum_place(const struct gradient_sum *sum)
{
	return sum->arena.place;
}

/* ---- a step ---- */

enum status gradient_sum_ready(struct gradient_sum *sum, int64_t begin)
{
	if (sum->way == NULL)
		return STATUS_OK;
	while (sum->begun > 0 && arena_layout_bucket(sum->layout, sum->begun - 1).begin >= begin) {
		STATUS_TRY(sum->way->begin(sum->state, sum->begun - 1));
		sum->begun--;
	}
	return STATUS_OK;
}

enum status gradient_sum_await(struct gradient_sum *sum)
{
	return sum->way == NULL ? STATUS_OK : sum->way->await(sum->state);
}

enum status gradient_sum_finish(struct gradient_sum *sum)
{
	if (sum->way == NULL)
		return STATUS_OK;
	if (sum->begun > 0)
		return error_raise(STATUS_INTERNAL, "%d of %d buckets of gradients have not begun", sum->begun,
		                   sum->buckets);
	sum->begun = sum->buckets;
	return sum->way->finish(sum->state);
}

/* Asks for the sums of squares of own chunks. */
static enum status square_pieces(struct gradient_sum *sum)
{
	const struct gradient_sum_setup *setup = &sum->setup;
	double *chunks = sum->own_chunks;
	/* Pieces at the end of the arena may be shorter than their place is. */
	memset(chunks, 0, (size_t)arena_layout_chunks(sum->layout) * sizeof *chunks);
	for (int bucket = 0; bucket < sum->buckets; bucket++) {
		struct arena_piece piece = sum->pieces[bucket];
		if (arena_piece_count(piece) > 0)
			STATUS_TRY(setup->kernels->sum_of_squares(setup->device, chunks, setup->gradients + piece.begin,
			                                          (size_t)arena_piece_count(piece), ARENA_CHUNK));
		chunks += arena_layout_piece_chunks(sum->layout, bucket);
	}
	return STATUS_OK;
}

/* Whatever went wrong, nothing is on its way to the chunks afterwards. */
static enum status square_own(struct gradient_sum *sum)
{
	enum status asked = square_pieces(sum), done = sum->setup.kernels->synchronize(sum->setup.device);
	return asked != STATUS_OK ? asked : done;
}

/* Of all trainers' chunks, in arena order. */
static double add_chunks(const struct gradient_sum *sum)
{
	int size = sum->trainers.size;
	int64_t chunks = arena_layout_chunks(sum->layout), before = 0;
	double total = 0;
	for (int bucket = 0; bucket < sum->buckets; bucket++) {
		int64_t here = arena_layout_piece_chunks(sum->layout, bucket);
		for (int place = 0; place < size; place++) {
			/* Reversing is its own inverse. */
			const double *own = sum->all_chunks + reversed(place, size) * chunks + before;
			for (int64_t chunk = 0; chunk < here; chunk++)
				total += own[chunk];
		}
		before += here;
	}
	return total;
}

enum status gradient_sum_squares(struct gradient_sum *sum, double *squares_out)
{
	STATUS_TRY(square_own(sum));
	STATUS_TRY(world_all_gather(&sum->trainers, sum->own_chunks, (int)arena_layout_chunks(sum->layout), MPI_DOUBLE,
	                            sum->all_chunks));
	*squares_out = add_chunks(sum);
	return STATUS_OK;
}

enum status gradient_sum_share(struct gradient_sum *sum)
{
	if (sum->way == NULL)
		return STATUS_OK;
	sum->shared = 0;
	return sum->way->share(sum->state);
}

enum status gradient_sum_need(struct gradient_sum *sum, int64_t end)
{
	while (sum->shared < sum->buckets && arena_layout_bucket(sum->layout, sum->shared).begin < end) {
		STATUS_TRY(sum->way->need(sum->state, sum->shared));
		sum->shared++;
	}
	return STATUS_OK;
}

enum status gradient_sum_settle(struct gradient_sum *sum)
{
	if (sum->way == NULL)
		return STATUS_OK;
	STATUS_TRY(gradient_sum_need(sum, sum->setup.count));
	return sum->way->settle(sum->state);
}
