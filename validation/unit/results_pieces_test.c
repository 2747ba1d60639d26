/* Checkpoints whose shards hold many pieces of the arena, and manifests that contradict themselves or their shards.
 * SPDX-License-Identifier: Apache-2.0 */
#include "results_fixture.h"

#include <sys/inotify.h>
#include <unistd.h>

#include "base/random.h"
#include "results/checkpoint_files.h"

/* The library loses memory of its own when it meets a damaged file: not what leak checkers are to look for here. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libhdf5";
}

enum { ARENA = 70007, MOST_PIECES = 48, MOST_WRITERS = 16 };

static const struct checkpoint_kept newest = { .newest = 9 };

static int64_t draw(uint64_t stream, uint64_t index, int64_t bound)
{
	return (int64_t)(random_bits(77, RANDOM_TEST, stream, index) % (uint64_t)bound);
}

/* Cuts the arena at random places, some of them equal. */
static void cut_arena(uint64_t stream, struct arena_piece pieces[MOST_PIECES])
{
	int64_t cuts[MOST_PIECES + 1] = { 0 };
	for (int i = 1; i < MOST_PIECES; i++) {
		int64_t cut = draw(stream, (uint64_t)i, ARENA);
		int place = i;
		for (; place > 1 && cuts[place - 1] > cut; place--)
			cuts[place] = cuts[place - 1];
		cuts[place] = cut;
	}
	cuts[MOST_PIECES] = ARENA;
	for (int i = 0; i < MOST_PIECES; i++)
		pieces[i] = (struct arena_piece){ cuts[i], cuts[i + 1] };
}

/* Deals the pieces out to the writers as the draws want it, and shuffles each hand. */
static enum status write_dealt(const char *folder, int64_t step, int writers, uint64_t stream)
{
	struct arena_piece all[MOST_PIECES], hand[MOST_PIECES];
	cut_arena(stream, all);
	STATUS_TRY(checkpoint_begin(folder, step));
	for (int writer = 0; writer < writers; writer++) {
		int count = 0;
		for (uint64_t i = 0; i < MOST_PIECES; i++) {
			if (draw(stream, 100 + i, writers) != writer)
				continue;
			int place = (int)draw(stream, 200 + i, count + 1);
			hand[count] = hand[place];
			hand[place] = all[i];
			count++;
		}
		STATUS_TRY(write_pieces(folder, step, writer, hand, count));
	}
	STATUS_TRY(write_one_state(folder, step));
	return checkpoint_finish(folder, step, writers, ARENA, "run", &newest, NULL);
}

static void test_any_split(void **state)
{
	const char *folder = in_folder(state, "checkpoints");
	int64_t step = 0, found;
	for (int writers = 1; writers <= MOST_WRITERS; writers++) {
		assert_good(write_dealt(folder, ++step, writers, (uint64_t)writers));
		assert_good(checkpoint_find(folder, "run", ARENA, &found));
		assert_int_equal(found, step);
		for (int64_t readers = 1; readers <= 16; readers += 5)
			for (int64_t i = 0; i < readers; i++)
				check_checkpoint(folder, step, ARENA * i / readers, ARENA * (i + 1) / readers);
		for (uint64_t i = 0; i < 20; i++) {
			int64_t begin = draw(300, i, ARENA);
			check_checkpoint(folder, step, begin, begin + draw(301, i, ARENA - begin + 1));
		}
	}
}

/* How often files of this name have been opened in the watched folder since the last call. */
static int opened(int watch, const char *name)
{
	char events[65536] __attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t bytes = read(watch, events, sizeof events);
	int count = 0;
	for (ssize_t at = 0; at < bytes;) {
		const struct inotify_event *event = (const struct inotify_event *)(const void *)(events + at);
		count += event->len > 0 && strcmp(event->name, name) == 0;
		at += (ssize_t)(sizeof *event + event->len);
	}
	return count;
}

/* Every other piece, in an order of chance, as a trainer takes the moments of its buckets: what single loads give, from files
 * that are opened as often as for one of them. */
