/* What the program says: lines on standard output (rank 0) and warnings on standard error (any rank).
 * The log, the wish to stop (base/stop.h) and the turns of HDF5 (storage/hdf5_turn.h) are the only mutable process-wide
 * state.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_BASE_LOG_H
#define CAPSHAPE_BASE_LOG_H

#include <stdbool.h>

/* `rank` and `role` prefix warnings and errors; `speaks`: whether log_info() of this process prints (rank 0). */
void log_open(int rank, const char *role, bool speaks);

/* A line for the user, printed only where log_open() said so. No newline in `format`. */
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A line every rank prints to standard error, "capshape: rank 3 (classifier): warning: ...". */
void log_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* As log_warning, but "error: ...". Flushes standard output first. */
void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
