/* Owns the proof that a written file says what it was meant to say: it is opened as a reader would, every data set is
 * compared with the checksum of what was written, and every object and attribute is read.
 *
 * The checksums of the file alone (Fletcher32, object headers) do not do: a chunk that was never stored because the
 * disk was full reads as zeros without an error.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/checksum.h"
#include "storage/hdf5_turn.h"
#include "storage/hdf5_writer.h"

/* An open data set of the file. */
struct data_set {
	hid_t id, space, stored_type, memory_type;
	int rank;
	hsize_t sizes[4];
	size_t row; /* bytes along axis 0 */
};

static void open_data_set(struct hdf5_call *call, hid_t file, const struct hdf5_written *written, struct data_set *set)
{
	HDF5_TURN();
	*set = (struct data_set){ .space = H5I_INVALID_HID, .stored_type = H5I_INVALID_HID };
	set->id = H5Dopen2(file, written->name, H5P_DEFAULT);
	if (!hdf5_passed(call, set->id) || !hdf5_passed(call, set->space = H5Dget_space(set->id)) ||
	    !hdf5_passed(call, set->stored_type = H5Dget_type(set->id)) ||
	    !hdf5_passed(call, set->rank = H5Sget_simple_extent_dims(set->space, set->sizes, NULL)))
		return;
	set->memory_type = written->memory_type >= 0 ? written->memory_type : set->stored_type;
	set->row = H5Tget_size(set->memory_type);
	for (int axis = 1; axis < set->rank; axis++)
		set->row *= set->sizes[axis];
}

static void close_data_set(struct hdf5_call *call, struct data_set *set)
{
	HDF5_TURN();
	if (set->stored_type >= 0)
		hdf5_passed(call, H5Tclose(set->stored_type));
	if (set->space >= 0)
		hdf5_passed(call, H5Sclose(set->space));
	if (set->id >= 0)
		hdf5_passed(call, H5Dclose(set->id));
}

static bool read_piece(struct hdf5_call *call, const struct data_set *set, hsize_t begin, hsize_t rows, void *piece)
{
	HDF5_TURN();
	return hdf5_read_rows(call, set->id, set->memory_type, H5P_DEFAULT, set->rank, set->sizes, begin, rows, piece);
}

/* The checksum of a data set as it is in the file, read in pieces of about a MiB. A run file has many small data sets: a whole
 * piece for each would leave as many holes in memory, between what HDF5 keeps. */
static uint32_t checksum_stored(struct hdf5_call *call, const struct data_set *set)
{
	enum { PIECE_BYTES = 1 << 20 };
	uint32_t checksum = 0;
	hsize_t count = set->sizes[0];
	if (set->row == 0 || count == 0)
		return 0;
	hsize_t rows_a_piece = PIECE_BYTES / set->row > 0 ? PIECE_BYTES / set->row : 1;
	rows_a_piece = rows_a_piece < count ? rows_a_piece : count;
	void *piece = hdf5_call_allocate(call, rows_a_piece, set->row);
	for (hsize_t begin = 0; piece != NULL && !call->failed && begin < count; begin += rows_a_piece) {
		hsize_t rows = count - begin < rows_a_piece ? count - begin : rows_a_piece;
		if (read_piece(call, set, begin, rows, piece))
			checksum = checksum_crc32c(checksum, piece, rows * set->row);
	}
	free(piece);
	return checksum;
}

static void verify_data_set(struct hdf5_call *call, hid_t file, const struct hdf5_written *written)
{
	struct data_set set;
	open_data_set(call, file, written, &set);
	if (!call->failed && checksum_stored(call, &set) != written->checksum)
		hdf5_call_fail(call, "it holds other values than were written (disk full, or a fault)");
	close_data_set(call, &set);
}

static herr_t read_attribute(hid_t object, const char *name, const H5A_info_t *facts, void *context)
{
	struct hdf5_call *call = context;
	(void)facts;
	hid_t attribute = H5Aopen(object, name, H5P_DEFAULT);
	if (hdf5_passed(call, attribute))
		hdf5_passed(call, H5Aclose(attribute));
	return call->failed ? -1 : 0;
}

static void read_attributes(struct hdf5_call *call, hid_t object)
{
	hsize_t position = 0;
	hdf5_passed(call, H5Aiterate2(object, H5_INDEX_NAME, H5_ITER_INC, &position, read_attribute, call));
}

/* Every object below a group; links to other files are not followed. */
static herr_t read_member(hid_t group, const char *name, const H5L_info_t *link, void *context)
{
	struct hdf5_call *call = context;
	hsize_t position = 0;
	if (link->type != H5L_TYPE_HARD)
		return 0;
	hid_t object = H5Oopen(group, name, H5P_DEFAULT);
	if (!hdf5_passed(call, object))
		return -1;
	read_attributes(call, object);
	if (!call->failed && H5Iget_type(object) == H5I_GROUP)
		hdf5_passed(call, H5Literate(object, H5_INDEX_NAME, H5_ITER_INC, &position, read_member, call));
	hdf5_passed(call, H5Oclose(object));
	return call->failed ? -1 : 0;
}

/* The values were compared as they were written: here it is whether a reader is led to where they are. */
static void verify_placed(struct hdf5_call *call, hid_t file, const struct hdf5_placed *placed)
{
	HDF5_TURN();
	hid_t data_set = H5Dopen2(file, placed->name, H5P_DEFAULT);
	if (!hdf5_passed(call, data_set))
		return;
	if ((int64_t)H5Dget_offset(data_set) != placed->offset ||
	    (int64_t)H5Dget_storage_size(data_set) != placed->bytes)
		hdf5_call_fail(call, "it is not where it was placed (a fault)");
	hdf5_passed(call, H5Dclose(data_set));
}

/* Opens the file and reads every object and attribute. Negative on failure. */
static hid_t open_file(struct hdf5_call *call, struct hdf5_driver *driver)
{
	HDF5_TURN();
	hsize_t position = 0;
	H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
	hid_t file = hdf5_open_finished(call, driver);
	if (file >= 0)
		read_attributes(call, file);
	if (file >= 0 && !call->failed)
		hdf5_passed(call, H5Literate(file, H5_INDEX_NAME, H5_ITER_INC, &position, read_member, call));
	return file;
}

static void close_file(struct hdf5_call *call, struct hdf5_driver *driver, hid_t file)
{
	HDF5_TURN();
	hdf5_passed(call, hdf5_driver_close(driver, file));
}

enum status hdf5_verify(struct hdf5_writer *writer)
{
	struct hdf5_driver driver = { 0 };
	struct hdf5_call call = { .path = writer->temporary, .driver = &driver };
	hid_t file = open_file(&call, &driver);
	for (size_t i = 0; file >= 0 && i < writer->count && !call.failed; i++) {
		call.object = writer->written[i].name;
		verify_data_set(&call, file, &writer->written[i]);
	}
	for (size_t i = 0; file >= 0 && i < writer->placed_count && !call.failed; i++) {
		call.object = writer->placed[i].name;
		verify_placed(&call, file, &writer->placed[i]);
	}
	if (file >= 0)
		close_file(&call, &driver, file);
	call.path = writer->path;
	return hdf5_call_written(&call);
}
