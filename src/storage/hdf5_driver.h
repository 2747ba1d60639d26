/* Inside src/storage only: the file driver that reads and writes HDF5 files.
 *
 * The library's own driver passes a failed write up into the library, which then may lose the failure (H5Fclose()
 * succeeds on a full disk) or crash when it closes the file. This one keeps the first errno and lets the library go on
 * as if nothing had happened; the writer looks at it after every operation, so nothing is lost and nothing crashes. Failed
 * reads are failures for the library, too; a failed close of a file that was only read is of no consequence.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_STORAGE_HDF5_DRIVER_H
#define CAPSHAPE_STORAGE_HDF5_DRIVER_H

#include <hdf5.h>

/* Must stay where it is while the file is open. */
struct hdf5_errors {
	int first; /* errno of the first failure, 0 when there is none; anything but 0 stops all writing */
};

/* Makes files opened or created with `access` use the driver and report to `errors`. Negative on failure. */
herr_t hdf5_driver_set(hid_t access, struct hdf5_errors *errors);

#endif
