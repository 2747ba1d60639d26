/* What fitting keeps for its next start, in a folder of unfinished work: probes that are fitted, counts of blocks that are
 * measured, and features of samples. Files of one rank, the first; nothing in them
 * depends on the number of ranks. That all of it was made with the same settings and input is for the caller of
 * classifier_fit() to see to.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_CLASSIFIER_FIT_KEEP_H
#define CAPSHAPE_CLASSIFIER_FIT_KEEP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "classifier/probe.h"

/* Names of things are unique in a fit. Functions with a keep that is NULL find nothing and keep nothing. */
struct fit_keep;
/* folder NULL: *keep_out is NULL. `interval`: seconds between savings of what is unfinished. `room`: bytes that journals of
 * features may take together once they are done with. */
enum status fit_keep_open(const char *folder, const char *identity, double interval, double room,
                          struct fit_keep **keep_out);
void fit_keep_close(struct fit_keep *keep);
/* Whether it is time to save. */
bool fit_keep_is_due(const struct fit_keep *keep);

/* *found: then the probe is set; of another width than `width` it is not found. */
enum status fit_keep_find_probe(struct fit_keep *keep, const char *name, int64_t width, struct probe *probe,
                                bool *found);
enum status fit_keep_add_probe(struct fit_keep *keep, const char *name, const struct probe *probe);

/* Arrays of counts, most of them 0, that belong together. */
enum { TALLY_PARTS = 80 };
struct tally {
	struct {
		int64_t *values, count;
	} parts[TALLY_PARTS];
	int count;
};
void tally_add(struct tally *tally, int64_t *values, int64_t count);
/* Sets the counts; *done: how many blocks they are of, 0 where nothing is kept. */
enum status fit_keep_find_tally(struct fit_keep *keep, const char *name, struct tally *tally, int64_t *done);
/* In the place of what is kept under that name. */
enum status fit_keep_save_tally(struct fit_keep *keep, const char *name, const struct tally *tally, int64_t done);

/* Rows of `width` values, of one sample at a time. Sets the first *rows of values[most, width]. */
enum status fit_keep_begin_rows(struct fit_keep *keep, const char *name, int64_t width, float *values, int64_t most,
                                int64_t *rows);
/* All before `rows` are there: keeps those that are not kept yet. */
enum status fit_keep_save_rows(struct fit_keep *keep, const float *values, int64_t rows);
/* All rows are there: keeps the rest of them where it keeps some already. */
enum status fit_keep_complete_rows(struct fit_keep *keep, const float *values, int64_t rows);
/* They are not needed in this start any more; they stay where there is room, for a start with another ridge. */
enum status fit_keep_end_rows(struct fit_keep *keep);

#endif
