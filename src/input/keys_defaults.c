/* Defaults that differ by task.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "input/keys.h"

/* Finetuning as in the paper (App. B.3, Table 4): a constant learning rate without warm-up, batches of 20 sequences; its length,
 * which the paper does not give, is a hundredth of a compute-optimal pretraining. */
static const struct key_default defaults[] = {
	{ "finetune", "train/tokens_per_parameter", "0.2" },
	{ "finetune", "train/sequences", "20" },
	{ "finetune", "train/slots", "4" },
	{ "finetune", "train/learning_rate", "5e-4" },
	{ "finetune", "train/weight_decay", "0.01" },
	{ "finetune", "train/clip_norm", "0.5" },
	{ "finetune", "train/schedule", "constant" },
	{ "finetune", "train/warmup_share", "0" },
	{ "finetune", "evaluate/interval", "0.1" },
	/* RMU as in the paper (App. B.3): 4 sequences of forget and 4 of retain text, AdamW as PyTorch has it; of models that were not
	 * filtered. */
	{ "unlearn", "start/points", "filter/method=none" },
	{ "unlearn", "train/sequences", "8" },
	{ "unlearn", "train/learning_rate", "1e-4" },
	{ "unlearn", "train/weight_decay", "0.01" },
	{ "unlearn", "train/beta2", "0.999" },
	{ "unlearn", "train/epsilon", "1e-8" },
	{ "unlearn", "train/clip_norm", "0" },
	{ "unlearn", "train/schedule", "constant" },
	{ "unlearn", "train/warmup_share", "0" },
	/* What is to be found must have been learned. */
	{ "label", "start/points", "filter/method=none" },
};

const struct key_default *keys_defaults(size_t *count)
{
	*count = sizeof defaults / sizeof defaults[0];
	return defaults;
}

const char *keys_default_text(const struct key *key, const char *task)
{
	size_t count;
	keys_defaults(&count);
	for (size_t i = 0; i < count; i++)
		if (strcmp(defaults[i].task, task) == 0 && strcmp(defaults[i].key, key->name) == 0)
			return defaults[i].text;
	return key->default_text;
}
