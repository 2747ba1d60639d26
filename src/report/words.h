/* What the study found, in sentences: the first thing that a person reads.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_REPORT_WORDS_H
#define CAPSHAPE_REPORT_WORDS_H

#include "report/show.h"

/* A sentence or two for every filtered method, about its largest size: what it forgot, what that cost, how it grows. */
void words_write(const struct comparison *comparison, enum show_form form, struct buffer *buffer);

#endif
