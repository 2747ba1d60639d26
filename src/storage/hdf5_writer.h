/* Inside src/storage only: a file being written, shared by the parts that add data sets, attributes and links.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_STORAGE_HDF5_WRITER_H
#define CAPSHAPE_STORAGE_HDF5_WRITER_H

#include "base/checksum.h"
#include "storage/hdf5_call.h"
#include "storage/hdf5_driver.h"

/* What a data set must be found to hold when the file is read back. */
struct hdf5_written {
	char *name;
	hid_t memory_type; /* H5I_INVALID_HID: a text, read with its own type */
	uint32_t checksum; /* CRC32C of the values */
};

/* A data set whose values are still to be put into the file (hdf5_placed.c). */
struct hdf5_placed {
	char *name;
	int64_t offset, bytes; /* in the file */
	const void *values;    /* the caller's */
};

struct hdf5_writer {
	char *path, *temporary;
	hid_t file; /* negative once closed */
	struct hdf5_driver driver;
	bool failed;
	struct hdf5_written *written;
	size_t count, capacity;
	struct hdf5_placed *placed; /* in the order of the file */
	size_t placed_count, placed_capacity;
};

/* Remembers a failure, so that a commit is refused after it, and raises it. */
enum status hdf5_writer_end(struct hdf5_writer *writer, struct hdf5_call *call);
/* Makes the groups of "a/b/c" that are missing: a and a/b, and with last_too a/b/c as well. */
bool hdf5_make_groups(struct hdf5_call *call, hid_t file, const char *name, bool last_too);
/* Creates data set call->object with its attributes and leaves it open; negative on failure. */
hid_t hdf5_make_data_set(struct hdf5_writer *writer, struct hdf5_call *call, hid_t stored_type, int rank,
                         const int64_t *sizes, const char *unit, const char *long_name);
/* Data set call->object is written and holds values of this checksum. */
void hdf5_note_written(struct hdf5_writer *writer, struct hdf5_call *call, hid_t memory_type, uint32_t checksum);
/* Adds data set call->object and notes its checksum. */
bool hdf5_add_data_set(struct hdf5_writer *writer, struct hdf5_call *call, hid_t stored_type, hid_t memory_type,
                       int rank, const int64_t *sizes, const void *values, const char *unit, const char *long_name);
bool hdf5_add_text_attribute(struct hdf5_call *call, hid_t object, const char *name, const char *text);
/* Puts the placed values into the closed temporary file, and reads back what it wrote and all else. Hash and size of the
 * whole file. */
enum status hdf5_fill_placed(const struct hdf5_writer *writer, char hash[CONTENT_HASH_SIZE], int64_t *size);
/* Reads the closed temporary file back: every data set against its checksum, every object and attribute readable. */
enum status hdf5_verify(struct hdf5_writer *writer);

#endif
