/* Owns data sets of rank 1 that are written in pieces: how far they are, and the checksum so far.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/checksum.h"
#include "base/memory.h"
#include "storage/hdf5_turn.h"
#include "storage/hdf5_writer.h"

struct hdf5_vector {
	struct hdf5_writer *writer;
	const char *name;
	hid_t data_set, memory_type;
	size_t element; /* bytes */
	int64_t count, written;
	uint32_t checksum;
};

enum status hdf5_begin_vector(struct hdf5_writer *writer, const char *name, enum hdf5_type type, int64_t count,
                              const char *unit, const char *long_name, struct hdf5_vector **vector_out)
{
	struct hdf5_vector *vector = memory_allocate(1, sizeof *vector);
	if (vector == NULL)
		return STATUS_ENVIRONMENT;
	HDF5_TURN();
	struct hdf5_call call = hdf5_call_begin(writer->path, name, &writer->driver);
	*vector = (struct hdf5_vector){ .writer = writer,
		                        .name = name,
		                        .memory_type = hdf5_memory_type(type),
		                        .element = hdf5_type_size(type),
		                        .count = count };
	vector->data_set = hdf5_make_data_set(writer, &call, hdf5_stored_type(type), 1, &count, unit, long_name);
	enum status status = hdf5_writer_end(writer, &call);
	if (status != STATUS_OK) {
		if (vector->data_set >= 0)
			H5Dclose(vector->data_set);
		free(vector);
		return status;
	}
	*vector_out = vector;
	return STATUS_OK;
}

static void write_piece(struct hdf5_call *call, struct hdf5_vector *vector, int64_t count, const void *values)
{
	hsize_t start = (hsize_t)vector->written, size = (hsize_t)count;
	hid_t memory_space = H5Screate_simple(1, &size, NULL);
	hid_t file_space = hdf5_passed(call, memory_space) ? H5Dget_space(vector->data_set) : H5I_INVALID_HID;
	if (memory_space >= 0 && hdf5_passed(call, file_space) &&
	    hdf5_passed(call, H5Sselect_hyperslab(file_space, H5S_SELECT_SET, &start, NULL, &size, NULL)))
		hdf5_passed(call, H5Dwrite(vector->data_set, vector->memory_type, memory_space, file_space, H5P_DEFAULT,
		                           values));
	if (file_space >= 0)
		hdf5_passed(call, H5Sclose(file_space));
	if (memory_space >= 0)
		hdf5_passed(call, H5Sclose(memory_space));
}

static enum status extend(struct hdf5_vector *vector, int64_t count, const void *values)
{
	HDF5_TURN();
	struct hdf5_call call = hdf5_call_begin(vector->writer->path, vector->name, &vector->writer->driver);
	if (count < 0 || count > vector->count - vector->written)
		hdf5_call_fail(&call, "%lld elements after %lld of %lld do not fit (a bug)", (long long)count,
		               (long long)vector->written, (long long)vector->count);
	else if (count > 0)
		write_piece(&call, vector, count, values);
	return hdf5_writer_end(vector->writer, &call);
}

enum status hdf5_extend_vector(struct hdf5_vector *vector, int64_t count, const void *values)
{
	STATUS_TRY(extend(vector, count, values));
	vector->checksum = checksum_crc32c(vector->checksum, values, (size_t)count * vector->element);
	vector->written += count;
	return STATUS_OK;
}

enum status hdf5_end_vector(struct hdf5_vector *vector)
{
	HDF5_TURN();
	struct hdf5_writer *writer = vector->writer;
	struct hdf5_call call = hdf5_call_begin(writer->path, vector->name, &writer->driver);
	hdf5_passed(&call, H5Dclose(vector->data_set));
	if (vector->written < vector->count)
		hdf5_call_fail(&call, "only %lld of its %lld elements were written", (long long)vector->written,
		               (long long)vector->count);
	if (!call.failed)
		hdf5_note_written(writer, &call, vector->memory_type, vector->checksum);
	free(vector);
	return hdf5_writer_end(writer, &call);
}

void hdf5_drop_vector(struct hdf5_vector *vector)
{
	if (vector == NULL)
		return;
	HDF5_TURN();
	hdf5_call_begin(vector->writer->path, vector->name, &vector->writer->driver);
	H5Dclose(vector->data_set);
	free(vector);
}
