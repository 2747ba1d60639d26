/* Fitting probes to gathered features on rank 0, and giving them to all ranks. A probe that an earlier start kept is not fitted
 * again, and features are gathered only where a probe is missing.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "classifier/fit_state.h"

/* The left halves of values[count, 2 D], side by side. */
static float *copy_left_halves(const float *values, int64_t count, int64_t width)
{
	float *halves = memory_allocate((size_t)(count * width), sizeof *halves);
	for (int64_t i = 0; halves != NULL && i < count; i++)
		memcpy(halves + i * width, values + 2 * i * width, (size_t)width * sizeof *halves);
	return halves;
}

static int64_t probe_width(const struct fit *fit, enum fit_who who)
{
	return who == WHO_LEFT_ONLY ? fit->width : 2 * fit->width;
}

static const struct picks *sample_of(const struct fit *fit, enum fit_who who)
{
	return who == WHO_DOCUMENT ? &fit->documents : &fit->tokens;
}

static void warn_of_gradient(const struct probe *probe, enum fit_who who, int64_t count, double l2)
{
	if (!probe->converged)
		log_warning(
			"the %s probe did not converge on %lld examples of %lld features: after %d iterations at most its "
			"gradient has norm %.2g (%.0e is converged). It is used as it is, and the file says so; look at its "
			"F1, and if that is poor use a larger classifier/l2 (now %g) or more classifier/%s",
			fit_who_name(who), (long long)count, (long long)probe->width, PROBE_ITERATIONS,
			probe->gradient_norm, PROBE_GRADIENT_NORM, l2,
			who == WHO_DOCUMENT ? "probe_documents" : "probe_tokens");
}

/* Rank 0: fits to the balanced sample and corrects the bias to the odds of the training set. */
static enum status fit_values(struct fit *fit, enum fit_who who, const float *values)
{
	const struct picks *picks = sample_of(fit, who);
	uint8_t *labels = memory_allocate((size_t)picks->count, sizeof *labels);
	struct probe probe = { 0 };

	if (labels == NULL)
		return STATUS_ENVIRONMENT;
	for (int64_t i = 0; i < picks->count; i++)
		labels[i] = (uint8_t)picks->items[i].forget;
	enum status status = probe_fit(values, labels, picks->count, probe_width(fit, who), fit->options->l2, &probe);
	free(labels);
	if (status != STATUS_OK)
		return error_context(status, "%s probe", fit_who_name(who));
	warn_of_gradient(&probe, who, picks->count, fit->options->l2);
	probe.bias += picks->natural_logit;
	probe_clear(&fit->probes[who]);
	fit->probes[who] = probe;
	fit->progress.probes++;
	return STATUS_OK;
}

static enum status fit_left_only(struct fit *fit, const float *values)
{
	float *halves = copy_left_halves(values, fit->tokens.count, fit->width);
	enum status status = halves == NULL ? STATUS_ENVIRONMENT : fit_values(fit, WHO_LEFT_ONLY, halves);
	free(halves);
	return status;
}

/* Rank 0. When it is stopped meanwhile, the features are kept, which are all there. */
static enum status fit_and_keep(struct fit *fit, enum fit_who who, const float *values)
{
	enum status status = who == WHO_LEFT_ONLY ? fit_left_only(fit, values) : fit_values(fit, who, values);
	if (status == STATUS_STOPPED) {
		/* A failure takes the place of the message of the stop. */
		enum status saved = fit_keep_save_rows(fit->keep, values, sample_of(fit, who)->count);
		return saved != STATUS_OK ? saved : status;
	}
	STATUS_TRY(status);
	char *name = fit_kept_name(fit, fit_who_name(who));
	status = name == NULL ? STATUS_ENVIRONMENT : fit_keep_add_probe(fit->keep, name, &fit->probes[who]);
	free(name);
	return status;
}

/* Every rank gets rank 0's probe. Rank 0 may take its time before. */
static enum status broadcast_probe(struct fit *fit, enum fit_who who, enum status status)
{
	struct probe *probe = &fit->probes[who];

	if (fit->world->rank != 0) {
		probe_clear(probe);
		probe->width = probe_width(fit, who);
		probe->weights = malloc((size_t)probe->width * sizeof *probe->weights);
		if (probe->weights == NULL)
			status = error_raise(STATUS_ENVIRONMENT, "out of memory for a probe of %lld weights",
			                     (long long)probe->width);
	}
	status = world_agree(&fit->patient, status);
	fit->world->failure_agreed = fit->patient.failure_agreed;
	STATUS_TRY(status);
	STATUS_TRY(world_broadcast(fit->world, &probe->bias, sizeof probe->bias, 0));
	return world_broadcast(fit->world, probe->weights, probe->width * (int64_t)sizeof *probe->weights, 0);
}

/* Rank 0: found[i] for each of the probes that are kept. */
static enum status find_probes(struct fit *fit, const enum fit_who *whos, int count, bool *found)
{
	for (int i = 0; i < count; i++) {
		char *name = fit_kept_name(fit, fit_who_name(whos[i]));
		enum status status = name == NULL ? STATUS_ENVIRONMENT
		                                  : fit_keep_find_probe(fit->keep, name, probe_width(fit, whos[i]),
		                                                        &fit->probes[whos[i]], &found[i]);
		free(name);
		STATUS_TRY(status);
		fit->progress.kept_probes += found[i];
	}
	return STATUS_OK;
}

/* The probes of one sample: a stage. */
static enum status obtain_probes(struct fit *fit, int layer, const enum fit_who *whos, int count, float *values)
{
	bool found[WHO_COUNT] = { false }, all = true, root = fit->world->rank == 0;

	fit->stage++;
	STATUS_TRY(world_agree(fit->world, root ? find_probes(fit, whos, count, found) : STATUS_OK));
	STATUS_TRY(world_broadcast(fit->world, found, sizeof found, 0));
	for (int i = 0; i < count; i++)
		all = all && found[i];
	if (all)
		fit->progress.kept_extracted += fit_count_blocks(sample_of(fit, whos[0]));
	else if (whos[0] == WHO_DOCUMENT)
		STATUS_TRY(fit_gather_documents(fit, layer, values));
	else
		STATUS_TRY(fit_gather_tokens(fit, layer, values));
	for (int i = 0; i < count; i++) {
		enum status status = root && !found[i] ? fit_and_keep(fit, whos[i], values) : STATUS_OK;
		STATUS_TRY(broadcast_probe(fit, whos[i], status));
	}
	return world_agree(fit->world, fit_keep_end_rows(fit->keep));
}

enum status fit_token_probes(struct fit *fit, int layer, bool left_only, float *values)
{
	static const enum fit_who whos[] = { WHO_CLASSIFIER, WHO_LEFT_ONLY };
	return obtain_probes(fit, layer, whos, left_only ? 2 : 1, values);
}

enum status fit_document_probe(struct fit *fit, int layer, float *values)
{
	static const enum fit_who who = WHO_DOCUMENT;
	return obtain_probes(fit, layer, &who, 1, values);
}
