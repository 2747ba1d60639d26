/* Owns reading of the data sets of finished files. Values are converted to the type asked for; a value that the type
 * cannot hold is an error, not a rounded or clipped number.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "storage/hdf5_call.h"
#include "storage/hdf5_turn.h"

/* An open data set with its shape. */
struct data_set {
	hid_t id, space;
	int rank;
	hsize_t sizes[4], count;
};

enum status hdf5_open(const char *path, struct hdf5_reader **reader_out)
{
	struct hdf5_reader *reader = memory_allocate(1, sizeof *reader);
	if (reader == NULL)
		return STATUS_ENVIRONMENT;
	reader->path = memory_copy_text(path);
	if (reader->path == NULL) {
		free(reader);
		return STATUS_ENVIRONMENT;
	}
	HDF5_TURN();
	struct hdf5_call call = hdf5_call_begin(path, NULL, &reader->driver);
	reader->file = hdf5_open_finished(&call, &reader->driver);
	if (call.failed) {
		free(reader->path);
		free(reader);
		return hdf5_call_read(&call);
	}
	*reader_out = reader;
	return STATUS_OK;
}

void hdf5_close(struct hdf5_reader *reader)
{
	if (reader == NULL)
		return;
	HDF5_TURN();
	hdf5_call_begin(reader->path, NULL, &reader->driver);
	hdf5_driver_close(&reader->driver, reader->file);
	free(reader->path);
	free(reader);
}

bool hdf5_is_complete(const char *path)
{
	HDF5_TURN();
	struct hdf5_driver driver = { 0 };
	struct hdf5_call call = hdf5_call_begin(path, NULL, &driver);
	hid_t file = hdf5_open_finished(&call, &driver);
	if (file >= 0)
		hdf5_driver_close(&driver, file);
	return !call.failed;
}

bool hdf5_exists(struct hdf5_reader *reader, const char *name)
{
	HDF5_TURN();
	hdf5_call_begin(reader->path, name, &reader->driver);
	return strcmp(name, "/") == 0 || hdf5_path_exists(reader->file, name) > 0;
}

static void close_data_set(struct hdf5_call *call, struct data_set *set)
{
	if (set->space >= 0)
		hdf5_passed(call, H5Sclose(set->space));
	if (set->id >= 0)
		hdf5_passed(call, H5Dclose(set->id));
}

static bool open_data_set(struct hdf5_call *call, const struct hdf5_reader *reader, struct data_set *set)
{
	*set = (struct data_set){ .id = H5I_INVALID_HID, .space = H5I_INVALID_HID, .count = 1 };
	htri_t exists = hdf5_path_exists(reader->file, call->object);
	if (!hdf5_passed(call, exists))
		return false;
	if (exists == 0)
		return hdf5_call_fail(call, "it is not in the file");
	if (!hdf5_passed(call, set->id = H5Dopen2(reader->file, call->object, H5P_DEFAULT)) ||
	    !hdf5_passed(call, set->space = H5Dget_space(set->id)) ||
	    !hdf5_passed(call, set->rank = H5Sget_simple_extent_ndims(set->space)))
		return false;
	if (set->rank < 1 || set->rank > 4)
		return hdf5_call_fail(call, "its rank %d is not 1 to 4", set->rank);
	hdf5_passed(call, H5Sget_simple_extent_dims(set->space, set->sizes, NULL));
	for (int axis = 0; axis < set->rank && !call->failed; axis++)
		if (__builtin_mul_overflow(set->count, set->sizes[axis], &set->count) || set->count > INT64_MAX / 8)
			hdf5_call_fail(call, "its size is impossible");
	return !call->failed;
}

enum status hdf5_sizes(struct hdf5_reader *reader, const char *name, int *rank, int64_t sizes[4])
{
	HDF5_TURN();
	struct hdf5_call call = hdf5_call_begin(reader->path, name, &reader->driver);
	struct data_set set;
	open_data_set(&call, reader, &set);
	close_data_set(&call, &set);
	if (call.failed)
		return hdf5_call_read(&call);
	*rank = set.rank;
	for (int axis = 0; axis < 4; axis++)
		sizes[axis] = axis < set.rank ? (int64_t)set.sizes[axis] : 1;
	return STATUS_OK;
}

/* Infinity is beyond every range and yet can be had in every real type. */
static bool is_infinite(hid_t type, const void *value)
{
	double real;
	if (H5Tequal(type, H5T_NATIVE_DOUBLE) <= 0)
		return false;
	memcpy(&real, value, sizeof real);
	return isinf(real);
}

static H5T_conv_ret_t refuse_overflow(H5T_conv_except_t exception, hid_t from, hid_t to, void *from_value,
                                      void *to_value, void *context)
{
	(void)to;
	(void)to_value;
	(void)context;
	bool beyond = exception == H5T_CONV_EXCEPT_RANGE_HI || exception == H5T_CONV_EXCEPT_RANGE_LOW;
	return beyond && !is_infinite(from, from_value) ? H5T_CONV_ABORT : H5T_CONV_UNHANDLED;
}

/* Numbers may become other numbers, reals never integers. */
static bool check_class(struct hdf5_call *call, hid_t data_set, enum hdf5_type type)
{
	hid_t stored = H5Dget_type(data_set);
	if (!hdf5_passed(call, stored))
		return false;
	H5T_class_t class = H5Tget_class(stored);
	bool real = type == HDF5_FLOAT32 || type == HDF5_FLOAT64;
	hdf5_passed(call, H5Tclose(stored));
	if (class != H5T_INTEGER && !(class == H5T_FLOAT && real))
		return hdf5_call_fail(call, "it holds %s where %s are needed",
		                      class == H5T_FLOAT ? "reals" : "no numbers", real ? "numbers" : "integers");
	return !call->failed;
}

