/* Dividing the lines of a figure among panels.
 * SPDX-License-Identifier: Apache-2.0 */
#include "report/facets.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"

/* ---- the rule ---- */

/* What a division comes to. */
struct division {
	size_t axes[FACETS_AXES], axis_count;
	size_t panels, lines; /* most in one panel */
	bool preferred;
};

static bool same_panel(const struct facets_lines *lines, const struct division *division, size_t a, size_t b)
{
	for (size_t i = 0; i < division->axis_count; i++)
		if (lines->values[a * lines->axis_count + division->axes[i]] !=
		    lines->values[b * lines->axis_count + division->axes[i]])
			return false;
	return true;
}

/* Lines in the panel of a line, with their companions; 0 when an earlier line has the same panel. */
static size_t panel_lines(const struct facets_lines *lines, const struct division *division, size_t line)
{
	size_t count = 0;
	for (size_t other = 0; other < lines->count; other++) {
		if (!same_panel(lines, division, line, other))
			continue;
		if (other < line)
			return 0;
		count++;
		bool seen = !lines->companions || lines->companions[other] == FACETS_NONE;
		for (size_t before = line; before < other && !seen; before++)
			seen = same_panel(lines, division, line, before) &&
			       lines->companions[before] == lines->companions[other];
		count += !seen;
	}
	return count;
}

static void measure_division(const struct facets_lines *lines, struct division *division)
{
	division->panels = division->lines = 0;
	division->preferred = false;
	for (size_t line = 0; line < lines->count; line++) {
		size_t count = panel_lines(lines, division, line);
		division->panels += count > 0;
		division->lines = count > division->lines ? count : division->lines;
	}
	for (size_t i = 0; i < division->axis_count; i++)
		division->preferred = division->preferred || (lines->preferred && lines->preferred[division->axes[i]]);
}

/* 0: as wanted; 1: put up with; 2: crowded; 3: not possible. */
static int grade(const struct division *division)
{
	if (division->panels > FACETS_MOST)
		return 3;
	return division->lines <= FACETS_GOOD_LINES ? 0 : division->lines <= FACETS_MOST_LINES ? 1 : 2;
}

/* Of two that are alike the first, which has fewer axes or comes first in the sweep. */
static bool is_better(const struct division *own, const struct division *other)
{
	int own_grade = grade(own), other_grade = grade(other);
	if (own_grade != other_grade)
		return own_grade < other_grade;
	if (own_grade == 2 && own->lines != other->lines)
		return own->lines < other->lines;
	if (own->panels != other->panels)
		return own->panels < other->panels;
	return own->preferred && !other->preferred;
}

size_t facets_choose(const struct facets_lines *lines, size_t chosen[FACETS_AXES])
{
	struct division best = { .axis_count = 0 };
	measure_division(lines, &best);
	for (size_t count = 1; count <= FACETS_AXES && grade(&best) > 0; count++)
		for (size_t a = 0; a < lines->axis_count; a++)
			for (size_t b = count == 1 ? a : a + 1; b < (count == 1 ? a + 1 : lines->axis_count); b++) {
				struct division division = { .axes = { a, b }, .axis_count = count };
				measure_division(lines, &division);
				if (is_better(&division, &best))
					best = division;
			}
	memcpy(chosen, best.axes, sizeof(best.axes));
	return best.axis_count;
}

/* ---- the methods of a study ---- */

/* The axes of the study and, after them, filter/method. */
static const char *value_of(const struct study *study, size_t method, size_t axis)
{
	if (axis == study->axis_count)
		return study->methods[method].filter;
	const struct run *run = &study->list->runs[study->methods[method].first_run];
	return study_axis_matters(run, study->axes[axis]) ? study_value(study, method, study->axes[axis]) : "";
}

static bool changes_text(const char *axis)
{
	return strncmp(axis, "data/", 5) == 0 || strncmp(axis, "generate/", 9) == 0;
}

/* How the methods are divided. */
struct choice {
	size_t axes[FACETS_AXES], axis_count;
};

