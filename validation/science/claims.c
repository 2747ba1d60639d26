/* The claims: which configurations each compares, and its effect on one draw.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "validation/science/points.h"

static const char extrapolated[] = ", EXTRAPOLATED";

/* ---- slopes over one thing that is varied ---- */

enum varied { VARIED_NOISE, VARIED_DELAY, VARIED_CLASSIFIER, VARIED_ENTANGLEMENT };

static double varied_value(const struct configuration *configuration, enum varied varied)
{
	const struct trial *trial = configuration->first;
	switch (varied) {
	case VARIED_NOISE: {
		double noise = trial_number(trial, "filter/noise");
		return noise <= 0.5 ? noise : NAN; /* beyond, the filter is another one */
	}
	case VARIED_DELAY:
		return trial_number(trial, "filter/begin_share");
	case VARIED_CLASSIFIER: /* at thresholds of their own classifiers filter different shares */
		return trial_number(trial, "filter/share") >= 0 ? trial->auroc : NAN;
	case VARIED_ENTANGLEMENT:
		return trial->entanglement;
	}
	return NAN;
}

struct slope_claim {
	enum varied varied;
	const char *claim, *effect, *needs;
	double sign;
	size_t least; /* values of what is varied */
	enum science_set set;
	bool against_baseline;
	const char *except[4];
};

static const struct slope_claim slope_claims[] = {
	{ VARIED_NOISE,
	  "decay with noise",
	  "fall of forget loss per unit of flip rate, nats",
	  "no filtered runs with three or more filter/noise from 0 to 0.5",
	  -1,
	  3,
	  SCIENCE_FORGET,
	  false,
	  { "filter/noise" } },
	{ VARIED_DELAY,
	  "cost of delay",
	  "fall of forget loss from no delay to filtering never, nats",
	  "no filtered runs with three or more filter/begin_share",
	  -1,
	  3,
	  SCIENCE_FORGET,
	  false,
	  { "filter/begin_share" } },
	{ VARIED_CLASSIFIER,
	  "better classifiers",
	  "rise of forget loss per unit of AUROC, nats",
	  "no filtered runs with two or more classifiers of known AUROC at one filter/share",
	  1,
	  2,
	  SCIENCE_FORGET,
	  false,
	  { "filter/classifier", "filter/source" } },
	{ VARIED_ENTANGLEMENT,
	  "entanglement",
	  "rise of retain loss minus the unfiltered model's from entanglement 0 to 1, nats",
	  "no filtered and unfiltered runs on texts of two or more entanglements",
	  1,
	  2,
	  SCIENCE_RETAIN,
	  true,
	  { "data/folder", "filter/classifier", "generate/" } },
};

static enum status judge_slope(const struct science *science, const struct slope_claim *claim,
                               const struct points *points, struct findings *findings)
{
	const struct configuration *baselines[MOST_POINTS] = { NULL };
	double y[MOST_POINTS];
	char place[256], more[64];
	double *values = memory_allocate(science->draws, sizeof *values);
	if (values == NULL)
		return STATUS_ENVIRONMENT;
	for (size_t i = 0; claim->against_baseline && i < points->count; i++)
		baselines[i] = baseline_find(science, points->items[i]);
	for (size_t k = 0; k < science->draws; k++) {
		for (size_t i = 0; i < points->count; i++)
			y[i] = points->items[i]->losses[claim->set][k] -
			       (baselines[i] != NULL ? baselines[i]->losses[claim->set][k] : 0);
		values[k] = claim->sign * slope_of(points->x, y, points->count, NULL);
	}
	snprintf(more, sizeof more, "%zu values", points_distinct(points));
	if (claim->varied == VARIED_ENTANGLEMENT)
		snprintf(place, sizeof place, "%s by %s, %lld parameters, %s",
		         trial_value(points->items[0]->first, "filter/method"),
		         trial_value(points->items[0]->first, "filter/source"),
		         (long long)points->items[0]->first->parameters, more);
	else
		points_describe(science, points, more, place);
	enum status status = findings_judge(science, findings, claim->claim, claim->effect, place, values);
	free(values);
	return status;
}

static enum status claim_slopes(const struct science *science, const struct slope_claim *claim,
                                struct findings *findings)
{
	size_t before = findings->count;
	for (size_t i = 0; i < science->configuration_count; i++) {
		struct points points = { .count = 0 };
		const struct configuration *leader = &science->configurations[i];
		if (configuration_has_method(leader, "none") || !group_leads(science, i, claim->except, false))
			continue;
		for (size_t j = i; j < science->configuration_count; j++) {
			const struct configuration *other = &science->configurations[j];
			double x = varied_value(other, claim->varied);
			if (!isnan(x) && group_belongs(leader, other, claim->except, false) &&
			    (!claim->against_baseline || baseline_find(science, other) != NULL))
				points_add(&points, other, x);
		}
		if (points_distinct(&points) >= claim->least)
			STATUS_TRY(judge_slope(science, claim, &points, findings));
	}
	return findings_need(findings, before, claim->claim, claim->effect, claim->needs);
}

