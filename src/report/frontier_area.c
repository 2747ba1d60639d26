/* Areas under the forget loss as a function of the retain loss.
 * SPDX-License-Identifier: Apache-2.0 */
#include "report/frontier.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "report/columns.h"

/* ---- arithmetic ---- */

enum { MOST_POINTS = 256 };

/* Copies the points in order of x; false where there are too few or one is NaN. */
static bool sort_points(const double *x, const double *y, size_t count, double *sorted_x, double *sorted_y)
{
	if (count < 2 || count > MOST_POINTS)
		return false;
	for (size_t i = 0; i < count; i++) {
		size_t place = i;
		if (isnan(x[i]) || isnan(y[i]))
			return false;
		for (; place > 0 && sorted_x[place - 1] > x[i]; place--) {
			sorted_x[place] = sorted_x[place - 1];
			sorted_y[place] = sorted_y[place - 1];
		}
		sorted_x[place] = x[i];
		sorted_y[place] = y[i];
	}
	return true;
}

double frontier_area(const double *x, const double *y, size_t count)
{
	double u[MOST_POINTS], v[MOST_POINTS], area = 0.0;
	if (!sort_points(x, y, count, u, v))
		return NAN;
	for (size_t i = 0; i + 1 < count; i++)
		area += 0.5 * (v[i] + v[i + 1]) * (u[i + 1] - u[i]);
	return area;
}

double frontier_height(const double *x, const double *y, size_t count, double low, double high)
{
	double u[MOST_POINTS], v[MOST_POINTS], area = 0.0;
	if (!sort_points(x, y, count, u, v) || !(low < high) || low < u[0] || high > u[count - 1])
		return NAN;
	for (size_t i = 0; i + 1 < count; i++) {
		double from = fmax(low, u[i]), to = fmin(high, u[i + 1]), width = u[i + 1] - u[i];
		if (to <= from || width <= 0.0)
			continue;
		double first = v[i] + (v[i + 1] - v[i]) * (from - u[i]) / width;
		double last = v[i] + (v[i + 1] - v[i]) * (to - u[i]) / width;
		area += 0.5 * (first + last) * (to - from);
	}
	return area / (high - low);
}

/* ---- curves of groups ---- */

struct areas {
	double area, normalised, height, height_normalised;
	double low, high; /* retain losses that both curves share */
};

struct two_curves {
	const struct comparison *comparison;
	size_t forget, retain; /* measures */
	const size_t *own, *other;
	size_t own_count, other_count; /* other: the reference, 0 when there is none */
	double *x, *y, *other_x, *other_y;
};

/* Losses of the point estimate (resample == -1) or of a resample. */
static bool fill_losses(const struct two_curves *two, const size_t *groups, size_t count, long resample, double *x,
                        double *y)
{
	for (size_t i = 0; i < count; i++) {
		if (resample < 0) {
			x[i] = compare_loss(two->comparison, two->retain, groups[i])->loss.value;
			y[i] = compare_loss(two->comparison, two->forget, groups[i])->loss.value;
			continue;
		}
		const double *retain = compare_replicates(two->comparison, two->retain, groups[i]);
		const double *forget = compare_replicates(two->comparison, two->forget, groups[i]);
		if (!retain || !forget)
			return false;
		x[i] = retain[resample];
		y[i] = forget[resample];
	}
	return true;
}

