/* What the study found, in sentences: the first thing that a person reads.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_REPORT_WORDS_H
#define CAPSHAPE_REPORT_WORDS_H

#include "report/show.h"

/* A few sentences for every filtered method, about its largest size: the share that it filtered, what it forgot, what that cost,
 * and how the slowdown grows with size. */
void words_write(const struct comparison *comparison, enum show_form form, struct buffer *buffer);

#endif
