/* The one table of input keys. Parser, --help, docs/parameters.md, the parameter record in every HDF5 file and the error
 * messages all come from it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_INPUT_KEYS_H
#define CAPSHAPE_INPUT_KEYS_H

#include <stddef.h>

enum key_type {
	KEY_BOOLEAN, /* on off true false yes no */
	KEY_INTEGER, /* 64-bit; 1500, 1.5k, 2e6; suffixes k M G T (powers of 1000) and Ki Mi Gi Ti */
	KEY_REAL,
	KEY_TEXT,   /* any text, may be quoted */
	KEY_CHOICE, /* one of `choices` */
	KEY_PATH,   /* as written, but {section/key} becomes that key's value; relative to the working directory */
	KEY_LIST    /* a list of texts or paths that belongs together (never an axis): words separated by blanks */
};

enum key_flag {
	KEY_REQUIRED = 1,          /* no default: must be given for the tasks named in `tasks` */
	KEY_CHANGES_ON_RESUME = 2, /* may differ when a run is continued; every other key must be the same */
	KEY_AUTO = 4,   /* a number that may be the word `auto`, kept as -1 (which no range of these allows) */
	KEY_SINGLE = 8, /* never an axis: the same for every point */
	KEY_LEADS = 16, /* as an axis the first, which varies slowest, wherever it was given */
	/* came after files that tell one run from another by the keys of theirs: with its default, which is what was done before it
	 * came, it is as if it were not there, and a run goes on or is finished as before */
	KEY_LATER = 32
};

struct key {
	const char *name; /* "section/key" */
	enum key_type type;
	const char *unit;         /* "" when none */
	const char *default_text; /* as a user would write it; NULL with KEY_REQUIRED */
	double minimum, maximum;  /* range of numbers; both 0: none; maximum HUGE_VAL: no upper end */
	/* "a b c" for KEY_CHOICE (and for the words of a KEY_LIST that has such); of a number with KEY_AUTO: more words like
	 * `auto`, kept as -2, -3, ...; else NULL */
	const char *choices;
	const char *tasks; /* tasks that read it, "tokenize pretrain"; "" = all */
	unsigned flags;
	const char *meaning; /* one line */
	const char
		*instead; /* with KEY_REQUIRED: not required when one of these keys ("a/b c/d") is given; else NULL */
};

/* Another default of a key, for one task. */
struct key_default {
	const char *task, *key, *text;
};

struct key_section {
	const char *name;
	const char *meaning; /* one line */
};

/* The table, sorted by section in the order of docs/parameters.md; *count entries. Static. */
const struct key *keys_table(size_t *count);

/* The sections in the same order. Static. */
const struct key_section *keys_sections(size_t *count);

/* Defaults that differ from the table's. Static. */
const struct key_default *keys_defaults(size_t *count);

/* The default of a key for a task: its own, else the table's (NULL: required). */
const char *keys_default_text(const struct key *key, const char *task);

/* The entry of "section/key", NULL when there is none. */
const struct key *keys_find(const char *name);

/* The known name nearest to `name` (edit distance <= 3 or shared key part), NULL when none is near. */
const char *keys_nearest(const char *name);

/* The known section nearest to `name`, NULL when none is near. */
const char *keys_nearest_section(const char *name);

/* Whether `task` reads the key. */
int keys_is_read(const struct key *key, const char *task);

/* Whether its value decides results of `task`, so that what was made with another value is something else. */
int keys_decides(const struct key *key, const char *task);

/* Whether this value of it is part of what tells one result of `task` from another: not that of a KEY_LATER at its default. */
int keys_tells(const struct key *key, const char *task, const char *value);

/* Whether `word` is one of the words of `words` ("a b c"). */
int keys_has_word(const char *words, const char *word);

/* "0 to 1", "at least 1" or "" into buffer; returns it. */
const char *keys_range_text(const struct key *key, char *buffer, size_t size);

/* "whole number", "real number", ... */
const char *keys_type_name(enum key_type type);

#endif
