/* Reference device: host memory, and the table of the reference kernels.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "kernels/reference/reference.h"

struct device {
	double *scratch;
	size_t scratch_count;
};

double *reference_scratch(struct device *device, size_t count)
{
	if (count > device->scratch_count) {
		free(device->scratch);
		device->scratch_count = 0;
		device->scratch = memory_allocate(count, sizeof(double));
		if (device->scratch == NULL)
			return NULL;
		device->scratch_count = count;
	} else if (count > 0) {
		memset(device->scratch, 0, count * sizeof(double));
	}
	return device->scratch;
}

static enum status device_create(enum precision precision, int threads, struct device **device_out)
{
	(void)threads; /* one thread whatever is asked for: the results could not differ */
	if (precision != PRECISION_FLOAT32)
		return error_raise(STATUS_ENVIRONMENT,
		                   "the reference kernels compute in float32 only: ask for precision "
		                   "float32, or for another device");
	struct device *device = memory_allocate(1, sizeof *device);
	if (device == NULL)
		return STATUS_ENVIRONMENT;
	device->scratch = memory_allocate(1, sizeof(double));
	if (device->scratch == NULL) {
		free(device);
		return STATUS_ENVIRONMENT;
	}
	device->scratch_count = 1;
	*device_out = device;
	return STATUS_OK;
}

static void device_destroy(struct device *device)
{
	if (device == NULL)
		return;
	free(device->scratch);
	free(device);
}

static const char *device_describe(const struct device *device)
{
	(void)device;
	return "reference loops, float32 stored, double inside, 1 thread";
}

static size_t element_bytes(const struct device *device)
{
	(void)device;
	return sizeof(float);
}

static void *device_allocate(struct device *device, size_t bytes)
{
	(void)device;
	return memory_allocate(bytes, 1);
}

static void device_release(struct device *device, void *memory)
{
	(void)device;
	free(memory);
}

static enum status copy(struct device *device, void *target, const void *source, size_t bytes)
{
	(void)device;
	if (bytes > 0)
		memcpy(target, source, bytes);
	return STATUS_OK;
}

static enum status clear(struct device *device, void *memory, size_t bytes)
{
	(void)device;
	if (bytes > 0)
		memset(memory, 0, bytes);
	return STATUS_OK;
}

static enum status fill_normal(struct device *device, float *x, size_t count, double deviation, uint64_t seed,
                               uint64_t stream)
{
	(void)device;
	for (size_t i = 0; i < count; i++)
		x[i] = (float)(deviation * random_normal(seed, RANDOM_INITIALISATION, stream, i));
	return STATUS_OK;
}

static enum status download_activation(struct device *device, float *host_target, const void *source, size_t count)
{
	return copy(device, host_target, source, count * sizeof(float));
}

static enum status upload_activation(struct device *device, void *target, const float *host_source, size_t count)
{
	return copy(device, target, host_source, count * sizeof(float));
}

static enum status synchronize(struct device *device)
{
	(void)device;
	return STATUS_OK;
}

/* Every call is over when it returns. */
static enum status mark(struct device *device, int64_t *mark_out)
{
	(void)device;
	*mark_out = 0;
	return STATUS_OK;
}

static enum status wait_for(struct device *device, int64_t place)
{
	(void)device, (void)place;
	return STATUS_OK;
}

static enum status convert_weights(struct device *device, void *weights, const float *master, size_t count)
{
	(void)device, (void)weights, (void)master, (void)count; /* the weights are the masters */
	return STATUS_OK;
}

const struct kernels *kernels_reference(void)
{
	static const struct kernels table = {
		.name = "reference",
		.logits_bytes = 4 << 20,
		.logits_rows = 32,
		.generation_rows = 4,
		.device_create = device_create,
		.device_destroy = device_destroy,
		.device_describe = device_describe,
		.activation_bytes = element_bytes,
		.weight_bytes = element_bytes,
		.allocate = device_allocate,
		.release = device_release,
		.allocate_host = device_allocate,
		.release_host = device_release,
		.upload = copy,
		.download = copy,
		.download_later = copy,
		.clear = clear,
		.fill_normal = fill_normal,
		.download_activation = download_activation,
		.upload_activation = upload_activation,
		.synchronize = synchronize,
		.mark = mark,
		.wait_for = wait_for,
		.convert_weights = convert_weights,
		.embedding_forward = reference_embedding_forward,
		.embedding_backward = reference_embedding_backward,
		.norm_forward = reference_norm_forward,
		.norm_backward = reference_norm_backward,
		.linear_forward = reference_linear_forward,
		.linear_backward_input = reference_linear_backward_input,
		.linear_backward_weight = reference_linear_backward_weight,
		.rope = reference_rope,
		.attention_forward = reference_attention_forward,
		.attention_backward = reference_attention_backward,
		.attention_cached = reference_attention_cached,
		.relu_squared_forward = reference_relu_squared_forward,
		.relu_squared_backward = reference_relu_squared_backward,
		.gather_rows = reference_gather_rows,
		.scatter_rows = reference_scatter_rows,
		.clear_columns = reference_clear_columns,
		.probe = reference_probe,
		.square_distance = reference_square_distance,
		.cross_entropy = reference_cross_entropy,
		.add = reference_add,
		.sum_of_squares = reference_sum_of_squares,
		.adamw = reference_adamw,
	};
	return &table;
}
