/* Inside src/storage only: the HDF5 library is for one thread at a time, unless it was built to be thread-safe: Debian's
 * serial package is, its packages with MPI and most others are not. Every function that calls it begins with HDF5_TURN().
 *
 * Turns are short, a MiB of data or so, and are had in the order in which they were asked for, so a thread that writes a
 * large file in many turns never keeps another one waiting for longer than one of its own.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_STORAGE_HDF5_TURN_H
#define CAPSHAPE_STORAGE_HDF5_TURN_H

/* Waits until it is this thread's turn. May not be called by a thread that has it. */
int hdf5_turn_begin(void);
void hdf5_turn_end(const int *turn);

/* To the end of the block. */
#define HDF5_TURN() __attribute__((cleanup(hdf5_turn_end), unused)) const int hdf5_turn = hdf5_turn_begin()

#endif
