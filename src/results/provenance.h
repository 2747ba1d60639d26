/* What made a file: version, build, libraries, command, host, date, parameters. Written to every result file.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_RESULTS_PROVENANCE_H
#define CAPSHAPE_RESULTS_PROVENANCE_H

#include "base/status.h"
#include "input/parameters.h"
#include "storage/hdf5_file.h"

struct provenance {
	const char *command_line;
	const char *input_text; /* the input file as used; may be NULL */
	const char *device;     /* kernels->device_describe(); may be NULL */
	/* provenance_libraries(), for writing by a thread that may not ask MPI; NULL: asked when it is written */
	const char *libraries;
	int ranks;
	const char *evaluation; /* hash of what evaluations made later depend on; NULL: made with the run */
	const char *roles;      /* "1 reader, 1 classifier, 2 trainers"; may be NULL */
};

/* Group /provenance: text attributes version, git_revision, compiler, compiler_flags, configure_line, libraries (MPI,
 * HDF5, oneDNN, PCRE2, zlib, zstd with their versions), host, directory, date, and the fields above as command_line,
 * input, device, evaluation, roles, ranks (integer). With `parameters`: group /parameters, one attribute "section/key" = value each. */
enum status provenance_write(struct hdf5_writer *writer, const struct provenance *provenance,
                             const struct parameters *parameters);
/* "MPI ..., HDF5 1.10.8, ...": the libraries with their versions. From malloc; NULL after error_raise(). */
char *provenance_libraries(void);
/* "0.1.0 (59545ee)": version and git revision; no comma. */
const char *provenance_version(void);
/* Several lines for --version. From malloc. */
char *provenance_version_text(void);

#endif
