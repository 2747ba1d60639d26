/* Counting labelled documents.
 * SPDX-License-Identifier: Apache-2.0 */
#include "classifier/fit_labels.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "text/corpus.h"

enum { SETS = 3 };

static const char *const set_names[SETS] = { "train", "validation", "test" };

struct label_counts {
	int64_t documents[DOMAIN_COUNT], tokens[DOMAIN_COUNT]; /* tokens without end-of-text */
	int64_t all_documents, all_tokens;
};

static struct label_counts count_documents(const struct shard_set *set)
{
	struct label_counts counts = { .all_documents = shard_set_documents(set) };
	for (int64_t i = 0; i < counts.all_documents; i++) {
		int64_t tokens = shard_set_document_tokens(set, i) - 1;
		counts.documents[shard_set_document_domain(set, i)]++;
		counts.tokens[shard_set_document_domain(set, i)] += tokens;
		counts.all_tokens += tokens;
	}
	return counts;
}

/* Only whole documents are labelled. */
static enum status check_documents(const char *folder, const struct label_counts *counts, bool documents)
{
	int64_t forget = counts->documents[DOMAIN_FORGET];
	int64_t others =
		counts->all_documents - forget - counts->documents[DOMAIN_MIXED] - counts->documents[DOMAIN_UNLABELLED];
	if (forget == 0 || others == 0)
		return error_raise(
			STATUS_DATA,
			"%s: the training set has %lld forget documents and %lld that are labelled otherwise (%lld "
			"mixed, %lld unlabelled): the classifier needs both (docs/corpus.md)",
			folder, (long long)forget, (long long)others, (long long)counts->documents[DOMAIN_MIXED],
			(long long)counts->documents[DOMAIN_UNLABELLED]);
	if (!documents)
		return error_raise(
			STATUS_DATA,
			"%s: only whole documents are labelled in the data: set classifier/labels = document", folder);
	return STATUS_OK;
}

static enum status check_set(const char *folder, int number, bool documents)
{
	struct shard_set *set = NULL;
	STATUS_TRY(shard_set_open(folder, set_names[number], &set));
	struct label_counts counts = count_documents(set);
	bool spans = shard_set_facts(set)->has_token_labels;
	shard_set_close(set);
	if (counts.all_documents > 0 && counts.documents[DOMAIN_UNLABELLED] == counts.all_documents)
		return error_raise(
			STATUS_DATA,
			"%s: none of the %lld documents of the %s set has a label: a classifier needs labels to be "
			"fitted and measured on (\"domain\" or \"labels\", docs/corpus.md)",
			folder, (long long)counts.all_documents, set_names[number]);
	return spans || number > 0 ? STATUS_OK : check_documents(folder, &counts, documents);
}

enum status fit_labels_check(const char *data_folder, bool documents)
{
	for (int number = 0; number < SETS; number++)
		STATUS_TRY(check_set(data_folder, number, documents));
	return STATUS_OK;
}

void fit_labels_print(struct shard_set *const *sets)
{
	char *line = NULL;
	for (int number = 0; number < SETS; number++) {
		struct label_counts counts = count_documents(sets[number]);
		if (counts.documents[DOMAIN_UNLABELLED] == 0)
			continue;
		char *longer = text_format("%s%s %lld of %lld documents of the %s set (%lld of %lld tokens)",
		                           line == NULL ? "" : line, line == NULL ? "" : ",",
		                           (long long)counts.documents[DOMAIN_UNLABELLED],
		                           (long long)counts.all_documents, set_names[number],
		                           (long long)counts.tokens[DOMAIN_UNLABELLED], (long long)counts.all_tokens);
		free(line);
		line = longer;
		if (line == NULL) { /* a line of information is not worth failing for */
			error_clear();
			return;
		}
	}
	if (line != NULL)
		log_info("no label:%s: left out of fit, prior, thresholds and metrics", line);
	free(line);
}
