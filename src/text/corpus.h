/* Reading documents: JSON lines (plain, .gz, .zst), plain text, the dictionary of Debian's dict-gcide, text that is
 * generated (text/generate_text.h), and multiple choice questions (text/question_documents.h).
 *
 * A corpus is read in order, one document at a time. Document numbers (0 ..) count over all files of the corpus.
 * Domain ids: 0 unmarked (looked at: not forget, and of no domain that has a name), 1 forget, 2 retain, 3 other, 4 hard, 5 mixed,
 * 6 unlabelled (nobody has said anything about it, so it is neither forget nor not). docs/corpus.md says what users are told.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_TEXT_CORPUS_H
#define CAPSHAPE_TEXT_CORPUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "storage/file_hash.h"
#include "text/turns.h"

enum domain {
	DOMAIN_UNMARKED,
	DOMAIN_FORGET,
	DOMAIN_RETAIN,
	DOMAIN_OTHER,
	DOMAIN_HARD,
	DOMAIN_MIXED,
	DOMAIN_UNLABELLED,
	DOMAIN_COUNT
};

/* "unmarked", "forget", ... */
const char *domain_name(enum domain domain);
/* Whether a token of this label is one of the label tokens of an evaluation set: its label is the set's domain, and in mixed documents
 * also forget, which is what is asked about them. */
bool domain_has_label(enum domain set, enum domain label);
/* STATUS_DATA when the name is not known. */
enum status domain_from_name(const char *name, enum domain *domain_out);

/* A labelled stretch of the text. */
struct label_span {
	uint32_t begin, end; /* bytes */
	enum domain domain;
};

/* What one side says in a conversation: bytes of the text. */
struct text_turn {
	uint32_t begin, end;
	enum turn role;
};

struct document {
	/* UTF-8 (not checked), `size` bytes, owned by the corpus until the next call; of a conversation what is said in each turn, with a
	 * line feed behind it */
	const char *text;
	size_t size;
	const char *key;     /* what the split is decided by: the headword, "id", or the document number as text */
	enum domain domain;  /* DOMAIN_UNLABELLED with LABELS_NONE, and only then */
	enum domain outside; /* of bytes outside every span */
	const struct label_span *spans; /* sorted, not overlapping */
	size_t span_count;
	const struct text_turn *turns; /* of a conversation */
	size_t turn_count;             /* 0: it is none */
	uint32_t letter; /* of a multiple choice question: where the blank before its answer begins; else 0 */
	uint64_t number;
	uint64_t
		group; /* what belongs together: hash of a key that the corpus gives; without one no other document has it */
	/* whether this document was given token labels (spans), a domain only, or nothing */
	enum { LABELS_NONE, LABELS_DOCUMENT, LABELS_TOKEN } labels;
};

struct corpus;
struct label_findings;
struct generate_options;
struct question_options;

struct corpus_options {
	const char *format; /* "auto" (by the file names), "jsonl", "text", "gcide", "generated", "questions" */
	/* gcide only: field marks of a domain as a "mark mark ..." list without the parentheses, e.g. "Med. Anat. Surg."
	 * (see text/gcide_marks.h); NULL: none */
	const char *forget_marks, *retain_marks;
	const struct generate_options *generate; /* generated only; then there are no paths */
	const struct question_options
		*questions;      /* questions only: how lines become text (text/question_documents.h) */
	bool label_characters;   /* JSON lines only: offsets of labels count characters, not bytes */
	uint64_t document_limit; /* documents before the end; 0: all */
};

/* `paths`: files in order; a path that is a folder stands for its files sorted by name; for gcide the folder or file
 * of gcide.dict.dz (gcide.index beside it). STATUS_DATA naming what is missing. */
enum status corpus_open(const char *const *paths, size_t path_count, const struct corpus_options *options,
                        struct corpus **corpus_out);
/* *found = 0 at the end. STATUS_DATA with file and line on a damaged record. */
enum status corpus_next(struct corpus *corpus, struct document *document, int *found);
void corpus_close(struct corpus *corpus);

/* What was noticed about the labels of the documents given out so far. */
const struct label_findings *corpus_findings(const struct corpus *corpus);

/* The files that it reads, in order; of a dictionary its folder or file. None for generated text. */
size_t corpus_file_count(const struct corpus *corpus);
/* One of them, by the path that it was given as; of a dictionary its text and its index. To be cleared. */
enum status corpus_file_group(const struct corpus *corpus, size_t index, struct file_group *group);

#endif
