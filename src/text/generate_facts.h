/* The facts that generated text states: who is related to what, in words made up for the purpose.
 *
 * A fact is (subject, relation, object): "the RELATION of FIRST SECOND is OBJECT". A subject is a pair of words. Forget and
 * retain have equally many facts, built alike. Subjects come in groups of 8 that are equally frequent; a group has 4 first
 * and 4 second words, so 16 pairs: 8 are forget subjects, 8 are retain subjects, and every word stands in two of each. The
 * 8 subjects of a group have different objects under each relation, which are the candidates of a recall question: whoever
 * knows only how frequent objects are is right once in 8.
 *
 * Entanglement e: of the words of each kind (first, second, relation, object), spread evenly over frequent and rare ones, a
 * share e of the forget facts' words are the words of the retain facts; the others are words of their own. At 0 a list
 * of words tells forget from retain. At 1 every word is equally frequent in both, and only the pair tells. A pair is never
 * shared.
 *
 * Everything is a function of the options (Philox numbers; roots and products of doubles, which every machine rounds
 * alike), so the text has the same bytes on every machine.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_TEXT_GENERATE_FACTS_H
#define CAPSHAPE_TEXT_GENERATE_FACTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

enum fact_domain { FACT_FORGET, FACT_RETAIN, FACT_DOMAINS };
enum {
	GROUP_SUBJECTS = 8,  /* of a domain in a group */
	GROUP_WORDS = 4,     /* first words of a group, and second words */
	FACT_FORMS = 6,      /* sentences that state a fact */
	FACT_LAST_FORMS = 3, /* of these, the first ones end with the object, after everything that determines it */
	FACT_WORD_SIZE = 16
};

struct generate_options {
	uint64_t seed;
	uint64_t documents;
	int64_t facts;     /* of each domain: a multiple of GROUP_SUBJECTS x relations */
	int64_t relations; /* of a subject */
	int64_t objects;   /* of a relation, >= GROUP_SUBJECTS */
	double entanglement;
	double zipf; /* group k (1 ..) is as frequent as k^-zipf */
	int64_t filler_words;
	/* documents */
	int64_t sentences;                              /* mean of a document */
	double forget_share, retain_share, mixed_share; /* of documents; the rest is other */
	double mixed_forget_share;                      /* of the facts of a mixed document */
	double filler_share;                            /* of the sentences of a document that states facts */
	double restated_share; /* of the sentences of a document, state again what one before states */
	bool label_sentences;  /* whole sentences are labelled, not only the words of the fact */
	/* questions */
	int64_t questions, candidates; /* most of each domain; 2 to GROUP_SUBJECTS */
	/* which documents are held out: as text/tokenize.h decides */
	double validation_share, test_share;
};

/* STATUS_USAGE naming the key of section [generate] that is out of range. */
enum status generate_options_check(const struct generate_options *options);

/* In words; owned by the table. */
struct fact {
	const char *first, *second, *relation, *object;
};

struct fact_table;
enum status fact_table_create(const struct generate_options *options, struct fact_table **table_out);
void fact_table_destroy(struct fact_table *table);

/* Fact `number` (0 .. facts - 1, frequent ones first): subject number / relations, relation number % relations. */
struct fact fact_table_get(const struct fact_table *table, enum fact_domain domain, int64_t number);
/* A fact by its frequency, from 128 random bits. The same number is equally probable in both domains. */
int64_t fact_table_draw(const struct fact_table *table, uint64_t group_bits, uint64_t fact_bits);
/* The sentence form (0 .. FACT_LAST_FORMS - 1) that training documents never use for this fact. */
int fact_table_held_out_form(const struct fact_table *table, enum fact_domain domain, int64_t number);
/* The candidates of a question about the fact: objects of subjects of its group under its relation, its own one at
 * *correct. `candidates` words. */
void fact_table_candidates(const struct fact_table *table, enum fact_domain domain, int64_t number,
                           const char *candidates[GROUP_SUBJECTS], int *correct);

/* Words that state no fact. */
const char *fact_table_filler(const struct fact_table *table, int64_t number);
/* A filler word by its frequency (word k as k^-1). */
int64_t fact_table_draw_filler(const struct fact_table *table, uint64_t bits);

/* Shares of the forget facts' different words, and of their subjects (pairs), that the retain facts have too: counted. */
void fact_table_overlap(const struct fact_table *table, double *words, double *subjects);

#endif
