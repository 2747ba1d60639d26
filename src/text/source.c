/* Plain, gzip and Zstandard files behind one read function, and lines on top of it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "text/source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "base/memory.h"
#include "base/open_files.h"

enum { BUFFER_BYTES = 1 << 16 };

struct source {
	char *path;
	gzFile gzip; /* reads plain files as well */
	FILE *file;  /* Zstandard only */
	ZSTD_DCtx *context;
	char *input; /* compressed bytes */
	ZSTD_inBuffer pending;
	bool frame_open; /* the last frame is not finished */
	char *buffer;    /* decompressed bytes that are not yet given out as lines */
	size_t begin, end;
	char *line; /* a line that lies across buffers */
	size_t line_capacity;
	uint64_t line_number;
};

static bool ends_with(const char *text, const char *ending)
{
	size_t size = strlen(text), tail = strlen(ending);
	return size >= tail && strcmp(text + size - tail, ending) == 0;
}

static enum status open_zstandard(struct source *source)
{
	source->file = fopen(source->path, "rb");
	if (source->file == NULL)
		return error_raise(open_files_status(errno, STATUS_DATA), "cannot open %s: %s%s", source->path,
		                   strerror(errno), open_files_advice(errno));
	source->context = ZSTD_createDCtx();
	source->input = memory_allocate(BUFFER_BYTES, 1);
	if (source->context == NULL || source->input == NULL)
		return error_raise(STATUS_ENVIRONMENT, "out of memory while opening %s", source->path);
	source->pending = (ZSTD_inBuffer){ source->input, 0, 0 };
	return STATUS_OK;
}

static enum status open_gzip(struct source *source)
{
	errno = 0;
	source->gzip = gzopen(source->path, "rb");
	if (source->gzip == NULL)
		return error_raise(open_files_status(errno, STATUS_DATA), "cannot open %s: %s%s", source->path,
		                   errno != 0 ? strerror(errno) : "out of memory", open_files_advice(errno));
	gzbuffer(source->gzip, BUFFER_BYTES);
	return STATUS_OK;
}

enum status source_open(const char *path, struct source **source_out)
{
	struct source *source = memory_allocate(1, sizeof *source);
	if (source == NULL)
		return STATUS_ENVIRONMENT;
	source->path = memory_copy_text(path);
	source->buffer = memory_allocate(BUFFER_BYTES, 1);
	enum status status = source->path == NULL || source->buffer == NULL ? STATUS_ENVIRONMENT
	                     : ends_with(path, ".zst")                      ? open_zstandard(source)
	                                                                    : open_gzip(source);
	if (status != STATUS_OK) {
		source_close(source);
		return status;
	}
	*source_out = source;
	return STATUS_OK;
}

static enum status read_zstandard(struct source *source, void *bytes, size_t size, size_t *got)
{
	ZSTD_outBuffer output = { bytes, size, 0 };
	while (output.pos == 0) {
		if (source->pending.pos == source->pending.size) {
			source->pending.size = fread(source->input, 1, BUFFER_BYTES, source->file);
			source->pending.pos = 0;
			if (ferror(source->file))
				return error_raise(STATUS_IO, "cannot read %s: %s", source->path, strerror(errno));
			if (source->pending.size == 0) {
				if (source->frame_open)
					return error_raise(STATUS_DATA,
					                   "%s is cut off: its last Zstandard frame has no end",
					                   source->path);
				break;
			}
		}
		size_t result = ZSTD_decompressStream(source->context, &output, &source->pending);
		if (ZSTD_isError(result))
			return error_raise(STATUS_DATA, "%s is damaged: %s", source->path, ZSTD_getErrorName(result));
		source->frame_open = result != 0;
	}
	*got = output.pos;
	return STATUS_OK;
}

static enum status read_gzip(struct source *source, void *bytes, size_t size, size_t *got)
{
	unsigned wanted = size > BUFFER_BYTES ? BUFFER_BYTES : (unsigned)size;
	int count = gzread(source->gzip, bytes, wanted);
	int code = Z_OK;
	const char *reason = gzerror(source->gzip, &code);
	/* A file that ends within its compressed data gives its bytes together with Z_BUF_ERROR. */
	if (count < 0 || (code != Z_OK && code != Z_STREAM_END)) {
		if (code == Z_ERRNO)
			return error_raise(STATUS_IO, "cannot read %s: %s", source->path, strerror(errno));
		return error_raise(STATUS_DATA, "%s is damaged or cut off: %s", source->path, reason);
	}
	*got = (size_t)count;
	return STATUS_OK;
}

enum status source_read(struct source *source, void *bytes, size_t size, size_t *got)
{
	if (size == 0) {
		*got = 0;
		return STATUS_OK;
	}
	return source->gzip != NULL ? read_gzip(source, bytes, size, got) : read_zstandard(source, bytes, size, got);
}

enum status source_read_line(struct source *source, const char **line, size_t *size, bool *found)
{
	size_t kept = 0; /* bytes of the line already moved to source->line */
	for (;;) {
		if (source->begin == source->end) {
			source->begin = source->end = 0;
			STATUS_TRY(source_read(source, source->buffer, BUFFER_BYTES, &source->end));
		}
		const char *start = source->buffer + source->begin;
		size_t left = source->end - source->begin;
		const char *stop = left == 0 ? NULL : memchr(start, '\n', left);
		size_t part = stop != NULL ? (size_t)(stop - start) : left;
		if (kept > 0 || stop == NULL) {
			STATUS_TRY(memory_grow((void **)&source->line, &source->line_capacity, kept + part + 1, 1));
			memcpy(source->line + kept, start, part);
			kept += part;
			start = source->line;
		} else {
			kept = part;
		}
		source->begin += part + (stop != NULL);
		if (stop == NULL && left > 0)
			continue;
		*found = stop != NULL || kept > 0;
		*line = start;
		*size = kept > 0 && start[kept - 1] == '\r' ? kept - 1 : kept;
		source->line_number += *found;
		return STATUS_OK;
	}
}

uint64_t source_line_number(const struct source *source)
{
	return source->line_number;
}

const char *source_path(const struct source *source)
{
	return source->path;
}

enum status source_read_rest(struct source *source, char **bytes, size_t *size)
{
	char *all = NULL;
	size_t capacity = 0, count = 0, got = 0;
	enum status status;
	do {
		status = memory_grow((void **)&all, &capacity, count + BUFFER_BYTES + 1, 1);
		if (status == STATUS_OK)
			status = source_read(source, all + count, BUFFER_BYTES, &got);
		count += status == STATUS_OK ? got : 0;
	} while (status == STATUS_OK && got > 0);
	if (status != STATUS_OK) {
		free(all);
		return status;
	}
	all[count] = '\0';
	*bytes = all;
	*size = count;
	return STATUS_OK;
}

void source_close(struct source *source)
{
	if (source == NULL)
		return;
	if (source->gzip != NULL)
		gzclose(source->gzip);
	if (source->file != NULL)
		fclose(source->file);
	ZSTD_freeDCtx(source->context);
	free(source->input);
	free(source->buffer);
	free(source->line);
	free(source->path);
	free(source);
}
