/* report.html: one page that holds everything (text, tables, figures as inline SVG, where it comes from) and needs no
 * other file.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_REPORT_HTML_H
#define CAPSHAPE_REPORT_HTML_H

#include "report/show.h"

struct html_facts {
	const char *folder;   /* of the report, where the figures lie as NAME.svg */
	const char *version;  /* of this program */
	const char *run_path; /* a run file whose /provenance is shown; NULL: none */
};

/* Writes the page into `buffer`. STATUS_DATA when a figure is missing. */
enum status html_write(const struct show *show, const struct html_facts *facts, struct buffer *buffer);

#endif
