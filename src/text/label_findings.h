/* What is noticed about labels while a corpus is read, to be said once: documents that have none beside others that have, and keys
 * that look like misspelt ones.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_TEXT_LABEL_FINDINGS_H
#define CAPSHAPE_TEXT_LABEL_FINDINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* Different misspelt keys that are told apart; more are not counted. */
enum { FINDINGS_KEYS = 4 };

/* Zero-initialise; label_findings_clear() frees. */
struct label_findings {
	uint64_t labelled, unlabelled; /* documents */
	char *first_unlabelled;        /* "path:line" */
	struct finding_key {
		char *name, *first;
		uint64_t count; /* documents */
	} keys[FINDINGS_KEYS];
	size_t key_count;
};

/* A document read from that line. */
enum status label_findings_add(struct label_findings *findings, bool labelled, const char *path, uint64_t line);
/* It has a key that looks like a misspelt one. */
enum status label_findings_add_key(struct label_findings *findings, const char *key, const char *path, uint64_t line);
/* A warning for each finding, with counts and the first line; none where nothing, or all of it, has a label. */
void label_findings_warn(const struct label_findings *findings);
void label_findings_clear(struct label_findings *findings);

#endif
