/* Owns what hangs on objects of a file being written: attributes, dimension scales, links to other files.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "storage/hdf5_turn.h"
#include "storage/hdf5_writer.h"

static bool add_attribute(struct hdf5_call *call, hid_t object, const char *name, hid_t stored_type, hid_t memory_type,
                          int64_t count, const void *value)
{
	hsize_t size = (hsize_t)count;
	hid_t space = count == 0 ? H5Screate(H5S_SCALAR) : H5Screate_simple(1, &size, NULL);
	if (!hdf5_passed(call, space))
		return false;
	hid_t attribute = H5Acreate2(object, name, stored_type, space, H5P_DEFAULT, H5P_DEFAULT);
	if (hdf5_passed(call, attribute)) {
		hdf5_passed(call, H5Awrite(attribute, memory_type, value));
		hdf5_passed(call, H5Aclose(attribute));
	}
	hdf5_passed(call, H5Sclose(space));
	return !call->failed;
}

bool hdf5_add_text_attribute(struct hdf5_call *call, hid_t object, const char *name, const char *text)
{
	hid_t type = hdf5_text_type(strlen(text));
	if (!hdf5_passed(call, type))
		return false;
	add_attribute(call, object, name, type, type, 0, text);
	hdf5_passed(call, H5Tclose(type));
	return !call->failed;
}

/* Opens an object of the file; a group that is not there yet is made. */
static hid_t open_object(struct hdf5_call *call, hid_t file)
{
	hid_t object = H5I_INVALID_HID;
	const char *name = call->object[0] != '\0' ? call->object : "/";
	if (strcmp(name, "/") == 0 || hdf5_make_groups(call, file, name, true))
		hdf5_passed(call, object = H5Oopen(file, name, H5P_DEFAULT));
	return object;
}

enum status hdf5_write_text_attribute(struct hdf5_writer *writer, const char *object, const char *name,
                                      const char *text)
{
	HDF5_TURN();
	struct hdf5_call call = hdf5_call_begin(writer->path, object, &writer->driver);
	hid_t place = open_object(&call, writer->file);
	if (place >= 0) {
		hdf5_add_text_attribute(&call, place, name, text);
		hdf5_passed(&call, H5Oclose(place));
	}
	return hdf5_writer_end(writer, &call);
}

static enum status write_number(struct hdf5_writer *writer, const char *object, const char *name, enum hdf5_type type,
                                const void *value)
{
	HDF5_TURN();
	struct hdf5_call call = hdf5_call_begin(writer->path, object, &writer->driver);
	hid_t place = open_object(&call, writer->file);
	if (place >= 0) {
		add_attribute(&call, place, name, hdf5_stored_type(type), hdf5_memory_type(type), 0, value);
		hdf5_passed(&call, H5Oclose(place));
	}
	return hdf5_writer_end(writer, &call);
}

enum status hdf5_write_integer_attribute(struct hdf5_writer *writer, const char *object, const char *name,
                                         int64_t value)
{
	return write_number(writer, object, name, HDF5_INT64, &value);
}

enum status hdf5_write_real_attribute(struct hdf5_writer *writer, const char *object, const char *name, double value)
{
	return write_number(writer, object, name, HDF5_FLOAT64, &value);
}

enum status hdf5_write_external_link(struct hdf5_writer *writer, const char *name, const char *file, const char *object)
{
	HDF5_TURN();
	struct hdf5_call call = hdf5_call_begin(writer->path, name, &writer->driver);
	if (hdf5_make_groups(&call, writer->file, name, false))
		hdf5_passed(&call, H5Lcreate_external(file, object, writer->file, name, H5P_DEFAULT, H5P_DEFAULT));
	return hdf5_writer_end(writer, &call);
}

/* ---- dimension scales: the attributes that h5py, xarray and netCDF look for, as the HDF5 specification of dimension
 * scales names them. Written here because the library's own functions are in a second library. ---- */

/* One user of a scale: the data set and which of its axes. */
struct scale_user {
	hobj_ref_t data_set;
	int axis;
};

static hid_t scale_user_type(struct hdf5_call *call)
{
	hid_t type = H5Tcreate(H5T_COMPOUND, sizeof(struct scale_user));
	if (hdf5_passed(call, type)) {
		hdf5_passed(call, H5Tinsert(type, "dataset", HOFFSET(struct scale_user, data_set), H5T_STD_REF_OBJ));
		hdf5_passed(call, H5Tinsert(type, "dimension", HOFFSET(struct scale_user, axis), H5T_NATIVE_INT));
	}
	return type;
}

