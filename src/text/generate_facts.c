/* Making up words, subjects and objects.
 * SPDX-License-Identifier: Apache-2.0 */
#include "text/generate_facts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"

/* Streams of RANDOM_TEXT below those of documents (text/generate_text.c). */
enum { STREAM_WORD, STREAM_PATTERN, STREAM_FORM, STREAM_CANDIDATE, STREAM_OBJECT };

enum { SYLLABLES = 80, LARGEST_COUNT = 1 << 24 };

enum word_kind { KIND_FIRST, KIND_SECOND, KIND_RELATION, KIND_OBJECT, WORD_KINDS };

struct fact_table {
	struct generate_options options;
	int64_t groups;
	int64_t count[WORD_KINDS];               /* words of each kind and domain */
	int64_t begin[WORD_KINDS][FACT_DOMAINS]; /* in words */
	int64_t filler_begin;
	char (*words)[FACT_WORD_SIZE];
	uint64_t *group_sums, *filler_sums; /* cumulated frequencies */
};

static enum status check_range(const char *key, double value, double minimum, double maximum)
{
	if (value >= minimum && value <= maximum)
		return STATUS_OK;
	return error_raise(STATUS_USAGE, "generate/%s = %g is not in %g to %g", key, value, minimum, maximum);
}

enum status generate_options_check(const struct generate_options *options)
{
	STATUS_TRY(check_range("documents", (double)options->documents, 1, 1e15));
	STATUS_TRY(check_range("relations", (double)options->relations, 1, LARGEST_COUNT));
	STATUS_TRY(check_range("facts", (double)options->facts, 1, LARGEST_COUNT));
	STATUS_TRY(check_range("objects", (double)options->objects, GROUP_SUBJECTS, LARGEST_COUNT));
	STATUS_TRY(check_range("entanglement", options->entanglement, 0, 1));
	STATUS_TRY(check_range("zipf", options->zipf, 0, 4));
	STATUS_TRY(check_range("filler_words", (double)options->filler_words, 1, LARGEST_COUNT));
	STATUS_TRY(check_range("sentences", (double)options->sentences, 1, 1e6));
	STATUS_TRY(check_range("candidates", (double)options->candidates, 2, GROUP_SUBJECTS));
	STATUS_TRY(check_range("relations x objects", (double)options->relations * (double)options->objects, 1,
	                       LARGEST_COUNT));
	if (options->forget_share + options->retain_share + options->mixed_share > 1 + 1e-9)
		return error_raise(STATUS_USAGE,
		                   "generate/forget_share, retain_share and mixed_share are more than 1 together");
	int64_t group = GROUP_SUBJECTS * options->relations;
	if (options->facts % group == 0)
		return STATUS_OK;
	return error_raise(STATUS_USAGE,
	                   "generate/facts = %lld is not a multiple of 8 subjects x generate/relations = %lld: the "
	                   "next one is %lld",
	                   (long long)options->facts, (long long)options->relations,
	                   (long long)((options->facts / group + 1) * group));
}

/* ---- words ---- */

/* Word `number`: consonants and vowels in turn, two or three syllables; different numbers are different words. */
static void spell(uint64_t seed, int64_t total, int64_t number, char word[FACT_WORD_SIZE])
{
	static const char consonants[] = "bdfghjklmnprstvz", vowels[] = "aeiou";
	uint64_t space = SYLLABLES * SYLLABLES;
	int syllables = 2;
	for (; space < 2 * (uint64_t)total; syllables++)
		space *= SYLLABLES;
	uint64_t code = random_permute(seed, RANDOM_TEXT, STREAM_WORD, space, (uint64_t)number);
	for (int i = 0; i < syllables; i++, code /= SYLLABLES) {
		word[2 * i] = consonants[code % SYLLABLES / 5];
		word[2 * i + 1] = vowels[code % 5];
	}
	word[2 * syllables] = '\0';
}

static enum status make_words(struct fact_table *table)
{
	const struct generate_options *options = &table->options;
	int64_t total = 0;
	table->count[KIND_FIRST] = table->count[KIND_SECOND] = GROUP_WORDS * table->groups;
	table->count[KIND_RELATION] = options->relations;
	table->count[KIND_OBJECT] = options->relations * options->objects;
	for (int kind = 0; kind < WORD_KINDS; kind++)
		for (int domain = 0; domain < FACT_DOMAINS; domain++) {
			table->begin[kind][domain] = total;
			total += table->count[kind];
		}
	table->filler_begin = total;
	total += options->filler_words;
	table->words = memory_allocate((size_t)total, sizeof *table->words);
	if (table->words == NULL)
		return STATUS_ENVIRONMENT;
	for (int64_t i = 0; i < total; i++)
		spell(options->seed, total, i, table->words[i]);
	return STATUS_OK;
}

