/* Owns what reader and writer of HDF5 files share: reasons of failures, types, opening.
 * SPDX-License-Identifier: Apache-2.0 */
#include "storage/hdf5_call.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/open_files.h"
#include "storage/atomic_file.h"

#if H5_VERSION_GE(1, 10, 2)
#define FILE_FORMAT H5F_LIBVER_V110
#else
#define FILE_FORMAT H5F_LIBVER_LATEST
#endif

struct hdf5_call hdf5_call_begin(const char *path, const char *object, const struct hdf5_driver *driver)
{
	/* Per thread in a thread-safe library, hence at every call and not once. */
	H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
	return (struct hdf5_call){ .path = path, .object = object, .driver = driver };
}

/* The innermost entry comes first. */
static herr_t note_entry(unsigned position, const H5E_error2_t *entry, void *context)
{
	struct hdf5_call *call = context;
	if (position == 0 && entry->desc != NULL)
		snprintf(call->reason, sizeof call->reason, "%s", entry->desc);
	return 1;
}

bool hdf5_passed(struct hdf5_call *call, int64_t result)
{
	if (result >= 0)
		return true;
	if (!call->failed) {
		/* What the system said is worth more than what the library made of it. */
		if (call->driver != NULL && call->driver->error != 0)
			return hdf5_call_fail_by(call, call->driver->error);
		call->failed = true;
		H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, note_entry, call);
		if (call->reason[0] == '\0')
			snprintf(call->reason, sizeof call->reason, "the HDF5 library gives no reason");
	}
	return false;
}

bool hdf5_call_fail_by(struct hdf5_call *call, int error)
{
	if (!call->failed)
		call->error = error;
	return hdf5_call_fail(call, "%s", file_reason(error));
}

bool hdf5_call_fail(struct hdf5_call *call, const char *format, ...)
{
	if (call->failed)
		return false;
	call->failed = true;
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(call->reason, sizeof call->reason, format, arguments);
	va_end(arguments);
	return false;
}

void *hdf5_call_allocate(struct hdf5_call *call, size_t count, size_t size)
{
	void *memory = memory_allocate(count, size);
	if (memory == NULL)
		call->failed = call->no_memory = true;
	return memory;
}

static enum status raise_failure(const struct hdf5_call *call, enum status status, const char *action)
{
	if (!call->failed)
		return STATUS_OK;
	if (call->no_memory)
		return error_context(STATUS_ENVIRONMENT, "%s", call->path);
	return error_raise(open_files_status(call->error, status), "%s:%s%s %s: %s%s", call->path,
	                   call->object != NULL ? " " : "", call->object != NULL ? call->object : "", action,
	                   call->reason, file_advice(call->error));
}

enum status hdf5_call_written(const struct hdf5_call *call)
{
	return raise_failure(call, STATUS_IO, "cannot be written");
}

enum status hdf5_call_read(const struct hdf5_call *call)
{
	return raise_failure(call, STATUS_DATA, "cannot be read");
}

size_t hdf5_type_size(enum hdf5_type type)
{
	static const size_t sizes[] = {
		[HDF5_INT8] = 1,  [HDF5_UINT8] = 1,  [HDF5_UINT16] = 2,  [HDF5_INT32] = 4,  [HDF5_UINT32] = 4,
		[HDF5_INT64] = 8, [HDF5_UINT64] = 8, [HDF5_FLOAT32] = 4, [HDF5_FLOAT64] = 8
	};
	return sizes[type];
}

hid_t hdf5_memory_type(enum hdf5_type type)
{
	switch (type) {
	case HDF5_INT8:
		return H5T_NATIVE_INT8;
	case HDF5_UINT8:
		return H5T_NATIVE_UINT8;
	case HDF5_UINT16:
		return H5T_NATIVE_UINT16;
	case HDF5_INT32:
		return H5T_NATIVE_INT32;
	case HDF5_UINT32:
		return H5T_NATIVE_UINT32;
	case HDF5_INT64:
		return H5T_NATIVE_INT64;
	case HDF5_UINT64:
		return H5T_NATIVE_UINT64;
	case HDF5_FLOAT32:
		return H5T_NATIVE_FLOAT;
	case HDF5_FLOAT64:
		return H5T_NATIVE_DOUBLE;
	}
	return H5I_INVALID_HID;
}

hid_t hdf5_stored_type(enum hdf5_type type)
{
	switch (type) {
	case HDF5_INT8:
		return H5T_STD_I8LE;
	case HDF5_UINT8:
		return H5T_STD_U8LE;
	case HDF5_UINT16:
		return H5T_STD_U16LE;
	case HDF5_INT32:
		return H5T_STD_I32LE;
	case HDF5_UINT32:
		return H5T_STD_U32LE;
	case HDF5_INT64:
		return H5T_STD_I64LE;
	case HDF5_UINT64:
		return H5T_STD_U64LE;
	case HDF5_FLOAT32:
		return H5T_IEEE_F32LE;
	case HDF5_FLOAT64:
		return H5T_IEEE_F64LE;
	}
	return H5I_INVALID_HID;
}

