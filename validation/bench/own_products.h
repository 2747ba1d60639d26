/* Own products on warp-group instructions beside the library's and the passes that they save (CAPSHAPE_PRODUCT): a part of questions_bench.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_VALIDATION_BENCH_OWN_PRODUCTS_H
#define CAPSHAPE_VALIDATION_BENCH_OWN_PRODUCTS_H

#include "kernels/kernels.h"

/* For each kind of product at the shapes of 61M and 224M (tiny: of a test): microseconds of the library's way and of the own one, and by how
 * much the results differ. json: where a line of each goes, NULL: nowhere. One line where the device has no own products. Sets the environment
 * variable. */
void own_products_measure(const struct kernels *kernels, enum precision precision, double seconds, bool tiny,
                          const char *json);

#endif