static void test_pieces_at_once(void **state)
{
	const char *folder = in_folder(state, "pieces");
	struct arena_piece all[MOST_PIECES], wanted[MOST_PIECES];
	float *once = malloc(ARENA * sizeof *once), *singly = malloc(ARENA * sizeof *singly);
	int count = 0;
	int64_t place = 0;
	char path[4096];
	assert_non_null(once);
	assert_non_null(singly);
	assert_good(write_dealt(folder, 30, 5, 30));
	cut_arena(31, all);
	for (int i = 0; i < MOST_PIECES; i += 2) {
		int at = (int)draw(32, (uint64_t)i, count + 1);
		wanted[count++] = wanted[at];
		wanted[at] = all[i];
	}
	snprintf(path, sizeof path, "%s/step-000000030", folder);
	int watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	assert_true(inotify_add_watch(watch, path, IN_OPEN) >= 0);
	assert_good(checkpoint_load(folder, 30, 0, ARENA, singly, NULL, NULL));
	int manifest_opened = opened(watch, "manifest.h5");
	assert_true(manifest_opened > 0);
	assert_good(checkpoint_load(folder, 30, 0, ARENA, singly, NULL, NULL));
	int shard_opened = opened(watch, "shard-00003.h5");
	assert_true(shard_opened > 0);
	assert_good(checkpoint_load_pieces(folder, 30, wanted, count, NULL, once, NULL, NULL));
	assert_int_equal(opened(watch, "manifest.h5"), manifest_opened);
	assert_good(checkpoint_load_pieces(folder, 30, wanted, count, NULL, once, NULL, NULL));
	assert_int_equal(opened(watch, "shard-00003.h5"), shard_opened);
	close(watch);
	for (int i = 0; i < count; i++) {
		int64_t elements = arena_piece_count(wanted[i]);
		assert_good(checkpoint_load(folder, 30, wanted[i].begin, wanted[i].end, NULL, singly, NULL));
		assert_memory_equal(once + place, singly, (size_t)elements * sizeof *once);
		place += elements;
	}
	wanted[count - 1].end = ARENA + 1;
	assert_bad(checkpoint_load_pieces(folder, 30, wanted, count, NULL, once, NULL, NULL), STATUS_DATA,
	           "has no elements");
	free(once);
	free(singly);
}

/* ---- manifests that are wrong although every byte of them is as it was written ---- */

/* Writes the manifest of a checkpoint anew, with these pieces, in the format of this version or of the first one. */
static void rewrite_manifest(const char *folder, const struct manifest_piece *pieces, size_t count, bool old)
{
	struct hdf5_writer *writer;
	struct manifest manifest;
	int64_t columns[4][8];
	char path[4096];
	snprintf(path, sizeof path, "%s/step-000000020/manifest.h5", folder);
	assert_good(manifest_read(path, &manifest));
	for (size_t i = 0; i < count; i++) {
		columns[0][i] = pieces[i].begin;
		columns[1][i] = pieces[i].end;
		columns[2][i] = pieces[i].shard;
		columns[3][i] = pieces[i].place;
	}
	assert_good(hdf5_create(path, &writer));
	assert_good(hdf5_write_text_attribute(writer, "/", "format", "capshape-checkpoint"));
	assert_good(hdf5_write_integer_attribute(writer, "/", "format_version", old ? 1 : 2));
	assert_good(hdf5_write_integer_attribute(writer, "/", "step", 20));
	assert_good(hdf5_write_integer_attribute(writer, "/", "arena_size", ARENA));
	assert_good(hdf5_write_text_attribute(writer, "/", "identity", "run"));
	assert_good(hdf5_write_texts(writer, "files/name", manifest.file_count, (const char *const *)manifest.names,
	                             "name"));
	assert_good(hdf5_write_texts(writer, "files/hash", manifest.file_count, (const char *const *)manifest.hashes,
	                             "hash"));
	assert_good(hdf5_write_vector(writer, "files/size", HDF5_INT64, (int64_t)manifest.file_count, manifest.sizes,
	                              "B", "size"));
	static const char *const names[2][4] = { { "pieces/begin", "pieces/end", "pieces/shard", "pieces/place" },
		                                 { "shards/begin", "shards/end" } };
	for (int i = 0; i < (old ? 2 : 4); i++)
		assert_good(hdf5_write_vector(writer, names[old][i], HDF5_INT64, (int64_t)count, columns[i], "1",
		                              "column"));
	assert_good(hdf5_commit(writer));
	manifest_clear(&manifest);
}

