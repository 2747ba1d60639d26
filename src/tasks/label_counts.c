/* Labels of the tokens of a document, what they are held against, and the tables.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "results/provenance.h"
#include "tasks/label_parts.h"

const char *label_set_name(int set)
{
	static const char *const names[LABEL_SETS] = { "train", "validation", "test" };
	return names[set];
}

bool label_is_wanted(const struct labelling *work, int split)
{
	for (size_t i = 0; i < parameters_list_count(work->parameters, "label/sets"); i++)
		if (strcmp(parameters_list_item(work->parameters, "label/sets", i), label_set_name(split)) == 0)
			return true;
	return false;
}

static bool is_eligible(const struct labelling *work, uint8_t domain)
{
	for (size_t i = 0; i < parameters_list_count(work->parameters, "label/domains"); i++)
		if (strcmp(parameters_list_item(work->parameters, "label/domains", i),
		           domain_name((enum domain)domain)) == 0)
			return true;
	return false;
}

/* The label of a token that is not forget, of a document of this domain (docs/corpus.md). */
static uint8_t outside_label(uint8_t domain)
{
	return domain == DOMAIN_RETAIN || domain == DOMAIN_OTHER || domain == DOMAIN_HARD ? domain : DOMAIN_UNMARKED;
}

static void set_labels(const struct labelling *work, const uint8_t *marks, int64_t tokens, uint8_t *domain,
                       uint8_t *labels)
{
	bool eligible = is_eligible(work, *domain);
	int64_t forget = 0;
	for (int64_t i = 0; i < tokens; i++) {
		bool is_forget = eligible && (marks[i] & LATENT_FORGET) != 0;
		labels[i] = is_forget ? DOMAIN_FORGET : eligible ? outside_label(*domain) : *domain;
		forget += is_forget;
	}
	if (eligible && *domain == DOMAIN_UNLABELLED) /* now somebody has said something about it */
		*domain = tokens > 0 && 2 * forget >= tokens ? DOMAIN_FORGET : DOMAIN_UNMARKED;
}

/* Against the labels that the text has. */
static void compare_token(uint8_t gold, uint8_t mark, bool by_label, bool by_document, struct label_counts *counts)
{
	bool is_forget = gold == DOMAIN_FORGET;
	if (gold == DOMAIN_MIXED || gold == DOMAIN_UNLABELLED)
		return;
	int64_t *votes = is_forget ? counts->positive : counts->negative;
	int64_t *said = is_forget ? counts->hits : counts->alarms;
	votes[mark & LATENT_VOTES]++;
	said[0] += by_label;
	said[1] += by_document;
}

void label_document(const struct labelling *work, const uint8_t *marks, const int32_t *ids, const uint8_t *gold,
                    int64_t tokens, uint8_t *domain, uint8_t *labels, struct label_counts *counts)
{
	uint8_t before = *domain;
	set_labels(work, marks, tokens, domain, labels);
	for (int64_t i = 0; i < tokens; i++) {
		bool is_forget = labels[i] == DOMAIN_FORGET;
		if (ids[i] == work->end_of_text)
			continue;
		counts->tokens[before]++;
		counts->forget[before] += is_forget;
		if (counts->known)
			compare_token(gold[i], marks[i], is_forget, before == DOMAIN_FORGET, counts);
	}
}

/* ---- measures ---- */

struct measures {
	double prevalence, precision, recall, f1, auroc;
};

static double divide(double part, double whole)
{
	return whole > 0 ? part / whole : NAN;
}

static void sum_classes(const struct label_counts *counts, double *positive, double *negative)
{
	*positive = *negative = 0;
	for (int i = 0; i <= LATENT_VOTES; i++) {
		*positive += (double)counts->positive[i];
		*negative += (double)counts->negative[i];
	}
}

/* Chance that a forget token has more votes than another one; equal ones count half. */
static double area_of_votes(const struct label_counts *counts)
{
	double positive, negative, below = 0, area = 0;
	sum_classes(counts, &positive, &negative);
	for (int i = 0; i <= LATENT_VOTES; i++) {
		area += (double)counts->positive[i] * (below + 0.5 * (double)counts->negative[i]);
		below += (double)counts->negative[i];
	}
	return divide(area, positive * negative);
}

