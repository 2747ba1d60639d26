/* The claims: which configurations each compares, and its effect on one draw.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "validation/science/science.h"

enum { MOST_POINTS = 256 };

/* As COMPARE_TOLERANCE of the report. */
static const double TOLERANCE = 1.05;

#define SIZE_KEYS                                                                                                      \
	"model/", "train/learning_rate", "train/weight_decay", "train/clip_norm", "train/tokens", "train/tokens_per_parameter"
#define FRONT_KEYS "filter/share", "filter/token_threshold", "filter/document_threshold"
#define SHIFT_KEYS "compat/input_mask", "compat/hidden_target"

/* What is compared: configurations with their values of what is varied. */
struct points {
	const struct configuration *items[MOST_POINTS];
	double x[MOST_POINTS];
	size_t count;
};

static bool has_method(const struct configuration *configuration, const char *method)
{
	return strcmp(trial_value(configuration->first, "filter/method"), method) == 0;
}

static bool is_on(const struct configuration *configuration, const char *key)
{
	return strcmp(trial_value(configuration->first, key), "on") == 0;
}

static void points_add(struct points *points, const struct configuration *configuration, double x)
{
	if (points->count == MOST_POINTS)
		return;
	points->items[points->count] = configuration;
	points->x[points->count++] = x;
}

static size_t distinct(const struct points *points)
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

/* Least squares. NaN when x does not vary. */
static double slope_of(const double *x, const double *y, size_t count, double *intercept)
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

static enum status judge(const struct science *science, struct findings *findings, const char *claim, const char *effect,
                         const char *place, double *values)
{
	struct finding finding = { .claim = claim, .effect = effect };
	snprintf(finding.place, sizeof finding.place, "%s", place);
	science_verdict(values, science->draws, science->confidence, &finding);
	return add_finding(findings, &finding);
}

static enum status need(struct findings *findings, size_t before, const char *claim, const char *effect, const char *why)
{
	struct finding finding = { .claim = claim, .effect = effect, .place = "nowhere", .value = NAN, .low = NAN, .high = NAN,
		                   .verdict = UNDECIDED, .why = why };
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
		if (!has_method(&science->configurations[i], "none") &&
		    strcmp(trial_value(science->configurations[i].first, key), own) != 0)
			return true;
	return false;
}

/* "mask by classifier, share 0.1, 361000 parameters" (of the smallest and the largest where sizes are compared) and what
 * else is worth knowing. */
static void describe(const struct science *science, const struct points *points, const char *more, char place[256])
{
	static const char *const naming[] = { "filter/share",      "filter/token_threshold", "filter/noise",
		                              "filter/begin_share", "filter/classifier",      "train/budget",
		                              "generate/entanglement" };
	const struct trial *trial = points->items[0]->first, *largest = trial, *smallest = trial;
	for (size_t i = 0; i < points->count; i++) {
		const struct trial *other = points->items[i]->first;
		smallest = other->parameters < smallest->parameters ? other : smallest;
		largest = other->parameters > largest->parameters ? other : largest;
	}
	const char *source = trial_value(trial, "filter/source");
	int used = snprintf(place, 256, "%.24s%s%.24s", trial_value(trial, "filter/method"), source[0] ? " by " : "", source);
	for (size_t i = 0; i < sizeof naming / sizeof naming[0]; i++) {
		const char *value = trial_value(trial, naming[i]), *name = strrchr(naming[i], '/') + 1;
		const char *slash = strrchr(value, '/');
		/* texts of several entanglements have a classifier each */
		bool said = strcmp(name, "classifier") == 0 && tells_apart(science, points, "generate/entanglement");
		if (!said && tells_apart(science, points, naming[i]))
			used += snprintf(place + used, 256 - (size_t)used, ", %s %.48s", name, slash ? slash + 1 : value);
	}
	used += snprintf(place + used, 256 - (size_t)used, ", %lld", (long long)smallest->parameters);
	if (largest->parameters != smallest->parameters)
		used += snprintf(place + used, 256 - (size_t)used, " to %lld", (long long)largest->parameters);
	snprintf(place + used, 256 - (size_t)used, " parameters%s%s",
	         more[0] != '\0' ? ", " : "", more);
}

/* ---- the baseline ---- */

