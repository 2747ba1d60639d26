/* Recognising field marks and sorting them into forget, retain and other.
 * SPDX-License-Identifier: Apache-2.0 */
#include "text/gcide_marks.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* Linear search: a mark is parsed a few ten thousand times. */
static const char *const FIELDS[] = {
	"Acoustics.", "Aeronautics.",  "Agric.",   "Alchem.",   "Alg.",       "Anal.",       "Anat.",
	"Anthropol.", "Antiq.",        "Arch.",    "Archaeol.", "Arith.",     "Armor.",      "Astrol.",
	"Astron.",    "Bacteriol.",    "Bibliog.", "Biochem.",  "Biol.",      "Bot.",        "CHem.",
	"Carp.",      "Ch.",           "Chem.",    "Chron.",    "Com.",       "Crystallog.", "Crystalloq.",
	"Eccl.",      "Eccles.",       "Econ.",    "Elec.",     "Elect.",     "Engin.",      "Ethnol.",
	"Far.",       "Fort.",         "Geog.",    "Geol.",     "Geom.",      "Gram.",       "Gun.",
	"Her.",       "Hist.",         "Horol.",   "Hort.",     "Hydraul.",   "Hymnol.",     "Law.",
	"Logic.",     "Mach.",         "Man.",     "Manuf.",    "Math.",      "Mech.",       "Med.",
	"Metal.",     "Metaph.",       "Meteor.",  "Meteorol.", "Microbiol.", "Mil.",        "Min.",
	"Mining.",    "Mus.",          "Myth.",    "Mythol.",   "Naut.",      "Nav.",        "Numis.",
	"Opt.",       "Paint.",        "Paleon.",  "Pathol.",   "Persp.",     "Pharm.",      "Philol.",
	"Philos.",    "Phon.",         "Photog.",  "Photom.",   "Phren.",     "Phys.",       "Physics.",
	"Physiol.",   "Physiol.Chem.", "Print.",   "Pros.",     "Psychol.",   "Pyrotech.",   "R.C.Ch.",
	"Rhet.",      "Script.",       "Sculp.",   "Sport.",    "Surg.",      "Surv.",       "Technol.",
	"Telegr.",    "Teleg.",        "Theat.",   "Theol.",    "Trig.",      "Typog.",      "Univ.",
	"Vet.",       "Veter.",        "Zool.",
};

static const char *const QUALIFIERS[] = {
	"Amer.",  "Anc.",      "Bib.",     "Brit.",       "C.",         "Cell",    "Ch.",       "Civil",   "Class",
	"Class.", "Classic",   "Cotton",   "Descriptive", "Dial.",      "Eccl.",   "Electric",  "Eng.",    "Epis.",
	"F.",     "French",    "Gas",      "Glass",       "Gr.",        "Greek",   "Hind.",     "Hindoo",  "Hindu",
	"Human",  "Hydraulic", "Hydraul.", "Iron",        "Jewish",     "Kantian", "Knitting",  "L.",      "Lat.",
	"Logic",  "Moham.",    "Nat.",     "O.",          "Old",        "Org.",    "Organ.",    "Organic", "Paper",
	"Phys.",  "Physical",  "Physiol",  "Plant",       "Polit.",     "Prot.",   "Ptolemaic", "R.",      "Railroad",
	"Rom.",   "Roman",     "S.",       "Scand.",      "Scholastic", "Scot.",   "Ship",      "Steam",   "Steel",
	"Sugar",  "Textile",   "U.",       "Wireless",    "Woolen",     "of",
};

static bool in_table(const char *const *table, size_t count, const char *word)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(table[i], word) == 0)
			return true;
	}
	return false;
}

static bool is_field(const char *word)
{
	return in_table(FIELDS, sizeof FIELDS / sizeof FIELDS[0], word);
}

static bool is_qualifier(const char *word)
{
	return is_field(word) || in_table(QUALIFIERS, sizeof QUALIFIERS / sizeof QUALIFIERS[0], word);
}

static bool is_whole_word(const char *word)
{
	if (!isupper((unsigned char)word[0]))
		return false;
	size_t i = 1;
	while (islower((unsigned char)word[i]))
		i++;
	return i >= 3 && word[i] == '\0';
}

