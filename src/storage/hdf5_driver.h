/* Inside src/storage only: the file driver that reads and writes HDF5 files.
 *
 * The library's own driver passes a failed write up into the library, which then may lose the failure (H5Fclose()
 * succeeds on a full disk) or crash when it closes the file. This one keeps the first errno and lets the library go on
 * as if nothing had happened; the writer looks at it after every operation, so nothing is lost and nothing crashes.
 * Failed reads are failures for the library, too; a failed close of a file that was only read is of no consequence.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_STORAGE_HDF5_DRIVER_H
#define CAPSHAPE_STORAGE_HDF5_DRIVER_H

#include <hdf5.h>

/* One file's; zero-initialise. Must stay where it is while the file is open. */
struct hdf5_driver {
	int error; /* errno of the first failure, 0 when there is none; anything but 0 stops all writing */
	hid_t id;  /* 0: not registered */
};

/* Makes the file opened or created with `access` use the driver and report to it. Negative on failure. */
herr_t hdf5_driver_set(hid_t access, struct hdf5_driver *driver);
/* Closes the file, where there is one (not negative), and then gives the driver back: the library calls it to the last
 * moment without holding it. */
herr_t hdf5_driver_close(struct hdf5_driver *driver, hid_t file);

#endif
