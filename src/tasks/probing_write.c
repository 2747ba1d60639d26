/* What the run file of a point says of its probes.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "base/memory.h"
#include "base/text.h"
#include "filter/score.h"
#include "storage/hdf5_file.h"
#include "tasks/probing_parts.h"
#include "tasks/unfinished.h"

/* Of the layers of a result: `first` in the first one, `stride` bytes on in the next. */
static enum status write_reals(struct hdf5_writer *writer, const char *group, const char *name, int count,
                               const double *first, size_t stride, const char *unit, const char *long_name)
{
	double *values = memory_allocate((size_t)count, sizeof *values);
	char *place = text_format("probes/%s/%s", group, name);
	enum status status = values == NULL || place == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	for (int i = 0; i < count && status == STATUS_OK; i++)
		memcpy(&values[i], (const char *)first + (size_t)i * stride, sizeof *values);
	if (status == STATUS_OK)
		status = hdf5_write_vector(writer, place, HDF5_FLOAT64, count, values, unit, long_name);
	free(place);
	free(values);
	return status;
}

static enum status write_flags(struct hdf5_writer *writer, const char *group, int count, const bool *first,
                               size_t stride)
{
	uint8_t *values = memory_allocate((size_t)count, sizeof *values);
	char *place = text_format("probes/%s/converged", group);
	enum status status = values == NULL || place == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	for (int i = 0; i < count && status == STATUS_OK; i++)
		values[i] = *(const bool *)((const char *)first + (size_t)i * stride);
	if (status == STATUS_OK)
		status = hdf5_write_vector(writer, place, HDF5_UINT8, count, values, "",
		                           "whether the fit ended at its minimum");
	free(place);
	free(values);
	return status;
}

static enum status write_figures(struct hdf5_writer *writer, const struct probing_results *results)
{
	static const struct {
		const char *name, *long_name;
	} names[PROBING_FIGURES] = {
		{ "f1", "F1 on test tokens, both classes weighing the same" },
		{ "f1_natural", "F1 on test tokens as they occur" },
		{ "auroc", "area under the receiver operating characteristic, test tokens" },
		{ "average_precision", "average precision, test tokens as they occur" },
		{ "accuracy", "balanced accuracy on test tokens, at the threshold of f1" },
	};
	const struct probing_tokens *tokens = results->tokens;
	int count = results->layers->count;
	for (int i = 0; i < PROBING_FIGURES; i++) {
		char name[40];
		snprintf(name, sizeof name, "validation_%s", names[i].name);
		STATUS_TRY(write_reals(writer, "tokens", names[i].name, count, &tokens->test[i], sizeof *tokens, "1",
		                       names[i].long_name));
		STATUS_TRY(write_reals(writer, "tokens", name, count, &tokens->validation[i], sizeof *tokens, "1",
		                       "the same on validation tokens"));
	}
	STATUS_TRY(write_reals(writer, "tokens", "gradient_norm", count, &tokens->gradient_norm, sizeof *tokens, "1",
	                       "of the mean loss, where the fit ended"));
	return write_flags(writer, "tokens", count, &tokens->converged, sizeof *tokens);
}

static double threshold_of(int32_t score)
{
	return score > SCORE_HIGHEST ? NAN : score_probability((uint16_t)score);
}

static enum status write_thresholds(struct hdf5_writer *writer, const struct probing_results *results)
{
	static const char *const names[LAYER_PREVALENCES] = { "threshold", "threshold_natural" };
	double *values = memory_allocate((size_t)results->layers->count, sizeof *values);
	enum status status = values == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	for (int i = 0; i < LAYER_PREVALENCES && status == STATUS_OK; i++) {
		for (int layer = 0; layer < results->layers->count; layer++)
			values[layer] = threshold_of(results->tokens[layer].threshold[i]);
		status = write_reals(writer, "tokens", names[i], results->layers->count, values, sizeof *values, "1",
		                     "probability from which on a token is called forget");
	}
	free(values);
	return status;
}

/* A row for each layer. */
static enum status write_rows(struct hdf5_writer *writer, const char *place, enum hdf5_type type, int layers,
                              int64_t documents, const void *const *rows, const char *long_name)
{
	size_t size = (size_t)documents * hdf5_type_size(type);
	char *values = memory_allocate((size_t)layers, size);
	const int64_t sizes[2] = { layers, documents };
	if (values == NULL)
		return STATUS_ENVIRONMENT;
	for (int i = 0; i < layers; i++)
		memcpy(values + (size_t)i * size, rows[i], size);
	enum status status = hdf5_write(writer, place, type, 2, sizes, values, "1", long_name);
	free(values);
	return status;
}

