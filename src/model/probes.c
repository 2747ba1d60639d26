/* Linear probes of the residual stream: the features never leave the device.
 * SPDX-License-Identifier: Apache-2.0 */
#include "model/state.h"

static void probes_release(struct model *model)
{
	struct probes *probes = &model->probes;

	if (probes->weights)
		model->kernels->release(model->device, probes->weights);
	if (probes->logits)
		model->kernels->release(model->device, probes->logits);
	*probes = (struct probes){ 0 };
}

void model_probes_destroy(struct model *model)
{
	if (model->probes.room > 0)
		(void)model->kernels->synchronize(model->device); /* begun logits are still being written to the host */
	probes_release(model);
}

static enum status probes_reserve(struct model *model, int64_t count)
{
	struct probes *probes = &model->probes;

	if (count <= probes->room)
		return STATUS_OK;
	model_probes_destroy(model);
	probes->weights = model->kernels->allocate(model->device,
	                                           (size_t)(count * model->config.width) * sizeof *probes->weights);
	if (probes->weights)
		probes->logits = model->kernels->allocate(model->device,
		                                          (size_t)(count * model->max_rows) * sizeof *probes->logits);
	if (!probes->weights || !probes->logits) {
		probes_release(model);
		return STATUS_ENVIRONMENT;
	}
	probes->room = count;
	return STATUS_OK;
}

enum status model_set_probes(struct model *model, const double *weights, int64_t count)
{
	if (count < 1)
		return error_raise(STATUS_INTERNAL, "%lld probes: at least one is needed", (long long)count);
	STATUS_TRY(probes_reserve(model, count));
	model->probes.count = count;
	return model->kernels->upload(model->device, model->probes.weights, weights,
	                              (size_t)(count * model->config.width) * sizeof *weights);
}

enum status model_probe_begin(struct model *model, const struct model_batch *batch, int layer, double *logits,
                              int64_t *begun_out)
{
	const struct kernels *kernels = model->kernels;
	const struct probes *probes = &model->probes;
	int64_t rows = batch->sequences * batch->length;
	struct model_stream stream;

	if (probes->count == 0)
		return error_raise(STATUS_INTERNAL, "this model was given no probes");
	STATUS_TRY(model_layer_check(model, layer));
	STATUS_TRY(model_batch_check(model, batch));
	STATUS_TRY(model_batch_upload(model, batch));
	STATUS_TRY(model_stream_forward(model, batch, layer, &stream));
	STATUS_TRY(kernels->probe(model->device, probes->logits, stream.residual, stream.branch, probes->weights,
	                          probes->count, rows, model->config.width));
	STATUS_TRY(kernels->download_later(model->device, logits, probes->logits,
	                                   (size_t)(probes->count * rows) * sizeof *logits));
	return kernels->mark(model->device, begun_out);
}

enum status model_probe_end(struct model *model, int64_t begun)
{
	return model->kernels->wait_for(model->device, begun);
}