/* Two sound checkpoints of two shards of two pieces each: the first half of the second shard is the end of the arena. */
static void write_both(const char *folder)
{
	static const struct arena_piece own[2][2] = { { { 0, 1000 }, { 2000, 50000 } },
		                                      { { 50000, ARENA }, { 1000, 2000 } } };
	assert_good(folder_remove(folder));
	for (int64_t step = 10; step <= 20; step += 10) {
		assert_good(checkpoint_begin(folder, step));
		for (int writer = 0; writer < 2; writer++)
			assert_good(write_pieces(folder, step, writer, own[writer], 2));
		assert_good(write_one_state(folder, step));
		assert_good(checkpoint_finish(folder, step, 2, ARENA, "run", &newest, NULL));
	}
}

static void test_contradictions(void **state)
{
	enum { LAST = ARENA - 50000 };
	static const struct {
		struct manifest_piece pieces[4];
		size_t count;
		const char *message; /* NULL: sound */
	} cases[] = {
		{ { { 0, 0, 1000, 0 }, { 0, 2000, 50000, 1000 }, { 1, 50000, ARENA, 0 }, { 1, 1000, 2000, LAST } },
		  4,
		  NULL },
		{ { { 1, 1000, 2000, LAST }, { 1, 50000, ARENA, 0 }, { 0, 2000, 50000, 1000 }, { 0, 0, 1000, 0 } },
		  4,
		  NULL },
		/* a gap in the middle, at the beginning, at the end; nothing at all */
		{ { { 0, 0, 1000, 0 }, { 0, 2001, 50000, 1000 }, { 1, 50000, ARENA, 0 }, { 1, 1000, 2000, LAST } },
		  4,
		  "no shard holds elements 2000 to 2001" },
		{ { { 0, 1, 1000, 0 }, { 0, 2000, 50000, 999 }, { 1, 50000, ARENA, 0 }, { 1, 1000, 2000, LAST } },
		  4,
		  "no shard holds elements 0 to 1" },
		{ { { 0, 0, 1000, 0 },
		    { 0, 2000, 50000, 1000 },
		    { 1, 50000, ARENA - 1, 0 },
		    { 1, 1000, 2000, LAST - 1 } },
		  4,
		  "no shard holds elements 70006 to 70007" },
		{ { { 0, 0, 0, 0 } }, 0, "no shard holds elements 0 to 70007" },
		/* an overlap */
		{ { { 0, 0, 1000, 0 }, { 0, 1999, 50000, 1000 }, { 1, 50000, ARENA, 0 }, { 1, 1000, 2000, LAST } },
		  4,
		  "elements 1999 to 2000 are in shard 1 and in shard 0" },
		/* outside of the arena, of the list of shards, backwards */
		{ { { 0, 0, 1000, 0 },
		    { 0, 2000, 50000, 1000 },
		    { 1, 50000, ARENA + 1, 0 },
		    { 1, 1000, 2000, LAST + 1 } },
		  4,
		  "there are no elements 50000 to 70008 of 70007 in shard 1 of 2" },
		{ { { 0, 0, 1000, 0 }, { 0, 2000, 50000, 1000 }, { 2, 50000, ARENA, 0 }, { 1, 1000, 2000, 0 } },
		  4,
		  "there are no elements 50000 to 70007 of 70007 in shard 2 of 2" },
		{ { { 0, 1000, 0, 0 }, { 0, 2000, 50000, 1000 }, { 1, 50000, ARENA, 0 }, { 1, 1000, 2000, LAST } },
		  4,
		  "there are no elements 1000 to 0 of 70007 in shard 0 of 2" },
		/* a place that another piece has, one that nothing leads to, one before the beginning */
		{ { { 0, 0, 1000, 0 }, { 0, 2000, 50000, 1000 }, { 1, 50000, ARENA, 0 }, { 1, 1000, 2000, LAST - 1 } },
		  4,
		  "elements 1000 to 2000 are said to begin at place 20006 of shard 1, not at 20007" },
		{ { { 0, 0, 1000, 5 }, { 0, 2000, 50000, 1005 }, { 1, 50000, ARENA, 0 }, { 1, 1000, 2000, LAST } },
		  4,
		  "elements 0 to 1000 are said to begin at place 5 of shard 0, not at 0" },
		{ { { 0, 0, 1000, -1 }, { 0, 2000, 50000, 999 }, { 1, 50000, ARENA, 0 }, { 1, 1000, 2000, LAST } },
		  4,
		  "elements 0 to 1000 are said to begin at place -1 of shard 0, not at 0" },
		/* sound in itself, but not what the shards hold */
		{ { { 0, 0, 1000, 0 }, { 0, 2000, 50001, 1000 }, { 1, 50001, ARENA, 0 }, { 1, 1000, 2000, LAST - 1 } },
		  4,
		  "shard-00000.h5: parameters has 49000 elements, not the 49001" },
	};
	const char *folder = in_folder(state, "checkpoints");
	for (size_t i = 0; i < COUNT(cases); i++) {
		int64_t step;
		write_both(folder);
		rewrite_manifest(folder, cases[i].pieces, cases[i].count, false);
		const char *warnings = find_with_warnings(folder, ARENA, &step);
		if (cases[i].message == NULL) {
			assert_int_equal(step, 20);
			assert_string_equal(warnings, "");
			check_checkpoint(folder, 20, 0, ARENA);
			continue;
		}
		assert_int_equal(step, 10);
		assert_non_null(strstr(warnings, "the checkpoint of step 20 is damaged and passed over"));
		if (strstr(warnings, cases[i].message) == NULL)
			fail_msg("case %zu: \"%s\" is not in \"%s\"", i, cases[i].message, warnings);
	}
}

