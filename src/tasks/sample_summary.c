/* Numbers of a point's answers: all of them, and those of each group of prompts.
 * SPDX-License-Identifier: Apache-2.0 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "results/provenance.h"
#include "storage/atomic_file.h"
#include "tasks/sample_parts.h"

enum { DIGITS = 9 };

static enum status no_memory(void)
{
	return error_raise(STATUS_ENVIRONMENT, "no memory for the summary of generated text");
}

static void add_tally(struct answers_tally *sum, const struct answers_tally *tally)
{
	sum->answers += tally->answers;
	sum->tokens += tally->tokens;
	sum->chosen += tally->chosen;
	for (int i = 0; i <= ANSWER_CONTEXT; i++)
		sum->stops[i] += tally->stops[i];
	sum->matches += tally->matches;
	sum->replaced += tally->replaced;
	sum->log_probability += tally->log_probability;
	sum->hidden += tally->hidden;
	sum->repeated += tally->repeated;
}

static bool is_of(const struct prompt *prompt, const char *group)
{
	return group == NULL || (prompt->group != NULL && strcmp(prompt->group, group) == 0);
}

/* Of the prompts of a group, or of all for NULL: *sum, and how many match with their interval. */
static enum status measure(const struct sampling_work *work, const struct answer_plan *plan,
                           const struct answers_text *text, const char *group, struct answers_tally *sum,
                           struct answers_share *share, int64_t *prompts)
{
	int64_t *matches = memory_allocate(work->prompts.count, sizeof *matches);
	if (matches == NULL)
		return STATUS_ENVIRONMENT;
	*sum = (struct answers_tally){ 0 };
	*prompts = 0;
	for (size_t i = 0; i < work->prompts.count; i++) {
		if (!is_of(&work->prompts.prompts[i], group))
			continue;
		matches[(*prompts)++] = text->tallies[i].matches;
		add_tally(sum, &text->tallies[i]);
	}
	*share = answers_matching(matches, *prompts, plan->each);
	free(matches);
	return STATUS_OK;
}

/* Sets the numbers of a group in `object`. */
static enum status set_numbers(const struct sampling_work *work, const struct answer_plan *plan,
                               const struct answers_text *text, const char *group, json_t *object)
{
	struct answers_tally sum;
	struct answers_share share;
	int64_t prompts;
	STATUS_TRY(measure(work, plan, text, group, &sum, &share, &prompts));
	double answers = (double)sum.answers, chosen = (double)sum.chosen;
	json_t *numbers =
		json_pack("{s:I, s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:I}", "prompts", (json_int_t)prompts,
	                  "answers", (json_int_t)sum.answers, "tokens", (double)sum.tokens / answers, "ended",
	                  (double)sum.stops[ANSWER_END] / answers, "stopped_at_length",
	                  (double)sum.stops[ANSWER_LENGTH] / answers, "stopped_at_context",
	                  (double)sum.stops[ANSWER_CONTEXT] / answers, "log_probability", sum.log_probability / chosen,
	                  "hidden_probability", sum.hidden / chosen, "repeated", sum.repeated / answers, "replaced",
	                  (json_int_t)sum.replaced);
	bool done = numbers != NULL && json_object_update(object, numbers) == 0;
	json_decref(numbers);
	if (done && work->phrases != NULL)
		done = json_object_set_new(object, "matching", json_real(share.share)) == 0 &&
		       json_object_set_new(object, "matching_low", json_real(share.low)) == 0 &&
		       json_object_set_new(object, "matching_high", json_real(share.high)) == 0;
	return done ? STATUS_OK : no_memory();
}

/* "groups": an object for each, in the order of the prompts; nothing where there is none. */
static enum status set_groups(const struct sampling_work *work, const struct answer_plan *plan,
                              const struct answers_text *text, json_t *object)
{
	json_t *groups = json_object();
	enum status status = groups == NULL ? no_memory() : STATUS_OK;
	for (size_t i = 0; status == STATUS_OK && i < work->prompts.count; i++) {
		const char *group = work->prompts.prompts[i].group;
		if (group == NULL || json_object_get(groups, group) != NULL)
			continue;
		json_t *numbers = json_object();
		status = numbers == NULL ? no_memory() : set_numbers(work, plan, text, group, numbers);
		if (json_object_set_new(groups, group, numbers) != 0 && status == STATUS_OK)
			status = no_memory();
	}
	if (status == STATUS_OK && json_object_size(groups) > 0 && json_object_set(object, "groups", groups) != 0)
		status = no_memory();
	json_decref(groups);
	return status;
}

/* The keys that say what samples are, and where they come from; that of a forget part where the model has one. */
static json_t *settings_object(const struct parameters *parameters, bool routed)
{
	static const char *const others[] = { "sample/batch", "sample/points" };
	size_t count;
	const struct key *keys = keys_table(&count);
	json_t *settings = json_object();
	for (size_t i = 0; i < count; i++) {
		const char *name = keys[i].name;
		bool says = strncmp(name, "sample/", 7) == 0 || strcmp(name, "run/seed") == 0 ||
		            (routed && strcmp(name, "run/routed") == 0);
		for (size_t other = 0; other < sizeof others / sizeof *others; other++)
			says = says && strcmp(name, others[other]) != 0;
		if (says)
			(void)json_object_set_new(settings, name, json_string(parameters_value(parameters, name)));
	}
	return settings;
}

enum status answers_summary_make(const struct sampling_work *work, const struct answer_plan *plan, const char *point,
                                 const char *name, const char *samples_hash, struct answers_text *text,
                                 char **summary_out)
{
	json_t *object = json_pack("{s:s, s:s, s:s, s:s, s:o, s:f}", "point", point, "program", provenance_version(),
	                           "made_of", name, "samples_hash", samples_hash, "settings",
	                           settings_object(work->parameters, plan->routed), "distinct",
	                           answers_pairs_distinct(&text->pairs));
	enum status status = object == NULL ? no_memory() : set_numbers(work, plan, text, NULL, object);
	if (status == STATUS_OK)
		status = set_groups(work, plan, text, object);
	char *words = status == STATUS_OK ? json_dumps(object, JSON_INDENT(2) | JSON_REAL_PRECISION(DIGITS)) : NULL;
	json_decref(object);
	if (status == STATUS_OK && words == NULL)
		status = no_memory();
	if (status == STATUS_OK)
		*summary_out = words;
	return status;
}

bool answers_are_there(const char *folder, const char *name)
{
	char *samples = text_join_path(folder, "samples.jsonl"), *summary = text_join_path(folder, "summary.json");
	char *bytes = NULL, hash[CONTENT_HASH_SIZE];
	const char *made_of = NULL, *samples_hash = NULL;
	size_t size = 0;
	json_t *object = summary == NULL ? NULL : json_load_file(summary, 0, NULL);
	bool same = object != NULL && samples != NULL &&
	            json_unpack(object, "{s:s, s:s}", "made_of", &made_of, "samples_hash", &samples_hash) == 0 &&
	            strcmp(made_of, name) == 0 && file_read(samples, &bytes, &size) == STATUS_OK;
	if (same) {
		checksum_content_hash(bytes, size, hash);
		same = strcmp(hash, samples_hash) == 0;
	}
	error_clear(); /* what cannot be read is made anew */
	json_decref(object);
	free(bytes);
	free(summary);
	free(samples);
	return same;
}