/* ---- growth with size ---- */

static enum status claim_growth(const struct science *science, struct findings *findings)
{
	static const char *const except[] = { SIZE_KEYS, NULL };
	static const char claim[] = "growth with size",
			  effect[] = "exponent of the slowdown on the forget set in the number of parameters";
	size_t before = findings->count;
	double *values = memory_allocate(science->draws, sizeof *values);
	enum status status = values == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	for (size_t i = 0; i < science->configuration_count && status == STATUS_OK; i++) {
		struct points points = { .count = 0 }, law;
		const struct configuration *leader = &science->configurations[i];
		char place[256], more[64];
		bool beyond = false;
		if (configuration_has_method(leader, "none") || !group_leads(science, i, except, true))
			continue;
		for (size_t j = i; j < science->configuration_count; j++)
			if (group_belongs(leader, &science->configurations[j], except, true))
				points_add(&points, &science->configurations[j],
				           log((double)science->configurations[j].first->parameters));
		baseline_find_law(science, leader, &law);
		if (points_distinct(&points) < 3 || points_distinct(&law) < 3)
			continue;
		for (size_t k = 0; k < science->draws; k++) {
			double y[MOST_POINTS];
			for (size_t j = 0; j < points.count; j++)
				y[j] = baseline_log_slowdown(&law, points.items[j], k);
			values[k] = slope_of(points.x, y, points.count, NULL);
		}
		for (size_t j = 0; j < points.count; j++)
			beyond |= baseline_is_extrapolated(&law, points.items[j]);
		snprintf(more, sizeof more, "%zu sizes%s", points_distinct(&points), beyond ? extrapolated : "");
		points_describe(science, &points, more, place);
		status = findings_judge(science, findings, claim, effect, place, values);
	}
	free(values);
	STATUS_TRY(status);
	return findings_need(findings, before, claim, effect,
	                     "no filtered method at three sizes with unfiltered runs at three");
}

/* ---- the released code's differences ---- */

static const char *const switches[] = { "compat/input_mask", "compat/hidden_target", "compat/no_rotary",
	                                "compat/micro_batch_mean" };

static size_t name_switches(const struct configuration *configuration, char text[128])
{
	size_t on = 0, used = 0;
	text[0] = '\0';
	for (size_t i = 0; i < sizeof switches / sizeof *switches; i++) {
		if (!configuration_has_on(configuration, switches[i]))
			continue;
		used += (size_t)snprintf(text + used, 128 - used, "%s%s", on++ > 0 ? " + " : "", switches[i] + 7);
	}
	return on;
}

static const struct configuration *without_switches(const struct science *science, const struct configuration *with)
{
	static const char *const except[] = { "compat/", NULL };
	char text[128];
	for (size_t i = 0; i < science->configuration_count; i++) {
		const struct configuration *other = &science->configurations[i];
		if (name_switches(other, text) == 0 && group_belongs(with, other, except, false))
			return other;
	}
	return NULL;
}

static enum status claim_switches(const struct science *science, struct findings *findings)
{
	static const char claim[] = "released code looks stronger",
			  effect[] = "ln of the factor by which the switch raises the slowdown on the forget set";
	size_t before = findings->count;
	double *values = memory_allocate(science->draws, sizeof *values);
	enum status status = values == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	for (size_t i = 0; i < science->configuration_count && status == STATUS_OK; i++) {
		const struct configuration *with = &science->configurations[i], *plain;
		struct points law, plain_law;
		char place[256], text[128], more[160];
		if (configuration_has_method(with, "none") || name_switches(with, text) == 0 ||
		    (plain = without_switches(science, with)) == NULL)
			continue;
		baseline_find_law(science, with, &law);
		baseline_find_law(science, plain, &plain_law);
		if (points_distinct(&law) < 2 || points_distinct(&plain_law) < 2)
			continue;
		for (size_t k = 0; k < science->draws; k++)
			values[k] = baseline_log_slowdown(&law, with, k) - baseline_log_slowdown(&plain_law, plain, k);
		snprintf(more, sizeof more, "%s%s", text,
		         baseline_is_extrapolated(&law, with) || baseline_is_extrapolated(&plain_law, plain)
		                 ? extrapolated
		                 : "");
		points_describe(science, &(struct points){ .items = { with }, .count = 1 }, more, place);
		status = findings_judge(science, findings, claim, effect, place, values);
	}
	free(values);
	STATUS_TRY(status);
	return findings_need(
		findings, before, claim, effect,
		"no filtered run with and without compat switches, each with unfiltered runs at two sizes");
}

enum status science_judge(const struct science *science, struct findings *findings)
{
	STATUS_TRY(claim_order(science, findings));
	STATUS_TRY(claim_growth(science, findings));
	for (size_t i = 0; i < sizeof slope_claims / sizeof *slope_claims; i++)
		STATUS_TRY(claim_slopes(science, &slope_claims[i], findings));
	return claim_switches(science, findings);
}
