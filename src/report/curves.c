/* Finding families and their curves.
 * SPDX-License-Identifier: Apache-2.0 */
#include "report/curves.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "input/keys.h"
#include "report/columns.h"

static const char NOISE[] = "filter/noise", DELAY[] = "filter/begin_share";

double curves_error_rate(double accuracy, double flips)
{
	return 1.0 - accuracy * (1.0 - flips) - flips * (1.0 - accuracy);
}

/* False for a text such as auto. */
static bool read_number(const char *text, double *value)
{
	char *end = NULL;
	*value = strtod(text, &end);
	return end != text && *end == '\0' && isfinite(*value);
}

/* ---- axes ---- */

static bool has_value(const struct study *study, size_t method, size_t axis, const char *value)
{
	return strcmp(study_value(study, method, study->axes[axis]), value) == 0;
}

/* Whether two axes have equal values for exactly the same pairs of filtered methods. */
static bool move_together(const struct study *study, size_t a, size_t b)
{
	for (size_t m = 0; m < study->method_count; m++)
		for (size_t n = m + 1; n < study->method_count; n++) {
			if (study->methods[m].is_baseline || study->methods[n].is_baseline)
				continue;
			if (has_value(study, m, a, study_value(study, n, study->axes[a])) !=
			    has_value(study, m, b, study_value(study, n, study->axes[b])))
				return false;
		}
	return true;
}

static bool is_numeric(const struct study *study, const char *axis)
{
	size_t numbers = 0;
	double first = NAN, value;
	for (size_t m = 0; m < study->method_count; m++)
		if (!study->methods[m].is_baseline && read_number(study_value(study, m, axis), &value)) {
			numbers += numbers == 0 || value != first;
			first = numbers == 1 ? value : first;
		}
	return numbers >= 2;
}

static char *axis_label(const char *axis, double accuracy)
{
	const struct key *key = keys_find(axis);
	if (strcmp(axis, NOISE) == 0 && !isnan(accuracy))
		return text_format("share of tokens decided wrongly");
	if (strcmp(axis, NOISE) == 0)
		return text_format("decisions flipped (share)");
	if (strcmp(axis, DELAY) == 0)
		return text_format("share of steps before filtering");
	if (strcmp(axis, "filter/share") == 0)
		return text_format("share of tokens to filter");
	return key && key->unit[0] ? text_format("%s (%s)", axis, key->unit) : text_format("%s", axis);
}

/* Values that appear in the study before this one. */
static double rank_of(const struct study *study, const char *axis, const char *text)
{
	double rank = 0.0;
	for (size_t m = 0; m < study->method_count; m++) {
		const char *value = study_value(study, m, axis);
		if (study->methods[m].is_baseline)
			continue;
		if (strcmp(value, text) == 0)
			break;
		bool before = false;
		for (size_t n = 0; n < m; n++)
			before = before ||
			         (!study->methods[n].is_baseline && strcmp(study_value(study, n, axis), value) == 0);
		rank += !before;
	}
	return rank;
}

static double place_of(const struct curves *curves, size_t axis, size_t method)
{
	const struct study *study = curves->comparison->study;
	const char *name = curves->axes[axis].name, *text = study_value(study, method, name);
	double value = NAN;
	if (!curves->axes[axis].numeric)
		return rank_of(study, name, text);
	if (!read_number(text, &value))
		return NAN; /* such as auto, between numbers */
	return strcmp(name, NOISE) == 0 && !isnan(curves->accuracy) ? curves_error_rate(curves->accuracy, value)
	                                                            : value;
}

/* ---- curves ---- */

static enum status insert_point(struct curve *curve, size_t group, double x)
{
	size_t place = 0, capacity = curve->count;
	STATUS_TRY(memory_grow((void **)&curve->groups, &capacity, curve->count + 1, sizeof(*curve->groups)));
	capacity = curve->count;
	STATUS_TRY(memory_grow((void **)&curve->x, &capacity, curve->count + 1, sizeof(*curve->x)));
	while (place < curve->count && curve->x[place] < x)
		place++;
	memmove(&curve->groups[place + 1], &curve->groups[place], (curve->count - place) * sizeof(*curve->groups));
	memmove(&curve->x[place + 1], &curve->x[place], (curve->count - place) * sizeof(*curve->x));
	curve->groups[place] = group;
	curve->x[place] = x;
	curve->count++;
	return STATUS_OK;
}

