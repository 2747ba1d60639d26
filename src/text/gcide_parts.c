/* Cutting the lines of an entry into parts.
 *
 * The printed text is filled: a line is broken only where the next word would not have fitted into LINE_WIDTH columns.
 * So a line whose successor's first word would have fitted was ended on purpose, and only such an end, or one that
 * also reads like it, begins a new part. This keeps "see under Blast, n.,\n 2." from being taken for a sense.
 * SPDX-License-Identifier: Apache-2.0 */
#include "text/gcide_parts.h"

#include <ctype.h>
#include <string.h>

#include "base/memory.h"

enum { LINE_WIDTH = 64, BODY_INDENT = 3 };

struct line {
	const char *text; /* without indentation and trailing blanks */
	size_t indent, size;
};

struct layout {
	bool blank_before;
	struct line previous; /* size 0 before the first line */
	int square, round;    /* open brackets of the head */
	long sense;           /* last number seen */
	char letter;          /* last letter of a sub-sense seen */
};

static struct line line_take(const char **cursor, const char *end)
{
	const char *start = *cursor;
	const char *stop = memchr(start, '\n', (size_t)(end - start));
	if (stop == NULL)
		stop = end;
	*cursor = stop < end ? stop + 1 : end;
	struct line line = { start, 0, (size_t)(stop - start) };
	while (line.size > 0 && isspace((unsigned char)line.text[0])) {
		line.text++;
		line.size--;
		line.indent++;
	}
	while (line.size > 0 && isspace((unsigned char)line.text[line.size - 1]))
		line.size--;
	return line;
}

/* Whether the first word of `line` would have fitted on the line before. */
static bool break_is_hard(const struct line *before, const struct line *line)
{
	size_t word = 0;
	while (word < line->size && !isspace((unsigned char)line->text[word]))
		word++;
	return before->indent + before->size + 1 + word <= LINE_WIDTH;
}

/* "12. text": the number, else 0. */
static long sense_number(const struct line *line)
{
	long number = 0;
	size_t i = 0;
	while (i < line->size && i < 3 && isdigit((unsigned char)line->text[i]))
		number = number * 10 + (line->text[i++] - '0');
	bool dot = i > 0 && i < line->size && line->text[i] == '.';
	return dot && (i + 1 == line->size || line->text[i + 1] == ' ') ? number : 0;
}

/* "(b) text": the letter, else 0. */
static char subsense_letter(const struct line *line)
{
	bool shaped = line->size >= 3 && line->text[0] == '(' && line->text[2] == ')' &&
	              islower((unsigned char)line->text[1]);
	return shaped && (line->size == 3 || line->text[3] == ' ') ? line->text[1] : 0;
}

static void bracket_count(struct layout *layout, const struct line *line)
{
	for (size_t i = 0; i < line->size; i++) {
		layout->square += line->text[i] == '[';
		layout->square -= line->text[i] == ']' && layout->square > 0;
		layout->round += line->text[i] == '(';
		layout->round -= line->text[i] == ')' && layout->round > 0;
	}
}

static bool head_ends(const struct layout *layout, const struct line *line)
{
	if (layout->square > 0 || layout->round > 0 || line->indent < BODY_INDENT)
		return false;
	if (break_is_hard(&layout->previous, line))
		return true;
	/* A full line: go by what is there. A definition begins with a capital or a quotation. */
	char last = layout->previous.text[layout->previous.size - 1];
	char first = line->text[0];
	return (last == '.' || last == ')' || last == ']' || last == '\\') &&
	       (isupper((unsigned char)first) || first == '"');
}

/* The part that `line` begins, or -1 when it continues the part before. */
static int line_begins(struct layout *layout, const struct line *line, int current)
{
	if (current < 0)
		return line->indent < BODY_INDENT && !layout->blank_before ? PART_HEAD : PART_PARAGRAPH;
	bool hard = layout->blank_before || break_is_hard(&layout->previous, line);
	long number = line->indent == BODY_INDENT ? sense_number(line) : 0;
	if (number > 0 && (hard || number == 1 || number == layout->sense + 1)) {
		layout->sense = number;
		layout->letter = 0;
		return PART_SENSE;
	}
	char letter = subsense_letter(line);
	if (letter != 0 && (hard || letter == 'a' || letter == layout->letter + 1)) {
		layout->letter = letter;
		return PART_SUBSENSE;
	}
	if (layout->blank_before) {
		layout->letter = 0;
		return line->text[0] == '{' && line->indent <= BODY_INDENT ? PART_COLLOCATION : PART_PARAGRAPH;
	}
	return current == PART_HEAD && head_ends(layout, line) ? PART_DEFINITION : -1;
}

static enum status part_begin(struct gcide_entry *entry, enum gcide_part_kind kind)
{
	STATUS_TRY(memory_grow((void **)&entry->parts, &entry->part_capacity, entry->part_count + 1,
	                       sizeof *entry->parts));
	entry->parts[entry->part_count++] =
		(struct gcide_part){ .kind = kind, .begin = entry->joined_size, .end = entry->joined_size };
	return STATUS_OK;
}

static enum status part_append(struct gcide_entry *entry, const struct line *line)
{
	struct gcide_part *part = &entry->parts[entry->part_count - 1];
	STATUS_TRY(
		memory_grow((void **)&entry->joined, &entry->joined_capacity, entry->joined_size + line->size + 1, 1));
	/* A dash at a line end stands for itself; no word is divided there. */
	if (part->end > part->begin)
		entry->joined[entry->joined_size++] = ' ';
	memcpy(entry->joined + entry->joined_size, line->text, line->size);
	entry->joined_size += line->size;
	part->end = entry->joined_size;
	return STATUS_OK;
}

enum status gcide_parts_find(const char *text, size_t size, struct gcide_entry *entry)
{
	entry->part_count = 0;
	entry->joined_size = 0;
	struct layout layout = { 0 };
	const char *cursor = text, *end = text + size;
	int current = -1;
	while (cursor < end) {
		struct line line = line_take(&cursor, end);
		if (line.size == 0) {
			layout.blank_before = true;
			continue;
		}
		int begins = line_begins(&layout, &line, current);
		if (begins >= 0) {
			STATUS_TRY(part_begin(entry, (enum gcide_part_kind)begins));
			current = begins;
			layout.square = layout.round = 0;
		}
		STATUS_TRY(part_append(entry, &line));
		if (current == PART_HEAD)
			bracket_count(&layout, &line);
		layout.previous = line;
		layout.blank_before = false;
	}
	return STATUS_OK;
}
