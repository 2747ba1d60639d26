/* Owns a file being written: its temporary name, the objects added to it, and the proof that they arrived (commit).
 * SPDX-License-Identifier: Apache-2.0 */
#include "storage/hdf5_writer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/checksum.h"
#include "base/memory.h"
#include "base/text.h"
#include "storage/atomic_file.h"
#include "storage/hdf5_turn.h"

static void writer_free(struct hdf5_writer *writer)
{
	for (size_t i = 0; i < writer->count; i++)
		free(writer->written[i].name);
	free(writer->written);
	for (size_t i = 0; i < writer->placed_count; i++)
		free(writer->placed[i].name);
	free(writer->placed);
	free(writer->temporary);
	free(writer->path);
	free(writer);
}

static hid_t create_file(struct hdf5_call *call, struct hdf5_writer *writer)
{
	hid_t file = H5I_INVALID_HID;
	hid_t access = hdf5_file_access(&writer->driver), creation = H5Pcreate(H5P_FILE_CREATE);
	/* No time stamps anywhere: equal content gives equal files. */
	if (hdf5_passed(call, access) && hdf5_passed(call, creation) &&
	    hdf5_passed(call, H5Pset_obj_track_times(creation, false)))
		hdf5_passed(call, file = H5Fcreate(writer->temporary, H5F_ACC_TRUNC, creation, access));
	if (creation >= 0)
		hdf5_passed(call, H5Pclose(creation));
	if (access >= 0)
		hdf5_passed(call, H5Pclose(access));
	return file;
}

static enum status open_writer(struct hdf5_writer *writer)
{
	HDF5_TURN();
	struct hdf5_call call = hdf5_call_begin(writer->path, NULL, &writer->driver);
	writer->file = create_file(&call, writer);
	return hdf5_writer_end(writer, &call);
}

enum status hdf5_create(const char *path, struct hdf5_writer **writer_out)
{
	struct hdf5_writer *writer = memory_allocate(1, sizeof *writer);
	if (writer == NULL)
		return STATUS_ENVIRONMENT;
	writer->path = memory_copy_text(path);
	writer->temporary = text_format("%s.tmp-%ld", path, (long)getpid());
	if (writer->path == NULL || writer->temporary == NULL) {
		writer_free(writer);
		return STATUS_ENVIRONMENT;
	}
	enum status status = open_writer(writer);
	if (status != STATUS_OK)
		hdf5_abandon(writer);
	else
		*writer_out = writer;
	return status;
}

enum status hdf5_writer_end(struct hdf5_writer *writer, struct hdf5_call *call)
{
	/* The library was not told. */
	if (writer->driver.error != 0)
		hdf5_call_fail_by(call, writer->driver.error);
	writer->failed = writer->failed || call->failed;
	return hdf5_call_written(call);
}

bool hdf5_make_groups(struct hdf5_call *call, hid_t file, const char *name, bool last_too)
{
	char part[1024];
	size_t length = strlen(name);
	if (length >= sizeof part)
		return hdf5_call_fail(call, "its name is longer than 1023 bytes");
	hid_t creation = H5Pcreate(H5P_GROUP_CREATE);
	if (!hdf5_passed(call, creation))
		return false;
	hdf5_passed(call, H5Pset_obj_track_times(creation, false));
	for (size_t i = 1; i <= length && !call->failed; i++) {
		if (name[i] != '/' && (name[i] != '\0' || !last_too))
			continue;
		memcpy(part, name, i);
		part[i] = '\0';
		htri_t exists = H5Lexists(file, part, H5P_DEFAULT);
		if (!hdf5_passed(call, exists) || exists > 0)
			continue;
		hid_t group = H5Gcreate2(file, part, H5P_DEFAULT, creation, H5P_DEFAULT);
		if (hdf5_passed(call, group))
			hdf5_passed(call, H5Gclose(group));
	}
	hdf5_passed(call, H5Pclose(creation));
	return !call->failed;
}

