/* Owns the record of what made a file. The versions of libraries are asked of the libraries, so that they are those the
 * program runs with and not those it was compiled with.
 * SPDX-License-Identifier: Apache-2.0 */
#ifdef HAVE_CONFIG_H
#include "build_info.h"
#include "config.h"
#endif

#include "results/provenance.h"

#include <hdf5.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#ifdef HAVE_ONEDNN
#include <oneapi/dnnl/dnnl.h>
#endif

#include "base/text.h"
#include "base/timer.h"

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "unknown"
#endif
#ifndef CAPSHAPE_GIT_REVISION
#define CAPSHAPE_GIT_REVISION "unknown"
#endif
#ifndef CAPSHAPE_CONFIGURE_LINE
#define CAPSHAPE_CONFIGURE_LINE "unknown"
#endif
#ifndef CAPSHAPE_CFLAGS
#define CAPSHAPE_CFLAGS "unknown"
#endif
#ifdef __clang__
#define COMPILER "clang " __clang_version__
#else
#define COMPILER "gcc " __VERSION__
#endif

/* The MPI whose header the program was compiled with. */
#define WORD(number)               #number
#define WORDS(major, minor, patch) WORD(major) "." WORD(minor) "." WORD(patch)
#if defined OMPI_MAJOR_VERSION
#define BUILT_MPI "Open MPI " WORDS(OMPI_MAJOR_VERSION, OMPI_MINOR_VERSION, OMPI_RELEASE_VERSION)
#elif defined MPICH_VERSION
#define BUILT_MPI "MPICH " MPICH_VERSION
#else
#define BUILT_MPI "unknown"
#endif

/* "Open MPI v4.1.4": the library's own text up to its first comma or line end. */
static void mpi_version(char text[MPI_MAX_LIBRARY_VERSION_STRING])
{
	int length = 0;
	MPI_Get_library_version(text, &length);
	text[strcspn(text, ",\n")] = '\0';
}

char *provenance_libraries(void)
{
	char mpi[MPI_MAX_LIBRARY_VERSION_STRING], pcre2[64] = "", dnnl[64] = "none";
	unsigned hdf5[3] = { 0 };
	mpi_version(mpi);
	H5get_libversion(&hdf5[0], &hdf5[1], &hdf5[2]);
	pcre2_config(PCRE2_CONFIG_VERSION, pcre2);
	/* "10.42 2022-12-11": the date says no more. */
	pcre2[strcspn(pcre2, " ")] = '\0';
#ifdef HAVE_ONEDNN
	const dnnl_version_t *version = dnnl_version();
	snprintf(dnnl, sizeof dnnl, "%d.%d.%d", version->major, version->minor, version->patch);
#endif
	return text_format("MPI %s, HDF5 %u.%u.%u, oneDNN %s, PCRE2 %s, zlib %s, zstd %s", mpi, hdf5[0], hdf5[1],
	                   hdf5[2], dnnl, pcre2, zlibVersion(), ZSTD_versionString());
}

const char *provenance_version(void)
{
	return PACKAGE_VERSION " (" CAPSHAPE_GIT_REVISION ")";
}

char *provenance_version_text(void)
{
	char *libraries = provenance_libraries();
	if (libraries == NULL)
		return NULL;
	char *text = text_format("capshape %s\ncompiler: %s\nbuilt with: %s\nconfigured by: %s\nlibraries: %s\n"
	                         "libraries when it was built: MPI %s (standard %d.%d), HDF5 %d.%d.%d\n",
	                         provenance_version(), COMPILER, CAPSHAPE_CFLAGS, CAPSHAPE_CONFIGURE_LINE, libraries,
	                         BUILT_MPI, MPI_VERSION, MPI_SUBVERSION, H5_VERS_MAJOR, H5_VERS_MINOR, H5_VERS_RELEASE);
	free(libraries);
	return text;
}

static enum status write_text(struct hdf5_writer *writer, const char *name, const char *text)
{
	return text == NULL ? STATUS_OK : hdf5_write_text_attribute(writer, "provenance", name, text);
}

static enum status write_build(struct hdf5_writer *writer, const char *libraries)
{
	STATUS_TRY(write_text(writer, "version", PACKAGE_VERSION));
	STATUS_TRY(write_text(writer, "git_revision", CAPSHAPE_GIT_REVISION));
	STATUS_TRY(write_text(writer, "compiler", COMPILER));
	STATUS_TRY(write_text(writer, "compiler_flags", CAPSHAPE_CFLAGS));
	STATUS_TRY(write_text(writer, "configure_line", CAPSHAPE_CONFIGURE_LINE));
	if (libraries != NULL)
		return write_text(writer, "libraries", libraries);
	char *found = provenance_libraries();
	enum status status = found == NULL ? STATUS_ENVIRONMENT : write_text(writer, "libraries", found);
	free(found);
	return status;
}

static enum status write_place(struct hdf5_writer *writer)
{
	char host[256] = "unknown", date[32];
	gethostname(host, sizeof host - 1);
	STATUS_TRY(write_text(writer, "host", host));
	STATUS_TRY(write_text(writer, "date", timer_date(date)));
	char *directory = getcwd(NULL, 0);
	enum status status = write_text(writer, "directory", directory != NULL ? directory : "unknown");
	free(directory);
	return status;
}

static enum status write_parameters(struct hdf5_writer *writer, const struct parameters *parameters)
{
	size_t count;
	const struct key *keys = keys_table(&count);
	for (size_t i = 0; i < count; i++)
		STATUS_TRY(hdf5_write_text_attribute(writer, "parameters", keys[i].name,
		                                     parameters_value(parameters, keys[i].name)));
	return STATUS_OK;
}

enum status provenance_write(struct hdf5_writer *writer, const struct provenance *provenance,
                             const struct parameters *parameters)
{
	STATUS_TRY(write_build(writer, provenance->libraries));
	STATUS_TRY(write_place(writer));
	STATUS_TRY(write_text(writer, "command_line", provenance->command_line));
	STATUS_TRY(write_text(writer, "input", provenance->input_text));
	STATUS_TRY(write_text(writer, "device", provenance->device));
	STATUS_TRY(write_text(writer, "evaluation", provenance->evaluation));
	STATUS_TRY(write_text(writer, "roles", provenance->roles));
	STATUS_TRY(hdf5_write_integer_attribute(writer, "provenance", "ranks", provenance->ranks));
	return parameters == NULL ? STATUS_OK : write_parameters(writer, parameters);
}
