/* One shard file for reading: its facts and its small tables, checked, and a handle of HDF5 while it is wanted.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_TEXT_SHARD_FILE_H
#define CAPSHAPE_TEXT_SHARD_FILE_H

#include "storage/hdf5_file.h"
#include "text/shard.h"

struct shard_file {
	char *path;
	struct hdf5_reader *reader; /* NULL while it is closed */
	struct shard_facts facts;   /* the texts belong to this struct */
	char *content_hash;
	int64_t token_count, document_count, block_count;
	int64_t *offsets; /* [document_count + 1] */
	uint8_t *domains; /* [document_count] */
	uint64_t *numbers;
	uint64_t *groups; /* [document_count]; NULL: a file of format version 1 */
	int64_t *blocks;  /* [block_count + 1] */
	/* place in the set */
	int64_t first_document, first_block, first_token;
};

/* Takes over `path` whatever the status. STATUS_DATA naming the file and what is wrong. */
enum status shard_file_open(char *path, struct shard_file *file);
void shard_file_close(struct shard_file *file);
/* Gives the handle back; facts and tables stay. */
void shard_file_rest(struct shard_file *file);
/* Opens it again, where it rests. STATUS_DATA when it is no longer the file that was opened at first. */
enum status shard_file_wake(struct shard_file *file);
/* Frees the tables of documents and blocks; counts and facts stay. */
void shard_file_drop_tables(struct shard_file *file);
/* STATUS_DATA naming both files and the fact that differs. */
enum status shard_file_match(const struct shard_file *first, const struct shard_file *file);
/* Tokens [begin, begin + count) of the file, which is open. */
enum status shard_file_read(struct shard_file *file, int64_t begin, int64_t count, int32_t *ids, uint8_t *labels);

#endif
