/* Owns the proof that a written file says what it was meant to say: it is opened as a reader would, every data set is
 * compared with the checksum of what was written, and every object and attribute is read.
 *
 * The checksums of the file alone (Fletcher32, object headers) do not do: a chunk that was never stored because the
 * disk was full reads as zeros without an error.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/checksum.h"
#include "storage/hdf5_writer.h"

/* The checksum of a data set as it is in the file, read in pieces of about a MiB. A run file has many small data sets: a whole
 * piece for each would leave as many holes in memory, between what HDF5 keeps. */
static bool checksum_stored(struct hdf5_call *call, hid_t data_set, hid_t type, int rank, const hsize_t *sizes,
                            uint32_t *checksum)
{
	enum { PIECE_BYTES = 1 << 20 };
	size_t row = H5Tget_size(type);
	for (int axis = 1; axis < rank; axis++)
		row *= sizes[axis];
	*checksum = 0;
	if (row == 0 || sizes[0] == 0)
		return true;
	hsize_t rows_a_piece = PIECE_BYTES / row > 0 ? PIECE_BYTES / row : 1;
	rows_a_piece = rows_a_piece < sizes[0] ? rows_a_piece : sizes[0];
	void *piece = hdf5_call_allocate(call, rows_a_piece, row);
	for (hsize_t begin = 0; piece != NULL && !call->failed && begin < sizes[0]; begin += rows_a_piece) {
		hsize_t rows = sizes[0] - begin < rows_a_piece ? sizes[0] - begin : rows_a_piece;
		if (hdf5_read_rows(call, data_set, type, H5P_DEFAULT, rank, sizes, begin, rows, piece))
			*checksum = checksum_crc32c(*checksum, piece, rows * row);
	}
	free(piece);
	return !call->failed;
}

static void verify_data_set(struct hdf5_call *call, hid_t file, const struct hdf5_written *written)
{
	hsize_t sizes[4] = { 0 };
	uint32_t checksum = 0;
	hid_t data_set = H5Dopen2(file, written->name, H5P_DEFAULT);
	if (!hdf5_passed(call, data_set))
		return;
	hid_t space = H5Dget_space(data_set);
	hid_t stored_type = H5Dget_type(data_set);
	if (hdf5_passed(call, space) && hdf5_passed(call, stored_type)) {
		int rank = H5Sget_simple_extent_dims(space, sizes, NULL);
		hid_t type = written->memory_type >= 0 ? written->memory_type : stored_type;
		if (hdf5_passed(call, rank) && checksum_stored(call, data_set, type, rank, sizes, &checksum) &&
		    checksum != written->checksum)
			hdf5_call_fail(call, "it holds other values than were written (disk full, or a fault)");
	}
	if (stored_type >= 0)
		hdf5_passed(call, H5Tclose(stored_type));
	if (space >= 0)
		hdf5_passed(call, H5Sclose(space));
	hdf5_passed(call, H5Dclose(data_set));
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

enum status hdf5_verify(struct hdf5_writer *writer)
{
	struct hdf5_driver driver = { 0 };
	hsize_t position = 0;
	struct hdf5_call call = hdf5_call_begin(writer->temporary, NULL, &driver);
	hid_t file = hdf5_open_finished(&call, &driver);
	if (file >= 0) {
		read_attributes(&call, file);
		if (!call.failed)
			hdf5_passed(&call, H5Literate(file, H5_INDEX_NAME, H5_ITER_INC, &position, read_member, &call));
		for (size_t i = 0; i < writer->count && !call.failed; i++) {
			call.object = writer->written[i].name;
			verify_data_set(&call, file, &writer->written[i]);
		}
		hdf5_passed(&call, hdf5_driver_close(&driver, file));
	}
	call.path = writer->path;
	return hdf5_call_written(&call);
}
