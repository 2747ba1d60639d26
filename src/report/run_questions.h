/* The part of a run file that is about questions (inside of report/run.h).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_REPORT_RUN_QUESTIONS_H
#define CAPSHAPE_REPORT_RUN_QUESTIONS_H

#include "report/run.h"
#include "storage/hdf5_file.h"

/* Sets run->questions and run->question_count; STATUS_DATA when damaged. To be cleared whatever the status. */
enum status run_read_questions(struct hdf5_reader *reader, struct run *run);
void run_clear_questions(struct run *run);

#endif
