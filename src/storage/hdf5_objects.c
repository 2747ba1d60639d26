/* Owns reading of the attributes of finished files and of the names of what is in them.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "storage/hdf5_call.h"
#include "storage/hdf5_turn.h"

static hid_t open_object(struct hdf5_call *call, const struct hdf5_reader *reader)
{
	hid_t object = H5I_INVALID_HID;
	if (call->object[0] == '\0')
		call->object = "/";
	htri_t exists = strcmp(call->object, "/") == 0 ? 1 : hdf5_path_exists(reader->file, call->object);
	if (hdf5_passed(call, exists) && exists == 0)
		hdf5_call_fail(call, "it is not in the file");
	if (!call->failed)
		hdf5_passed(call, object = H5Oopen(reader->file, call->object, H5P_DEFAULT));
	return object;
}

/* Opens a scalar attribute and its type. */
static bool open_attribute(struct hdf5_call *call, hid_t object, const char *name, hid_t *attribute, hid_t *type)
{
	htri_t exists = H5Aexists(object, name);
	if (!hdf5_passed(call, exists))
		return false;
	if (exists == 0)
		return hdf5_call_fail(call, "it has no attribute %s", name);
	if (!hdf5_passed(call, *attribute = H5Aopen(object, name, H5P_DEFAULT)) ||
	    !hdf5_passed(call, *type = H5Aget_type(*attribute)))
		return false;
	hid_t space = H5Aget_space(*attribute);
	if (!hdf5_passed(call, space))
		return false;
	if (H5Sget_simple_extent_npoints(space) != 1)
		hdf5_call_fail(call, "its attribute %s is not a single value", name);
	hdf5_passed(call, H5Sclose(space));
	return !call->failed;
}

/* Reads an attribute as a text (*text set) or as a number of the type asked for into value. */
static enum status read_attribute(struct hdf5_reader *reader, const char *object_name, const char *name,
                                  H5T_class_t class, enum hdf5_type type_asked, void *value, char **text)
{
	HDF5_TURN();
	struct hdf5_call call = hdf5_call_begin(reader->path, object_name, &reader->driver);
	hid_t object = open_object(&call, reader), attribute = H5I_INVALID_HID, type = H5I_INVALID_HID;
	char *read = NULL;
	if (object >= 0 && open_attribute(&call, object, name, &attribute, &type)) {
		if (H5Tget_class(type) != class || (text != NULL && H5Tis_variable_str(type) != 0))
			hdf5_call_fail(&call, "its attribute %s is not %s", name,
			               class == H5T_STRING    ? "a text of fixed length"
			               : class == H5T_INTEGER ? "an integer"
			                                      : "a real number");
		else if (text == NULL)
			hdf5_passed(&call, H5Aread(attribute, hdf5_memory_type(type_asked), value));
		else if ((read = hdf5_call_allocate(&call, H5Tget_size(type) + 1, 1)) != NULL)
			hdf5_passed(&call, H5Aread(attribute, type, read));
	}
	if (type >= 0)
		hdf5_passed(&call, H5Tclose(type));
	if (attribute >= 0)
		hdf5_passed(&call, H5Aclose(attribute));
	if (object >= 0)
		hdf5_passed(&call, H5Oclose(object));
	if (call.failed)
		free(read);
	else if (text != NULL)
		*text = read;
	return hdf5_call_read(&call);
}

enum status hdf5_read_text_attribute(struct hdf5_reader *reader, const char *object, const char *name, char **text)
{
	return read_attribute(reader, object, name, H5T_STRING, HDF5_INT8, NULL, text);
}

enum status hdf5_read_integer_attribute(struct hdf5_reader *reader, const char *object, const char *name,
                                        int64_t *value)
{
	return read_attribute(reader, object, name, H5T_INTEGER, HDF5_INT64, value, NULL);
}

enum status hdf5_read_real_attribute(struct hdf5_reader *reader, const char *object, const char *name, double *value)
{
	return read_attribute(reader, object, name, H5T_FLOAT, HDF5_FLOAT64, value, NULL);
}

/* ---- names ---- */

/* Name number `index` of a group or of an object's attributes into `text` (NULL: only its length), as the library. */
typedef ssize_t (*get_name)(hid_t object, hsize_t index, char *text, size_t size);

static ssize_t get_member(hid_t group, hsize_t index, char *text, size_t size)
{
	return H5Lget_name_by_idx(group, ".", H5_INDEX_NAME, H5_ITER_INC, index, text, size, H5P_DEFAULT);
}

static ssize_t get_attribute(hid_t object, hsize_t index, char *text, size_t size)
{
	return H5Aget_name_by_idx(object, ".", H5_INDEX_NAME, H5_ITER_INC, index, text, size, H5P_DEFAULT);
}

static char **read_names(struct hdf5_call *call, hid_t object, size_t count, get_name get)
{
	char **names = hdf5_call_allocate(call, count, sizeof *names);
	for (size_t i = 0; names != NULL && i < count && !call->failed; i++) {
		ssize_t length = get(object, i, NULL, 0);
		if (hdf5_passed(call, length) && (names[i] = hdf5_call_allocate(call, (size_t)length + 1, 1)) != NULL)
			hdf5_passed(call, get(object, i, names[i], (size_t)length + 1));
	}
	return names;
}

static herr_t count_attribute(hid_t object, const char *name, const H5A_info_t *facts, void *context)
{
	size_t *count = context;
	(void)object;
	(void)name;
	(void)facts;
	++*count;
	return 0;
}

static enum status list_names(struct hdf5_reader *reader, const char *object_name, bool attributes, char ***names,
                              size_t *count)
{
	HDF5_TURN();
	struct hdf5_call call = hdf5_call_begin(reader->path, object_name, &reader->driver);
	char **read = NULL;
	size_t found = 0;
	H5G_info_t group;
	hsize_t position = 0;
	hid_t object = open_object(&call, reader);
	if (object >= 0 && attributes)
		hdf5_passed(&call, H5Aiterate2(object, H5_INDEX_NAME, H5_ITER_INC, &position, count_attribute, &found));
	else if (object >= 0 && !attributes && hdf5_passed(&call, H5Gget_info(object, &group)))
		found = group.nlinks;
	if (!call.failed)
		read = read_names(&call, object, found, attributes ? get_attribute : get_member);
	if (object >= 0)
		hdf5_passed(&call, H5Oclose(object));
	if (call.failed) {
		hdf5_free_names(read, found);
		return hdf5_call_read(&call);
	}
	*names = read;
	*count = found;
	return STATUS_OK;
}

enum status hdf5_list(struct hdf5_reader *reader, const char *group, char ***names, size_t *count)
{
	return list_names(reader, group, false, names, count);
}

enum status hdf5_list_attributes(struct hdf5_reader *reader, const char *object, char ***names, size_t *count)
{
	return list_names(reader, object, true, names, count);
}
