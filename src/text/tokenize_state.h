/* Inside of tokenizing: the documents of shards until these are written, and what is kept of them for the next start.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_TEXT_TOKENIZE_STATE_H
#define CAPSHAPE_TEXT_TOKENIZE_STATE_H

#include <stdbool.h>

#include "storage/journal.h"
#include "text/tokenize.h"

/* Streams of RANDOM_DOCUMENT_ORDER. */
enum { STREAM_SHARD, STREAM_PLACE };

struct held_document {
	uint64_t place; /* random: the order in the shard */
	uint64_t number, group;
	size_t begin, count; /* in ids and labels */
	int64_t bytes;       /* of text */
	uint8_t domain;
};

/* All documents of a corpus are numbered below. */
#define END_OF_CORPUS UINT64_MAX

/* The documents of one shard until it is written. */
struct held_shard {
	enum split split;
	int64_t number; /* within the split */
	struct held_document *documents;
	size_t document_count, document_capacity;
	int32_t *ids;
	uint8_t *labels;
	size_t token_count, id_capacity, label_capacity;
	bool finished;    /* its file is there */
	uint64_t through; /* its documents of smaller numbers are held, all of which is kept */
	struct journal *journal;
	size_t kept_documents, kept_tokens;     /* that the journal has */
	struct tokenize_statistics *statistics; /* of a finished one that was found; else NULL */
};

struct tokenize_work {
	struct tokenize_plan plan;
	int64_t first, step;
	struct held_shard *shards;
	size_t shard_count;
	bool has_token_labels, has_conversations; /* of the whole corpus, so the same on every rank */
	struct token_span *tokens;
	size_t token_capacity;
	double saved_at; /* timer_seconds() of the last saving, or of the beginning */
	size_t unsaved;  /* tokens held that no journal has */
	bool saved;      /* some journal is there */
	struct tokenize_progress progress;
	struct tokenize_statistics statistics;
};

/* tokenize_document.c: adds the document to the shard, encoded. */
enum status hold_document(struct tokenize_work *work, struct held_shard *shard, const struct document *document);

/* Room for more documents and tokens. */
enum status held_shard_reserve(struct held_shard *shard, size_t documents, size_t tokens);
void held_shard_release(struct held_shard *shard);

/* ---- tokenize_keep.c: FOLDER/NAME-00000.journal until the shard is finished, then NAME-00000.done, which holds the content
 * hash of its file and its counts. All of them do nothing where the plan keeps nothing. ---- */

/* What an earlier start kept of the shard. */
enum status keep_find(struct tokenize_work *work, struct held_shard *shard);
/* Appends what the journals do not have yet, and makes it durable; all documents of numbers below `through` were looked
 * at. */
enum status keep_save(struct tokenize_work *work, uint64_t through);
/* Whether it is time to. */
bool keep_is_due(const struct tokenize_work *work);
/* The file of the shard is written. */
enum status keep_finish(const struct tokenize_work *work, struct held_shard *shard,
                        const struct tokenize_statistics *statistics);

#endif