/* Chunks of about 64 KiB, whole rows where they fit: what a reader of one block needs, and little more. */
static void choose_chunks(int rank, const hsize_t *sizes, size_t element, hsize_t *chunks)
{
	enum { CHUNK_BYTES = 65536 };
	hsize_t bytes = element;
	for (int axis = rank - 1; axis >= 0; axis--) {
		hsize_t most = CHUNK_BYTES / bytes > 0 ? CHUNK_BYTES / bytes : 1;
		/* Chunks of equal size: the last one is stored whole, so a short one would waste the rest of it. */
		hsize_t pieces = (sizes[axis] + most - 1) / most;
		chunks[axis] = pieces > 0 ? (sizes[axis] + pieces - 1) / pieces : 1;
		bytes *= chunks[axis];
	}
}

static hid_t create_data_set(struct hdf5_call *call, hid_t file, hid_t type, hid_t space, int rank,
                             const hsize_t *sizes)
{
	hid_t data_set = H5I_INVALID_HID;
	hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
	if (!hdf5_passed(call, creation))
		return data_set;
	hsize_t count = 1, chunks[4];
	for (int axis = 0; axis < rank; axis++)
		count *= sizes[axis];
	choose_chunks(rank, sizes, H5Tget_size(type), chunks);
	bool ready = hdf5_passed(call, H5Pset_obj_track_times(creation, false));
	/* The checksum is a filter, and filters need chunks; an empty data set can have neither. */
	if (ready && count > 0)
		ready = hdf5_passed(call, H5Pset_chunk(creation, rank, chunks)) &&
		        hdf5_passed(call, H5Pset_fletcher32(creation));
	if (ready)
		hdf5_passed(call,
		            data_set = H5Dcreate2(file, call->object, type, space, H5P_DEFAULT, creation, H5P_DEFAULT));
	hdf5_passed(call, H5Pclose(creation));
	return data_set;
}

void hdf5_note_written(struct hdf5_writer *writer, struct hdf5_call *call, hid_t memory_type, uint32_t checksum)
{
	void *array = writer->written;
	char *name = memory_copy_text(call->object);
	if (name == NULL || memory_grow(&array, &writer->capacity, writer->count + 1, sizeof *writer->written)) {
		free(name);
		call->failed = call->no_memory = true;
		return;
	}
	writer->written = array;
	writer->written[writer->count++] = (struct hdf5_written){
		.name = name,
		/* A text type is made for one data set and closed after it. */
		.memory_type = H5Tget_class(memory_type) == H5T_STRING ? H5I_INVALID_HID : memory_type,
		.checksum = checksum,
	};
}

hid_t hdf5_make_data_set(struct hdf5_writer *writer, struct hdf5_call *call, hid_t stored_type, int rank,
                         const int64_t *sizes, const char *unit, const char *long_name)
{
	hsize_t dimensions[4];
	hid_t data_set = H5I_INVALID_HID;
	if (rank < 1 || rank > 4) {
		hdf5_call_fail(call, "its rank %d is not 1 to 4", rank);
		return data_set;
	}
	for (int axis = 0; axis < rank; axis++)
		dimensions[axis] = (hsize_t)sizes[axis];
	if (!hdf5_make_groups(call, writer->file, call->object, false))
		return data_set;
	hid_t space = H5Screate_simple(rank, dimensions, NULL);
	if (!hdf5_passed(call, space))
		return data_set;
	data_set = create_data_set(call, writer->file, stored_type, space, rank, dimensions);
	if (data_set >= 0 && unit != NULL)
		hdf5_add_text_attribute(call, data_set, "unit", unit);
	if (data_set >= 0 && long_name != NULL)
		hdf5_add_text_attribute(call, data_set, "long_name", long_name);
	hdf5_passed(call, H5Sclose(space));
	return data_set;
}

bool hdf5_add_data_set(struct hdf5_writer *writer, struct hdf5_call *call, hid_t stored_type, hid_t memory_type,
                       int rank, const int64_t *sizes, const void *values, const char *unit, const char *long_name)
{
	hid_t data_set = hdf5_make_data_set(writer, call, stored_type, rank, sizes, unit, long_name);
	if (data_set < 0)
		return false;
	size_t count = 1;
	for (int axis = 0; axis < rank; axis++)
		count *= (size_t)sizes[axis];
	if (count > 0 && !call->failed)
		hdf5_passed(call, H5Dwrite(data_set, memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values));
	hdf5_passed(call, H5Dclose(data_set));
	if (!call->failed)
		hdf5_note_written(writer, call, memory_type,
		                  checksum_crc32c(0, values, count * H5Tget_size(memory_type)));
	return !call->failed;
}

