/* No cuDNN in this build.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "fused_products.h"

bool fused_products_open(struct device *device, struct fused_products **products_out, char reason[FUSED_REASON])
{
	(void)device, (void)products_out;
	snprintf(reason, FUSED_REASON, "built without cuDNN");
	return false;
}

void fused_products_close(struct fused_products *products)
{
	(void)products;
}

bool fused_product_create(struct fused_products *products, const struct fused_problem *problem, int way,
                          struct fused_product **product_out, char reason[FUSED_REASON])
{
	(void)products, (void)problem, (void)way, (void)product_out;
	snprintf(reason, FUSED_REASON, "built without cuDNN");
	return false;
}

void fused_product_destroy(struct fused_product *product)
{
	(void)product;
}

const char *fused_product_describe(const struct fused_product *product)
{
	(void)product;
	return "";
}

size_t fused_product_workspace(const struct fused_product *product)
{
	(void)product;
	return 0;
}

enum status fused_product_run(const struct fused_product *product, void *x, void *weight, void *y, void *dz,
                              void *workspace)
{
	(void)product, (void)x, (void)weight, (void)y, (void)dz, (void)workspace;
	return error_raise(STATUS_ENVIRONMENT, "built without cuDNN");
}
