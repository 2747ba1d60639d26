/* Owns data sets whose values are written past the library: it makes room for them, and when it has closed the file they are
 * put there by plain system calls. So they take one copy instead of four, and nobody waits for a turn meanwhile.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1 /* sync_file_range */
#endif

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "storage/atomic_file.h"
#include "storage/hdf5_turn.h"
#include "storage/hdf5_writer.h"

/* ---- room ---- */

/* Contiguous, allocated at once, and not filled. */
static hid_t create_data_set(struct hdf5_call *call, hid_t file, hid_t type, int64_t count)
{
	hsize_t size = (hsize_t)count;
	hid_t data_set = H5I_INVALID_HID, space = H5Screate_simple(1, &size, NULL);
	hid_t creation = hdf5_passed(call, space) ? H5Pcreate(H5P_DATASET_CREATE) : H5I_INVALID_HID;
	if (space >= 0 && hdf5_passed(call, creation) && hdf5_passed(call, H5Pset_obj_track_times(creation, false)) &&
	    hdf5_passed(call, H5Pset_alloc_time(creation, H5D_ALLOC_TIME_EARLY)) &&
	    hdf5_passed(call, H5Pset_fill_time(creation, H5D_FILL_TIME_NEVER)))
		hdf5_passed(call,
		            data_set = H5Dcreate2(file, call->object, type, space, H5P_DEFAULT, creation, H5P_DEFAULT));
	if (creation >= 0)
		hdf5_passed(call, H5Pclose(creation));
	if (space >= 0)
		hdf5_passed(call, H5Sclose(space));
	return data_set;
}

static void note_placed(struct hdf5_writer *writer, struct hdf5_call *call, struct hdf5_placed placed)
{
	void *array = writer->placed;
	placed.name = memory_copy_text(call->object);
	if (placed.name == NULL ||
	    memory_grow(&array, &writer->placed_capacity, writer->placed_count + 1, sizeof placed)) {
		free(placed.name);
		call->failed = call->no_memory = true;
		return;
	}
	writer->placed = array;
	writer->placed[writer->placed_count++] = placed;
}

static void place(struct hdf5_writer *writer, struct hdf5_call *call, enum hdf5_type type, int64_t count,
                  const void *values, const char *unit, const char *long_name)
{
	if (!hdf5_make_groups(call, writer->file, call->object, false))
		return;
	hid_t data_set = create_data_set(call, writer->file, hdf5_stored_type(type), count);
	if (data_set < 0)
		return;
	hdf5_add_text_attribute(call, data_set, "unit", unit);
	hdf5_add_text_attribute(call, data_set, "long_name", long_name);
	haddr_t offset = H5Dget_offset(data_set);
	if (offset == HADDR_UNDEF)
		hdf5_call_fail(call, "there is no room for it");
	hdf5_passed(call, H5Dclose(data_set));
	if (!call->failed)
		note_placed(writer, call,
		            (struct hdf5_placed){ .offset = (int64_t)offset,
		                                  .bytes = count * (int64_t)hdf5_type_size(type),
		                                  .values = values });
}

static bool stored_as_in_memory(enum hdf5_type type)
{
	HDF5_TURN();
	return H5Tequal(hdf5_stored_type(type), hdf5_memory_type(type)) > 0;
}

enum status hdf5_place_vector(struct hdf5_writer *writer, const char *name, enum hdf5_type type, int64_t count,
                              const void *values, const char *unit, const char *long_name)
{
	if (count == 0 || !stored_as_in_memory(type))
		return hdf5_write_vector(writer, name, type, count, values, unit, long_name);
	HDF5_TURN();
	struct hdf5_call call = hdf5_call_begin(writer->path, name, &writer->driver);
	place(writer, &call, type, count, values, unit, long_name);
	return hdf5_writer_end(writer, &call);
}

/* ---- values ---- */

enum { PART = 1 << 20, WRITE_BEHIND = 16 << 20 };

/* The file while it is filled, from its beginning to its end. */
struct filling {
	const char *path; /* that it will have */
	int file;
	char *part;    /* [PART] */
	int64_t done;  /* bytes, which are in the hash */
	int64_t begun; /* bytes that the disk has been told to write */
	struct content_hash *hash;
};

