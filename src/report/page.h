/* Files of a report that all kinds of reports write alike.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_REPORT_PAGE_H
#define CAPSHAPE_REPORT_PAGE_H

#include <stdio.h>

#include "report/report.h"
#include "report/table.h"

/* FOLDER/NAME, complete or absent; clears the buffer whatever the status. */
enum status page_write_buffer(const char *folder, const char *name, struct buffer *buffer);
/* A CSV file for each table, and all of them in report.h5. */
enum status page_write_tables(const char *folder, const struct report_options *options, size_t resamples,
                              const struct table *tables, size_t table_count);
/* The report as text, and where its files are; clears the buffer. STATUS_IO where it can not be printed. */
enum status page_print(const char *folder, struct buffer *buffer, FILE *out);

#endif