static void curve_clear(struct curve *curve)
{
	free(curve->family);
	free(curve->groups);
	free(curve->x);
	*curve = (struct curve){ 0 };
}

/* The curve of one family at one size, kept when it has two points. families[method]: its label, NULL for baselines. */
static enum status add_curve(struct curves *curves, size_t axis, char *const *families, const char *family, size_t size)
{
	const struct study *study = curves->comparison->study;
	struct curve curve = { .axis = axis, .size = size, .family = memory_copy_text(family) };
	enum status status = curve.family ? STATUS_OK : STATUS_ENVIRONMENT;
	for (size_t m = 0; m < study->method_count && status == STATUS_OK; m++) {
		size_t group = study_cell(study, m, size);
		double x = families[m] && strcmp(families[m], family) == 0 ? place_of(curves, axis, m) : NAN;
		if (group != STUDY_NONE && !isnan(x))
			status = insert_point(&curve, group, x);
	}
	if (status == STATUS_OK && curve.count >= 2)
		status = memory_grow((void **)&curves->curves, &curves->curve_capacity, curves->curve_count + 1,
		                     sizeof(*curves->curves));
	if (status == STATUS_OK && curve.count >= 2)
		curves->curves[curves->curve_count++] = curve;
	else
		curve_clear(&curve);
	return status;
}

static enum status label_families(const struct study *study, const bool *without, char **families)
{
	for (size_t m = 0; m < study->method_count; m++) {
		if (study->methods[m].is_baseline)
			continue;
		families[m] = study_method_label(&study->list->runs[study->methods[m].first_run], study->axes,
		                                 study->axis_count, without);
		if (!families[m])
			return STATUS_ENVIRONMENT;
	}
	return STATUS_OK;
}

static bool named_before(char *const *families, size_t method)
{
	for (size_t m = 0; m < method; m++)
		if (families[m] && strcmp(families[m], families[method]) == 0)
			return true;
	return false;
}

static enum status add_axis(struct curves *curves, size_t number, const bool *without)
{
	const struct study *study = curves->comparison->study;
	struct curve_axis *axis = &curves->axes[curves->axis_count++];
	axis->name = study->axes[number];
	axis->numeric = is_numeric(study, axis->name);
	axis->label = axis_label(axis->name, curves->accuracy);
	char **families = memory_allocate(study->method_count, sizeof(*families));
	enum status status = axis->label && families ? label_families(study, without, families) : STATUS_ENVIRONMENT;
	for (size_t m = 0; m < study->method_count && status == STATUS_OK; m++)
		for (size_t s = 0; s < study->size_count && status == STATUS_OK; s++)
			if (families[m] && !named_before(families, m))
				status = add_curve(curves, curves->axis_count - 1, families, families[m], s);
	for (size_t m = 0; families && m < study->method_count; m++)
		free(families[m]);
	free(families);
	return status;
}

enum status curves_create(const struct comparison *comparison, double accuracy, struct curves *curves_out)
{
	const struct study *study = comparison->study;
	struct curves curves = { .comparison = comparison, .accuracy = accuracy };
	curves.axes = memory_allocate(study->axis_count, sizeof(*curves.axes));
	bool *without = memory_allocate(study->axis_count, sizeof(*without));
	bool *done = memory_allocate(study->axis_count, sizeof(*done));
	enum status status = curves.axes && without && done ? STATUS_OK : STATUS_ENVIRONMENT;
	for (size_t a = 0; a < study->axis_count && status == STATUS_OK; a++) {
		if (done[a])
			continue;
		for (size_t b = 0; b < study->axis_count; b++) {
			without[b] = b == a || (b > a && move_together(study, a, b));
			done[b] = done[b] || without[b];
		}
		status = add_axis(&curves, a, without);
	}
	free(without);
	free(done);
	if (status == STATUS_OK)
		*curves_out = curves;
	else
		curves_clear(&curves);
	return status;
}

void curves_clear(struct curves *curves)
{
	for (size_t i = 0; i < curves->curve_count; i++)
		curve_clear(&curves->curves[i]);
	for (size_t i = 0; i < curves->axis_count; i++)
		free((char *)curves->axes[i].label);
	free(curves->curves);
	free(curves->axes);
	*curves = (struct curves){ 0 };
}