/* Whether forget word `index` of a kind is the retain word of that index: a share e of any stretch of them. */
static bool is_shared(double entanglement, int64_t index)
{
	return floor((double)(index + 1) * entanglement) > floor((double)index * entanglement);
}

static const char *word_of(const struct fact_table *table, enum word_kind kind, enum fact_domain domain, int64_t index)
{
	if (domain == FACT_FORGET && is_shared(table->options.entanglement, index))
		domain = FACT_RETAIN;
	return table->words[table->begin[kind][domain] + index];
}

/* ---- frequencies ---- */

/* k^-s rounded to an integer of about 40 bits. The binary digits of s choose square roots to multiply, so that only
 * operations are used that every machine rounds alike. */
static uint64_t frequency(int64_t k, double s)
{
	double power = 1, root = (double)k;
	for (; s >= 1; s -= 1)
		power *= (double)k;
	for (int digit = 0; digit < 20; digit++) {
		root = sqrt(root);
		s *= 2;
		if (s >= 1) {
			power *= root;
			s -= 1;
		}
	}
	uint64_t weight = (uint64_t)(0x1p40 / power);
	return weight > 0 ? weight : 1;
}

static uint64_t *cumulate(int64_t count, double s)
{
	uint64_t *sums = memory_allocate((size_t)count, sizeof *sums), sum = 0;
	for (int64_t i = 0; sums != NULL && i < count; i++)
		sums[i] = sum += frequency(i + 1, s);
	return sums;
}

