/* Inside src/results only: the accumulating tables of a run, in a run file (prefix "") or a state file ("results/").
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_RESULTS_RUN_TABLES_H
#define CAPSHAPE_RESULTS_RUN_TABLES_H

#include "results/run_file.h"

void run_questions_clear(struct run_questions *questions);
enum status run_questions_write(struct hdf5_writer *writer, const char *prefix, const struct run_results *results);
enum status run_questions_read(struct hdf5_reader *reader, const char *prefix, struct run_results *results);
enum status run_recovery_write(struct hdf5_writer *writer, const char *prefix, const struct run_results *results);
enum status run_recovery_read(struct hdf5_reader *reader, const char *prefix, struct run_results *results);
enum status run_recovery_copy(const struct run_recovery *from, struct run_results *to);
void run_recovery_clear(struct run_recovery *recovery);
/* The first four are part of what the next ones do. */
enum status run_tables_write(struct hdf5_writer *writer, const char *prefix, const struct run_results *results);
/* Adds to `results`, whose accumulating parts are empty. */
enum status run_tables_read(struct hdf5_reader *reader, const char *prefix, struct run_results *results);

#endif