/* "Steam Eng.": elsewhere "Eng." is England. */
static bool is_engineering(const char *member)
{
	static const char *const kinds[] = { "Steam", "Hydraul.", "Civil", "Mech.", "Mining", "Elec." };
	const char *blank = strchr(member, ' ');
	if (blank == NULL || strcmp(blank, " Eng.") != 0)
		return false;
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		if (strncmp(kinds[i], member, (size_t)(blank - member)) == 0 && kinds[i][blank - member] == '\0')
			return true;
	}
	return false;
}

/* Copies the inside of the brackets with white space collapsed. Returns false when there is no ")" near, or when a
 * bracket is nested. */
static bool read_spelling(const char *text, size_t size, struct gcide_mark *mark)
{
	size_t count = 0, i = 1;
	for (; i < size && text[i] != ')'; i++) {
		char c = text[i];
		if (c == '(' || c == '{' || c == '\\')
			return false;
		if (isspace((unsigned char)c)) {
			if (count == 0 || mark->spelling[count - 1] == ' ')
				continue;
			c = ' ';
		}
		if (count + 1 >= sizeof mark->spelling)
			return false;
		mark->spelling[count++] = c;
	}
	while (count > 0 && mark->spelling[count - 1] == ' ')
		count--;
	mark->spelling[count] = '\0';
	mark->length = i + 1;
	return i < size;
}

/* "Zo["o]l." and "Zoöl." to "Zool.", "Arch[ae]ol." to "Archaeol.". The result is never longer. */
static void read_escapes(const char *spelling, char *plain)
{
	while (*spelling != '\0') {
		if (strncmp(spelling, "[\"o]", 4) == 0) {
			*plain++ = 'o';
			spelling += 4;
		} else if (strncmp(spelling, "[ae]", 4) == 0) {
			*plain++ = 'a';
			*plain++ = 'e';
			spelling += 4;
		} else if (strncmp(spelling, "\xc3\xb6", 2) == 0) {
			*plain++ = 'o';
			spelling += 2;
		} else {
			*plain++ = *spelling++;
		}
	}
	*plain = '\0';
}

enum member_kind { MEMBER_BAD, MEMBER_BESIDE, MEMBER_FIELD };