/* Bytes of the file into filling->part. */
static enum status read_part(struct filling *filling, int64_t bytes)
{
	for (int64_t got = 0; got < bytes;) {
		ssize_t here =
			pread(filling->file, filling->part + got, (size_t)(bytes - got), (off_t)(filling->done + got));
		if (here < 0 && errno == EINTR)
			continue;
		if (here < 0)
			return file_raise(errno, filling->path, "cannot be read back");
		if (here == 0)
			return error_raise(STATUS_IO, "%s: is shorter than was written (disk full, or a fault)",
			                   filling->path);
		got += here;
	}
	return STATUS_OK;
}

static enum status write_part(struct filling *filling, const char *values, int64_t bytes)
{
	for (int64_t put = 0; put < bytes;) {
		ssize_t here = pwrite(filling->file, values + put, (size_t)(bytes - put), (off_t)(filling->done + put));
		if (here < 0 && errno == EINTR)
			continue;
		if (here <= 0)
			return file_raise(here < 0 ? errno : ENOSPC, filling->path, "cannot be written");
		put += here;
	}
	return STATUS_OK;
}

/* The disk is to begin now, and not when the system has no memory left or all of it is to be flushed. */
static void write_behind(struct filling *filling)
{
#ifdef SYNC_FILE_RANGE_WRITE
	if (filling->done - filling->begun < WRITE_BEHIND)
		return;
	(void)sync_file_range(filling->file, (off_t)filling->begun, (off_t)(filling->done - filling->begun),
	                      SYNC_FILE_RANGE_WRITE); /* advice: what goes wrong fsync will tell */
	filling->begun = filling->done;
#else
	(void)filling;
#endif
}

/* What the library wrote, up to `end`. */
static enum status pass_over(struct filling *filling, int64_t end)
{
	while (filling->done < end) {
		int64_t bytes = end - filling->done < PART ? end - filling->done : PART;
		STATUS_TRY(read_part(filling, bytes));
		content_hash_add(filling->hash, filling->part, (size_t)bytes);
		filling->done += bytes;
	}
	return STATUS_OK;
}

/* Every part is read back while it is still in the processor's caches. */
static enum status fill(struct filling *filling, const struct hdf5_placed *placed)
{
	if (placed->offset < filling->done)
		return error_raise(STATUS_INTERNAL, "%s: %s lies before what was placed earlier", filling->path,
		                   placed->name);
	STATUS_TRY(pass_over(filling, placed->offset));
	for (const char *values = placed->values; filling->done < placed->offset + placed->bytes;) {
		int64_t left = placed->offset + placed->bytes - filling->done, bytes = left < PART ? left : PART;
		STATUS_TRY(write_part(filling, values, bytes));
		STATUS_TRY(read_part(filling, bytes));
		if (memcmp(filling->part, values, (size_t)bytes) != 0)
			return error_raise(STATUS_IO,
			                   "%s: %s holds other values than were written (disk full, or a fault)",
			                   filling->path, placed->name);
		content_hash_add(filling->hash, values, (size_t)bytes);
		filling->done += bytes;
		values += bytes;
		write_behind(filling);
	}
	return STATUS_OK;
}

static enum status fill_all(struct filling *filling, const struct hdf5_writer *writer)
{
	struct stat facts;
	if (fstat(filling->file, &facts) != 0)
		return file_raise(errno, filling->path, "cannot be read back");
	for (size_t i = 0; i < writer->placed_count; i++)
		STATUS_TRY(fill(filling, &writer->placed[i]));
	return pass_over(filling, (int64_t)facts.st_size);
}

static enum status fill_open_file(struct filling *filling, const struct hdf5_writer *writer,
                                  char hash[CONTENT_HASH_SIZE], int64_t *size)
{
	filling->hash = content_hash_create();
	filling->part = memory_allocate(PART, 1);
	enum status status =
		filling->hash == NULL || filling->part == NULL ? STATUS_ENVIRONMENT : fill_all(filling, writer);
	if (filling->hash != NULL) /* there is no other way to free it */
		content_hash_finish(filling->hash, hash);
	*size = filling->done;
	free(filling->part);
	return status;
}

enum status hdf5_fill_placed(const struct hdf5_writer *writer, char hash[CONTENT_HASH_SIZE], int64_t *size)
{
	struct filling filling = { .path = writer->path };
	filling.file = open(writer->temporary, O_RDWR | O_CLOEXEC);
	if (filling.file < 0)
		return file_raise(errno, writer->path, "cannot be written");
	enum status status = fill_open_file(&filling, writer, hash, size);
	if (close(filling.file) != 0 && status == STATUS_OK)
		status = file_raise(errno, writer->path, "cannot be written");
	return status;
}
