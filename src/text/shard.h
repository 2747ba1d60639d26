/* Token shards: HDF5 files that hold the tokens of whole documents, and the numbering of blocks over a set of shards.
 *
 * A shard set is a folder with NAME-00000.h5, NAME-00001.h5, ... (NAME: train, validation, test). Layout of a file:
 *   /tokens            uint32 [N]   ids; every document ends with the end-of-text token
 *   /labels            uint8  [N]   domain of each token (enum domain); a token is labelled when any byte of it is
 *   /documents/offset  int64  [D+1] first token of each document (end-of-text included in the document before)
 *   /documents/domain  uint8  [D]   DOMAIN_UNLABELLED when the document and its tokens have no label
 *   /documents/number  uint64 [D]   number in the corpus
 *   /documents/group   uint64 [D]   hash of the "id" or headword: documents with the same one belong together (pieces of a
 *                                   book, say), which intervals must know; a document without "id" is a group of its own
 *   /blocks/document   int64  [C+1] first document of each block: as many whole documents as fit into block_tokens
 *                                   tokens; a longer document is a block of its own
 *   attributes of /: format "capshape-shard", format_version 2, tokenizer_hash, tokenizer (describe), vocabulary,
 *   end_of_text, hidden, block_tokens, has_token_labels, shard_count, content_hash, complete 1 (written last)
 * A set with conversations (text/turns.h) has format_version 3 and the attribute turn_markers, the id of their first marker; which
 * tokens are learned follows from it and the ids. A set of questions (text/question_documents.h) has format_version 4 and the attribute
 * letter_blank, the id of one blank. All other sets are of version 2, without a difference.
 * The content hash is of all but the groups: no model depends on them. Files that have none are read.
 * All data sets carry Fletcher32. Files are written atomically (storage/atomic_file.h).
 *
 * A block is the unit of reading, classifying and caching. Its number counts over all shards of the set.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_TEXT_SHARD_H
#define CAPSHAPE_TEXT_SHARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "text/turns.h"

/* ---- writing one shard (serial) ---- */
struct shard_writer;
struct shard_facts {
	const char *tokenizer_hash, *tokenizer;
	int32_t vocabulary, end_of_text, hidden;
	int64_t block_tokens;
	bool has_token_labels;
	int64_t shard_count;         /* of the whole set, so that a missing last file is noticed; 0: not known */
	struct learned_rule learned; /* which tokens are to be learned */
};
/* "folder/name-00003.h5", from malloc. */
char *shard_path(const char *folder, const char *name, int64_t number);
enum status shard_writer_create(const char *path, const struct shard_facts *facts, struct shard_writer **writer_out);
/* `ids` and `labels` without the end-of-text token, which the writer appends (label DOMAIN_UNMARKED). */
enum status shard_writer_add(struct shard_writer *writer, const int32_t *ids, const uint8_t *labels, size_t count,
                             uint8_t domain, uint64_t number, uint64_t group);
/* Writes, verifies and renames the file; destroys the writer whatever the status. */
enum status shard_writer_finish(struct shard_writer *writer);
void shard_writer_abandon(struct shard_writer *writer);

/* ---- reading a set ---- */
struct shard_set;
/* Opens every shard NAME-*.h5 of `folder` once, reads the small tables, checks completeness, equal facts, gap-free numbers.
 * STATUS_DATA naming the file. Not collective: any rank may open. The tables take 25 bytes a document and 8 a block; files
 * are open while they are read, a bounded number at a time: a file that was written anew meanwhile is STATUS_DATA. */
enum status shard_set_open(const char *folder, const char *name, struct shard_set **set_out);
/* The same checks, for who gets blocks from other ranks: no tables are kept, so facts, hash, numbers of tokens, documents and
 * blocks and the largest block can be had, and nothing that depends on the number of a document or block. */
enum status shard_set_open_counts(const char *folder, const char *name, struct shard_set **set_out);
void shard_set_close(struct shard_set *set);
const struct shard_facts *shard_set_facts(const struct shard_set *set);
const char *shard_set_content_hash(const struct shard_set *set);
int64_t shard_set_tokens(const struct shard_set *set);
int64_t shard_set_documents(const struct shard_set *set);
int64_t shard_set_blocks(const struct shard_set *set);
/* Largest block: tokens and documents, for sizing buffers. */
int64_t shard_set_largest_block(const struct shard_set *set, int64_t *documents);

/* Where a block begins in the set: first token and first document, counted over all shards. `block` may be the number of
 * blocks: then the totals. */
void shard_set_block_begin(const struct shard_set *set, int64_t block, int64_t *token, int64_t *document);

/* The files of the set, and where one begins: its first block and first document. `file` may be the number of files: then the totals. */
int64_t shard_set_files(const struct shard_set *set);
void shard_set_file_begin(const struct shard_set *set, int64_t file, int64_t *block, int64_t *document);

/* A block in memory. Arrays grow as needed; zero-initialise, reuse freely, block_clear() frees. */
struct block {
	int64_t number;
	int64_t token_count, document_count;
	int32_t *ids;            /* [token_count] */
	uint8_t *labels;         /* [token_count] enum domain */
	int64_t *document_begin; /* [document_count + 1], relative to the block */
	uint8_t *document_domain;
	/* decisions (src/filter/score.h), filled by a classifier or from gold labels */
	bool scored;
	uint16_t *scores;          /* [token_count] */
	uint16_t *document_scores; /* [document_count] */
	size_t token_capacity, document_capacity;
};
/* Makes room for the counts (all arrays). */
enum status block_reserve(struct block *block, int64_t tokens, int64_t documents);
void block_clear(struct block *block);
/* Reads block `number` (scored = false). STATUS_DATA with the file on a checksum error. */
enum status shard_set_read_block(struct shard_set *set, int64_t number, struct block *block);
/* Documents of a set in stored order, for evaluation: domain of document d and its tokens. */
uint8_t shard_set_document_domain(const struct shard_set *set, int64_t document);
int64_t shard_set_document_tokens(const struct shard_set *set, int64_t document);
/* Number of the document in the corpus. */
uint64_t shard_set_document_number(const struct shard_set *set, int64_t document);
/* Whether every file of the set has the groups of its documents; else nothing is known of what belongs together. */
bool shard_set_has_groups(const struct shard_set *set);
/* Only where the set has groups. */
uint64_t shard_set_document_group(const struct shard_set *set, int64_t document);
enum status shard_set_read_document(struct shard_set *set, int64_t document, int32_t *ids, uint8_t *labels);

#endif
