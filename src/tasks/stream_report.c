/* The table of a run with run/device = null.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tasks/stream_report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "results/provenance.h"
#include "storage/hdf5_file.h"

enum { FORMAT_VERSION = 1 };

static const struct {
	const char *name, *unit, *long_name;
} columns[STREAM_COLUMNS] = {
	[STREAM_TOKENS] = { "tokens", "tokens",
	                    "tokens delivered to a trainer, scored by a classifier, read by a reader" },
	[STREAM_SECONDS] = { "seconds", "s", "duration of the stream" },
	[STREAM_FIRST_SECONDS] = { "first_seconds", "s", "time until a trainer had all windows of its first step" },
	[STREAM_WAIT] = { "wait", "s", "time spent waiting for blocks of other ranks" },
	[STREAM_IDLE] = { "idle", "s", "time in which nothing was asked of a reader or classifier" },
	[STREAM_SENT] = { "sent", "bytes", "bytes of blocks sent" },
	[STREAM_RECEIVED] = { "received", "bytes", "bytes of blocks received" },
	[STREAM_BLOCKS] = { "blocks", "blocks", "blocks that entered lanes of a trainer, or were received" },
	[STREAM_BUFFERS] = { "buffers", "bytes", "memory held for blocks and lanes at most" },
	[STREAM_BOUND] = { "bound", "bytes", "the most memory that the credits allow for blocks and lanes" },
	[STREAM_RESIDENT] = { "resident", "bytes", "memory of the process before the stream" },
	[STREAM_PEAK] = { "peak", "bytes", "largest memory of the process" },
};

static double cell(const double *all, int rank, enum stream_column column)
{
	return all[(int64_t)rank * STREAM_COLUMNS + column];
}

static double largest(const double *all, int first, int count, enum stream_column column)
{
	double value = 0;
	for (int rank = first; rank < first + count; rank++)
		value = fmax(value, cell(all, rank, column));
	return value;
}

static double sum(const double *all, int first, int count, enum stream_column column)
{
	double value = 0;
	for (int rank = first; rank < first + count; rank++)
		value += cell(all, rank, column);
	return value;
}

static void print_role(const double *all, const struct split *split, enum role role, int count)
{
	char tokens[32], sent[32], received[32], buffers[32], bound[32], peak[32], start[32];
	int first = split_first(split, role);
	if (count == 0)
		return;
	double seconds = sum(all, first, count, STREAM_SECONDS);
	double rate = seconds > 0 ? sum(all, first, count, STREAM_TOKENS) / seconds : 0;
	log_info("%-10s x%-5d %10s %9.1f %9.1f %11s %11s %11s %11s %11s %11s", role_name(role), count,
	         text_count(rate, tokens, sizeof tokens),
	         seconds > 0 ? 100 * sum(all, first, count, STREAM_WAIT) / seconds : 0,
	         seconds > 0 ? 100 * sum(all, first, count, STREAM_IDLE) / seconds : 0,
	         text_bytes(sum(all, first, count, STREAM_SENT), sent, sizeof sent),
	         text_bytes(sum(all, first, count, STREAM_RECEIVED), received, sizeof received),
	         text_bytes(largest(all, first, count, STREAM_BUFFERS), buffers, sizeof buffers),
	         text_bytes(largest(all, first, count, STREAM_BOUND), bound, sizeof bound),
	         text_bytes(largest(all, first, count, STREAM_RESIDENT), start, sizeof start),
	         text_bytes(largest(all, first, count, STREAM_PEAK), peak, sizeof peak));
}

static void print(const double *all, const struct split *split, const char *point_name)
{
	char tokens[32], rate[32], one[32], blocks[32], first[32], duration[32];
	int trainers = split->trainers;
	double total = sum(all, 0, trainers, STREAM_TOKENS), seconds = largest(all, 0, trainers, STREAM_SECONDS);
	log_info("stream of %s: what passed through, nothing computed", point_name);
	log_info("%-10s %-6s %10s %9s %9s %11s %11s %11s %11s %11s %11s", "role", "ranks", "tokens/s", "wait %",
	         "idle %", "sent", "received", "buffers", "bound", "start", "peak");
	print_role(all, split, ROLE_TRAINER, trainers);
	print_role(all, split, ROLE_CLASSIFIER, split->classifiers);
	print_role(all, split, ROLE_READER, split->readers);
	log_info(
		"tokens/s: of one rank; wait, idle: share of its time; sent, received: all ranks of the role; memory: the largest rank");
	log_info(
		"%s tokens in %s: %s tokens/s, %s into each trainer; first step after %s; %s blocks in order, each once, "
		"checksums right",
		text_count(total, tokens, sizeof tokens), text_duration(seconds, duration, sizeof duration),
		text_count(seconds > 0 ? total / seconds : 0, rate, sizeof rate),
		text_count(seconds > 0 ? total / seconds / trainers : 0, one, sizeof one),
		text_duration(largest(all, 0, trainers, STREAM_FIRST_SECONDS), first, sizeof first),
		text_count(sum(all, 0, trainers, STREAM_BLOCKS), blocks, sizeof blocks));
}

static enum status write_columns(struct hdf5_writer *writer, const double *all, const struct world *world,
                                 const struct split *split, const char **roles, int32_t *numbers, double *values)
{
	for (int rank = 0; rank < world->size; rank++)
		roles[rank] = role_name(split_role(split, rank));
	STATUS_TRY(hdf5_write_texts(writer, "ranks/role", (size_t)world->size, roles, "role of each rank"));
	for (int rank = 0; rank < world->size; rank++)
		numbers[rank] = world_job_rank(world, rank);
	STATUS_TRY(hdf5_write_vector(writer, "ranks/rank", HDF5_INT32, world->size, numbers, "1",
	                             "number of the rank in the job: rows are in the order of roles"));
	for (int column = 0; column < STREAM_COLUMNS; column++) {
		char name[64];
		snprintf(name, sizeof name, "ranks/%s", columns[column].name);
		for (int rank = 0; rank < world->size; rank++)
			values[rank] = cell(all, rank, (enum stream_column)column);
		STATUS_TRY(hdf5_write_vector(writer, name, HDF5_FLOAT64, world->size, values, columns[column].unit,
		                             columns[column].long_name));
	}
	return STATUS_OK;
}

static enum status write_facts(struct hdf5_writer *writer, const double *all, const struct split *split,
                               const char *point_name, const char *command_line)
{
	double total = sum(all, 0, split->trainers, STREAM_TOKENS);
	double seconds = largest(all, 0, split->trainers, STREAM_SECONDS);
	STATUS_TRY(hdf5_write_text_attribute(writer, "/", "format", "capshape-stream"));
	STATUS_TRY(hdf5_write_integer_attribute(writer, "/", "format_version", FORMAT_VERSION));
	STATUS_TRY(hdf5_write_text_attribute(writer, "/", "version", provenance_version()));
	STATUS_TRY(hdf5_write_text_attribute(writer, "/", "point", point_name));
	STATUS_TRY(hdf5_write_text_attribute(writer, "/", "command_line", command_line));
	STATUS_TRY(hdf5_write_integer_attribute(writer, "/", "trainers", split->trainers));
	STATUS_TRY(hdf5_write_integer_attribute(writer, "/", "classifiers", split->classifiers));
	STATUS_TRY(hdf5_write_integer_attribute(writer, "/", "readers", split->readers));
	STATUS_TRY(hdf5_write_real_attribute(writer, "/", "tokens", total));
	STATUS_TRY(hdf5_write_real_attribute(writer, "/", "seconds", seconds));
	return hdf5_write_real_attribute(writer, "/", "tokens_per_second", seconds > 0 ? total / seconds : 0);
}

static enum status write_file(const double *all, const struct world *world, const struct split *split, const char *path,
                              const char *point_name, const char *command_line)
{
	struct hdf5_writer *writer = NULL;
	const char **roles = memory_allocate((size_t)world->size, sizeof *roles);
	int32_t *numbers = memory_allocate((size_t)world->size, sizeof *numbers);
	double *values = memory_allocate((size_t)world->size, sizeof *values);
	enum status status =
		roles == NULL || numbers == NULL || values == NULL ? STATUS_ENVIRONMENT : hdf5_create(path, &writer);
	if (status == STATUS_OK)
		status = write_columns(writer, all, world, split, roles, numbers, values);
	if (status == STATUS_OK)
		status = write_facts(writer, all, split, point_name, command_line);
	free(roles);
	free(numbers);
	free(values);
	if (status != STATUS_OK) {
		hdf5_abandon(writer);
		return status;
	}
	return hdf5_commit(writer);
}

enum status stream_report(struct world *world, const struct split *split, const double own[STREAM_COLUMNS],
                          const char *path, const char *point_name, const char *command_line)
{
	double *all = memory_allocate((size_t)world->size * STREAM_COLUMNS, sizeof *all);
	enum status status = world_agree(world, all == NULL ? STATUS_ENVIRONMENT : STATUS_OK);
	if (status == STATUS_OK)
		status = world_all_gather(world, own, STREAM_COLUMNS, MPI_DOUBLE, all);
	if (status == STATUS_OK && world->rank == 0) {
		print(all, split, point_name);
		status = write_file(all, world, split, path, point_name, command_line);
		if (status == STATUS_OK)
			log_info("the table of all ranks is in %s", path);
	}
	free(all);
	return status;
}
