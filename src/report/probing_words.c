/* What probes found, in sentences.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "report/compare.h"
#include "report/probing.h"

/* The model of the method's largest size, the first seed; NULL when there is none. */
static const struct probed *largest_of(const struct probings *probings, size_t method)
{
	const struct probed *largest = NULL;
	for (size_t i = 0; i < probings->count; i++) {
		const struct group *group = &probings->study->groups[probings->models[i].group];
		if (group->method == method && (!largest || group->size > probings->study->groups[largest->group].size))
			largest = &probings->models[i];
	}
	return largest;
}

static const char *verdict(const struct interval *difference)
{
	return isnan(difference->low)   ? "without an interval nothing is claimed"
	       : difference->high < 0.0 ? "worse"
	       : difference->low > 0.0  ? "better"
	                                : "not distinguishable";
}

static void add_tokens(const struct probed *model, const struct probed *baseline, struct buffer *out)
{
	char text[SHOW_NUMBER];
	show_interval(&model->f1, false, text, sizeof(text));
	buffer_add(out, ": a probe after layer %d tells forget tokens from others with F1 %s",
	           (int)model->layer[model->best], text);
	if (baseline && !isnan(model->difference.value)) {
		show_interval(&model->difference, true, text, sizeof(text));
		buffer_add(out, ", the unfiltered model's with %.4f; difference %s: %s", baseline->f1.value, text,
		           verdict(&model->difference));
		if (model->documents.groups < COMPARE_FEW_GROUPS)
			buffer_add(out, ", by FEW GROUPS");
	}
	buffer_add(out, ".");
}

static void add_pair(const struct probed_pair *pair, struct buffer *out)
{
	buffer_add(out, " Documents %s: %.1f %% right, mean over layers", pair->name, 100.0 * pair->mean.value);
	if (!isnan(pair->difference.value))
		buffer_add(out, ", %+.1f points to the unfiltered model [%+.1f, %+.1f]: %s",
		           100.0 * pair->difference.value, 100.0 * pair->difference.low, 100.0 * pair->difference.high,
		           verdict(&pair->difference));
	buffer_add(out, ".");
}

static void add_model(const struct probings *probings, const struct probed *model, struct buffer *out)
{
	buffer_add(out, "%s at %s", probings_method(probings, model), probings_size(probings, model));
	if (model->has_tokens)
		add_tokens(model, probings_baseline(probings, model), out);
	else
		buffer_add(out, ":");
	for (size_t k = 0; k < model->pair_count; k++)
		add_pair(&model->pairs[k], out);
}

void probings_words(const struct probings *probings, enum show_form form, struct buffer *buffer)
{
	buffer_add(buffer, "%s", form == SHOW_HTML ? "<ul>\n" : "");
	for (size_t method = 0; method < probings->study->method_count; method++) {
		struct buffer out = { 0 };
		const struct probed *model = largest_of(probings, method);
		if (!model)
			continue;
		add_model(probings, model, &out);
		if (out.status != STATUS_OK)
			buffer->status = out.status;
		buffer_add(buffer, form == SHOW_HTML ? "<li>" : form == SHOW_TEXT ? "  " : "- ");
		if (form == SHOW_HTML)
			buffer_add_escaped(buffer, out.text ? out.text : "");
		else
			buffer_add(buffer, "%s", out.text ? out.text : "");
		buffer_add(buffer, form == SHOW_HTML ? "</li>\n" : "\n");
		buffer_clear(&out);
	}
	buffer_add(buffer, form == SHOW_HTML ? "</ul>\n" : "\n");
}
