/* HDF5 with every call checked, and files that are complete or absent.
 *
 * Writing: hdf5_create() opens PATH.tmp-PID; the writers below add objects; hdf5_commit() writes the attribute
 * complete = 1 last, closes every object checked, fsyncs, reopens and verifies (every data set read back, Fletcher32),
 * renames to PATH and fsyncs the folder. Any failure removes the temporary file and leaves PATH as it was.
 * Byte-identical output for identical input (no time stamps). All data sets but placed ones: Fletcher32; chunked when
 * > 64 KiB.
 * Errors carry the path, the object and the reason (disk full is recognised): STATUS_IO when writing, STATUS_DATA
 * when reading. The HDF5 error stack is silenced and its innermost description put into the message.
 * Names may be paths ("curves/loss"): groups are made as needed.
 * Any thread may use these functions; a writer, reader or vector is for one thread at a time. A thread waits for the
 * others' calls: write what is large in pieces of a MiB or so (hdf5_begin_vector).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_STORAGE_HDF5_FILE_H
#define CAPSHAPE_STORAGE_HDF5_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/checksum.h"
#include "base/status.h"

enum hdf5_type {
	HDF5_INT8,
	HDF5_UINT8,
	HDF5_UINT16,
	HDF5_INT32,
	HDF5_UINT32,
	HDF5_INT64,
	HDF5_UINT64,
	HDF5_FLOAT32,
	HDF5_FLOAT64
};
size_t hdf5_type_size(enum hdf5_type type);

struct hdf5_writer;
enum status hdf5_create(const char *path, struct hdf5_writer **writer_out);
/* A data set of rank 1 to 4 written in one go. unit and long_name may be NULL (then no attribute). */
enum status hdf5_write(struct hdf5_writer *writer, const char *name, enum hdf5_type type, int rank,
                       const int64_t *sizes, const void *values, const char *unit, const char *long_name);
/* Rank 1. */
enum status hdf5_write_vector(struct hdf5_writer *writer, const char *name, enum hdf5_type type, int64_t count,
                              const void *values, const char *unit, const char *long_name);
/* Rank 1, written in pieces from the first element to the last, so that the whole need not be in memory. Several may be
 * open at a time. `name` must stay valid until the end. */
struct hdf5_vector;
enum status hdf5_begin_vector(struct hdf5_writer *writer, const char *name, enum hdf5_type type, int64_t count,
                              const char *unit, const char *long_name, struct hdf5_vector **vector_out);
/* The next `count` elements. */
enum status hdf5_extend_vector(struct hdf5_vector *vector, int64_t count, const void *values);
/* Before the file is committed. Destroys the vector whatever the status; STATUS_IO also when there were fewer elements than
 * announced. */
enum status hdf5_end_vector(struct hdf5_vector *vector);
/* Before the file is abandoned. Safe on NULL. */
void hdf5_drop_vector(struct hdf5_vector *vector);
/* Rank 1, for what is large: the values are written by plain system calls when the file is committed and must stay until then.
 * In one block, without the library's checksum: for files that have one as a whole (hdf5_commit_hashed). */
enum status hdf5_place_vector(struct hdf5_writer *writer, const char *name, enum hdf5_type type, int64_t count,
                              const void *values, const char *unit, const char *long_name);
/* Fixed-length UTF-8 strings, rank 1; unit "". */
enum status hdf5_write_texts(struct hdf5_writer *writer, const char *name, size_t count, const char *const *texts,
                             const char *long_name);
/* Makes `scale` the dimension scale of axis 0 of `name` (both written before), for h5py and xarray. */
enum status hdf5_attach_scale(struct hdf5_writer *writer, const char *name, const char *scale);
/* Attributes of an object ("/" for the root; a group that does not exist yet is made). */
enum status hdf5_write_text_attribute(struct hdf5_writer *writer, const char *object, const char *name,
                                      const char *text);
enum status hdf5_write_integer_attribute(struct hdf5_writer *writer, const char *object, const char *name,
                                         int64_t value);
enum status hdf5_write_real_attribute(struct hdf5_writer *writer, const char *object, const char *name, double value);
/* A link to an object in another file (external link), target path as given. */
enum status hdf5_write_external_link(struct hdf5_writer *writer, const char *name, const char *file,
                                     const char *object);
/* What a room of the source adds to a file that one below it writes; write NULL: nothing. */
struct hdf5_note {
	enum status (*write)(struct hdf5_writer *writer, const void *context);
	const void *context;
};
/* Verify, rename. Destroys the writer whatever the status. */
enum status hdf5_commit(struct hdf5_writer *writer);
/* The same; and the content hash and the size of the file, for which placed values need not be read once more. */
enum status hdf5_commit_hashed(struct hdf5_writer *writer, char hash[CONTENT_HASH_SIZE], int64_t *size);
/* Removes the temporary file; safe on NULL. */
void hdf5_abandon(struct hdf5_writer *writer);

struct hdf5_reader;
/* STATUS_DATA when the file is missing, not HDF5, or has no complete = 1. */
enum status hdf5_open(const char *path, struct hdf5_reader **reader_out);
void hdf5_close(struct hdf5_reader *reader);
bool hdf5_exists(struct hdf5_reader *reader, const char *name);
/* Sizes of a data set: *rank and sizes[4]. */
enum status hdf5_sizes(struct hdf5_reader *reader, const char *name, int *rank, int64_t sizes[4]);
/* Reads the whole data set, converted to `type`, into values (count elements; must match). */
enum status hdf5_read(struct hdf5_reader *reader, const char *name, enum hdf5_type type, int64_t count, void *values);
/* Rank 1: elements [begin, begin + count). */
enum status hdf5_read_range(struct hdf5_reader *reader, const char *name, enum hdf5_type type, int64_t begin,
                            int64_t count, void *values);
/* The whole rank-1 data set in new memory; *count elements. */
enum status hdf5_read_all(struct hdf5_reader *reader, const char *name, enum hdf5_type type, void **values,
                          int64_t *count);
enum status hdf5_read_texts(struct hdf5_reader *reader, const char *name, char ***texts, size_t *count);
/* From malloc. */
enum status hdf5_read_text_attribute(struct hdf5_reader *reader, const char *object, const char *name, char **text);
enum status hdf5_read_integer_attribute(struct hdf5_reader *reader, const char *object, const char *name,
                                        int64_t *value);
enum status hdf5_read_real_attribute(struct hdf5_reader *reader, const char *object, const char *name, double *value);
/* Names of the members of a group in alphabetical order. From malloc, each too. */
enum status hdf5_list(struct hdf5_reader *reader, const char *group, char ***names, size_t *count);
/* Names of the attributes of an object, alphabetical. */
enum status hdf5_list_attributes(struct hdf5_reader *reader, const char *object, char ***names, size_t *count);
void hdf5_free_names(char **names, size_t count);
/* True when `path` exists and hdf5_open() would accept it; never raises. */
bool hdf5_is_complete(const char *path);

#endif