/* ---- tables ---- */

static void add_place(const struct curves *curves, const struct curve *curve, size_t measure, struct table *table)
{
	const struct study *study = curves->comparison->study;
	table_add_text(table, "%s", curves->axes[curve->axis].name);
	table_add_text(table, "%s", curve->family);
	table_add_text(table, "%s", study->sizes[curve->size].label);
	table_add_text(table, "%s", study->measures[measure].set);
	table_add_text(table, "%s", study->measures[measure].label ? "label" : "all");
}

/* Slowdown of a point over that of the first point of its curve, both of the same resample. */
static struct interval relative_to_first(const struct comparison *comparison, const struct curve *curve, size_t measure,
                                         size_t point, double *scratch)
{
	const struct slowdown *first = compare_chosen(comparison, measure, curve->groups[0]);
	const struct slowdown *own = compare_chosen(comparison, measure, curve->groups[point]);
	struct interval ratio = { own->factor.value / first->factor.value, NAN, NAN };
	if (isnan(own->factor.low) || isnan(first->factor.low))
		return ratio;
	for (size_t k = 0; k < comparison->options.resamples; k++)
		scratch[k] = compare_slowdown_replicate(comparison, measure, curve->groups[point], k) /
		             compare_slowdown_replicate(comparison, measure, curve->groups[0], k);
	return bootstrap_interval(ratio.value, scratch, comparison->options.resamples, comparison->options.confidence);
}

static void add_point(const struct curves *curves, const struct curve *curve, size_t measure, size_t point,
                      double *scratch, struct table *table)
{
	const struct comparison *comparison = curves->comparison;
	const struct study *study = comparison->study;
	size_t group = curve->groups[point];
	const struct slowdown *slowdown = compare_chosen(comparison, measure, group);
	const struct interval relative = relative_to_first(comparison, curve, measure, point, scratch);
	add_place(curves, curve, measure, table);
	table_add_text(table, "%s", study_value(study, study->groups[group].method, curves->axes[curve->axis].name));
	table_add_real(table, curves->axes[curve->axis].numeric ? curve->x[point] : NAN);
	table_add_real(table, columns_filtered_share(study_first(study, group)));
	columns_add_interval(table, &compare_loss(comparison, measure, group)->loss);
	columns_add_interval(table, &slowdown->factor);
	columns_add_interval(table, &relative);
	columns_add_extrapolated(table, slowdown);
}

void curves_table(const struct curves *curves, struct table *table)
{
	static const struct column columns[] = {
		{ "axis", COLUMN_TEXT, NULL, "key that was swept" },
		{ "family", COLUMN_TEXT, NULL, "methods of the curve: label without the key" },
		{ "size", COLUMN_TEXT, NULL, "name of the model size" },
		{ "set", COLUMN_TEXT, NULL, "evaluation set" },
		{ "tokens", COLUMN_TEXT, NULL, "all: every token; label: tokens whose own label is the set's domain" },
		{ "value", COLUMN_TEXT, NULL, "value of the key" },
		{ "x", COLUMN_REAL, "1", "the value as a number; filter/noise: share of tokens decided wrongly" },
		{ "filtered_share", COLUMN_REAL, "1", "share of all corpus tokens that were filtered" },
		{ "loss", COLUMN_REAL, "nats/token", "mean negative log-likelihood" },
		{ "loss_low", COLUMN_REAL, "nats/token", "lower end of the interval of the loss" },
		{ "loss_high", COLUMN_REAL, "nats/token", "upper end of the interval of the loss" },
		{ "slowdown", COLUMN_REAL, "1", "C_f / C_b" },
		{ "slowdown_low", COLUMN_REAL, "1", "lower end of the interval" },
		{ "slowdown_high", COLUMN_REAL, "1", "upper end of the interval" },
		{ "relative", COLUMN_REAL, "1", "slowdown over that of the smallest x of the curve" },
		{ "relative_low", COLUMN_REAL, "1", "lower end of the paired interval" },
		{ "relative_high", COLUMN_REAL, "1", "upper end of the paired interval" },
		{ "extrapolated", COLUMN_TEXT, NULL, "C_b is below or above the computes of the baseline" },
	};
	const struct comparison *comparison = curves->comparison;
	table_create(table, "curves", "", columns, sizeof(columns) / sizeof(columns[0]));
	double *scratch = memory_allocate(comparison->options.resamples, sizeof(*scratch));
	if (!scratch)
		table->status = STATUS_ENVIRONMENT;
	for (size_t c = 0; c < curves->curve_count && scratch; c++)
		for (size_t k = 0; k < comparison->study->measure_count; k++)
			for (size_t i = 0; i < curves->curves[c].count; i++)
				add_point(curves, &curves->curves[c], k, i, scratch, table);
	free(scratch);
}

