/* Access to a sweep, its points and their values; the hash of a point.
 * SPDX-License-Identifier: Apache-2.0 */
#include "input/parameters.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "input/sweep.h"

_Static_assert(CONTENT_HASH_SIZE == 33, "parameters_hash() gives a content hash");

const char *sweep_warnings(const struct sweep *sweep)
{
	return sweep->warnings;
}

const char *sweep_task(const struct sweep *sweep)
{
	return sweep_find_setting(sweep, "run/task")->values[0].text;
}

size_t sweep_point_count(const struct sweep *sweep)
{
	return sweep->point_count;
}

const struct parameters *sweep_point(const struct sweep *sweep, size_t index)
{
	return index < sweep->point_count ? &sweep->points[index] : NULL;
}

const char *sweep_point_name(const struct sweep *sweep, size_t index)
{
	return index < sweep->point_count ? sweep->point_names[index] : NULL;
}

size_t sweep_axis_count(const struct sweep *sweep)
{
	return sweep->axis_count;
}

const char *sweep_axis_name(const struct sweep *sweep, size_t axis)
{
	return axis < sweep->axis_count ? sweep->axes[axis].setting->key->name : NULL;
}

static const struct setting *find_setting(const struct parameters *parameters, const char *name)
{
	const struct setting *setting = sweep_find_setting(parameters->sweep, name);
	if (setting == NULL) {
		fprintf(stderr, "capshape: bug: there is no input key %s\n", name);
		abort();
	}
	return setting;
}

static const struct value *find_value(const struct parameters *parameters, const char *name)
{
	const struct setting *setting = find_setting(parameters, name);
	return parameters->values[setting - parameters->sweep->settings];
}

/* The value of a key that must have one of the types of the bit set. */
static const struct value *find_typed(const struct parameters *parameters, const char *name, unsigned types)
{
	if ((1U << find_setting(parameters, name)->key->type & types) == 0) {
		fprintf(stderr, "capshape: bug: the input key %s is read as another type\n", name);
		abort();
	}
	return find_value(parameters, name);
}

bool parameters_boolean(const struct parameters *parameters, const char *name)
{
	return find_typed(parameters, name, 1U << KEY_BOOLEAN)->boolean;
}

int64_t parameters_integer(const struct parameters *parameters, const char *name)
{
	return find_typed(parameters, name, 1U << KEY_INTEGER)->integer;
}

double parameters_real(const struct parameters *parameters, const char *name)
{
	return find_typed(parameters, name, 1U << KEY_REAL)->real;
}

const char *parameters_text(const struct parameters *parameters, const char *name)
{
	return find_typed(parameters, name, 1U << KEY_TEXT | 1U << KEY_CHOICE | 1U << KEY_PATH)->text;
}

size_t parameters_list_count(const struct parameters *parameters, const char *name)
{
	return find_typed(parameters, name, 1U << KEY_LIST)->items.count;
}

const char *parameters_list_item(const struct parameters *parameters, const char *name, size_t index)
{
	const struct entries *items = &find_typed(parameters, name, 1U << KEY_LIST)->items;
	if (index >= items->count) {
		fprintf(stderr, "capshape: bug: the input key %s has %zu words, not %zu\n", name, items->count,
		        index + 1);
		abort();
	}
	return items->texts[index];
}

const char *parameters_value(const struct parameters *parameters, const char *name)
{
	return find_value(parameters, name)->text;
}

bool parameters_given(const struct parameters *parameters, const char *name)
{
	return find_setting(parameters, name)->given;
}

const char *parameters_origin(const struct parameters *parameters, const char *name)
{
	return find_setting(parameters, name)->origin;
}

void parameters_hash(const struct parameters *parameters, char out[33])
{
	const struct sweep *sweep = parameters->sweep;
	struct content_hash *hash = content_hash_create();
	if (hash == NULL) {
		fprintf(stderr, "capshape: there is no memory for a hash\n");
		abort();
	}
	for (size_t i = 0; i < sweep->setting_count; i++) {
		const struct key *key = sweep->settings[i].key;
		const char *text = parameters->values[i]->text;
		if (!keys_tells(key, sweep_task(sweep), text))
			continue;
		content_hash_add(hash, key->name, strlen(key->name));
		content_hash_add(hash, "=", 1);
		content_hash_add(hash, text, strlen(text) + 1);
	}
	content_hash_finish(hash, out);
}
