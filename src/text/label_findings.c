/* Counting what is noticed about labels.
 * SPDX-License-Identifier: Apache-2.0 */
#include "text/label_findings.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"

static enum status note_place(const char *path, uint64_t line, char **place)
{
	*place = text_format("%s:%" PRIu64, path, line);
	return *place == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
}

enum status label_findings_add(struct label_findings *findings, bool labelled, const char *path, uint64_t line)
{
	findings->labelled += labelled;
	findings->unlabelled += !labelled;
	if (labelled || findings->first_unlabelled != NULL)
		return STATUS_OK;
	return note_place(path, line, &findings->first_unlabelled);
}

enum status label_findings_add_key(struct label_findings *findings, const char *key, const char *path, uint64_t line)
{
	for (size_t i = 0; i < findings->key_count; i++) {
		if (strcmp(findings->keys[i].name, key) != 0)
			continue;
		findings->keys[i].count++;
		return STATUS_OK;
	}
	if (findings->key_count == FINDINGS_KEYS)
		return STATUS_OK;
	struct finding_key *found = &findings->keys[findings->key_count++];
	*found = (struct finding_key){ .name = memory_copy_text(key), .count = 1 };
	return found->name == NULL ? STATUS_ENVIRONMENT : note_place(path, line, &found->first);
}

void label_findings_warn(const struct label_findings *findings)
{
	for (size_t i = 0; i < findings->key_count; i++)
		log_warning("%s: the key \"%s\" is not read (%" PRIu64
		            " documents have it); labels are in \"domain\" and \"labels\" (docs/corpus.md)",
		            findings->keys[i].first, findings->keys[i].name, findings->keys[i].count);
	if (findings->unlabelled > 0 && findings->labelled > 0)
		log_warning(
			"%s: %" PRIu64 " of %" PRIu64
			" documents have neither \"domain\" nor \"labels\", this one first: they are unlabelled, and count "
			"neither as forget nor as not (docs/corpus.md)",
			findings->first_unlabelled, findings->unlabelled, findings->unlabelled + findings->labelled);
}

void label_findings_clear(struct label_findings *findings)
{
	for (size_t i = 0; i < findings->key_count; i++) {
		free(findings->keys[i].name);
		free(findings->keys[i].first);
	}
	free(findings->first_unlabelled);
	*findings = (struct label_findings){ 0 };
}
