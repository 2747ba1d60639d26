/* What the two halves of the dump program share: the file, the device, and what can be asked of a model.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_VALIDATION_TORCH_DUMP_H
#define CAPSHAPE_VALIDATION_TORCH_DUMP_H

#include <stdint.h>

#include "kernels/kernels.h"
#include "model/model.h"
#include "storage/hdf5_file.h"

enum { DUMP_END_OF_TEXT = 0, DUMP_HIDDEN = 1, DUMP_FIRST_WORD = 2 };

struct dump {
	struct hdf5_writer *writer;
	const struct kernels *kernels;
	struct device *device;
	enum precision precision;
	int threads;
};

/* Ends the program with the recorded message when the status is not STATUS_OK. */
void dump_require(enum status status);
/* Zeroed host memory, or the end of the program. */
void *dump_memory(int64_t count, size_t size);
/* "float32" or "bfloat16". */
const char *dump_precision_name(const struct dump *dump);

/* Data sets named by a printf format; `count` elements of rank 1. */
void dump_floats(const struct dump *dump, const float *values, int64_t count, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
void dump_reals(const struct dump *dump, const double *values, int64_t count, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
void dump_integers(const struct dump *dump, const int32_t *values, int64_t count, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* `count` floats of device memory. */
void dump_device_floats(const struct dump *dump, const float *values, int64_t count, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

void dump_real_attribute(const struct dump *dump, const char *object, const char *name, double value);
void dump_integer_attribute(const struct dump *dump, const char *object, const char *name, int64_t value);

/* Every field of the configuration as attributes of `group`, and the layout of the arena in group/layout. */
void dump_config(const struct dump *dump, const struct model_config *config, const char *group);
/* A model with random parameters, gains included: the initial gains of 1 would hide mistakes. */
struct model *dump_model_create(const struct dump *dump, const struct model_config *config, int64_t max_rows,
                                uint64_t seed);
/* Clears the gradients, then adds those of sum(w * nll) / sum(w) over all sequences of the batch, in micro-batches of
 * `sequences`. Returns the loss. */
double dump_gradients(struct model *model, const struct model_batch *batch, int64_t sequences);

/* dump_model.c. `shared`: also what does not depend on the precision. */
void dump_models(const struct dump *dump, bool shared);
/* dump_classifier.c: features of both directions and the probe, into the group "classifier". */
void dump_classifier(const struct dump *dump, bool shared);

#endif
