/* Reading documents: JSON lines (plain, .gz, .zst), plain text, the dictionary of Debian's dict-gcide, and text that is
 * generated (text/generate_text.h).
 *
 * A corpus is read in order, one document at a time. Document numbers (0 ..) count over all files of the corpus.
 * Domain ids: 0 unmarked, 1 forget, 2 retain, 3 other; "hard" and "mixed" of JSONL files become 4 and 5.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_TEXT_CORPUS_H
#define CAPSHAPE_TEXT_CORPUS_H

#include <stddef.h>
#include <stdint.h>

#include "base/checksum.h"
#include "base/status.h"

enum domain { DOMAIN_UNMARKED, DOMAIN_FORGET, DOMAIN_RETAIN, DOMAIN_OTHER, DOMAIN_HARD, DOMAIN_MIXED, DOMAIN_COUNT };

/* "unmarked", "forget", ... */
const char *domain_name(enum domain domain);
/* STATUS_DATA when the name is not known. */
enum status domain_from_name(const char *name, enum domain *domain_out);

/* A labelled stretch of the text. Bytes outside every span have the domain of the document when the document came with
 * one and without spans, else DOMAIN_UNMARKED. */
struct label_span {
	uint32_t begin, end; /* bytes */
	enum domain domain;
};

struct document {
	const char *text; /* UTF-8 (not checked), `size` bytes, owned by the corpus until the next call */
	size_t size;
	const char *key; /* what the split is decided by: the headword, "id", or the document number as text */
	enum domain domain;
	const struct label_span *spans; /* sorted, not overlapping */
	size_t span_count;
	uint64_t number;
	uint64_t
		group; /* what belongs together: hash of a key that the corpus gives; without one no other document has it */
	/* whether this document was given token labels (spans), a domain only, or nothing */
	enum { LABELS_NONE, LABELS_DOCUMENT, LABELS_TOKEN } labels;
};

struct corpus;
struct generate_options;

struct corpus_options {
	const char *format; /* "auto" (by the file names), "jsonl", "text", "gcide", "generated" */
	/* gcide only: field marks of a domain as a "mark mark ..." list without the parentheses, e.g. "Med. Anat. Surg."
	 * (see text/gcide_marks.h); NULL: none */
	const char *forget_marks, *retain_marks;
	const struct generate_options *generate; /* generated only; then there are no paths */
	uint64_t document_limit;                 /* documents before the end; 0: all */
};

/* `paths`: files in order; a path that is a folder stands for its files sorted by name; for gcide the folder or file
 * of gcide.dict.dz (gcide.index beside it). STATUS_DATA naming what is missing. */
enum status corpus_open(const char *const *paths, size_t path_count, const struct corpus_options *options,
                        struct corpus **corpus_out);
/* *found = 0 at the end. STATUS_DATA with file and line on a damaged record. */
enum status corpus_next(struct corpus *corpus, struct document *document, int *found);
void corpus_close(struct corpus *corpus);

/* The files that it reads, in order; of a dictionary its folder or file. None for generated text. */
size_t corpus_file_count(const struct corpus *corpus);
const char *corpus_file_path(const struct corpus *corpus, size_t index);
/* Size and hash of the bytes of one of them as they lie on the disk; of a dictionary of its text and its index.
 * STATUS_STOPPED when asked to stop meanwhile. */
enum status corpus_file_hash(const struct corpus *corpus, size_t index, int64_t *size, char hash[CONTENT_HASH_SIZE]);

#endif