static bool measure_areas(const struct two_curves *two, long resample, struct areas *areas)
{
	if (!fill_losses(two, two->own, two->own_count, resample, two->x, two->y) ||
	    !fill_losses(two, two->other, two->other_count, resample, two->other_x, two->other_y))
		return false;
	*areas = (struct areas){ NAN, NAN, NAN, NAN, -INFINITY, INFINITY };
	double own_low = INFINITY, own_high = -INFINITY, low = INFINITY, high = -INFINITY;
	for (size_t i = 0; i < two->own_count; i++) {
		own_low = fmin(own_low, two->x[i]);
		own_high = fmax(own_high, two->x[i]);
	}
	for (size_t i = 0; i < two->other_count; i++) {
		low = fmin(low, two->other_x[i]);
		high = fmax(high, two->other_x[i]);
	}
	areas->area = frontier_area(two->x, two->y, two->own_count);
	areas->low = two->other_count ? fmax(low, own_low) : own_low;
	areas->high = two->other_count ? fmin(high, own_high) : own_high;
	areas->height = frontier_height(two->x, two->y, two->own_count, areas->low, areas->high);
	if (two->other_count == 0)
		return true;
	areas->normalised = 1.0 - frontier_area(two->other_x, two->other_y, two->other_count) / areas->area;
	areas->height_normalised =
		1.0 -
		frontier_height(two->other_x, two->other_y, two->other_count, areas->low, areas->high) / areas->height;
	return true;
}

static void add_intervals(const struct two_curves *two, const struct areas *areas, double *scratch, struct table *table)
{
	const struct compare_options *options = &two->comparison->options;
	double *paper = scratch, *shared = scratch + options->resamples;
	bool known = options->resamples > 0;
	for (size_t k = 0; k < options->resamples && known; k++) {
		struct areas drawn = { NAN, NAN, NAN, NAN, NAN, NAN };
		known = measure_areas(two, (long)k, &drawn);
		paper[k] = drawn.normalised;
		shared[k] = drawn.height_normalised;
	}
	struct interval normalised = { areas->normalised, NAN, NAN }, height = { areas->height_normalised, NAN, NAN };
	if (known) {
		normalised = bootstrap_interval(normalised.value, paper, options->resamples, options->confidence);
		height = bootstrap_interval(height.value, shared, options->resamples, options->confidence);
	}
	table_add_real(table, areas->area);
	columns_add_interval(table, &normalised);
	table_add_real(table, areas->height);
	columns_add_interval(table, &height);
	table_add_real(table, areas->low);
	table_add_real(table, areas->high);
}

/* One row for the label tokens and one for all, where the losses are there. */
static void add_curve(const struct comparison *comparison, const char *over, const char *who, const char *size,
                      const char *reference, struct two_curves two, struct table *table)
{
	double *scratch = memory_allocate(2 * comparison->options.resamples, sizeof(*scratch));
	double *losses = memory_allocate(2 * (two.own_count + two.other_count), sizeof(*losses));
	if (!scratch || !losses)
		table->status = STATUS_ENVIRONMENT;
	for (int label = 0; label < 2 && scratch && losses; label++) {
		struct areas areas;
		two.comparison = comparison;
		two.forget = study_find_measure(comparison->study, "forget", label == 1);
		two.retain = study_find_measure(comparison->study, "retain", label == 1);
		two.x = losses;
		two.y = two.x + two.own_count;
		two.other_x = two.y + two.own_count;
		two.other_y = two.other_x + two.other_count;
		if (two.forget == STUDY_NONE || two.retain == STUDY_NONE || !measure_areas(&two, -1, &areas) ||
		    isnan(areas.area))
			continue;
		table_add_text(table, "%s", over);
		table_add_text(table, "%s", who);
		table_add_text(table, "%s", size);
		table_add_text(table, "%s", label ? "label" : "all");
		table_add_text(table, "%s", reference);
		table_add_integer(table, (int64_t)two.own_count);
		add_intervals(&two, &areas, scratch, table);
	}
	free(scratch);
	free(losses);
}

/* ---- over sizes ---- */

static size_t groups_of_method(const struct study *study, size_t method, size_t *groups)
{
	size_t count = 0;
	for (size_t s = 0; s < study->size_count && method != STUDY_NONE; s++)
		if (study_cell(study, method, s) != STUDY_NONE)
			groups[count++] = study_cell(study, method, s);
	return count;
}

