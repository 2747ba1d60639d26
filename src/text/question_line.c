/* Lines of questions with jansson.
 * SPDX-License-Identifier: Apache-2.0 */
#include "text/question_line.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

struct question_reader {
	struct question_line_options options;
	json_t *root;                              /* of the line last read */
	const char *labels[QUESTION_MOST_CHOICES]; /* what the choices are called; NULL: A, B, ... */
	/* the texts of the line, copied to be trimmed */
	char *bytes;
	size_t used, capacity;
};

enum status question_reader_create(const struct question_line_options *options, struct question_reader **reader_out)
{
	*reader_out = memory_allocate(1, sizeof **reader_out);
	if (*reader_out == NULL)
		return STATUS_ENVIRONMENT;
	(*reader_out)->options = *options;
	return STATUS_OK;
}

void question_reader_destroy(struct question_reader *reader)
{
	if (reader == NULL)
		return;
	json_decref(reader->root);
	free(reader->bytes);
	free(reader);
}

/* ---- texts ---- */

static bool is_space(char byte)
{
	return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r' || byte == '\v' || byte == '\f';
}

/* A copy of a text without white space at its ends. There is room for all texts of the line, so none ever moves. */
static const char *trim(struct question_reader *reader, const char *text, size_t size)
{
	while (size > 0 && is_space(text[0])) {
		text++;
		size--;
	}
	while (size > 0 && is_space(text[size - 1]))
		size--;
	char *copy = reader->bytes + reader->used;
	memcpy(copy, text, size);
	copy[size] = '\0';
	reader->used += size + 1;
	return copy;
}

static bool has_zero(const json_t *value)
{
	return strlen(json_string_value(value)) != json_string_length(value);
}

/* A text that may be missing or null; NULL then. */
static enum status read_text(struct question_reader *reader, const char *key, const char **out)
{
	const json_t *value = json_object_get(reader->root, key);
	*out = NULL;
	if (value == NULL || json_is_null(value))
		return STATUS_OK;
	if (!json_is_string(value) || has_zero(value))
		return error_raise(STATUS_DATA, "\"%s\" is not a string", key);
	*out = trim(reader, json_string_value(value), json_string_length(value));
	return STATUS_OK;
}

