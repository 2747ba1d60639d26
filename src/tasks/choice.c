/* Points by number, range, name and condition.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tasks/choice.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

/* The words of one list. */
struct choice {
	const struct parameters *parameters;
	const char *list; /* key of the list */
};

static size_t count_words(const struct choice *choice)
{
	return parameters_list_count(choice->parameters, choice->list);
}

static const char *word_of(const struct choice *choice, size_t number)
{
	return parameters_list_item(choice->parameters, choice->list, number);
}

/* "12" or "3-5". */
static bool is_range(const char *word, size_t *first, size_t *last)
{
	char *end = NULL;
	if (word[0] < '0' || word[0] > '9')
		return false;
	*first = *last = strtoul(word, &end, 10);
	if (*end == '-' && end[1] >= '0' && end[1] <= '9')
		*last = strtoul(end + 1, &end, 10);
	return *end == '\0';
}

/* The key of a condition "section/key=value"; NULL when the word is none. */
static const struct key *condition_key(const char *word)
{
	char name[80];
	size_t length = strcspn(word, "=");
	if (word[length] == '\0' || length >= sizeof name)
		return NULL;
	memcpy(name, word, length);
	name[length] = '\0';
	return keys_find(name);
}

static bool holds(const char *word, const struct key *key, const struct parameters *point)
{
	return strcmp(word + strlen(key->name) + 1, parameters_value(point, key->name)) == 0;
}

/* Of all conditions on a key, one must hold. */
static bool all_hold(const struct choice *choice, const struct parameters *point)
{
	size_t count = count_words(choice);
	for (size_t i = 0; i < count; i++) {
		const struct key *key = condition_key(word_of(choice, i));
		bool any = key == NULL;
		for (size_t j = 0; j < count && !any; j++) {
			const char *word = word_of(choice, j);
			any = condition_key(word) == key && holds(word, key, point);
		}
		if (!any)
			return false;
	}
	return true;
}

/* A word that is no condition: a number, a range or a name. */
static bool is_meant(const char *word, const struct sweep *sweep, size_t point)
{
	size_t first, last;
	if (is_range(word, &first, &last))
		return first <= point && point <= last;
	return fnmatch(word, sweep_point_name(sweep, point), 0) == 0;
}

/* By number or by name, where the choice has such words at all. */
static bool is_named(const struct choice *choice, const struct sweep *sweep, size_t point)
{
	bool any = false, named = false;
	for (size_t i = 0; i < count_words(choice) && !named; i++) {
		const char *word = word_of(choice, i);
		if (condition_key(word) != NULL)
			continue;
		any = true;
		named = is_meant(word, sweep, point);
	}
	return named || !any;
}

/* Every word must mean something. */
static enum status check_choice(const struct choice *choice, const char *run, const struct sweep *sweep)
{
	const char *origin = parameters_origin(choice->parameters, choice->list);
	size_t points = sweep_point_count(sweep);
	for (size_t i = 0; i < count_words(choice); i++) {
		const char *word = word_of(choice, i);
		const struct key *key = condition_key(word);
		size_t first = 0, last = 0;
		bool known = false;
		if (key == NULL && is_range(word, &first, &last) && (first > last || last >= points))
			return error_raise(STATUS_USAGE, "%s: %s: %s: %s has points 0 to %zu", origin, choice->list,
			                   word, run, points - 1);
		for (size_t point = 0; point < points && !known; point++)
			known = key != NULL ? holds(word, key, sweep_point(sweep, point))
			                    : is_meant(word, sweep, point);
		if (!known)
			return error_raise(
				STATUS_USAGE, "%s: %s: no point of %s %s %s%s%s%s", origin, choice->list, run,
				key != NULL ? "has" : "is named", word, key != NULL ? "" : "; the first is named ",
				key != NULL ? "" : sweep_point_name(sweep, 0),
				key != NULL ? "" : ", and a condition is section/key=value (filter/method=mask)");
	}
	return STATUS_OK;
}

enum status choice_make(const struct parameters *parameters, const char *key, const char *run,
                        const struct sweep *sweep, bool *chosen)
{
	struct choice choice = { parameters, key };
	bool any = false;
	STATUS_TRY(check_choice(&choice, run, sweep));
	for (size_t i = 0; i < sweep_point_count(sweep); i++) {
		chosen[i] = is_named(&choice, sweep, i) && all_hold(&choice, sweep_point(sweep, i));
		any |= chosen[i];
	}
	if (!any)
		return error_raise(STATUS_USAGE, "%s: %s: no point of %s is all that",
		                   parameters_origin(parameters, key), key, run);
	return STATUS_OK;
}
