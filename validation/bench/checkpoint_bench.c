/* How long a trainer's shard of a checkpoint takes to be written, against the same bytes written plainly to the same disk:
 * one file, large calls, fsync. One line for each round, in which the two take turns.
 *
 * usage: checkpoint_bench [FOLDER [ELEMENTS [PIECES [ROUNDS]]]]      (default . 30e6 26 5)
 * ELEMENTS of the arena, 12 bytes each. `copy`: from one array of the host to another, as a trainer on a CPU does before it
 * goes on; `shard`: written, read back, hashed, flushed to the disk; `finish`: manifest, rename, removal
 * of the checkpoint before it.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "base/timer.h"
#include "bench.h"
#include "results/checkpoint.h"
#include "storage/atomic_file.h"

static double write_plainly(const char *path, const char *bytes, size_t size)
{
	enum { PART = 1 << 22 };
	double since = timer_seconds();
	int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
	bool good = file >= 0;
	for (size_t done = 0; good && done < size;) {
		ssize_t written = write(file, bytes + done, size - done < PART ? size - done : PART);
		good = written > 0;
		done += good ? (size_t)written : 0;
	}
	good = good && fsync(file) == 0 && close(file) == 0;
	if (!good)
		bench_require(file_raise(errno, path, "cannot be written"));
	double seconds = timer_seconds() - since;
	unlink(path);
	return seconds;
}

/* The pieces of an arena that one trainer owns alone. */
static struct arena_piece *cut(int64_t elements, int count)
{
	struct arena_piece *pieces = bench_memory(count, sizeof *pieces);
	for (int i = 0; i < count; i++)
		pieces[i] = (struct arena_piece){ elements * i / count, elements * (i + 1) / count };
	return pieces;
}

static void write_state(const char *folder, int64_t step)
{
	struct hdf5_writer *writer;
	bench_require(checkpoint_create_state(folder, step, &writer));
	bench_require(hdf5_commit(writer));
}

static void run_round(const char *folder, int64_t round, const struct arena_piece *pieces, int count,
                      const float *arrays, float *copy)
{
	int64_t elements = pieces[count - 1].end;
	size_t size = (size_t)elements * 3 * sizeof *arrays;
	const struct checkpoint_kept kept = { .newest = 1 };
	char *plain = text_join_path(folder, "plain");
	double seconds = write_plainly(plain, (const char *)arrays, size), since = timer_seconds();
	memcpy(copy, arrays, size);
	double copied = timer_seconds() - since;
	bench_require(checkpoint_begin(folder, round));
	since = timer_seconds();
	bench_require(
		checkpoint_write_shard(folder, round, 0, pieces, count, copy, copy + elements, copy + 2 * elements));
	double written = timer_seconds() - since;
	write_state(folder, round);
	since = timer_seconds();
	bench_require(checkpoint_finish(folder, round, 1, elements, "bench", &kept, NULL));
	double finished = timer_seconds() - since, mega = (double)size / 1e6;
	printf("round %lld  %.0f MB  plain %.2f s %.0f MB/s  copy %.3f s  shard %.2f s %.0f MB/s, %.0f %% of plain  "
	       "finish %.3f s\n",
	       (long long)round, mega, seconds, mega / seconds, copied, written, mega / written,
	       100 * seconds / written, finished);
	free(plain);
}

int main(int argument_count, char **arguments)
{
	const char *parent = argument_count > 1 ? arguments[1] : ".";
	int64_t elements = argument_count > 2 ? (int64_t)bench_number("ELEMENTS", arguments[2], 1, 1e11) : 30000000;
	int count = argument_count > 3 ? (int)bench_whole("PIECES", arguments[3]) : 26;
	int64_t rounds = argument_count > 4 ? bench_whole("ROUNDS", arguments[4]) : 5;
	struct arena_piece *pieces = cut(elements, count);
	float *arrays = bench_memory(3 * elements, sizeof *arrays), *copy = bench_memory(3 * elements, sizeof *copy);
	char *folder = text_join_path(parent, "checkpoint-bench");
	bench_require(text_make_directories(folder));
	for (int64_t i = 0; i < 3 * elements; i++)
		arrays[i] = (float)(i % 1000003) * 1e-6F - (float)(i % 7);
	for (int64_t round = 1; round <= rounds; round++)
		run_round(folder, round, pieces, count, arrays, copy);
	bench_require(folder_remove(folder));
	free(folder);
	free(copy);
	free(arrays);
	free(pieces);
	return 0;
}
