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

/* ---- the parts, for reports of other kinds ---- */
/* From the doctype to the heading "Report of FOLDER". */
void html_begin(const char *folder, struct buffer *buffer);
/* FOLDER/NAME.svg of each, inline, with its title. STATUS_DATA when one is missing. */
enum status html_add_figures(const char *const *names, const char *const *titles, size_t count, const char *folder,
                             struct buffer *buffer);
/* Which program and options made the report, and what the run file says of its own making. */
void html_add_provenance(const struct html_facts *facts, const char *run_folder, const char *statistics,
                         struct buffer *buffer);
void html_end(struct buffer *buffer);

#endif
