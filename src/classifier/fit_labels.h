/* What of a text has labels that a classifier can be fitted and measured on, by the domains of its documents alone.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_CLASSIFIER_FIT_LABELS_H
#define CAPSHAPE_CLASSIFIER_FIT_LABELS_H

#include <stdbool.h>

#include "base/status.h"
#include "text/shard.h"

/* Before language models are trained for nothing. `documents`: every token takes the label of its document
 * (classifier/labels = document). STATUS_DATA naming folder and set where a set has no labelled document, or, when only whole
 * documents are labelled, `documents` is not set or the training set lacks forget documents or others. */
enum status fit_labels_check(const char *data_folder, bool documents);
/* One line about documents without a label in the sets train, validation, test (log_info); none when all have one. */
void fit_labels_print(struct shard_set *const *sets);

#endif