static enum status write_counts(struct hdf5_writer *writer, const struct probing_results *results)
{
	static const char *const names[2][LAYER_PREVALENCES] = {
		{ "probes/tokens/documents/true_forget", "probes/tokens/documents/true_forget_natural" },
		{ "probes/tokens/documents/false_forget", "probes/tokens/documents/false_forget_natural" },
	};
	int layers = results->layers->count;
	const void **rows = memory_allocate((size_t)layers, sizeof *rows);
	enum status status = rows == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	for (int kind = 0; kind < 2; kind++)
		for (int i = 0; i < LAYER_PREVALENCES && status == STATUS_OK; i++) {
			for (int layer = 0; layer < layers; layer++)
				rows[layer] = kind == 0 ? results->tokens[layer].true_forget[i]
				                        : results->tokens[layer].false_forget[i];
			status = write_rows(
				writer, names[kind][i], HDF5_INT32, layers, results->tokens[0].documents, rows,
				kind == 0 ? "forget tokens that are called so" : "other tokens that are called forget");
		}
	free(rows);
	return status;
}

static enum status write_tokens(struct hdf5_writer *writer, const struct probing_results *results)
{
	const struct probing_tokens *first = &results->tokens[0];
	int64_t sums[2] = { 0 };
	for (int64_t i = 0; i < first->documents; i++)
		for (int gold = 0; gold < 2; gold++)
			sums[gold] += first->golds[gold][i];
	STATUS_TRY(hdf5_write_integer_attribute(writer, "probes/tokens", "train_tokens",
	                                        results->probing->text.tokens.count));
	STATUS_TRY(hdf5_write_integer_attribute(writer, "probes/tokens", "test_tokens", sums[0] + sums[1]));
	STATUS_TRY(hdf5_write_real_attribute(writer, "probes/tokens", "prevalence",
	                                     (double)sums[1] / (double)(sums[0] + sums[1])));
	STATUS_TRY(hdf5_write_integer_attribute(writer, "probes/tokens", "best_layer",
	                                        results->layers->numbers[probing_best_layer(results)]));
	STATUS_TRY(write_figures(writer, results));
	STATUS_TRY(write_thresholds(writer, results));
	STATUS_TRY(hdf5_write_vector(writer, "probes/tokens/documents/number", HDF5_UINT64, first->documents,
	                             first->number, "1", "document number in the corpus"));
	STATUS_TRY(hdf5_write_vector(writer, "probes/tokens/documents/group", HDF5_UINT64, first->documents,
	                             first->group, "1", "equal where documents belong together"));
	STATUS_TRY(hdf5_write_vector(writer, "probes/tokens/documents/forget", HDF5_INT32, first->documents,
	                             first->golds[1], "1", "tokens that are labelled forget"));
	STATUS_TRY(hdf5_write_vector(writer, "probes/tokens/documents/other", HDF5_INT32, first->documents,
	                             first->golds[0], "1", "tokens that are labelled otherwise"));
	return write_counts(writer, results);
}

static enum status write_pair_documents(struct hdf5_writer *writer, const struct probing_results *results, int number,
                                        const char *group)
{
	const struct probing_text *text = &results->probing->text;
	const struct document_pair *test = &text->pairs[number].sets[LAYER_TEST];
	struct shard_set *set = text->sets[LAYER_TEST];
	int layers = results->layers->count;
	uint64_t *numbers = memory_allocate((size_t)test->count, sizeof *numbers);
	uint64_t *groups = memory_allocate((size_t)test->count, sizeof *groups);
	const void **rows = memory_allocate((size_t)layers, sizeof *rows);
	char *places[4] = { text_format("%s/documents/number", group), text_format("%s/documents/group", group),
		            text_format("%s/documents/side", group), text_format("%s/documents/correct", group) };
	enum status status = numbers == NULL || groups == NULL || rows == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	for (int i = 0; i < 4; i++)
		if (places[i] == NULL)
			status = STATUS_ENVIRONMENT;
	for (int64_t i = 0; i < test->count && status == STATUS_OK; i++) {
		int64_t document = text->documents[LAYER_TEST][test->rows[i]];
		numbers[i] = shard_set_document_number(set, document);
		groups[i] = shard_set_has_groups(set) ? shard_set_document_group(set, document) : numbers[i];
	}
	if (status == STATUS_OK)
		status = hdf5_write_vector(writer, places[0], HDF5_UINT64, test->count, numbers, "1",
		                           "document number in the corpus");
	if (status == STATUS_OK)
		status = hdf5_write_vector(writer, places[1], HDF5_UINT64, test->count, groups, "1",
		                           "equal where documents belong together");
	if (status == STATUS_OK)
		status = hdf5_write_vector(writer, places[2], HDF5_UINT8, test->count, test->sides, "1",
		                           "0: the first class, 1: the second");
	for (int layer = 0; layer < layers && status == STATUS_OK; layer++)
		rows[layer] = results->documents[layer].correct[number];
	if (status == STATUS_OK)
		status = write_rows(writer, places[3], HDF5_UINT8, layers, test->count, rows, "1: told rightly");
	for (int i = 0; i < 4; i++)
		free(places[i]);
	free(rows);
	free(groups);
	free(numbers);
	return status;
}

