/* Inside src/storage only: one operation on an HDF5 file, made of several library calls, every one checked.
 *
 *   HDF5_TURN();
 *   struct hdf5_call call = hdf5_call_begin(path, object, driver);
 *   hid_t id = H5Dopen2(...);
 *   if (hdf5_passed(&call, id)) { ... hdf5_passed(&call, H5Dclose(id)); }
 *   return hdf5_call_written(&call);
 *
 * All of these functions are for a thread that has its turn (hdf5_turn.h).
 * The first failure keeps its reason (the library forgets it at the next call); later ones do not replace it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_STORAGE_HDF5_CALL_H
#define CAPSHAPE_STORAGE_HDF5_CALL_H

#include <hdf5.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "storage/hdf5_driver.h"
#include "storage/hdf5_file.h"

struct hdf5_call {
	const char *path, *object; /* object NULL: the file itself */
	const struct hdf5_driver *driver;
	bool failed;
	bool no_memory; /* the message is raised already */
	int error;      /* errno of the failure, 0 where it is not the system's */
	char reason[256];
};

struct hdf5_reader {
	char *path;
	hid_t file;
	struct hdf5_driver driver;
};

/* Silences the library's own printing too. */
struct hdf5_call hdf5_call_begin(const char *path, const char *object, const struct hdf5_driver *driver);
/* True when an HDF5 call succeeded, which it says by a result that is not negative. */
bool hdf5_passed(struct hdf5_call *call, int64_t result);
/* Fails the call with what the system says. Returns false. */
bool hdf5_call_fail_by(struct hdf5_call *call, int error);
/* Fails the call with our own reason. Returns false. */
bool hdf5_call_fail(struct hdf5_call *call, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* memory_allocate() within a call. */
void *hdf5_call_allocate(struct hdf5_call *call, size_t count, size_t size);
/* STATUS_OK, or the failure raised: STATUS_IO "cannot be written", STATUS_DATA "cannot be read"; STATUS_ENVIRONMENT where
 * memory is lacking or too many files are open. */
enum status hdf5_call_written(const struct hdf5_call *call);
enum status hdf5_call_read(const struct hdf5_call *call);

hid_t hdf5_memory_type(enum hdf5_type type);
hid_t hdf5_stored_type(enum hdf5_type type);
/* A fixed-length, NUL-padded UTF-8 string type (to be closed). */
hid_t hdf5_text_type(size_t length);
/* File access by our driver: no file locks (a file is never open in two ways at once, and some parallel file systems
 * refuse them); the format of HDF5 1.10, in which all that leads to the data has checksums: in the older ones a flipped
 * bit in the index of the chunks makes data read as zeros without an error. It has no limit of 64 KiB on attributes
 * either. To be closed. */
hid_t hdf5_file_access(struct hdf5_driver *driver);
/* Whether every part of a path of groups exists: 1, 0, negative on failure. */
htri_t hdf5_path_exists(hid_t file, const char *name);

/* Opens a finished file; the failure is in `call` and not raised. Negative on failure. For hdf5_driver_close(). */
hid_t hdf5_open_finished(struct hdf5_call *call, struct hdf5_driver *driver);

/* Rows [begin, begin + rows) along axis 0 of an open data set into `values`. */
bool hdf5_read_rows(struct hdf5_call *call, hid_t data_set, hid_t memory_type, hid_t transfer, int rank,
                    const hsize_t *sizes, hsize_t begin, hsize_t rows, void *values);

#endif
