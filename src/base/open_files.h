/* How many files and connections this process may have open.
 *
 * A shell's limit is often 1,024 (the soft one) where the system allows far more (the hard one). Rank 0 has a connection to every
 * other rank (comm/lifeline.h), and MPI may have another.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_BASE_OPEN_FILES_H
#define CAPSHAPE_BASE_OPEN_FILES_H

#include <stdint.h>

#include "base/status.h"

/* Raises the soft limit to the hard one, or to 2^20 where that is less: some libraries go through all numbers below the limit. To
 * be called before any of them starts. Where the system refuses the limit stays. */
void open_files_raise(void);

/* STATUS_ENVIRONMENT with the arithmetic where the files open now, `connections` more of `purpose` ("connections to the other
 * ranks") and OPEN_FILES_RESERVE for the files of a run are more than the limit. */
enum { OPEN_FILES_RESERVE = 64 };
enum status open_files_check(int64_t connections, const char *purpose);

/* Of a file that could not be opened: STATUS_ENVIRONMENT where the errno says that too many are open, here or on the whole
 * machine, which says nothing about that file; else `otherwise`. */
enum status open_files_status(int error, enum status otherwise);
/* The end of the message: "; raise the limit ...", or "". */
const char *open_files_advice(int error);

#endif