/* The users so far, with room for one more. */
static struct scale_user *read_users(struct hdf5_call *call, hid_t scale, hid_t type, int64_t *count)
{
	*count = 0;
	htri_t exists = H5Aexists(scale, "REFERENCE_LIST");
	if (!hdf5_passed(call, exists))
		return NULL;
	hid_t attribute = H5I_INVALID_HID, space = H5I_INVALID_HID;
	if (exists > 0 && hdf5_passed(call, attribute = H5Aopen(scale, "REFERENCE_LIST", H5P_DEFAULT)) &&
	    hdf5_passed(call, space = H5Aget_space(attribute)))
		*count = (int64_t)H5Sget_simple_extent_npoints(space);
	struct scale_user *users = call->failed ? NULL : hdf5_call_allocate(call, (size_t)*count + 1, sizeof *users);
	if (users != NULL && *count > 0)
		hdf5_passed(call, H5Aread(attribute, type, users));
	if (space >= 0)
		hdf5_passed(call, H5Sclose(space));
	if (attribute >= 0)
		hdf5_passed(call, H5Aclose(attribute));
	if (users != NULL && *count > 0)
		hdf5_passed(call, H5Adelete(scale, "REFERENCE_LIST"));
	return users;
}

static void add_user(struct hdf5_call *call, hid_t file, hid_t scale)
{
	hid_t type = scale_user_type(call);
	if (type < 0)
		return;
	int64_t count = 0;
	struct scale_user *users = read_users(call, scale, type, &count);
	if (users != NULL) {
		if (hdf5_passed(call, H5Rcreate(&users[count].data_set, file, call->object, H5R_OBJECT, -1)))
			add_attribute(call, scale, "REFERENCE_LIST", type, type, count + 1, users);
		free(users);
	}
	hdf5_passed(call, H5Tclose(type));
}

static void make_scale(struct hdf5_call *call, hid_t scale, const char *name)
{
	static const char class_name[] = "DIMENSION_SCALE";
	htri_t exists = H5Aexists(scale, "CLASS");
	if (!hdf5_passed(call, exists) || exists > 0)
		return;
	hid_t type = H5Tcopy(H5T_C_S1);
	if (!hdf5_passed(call, type))
		return;
	/* Readers compare this one text as C would, so it is NUL-terminated, unlike ours. */
	if (hdf5_passed(call, H5Tset_size(type, sizeof class_name)))
		add_attribute(call, scale, "CLASS", type, type, 0, class_name);
	if (!call->failed && hdf5_passed(call, H5Tset_size(type, strlen(name) + 1)))
		add_attribute(call, scale, "NAME", type, type, 0, name);
	hdf5_passed(call, H5Tclose(type));
}

/* DIMENSION_LIST: one list of scales an axis; ours is on axis 0. */
static void list_scale(struct hdf5_call *call, hid_t file, hid_t data_set, const char *scale)
{
	hobj_ref_t reference;
	hvl_t lists[4] = { { 1, &reference } };
	hid_t space = H5Dget_space(data_set);
	int rank = hdf5_passed(call, space) ? H5Sget_simple_extent_ndims(space) : -1;
	hid_t type = H5Tvlen_create(H5T_STD_REF_OBJ);
	if (rank >= 1 && rank <= 4 && hdf5_passed(call, type) &&
	    hdf5_passed(call, H5Rcreate(&reference, file, scale, H5R_OBJECT, -1)))
		add_attribute(call, data_set, "DIMENSION_LIST", type, type, rank, lists);
	if (type >= 0)
		hdf5_passed(call, H5Tclose(type));
	if (space >= 0)
		hdf5_passed(call, H5Sclose(space));
}

enum status hdf5_attach_scale(struct hdf5_writer *writer, const char *name, const char *scale)
{
	HDF5_TURN();
	struct hdf5_call call = hdf5_call_begin(writer->path, name, &writer->driver);
	const char *slash = strrchr(scale, '/');
	hid_t scale_id = H5Dopen2(writer->file, scale, H5P_DEFAULT), data_set = H5I_INVALID_HID;
	if (hdf5_passed(&call, scale_id) && hdf5_passed(&call, data_set = H5Dopen2(writer->file, name, H5P_DEFAULT))) {
		make_scale(&call, scale_id, slash != NULL ? slash + 1 : scale);
		list_scale(&call, writer->file, data_set, scale);
		add_user(&call, writer->file, scale_id);
	}
	if (data_set >= 0)
		hdf5_passed(&call, H5Dclose(data_set));
	if (scale_id >= 0)
		hdf5_passed(&call, H5Dclose(scale_id));
	return hdf5_writer_end(writer, &call);
}