/* The same, but a whole number is its digits. */
static enum status read_name(struct question_reader *reader, const char *key, const char **out)
{
	const json_t *value = key[0] == '\0' ? NULL : json_object_get(reader->root, key);
	char digits[32];
	*out = NULL;
	if (value == NULL || json_is_null(value))
		return STATUS_OK;
	if (json_is_integer(value)) {
		snprintf(digits, sizeof digits, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
		*out = trim(reader, digits, strlen(digits));
		return STATUS_OK;
	}
	if (!json_is_string(value))
		return error_raise(STATUS_DATA, "\"%s\" is neither a string nor a whole number", key);
	if (json_string_length(value) > QUESTION_MOST_NAME)
		return error_raise(STATUS_DATA, "\"%s\" is longer than %d bytes", key, QUESTION_MOST_NAME);
	return read_text(reader, key, out);
}

/* ---- choices ---- */

/* Number `place` is that of the text in its list, from 0. */
static enum status add_choice(struct question_reader *reader, const json_t *value, const char *label,
                              struct question_line *out)
{
	int place = out->count;
	if (place == QUESTION_MOST_CHOICES)
		return error_raise(STATUS_DATA, "a question has more than %d choices", QUESTION_MOST_CHOICES);
	if (!json_is_string(value) || has_zero(value))
		return error_raise(STATUS_DATA, "choice %d (from 0) is not a string", place);
	const char *text = json_string_value(value);
	size_t size = json_string_length(value);
	const char *choice = trim(reader, text, size), *equals = strchr(text, '=');
	if (reader->options.cut && equals != NULL) {
		const char *before = trim(reader, text, (size_t)(equals - text));
		choice = before[0] != '\0' ? before : choice;
	}
	if (choice[0] == '\0')
		return error_raise(STATUS_DATA, "choice %d (from 0) is empty", place);
	reader->labels[place] = label;
	out->choices[out->count++] = choice;
	return STATUS_OK;
}

static enum status add_array(struct question_reader *reader, const json_t *texts, const json_t *labels,
                             struct question_line *out)
{
	for (size_t i = 0; i < json_array_size(texts); i++)
		STATUS_TRY(add_choice(reader, json_array_get(texts, i), json_string_value(json_array_get(labels, i)),
		                      out));
	return STATUS_OK;
}

/* ["...", "..."], {"A": "...", "B": "..."} or {"text": ["...", "..."], "label": ["A", "B"]} */
static enum status read_choices(struct question_reader *reader, struct question_line *out)
{
	static const char *const keys[] = { "choices", "options", "answers" };
	json_t *choices = NULL, *value;
	const char *label;
	for (size_t i = 0; i < sizeof keys / sizeof keys[0] && choices == NULL; i++)
		choices = json_object_get(reader->root, keys[i]);
	if (json_is_array(choices)) {
		STATUS_TRY(add_array(reader, choices, NULL, out));
	} else if (json_is_array(json_object_get(choices, "text"))) {
		STATUS_TRY(add_array(reader, json_object_get(choices, "text"), json_object_get(choices, "label"), out));
	} else if (json_is_object(choices)) {
		json_object_foreach(choices, label, value)
		{
			STATUS_TRY(add_choice(reader, value, label, out));
		}
	} else {
		return error_raise(STATUS_DATA, "the key \"choices\" is missing, or not an array of strings");
	}
	if (out->count < 2)
		return error_raise(STATUS_DATA, "a question needs two choices or more, this one has %d", out->count);
	return STATUS_OK;
}

/* ---- the answer ---- */

static bool is_label(const struct question_reader *reader, int place, const char *text)
{
	char letter[2] = { (char)('A' + place), '\0' };
	return strcmp(reader->labels[place] != NULL ? reader->labels[place] : letter, text) == 0;
}

/* A letter, or the text of a choice; when it could be either, both must mean the same. */
static enum status find_answer(const struct question_reader *reader, const char *text, struct question_line *out)
{
	int by_label = -1, by_text = -1;
	for (int i = out->count; i-- > 0;) {
		by_label = is_label(reader, i, text) ? i : by_label;
		by_text = strcmp(out->choices[i], text) == 0 ? i : by_text;
	}
	if (by_label < 0 && by_text < 0)
		return error_raise(STATUS_DATA, "the answer \"%.80s\" is neither the letter nor the text of a choice",
		                   text);
	if (by_label >= 0 && by_text >= 0 && by_label != by_text)
		return error_raise(STATUS_DATA,
		                   "the answer \"%.80s\" is the letter of one choice and the text of another: give its "
		                   "number, from 0",
		                   text);
	out->correct = by_label >= 0 ? by_label : by_text;
	return STATUS_OK;
}

static enum status read_answer(struct question_reader *reader, struct question_line *out)
{
	static const char *const keys[] = { "answer", "answer_idx", "answerKey" };
	const json_t *answer = NULL;
	for (size_t i = 0; i < sizeof keys / sizeof keys[0] && (answer == NULL || json_is_null(answer)); i++)
		answer = json_object_get(reader->root, keys[i]);
	if (json_is_string(answer) && !has_zero(answer)) {
		const char *text = trim(reader, json_string_value(answer), json_string_length(answer));
		const char *equals = strchr(text, '=');
		/* As the choices are cut. */
		if (reader->options.cut && equals != NULL && equals > text)
			text = trim(reader, text, (size_t)(equals - text));
		return find_answer(reader, text, out);
	}
	if (!json_is_integer(answer))
		return error_raise(
			STATUS_DATA,
			"\"answer\" is neither a whole number from 0, nor a letter, nor the text of a choice");
	json_int_t number = json_integer_value(answer);
	if (number < 0 || number >= out->count)
		return error_raise(STATUS_DATA,
		                   "the answer is %" JSON_INTEGER_FORMAT
		                   ", but choices are numbered from 0, here 0 to %d",
		                   number, out->count - 1);
	out->correct = (int)number;
	return STATUS_OK;
}

/* ---- the line ---- */

static enum status read_labels(struct question_reader *reader, struct question_line *out)
{
	const char *domain = NULL;
	STATUS_TRY(read_name(reader, reader->options.set_key, &out->set));
	STATUS_TRY(read_name(reader, reader->options.group_key, &out->group));
	STATUS_TRY(read_name(reader, "id", &out->id));
	STATUS_TRY(read_text(reader, "domain", &domain));
	if (out->group == NULL)
		out->group = "";
	if (out->set != NULL && out->set[0] == '\0')
		out->set = NULL;
	if (out->id != NULL && out->id[0] == '\0')
		out->id = NULL;
	out->domain = DOMAIN_COUNT;
	return domain == NULL || domain[0] == '\0' ? STATUS_OK : domain_from_name(domain, &out->domain);
}

enum status question_reader_read(struct question_reader *reader, const char *line, size_t size,
                                 struct question_line *out)
{
	json_error_t error;
	*out = (struct question_line){ 0 };
	json_decref(reader->root);
	reader->root = json_loadb(line, size, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &error);
	if (reader->root == NULL)
		return error_raise(STATUS_DATA, "not JSON at byte %d: %s", error.position, error.text);
	if (!json_is_object(reader->root))
		return error_raise(STATUS_DATA, "a line must be a JSON object with the keys \"question\", \"choices\" "
		                                "and \"answer\"");
	/* Each text is copied at most three times (cut, group and set of one key), each copy ends with a zero. */
	STATUS_TRY(memory_grow((void **)&reader->bytes, &reader->capacity, 4 * size + 1024, 1));
	reader->used = 0;
	STATUS_TRY(read_text(reader, "question", &out->question));
	STATUS_TRY(read_text(reader, "context", &out->context));
	if (out->question == NULL || out->question[0] == '\0')
		return error_raise(STATUS_DATA, "the key \"question\" is missing or empty");
	if (out->context == NULL)
		out->context = "";
	STATUS_TRY(read_choices(reader, out));
	STATUS_TRY(read_answer(reader, out));
	for (int i = 0; i < out->count; i++)
		if (i != out->correct && strcmp(out->choices[i], out->choices[out->correct]) == 0)
			out->repeated = true;
	return read_labels(reader, out);
}