/* Exponent of slowdown ~ x^-b over the points that have one; NaN with less than two. */
static double decay(const double *x, const double *slowdown, size_t count)
{
	double known_x[64], known[64];
	size_t kept = 0;
	struct law law;
	for (size_t i = 0; i < count && kept < 64; i++)
		if (x[i] > 0.0 && slowdown[i] > 0.0 && isfinite(slowdown[i])) {
			known_x[kept] = x[i];
			known[kept++] = slowdown[i];
		}
	fit_power_law(known_x, known, kept, &law);
	return law.exponent;
}

static void add_decay(const struct curves *curves, const struct curve *curve, size_t measure, double *slowdowns,
                      double *scratch, struct table *table)
{
	const struct comparison *comparison = curves->comparison;
	for (size_t i = 0; i < curve->count; i++)
		slowdowns[i] = compare_chosen(comparison, measure, curve->groups[i])->factor.value;
	struct interval exponent = { decay(curve->x, slowdowns, curve->count), NAN, NAN };
	if (isnan(exponent.value))
		return;
	for (size_t k = 0; k < comparison->options.resamples; k++) {
		for (size_t i = 0; i < curve->count; i++)
			slowdowns[i] = compare_slowdown_replicate(comparison, measure, curve->groups[i], k);
		scratch[k] = decay(curve->x, slowdowns, curve->count);
	}
	exponent = bootstrap_interval(exponent.value, scratch, comparison->options.resamples,
	                              comparison->options.confidence);
	add_place(curves, curve, measure, table);
	table_add_integer(table, (int64_t)curve->count);
	table_add_real(table, curves->accuracy);
	columns_add_interval(table, &exponent);
}

void curves_decay_table(const struct curves *curves, struct table *table)
{
	static const struct column columns[] = {
		{ "axis", COLUMN_TEXT, NULL, "key that was swept" },
		{ "family", COLUMN_TEXT, NULL, "methods of the curve: label without the key" },
		{ "size", COLUMN_TEXT, NULL, "name of the model size" },
		{ "set", COLUMN_TEXT, NULL, "evaluation set" },
		{ "tokens", COLUMN_TEXT, NULL, "all: every token; label: tokens whose own label is the set's domain" },
		{ "points", COLUMN_INTEGER, "1", "points of the curve" },
		{ "accuracy", COLUMN_REAL, "1",
		  "of the classifier, for the error rate; empty: x is the share flipped" },
		{ "exponent", COLUMN_REAL, "1", "b of slowdown ~ x^-b" },
		{ "exponent_low", COLUMN_REAL, "1", "lower end of the interval of b" },
		{ "exponent_high", COLUMN_REAL, "1", "upper end of the interval of b" },
	};
	const struct comparison *comparison = curves->comparison;
	table_create(table, "decay", "", columns, sizeof(columns) / sizeof(columns[0]));
	for (size_t c = 0; c < curves->curve_count; c++) {
		const struct curve *curve = &curves->curves[c];
		if (strcmp(curves->axes[curve->axis].name, NOISE) != 0)
			continue;
		double *slowdowns = memory_allocate(curve->count, sizeof(*slowdowns));
		double *scratch = memory_allocate(comparison->options.resamples, sizeof(*scratch));
		if (!slowdowns || !scratch)
			table->status = STATUS_ENVIRONMENT;
		for (size_t k = 0; k < comparison->study->measure_count && slowdowns && scratch; k++)
			add_decay(curves, curve, k, slowdowns, scratch, table);
		free(slowdowns);
		free(scratch);
	}
}