static enum status choose(const struct study *study, struct choice *choice)
{
	size_t axis_count = study->axis_count + 1, count = 0;
	size_t *values = memory_allocate(study->method_count * axis_count, sizeof(*values));
	size_t *companions = memory_allocate(study->method_count, sizeof(*companions));
	size_t *methods = memory_allocate(study->method_count, sizeof(*methods));
	bool *preferred = memory_allocate(axis_count, sizeof(*preferred));
	enum status status = values && companions && methods && preferred ? STATUS_OK : STATUS_ENVIRONMENT;
	for (size_t m = 0; m < study->method_count && status == STATUS_OK; m++) {
		if (study->methods[m].is_baseline)
			continue;
		for (size_t a = 0; a < axis_count; a++) {
			size_t same = 0; /* the first line with this value */
			while (same < count && strcmp(value_of(study, methods[same], a), value_of(study, m, a)) != 0)
				same++;
			values[count * axis_count + a] = same;
		}
		companions[count] = study->methods[m].baseline;
		methods[count++] = m;
	}
	for (size_t a = 0; a < study->axis_count && status == STATUS_OK; a++)
		preferred[a] = changes_text(study->axes[a]);
	if (status == STATUS_OK) {
		const struct facets_lines lines = { count, axis_count, values, companions, preferred };
		choice->axis_count = facets_choose(&lines, choice->axes);
	}
	free(values);
	free(companions);
	free(methods);
	free(preferred);
	return status;
}

static bool same_facet(const struct study *study, const struct choice *choice, size_t a, size_t b)
{
	for (size_t i = 0; i < choice->axis_count; i++)
		if (strcmp(value_of(study, a, choice->axes[i]), value_of(study, b, choice->axes[i])) != 0)
			return false;
	return true;
}

/* "entanglement=0.5, mask" */
static char *make_title(const struct study *study, const struct choice *choice, size_t method)
{
	char *title = memory_copy_text("");
	for (size_t i = 0; i < choice->axis_count && title; i++) {
		size_t axis = choice->axes[i];
		const char *value = value_of(study, method, axis), *comma = i ? ", " : "";
		char *longer = axis == study->axis_count ? text_format("%s%s%s", title, comma, value)
		                                         : text_format("%s%s%s=%s", title, comma,
		                                                       study_axis_key(study->axes[axis]), value);
		free(title);
		title = longer;
	}
	return title;
}

/* Whether the panels say an axis: they are divided by it, or no panel has two values of it. */
static bool is_said(const struct study *study, const struct choice *choice, size_t axis)
{
	for (size_t a = 0; a < study->method_count; a++)
		for (size_t b = a + 1; b < study->method_count; b++)
			if (!study->methods[a].is_baseline && !study->methods[b].is_baseline &&
			    same_facet(study, choice, a, b) &&
			    strcmp(value_of(study, a, axis), value_of(study, b, axis)) != 0)
				return false;
	return true;
}

/* With one method beside baselines no axis tells methods apart, and its label says all. */
static bool has_several(const struct study *study)
{
	size_t count = 0;
	for (size_t m = 0; m < study->method_count; m++)
		count += !study->methods[m].is_baseline;
	return count > 1;
}

/* The label of the study without what the panels say, or is the same for all methods. */
static char *make_label(const struct study *study, const struct choice *choice, const bool *said, size_t method)
{
	const struct method *own = &study->methods[method];
	char *label = study_method_label(&study->list->runs[own->first_run], study->axes, study->axis_count, said);
	size_t length = strlen(own->filter);
	bool says_filter = choice->axis_count > 0 && said[study->axis_count] && !own->is_baseline;
	if (label && says_filter && strncmp(label, own->filter, length) == 0 && strncmp(label + length, ", ", 2) == 0)
		memmove(label, label + length + 2, strlen(label + length + 2) + 1);
	return label;
}

