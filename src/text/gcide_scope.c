/* Which marks open a part, and what each part inherits.
 * SPDX-License-Identifier: Apache-2.0 */
#include "text/gcide_scope.h"

#include <ctype.h>
#include <string.h>

#include "base/memory.h"

enum { PRONUNCIATION_MAX = 160 };

size_t gcide_pronunciation(const char *text, size_t size)
{
	if (size < 2 || text[0] != '\\')
		return 0;
	const char *close = memchr(text + 1, '\\', size - 1 < PRONUNCIATION_MAX ? size - 1 : PRONUNCIATION_MAX);
	return close == NULL ? 0 : (size_t)(close - text) + 1;
}

/* Nesting of one kind of bracket; a bracket that is never closed does not count. */
struct nesting {
	size_t depth, closing_left;
};

static void nesting_open(struct nesting *nesting)
{
	if (nesting->closing_left > nesting->depth)
		nesting->depth++;
}

static void nesting_close(struct nesting *nesting)
{
	if (nesting->closing_left > 0)
		nesting->closing_left--;
	if (nesting->depth > 0)
		nesting->depth--;
}

struct scanner {
	const char *text;
	size_t size, position;
	struct nesting square, round, curly;
	bool opened_text; /* a word that counts was seen: a mark from here on does not open the part */
	bool word_since_mark;
};

static void scanner_begin(struct scanner *scanner, const char *text, size_t size)
{
	*scanner = (struct scanner){ .text = text, .size = size, .word_since_mark = true };
	for (size_t i = 0; i < size; i++) {
		scanner->square.closing_left += text[i] == ']';
		scanner->round.closing_left += text[i] == ')';
		scanner->curly.closing_left += text[i] == '}';
	}
}

static bool is_structure(char c)
{
	return isspace((unsigned char)c) || c == '\0' || strchr("()[]{}\\", c) != NULL;
}

/* Words that may stand before an opening mark: numbers, abbreviations ("pl.", "Fig."), and a few connecting ones. */
static bool word_is_light(const char *word, size_t size)
{
	static const char *const connecting[] = { "or",    "and",          "also",         "called", "Also",
		                                  "Hence", "Specifically", "specifically", "as",     "Or" };
	while (size > 0 && strchr(",;:", word[size - 1]) != NULL)
		size--;
	bool letters = false;
	for (size_t i = 0; i < size; i++)
		letters = letters || isalpha((unsigned char)word[i]) || (unsigned char)word[i] >= 0x80;
	if (!letters || (size <= 7 && word[size - 1] == '.'))
		return true;
	for (size_t i = 0; i < sizeof connecting / sizeof connecting[0]; i++) {
		if (strlen(connecting[i]) == size && memcmp(word, connecting[i], size) == 0)
			return true;
	}
	return false;
}

static void scan_word(struct scanner *scanner)
{
	size_t begin = scanner->position;
	while (scanner->position < scanner->size && !is_structure(scanner->text[scanner->position]))
		scanner->position++;
	/* A NUL byte is structure without a meaning. */
	if (scanner->position == begin) {
		scanner->position++;
		return;
	}
	const char *word = scanner->text + begin;
	size_t size = scanner->position - begin;
	bool letters = false;
	for (size_t i = 0; i < size; i++)
		letters = letters || isalnum((unsigned char)word[i]) || (unsigned char)word[i] >= 0x80;
	if (letters && scanner->square.depth == 0)
		scanner->word_since_mark = true;
	bool nested = scanner->square.depth + scanner->round.depth + scanner->curly.depth > 0;
	if (!nested && !word_is_light(word, size))
		scanner->opened_text = true;
}

static void scan_bracket(struct scanner *scanner)
{
	switch (scanner->text[scanner->position++]) {
	case '[':
		nesting_open(&scanner->square);
		break;
	case ']':
		nesting_close(&scanner->square);
		break;
	case '(':
		nesting_open(&scanner->round);
		break;
	case ')':
		nesting_close(&scanner->round);
		break;
	case '{':
		nesting_open(&scanner->curly);
		break;
	default:
		nesting_close(&scanner->curly);
		break;
	}
}

/* Moves to the next mark; false at the end of the part. */
static bool scan_mark(struct scanner *scanner, struct gcide_mark *mark)
{
	while (scanner->position < scanner->size) {
		const char *here = scanner->text + scanner->position;
		size_t left = scanner->size - scanner->position;
		size_t skip;
		if (isspace((unsigned char)*here))
			scanner->position++;
		else if (*here == '\\' && (skip = gcide_pronunciation(here, left)) > 0)
			scanner->position += skip;
		else if (*here == '(' && gcide_mark_parse(here, left, mark))
			return true;
		else if (*here != '\0' && strchr("()[]{}", *here) != NULL)
			scan_bracket(scanner);
		else if (*here == '\\')
			scanner->position++;
		else
			scan_word(scanner);
	}
	return false;
}

