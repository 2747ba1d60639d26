/* The paper's GPT: shapes, names of sizes, parameter layout (paper App. A.1, Table 2; reference model.py).
 * Pre-RMSNorm, rotary positions, ReLU squared MLP of width 4 D, no biases, tied embeddings, muP.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_MODEL_CONFIG_H
#define CAPSHAPE_MODEL_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

enum positions { POSITIONS_ROTARY, POSITIONS_NONE };

struct model_config {
	int32_t layers, width, heads; /* width divisible by heads, head size even and <= 256 */
	int32_t context;              /* longest sequence */
	int32_t vocabulary;           /* rows of the embedding, padding rows included */
	enum positions positions;
	double rope_base;      /* 10000 */
	double norm_epsilon;   /* 1.1920929e-07, float machine epsilon as in the reference */
	int32_t base_width;    /* muP base width; width_multiplier = width / base_width */
	double init_deviation; /* 0.02 */
	/* The forget part: of every block the last so many of the 4 D neurons of its MLP, and of its heads (model.h). 0: none. Not
	 * every file of a model says it. */
	int32_t route_neurons, route_heads;
};

/* Fills layers, width, heads from a name: "13M" "28M" "61M" "113M" "224M" "521M" "1030M" "1816M" (paper) or
 * "L2-D128-H4". STATUS_USAGE naming the known names. */
enum status model_config_from_name(const char *name, struct model_config *config);
/* Checks every field; STATUS_USAGE with the reason. */
enum status model_config_check(const struct model_config *config);
/* All parameters: V D + L (12 D^2 + 2 D) + D. 13M: 13,230,720 with V = 100,288; 1816M: 1,816,135,680. */
int64_t model_config_parameters(const struct model_config *config);
int64_t model_config_embedding_parameters(const struct model_config *config);
/* Rows to allocate for `size` token ids: rounded up to a multiple of 64 (100,277 gives 100,288). */
int32_t model_config_padded_vocabulary(int32_t size);
double model_config_width_multiplier(const struct model_config *config);

/* Whether there is a forget part. */
bool model_config_is_routed(const struct model_config *config);
/* values[i] is element begin + i of the arena, i < count: those of the forget part become 0, of matrices into it and out of it. A
 * model with these is, bit for bit, one whose forget part is cut out, and its zeros stay zeros in any further training. Without a
 * forget part nothing. STATUS_ENVIRONMENT without memory. */
enum status model_config_ablate(const struct model_config *config, float *values, int64_t begin, int64_t count);

enum tensor_group { GROUP_EMBEDDING, GROUP_HIDDEN, GROUP_NORM };

/* One parameter tensor inside the flat arena. Offsets are multiples of 16 elements. */
struct tensor {
	char name[48]; /* "embedding", "block03.norm1", "block03.qkv", ".projection", ".norm2", ".up", ".down",
	                           "norm" */
	enum tensor_group group;
	int64_t offset;        /* elements */
	int64_t rows, columns; /* columns 1 for gains */
	double init_deviation; /* 0: constant 1 */
};

/* The tensors in arena order; *count of them. From malloc. *arena_size: elements, padding included. */
struct tensor *model_config_layout(const struct model_config *config, size_t *count, int64_t *arena_size);
/* The same arena_size, for plans. */
int64_t model_config_arena_size(const struct model_config *config);

/* Floating-point operations of one trained token (forward + backward = 3 x forward): 6 (12 (L - 1 + kept) D^2 +
 * 2 (1 - kept) D^2 + V D kept) + 6 (L - 1 + kept) D T with `kept` = share of rows of weight != 0, causal half counted:
 * of the last block the others need keys and values only. Of one scored token: without head, forward. */
double model_config_training_flops(const struct model_config *config, int64_t length, double kept);
double model_config_forward_flops(const struct model_config *config, int64_t length, bool head);

#endif
