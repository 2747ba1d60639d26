/* Owns the system calls behind HDF5 files.
 * SPDX-License-Identifier: Apache-2.0 */
#include "storage/hdf5_driver.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if defined(__has_include)
#if __has_include(<H5FDdevelop.h>)
#include <H5FDdevelop.h> /* where HDF5 1.14 declares what 1.10 has in hdf5.h */
#endif
#endif

/* What travels through the access properties. */
struct target {
	struct hdf5_driver *driver;
};

struct open_file {
	H5FD_t common; /* must be first: the library's part */
	struct hdf5_driver *driver;
	int file;
	haddr_t allocated, written; /* ends */
};

static void keep_error(struct open_file *file, int error)
{
	if (file->driver->error == 0)
		file->driver->error = error;
}

static H5FD_t *driver_open(const char *name, unsigned flags, hid_t access, haddr_t limit)
{
	const struct target *target = H5Pget_driver_info(access);
	struct open_file *file = calloc(1, sizeof *file);
	(void)limit;
	if (target == NULL || file == NULL) {
		free(file);
		return NULL;
	}
	file->driver = target->driver;
	int mode = (flags & H5F_ACC_RDWR ? O_RDWR : O_RDONLY) | (flags & H5F_ACC_TRUNC ? O_TRUNC : 0) |
	           (flags & H5F_ACC_CREAT ? O_CREAT : 0) | (flags & H5F_ACC_EXCL ? O_EXCL : 0);
	file->file = open(name, mode | O_CLOEXEC, 0666);
	off_t size = file->file >= 0 ? lseek(file->file, 0, SEEK_END) : -1;
	if (size < 0) {
		keep_error(file, errno);
		if (file->file >= 0)
			close(file->file);
		free(file);
		return NULL;
	}
	file->written = (haddr_t)size;
	return &file->common;
}

static herr_t driver_close(H5FD_t *common)
{
	struct open_file *file = (struct open_file *)common;
	if (close(file->file) != 0)
		keep_error(file, errno);
	free(file);
	return 0;
}

static herr_t driver_query(const H5FD_t *common, unsigned long *flags)
{
	(void)common;
	*flags = H5FD_FEAT_AGGREGATE_METADATA | H5FD_FEAT_ACCUMULATE_METADATA | H5FD_FEAT_DATA_SIEVE |
	         H5FD_FEAT_AGGREGATE_SMALLDATA;
	return 0;
}

static haddr_t driver_get_eoa(const H5FD_t *common, H5FD_mem_t type)
{
	(void)type;
	return ((const struct open_file *)common)->allocated;
}

static herr_t driver_set_eoa(H5FD_t *common, H5FD_mem_t type, haddr_t end)
{
	(void)type;
	((struct open_file *)common)->allocated = end;
	return 0;
}

static haddr_t driver_get_eof(const H5FD_t *common, H5FD_mem_t type)
{
	(void)type;
	return ((const struct open_file *)common)->written;
}

static herr_t driver_read(H5FD_t *common, H5FD_mem_t type, hid_t transfer, haddr_t begin, size_t size, void *buffer)
{
	struct open_file *file = (struct open_file *)common;
	char *bytes = buffer;
	(void)type;
	(void)transfer;
	while (size > 0) {
		ssize_t got = pread(file->file, bytes, size, (off_t)begin);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			keep_error(file, errno);
			return -1;
		}
		if (got == 0) {
			/* Space handed out but not written yet. */
			memset(bytes, 0, size);
			break;
		}
		bytes += got;
		begin += (haddr_t)got;
		size -= (size_t)got;
	}
	return 0;
}

static herr_t driver_write(H5FD_t *common, H5FD_mem_t type, hid_t transfer, haddr_t begin, size_t size,
                           const void *buffer)
{
	struct open_file *file = (struct open_file *)common;
	const char *bytes = buffer;
	(void)type;
	(void)transfer;
	if (begin + size > file->written)
		file->written = begin + size;
	while (size > 0 && file->driver->error == 0) {
		ssize_t done = pwrite(file->file, bytes, size, (off_t)begin);
		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0) {
			keep_error(file, done < 0 ? errno : ENOSPC);
			break;
		}
		bytes += done;
		begin += (haddr_t)done;
		size -= (size_t)done;
	}
	return 0;
}

static herr_t driver_truncate(H5FD_t *common, hid_t transfer, hbool_t closing)
{
	struct open_file *file = (struct open_file *)common;
	(void)transfer;
	(void)closing;
	if (file->written != file->allocated) {
		if (file->driver->error == 0 && ftruncate(file->file, (off_t)file->allocated) != 0)
			keep_error(file, errno);
		file->written = file->allocated;
	}
	return 0;
}

static const H5FD_class_t driver_class = {
#ifdef H5FD_CLASS_VERSION
	.version = H5FD_CLASS_VERSION,
	.value = (H5FD_class_value_t)512, /* up to 255 belong to the library, up to 511 to registered drivers */
#endif
	.name = "capshape",
	.maxaddr = INT64_MAX,
	.fc_degree = H5F_CLOSE_STRONG,
	.fapl_size = sizeof(struct target),
	.open = driver_open,
	.close = driver_close,
	.query = driver_query,
	.get_eoa = driver_get_eoa,
	.set_eoa = driver_set_eoa,
	.get_eof = driver_get_eof,
	.read = driver_read,
	.write = driver_write,
	.truncate = driver_truncate,
	.fl_map = H5FD_FLMAP_DICHOTOMY,
};

herr_t hdf5_driver_set(hid_t access, struct hdf5_driver *driver)
{
	struct target target = { driver };
	hid_t id = H5FDregister(&driver_class);
	if (id < 0)
		return -1;
	driver->id = id;
	return H5Pset_driver(access, id, &target);
}

herr_t hdf5_driver_close(struct hdf5_driver *driver, hid_t file)
{
	herr_t closed = file >= 0 ? H5Fclose(file) : 0;
	herr_t released = driver->id > 0 ? H5FDunregister(driver->id) : 0;
	driver->id = 0;
	return closed < 0 || released < 0 ? -1 : 0;
}
