/* Losses of micro-batches that were begun and not waited for: each keeps its place on the host until the end.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/memory.h"
#include "model/state.h"

/* The next place of model->begun, with memory. */
static struct begun_losses *place(struct model *model)
{
	void *all = model->begun;

	if (memory_grow(&all, &model->begun_room, model->begun_count + 1, sizeof *model->begun) != STATUS_OK)
		return NULL;
	model->begun = all;
	struct begun_losses *begun = &model->begun[model->begun_count];
	if (model->begun_count < model->begun_made)
		return begun;
	*begun = (struct begun_losses){ .losses = memory_allocate((size_t)model->max_rows, sizeof(float)),
		                        .weights = memory_allocate((size_t)model->max_rows, sizeof(float)) };
	model->begun_made++;
	return begun->losses != NULL && begun->weights != NULL ? begun : NULL;
}

enum status model_losses_expect(struct model *model, const struct model_batch *batch, double *sum)
{
	const struct kept_rows *kept = &model->kept;
	struct begun_losses *begun = place(model);

	if (begun == NULL)
		return STATUS_ENVIRONMENT;
	begun->sum = sum;
	begun->count = kept->count;
	for (int64_t i = 0; i < kept->count; i++)
		begun->weights[i] = batch->weights ? batch->weights[kept->index[i]] : 1.0f;
	STATUS_TRY(model->kernels->download_later(model->device, begun->losses,
	                                          model_scratch(model, model->workspace.losses),
	                                          (size_t)kept->count * sizeof(float)));
	model->begun_count++;
	return STATUS_OK;
}

enum status model_loss_gradient_end(struct model *model)
{
	size_t count = model->begun_count;

	if (count == 0)
		return STATUS_OK;
	model->begun_count = 0;
	STATUS_TRY(model->kernels->synchronize(model->device));
	for (size_t i = 0; i < count; i++) {
		const struct begun_losses *begun = &model->begun[i];
		double sum = 0.0;
		for (int64_t row = 0; row < begun->count; row++)
			if (begun->weights[row] != 0.0f) /* others only fill up the number of rows */
				sum += (double)begun->weights[row] * (double)begun->losses[row];
		*begun->sum = sum;
	}
	return STATUS_OK;
}

void model_losses_destroy(struct model *model)
{
	if (model->begun_count > 0)
		(void)model->kernels->synchronize(model->device); /* the device still writes to them */
	for (size_t i = 0; i < model->begun_made; i++) {
		free(model->begun[i].losses);
		free(model->begun[i].weights);
	}
	free(model->begun);
}
