/* Buckets and pieces of the arena, and the halvings that bring the sum of all trainers to them: all ranks are played here.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "comm/gradient_way.h"

enum { MOST_RANKS = 16 };

static void assert_layout(int64_t count, int places, const int64_t *borders, int border_count, int64_t least)
{
	struct arena_layout *layout;
	int64_t end = 0, chunks = 0;
	assert_int_equal(arena_layout_create(count, places, borders, border_count, least, &layout), STATUS_OK);
	int buckets = arena_layout_buckets(layout);
	for (int bucket = 0; bucket < buckets; bucket++) {
		struct arena_piece all = arena_layout_bucket(layout, bucket);
		int64_t longest = 0, shortest = INT64_MAX;
		assert_int_equal(all.begin, end);
		assert_true(arena_piece_count(all) >= (count < least ? count : least));
		for (int place = 0; place < places; place++) {
			struct arena_piece piece = arena_layout_piece(layout, bucket, place, 1);
			int64_t length = arena_piece_count(piece);
			assert_int_equal(piece.begin, end);
			assert_true(piece.begin % ARENA_CHUNK == 0 || piece.begin == count);
			assert_true((length + ARENA_CHUNK - 1) / ARENA_CHUNK <=
			            arena_layout_piece_chunks(layout, bucket));
			longest = length > longest ? length : longest;
			shortest = length < shortest ? length : shortest;
			end = piece.end;
		}
		assert_int_equal(end, all.end);
		assert_int_equal(arena_layout_is_even(layout, bucket), longest == shortest);
		/* Only the end of the arena may spoil the balance. */
		assert_true(longest == shortest || bucket == buckets - 1);
		chunks += arena_layout_piece_chunks(layout, bucket);
	}
	assert_int_equal(end, count);
	assert_int_equal(chunks, arena_layout_chunks(layout));
	arena_layout_destroy(layout);
}

static void test_pieces(void **state)
{
	(void)state;
	static const int64_t borders[] = { 20000, 140000, 260000, 380000, 500000 };
	for (int places = 1; places <= 128; places *= 2)
		for (int border_count = 0; border_count <= 5; border_count++) {
			assert_layout(505000, places, borders, border_count, 1);
			assert_layout(505000, places, borders, border_count, 100000);
			assert_layout(524288, places, borders, border_count, 1);
		}
	assert_layout(1, 8, NULL, 0, 1);
	assert_layout(4096, 8, NULL, 0, 1 << 20);
	assert_layout(4097, 2, NULL, 0, 1);
}

/* A bucket begins where a border is, or behind it: it must not hold gradients that are complete later. */
static void test_borders(void **state)
{
	(void)state;
	static const int64_t borders[] = { 20000, 140000, 260000 };
	struct arena_layout *layout;
	assert_int_equal(arena_layout_create(400000, 4, borders, 3, 1, &layout), STATUS_OK);
	assert_int_equal(arena_layout_buckets(layout), 4);
	for (int bucket = 1; bucket < 4; bucket++) {
		int64_t begin = arena_layout_bucket(layout, bucket).begin;
		assert_in_range(begin, borders[bucket - 1], borders[bucket - 1] + 4 * ARENA_CHUNK - 1);
		assert_int_equal(begin % (4 * ARENA_CHUNK), 0);
	}
	arena_layout_destroy(layout);
}

struct player {
	struct world world;
	struct gradient_sum_setup setup;
	struct gradient_arena arena;
	float *values;
};

static int place_of(int rank, int size)
{
	int place = 0;
	for (int bit = 1; bit < size; bit *= 2)
		place = 2 * place + (rank & bit ? 1 : 0);
	return place;
}

static float value_at(int rank, int64_t i)
{
	return (float)((rank * 7919 + i * 104729) % 100003) / 977.0f;
}

static void players_open(struct player *players, int size, const struct arena_layout *layout, int64_t count)
{
	for (int rank = 0; rank < size; rank++) {
		struct player *player = &players[rank];
		*player = (struct player){ .world = { .rank = rank, .size = size } };
		player->setup.trainers = &player->world;
		player->arena = (struct gradient_arena){ .setup = &player->setup,
			                                 .layout = layout,
			                                 .place = place_of(rank, size) };
		player->values = malloc((size_t)count * sizeof(float));
		for (int64_t i = 0; i < count; i++)
			player->values[i] = value_at(rank, i);
	}
}

/* What every rank gives away is what its partner keeps. */
static void reduce(struct player *players, int size, int bucket, int distance, int64_t count)
{
	float *old[MOST_RANKS];
	for (int rank = 0; rank < size; rank++) {
		old[rank] = malloc((size_t)count * sizeof(float));
		memcpy(old[rank], players[rank].values, (size_t)count * sizeof(float));
	}
	for (int rank = 0; rank < size; rank++) {
		struct gradient_halving own = gradient_halving_at(&players[rank].arena, bucket, distance);
		struct gradient_halving partner = gradient_halving_at(&players[own.partner].arena, bucket, distance);
		assert_int_equal(partner.partner, rank);
		assert_int_equal(own.partner_place, players[own.partner].arena.place);
		assert_memory_equal(&own.own, &partner.other, sizeof own.own);
		for (int64_t i = own.own.begin; i < own.own.end; i++)
			players[rank].values[i] = old[rank][i] + old[own.partner][i];
	}
	for (int rank = 0; rank < size; rank++)
		free(old[rank]);
}

static float tree_sum(int first, int size, int64_t i)
{
	if (size == 1)
		return value_at(first, i);
	return tree_sum(first, size / 2, i) + tree_sum(first + size / 2, size / 2, i);
}

static void share(struct player *players, int size, int bucket, int distance)
{
	for (int rank = 0; rank < size; rank++) {
		struct gradient_halving halving = gradient_halving_at(&players[rank].arena, bucket, distance);
		memcpy(players[rank].values + halving.other.begin,
		       players[halving.partner].values + halving.other.begin,
		       (size_t)arena_piece_count(halving.other) * sizeof(float));
	}
}

static void assert_exchange(int size, int64_t count)
{
	static const int64_t borders[] = { 70000, 140000 };
	struct player players[MOST_RANKS];
	struct arena_layout *layout;
	assert_int_equal(arena_layout_create(count, size, borders, 2, 1, &layout), STATUS_OK);
	players_open(players, size, layout, count);
	for (int bucket = 0; bucket < arena_layout_buckets(layout); bucket++) {
		for (int distance = 1; distance < size; distance *= 2)
			reduce(players, size, bucket, distance, count);
		for (int rank = 0; rank < size; rank++) {
			struct arena_piece piece = arena_layout_piece(layout, bucket, players[rank].arena.place, 1);
			for (int64_t i = piece.begin; i < piece.end; i++)
				assert_true(players[rank].values[i] == tree_sum(0, size, i));
		}
		for (int distance = size / 2; distance >= 1; distance /= 2)
			share(players, size, bucket, distance);
	}
	for (int rank = 0; rank < size; rank++) {
		for (int64_t i = 0; i < count; i++)
			assert_true(players[rank].values[i] == tree_sum(0, size, i));
		free(players[rank].values);
	}
	arena_layout_destroy(layout);
}

static void test_exchange(void **state)
{
	(void)state;
	for (int size = 1; size <= MOST_RANKS; size *= 2) {
		assert_exchange(size, 200000);
		assert_exchange(size, 5000);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_pieces), cmocka_unit_test(test_borders),
		                            cmocka_unit_test(test_exchange) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