/* who 0: the labels; 1: the documents' domains. */
static struct measures measure(const struct label_counts *counts, int who)
{
	double positive, negative, hits = (double)counts->hits[who], alarms = (double)counts->alarms[who];
	sum_classes(counts, &positive, &negative);
	struct measures measures = { .prevalence = divide(positive, positive + negative),
		                     .precision = divide(hits, hits + alarms),
		                     .recall = divide(hits, positive),
		                     .f1 = divide(2 * hits, hits + alarms + positive) };
	measures.auroc =
		who == 0 ? area_of_votes(counts) : 0.5 * (divide(hits, positive) + 1 - divide(alarms, negative));
	return measures;
}

static const char *const who_names[2] = { "autoencoder", "document" };

static void print_measures(const struct label_counts counts[LABEL_SETS])
{
	log_info(
		"against the labels that the text has, at natural prevalence (auroc: of the votes, before they spread; document: "
		"all tokens of forget documents):");
	log_info("%-11s %-11s %9s %9s %9s %9s %9s %12s", "set", "labels", "precision", "recall", "f1", "auroc",
	         "forget", "tokens");
	for (int set = 0; set < LABEL_SETS; set++)
		for (int who = 0; who < 2 && counts[set].known; who++) {
			struct measures measures = measure(&counts[set], who);
			double positive, negative;
			sum_classes(&counts[set], &positive, &negative);
			log_info("%-11s %-11s %9.3f %9.3f %9.3f %9.3f %9.4f %12.0f", label_set_name(set),
			         who_names[who], measures.precision, measures.recall, measures.f1, measures.auroc,
			         measures.prevalence, positive + negative);
		}
}

void label_print_counts(const struct label_counts counts[LABEL_SETS])
{
	bool known = false;
	log_info("%-11s %-10s %12s %14s %16s", "set", "domain", "documents", "their tokens", "labelled forget");
	for (int set = 0; set < LABEL_SETS; set++) {
		known |= counts[set].known != 0;
		for (int domain = 0; domain < DOMAIN_COUNT; domain++)
			if (counts[set].tokens[domain] > 0)
				log_info("%-11s %-10s %12lld %14lld %14.2f %%", label_set_name(set),
				         domain_name((enum domain)domain), (long long)counts[set].before[domain],
				         (long long)counts[set].tokens[domain],
				         100 * (double)counts[set].forget[domain] / (double)counts[set].tokens[domain]);
	}
	if (known)
		print_measures(counts);
}

/* ---- corpus.h5 ---- */

static enum status write_measures(struct hdf5_writer *writer, const struct label_counts counts[LABEL_SETS])
{
	for (int set = 0; set < LABEL_SETS; set++)
		for (int who = 0; who < 2 && counts[set].known; who++) {
			struct measures measures = measure(&counts[set], who);
			const struct {
				const char *name;
				double value;
			} values[] = { { "precision", measures.precision },
				       { "recall", measures.recall },
				       { "f1", measures.f1 },
				       { "auroc", measures.auroc },
				       { "prevalence", measures.prevalence } };
			char *group = text_format("metrics/%s/%s", who_names[who], label_set_name(set));
			enum status status = group == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
			for (size_t i = 0; i < sizeof values / sizeof *values && status == STATUS_OK; i++)
				status = hdf5_write_real_attribute(writer, group, values[i].name, values[i].value);
			free(group);
			STATUS_TRY(status);
		}
	return STATUS_OK;
}