/* What an earlier version of the program wrote: one range a shard, in the order of the arena. */
static void test_first_version(void **state)
{
	static const struct manifest_piece ranges[] = { { 0, 0, 500, 0 }, { 1, 500, 500, 0 }, { 2, 500, ARENA, 0 } };
	static const struct manifest_piece gap[] = { { 0, 0, 500, 0 }, { 1, 501, 501, 0 }, { 2, 501, ARENA, 0 } };
	const char *folder = in_folder(state, "checkpoints");
	int64_t step;
	for (step = 10; step <= 20; step += 10) {
		assert_good(checkpoint_begin(folder, step));
		for (int writer = 0; writer < 3; writer++)
			assert_good(write_one_shard(folder, step, writer, ranges[writer].begin, ranges[writer].end));
		assert_good(write_one_state(folder, step));
		assert_good(checkpoint_finish(folder, step, 3, ARENA, "run", &newest, NULL));
	}
	rewrite_manifest(folder, ranges, 3, true);
	assert_string_equal(find_with_warnings(folder, ARENA, &step), "");
	assert_int_equal(step, 20);
	check_checkpoint(folder, 20, 0, ARENA);
	check_checkpoint(folder, 20, 400, 600);
	rewrite_manifest(folder, gap, 3, true);
	assert_non_null(strstr(find_with_warnings(folder, ARENA, &step), "no shard holds elements 500 to 501"));
	assert_int_equal(step, 10);
}

/* A writer's pieces may lie in any order, but twice the same is a mistake, and named. */
static void test_mistakes_of_writers(void **state)
{
	static const struct arena_piece twice[] = { { 0, 1000 }, { 500, ARENA } };
	const char *folder = in_folder(state, "checkpoints");
	int64_t step;
	assert_good(checkpoint_begin(folder, 1));
	assert_good(write_pieces(folder, 1, 0, twice, 2));
	assert_good(write_one_state(folder, 1));
	assert_bad(checkpoint_finish(folder, 1, 1, ARENA, "run", &newest, NULL), STATUS_INTERNAL,
	           "elements 500 to 1000 are in");
	assert_good(checkpoint_find(folder, "run", ARENA, &step));
	assert_int_equal(step, -1);
	/* A sum that is not one. */
	static const char *const sums[] = { "", "abc", "abc 12\n5", "abc 12\n5 x\n", "abc 12\n0 70007" };
	for (size_t i = 0; i < COUNT(sums); i++) {
		put_file(in_folder(state, "checkpoints/step-000000001.tmp/shard-00000.sum"), sums[i], strlen(sums[i]));
		assert_bad(checkpoint_finish(folder, 1, 1, ARENA, "run", &newest, NULL), STATUS_INTERNAL,
		           "not what was written");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_any_split, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_pieces_at_once, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_contradictions, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_first_version, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_mistakes_of_writers, make_folder, remove_folder),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
