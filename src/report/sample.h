/* The evaluation documents that all runs of a set share, as columns ready for resampling: a row for each group of documents
 * that belong together (equal "id"), or for each document where nothing is known of groups.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_REPORT_SAMPLE_H
#define CAPSHAPE_REPORT_SAMPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "report/study.h"

struct sample {
	const struct study *study;
	const char *set;   /* owned by the study */
	size_t documents;  /* shared by all runs that have a table of documents for the set; 0: none */
	size_t left_out;   /* documents of the longest table that are not shared */
	uint64_t *numbers; /* [documents], ascending */
	bool grouped;      /* some run has groups: those of the first such run count */
	size_t groups;     /* equals documents where none belong together */
	size_t *group_of;  /* [documents] */
	int64_t **rows;    /* [run][documents] row of each document in the run's table; NULL: no table */
};

enum status sample_create(const struct study *study, const char *set, struct sample *sample_out);
void sample_clear(struct sample *sample);
bool sample_has(const struct sample *sample, size_t run);
/* Summed negative log-likelihood and tokens of each group, for all tokens or the label tokens; arrays [groups]. */
void sample_columns(const struct sample *sample, size_t run, bool label, double *nll, double *tokens);

#endif
