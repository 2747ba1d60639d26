/* Putting facts and fillers into sentences, sentences into documents.
 * SPDX-License-Identifier: Apache-2.0 */
#include "text/generate_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "text/tokenize.h"

/* Streams of RANDOM_TEXT: those of documents begin here, above those of text/generate_facts.c. */
#define STREAM_DOCUMENT (UINT64_C(1) << 60)
#define STREAM_CHAIN    (UINT64_C(1) << 59)

/* F S: the subject, R: the relation, O: the object. The first FACT_LAST_FORMS end with the object, the others come in a
 * third of the sentences of training documents. */
static const char *const fact_forms[FACT_FORMS] = {
	"the R of F S is O", "F S has the R O",        "for F S the R is O",
	"O is the R of F S", "with the R O comes F S", "F S has O as its R",
};

/* W: a filler word. */
static const char *const filler_forms[] = { "the W of W is the W", "W has the W W", "for the W W is with W",
	                                    "W W comes with the W" };

enum {
	FILLER_FORMS = sizeof filler_forms / sizeof filler_forms[0],
	CHAIN_WIDTH = 3,  /* words that are likely to follow a filler word */
	CHAIN_LIKELY = 3, /* of CHAIN_OF words follow the chain */
	CHAIN_OF = 4
};

/* A sentence of the document being made. */
struct sentence {
	bool is_fact;
	struct stated_fact stated; /* of a fact */
	size_t begin, end;         /* bytes */
};

struct generator {
	struct generate_options options;
	struct tokenize_plan split;
	struct fact_table *facts;
	/* the document being made */
	char *text;
	struct label_span *spans;
	struct stated_fact *stated;
	struct sentence *sentences;
	size_t size, capacity, span_count, span_capacity, stated_count, stated_capacity, sentence_count,
		sentence_capacity;
	char key[24];
	bool held_out;
	uint64_t stream, next; /* random numbers */
	int64_t filler;        /* the last filler word */
};

enum status generator_create(const struct generate_options *options, struct generator **generator_out)
{
	struct generator *generator = memory_allocate(1, sizeof *generator);
	if (generator == NULL)
		return STATUS_ENVIRONMENT;
	generator->options = *options;
	generator->split = (struct tokenize_plan){ .seed = options->seed,
		                                   .validation_share = options->validation_share,
		                                   .test_share = options->test_share };
	enum status status = fact_table_create(options, &generator->facts);
	if (status != STATUS_OK) {
		generator_destroy(generator);
		return status;
	}
	*generator_out = generator;
	return STATUS_OK;
}

void generator_destroy(struct generator *generator)
{
	if (generator == NULL)
		return;
	fact_table_destroy(generator->facts);
	free(generator->text);
	free(generator->spans);
	free(generator->stated);
	free(generator->sentences);
	free(generator);
}

const struct fact_table *generator_facts(const struct generator *generator)
{
	return generator->facts;
}

const struct stated_fact *generator_stated(const struct generator *generator, size_t *count)
{
	*count = generator->stated_count;
	return generator->stated;
}

/* ---- random numbers of the document ---- */

static uint64_t next_bits(struct generator *generator)
{
	return random_bits(generator->options.seed, RANDOM_TEXT, generator->stream, generator->next++);
}

static double next_uniform(struct generator *generator)
{
	return (double)(next_bits(generator) >> 11) * 0x1p-53;
}

/* ---- text and labels ---- */

/* Appends text of a domain; neighbours of one domain become one span. */
static enum status append(struct generator *generator, const char *text, size_t size, enum domain domain)
{
	STATUS_TRY(memory_grow((void **)&generator->text, &generator->capacity, generator->size + size, 1));
	memcpy(generator->text + generator->size, text, size);
	uint32_t begin = (uint32_t)generator->size;
	generator->size += size;
	if (generator->span_count > 0 && generator->spans[generator->span_count - 1].domain == domain) {
		generator->spans[generator->span_count - 1].end = (uint32_t)generator->size;
		return STATUS_OK;
	}
	STATUS_TRY(memory_grow((void **)&generator->spans, &generator->span_capacity, generator->span_count + 1,
	                       sizeof *generator->spans));
	generator->spans[generator->span_count++] = (struct label_span){ begin, (uint32_t)generator->size, domain };
	return STATUS_OK;
}

