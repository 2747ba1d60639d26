/* Products with ReLU squared by cuDNN: plans in several ways, and running them.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fused_products.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "fused_graph.h"
#include "kernels/cuda/cuda.h"

/* Kernels of cuDNN 9's engine for Hopper that fuse; its heuristics put older ones first. */
enum { HOPPER_ENGINE = 2, PROPOSALS = 3 };
static const int64_t hopper_kernels[FUSED_WAYS - PROPOSALS] = { 2, 3, 6, 7, 10, 11, 14, 15, 42, 44 };

struct fused_products {
	struct device *device;
	struct cudnn cudnn;
	struct cudnn_target target;
};

struct fused_product {
	struct fused_products *products;
	struct cudnn_graph *graph;
	struct cudnn_plan plan;
	char description[64];
};

_Static_assert((int)FUSED_REASON == (int)CUDNN_REASON, "reasons are passed on");

bool fused_products_open(struct device *device, struct fused_products **products_out, char reason[FUSED_REASON])
{
	struct fused_products *products = memory_allocate(1, sizeof *products);

	if (products == NULL || !cudnn_open(&products->cudnn, reason)) {
		free(products);
		return false;
	}
	products->device = device;
	cudnnStatus_t code = products->cudnn.cudnnCreate(&products->target.handle);
	if (code == CUDNN_STATUS_SUCCESS)
		code = products->cudnn.cudnnSetStream(products->target.handle, device->stream);
	if (code != CUDNN_STATUS_SUCCESS) {
		snprintf(reason, FUSED_REASON, "cuDNN does not start: %.100s",
		         products->cudnn.cudnnGetErrorString(code));
		fused_products_close(products);
		return false;
	}
	*products_out = products;
	return true;
}

void fused_products_close(struct fused_products *products)
{
	if (products == NULL)
		return;
	if (products->target.handle != NULL)
		products->cudnn.cudnnDestroy(products->target.handle);
	free(products);
}

bool fused_product_create(struct fused_products *products, const struct fused_problem *problem, int way,
                          struct fused_product **product_out, char reason[FUSED_REASON])
{
	struct fused_product *product = memory_allocate(1, sizeof *product);
	bool made;

	if (product == NULL || (product->graph = cudnn_graph_create(&products->cudnn)) == NULL) {
		snprintf(reason, FUSED_REASON, "no memory");
		free(product);
		return false;
	}
	product->products = products;
	fused_graph_build(product->graph, problem);
	if (way < PROPOSALS) {
		made = cudnn_graph_plan_proposal(product->graph, &products->target, way, &product->plan, reason);
		snprintf(product->description, sizeof product->description, "proposal %d: engine %lld", way + 1,
		         (long long)product->plan.engine);
	} else {
		int64_t kernel = hopper_kernels[way - PROPOSALS];
		made = fused_graph_plan(product->graph, &products->target, HOPPER_ENGINE, kernel, &product->plan,
		                        reason);
		snprintf(product->description, sizeof product->description, "engine %d, kernel %lld", HOPPER_ENGINE,
		         (long long)kernel);
	}
	if (!made) {
		fused_product_destroy(product);
		return false;
	}
	*product_out = product;
	return true;
}

void fused_product_destroy(struct fused_product *product)
{
	if (product == NULL)
		return;
	cudnn_graph_destroy(product->graph);
	free(product);
}

const char *fused_product_describe(const struct fused_product *product)
{
	return product->description;
}

size_t fused_product_workspace(const struct fused_product *product)
{
	return (size_t)product->plan.workspace_bytes;
}

enum status fused_product_run(const struct fused_product *product, void *x, void *weight, void *y, void *dz,
                              void *workspace)
{
	struct fused_products *products = product->products;
	float two = 2;
	void *memory[FUSED_TENSORS] = {
		[FUSED_X] = x, [FUSED_WEIGHT] = weight, [FUSED_Y] = y, [FUSED_DZ] = dz, [FUSED_TWO] = &two
	};
	cudnnStatus_t code =
		cudnn_graph_run(product->graph, &product->plan, products->target.handle, memory, workspace);

	if (code == CUDNN_STATUS_SUCCESS)
		return STATUS_OK;
	return error_raise(STATUS_ENVIRONMENT, "CUDA device %d, %s of cuDNN: %s", products->device->number,
	                   product->description, products->cudnn.cudnnGetErrorString(code));
}