hid_t hdf5_text_type(size_t length)
{
	hid_t type = H5Tcopy(H5T_C_S1);
	/* HDF5 has no strings of length 0. */
	if (type >= 0 && (H5Tset_size(type, length > 0 ? length : 1) < 0 || H5Tset_strpad(type, H5T_STR_NULLPAD) < 0 ||
	                  H5Tset_cset(type, H5T_CSET_UTF8) < 0)) {
		H5Tclose(type);
		return H5I_INVALID_HID;
	}
	return type;
}

hid_t hdf5_file_access(struct hdf5_driver *driver)
{
	hid_t access = H5Pcreate(H5P_FILE_ACCESS);
	if (access < 0)
		return access;
	bool good = hdf5_driver_set(access, driver) >= 0 &&
	            H5Pset_libver_bounds(access, FILE_FORMAT, FILE_FORMAT) >= 0 &&
	            H5Pset_fclose_degree(access, H5F_CLOSE_STRONG) >= 0;
#if H5_VERSION_GE(1, 10, 7)
	good = good && H5Pset_file_locking(access, false, true) >= 0;
#endif
	if (!good) {
		H5Pclose(access);
		return H5I_INVALID_HID;
	}
	return access;
}

htri_t hdf5_path_exists(hid_t file, const char *name)
{
	char part[1024];
	size_t length = strlen(name);
	if (length >= sizeof part)
		return 0;
	for (size_t i = 1; i <= length; i++) {
		if (name[i] != '/' && name[i] != '\0')
			continue;
		memcpy(part, name, i);
		part[i] = '\0';
		htri_t exists = H5Lexists(file, part, H5P_DEFAULT);
		if (exists <= 0)
			return exists;
	}
	return 1;
}

static bool check_complete(struct hdf5_call *call, hid_t file)
{
	int64_t complete = 0;
	hid_t attribute = H5I_INVALID_HID;
	htri_t exists = H5Aexists(file, "complete");
	if (!hdf5_passed(call, exists))
		return false;
	if (exists > 0 && hdf5_passed(call, attribute = H5Aopen(file, "complete", H5P_DEFAULT))) {
		hdf5_passed(call, H5Aread(attribute, H5T_NATIVE_INT64, &complete));
		hdf5_passed(call, H5Aclose(attribute));
	}
	if (!call->failed && complete != 1)
		hdf5_call_fail(call, "it is not marked complete, so it was not written by this program to its end");
	return !call->failed;
}

/* The library can tell, too, but only by a driver of its own. */
static bool check_signature(struct hdf5_call *call)
{
	static const char signature[8] = { '\211', 'H', 'D', 'F', '\r', '\n', '\032', '\n' };
	char found[8] = { 0 };
	int file = open(call->path, O_RDONLY | O_CLOEXEC);
	if (file < 0)
		return errno == ENOENT ? hdf5_call_fail(call, "there is no such file") : hdf5_call_fail_by(call, errno);
	ssize_t got = read(file, found, sizeof found);
	int error = got < 0 ? errno : 0;
	close(file);
	if (error != 0)
		return hdf5_call_fail_by(call, error);
	if (memcmp(found, signature, sizeof signature) != 0)
		return hdf5_call_fail(call, "it is not an HDF5 file, or damaged at its beginning");
	return true;
}

hid_t hdf5_open_finished(struct hdf5_call *call, struct hdf5_driver *driver)
{
	hid_t file = H5I_INVALID_HID;
	if (!check_signature(call))
		return file;
	hid_t access = hdf5_file_access(driver);
	if (hdf5_passed(call, access)) {
		hdf5_passed(call, file = H5Fopen(call->path, H5F_ACC_RDONLY, access));
		hdf5_passed(call, H5Pclose(access));
	}
	if (file < 0 || !check_complete(call, file)) {
		hdf5_driver_close(driver, file);
		return H5I_INVALID_HID;
	}
	return file;
}

bool hdf5_read_rows(struct hdf5_call *call, hid_t data_set, hid_t memory_type, hid_t transfer, int rank,
                    const hsize_t *sizes, hsize_t begin, hsize_t rows, void *values)
{
	hsize_t start[4] = { begin }, count[4] = { rows };
	for (int axis = 1; axis < rank; axis++)
		count[axis] = sizes[axis];
	hid_t memory_space = H5Screate_simple(rank, count, NULL);
	hid_t file_space = hdf5_passed(call, memory_space) ? H5Dget_space(data_set) : H5I_INVALID_HID;
	if (hdf5_passed(call, file_space) &&
	    hdf5_passed(call, H5Sselect_hyperslab(file_space, H5S_SELECT_SET, start, NULL, count, NULL)))
		hdf5_passed(call, H5Dread(data_set, memory_type, memory_space, file_space, transfer, values));
	if (file_space >= 0)
		hdf5_passed(call, H5Sclose(file_space));
	if (memory_space >= 0)
		hdf5_passed(call, H5Sclose(memory_space));
	return !call->failed;
}