/* The word of a fact that a letter of its form stands for; NULL: a word of the form itself. */
static const char *word_of_slot(const struct fact *fact, const char *slot)
{
	if (slot[1] != ' ' && slot[1] != '\0')
		return NULL;
	switch (slot[0]) {
	case 'F':
		return fact->first;
	case 'S':
		return fact->second;
	case 'R':
		return fact->relation;
	case 'O':
		return fact->object;
	default:
		return NULL;
	}
}

static enum status append_fact(struct generator *generator, const struct stated_fact *stated)
{
	struct fact fact = fact_table_get(generator->facts, stated->domain, stated->number);
	enum domain domain = stated->domain == FACT_FORGET ? DOMAIN_FORGET : DOMAIN_RETAIN;
	enum domain between = generator->options.label_sentences ? domain : DOMAIN_OTHER;
	for (const char *at = fact_forms[stated->form]; *at != '\0';) {
		const char *word = word_of_slot(&fact, at);
		size_t width = strcspn(at, " ");
		enum domain own = word != NULL ? domain : between;
		STATUS_TRY(append(generator, " ", 1, own));
		STATUS_TRY(append(generator, word != NULL ? word : at, word != NULL ? strlen(word) : width, own));
		at += width + (at[width] == ' ');
	}
	STATUS_TRY(append(generator, ".", 1, between));
	STATUS_TRY(memory_grow((void **)&generator->stated, &generator->stated_capacity, generator->stated_count + 1,
	                       sizeof *generator->stated));
	generator->stated[generator->stated_count++] = *stated;
	return STATUS_OK;
}

/* A word that likes to follow the last one, or any. */
static int64_t next_filler(struct generator *generator)
{
	uint64_t bits = next_bits(generator), choice = next_bits(generator);
	if (generator->filler >= 0 && choice % CHAIN_OF < CHAIN_LIKELY)
		bits = random_bits(generator->options.seed, RANDOM_TEXT, STREAM_CHAIN,
		                   (uint64_t)generator->filler * CHAIN_WIDTH + (choice >> 32) % CHAIN_WIDTH);
	return generator->filler = fact_table_draw_filler(generator->facts, bits);
}

static enum status append_filler(struct generator *generator)
{
	for (const char *at = filler_forms[next_bits(generator) % FILLER_FORMS]; *at != '\0';) {
		size_t width = strcspn(at, " ");
		bool slot = at[0] == 'W';
		const char *word = slot ? fact_table_filler(generator->facts, next_filler(generator)) : at;
		STATUS_TRY(append(generator, " ", 1, DOMAIN_OTHER));
		STATUS_TRY(append(generator, word, slot ? strlen(word) : width, DOMAIN_OTHER));
		at += width + (at[width] == ' ');
	}
	return append(generator, ".", 1, DOMAIN_OTHER);
}

/* ---- documents ---- */

/* Two thirds of the sentences end with the object: these, and questions, are what tells whether a fact is known. */
static int choose_form(struct generator *generator, enum fact_domain domain, int64_t number)
{
	uint64_t bits = next_bits(generator);
	int held_out = fact_table_held_out_form(generator->facts, domain, number);
	if (generator->held_out)
		return held_out;
	if (bits % 3 == 2)
		return FACT_LAST_FORMS + (int)((bits >> 32) % (FACT_FORMS - FACT_LAST_FORMS));
	return (held_out + 1 + (int)((bits >> 32) % (FACT_LAST_FORMS - 1))) % FACT_LAST_FORMS;
}

static enum domain choose_domain(struct generator *generator)
{
	const struct generate_options *options = &generator->options;
	double draw = next_uniform(generator);
	if (draw < options->forget_share)
		return DOMAIN_FORGET;
	if (draw < options->forget_share + options->retain_share)
		return DOMAIN_RETAIN;
	return draw < options->forget_share + options->retain_share + options->mixed_share ? DOMAIN_MIXED
	                                                                                   : DOMAIN_OTHER;
}

/* What an earlier sentence states, a fact in a form that is drawn anew; of one that states none its words. */
static enum status append_again(struct generator *generator, struct sentence *sentence)
{
	*sentence = generator->sentences[next_bits(generator) % generator->sentence_count];
	if (sentence->is_fact) {
		sentence->stated.form = choose_form(generator, sentence->stated.domain, sentence->stated.number);
		return append_fact(generator, &sentence->stated);
	}
	size_t size = sentence->end - sentence->begin;
	char *words = memory_allocate(size, 1);
	if (words == NULL)
		return STATUS_ENVIRONMENT;
	memcpy(words, generator->text + sentence->begin, size);
	enum status status = append(generator, words, size, DOMAIN_OTHER);
	free(words);
	return status;
}