static enum member_kind member_classify(const char *member)
{
	char copy[GCIDE_MEMBER_SIZE];
	memcpy(copy, member, strlen(member) + 1);
	char *rest = NULL, *last = NULL;
	size_t words = 0;
	bool qualifiers = true; /* every word but the last */
	bool whole = true;      /* every word */
	for (char *word = strtok_r(copy, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
		qualifiers = qualifiers && (last == NULL || is_qualifier(last));
		whole = whole && is_whole_word(word);
		last = word;
		words++;
	}
	if (words == 0)
		return MEMBER_BAD;
	/* "Ch. of Eng." */
	bool of = words == 3 && strncmp(member, "Ch. of ", 7) == 0;
	if ((qualifiers && (is_field(last) || of)) || is_engineering(member))
		return MEMBER_FIELD;
	if (qualifiers && is_qualifier(last))
		return MEMBER_BESIDE;
	return (whole && words <= 2) || strcmp(member, "etc.") == 0 ? MEMBER_BESIDE : MEMBER_BAD;
}

/* Splits at separators; members keep their single blanks. */
static bool split_members(char *plain, struct gcide_mark *mark)
{
	char *rest = NULL;
	for (char *and = strstr(plain, " and "); and != NULL; and = strstr(plain, " and "))
		memcpy(and, " &   ", 5);
	for (char *part = strtok_r(plain, "&,;", &rest); part != NULL; part = strtok_r(NULL, "&,;", &rest)) {
		while (*part == ' ')
			part++;
		size_t size = strlen(part);
		while (size > 0 && part[size - 1] == ' ')
			size--;
		if (size == 0)
			continue;
		if (mark->member_count == GCIDE_MEMBERS_MAX || size >= GCIDE_MEMBER_SIZE)
			return false;
		char *member = mark->members[mark->member_count++];
		memcpy(member, part, size);
		member[size] = '\0';
	}
	return mark->member_count > 0;
}

bool gcide_mark_parse(const char *text, size_t size, struct gcide_mark *mark)
{
	if (size < 4 || text[0] != '(')
		return false;
	/* Most brackets are something else: look at the first letter before doing any work. */
	size_t first = 1;
	while (first < size && isspace((unsigned char)text[first]))
		first++;
	if (first == size || !isupper((unsigned char)text[first]))
		return false;
	mark->member_count = 0;
	if (!read_spelling(text, size, mark))
		return false;
	char plain[GCIDE_MARK_SIZE];
	read_escapes(mark->spelling, plain);
	if (!split_members(plain, mark))
		return false;
	bool field = false;
	for (size_t i = 0; i < mark->member_count; i++) {
		enum member_kind kind = member_classify(mark->members[i]);
		if (kind == MEMBER_BAD)
			return false;
		field = field || kind == MEMBER_FIELD;
	}
	return field;
}

/* ---- lists ---- */

struct gcide_mark_lists {
	char **names[2]; /* forget, retain */
	size_t counts[2], capacities[2];
};

static bool listed(const struct gcide_mark_lists *lists, int list, const char *name)
{
	return in_table((const char *const *)lists->names[list], lists->counts[list], name);
}

static enum status add_name(struct gcide_mark_lists *lists, int list, const char *element, size_t size)
{
	char bracketed[GCIDE_MEMBER_SIZE + 2] = "(";
	struct gcide_mark mark;
	if (size < GCIDE_MEMBER_SIZE) {
		for (size_t i = 0; i < size; i++)
			bracketed[1 + i] = element[i] == '_' ? ' ' : element[i];
		bracketed[1 + size] = ')';
		bracketed[2 + size] = '\0';
	}
	if (size >= GCIDE_MEMBER_SIZE || !gcide_mark_parse(bracketed, strlen(bracketed), &mark) ||
	    mark.member_count != 1)
		return error_raise(STATUS_USAGE,
		                   "\"%.*s\" is not a field mark of the dictionary, such as Med. or Physiol._Chem.",
		                   (int)size, element);
	if (listed(lists, 1 - list, mark.members[0]))
		return error_raise(STATUS_USAGE, "the field mark %s cannot stand for forget and for retain",
		                   mark.members[0]);
	STATUS_TRY(memory_grow((void **)&lists->names[list], &lists->capacities[list], lists->counts[list] + 1,
	                       sizeof(char *)));
	char *name = memory_copy_text(mark.members[0]);
	if (name == NULL)
		return STATUS_ENVIRONMENT;
	lists->names[list][lists->counts[list]++] = name;
	return STATUS_OK;
}

enum status gcide_mark_lists_create(const char *forget, const char *retain, struct gcide_mark_lists **lists_out)
{
	struct gcide_mark_lists *lists = memory_allocate(1, sizeof *lists);
	if (lists == NULL)
		return STATUS_ENVIRONMENT;
	for (int list = 0; list < 2; list++) {
		const char *text = list == 0 ? forget : retain;
		while (text != NULL && *(text += strspn(text, " ,\t\n")) != '\0') {
			size_t size = strcspn(text, " ,\t\n");
			enum status status = add_name(lists, list, text, size);
			if (status != STATUS_OK) {
				gcide_mark_lists_destroy(lists);
				return status;
			}
			text += size;
		}
	}
	*lists_out = lists;
	return STATUS_OK;
}

void gcide_mark_lists_destroy(struct gcide_mark_lists *lists)
{
	if (lists == NULL)
		return;
	for (int list = 0; list < 2; list++) {
		for (size_t i = 0; i < lists->counts[list]; i++)
			free(lists->names[list][i]);
		free(lists->names[list]);
	}
	free(lists);
}

static enum domain member_domain(const struct gcide_mark_lists *lists, const char *member)
{
	for (int list = 0; list < 2; list++) {
		if (listed(lists, list, member))
			return list == 0 ? DOMAIN_FORGET : DOMAIN_RETAIN;
	}
	return strncmp(member, "Old ", 4) == 0 ? member_domain(lists, member + 4) : DOMAIN_OTHER;
}

enum domain gcide_domain_combine(enum domain a, enum domain b)
{
	static const int strength[DOMAIN_COUNT] = { [DOMAIN_FORGET] = 3, [DOMAIN_RETAIN] = 2, [DOMAIN_OTHER] = 1 };
	return strength[a] >= strength[b] ? a : b;
}

enum domain gcide_mark_domain(const struct gcide_mark_lists *lists, const struct gcide_mark *mark)
{
	enum domain domain = DOMAIN_OTHER;
	for (size_t i = 0; i < mark->member_count; i++)
		domain = gcide_domain_combine(domain, member_domain(lists, mark->members[i]));
	return domain;
}