static enum status find_in_part(struct gcide_entry *entry, struct gcide_part *part,
                                const struct gcide_mark_lists *lists)
{
	struct scanner scanner;
	struct gcide_mark mark;
	scanner_begin(&scanner, entry->joined + part->begin, part->end - part->begin);
	part->scope_begin = entry->scope_count;
	struct gcide_scope *before = NULL;
	while (scan_mark(&scanner, &mark)) {
		STATUS_TRY(memory_grow((void **)&entry->scopes, &entry->scope_capacity, entry->scope_count + 1,
		                       sizeof *entry->scopes));
		before = entry->scope_count > part->scope_begin ? &entry->scopes[entry->scope_count - 1] : NULL;
		struct gcide_scope *scope = &entry->scopes[entry->scope_count++];
		*scope = (struct gcide_scope){
			.position = part->begin + scanner.position,
			.length = mark.length,
			.domain = gcide_mark_domain(lists, &mark),
			.bracketed = scanner.square.depth > 0,
		};
		bool may_open = part->kind == PART_HEAD || (part->kind != PART_PARAGRAPH && !scanner.opened_text);
		scope->opening = may_open && !scope->bracketed;
		if (before != NULL && !scanner.word_since_mark && !before->bracketed && !scope->bracketed)
			scope->domain = gcide_domain_combine(scope->domain, before->domain);
		if (before != NULL)
			before->last = false;
		scope->last = true;
		/* The mark's own ")" is passed here and not by scan_bracket(). */
		if (scanner.round.closing_left > 0)
			scanner.round.closing_left--;
		scanner.position += mark.length;
		scanner.word_since_mark = false;
	}
	part->scope_count = entry->scope_count - part->scope_begin;
	if (part->scope_count > 0 && scanner.word_since_mark)
		entry->scopes[entry->scope_count - 1].last = false;
	return STATUS_OK;
}

enum status gcide_scopes_find(struct gcide_entry *entry, const struct gcide_mark_lists *lists)
{
	entry->scope_count = 0;
	for (size_t i = 0; i < entry->part_count; i++)
		STATUS_TRY(find_in_part(entry, &entry->parts[i], lists));
	return STATUS_OK;
}

/* Combined domain of the opening marks, DOMAIN_UNMARKED when there are none. */
static enum domain opening_domain(const struct gcide_entry *entry, const struct gcide_part *part)
{
	enum domain domain = DOMAIN_UNMARKED;
	for (size_t i = 0; i < part->scope_count; i++) {
		const struct gcide_scope *scope = &entry->scopes[part->scope_begin + i];
		if (scope->opening)
			domain = gcide_domain_combine(domain, scope->domain);
	}
	return domain;
}

static enum domain entry_domain(const struct gcide_entry *entry)
{
	enum domain domain = DOMAIN_UNMARKED;
	for (size_t i = 0; i < entry->part_count; i++) {
		const struct gcide_part *part = &entry->parts[i];
		if (part->kind == PART_HEAD || part->kind == PART_DEFINITION)
			domain = gcide_domain_combine(domain, opening_domain(entry, part));
	}
	return domain;
}

enum domain gcide_scope_of_part(const struct gcide_entry *entry, const struct gcide_part *part,
                                struct gcide_scope_state *state)
{
	if (!state->started) {
		state->entry = state->parent = state->current = entry_domain(entry);
		state->started = true;
	}
	enum domain own = opening_domain(entry, part);
	enum domain domain = state->entry;
	switch (part->kind) {
	case PART_HEAD:
	case PART_DEFINITION:
		break;
	case PART_SENSE:
		domain = own != DOMAIN_UNMARKED ? own : state->entry;
		state->parent = state->current = domain;
		state->collocation = false;
		break;
	case PART_SUBSENSE:
		domain = own != DOMAIN_UNMARKED ? own : state->parent;
		if (!state->collocation)
			state->current = domain;
		break;
	case PART_COLLOCATION:
		domain = own != DOMAIN_UNMARKED ? own : state->entry;
		state->parent = domain;
		state->current = state->entry;
		state->collocation = true;
		break;
	case PART_PARAGRAPH:
		domain = state->current;
		break;
	}
	if (part->scope_count > 0 && part->kind != PART_SUBSENSE) {
		const struct gcide_scope *scope = &entry->scopes[part->scope_begin + part->scope_count - 1];
		if (scope->last && !scope->opening && !scope->bracketed)
			state->parent = scope->domain;
	}
	return domain;
}
