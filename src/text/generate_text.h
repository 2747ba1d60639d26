/* Documents of generated text: sentences that state facts (text/generate_facts.h) among sentences that state none.
 *
 * A document is forget, retain, mixed (facts of both) or other (no facts). A sentence begins with a blank and ends with a
 * full stop, so that it is the same tokens wherever it stands. Labels are exact: the words of a fact (each with the blank
 * before it) are of the fact's domain, everything else is other.
 *
 * New sentences: a fact is stated in one of six forms. One of the forms that end with the object is held out for each fact,
 * another one for another fact: training documents never state the fact in it, documents of the validation and test sets
 * state it in no other. So held-out text has sentences that no training document has, about facts that they do state.
 *
 * restated_share: so many sentences say again what one before says, a fact in a form drawn anew: text in which what was read tells what
 * follows, as most text is.
 *
 * Document `number` is a function of the options alone, made without those before it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_TEXT_GENERATE_TEXT_H
#define CAPSHAPE_TEXT_GENERATE_TEXT_H

#include <stdint.h>

#include "base/status.h"
#include "text/corpus.h"
#include "text/generate_facts.h"

struct generator;

enum status generator_create(const struct generate_options *options, struct generator **generator_out);
void generator_destroy(struct generator *generator);
const struct fact_table *generator_facts(const struct generator *generator);

/* The document as corpus_next() gives it, its key set; valid until the next call. */
enum status generator_document(struct generator *generator, uint64_t number, struct document *document);

/* What the document of the last call states, in order. */
struct stated_fact {
	enum fact_domain domain;
	int64_t number;
	int form;
};
const struct stated_fact *generator_stated(const struct generator *generator, size_t *count);

/* The held-out sentence of a fact up to its object: " for FIRST SECOND the RELATION is". From malloc, NULL without
 * memory. The object and a full stop follow: " OBJECT." */
char *generator_prompt(const struct generator *generator, enum fact_domain domain, int64_t number);

/* The fact in one of the forms that do not end with the object, without a blank before it: what a passage says that answers the
 * question. From malloc, NULL without memory. */
char *generator_passage(const struct generator *generator, enum fact_domain domain, int64_t number);

#endif