static enum status write_pair(struct hdf5_writer *writer, const struct probing_results *results, int number)
{
	const struct probing_pair *pair = &results->probing->text.pairs[number];
	const struct probing_documents *documents = results->documents;
	int count = results->layers->count;
	char *name = text_format("pairs/%s", pair->name), *group = text_format("probes/pairs/%s", pair->name);
	enum status status = name == NULL || group == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	if (status == STATUS_OK)
		status = hdf5_write_text_attribute(writer, group, "first", pair->classes[0]);
	if (status == STATUS_OK)
		status = hdf5_write_text_attribute(writer, group, "second", pair->classes[1]);
	if (status == STATUS_OK)
		status = hdf5_write_integer_attribute(writer, group, "train_documents", pair->sets[LAYER_TRAIN].count);
	if (status == STATUS_OK)
		status = hdf5_write_integer_attribute(
			writer, group, "best_layer",
			results->layers->numbers[probing_best_pair_layer(results, number)]);
	if (status == STATUS_OK)
		status = write_reals(writer, name, "accuracy", count, &documents->accuracy[number], sizeof *documents,
		                     "1", "balanced accuracy on test documents");
	if (status == STATUS_OK)
		status = write_reals(writer, name, "validation_accuracy", count, &documents->validation[number],
		                     sizeof *documents, "1", "the same on validation documents");
	if (status == STATUS_OK)
		status = write_flags(writer, name, count, &documents->converged[number], sizeof *documents);
	if (status == STATUS_OK)
		status = write_pair_documents(writer, results, number, group);
	free(name);
	free(group);
	return status;
}

int probing_best_layer(const struct probing_results *results)
{
	bool test = parameters_boolean(results->probing->parameters, "compat/probe_test_threshold");
	int best = 0;
	for (int i = 1; i < results->layers->count; i++) {
		const struct probing_tokens *own = &results->tokens[i], *other = &results->tokens[best];
		if ((test ? own->test : own->validation)[PROBING_F1] >
		    (test ? other->test : other->validation)[PROBING_F1])
			best = i;
	}
	return best;
}

int probing_best_pair_layer(const struct probing_results *results, int pair)
{
	int best = 0;
	for (int i = 1; i < results->layers->count; i++)
		if (results->documents[i].validation[pair] > results->documents[best].validation[pair])
			best = i;
	return best;
}

/* The keys that decided. */
static enum status write_settings(struct hdf5_writer *writer, const struct parameters *parameters)
{
	size_t count;
	const struct key *keys = keys_table(&count);
	for (size_t i = 0; i < count; i++)
		if (keys_decides(&keys[i], "probe"))
			STATUS_TRY(hdf5_write_text_attribute(writer, "probes/settings", keys[i].name,
			                                     parameters_value(parameters, keys[i].name)));
	return STATUS_OK;
}

/* What tells a report whether models were probed alike. */
static enum status write_settings_hash(struct hdf5_writer *writer, const struct parameters *parameters)
{
	char hash[CONTENT_HASH_SIZE], *keys = unfinished_keys(parameters, "data/folder");
	if (keys == NULL)
		return STATUS_ENVIRONMENT;
	checksum_content_hash(keys, strlen(keys), hash);
	free(keys);
	return hdf5_write_text_attribute(writer, "probes", "settings_hash", hash);
}

enum status probing_results_note(struct hdf5_writer *writer, const void *context)
{
	const struct probing_results *results = context;
	const struct probing *probing = results->probing;
	STATUS_TRY(hdf5_write_text_attribute(writer, "probes", "folder", probing->text.folder));
	STATUS_TRY(write_settings(writer, probing->parameters));
	STATUS_TRY(write_settings_hash(writer, probing->parameters));
	STATUS_TRY(hdf5_write_vector(writer, "probes/layer", HDF5_INT32, results->layers->count,
	                             results->layers->numbers, "1", "0: the embedding, n: after block n"));
	if (results->classifier != NULL) {
		STATUS_TRY(hdf5_write_text_attribute(writer, "probes", "classifier", results->classifier));
		STATUS_TRY(hdf5_write_real_attribute(writer, "probes", "classifier_f1", results->classifier_f1));
		STATUS_TRY(hdf5_write_real_attribute(writer, "probes", "classifier_f1_natural",
		                                     results->classifier_f1_natural));
	}
	if (results->tokens != NULL)
		STATUS_TRY(write_tokens(writer, results));
	for (int i = 0; i < probing->text.pair_count && results->documents != NULL; i++)
		STATUS_TRY(write_pair(writer, results, i));
	return STATUS_OK;
}
