/* What ranks of a split that share GPUs cost and hold.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "roles/split.h"

double split_shared_cost(const struct split *split, const struct split_point *point, int group_size)
{
	struct split_point shared = *point;
	if (split->trainers_a_gpu > 1)
		shared.direct = (struct exchange){ 0 };
	return split->trainers_a_gpu * split_point_cost(&shared, group_size);
}

bool split_shares_gpus(const struct split *split)
{
	return split->trainers_a_gpu > 1 || split->classifiers_a_gpu > 1 || split->together;
}

double split_gpu_bytes(const struct split *split, double trainer, double classifier)
{
	double trainers = split->trainers_a_gpu * trainer;
	double classifiers = split->classifiers > 0 ? split->classifiers_a_gpu * classifier : 0;
	return split->together ? trainers + classifiers : fmax(trainers, classifiers);
}

double split_fullest_gpu(const struct split_memory *memory, const struct split *split)
{
	int size = 0;
	while (2 << size <= split_group_size(split) && size + 1 < SPLIT_SIZES)
		size++;
	return split_gpu_bytes(split, memory->trainer[split->classifiers == 0 && split->scores][size],
	                       memory->classifier);
}
