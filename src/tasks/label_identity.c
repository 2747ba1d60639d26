/* What an autoencoder, and labels, depend on.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "tasks/label_parts.h"

static char *describe_model(const struct labelling *work)
{
	char *text = unfinished_add_line(text_format("%s", ""), "model = %s step %lld", work->start.identity,
	                                 (long long)work->start.step);
	return unfinished_add_line(text, "layer = %d, width %lld", work->layer, (long long)work->shape.width);
}

enum status label_name_autoencoder(struct labelling *work, const char *device)
{
	const struct parameters *parameters = work->parameters;
	const struct autoencoder_shape *shape = &work->shape;
	if (parameters_text(parameters, "label/autoencoder")[0] != '\0')
		return STATUS_OK;
	char *text = describe_model(work);
	text = unfinished_add_line(text, "text = %s", shard_set_content_hash(work->sets[LABEL_TRAIN]));
	text = unfinished_add_line(text, "latents %lld, active %lld, batch %lld, device %s", (long long)shape->latents,
	                           (long long)shape->active, (long long)shape->batch, device);
	text = unfinished_add_line(
		text, "seed %s, tokens %s, learning rate %s, precision %s", parameters_value(parameters, "run/seed"),
		parameters_value(parameters, "label/tokens"), parameters_value(parameters, "label/learning_rate"),
		parameters_value(parameters, "run/precision"));
	if (text == NULL)
		return STATUS_ENVIRONMENT;
	checksum_content_hash(text, strlen(text), work->identity);
	free(text);
	return STATUS_OK;
}

static char *describe_hand(const struct labelling *work, char *text)
{
	static const char *const names[] = { "left", "taken" };
	for (int side = 0; side < 2; side++)
		for (int64_t i = 0; i < work->hand_count[side]; i++)
			text = unfinished_add_line(text, "%s by hand: latent %d", names[side],
			                           (int)work->hand[side][i]);
	return text;
}

enum status label_describe(struct labelling *work, char **text_out)
{
	char *text = unfinished_keys(work->parameters, NULL);
	text = unfinished_add_line(text, "model = %s step %lld", work->start.identity, (long long)work->start.step);
	text = unfinished_add_line(text, "autoencoder = %s", work->identity);
	for (int split = 0; split < LABEL_SETS; split++)
		text = unfinished_add_line(text, "%s/%s = %s", work->data, label_set_name(split),
		                           shard_set_content_hash(work->sets[split]));
	text = describe_hand(work, text);
	if (text == NULL)
		return STATUS_ENVIRONMENT;
	checksum_content_hash(text, strlen(text), work->made_with);
	*text_out = text;
	return STATUS_OK;
}