/* The first index whose sum is above a number drawn below the last sum. */
static int64_t draw(const uint64_t *sums, int64_t count, uint64_t bits)
{
	uint64_t value = (uint64_t)((unsigned __int128)bits * sums[count - 1] >> 64);
	int64_t low = 0, high = count - 1;
	while (low < high) {
		int64_t middle = low + (high - low) / 2;
		if (sums[middle] > value)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

/* ---- the table ---- */

enum status fact_table_create(const struct generate_options *options, struct fact_table **table_out)
{
	STATUS_TRY(generate_options_check(options));
	struct fact_table *table = memory_allocate(1, sizeof *table);
	if (table == NULL)
		return STATUS_ENVIRONMENT;
	table->options = *options;
	table->groups = options->facts / (GROUP_SUBJECTS * options->relations);
	enum status status = make_words(table);
	if (status == STATUS_OK) {
		table->group_sums = cumulate(table->groups, options->zipf);
		table->filler_sums = cumulate(options->filler_words, 1);
		status = table->group_sums == NULL || table->filler_sums == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	}
	if (status != STATUS_OK) {
		fact_table_destroy(table);
		return status;
	}
	*table_out = table;
	return STATUS_OK;
}

void fact_table_destroy(struct fact_table *table)
{
	if (table == NULL)
		return;
	free(table->words);
	free(table->group_sums);
	free(table->filler_sums);
	free(table);
}

/* Words of subject `subject`: in each group, the pairs (x, x + d mod 4) for two of the four d are forget, for the other two
 * retain. */
static void subject_words(const struct fact_table *table, enum fact_domain domain, int64_t subject, int64_t *first,
                          int64_t *second)
{
	static const int pairs[6][FACT_DOMAINS][2] = { { { 0, 1 }, { 2, 3 } }, { { 2, 3 }, { 0, 1 } },
		                                       { { 0, 2 }, { 1, 3 } }, { { 1, 3 }, { 0, 2 } },
		                                       { { 0, 3 }, { 1, 2 } }, { { 1, 2 }, { 0, 3 } } };
	int64_t group = subject / GROUP_SUBJECTS, member = subject % GROUP_SUBJECTS;
	uint64_t pattern = random_bits(table->options.seed, RANDOM_TEXT, STREAM_PATTERN, (uint64_t)group) % 6;
	int64_t x = member / 2, d = pairs[pattern][domain][member % 2];
	*first = GROUP_WORDS * group + x;
	*second = GROUP_WORDS * group + (x + d) % GROUP_WORDS;
}

/* The subjects of a group, forget or retain, share out the same 8 objects of a relation, each side in an order of its own:
 * so objects are equally frequent on both sides too. */
static const char *object_of(const struct fact_table *table, enum fact_domain domain, int64_t subject, int64_t relation)
{
	const struct generate_options *options = &table->options;
	uint64_t group = (uint64_t)(subject / GROUP_SUBJECTS);
	uint64_t stream =
		STREAM_OBJECT + (group * (uint64_t)options->relations + (uint64_t)relation) * (1 + FACT_DOMAINS);
	uint64_t place = random_permute(options->seed, RANDOM_TEXT, stream + 1 + domain, GROUP_SUBJECTS,
	                                (uint64_t)(subject % GROUP_SUBJECTS));
	int64_t object = (int64_t)random_permute(options->seed, RANDOM_TEXT, stream, (uint64_t)options->objects, place);
	return word_of(table, KIND_OBJECT, domain, relation * options->objects + object);
}

struct fact fact_table_get(const struct fact_table *table, enum fact_domain domain, int64_t number)
{
	int64_t subject = number / table->options.relations, relation = number % table->options.relations, first,
		second;
	subject_words(table, domain, subject, &first, &second);
	return (struct fact){ .first = word_of(table, KIND_FIRST, domain, first),
		              .second = word_of(table, KIND_SECOND, domain, second),
		              .relation = word_of(table, KIND_RELATION, domain, relation),
		              .object = object_of(table, domain, subject, relation) };
}

int64_t fact_table_draw(const struct fact_table *table, uint64_t group_bits, uint64_t fact_bits)
{
	int64_t group = draw(table->group_sums, table->groups, group_bits);
	int64_t facts = GROUP_SUBJECTS * table->options.relations;
	return group * facts + (int64_t)((unsigned __int128)fact_bits * (uint64_t)facts >> 64);
}

int fact_table_held_out_form(const struct fact_table *table, enum fact_domain domain, int64_t number)
{
	return (int)(random_bits(table->options.seed, RANDOM_TEXT, STREAM_FORM,
	                         (uint64_t)(number * FACT_DOMAINS + domain)) %
	             FACT_LAST_FORMS);
}

void fact_table_candidates(const struct fact_table *table, enum fact_domain domain, int64_t number,
                           const char *candidates[GROUP_SUBJECTS], int *correct)
{
	const struct generate_options *options = &table->options;
	int64_t subject = number / options->relations, relation = number % options->relations;
	int64_t base = subject - subject % GROUP_SUBJECTS, count = options->candidates;
	/* The next ones in the group, so that each object is right as often as it is wrong in the same company. */
	*correct = (int)(random_bits(options->seed, RANDOM_TEXT, STREAM_CANDIDATE,
	                             (uint64_t)(number * FACT_DOMAINS + domain)) %
	                 (uint64_t)count);
	for (int64_t i = 0; i < count; i++) {
		int64_t member = (subject - base + i) % GROUP_SUBJECTS;
		candidates[(*correct + i) % count] = object_of(table, domain, base + member, relation);
	}
}

const char *fact_table_filler(const struct fact_table *table, int64_t number)
{
	return table->words[table->filler_begin + number];
}

int64_t fact_table_draw_filler(const struct fact_table *table, uint64_t bits)
{
	return draw(table->filler_sums, table->options.filler_words, bits);
}

void fact_table_overlap(const struct fact_table *table, double *words, double *subjects)
{
	int64_t shared = 0, all = 0, same = 0, count = table->groups * GROUP_SUBJECTS;
	for (int kind = 0; kind < WORD_KINDS; kind++)
		for (int64_t i = 0; i < table->count[kind]; i++, all++)
			shared += word_of(table, (enum word_kind)kind, FACT_FORGET, i) ==
			          word_of(table, (enum word_kind)kind, FACT_RETAIN, i);
	/* Both domains have the pairs of a group among the same 16. */
	for (int64_t subject = 0; subject < count; subject++) {
		int64_t base = subject - subject % GROUP_SUBJECTS, first, second, other_first, other_second;
		subject_words(table, FACT_FORGET, subject, &first, &second);
		for (int64_t other = base; other < base + GROUP_SUBJECTS; other++) {
			subject_words(table, FACT_RETAIN, other, &other_first, &other_second);
			same += first == other_first && second == other_second;
		}
	}
	*words = (double)shared / (double)all;
	*subjects = (double)same / (double)count;
}
