/* The bracket escapes of the dictionary's ASCII text: ["o], ['e], [ae], [deg], [root] ...
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_TEXT_GCIDE_ESCAPE_H
#define CAPSHAPE_TEXT_GCIDE_ESCAPE_H

#include <stddef.h>

/* When text[0 ..] begins with a known escape: its UTF-8 text (static) and its length in the source. Else NULL. */
const char *gcide_escape(const char *text, size_t size, size_t *length);

#endif