enum status hdf5_write(struct hdf5_writer *writer, const char *name, enum hdf5_type type, int rank,
                       const int64_t *sizes, const void *values, const char *unit, const char *long_name)
{
	HDF5_TURN();
	struct hdf5_call call = hdf5_call_begin(writer->path, name, &writer->driver);
	hdf5_add_data_set(writer, &call, hdf5_stored_type(type), hdf5_memory_type(type), rank, sizes, values, unit,
	                  long_name);
	return hdf5_writer_end(writer, &call);
}

enum status hdf5_write_vector(struct hdf5_writer *writer, const char *name, enum hdf5_type type, int64_t count,
                              const void *values, const char *unit, const char *long_name)
{
	return hdf5_write(writer, name, type, 1, &count, values, unit, long_name);
}

enum status hdf5_write_texts(struct hdf5_writer *writer, const char *name, size_t count, const char *const *texts,
                             const char *long_name)
{
	HDF5_TURN();
	struct hdf5_call call = hdf5_call_begin(writer->path, name, &writer->driver);
	size_t longest = 1;
	for (size_t i = 0; i < count; i++)
		longest = strlen(texts[i]) > longest ? strlen(texts[i]) : longest;
	char *table = hdf5_call_allocate(&call, count, longest);
	if (table != NULL) {
		for (size_t i = 0; i < count; i++)
			memcpy(table + i * longest, texts[i], strlen(texts[i]));
		hid_t type = hdf5_text_type(longest);
		int64_t size = (int64_t)count;
		if (hdf5_passed(&call, type)) {
			hdf5_add_data_set(writer, &call, type, type, 1, &size, table, "", long_name);
			hdf5_passed(&call, H5Tclose(type));
		}
		free(table);
	}
	return hdf5_writer_end(writer, &call);
}

/* Leaves nothing of the file behind, whatever state it is in. */
void hdf5_abandon(struct hdf5_writer *writer)
{
	if (writer == NULL)
		return;
	HDF5_TURN();
	hdf5_call_begin(writer->path, NULL, &writer->driver);
	/* What is still in the library's caches need not be written. */
	writer->driver.error = ECANCELED;
	hdf5_driver_close(&writer->driver, writer->file);
	unlink(writer->temporary);
	writer_free(writer);
}

static enum status close_file(struct hdf5_writer *writer)
{
	HDF5_TURN();
	struct hdf5_call call = hdf5_call_begin(writer->path, NULL, &writer->driver);
	if (H5Fget_obj_count(writer->file, H5F_OBJ_ALL | H5F_OBJ_LOCAL) != 1)
		hdf5_call_fail(&call, "an object of it was left open (a bug)");
	hdf5_passed(&call, H5Fflush(writer->file, H5F_SCOPE_GLOBAL));
	hdf5_passed(&call, hdf5_driver_close(&writer->driver, writer->file));
	writer->file = H5I_INVALID_HID;
	return hdf5_writer_end(writer, &call);
}

static enum status commit(struct hdf5_writer *writer, bool hashed, char hash[CONTENT_HASH_SIZE], int64_t *size)
{
	enum status status = STATUS_OK;
	if (writer->failed)
		status = error_raise(STATUS_IO, "%s: not written, because a part of it could not be", writer->path);
	if (status == STATUS_OK)
		status = hdf5_write_integer_attribute(writer, "/", "complete", 1);
	if (status == STATUS_OK)
		status = close_file(writer);
	if (status == STATUS_OK && (hashed || writer->placed_count > 0))
		status = hdf5_fill_placed(writer, hash, size);
	if (status == STATUS_OK)
		status = file_sync(writer->temporary);
	if (status == STATUS_OK)
		status = hdf5_verify(writer);
	if (status == STATUS_OK)
		status = folder_rename(writer->temporary, writer->path);
	/* After a rename there is no temporary file any more, so this removes it only where one is left. */
	hdf5_abandon(writer);
	return status;
}

enum status hdf5_commit(struct hdf5_writer *writer)
{
	char hash[CONTENT_HASH_SIZE];
	int64_t size;
	return commit(writer, false, hash, &size);
}

enum status hdf5_commit_hashed(struct hdf5_writer *writer, char hash[CONTENT_HASH_SIZE], int64_t *size)
{
	return commit(writer, true, hash, size);
}
