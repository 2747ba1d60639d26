/* Benchmarks: the table of results, printed and stored.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "results/provenance.h"

struct bench_table {
	struct bench_field *fields; /* [rows, columns] */
	size_t rows, columns;
};

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

/* ---- stored */

static void column_write(struct hdf5_writer *writer, const struct bench_table *table, size_t column)
{
	const struct bench_field *first = &table->fields[column];
	const char **texts = bench_memory((int64_t)table->rows, sizeof *texts);
	double *numbers = bench_memory((int64_t)table->rows, sizeof *numbers);

	for (size_t row = 0; row < table->rows; row++) {
		texts[row] = first[row * table->columns].text;
		numbers[row] = first[row * table->columns].number;
	}
	if (first->text != NULL)
		bench_require(hdf5_write_texts(writer, first->name, table->rows, texts, first->meaning));
	else
		bench_require(hdf5_write_vector(writer, first->name, HDF5_FLOAT64, (int64_t)table->rows, numbers,
		                                first->unit, first->meaning));
	free(texts);
	free(numbers);
}

/* "model name" of /proc/cpuinfo. */
static void processor_name(char *name, size_t room)
{
	char line[512];
	FILE *file = fopen("/proc/cpuinfo", "r");

	snprintf(name, room, "unknown");
	while (file != NULL && fgets(line, sizeof line, file) != NULL) {
		char *value = strstr(line, ": ");
		if (strncmp(line, "model name", strlen("model name")) != 0 || value == NULL)
			continue;
		value[strcspn(value, "\n")] = '\0';
		snprintf(name, room, "%s", value + 2);
		break;
	}
	if (file != NULL)
		fclose(file);
}

static char *command_line(int count, char **words)
{
	size_t room = 1;
	for (int i = 0; i < count; i++)
		room += strlen(words[i]) + 1;
	char *line = bench_memory((int64_t)room, 1);
	for (int i = 0; i < count; i++) {
		strcat(line, i > 0 ? " " : "");
		strcat(line, words[i]);
	}
	return line;
}

void bench_table_write(const struct bench_table *table, const char *path, int count, char **words, const char *device)
{
	char processor[256], *command = command_line(count, words);
	const struct provenance provenance = { .command_line = command, .device = device, .ranks = 1 };
	struct hdf5_writer *writer;

	processor_name(processor, sizeof processor);
	bench_require(hdf5_create(path, &writer));
	for (size_t column = 0; column < table->columns; column++)
		column_write(writer, table, column);
	bench_require(provenance_write(writer, &provenance, NULL));
	bench_require(hdf5_write_text_attribute(writer, "provenance", "processor", processor));
	bench_require(hdf5_write_integer_attribute(writer, "provenance", "cores", sysconf(_SC_NPROCESSORS_ONLN)));
	bench_require(hdf5_commit(writer));
	free(command);
}
