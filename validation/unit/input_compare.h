/* Whether two sweeps are the same: task, axes, points, names, values, hashes.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef VALIDATION_INPUT_COMPARE_H
#define VALIDATION_INPUT_COMPARE_H

#include <stdio.h>
#include <string.h>

#include "input/parameters.h"

/* The first difference in words, NULL when there is none. */
static inline const char *points_differ(const struct parameters *a, const struct parameters *b)
{
	size_t count;
	const struct key *table = keys_table(&count);
	for (size_t i = 0; i < count; i++) {
		const char *name = table[i].name;
		if (strcmp(parameters_value(a, name), parameters_value(b, name)) != 0)
			return name;
		if (table[i].type != KEY_LIST)
			continue;
		if (parameters_list_count(a, name) != parameters_list_count(b, name))
			return name;
		for (size_t j = 0; j < parameters_list_count(a, name); j++)
			if (strcmp(parameters_list_item(a, name, j), parameters_list_item(b, name, j)) != 0)
				return name;
	}
	char first[33], second[33];
	parameters_hash(a, first);
	parameters_hash(b, second);
	return strcmp(first, second) != 0 ? "hash" : NULL;
}

static inline const char *sweeps_differ(const struct sweep *a, const struct sweep *b)
{
	if (strcmp(sweep_task(a), sweep_task(b)) != 0)
		return "task";
	if (sweep_axis_count(a) != sweep_axis_count(b))
		return "number of axes";
	for (size_t i = 0; i < sweep_axis_count(a); i++)
		if (strcmp(sweep_axis_name(a, i), sweep_axis_name(b, i)) != 0)
			return "axes";
	if (sweep_point_count(a) != sweep_point_count(b))
		return "number of points";
	for (size_t i = 0; i < sweep_point_count(a); i++) {
		if (strcmp(sweep_point_name(a, i), sweep_point_name(b, i)) != 0)
			return "names of points";
		const char *difference = points_differ(sweep_point(a, i), sweep_point(b, i));
		if (difference != NULL)
			return difference;
	}
	return NULL;
}

#endif
