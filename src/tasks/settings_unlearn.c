/* Reading the keys of unlearning.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tasks/settings.h"

#include "text/corpus.h"

enum status settings_domains(const struct parameters *parameters, const char *key, uint32_t *domains_out)
{
	*domains_out = 0;
	for (size_t i = 0; i < parameters_list_count(parameters, key); i++) {
		enum domain domain;
		STATUS_TRY(domain_from_name(parameters_list_item(parameters, key, i), &domain));
		*domains_out |= UINT32_C(1) << domain;
	}
	if (*domains_out == 0)
		return error_raise(STATUS_USAGE, "%s: %s names no domain", parameters_origin(parameters, key), key);
	return STATUS_OK;
}

enum status settings_unlearning(const struct parameters *parameters, const struct model_config *config,
                                struct training_settings *settings)
{
	struct steering_settings *steering = &settings->steering;
	if (!keys_is_read(keys_find("unlearn/steps"), parameters_text(parameters, "run/task")))
		return STATUS_OK;
	if (settings->slots < 2)
		return error_raise(STATUS_USAGE,
		                   "%s: train/slots = %lld, but unlearning needs at least 2: half of them read forget "
		                   "text, half retain text",
		                   parameters_origin(parameters, "train/slots"), (long long)settings->slots);
	steering->layer = (int)parameters_integer(parameters, "unlearn/layer");
	if (steering->layer > config->layers)
		return error_raise(STATUS_USAGE, "%s: unlearn/layer = %d, but the model has only %d blocks",
		                   parameters_origin(parameters, "unlearn/layer"), steering->layer, config->layers);
	if (steering->layer < 0)
		steering->layer = (config->layers + 1) / 2;
	steering->blocks = (int)parameters_integer(parameters, "unlearn/blocks");
	if (steering->blocks > steering->layer)
		steering->blocks = steering->layer;
	steering->coefficient = parameters_real(parameters, "unlearn/coefficient");
	steering->relative = parameters_real(parameters, "unlearn/relative_coefficient");
	steering->alpha = parameters_real(parameters, "unlearn/alpha");
	STATUS_TRY(settings_domains(parameters, "unlearn/forget", &settings->domains));
	STATUS_TRY(settings_domains(parameters, "unlearn/retain", &steering->retain_domains));
	settings->tokens = parameters_integer(parameters, "unlearn/steps") * settings->sequences * settings->length;
	return STATUS_OK;
}