static void add_methods(const struct comparison *comparison, struct table *table)
{
	const struct study *study = comparison->study;
	size_t *own = memory_allocate(study->size_count, sizeof(*own));
	size_t *other = memory_allocate(study->size_count, sizeof(*other));
	if (!own || !other)
		table->status = STATUS_ENVIRONMENT;
	for (size_t m = 0; m < study->method_count && own && other; m++) {
		size_t baseline = study->methods[m].is_baseline ? STUDY_NONE : study->methods[m].baseline;
		struct two_curves two = { .own = own, .other = other };
		two.own_count = groups_of_method(study, m, own);
		two.other_count = groups_of_method(study, baseline, other);
		if (two.own_count >= 2)
			add_curve(comparison, "size", study->methods[m].label, "",
			          two.other_count ? study->methods[baseline].label : "", two, table);
	}
	free(own);
	free(other);
}

/* ---- over a numeric axis: against the family that filters documents ---- */

static bool is_document_family(const struct study *study, const struct curve *curve)
{
	return strcmp(study->methods[study->groups[curve->groups[0]].method].filter, "document") == 0;
}

static void add_families(const struct comparison *comparison, const struct curves *curves, struct table *table)
{
	for (size_t c = 0; c < curves->curve_count; c++) {
		const struct curve *curve = &curves->curves[c], *other = NULL;
		if (!curves->axes[curve->axis].numeric)
			continue;
		for (size_t d = 0; d < curves->curve_count; d++)
			if (d != c && curves->curves[d].axis == curve->axis && curves->curves[d].size == curve->size &&
			    is_document_family(comparison->study, &curves->curves[d]))
				other = &curves->curves[d];
		struct two_curves two = { .own = curve->groups,
			                  .own_count = curve->count,
			                  .other = other ? other->groups : NULL,
			                  .other_count = other ? other->count : 0 };
		add_curve(comparison, curves->axes[curve->axis].name, curve->family,
		          comparison->study->sizes[curve->size].label, other ? other->family : "", two, table);
	}
}

void frontier_area_table(const struct comparison *comparison, const struct curves *curves, struct table *table)
{
	static const struct column columns[] = {
		{ "over", COLUMN_TEXT, NULL, "what the points of the curve differ in: size, or a key" },
		{ "method", COLUMN_TEXT, NULL, "method, or family of methods without the key" },
		{ "size", COLUMN_TEXT, NULL, "name of the model size; empty where the curve is over sizes" },
		{ "tokens", COLUMN_TEXT, NULL, "all: every token; label: tokens whose own label is the set's domain" },
		{ "reference", COLUMN_TEXT, NULL, "curve compared with: the baseline, or document filtering" },
		{ "points", COLUMN_INTEGER, "1", "points of the curve" },
		{ "area", COLUMN_REAL, "nats^2/token^2", "area under forget loss as a function of retain loss" },
		{ "normalised", COLUMN_REAL, "1", "1 - area of the reference / area (paper, figure 28)" },
		{ "normalised_low", COLUMN_REAL, "1", "lower end of the interval" },
		{ "normalised_high", COLUMN_REAL, "1", "upper end of the interval" },
		{ "height", COLUMN_REAL, "nats/token", "mean forget loss over the retain losses that both share" },
		{ "height_normalised", COLUMN_REAL, "1", "1 - height of the reference / height" },
		{ "height_normalised_low", COLUMN_REAL, "1", "lower end of the interval" },
		{ "height_normalised_high", COLUMN_REAL, "1", "upper end of the interval" },
		{ "retain_low", COLUMN_REAL, "nats/token", "smallest retain loss that both share" },
		{ "retain_high", COLUMN_REAL, "nats/token", "largest retain loss that both share" },
	};
	table_create(table, "areas", "", columns, sizeof(columns) / sizeof(columns[0]));
	add_methods(comparison, table);
	add_families(comparison, curves, table);
}
