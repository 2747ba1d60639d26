/* Groups of configurations, their baselines, and how findings about them are named.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "validation/science/points.h"

/* As COMPARE_TOLERANCE of the report. */
static const double TOLERANCE = 1.05;

/* Switches that change what is filtered: an unfiltered run has no say in them. */
#define SHIFT_KEYS "compat/input_mask", "compat/hidden_target"

bool configuration_has_method(const struct configuration *configuration, const char *method)
{
	return strcmp(trial_value(configuration->first, "filter/method"), method) == 0;
}

bool configuration_has_on(const struct configuration *configuration, const char *key)
{
	return strcmp(trial_value(configuration->first, key), "on") == 0;
}

void points_add(struct points *points, const struct configuration *configuration, double x)
{
	if (points->count == MOST_POINTS)
		return;
	points->items[points->count] = configuration;
	points->x[points->count++] = x;
}

size_t points_distinct(const struct points *points)
{
	size_t count = 0;
	for (size_t i = 0; i < points->count; i++) {
		bool known = false;
		for (size_t j = 0; j < i; j++)
			known |= points->x[j] == points->x[i];
		count += !known;
	}
	return count;
}

double slope_of(const double *x, const double *y, size_t count, double *intercept)
{
	double mean_x = 0, mean_y = 0, xx = 0, xy = 0;
	for (size_t i = 0; i < count; i++) {
		mean_x += x[i] / (double)count;
		mean_y += y[i] / (double)count;
	}
	for (size_t i = 0; i < count; i++) {
		xx += (x[i] - mean_x) * (x[i] - mean_x);
		xy += (x[i] - mean_x) * (y[i] - mean_y);
	}
	double slope = xx > 0 ? xy / xx : NAN;
	if (intercept != NULL)
		*intercept = mean_y - slope * mean_x;
	return slope;
}

/* ---- findings ---- */

static enum status add_finding(struct findings *findings, const struct finding *finding)
{
	STATUS_TRY(memory_grow((void **)&findings->items, &findings->capacity, findings->count + 1,
	                       sizeof *findings->items));
	findings->items[findings->count++] = *finding;
	return STATUS_OK;
}

enum status findings_judge(const struct science *science, struct findings *findings, const char *claim,
                           const char *effect, const char *place, double *values)
{
	struct finding finding = { .claim = claim, .effect = effect };
	snprintf(finding.place, sizeof finding.place, "%s", place);
	science_verdict(values, science->draws, science->confidence, &finding);
	return add_finding(findings, &finding);
}

enum status findings_need(struct findings *findings, size_t before, const char *claim, const char *effect,
                          const char *why)
{
	struct finding finding = { .claim = claim,
		                   .effect = effect,
		                   .place = "nowhere",
		                   .value = NAN,
		                   .low = NAN,
		                   .high = NAN,
		                   .verdict = UNDECIDED,
		                   .why = why };
	return findings->count > before ? STATUS_OK : add_finding(findings, &finding);
}

/* Whether filtered runs of the sweep differ in a key that these do not differ in: then it names them. */
static bool tells_apart(const struct science *science, const struct points *points, const char *key)
{
	const char *own = trial_value(points->items[0]->first, key);
	for (size_t i = 0; i < points->count; i++)
		if (strcmp(trial_value(points->items[i]->first, key), own) != 0)
			return false;
	for (size_t i = 0; i < science->configuration_count; i++)
		if (!configuration_has_method(&science->configurations[i], "none") &&
		    strcmp(trial_value(science->configurations[i].first, key), own) != 0)
			return true;
	return false;
}

