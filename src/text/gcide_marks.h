/* Field marks of the dictionary: "(Med.)", "(Anat. & Zool.)", "(Physiol. Chem.)".
 *
 * Grammar, after runs of white space (line ends too) were made one blank and ["o], [ae] were read as o, ae:
 *   mark      = "(" member { separator member } [ "etc." ] ")"
 *   separator = "&" | "," | ";" | "and"
 *   member    = { qualifier } field            "Zool.", "Plant Physiol.", "Rom. Antiq.", "Ch. of Eng."
 *             | { qualifier }                  only beside another member that has a field: "Gr. & Rom. Antiq."
 *             | one or two capitalised words   only beside another member that has a field: "Med., Immunology"
 *   field     = an abbreviation of a field of knowledge that ends in ".", from a closed table
 *   qualifier = Old, Anc., Eng., Rom., Plant, of, ...: from a closed table
 * The table holds the fields of every mark that is used at least three times in the dictionary. It leaves out what only
 * looks like one: languages ("(Gr.)", "(L.)"), usage ("(Colloq.)", "(Fig.)", "(Obs.)") and citations ("(Rev. Ver.)",
 * "(Law Dict.)"). The spelled out "(Law)" and "(Physics)" are not abbreviations, so not marks.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_TEXT_GCIDE_MARKS_H
#define CAPSHAPE_TEXT_GCIDE_MARKS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"
#include "text/corpus.h"

enum { GCIDE_MEMBERS_MAX = 8, GCIDE_MEMBER_SIZE = 48, GCIDE_MARK_SIZE = 96 };

struct gcide_mark {
	size_t length;                  /* bytes of the source, brackets included */
	char spelling[GCIDE_MARK_SIZE]; /* as printed, white space collapsed, without the brackets */
	size_t member_count;
	char members[GCIDE_MEMBERS_MAX][GCIDE_MEMBER_SIZE]; /* escapes read, "Zool." */
};

/* Whether text[0 ..] begins with a field mark. */
bool gcide_mark_parse(const char *text, size_t size, struct gcide_mark *mark);

/* Which marks mean forget and which retain. */
struct gcide_mark_lists;

/* Lists are separated by blanks or commas; "_" stands for a blank inside a mark: "Med. Physiol._Chem.". NULL is an
 * empty list. STATUS_USAGE when an element is not a field mark or stands in both lists. */
enum status gcide_mark_lists_create(const char *forget, const char *retain, struct gcide_mark_lists **lists_out);
void gcide_mark_lists_destroy(struct gcide_mark_lists *lists);

/* Forget when any member is in the forget list, else retain likewise, else other. "Old Med." counts as "Med." unless
 * it is listed itself. */
enum domain gcide_mark_domain(const struct gcide_mark_lists *lists, const struct gcide_mark *mark);

/* Domain of two marks at the same place: forget before retain before other before none. */
enum domain gcide_domain_combine(enum domain a, enum domain b);

#endif