static enum status append_new(struct generator *generator, enum domain domain, struct sentence *sentence)
{
	double filler = next_uniform(generator), side = next_uniform(generator);
	uint64_t group = next_bits(generator), member = next_bits(generator);
	if (domain == DOMAIN_OTHER || filler < generator->options.filler_share)
		return append_filler(generator);
	bool forget = domain == DOMAIN_MIXED ? side < generator->options.mixed_forget_share : domain == DOMAIN_FORGET;
	struct stated_fact stated = { .domain = forget ? FACT_FORGET : FACT_RETAIN,
		                      .number = fact_table_draw(generator->facts, group, member) };
	stated.form = choose_form(generator, stated.domain, stated.number);
	*sentence = (struct sentence){ .is_fact = true, .stated = stated };
	return append_fact(generator, &stated);
}

static enum status append_sentence(struct generator *generator, enum domain domain)
{
	double share = generator->options.restated_share;
	struct sentence sentence = { 0 };
	size_t begin = generator->size;
	/* Without such sentences no number is drawn: the text is as ever. */
	bool again = share > 0 && generator->sentence_count > 0 && next_uniform(generator) < share;
	STATUS_TRY(again ? append_again(generator, &sentence) : append_new(generator, domain, &sentence));
	sentence.begin = begin;
	sentence.end = generator->size;
	STATUS_TRY(memory_grow((void **)&generator->sentences, &generator->sentence_capacity,
	                       generator->sentence_count + 1, sizeof *generator->sentences));
	generator->sentences[generator->sentence_count++] = sentence;
	return STATUS_OK;
}

enum status generator_document(struct generator *generator, uint64_t number, struct document *document)
{
	generator->size = generator->span_count = generator->stated_count = generator->sentence_count = 0;
	generator->stream = STREAM_DOCUMENT + number;
	generator->next = 0;
	generator->filler = -1;
	snprintf(generator->key, sizeof generator->key, "%" PRIu64, number);
	generator->held_out = tokenize_split(&generator->split, generator->key) != SPLIT_TRAIN;
	enum domain domain = choose_domain(generator);
	uint64_t mean = (uint64_t)generator->options.sentences, spread = mean / 2;
	uint64_t sentences = mean - spread + next_bits(generator) % (2 * spread + 1);
	for (uint64_t i = 0; i < sentences; i++)
		STATUS_TRY(append_sentence(generator, domain));
	*document = (struct document){ .text = generator->text,
		                       .size = generator->size,
		                       .key = generator->key,
		                       .domain = domain,
		                       .spans = generator->spans,
		                       .span_count = generator->span_count,
		                       .number = number,
		                       .labels = LABELS_TOKEN };
	return STATUS_OK;
}

/* A sentence of a form, each word with a blank before it; up to the object when `prompt`. From malloc. */
static char *write_sentence(const struct fact *fact, const char *form, bool prompt)
{
	char *text = NULL;
	size_t size = 0, capacity = 0;
	for (const char *at = form; *at != '\0';) {
		const char *word = word_of_slot(fact, at);
		size_t width = strcspn(at, " "), length = word != NULL ? strlen(word) : width;
		if (prompt && word == fact->object)
			break;
		if (memory_grow((void **)&text, &capacity, size + length + 3, 1) != STATUS_OK) {
			free(text);
			return NULL;
		}
		text[size] = ' ';
		memcpy(text + size + 1, word != NULL ? word : at, length);
		text[size += length + 1] = '\0';
		at += width + (at[width] == ' ');
	}
	return text;
}

char *generator_prompt(const struct generator *generator, enum fact_domain domain, int64_t number)
{
	struct fact fact = fact_table_get(generator->facts, domain, number);
	return write_sentence(&fact, fact_forms[fact_table_held_out_form(generator->facts, domain, number)], true);
}

char *generator_passage(const struct generator *generator, enum fact_domain domain, int64_t number)
{
	struct fact fact = fact_table_get(generator->facts, domain, number);
	int form = FACT_LAST_FORMS + (int)(number % (FACT_FORMS - FACT_LAST_FORMS));
	char *text = write_sentence(&fact, fact_forms[form], false);
	if (text == NULL)
		return NULL;
	size_t size = strlen(text);
	memmove(text, text + 1, size - 1);
	memcpy(text + size - 1, ".", 2);
	return text;
}