/* The unfiltered configuration of the same size that was trained as this one. */
static const struct configuration *find_baseline(const struct science *science, const struct configuration *filtered)
{
	static const char *const except[] = { "filter/", SHIFT_KEYS, NULL };
	for (size_t i = 0; i < science->configuration_count; i++) {
		const struct configuration *other = &science->configurations[i];
		if (has_method(other, "none") && other->first->parameters == filtered->first->parameters &&
		    trial_same(other->first, filtered->first, except))
			return other;
	}
	return NULL;
}

/* The unfiltered configurations of all sizes that were trained as this one; x: ln of the compute. */
static void find_law(const struct science *science, const struct configuration *filtered, struct points *law)
{
	static const char *const except[] = { "filter/", SHIFT_KEYS, SIZE_KEYS, NULL };
	law->count = 0;
	for (size_t i = 0; i < science->configuration_count; i++) {
		const struct configuration *other = &science->configurations[i];
		if (has_method(other, "none") && trial_same(other->first, filtered->first, except))
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

/* ln of the loss-matched compute slowdown on the forget set (paper, appendix B.1) on draw k. */
static double log_slowdown(const struct points *law, const struct configuration *filtered, size_t k)
{
	return log(filtered->first->flops) - log_matched(law, filtered, k);
}

/* Whether the matched compute lies outside that of the law's own models, as the report marks it. */
static bool is_extrapolated(const struct points *law, const struct configuration *filtered)
{
	double low = INFINITY, high = -INFINITY, matched = log_matched(law, filtered, 0);
	for (size_t i = 0; i < law->count; i++) {
		low = fmin(low, law->x[i]);
		high = fmax(high, law->x[i]);
	}
	return matched < low - log(TOLERANCE) || matched > high + log(TOLERANCE);
}

static const char extrapolated[] = ", EXTRAPOLATED";

/* ---- groups: configurations that differ in some keys only ---- */

static bool belongs(const struct configuration *a, const struct configuration *b, const char *const *except,
                    bool any_size)
{
	return (any_size || a->first->parameters == b->first->parameters) && trial_same(a->first, b->first, except);
}

/* Whether configuration i is the first of its group, so that a group is looked at once. */
static bool leads(const struct science *science, size_t i, const char *const *except, bool any_size)
{
	for (size_t j = 0; j < i; j++)
		if (belongs(&science->configurations[j], &science->configurations[i], except, any_size))
			return false;
	return true;
}

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
	{ VARIED_NOISE, "decay with noise", "fall of forget loss per unit of flip rate, nats",
	  "no filtered runs with three or more filter/noise from 0 to 0.5", -1, 3, SCIENCE_FORGET, false, { "filter/noise" } },
	{ VARIED_DELAY, "cost of delay", "fall of forget loss from no delay to filtering never, nats",
	  "no filtered runs with three or more filter/begin_share", -1, 3, SCIENCE_FORGET, false, { "filter/begin_share" } },
	{ VARIED_CLASSIFIER, "better classifiers", "rise of forget loss per unit of AUROC, nats",
	  "no filtered runs with two or more classifiers of known AUROC at one filter/share", 1, 2, SCIENCE_FORGET, false,
	  { "filter/classifier", "filter/source" } },
	{ VARIED_ENTANGLEMENT, "entanglement", "rise of retain loss minus the unfiltered model's from entanglement 0 to 1, nats",
	  "no filtered and unfiltered runs on texts of two or more entanglements", 1, 2, SCIENCE_RETAIN, true,
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
		baselines[i] = find_baseline(science, points->items[i]);
	for (size_t k = 0; k < science->draws; k++) {
		for (size_t i = 0; i < points->count; i++)
			y[i] = points->items[i]->losses[claim->set][k] -
			       (baselines[i] != NULL ? baselines[i]->losses[claim->set][k] : 0);
		values[k] = claim->sign * slope_of(points->x, y, points->count, NULL);
	}
	snprintf(more, sizeof more, "%zu values", distinct(points));
	if (claim->varied == VARIED_ENTANGLEMENT)
		snprintf(place, sizeof place, "%s by %s, %lld parameters, %s",
		         trial_value(points->items[0]->first, "filter/method"),
		         trial_value(points->items[0]->first, "filter/source"), (long long)points->items[0]->first->parameters, more);
	else
		describe(science, points, more, place);
	enum status status = judge(science, findings, claim->claim, claim->effect, place, values);
	free(values);
	return status;
}

static enum status claim_slopes(const struct science *science, const struct slope_claim *claim, struct findings *findings)
{
	size_t before = findings->count;
	for (size_t i = 0; i < science->configuration_count; i++) {
		struct points points = { .count = 0 };
		const struct configuration *leader = &science->configurations[i];
		if (has_method(leader, "none") || !leads(science, i, claim->except, false))
			continue;
		for (size_t j = i; j < science->configuration_count; j++) {
			const struct configuration *other = &science->configurations[j];
			double x = varied_value(other, claim->varied);
			if (!isnan(x) && belongs(leader, other, claim->except, false) &&
			    (!claim->against_baseline || find_baseline(science, other) != NULL))
				points_add(&points, other, x);
		}
		if (distinct(&points) >= claim->least)
			STATUS_TRY(judge_slope(science, claim, &points, findings));
	}
	return need(findings, before, claim->claim, claim->effect, claim->needs);
}

/* ---- growth with size ---- */

static enum status claim_growth(const struct science *science, struct findings *findings)
{
	static const char *const except[] = { SIZE_KEYS, NULL };
	static const char claim[] = "growth with size", effect[] = "exponent of the slowdown on the forget set in the number of parameters";
	size_t before = findings->count;
	double *values = memory_allocate(science->draws, sizeof *values);
	enum status status = values == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	for (size_t i = 0; i < science->configuration_count && status == STATUS_OK; i++) {
		struct points points = { .count = 0 }, law;
		const struct configuration *leader = &science->configurations[i];
		char place[256], more[64];
		bool beyond = false;
		if (has_method(leader, "none") || !leads(science, i, except, true))
			continue;
		for (size_t j = i; j < science->configuration_count; j++)
			if (belongs(leader, &science->configurations[j], except, true))
				points_add(&points, &science->configurations[j],
				           log((double)science->configurations[j].first->parameters));
		find_law(science, leader, &law);
		if (distinct(&points) < 3 || distinct(&law) < 3)
			continue;
		for (size_t k = 0; k < science->draws; k++) {
			double y[MOST_POINTS];
			for (size_t j = 0; j < points.count; j++)
				y[j] = log_slowdown(&law, points.items[j], k);
			values[k] = slope_of(points.x, y, points.count, NULL);
		}
		for (size_t j = 0; j < points.count; j++)
			beyond |= is_extrapolated(&law, points.items[j]);
		snprintf(more, sizeof more, "%zu sizes%s", distinct(&points), beyond ? extrapolated : "");
		describe(science, &points, more, place);
		status = judge(science, findings, claim, effect, place, values);
	}
	free(values);
	STATUS_TRY(status);
	return need(findings, before, claim, effect, "no filtered method at three sizes with unfiltered runs at three");
}

/* ---- order of methods on the Pareto front ---- */

struct front {
	double retain[MOST_POINTS + 1], forget[MOST_POINTS + 1];
	size_t count;
};

static void front_add(struct front *front, const struct configuration *configuration, size_t k)
{
	double retain = configuration->losses[SCIENCE_RETAIN][k];
	size_t at = front->count++;
	for (; at > 0 && front->retain[at - 1] > retain; at--) {
		front->retain[at] = front->retain[at - 1];
		front->forget[at] = front->forget[at - 1];
	}
	front->retain[at] = retain;
	front->forget[at] = configuration->losses[SCIENCE_FORGET][k];
}

/* Forget loss at a retain loss inside the front's range. */
static double front_at(const struct front *front, double retain)
{
	size_t i = 1;
	while (i + 1 < front->count && front->retain[i] < retain)
		i++;
	double width = front->retain[i] - front->retain[i - 1];
	double share = width > 0 ? (retain - front->retain[i - 1]) / width : 0.5;
	return front->forget[i - 1] + share * (front->forget[i] - front->forget[i - 1]);
}

/* Mean difference in forget loss over the retain losses that both fronts reach. NaN when there are none. */
static double front_difference(const struct front *front, const struct front *other)
{
	enum { GRID = 64 };
	double low = fmax(front->retain[0], other->retain[0]), sum = 0;
	double high = fmin(front->retain[front->count - 1], other->retain[other->count - 1]);
	if (!(high > low))
		return NAN;
	for (int i = 0; i < GRID; i++) {
		double retain = low + (high - low) * (i + 0.5) / GRID;
		sum += front_at(front, retain) - front_at(other, retain);
	}
	return sum / GRID;
}

static double order_on_draw(const struct points *token, const struct points *document,
                            const struct configuration *baseline, size_t k)
{
	struct front fronts[2] = { { .count = 0 }, { .count = 0 } };
	front_add(&fronts[0], baseline, k);
	front_add(&fronts[1], baseline, k);
	for (size_t i = 0; i < token->count; i++)
		front_add(&fronts[0], token->items[i], k);
	for (size_t i = 0; i < document->count; i++)
		front_add(&fronts[1], document->items[i], k);
	return front_difference(&fronts[0], &fronts[1]);
}

static void find_front(const struct science *science, const struct configuration *like, const char *method,
                       struct points *points)
{
	static const char *const except[] = { "filter/method", FRONT_KEYS, NULL };
	points->count = 0;
	for (size_t i = 0; i < science->configuration_count; i++) {
		const struct configuration *other = &science->configurations[i];
		if (has_method(other, method) && belongs(like, other, except, false))
			points_add(points, other, (double)points->count);
	}
}

static enum status claim_order(const struct science *science, struct findings *findings)
{
	static const char *const except[] = { FRONT_KEYS, NULL };
	static const char *const methods[] = { "mask", "remove" };
	static const char claim[] = "order of methods";
	static const char effect[] = "forget loss above that of document filtering at equal retain loss, nats";
	size_t before = findings->count;
	double *values = memory_allocate(science->draws, sizeof *values);
	enum status status = values == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	for (size_t i = 0; i < science->configuration_count && status == STATUS_OK; i++) {
		const struct configuration *leader = &science->configurations[i];
		const struct configuration *baseline = find_baseline(science, leader);
		struct points document, token;
		if (!has_method(leader, "document") || baseline == NULL || !leads(science, i, except, false))
			continue;
		find_front(science, leader, "document", &document);
		for (int m = 0; m < 2 && document.count >= 2 && status == STATUS_OK; m++) {
			char place[256];
			find_front(science, leader, methods[m], &token);
			if (token.count < 2)
				continue;
			for (size_t k = 0; k < science->draws; k++)
				values[k] = order_on_draw(&token, &document, baseline, k);
			snprintf(place, sizeof place, "%s (%zu models) against document (%zu), %lld parameters", methods[m],
			         token.count, document.count, (long long)leader->first->parameters);
			status = judge(science, findings, claim, effect, place, values);
		}
	}
	free(values);
	STATUS_TRY(status);
	return need(findings, before, claim, effect,
	            "no document and token filtering at two or more shares or thresholds, with an unfiltered run");
}

/* ---- the released code's differences ---- */

static const char *const switches[] = { "compat/input_mask", "compat/hidden_target", "compat/no_rotary",
	                                "compat/micro_batch_mean" };

static size_t name_switches(const struct configuration *configuration, char text[128])
{
	size_t on = 0, used = 0;
	text[0] = '\0';
	for (size_t i = 0; i < sizeof switches / sizeof *switches; i++) {
		if (!is_on(configuration, switches[i]))
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
		if (name_switches(other, text) == 0 && belongs(with, other, except, false))
			return other;
	}
	return NULL;
}

static enum status claim_switches(const struct science *science, struct findings *findings)
{
	static const char claim[] = "released code looks stronger", effect[] = "ln of the factor by which the switch raises the slowdown on the forget set";
	size_t before = findings->count;
	double *values = memory_allocate(science->draws, sizeof *values);
	enum status status = values == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	for (size_t i = 0; i < science->configuration_count && status == STATUS_OK; i++) {
		const struct configuration *with = &science->configurations[i], *plain;
		struct points law, plain_law;
		char place[256], text[128], more[160];
		if (has_method(with, "none") || name_switches(with, text) == 0 ||
		    (plain = without_switches(science, with)) == NULL)
			continue;
		find_law(science, with, &law);
		find_law(science, plain, &plain_law);
		if (distinct(&law) < 2 || distinct(&plain_law) < 2)
			continue;
		for (size_t k = 0; k < science->draws; k++)
			values[k] = log_slowdown(&law, with, k) - log_slowdown(&plain_law, plain, k);
		snprintf(more, sizeof more, "%s%s", text,
		         is_extrapolated(&law, with) || is_extrapolated(&plain_law, plain) ? extrapolated : "");
		describe(science, &(struct points){ .items = { with }, .count = 1 }, more, place);
		status = judge(science, findings, claim, effect, place, values);
	}
	free(values);
	STATUS_TRY(status);
	return need(findings, before, claim, effect,
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
