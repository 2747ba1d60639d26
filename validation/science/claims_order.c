/* The claim about the order of methods: their Pareto fronts, and the mean difference between two of them.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "validation/science/points.h"

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
		if (configuration_has_method(other, method) && group_belongs(like, other, except, false))
			points_add(points, other, (double)points->count);
	}
}

enum status claim_order(const struct science *science, struct findings *findings)
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
		const struct configuration *baseline = baseline_find(science, leader);
		struct points document, token;
		if (!configuration_has_method(leader, "document") || baseline == NULL ||
		    !group_leads(science, i, except, false))
			continue;
		find_front(science, leader, "document", &document);
		for (int m = 0; m < 2 && document.count >= 2 && status == STATUS_OK; m++) {
			char place[256];
			find_front(science, leader, methods[m], &token);
			if (token.count < 2)
				continue;
			for (size_t k = 0; k < science->draws; k++)
				values[k] = order_on_draw(&token, &document, baseline, k);
			snprintf(place, sizeof place, "%s (%zu models) against document (%zu), %lld parameters",
			         methods[m], token.count, document.count, (long long)leader->first->parameters);
			status = findings_judge(science, findings, claim, effect, place, values);
		}
	}
	free(values);
	STATUS_TRY(status);
	return findings_need(
		findings, before, claim, effect,
		"no document and token filtering at two or more shares or thresholds, with an unfiltered run");
}