static enum status write_tables(struct hdf5_writer *writer, const struct label_counts counts[LABEL_SETS])
{
	const char *sets[LABEL_SETS], *domains[DOMAIN_COUNT];
	int64_t documents[LABEL_SETS][DOMAIN_COUNT], tokens[LABEL_SETS][DOMAIN_COUNT];
	int64_t sizes[2] = { LABEL_SETS, DOMAIN_COUNT };
	for (int domain = 0; domain < DOMAIN_COUNT; domain++)
		domains[domain] = domain_name((enum domain)domain);
	for (int set = 0; set < LABEL_SETS; set++) {
		sets[set] = label_set_name(set);
		memcpy(documents[set], counts[set].documents, sizeof documents[set]);
		memcpy(tokens[set], counts[set].labelled, sizeof tokens[set]);
	}
	STATUS_TRY(hdf5_write(writer, "documents", HDF5_INT64, 2, sizes, documents, "documents",
	                      "documents by set and domain"));
	STATUS_TRY(hdf5_write(writer, "tokens", HDF5_INT64, 2, sizes, tokens, "tokens", "tokens by set and label"));
	STATUS_TRY(hdf5_write_texts(writer, "sets", LABEL_SETS, sets, "names of the sets"));
	STATUS_TRY(hdf5_write_texts(writer, "domains", DOMAIN_COUNT, domains, "names of the domains"));
	return write_measures(writer, counts);
}

/* What the text itself was made of: tasks ask for it (generate/entanglement). "" where nothing says so. */
static enum status write_origin(const struct labelling *work, struct hdf5_writer *writer)
{
	static const char *const keys[] = { "corpus/format", "generate/entanglement" };
	struct hdf5_reader *reader = NULL;
	char *path = text_join_path(work->data, "corpus.h5");
	enum status status = path == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	if (status == STATUS_OK && hdf5_is_complete(path))
		status = hdf5_open(path, &reader);
	free(path);
	for (size_t i = 0; i < 2 && status == STATUS_OK && reader != NULL; i++) {
		char *value = NULL;
		if (hdf5_read_text_attribute(reader, "origin", keys[i], &value) != STATUS_OK &&
		    hdf5_read_text_attribute(reader, "parameters", keys[i], &value) != STATUS_OK)
			error_clear();
		else
			status = hdf5_write_text_attribute(writer, "origin", keys[i], value);
		free(value);
	}
	if (reader != NULL)
		hdf5_close(reader);
	error_clear();
	return status;
}

static enum status write_facts(const struct labelling *work, struct hdf5_writer *writer)
{
	STATUS_TRY(hdf5_write_text_attribute(writer, "/", "format", "capshape-corpus"));
	STATUS_TRY(hdf5_write_integer_attribute(writer, "/", "format_version", 2));
	STATUS_TRY(hdf5_write_text_attribute(writer, "/", "tokenizer_hash",
	                                     shard_set_facts(work->sets[LABEL_TRAIN])->tokenizer_hash));
	STATUS_TRY(hdf5_write_text_attribute(writer, "labels", "made_with", work->made_with));
	STATUS_TRY(hdf5_write_text_attribute(writer, "labels", "autoencoder", work->identity));
	STATUS_TRY(hdf5_write_text_attribute(writer, "labels", "model_run",
	                                     parameters_text(work->parameters, "start/run")));
	STATUS_TRY(hdf5_write_text_attribute(writer, "labels", "model_point", work->start.name));
	STATUS_TRY(hdf5_write_text_attribute(writer, "labels", "model_identity", work->start.identity));
	STATUS_TRY(hdf5_write_text_attribute(writer, "labels", "data_folder", work->data));
	for (int set = 0; set < LABEL_SETS; set++) {
		char *name = text_format("data_%s_hash", label_set_name(set));
		enum status status = name == NULL ? STATUS_ENVIRONMENT
		                                  : hdf5_write_text_attribute(writer, "labels", name,
		                                                              shard_set_content_hash(work->sets[set]));
		free(name);
		STATUS_TRY(status);
	}
	return STATUS_OK;
}

enum status label_write_corpus(const struct labelling *work, const char *path,
                               const struct label_counts counts[LABEL_SETS])
{
	struct provenance provenance = { .command_line = work->job->command_line,
		                         .device = work->devices.kernels->device_describe(work->devices.device),
		                         .ranks = work->world->size };
	struct hdf5_writer *writer = NULL;
	STATUS_TRY(hdf5_create(path, &writer));
	enum status status = write_tables(writer, counts);
	if (status == STATUS_OK)
		status = write_facts(work, writer);
	if (status == STATUS_OK)
		status = write_origin(work, writer);
	if (status == STATUS_OK)
		status = provenance_write(writer, &provenance, work->parameters);
	if (status != STATUS_OK) {
		hdf5_abandon(writer);
		return status;
	}
	return hdf5_commit(writer);
}
