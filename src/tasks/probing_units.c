/* Files of the units of the work on a point's probes.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "storage/hdf5_file.h"
#include "tasks/probing_parts.h"

/* The figures of a unit of tokens as one vector. */
enum { TOKEN_NUMBERS = 2 * PROBING_FIGURES + LAYER_PREVALENCES + 2 };

static void pack_tokens(const struct probing_tokens *tokens, double numbers[TOKEN_NUMBERS])
{
	double *at = numbers;
	memcpy(at, tokens->test, sizeof tokens->test);
	memcpy(at += PROBING_FIGURES, tokens->validation, sizeof tokens->validation);
	at += PROBING_FIGURES;
	for (int i = 0; i < LAYER_PREVALENCES; i++)
		*at++ = tokens->threshold[i];
	*at++ = tokens->gradient_norm;
	*at = tokens->converged;
}

static void unpack_tokens(const double numbers[TOKEN_NUMBERS], struct probing_tokens *tokens)
{
	const double *at = numbers;
	memcpy(tokens->test, at, sizeof tokens->test);
	memcpy(tokens->validation, at += PROBING_FIGURES, sizeof tokens->validation);
	at += PROBING_FIGURES;
	for (int i = 0; i < LAYER_PREVALENCES; i++)
		tokens->threshold[i] = (int32_t)*at++;
	tokens->gradient_norm = *at++;
	tokens->converged = *at != 0;
}

struct column {
	const char *name;
	enum hdf5_type type;
	void **values;
};

enum { TOKEN_COLUMNS = 8 };
static void list_columns(struct probing_tokens *tokens, struct column columns[TOKEN_COLUMNS])
{
	const struct column all[TOKEN_COLUMNS] = {
		{ "number", HDF5_UINT64, (void **)&tokens->number },
		{ "group", HDF5_UINT64, (void **)&tokens->group },
		{ "other", HDF5_INT32, (void **)&tokens->golds[0] },
		{ "forget", HDF5_INT32, (void **)&tokens->golds[1] },
		{ "true_forget", HDF5_INT32, (void **)&tokens->true_forget[0] },
		{ "false_forget", HDF5_INT32, (void **)&tokens->false_forget[0] },
		{ "true_forget_natural", HDF5_INT32, (void **)&tokens->true_forget[1] },
		{ "false_forget_natural", HDF5_INT32, (void **)&tokens->false_forget[1] },
	};
	memcpy(columns, all, sizeof all);
}

static enum status begin(const char *path, const char *name, struct hdf5_writer **writer)
{
	STATUS_TRY(hdf5_create(path, writer));
	enum status status = hdf5_write_text_attribute(*writer, "/", "made_with", name);
	if (status != STATUS_OK)
		hdf5_abandon(*writer);
	return status;
}

static enum status end(struct hdf5_writer *writer, enum status status)
{
	if (status == STATUS_OK)
		return hdf5_commit(writer);
	hdf5_abandon(writer);
	return status;
}

/* *reader NULL: the file is not there, or is not of `name`. */
static void begin_reading(const char *path, const char *name, struct hdf5_reader **reader)
{
	char *made_with = NULL;
	*reader = NULL;
	if (!hdf5_is_complete(path) || hdf5_open(path, reader) != STATUS_OK) {
		error_clear();
		*reader = NULL;
		return;
	}
	bool same = hdf5_read_text_attribute(*reader, "/", "made_with", &made_with) == STATUS_OK &&
	            strcmp(made_with, name) == 0;
	error_clear();
	free(made_with);
	if (same)
		return;
	hdf5_close(*reader);
	*reader = NULL;
}