void points_describe(const struct science *science, const struct points *points, const char *more, char place[256])
{
	static const char *const naming[] = { "filter/share",         "filter/token_threshold", "filter/noise",
		                              "filter/begin_share",   "filter/classifier",      "train/budget",
		                              "generate/entanglement" };
	const struct trial *trial = points->items[0]->first, *largest = trial, *smallest = trial;
	for (size_t i = 0; i < points->count; i++) {
		const struct trial *other = points->items[i]->first;
		smallest = other->parameters < smallest->parameters ? other : smallest;
		largest = other->parameters > largest->parameters ? other : largest;
	}
	const char *source = trial_value(trial, "filter/source");
	int used = snprintf(place, 256, "%.24s%s%.24s", trial_value(trial, "filter/method"), source[0] ? " by " : "",
	                    source);
	for (size_t i = 0; i < sizeof naming / sizeof naming[0]; i++) {
		const char *value = trial_value(trial, naming[i]), *name = strrchr(naming[i], '/') + 1;
		const char *slash = strrchr(value, '/');
		/* texts of several entanglements have a classifier each */
		bool said = strcmp(name, "classifier") == 0 && tells_apart(science, points, "generate/entanglement");
		if (!said && tells_apart(science, points, naming[i]))
			used += snprintf(place + used, 256 - (size_t)used, ", %s %.48s", name,
			                 slash ? slash + 1 : value);
	}
	used += snprintf(place + used, 256 - (size_t)used, ", %lld", (long long)smallest->parameters);
	if (largest->parameters != smallest->parameters)
		used += snprintf(place + used, 256 - (size_t)used, " to %lld", (long long)largest->parameters);
	snprintf(place + used, 256 - (size_t)used, " parameters%s%s", more[0] != '\0' ? ", " : "", more);
}

/* ---- the baseline ---- */

const struct configuration *baseline_find(const struct science *science, const struct configuration *filtered)
{
	static const char *const except[] = { "filter/", SHIFT_KEYS, NULL };
	for (size_t i = 0; i < science->configuration_count; i++) {
		const struct configuration *other = &science->configurations[i];
		if (configuration_has_method(other, "none") &&
		    other->first->parameters == filtered->first->parameters &&
		    trial_same(other->first, filtered->first, except))
			return other;
	}
	return NULL;
}

void baseline_find_law(const struct science *science, const struct configuration *filtered, struct points *law)
{
	static const char *const except[] = { "filter/", SHIFT_KEYS, SIZE_KEYS, NULL };
	law->count = 0;
	for (size_t i = 0; i < science->configuration_count; i++) {
		const struct configuration *other = &science->configurations[i];
		if (configuration_has_method(other, "none") && trial_same(other->first, filtered->first, except))
			points_add(law, other, log(other->first->flops));
	}
}

/* ln of the compute at which the power law of the baseline has the forget loss of `filtered`, on draw k. */
static double log_matched(const struct points *law, const struct configuration *filtered, size_t k)
{
	double losses[MOST_POINTS], intercept;
	for (size_t i = 0; i < law->count; i++)
		losses[i] = log(law->items[i]->losses[SCIENCE_FORGET][k]);
	double slope = slope_of(law->x, losses, law->count, &intercept);
	return slope < -1e-4 ? (log(filtered->losses[SCIENCE_FORGET][k]) - intercept) / slope : NAN;
}

double baseline_log_slowdown(const struct points *law, const struct configuration *filtered, size_t k)
{
	return log(filtered->first->flops) - log_matched(law, filtered, k);
}

bool baseline_is_extrapolated(const struct points *law, const struct configuration *filtered)
{
	double low = INFINITY, high = -INFINITY, matched = log_matched(law, filtered, 0);
	for (size_t i = 0; i < law->count; i++) {
		low = fmin(low, law->x[i]);
		high = fmax(high, law->x[i]);
	}
	return matched < low - log(TOLERANCE) || matched > high + log(TOLERANCE);
}

/* ---- groups: configurations that differ in some keys only ---- */

bool group_belongs(const struct configuration *a, const struct configuration *b, const char *const *except,
                   bool any_size)
{
	return (any_size || a->first->parameters == b->first->parameters) && trial_same(a->first, b->first, except);
}

bool group_leads(const struct science *science, size_t i, const char *const *except, bool any_size)
{
	for (size_t j = 0; j < i; j++)
		if (group_belongs(&science->configurations[j], &science->configurations[i], except, any_size))
			return false;
	return true;
}
