/* Benchmarks: the table of results, printed, and lines of JSON. bench_store.c stores it.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

struct bench_field bench_field_text(const char *name, const char *meaning, const char *heading, const char *text)
{
	return (struct bench_field){ .name = name, .unit = "", .meaning = meaning, .heading = heading, .text = text };
}

struct bench_field bench_field_number(const char *name, const char *unit, const char *meaning, const char *heading,
                                      double number, double scale, int decimals)
{
	return (struct bench_field){ .name = name,
		                     .unit = unit,
		                     .meaning = meaning,
		                     .heading = heading,
		                     .number = number,
		                     .scale = scale,
		                     .decimals = decimals };
}

struct bench_table *bench_table_create(void)
{
	return bench_memory(1, sizeof(struct bench_table));
}

void bench_table_destroy(struct bench_table *table)
{
	for (size_t i = 0; i < table->rows * table->columns; i++)
		free((char *)table->fields[i].text);
	free(table->fields);
	free(table);
}

void bench_table_add(struct bench_table *table, const struct bench_field *fields, size_t count)
{
	if (table->rows > 0 && count != table->columns)
		bench_require(
			error_raise(STATUS_INTERNAL, "a row of %zu columns in a table of %zu", count, table->columns));
	struct bench_field *grown = realloc(table->fields, (table->rows + 1) * count * sizeof *grown);
	if (grown == NULL)
		bench_require(error_raise(STATUS_ENVIRONMENT, "out of memory"));
	table->fields = grown;
	table->columns = count;
	for (size_t i = 0; i < count; i++) {
		struct bench_field *field = &grown[table->rows * count + i];
		*field = fields[i];
		if (field->text != NULL && (field->text = strdup(field->text)) == NULL)
			bench_require(error_raise(STATUS_ENVIRONMENT, "out of memory"));
	}
	table->rows++;
}

/* ---- printed */

static void field_show(const struct bench_field *field, char *text, size_t room)
{
	if (field->text != NULL)
		snprintf(text, room, "%s", field->text);
	else if (isnan(field->number))
		snprintf(text, room, "-");
	else
		snprintf(text, room, "%.*f", field->decimals, field->number / (field->scale > 0 ? field->scale : 1));
}

static int column_width(const struct bench_table *table, size_t column)
{
	char text[256];
	size_t width = strlen(table->fields[column].heading);

	for (size_t row = 0; row < table->rows; row++) {
		field_show(&table->fields[row * table->columns + column], text, sizeof text);
		if (strlen(text) > width)
			width = strlen(text);
	}
	return (int)width;
}

/* Texts to the left, numbers to the right. row < 0: the heading. */
static void row_print(const struct bench_table *table, int64_t row)
{
	char text[256];

	for (size_t column = 0; column < table->columns; column++) {
		const struct bench_field *field = &table->fields[(row < 0 ? 0 : (size_t)row) * table->columns + column];
		int width = column_width(table, column);
		if (row < 0)
			snprintf(text, sizeof text, "%s", field->heading);
		else
			field_show(field, text, sizeof text);
		printf("%s%*s", column > 0 ? "  " : "", field->text != NULL ? -width : width, text);
	}
	printf("\n");
}

void bench_table_print(const struct bench_table *table, bool header)
{
	if (header && table->rows > 0)
		row_print(table, -1);
	for (size_t row = 0; row < table->rows; row++)
		row_print(table, (int64_t)row);
	fflush(stdout);
}

/* ---- lines of JSON */

static void json_text(FILE *file, const char *text)
{
	fputc('"', file);
	for (; *text != '\0'; text++)
		if (*text == '"' || *text == '\\' || (unsigned char)*text < ' ')
			fprintf(file, "\\u%04x", (unsigned)(unsigned char)*text);
		else
			fputc(*text, file);
	fputc('"', file);
}

void bench_json_append(const char *path, const char *kind, const struct bench_field *fields, size_t count)
{
	if (path == NULL)
		return;
	FILE *file = fopen(path, "a");
	if (file == NULL)
		bench_require(error_raise(STATUS_IO, "%s cannot be written: %s", path, strerror(errno)));
	fputs("{\"kind\": ", file);
	json_text(file, kind);
	for (size_t i = 0; i < count; i++) {
		fputs(", ", file);
		json_text(file, fields[i].name);
		fputs(": ", file);
		if (fields[i].text != NULL)
			json_text(file, fields[i].text);
		else if (isfinite(fields[i].number))
			fprintf(file, "%.10g", fields[i].number);
		else
			fputs("null", file);
	}
	bool failed = fputs("}\n", file) < 0;
	if (fclose(file) != 0 || failed)
		bench_require(error_raise(STATUS_IO, "%s cannot be written: %s", path, strerror(errno)));
}
