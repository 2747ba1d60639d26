/* Benchmarks: the table of results as an HDF5 file.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "results/provenance.h"

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
