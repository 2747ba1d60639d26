/* What a token is taken for when text is to be localised instead of filtered: selective gradient masking (Shilov et al. 2025,
 * arXiv 2512.05648, section 3), here for each token, not for each batch (docs/routing.md).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_FILTER_ROUTE_H
#define CAPSHAPE_FILTER_ROUTE_H

/* Of a row of a micro-batch, by the token that it is to predict. Kept as bytes. */
enum route {
	ROUTE_ALL,    /* nobody knows: the row goes through the whole model and trains all of it */
	ROUTE_RETAIN, /* the forget part of the model is cut out for the row */
	ROUTE_FORGET  /* the row goes through the whole model, and trains its forget part only */
};

#endif