enum status probing_tokens_write(const char *path, const char *name, const struct probing_tokens *tokens)
{
	struct hdf5_writer *writer = NULL;
	struct column columns[TOKEN_COLUMNS];
	double numbers[TOKEN_NUMBERS];
	struct probing_tokens own = *tokens;
	pack_tokens(tokens, numbers);
	list_columns(&own, columns);
	STATUS_TRY(begin(path, name, &writer));
	enum status status = hdf5_write_vector(writer, "numbers", HDF5_FLOAT64, TOKEN_NUMBERS, numbers, NULL, NULL);
	for (int i = 0; i < TOKEN_COLUMNS && status == STATUS_OK; i++)
		status = hdf5_write_vector(writer, columns[i].name, columns[i].type, tokens->documents,
		                           *columns[i].values, NULL, NULL);
	return end(writer, status);
}

enum status probing_tokens_read(const char *path, const char *name, struct probing_tokens *tokens, bool *found)
{
	struct hdf5_reader *reader = NULL;
	struct column columns[TOKEN_COLUMNS];
	double numbers[TOKEN_NUMBERS];
	int64_t count = 0;
	begin_reading(path, name, &reader);
	*found = reader != NULL;
	if (!*found)
		return STATUS_OK;
	list_columns(tokens, columns);
	enum status status = hdf5_read(reader, "numbers", HDF5_FLOAT64, TOKEN_NUMBERS, numbers);
	for (int i = 0; i < TOKEN_COLUMNS && status == STATUS_OK; i++) {
		status = hdf5_read_all(reader, columns[i].name, columns[i].type, columns[i].values, &count);
		if (status == STATUS_OK && i > 0 && count != tokens->documents)
			status = error_raise(STATUS_DATA, "%s: %s has %lld rows where its neighbours have %lld", path,
			                     columns[i].name, (long long)count, (long long)tokens->documents);
		tokens->documents = count;
	}
	if (status == STATUS_OK)
		unpack_tokens(numbers, tokens);
	hdf5_close(reader);
	return status;
}

enum status probing_documents_write(const char *path, const char *name, const struct probing_text *text,
                                    const struct probing_documents *documents)
{
	struct hdf5_writer *writer = NULL;
	STATUS_TRY(begin(path, name, &writer));
	enum status status = STATUS_OK;
	for (int i = 0; i < text->pair_count && status == STATUS_OK; i++) {
		const double numbers[3] = { documents->accuracy[i], documents->validation[i], documents->converged[i] };
		char place[48];
		snprintf(place, sizeof place, "pair%02d/numbers", i);
		status = hdf5_write_vector(writer, place, HDF5_FLOAT64, 3, numbers, NULL, NULL);
		snprintf(place, sizeof place, "pair%02d/correct", i);
		if (status == STATUS_OK)
			status = hdf5_write_vector(writer, place, HDF5_UINT8, text->pairs[i].sets[LAYER_TEST].count,
			                           documents->correct[i], NULL, NULL);
	}
	return end(writer, status);
}

static enum status read_pair(struct hdf5_reader *reader, int pair, int64_t count, struct probing_documents *documents)
{
	double numbers[3];
	char place[48];
	snprintf(place, sizeof place, "pair%02d/numbers", pair);
	STATUS_TRY(hdf5_read(reader, place, HDF5_FLOAT64, 3, numbers));
	snprintf(place, sizeof place, "pair%02d/correct", pair);
	documents->accuracy[pair] = numbers[0];
	documents->validation[pair] = numbers[1];
	documents->converged[pair] = numbers[2] != 0;
	documents->correct[pair] = memory_allocate((size_t)count, sizeof *documents->correct[pair]);
	return documents->correct[pair] == NULL ? STATUS_ENVIRONMENT
	                                        : hdf5_read(reader, place, HDF5_UINT8, count, documents->correct[pair]);
}

enum status probing_documents_read(const char *path, const char *name, const struct probing_text *text,
                                   struct probing_documents *documents, bool *found)
{
	struct hdf5_reader *reader = NULL;
	begin_reading(path, name, &reader);
	*found = reader != NULL;
	if (!*found)
		return STATUS_OK;
	enum status status = STATUS_OK;
	for (int i = 0; i < text->pair_count && status == STATUS_OK; i++)
		status = read_pair(reader, i, text->pairs[i].sets[LAYER_TEST].count, documents);
	hdf5_close(reader);
	return status;
}
