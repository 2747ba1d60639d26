/* Inside of the drawing module: what canvas.c and draw.c share.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_REPORT_CANVAS_H
#define CAPSHAPE_REPORT_CANVAS_H

#include <cairo.h>

#include "report/draw.h"

struct canvas {
	cairo_t *cairo;
};

void canvas_set_colour(struct canvas *canvas, struct colour colour);
void canvas_set_text(cairo_t *cairo, const struct text_style *style);

#endif