static enum status make_labels(const struct study *study, const struct choice *choice, struct facets *facets)
{
	bool *said = memory_allocate(study->axis_count + 1, sizeof(*said));
	enum status status = said ? STATUS_OK : STATUS_ENVIRONMENT;
	/* One panel says nothing; there only keys of the filter are left out, which tell no baselines apart. */
	bool divided = choice->axis_count > 0, several = has_several(study);
	for (size_t a = 0; a <= study->axis_count && said; a++)
		said[a] =
			(divided || (several && a < study->axis_count && strncmp(study->axes[a], "filter/", 7) == 0)) &&
			is_said(study, choice, a);
	size_t looks[2] = { 0, 0 }; /* of the others, of baselines */
	for (size_t m = 0; m < study->method_count && status == STATUS_OK; m++) {
		bool is_baseline = study->methods[m].is_baseline;
		facets->labels[m] = make_label(study, choice, said, m);
		if (!facets->labels[m]) {
			status = STATUS_ENVIRONMENT;
			break;
		}
		size_t same = 0;
		while (same < m && (study->methods[same].is_baseline != is_baseline ||
		                    strcmp(facets->labels[same], facets->labels[m]) != 0))
			same++;
		facets->looks[m] = same < m ? facets->looks[same] : looks[is_baseline]++;
	}
	free(said);
	return status;
}

/* Methods go to the panel of their values, and take their baselines along; a baseline of nothing is in all. */
static enum status make_panels(const struct study *study, const struct choice *choice, struct facets *facets)
{
	size_t first[FACETS_MOST]; /* a method of each panel */
	facets->count = 0;
	for (size_t m = 0; m < study->method_count; m++) {
		if (study->methods[m].is_baseline)
			continue;
		size_t facet = 0;
		while (facet < facets->count && !same_facet(study, choice, m, first[facet]))
			facet++;
		if (facet == facets->count) {
			first[facets->count] = m;
			facets->titles[facets->count] = make_title(study, choice, m);
			if (!facets->titles[facets->count++])
				return STATUS_ENVIRONMENT;
			facets->same_text = facets->same_text && study_same_text(study, m, first[0]);
		}
		facets->shows[facet * study->method_count + m] = true;
		if (study->methods[m].baseline != STUDY_NONE)
			facets->shows[facet * study->method_count + study->methods[m].baseline] = true;
	}
	if (facets->count == 0) { /* baselines alone */
		facets->count = 1;
		facets->titles[0] = memory_copy_text("");
	}
	for (size_t m = 0; m < study->method_count; m++) {
		bool shown = false;
		for (size_t f = 0; f < facets->count; f++)
			shown = shown || facets_show(facets, f, m);
		for (size_t f = 0; f < facets->count && !shown; f++)
			facets->shows[f * study->method_count + m] = true;
	}
	return facets->titles[0] ? STATUS_OK : STATUS_ENVIRONMENT;
}

enum status facets_create(const struct study *study, struct facets *facets_out)
{
	struct facets facets = { .method_count = study->method_count, .same_text = true };
	struct choice choice = { .axis_count = 0 };
	facets.shows = memory_allocate(FACETS_MOST * study->method_count, sizeof(*facets.shows));
	facets.labels = memory_allocate(study->method_count, sizeof(*facets.labels));
	facets.looks = memory_allocate(study->method_count, sizeof(*facets.looks));
	enum status status = facets.shows && facets.labels && facets.looks ? STATUS_OK : STATUS_ENVIRONMENT;
	if (status == STATUS_OK)
		status = choose(study, &choice);
	if (status == STATUS_OK)
		status = make_labels(study, &choice, &facets);
	if (status == STATUS_OK)
		status = make_panels(study, &choice, &facets);
	if (status == STATUS_OK)
		*facets_out = facets;
	else
		facets_clear(&facets);
	return status;
}

void facets_clear(struct facets *facets)
{
	for (size_t f = 0; f < FACETS_MOST; f++)
		free(facets->titles[f]);
	for (size_t m = 0; m < facets->method_count && facets->labels; m++)
		free(facets->labels[m]);
	free(facets->labels);
	free(facets->looks);
	free(facets->shows);
	*facets = (struct facets){ 0 };
}

bool facets_show(const struct facets *facets, size_t facet, size_t method)
{
	return facets->shows[facet * facets->method_count + method];
}
