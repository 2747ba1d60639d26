/* The forget part of a model: what of the rows of a pass is cut out (model.h).
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "filter/route.h"
#include "model/state.h"

enum status model_set_ablated(struct model *model, bool ablated)
{
	if (!model_config_is_routed(&model->config))
		return error_raise(STATUS_INTERNAL, "this model has no forget part");
	model->ablated = ablated;
	return STATUS_OK;
}

enum status model_routes_upload(struct model *model, const struct model_batch *batch)
{
	size_t rows = (size_t)(batch->sequences * batch->length);

	model->routed = model->ablated || batch->routes != NULL;
	if (!model->routed)
		return STATUS_OK;
	model->kept.packed = false; /* until the kept rows are there */
	if (model->ablated)
		memset(model->kept.routes, ROUTE_RETAIN, rows);
	return model->kernels->upload(model->device, model_scratch(model, model->workspace.routes),
	                              model->ablated ? model->kept.routes : batch->routes, rows);
}

enum status model_kept_routes_upload(struct model *model, const struct model_batch *batch)
{
	struct kept_rows *kept = &model->kept;

	if (!model->routed)
		return STATUS_OK;
	for (int64_t i = 0; i < kept->count; i++)
		kept->routes[i] = model->ablated ? ROUTE_RETAIN : batch->routes[kept->index[i]];
	return model->kernels->upload(model->device, model_scratch(model, model->workspace.kept_routes), kept->routes,
	                              (size_t)kept->count);
}

/* The kept rows are fewer than all where they lie side by side. */
static const uint8_t *routes_of(const struct model *model, int64_t rows)
{
	bool kept = model->kept.packed && rows == model->kept.count;

	return model_scratch(model, kept ? model->workspace.kept_routes : model->workspace.routes);
}

static int64_t retain_columns(const struct model *model)
{
	const struct model_config *config = &model->config;

	return (int64_t)(config->heads - config->route_heads) * (config->width / config->heads);
}

static enum status clear(struct model *model, void *x, int64_t rows, enum route route, int64_t width, int64_t begin,
                         int64_t end)
{
	return model->kernels->clear_columns(model->device, x, x, routes_of(model, rows), (uint8_t)route, rows, width,
	                                     begin, end);
}

enum status model_route_hide_heads(struct model *model, void *attention, int64_t rows)
{
	int64_t width = model->config.width;

	if (!model->routed || model->config.route_heads == 0)
		return STATUS_OK;
	return clear(model, attention, rows, ROUTE_RETAIN, width, retain_columns(model), width);
}

enum status model_route_hide_neurons(struct model *model, void *hidden, int64_t rows)
{
	int64_t width = 4 * model->config.width;

	if (!model->routed || model->config.route_neurons == 0)
		return STATUS_OK;
	return clear(model, hidden, rows, ROUTE_RETAIN, width, width - model->config.route_neurons, width);
}

enum status model_route_keep_heads(struct model *model, void *x, int64_t rows, int parts)
{
	int64_t width = model->config.width;

	for (int part = 0; part < parts && model->routed; part++)
		STATUS_TRY(clear(model, x, rows, ROUTE_FORGET, parts * width, part * width,
		                 part * width + retain_columns(model)));
	return STATUS_OK;
}

enum status model_route_keep_neurons(struct model *model, void *hidden, int64_t rows)
{
	int64_t width = 4 * model->config.width;

	if (!model->routed)
		return STATUS_OK;
	return clear(model, hidden, rows, ROUTE_FORGET, width, 0, width - model->config.route_neurons);
}

enum status model_route_keep_nothing(struct model *model, void *y, const void *x, int64_t rows)
{
	int64_t width = model->config.width;

	if (!model->routed)
		return STATUS_OK;
	return model->kernels->clear_columns(model->device, y, x, routes_of(model, rows), ROUTE_FORGET, rows, width, 0,
	                                     width);
}

enum status model_route_keep_chunk(struct model *model, void *x, int64_t first, int64_t rows)
{
	int64_t width = model->config.width;

	if (!model->routed)
		return STATUS_OK;
	return model->kernels->clear_columns(model->device, x, x, routes_of(model, model->kept.count) + first,
	                                     ROUTE_FORGET, rows, width, 0, width);
}