static void read_rows(struct hdf5_call *call, const struct data_set *set, enum hdf5_type type, hsize_t begin,
                      hsize_t rows, void *values)
{
	if (!check_class(call, set->id, type))
		return;
	hid_t transfer = H5Pcreate(H5P_DATASET_XFER);
	if (!hdf5_passed(call, transfer))
		return;
	if (hdf5_passed(call, H5Pset_type_conv_cb(transfer, refuse_overflow, NULL)))
		hdf5_read_rows(call, set->id, hdf5_memory_type(type), transfer, set->rank, set->sizes, begin, rows,
		               values);
	hdf5_passed(call, H5Pclose(transfer));
}

enum status hdf5_read(struct hdf5_reader *reader, const char *name, enum hdf5_type type, int64_t count, void *values)
{
	HDF5_TURN();
	struct hdf5_call call = hdf5_call_begin(reader->path, name, &reader->driver);
	struct data_set set;
	if (open_data_set(&call, reader, &set)) {
		if (set.count != (hsize_t)count)
			hdf5_call_fail(&call, "it has %lld elements, not %lld", (long long)set.count, (long long)count);
		else if (count > 0)
			read_rows(&call, &set, type, 0, set.sizes[0], values);
	}
	close_data_set(&call, &set);
	return hdf5_call_read(&call);
}

enum status hdf5_read_range(struct hdf5_reader *reader, const char *name, enum hdf5_type type, int64_t begin,
                            int64_t count, void *values)
{
	HDF5_TURN();
	struct hdf5_call call = hdf5_call_begin(reader->path, name, &reader->driver);
	struct data_set set;
	if (open_data_set(&call, reader, &set)) {
		if (set.rank != 1)
			hdf5_call_fail(&call, "its rank is %d, not 1", set.rank);
		else if (begin < 0 || count < 0 || (hsize_t)begin > set.count ||
		         (hsize_t)count > set.count - (hsize_t)begin)
			hdf5_call_fail(&call, "it has %lld elements, so %lld from %lld on can not be had",
			               (long long)set.count, (long long)count, (long long)begin);
		else if (count > 0)
			read_rows(&call, &set, type, (hsize_t)begin, (hsize_t)count, values);
	}
	close_data_set(&call, &set);
	return hdf5_call_read(&call);
}

enum status hdf5_read_all(struct hdf5_reader *reader, const char *name, enum hdf5_type type, void **values,
                          int64_t *count)
{
	int rank;
	int64_t sizes[4];
	STATUS_TRY(hdf5_sizes(reader, name, &rank, sizes));
	if (rank != 1)
		return error_raise(STATUS_DATA, "%s: %s cannot be read: its rank is %d, not 1", reader->path, name,
		                   rank);
	void *memory = memory_allocate((size_t)sizes[0], hdf5_type_size(type));
	if (memory == NULL)
		return error_context(STATUS_ENVIRONMENT, "%s: %s", reader->path, name);
	enum status status = hdf5_read(reader, name, type, sizes[0], memory);
	if (status != STATUS_OK) {
		free(memory);
		return status;
	}
	*values = memory;
	*count = sizes[0];
	return STATUS_OK;
}

void hdf5_free_names(char **names, size_t count)
{
	for (size_t i = 0; names != NULL && i < count; i++)
		free(names[i]);
	free(names);
}

/* `table`: count texts of `size` bytes each, NUL-padded. */
static char **split_table(struct hdf5_call *call, const char *table, size_t count, size_t size)
{
	char **texts = hdf5_call_allocate(call, count, sizeof *texts);
	for (size_t i = 0; texts != NULL && i < count; i++) {
		texts[i] = hdf5_call_allocate(call, size + 1, 1);
		if (texts[i] == NULL) {
			hdf5_free_names(texts, count);
			return NULL;
		}
		memcpy(texts[i], table + i * size, strnlen(table + i * size, size));
	}
	return texts;
}

static char **read_table(struct hdf5_call *call, const struct data_set *set)
{
	char **texts = NULL;
	hid_t type = H5Dget_type(set->id);
	if (!hdf5_passed(call, type))
		return NULL;
	if (set->rank != 1 || H5Tget_class(type) != H5T_STRING || H5Tis_variable_str(type) != 0) {
		hdf5_call_fail(call, "it is not a list of texts of fixed length");
	} else {
		char *table = hdf5_call_allocate(call, set->count, H5Tget_size(type));
		if (table != NULL && (set->count == 0 || hdf5_read_rows(call, set->id, type, H5P_DEFAULT, 1, set->sizes,
		                                                        0, set->count, table)))
			texts = split_table(call, table, set->count, H5Tget_size(type));
		free(table);
	}
	hdf5_passed(call, H5Tclose(type));
	return texts;
}

enum status hdf5_read_texts(struct hdf5_reader *reader, const char *name, char ***texts, size_t *count)
{
	HDF5_TURN();
	struct hdf5_call call = hdf5_call_begin(reader->path, name, &reader->driver);
	struct data_set set;
	char **read = open_data_set(&call, reader, &set) ? read_table(&call, &set) : NULL;
	close_data_set(&call, &set);
	if (call.failed) {
		hdf5_free_names(read, read != NULL ? set.count : 0);
		return hdf5_call_read(&call);
	}
	*texts = read;
	*count = set.count;
	return STATUS_OK;
}
