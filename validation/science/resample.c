/* Losses of all configurations on all draws of documents and seeds; intervals and verdicts.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "validation/science/science.h"

/* Streams of RANDOM_BOOTSTRAP. */
enum { STREAM_DOCUMENTS = 7001, STREAM_SEEDS = STREAM_DOCUMENTS + SCIENCE_SETS };

static size_t draw(uint64_t seed, uint64_t stream, size_t draw_number, size_t position, size_t count)
{
	uint64_t index = (uint64_t)draw_number << 32 | (uint64_t)position;
	return (size_t)(random_uniform(seed, RANDOM_BOOTSTRAP, stream, index) * (double)count);
}

/* out[0]: of all documents; out[k]: of the documents of draw k, which are the same for every run with as many. */
static void resample_trial(const struct trial *trial, int set, uint64_t seed, size_t draws, double *out)
{
	size_t count = (size_t)trial->documents[set];
	for (size_t k = 0; k < draws; k++) {
		double nll = 0, tokens = 0;
		for (size_t i = 0; i < count; i++) {
			size_t d = k == 0 ? i : draw(seed, STREAM_DOCUMENTS + (uint64_t)set, k, i, count);
			nll += trial->nll[set][d];
			tokens += trial->tokens[set][d];
		}
		out[k] = tokens > 0 ? nll / tokens : NAN;
	}
}

/* Whether two runs were evaluated on the same documents. */
static bool same_documents(const struct trial *a, const struct trial *b)
{
	for (int set = 0; set < SCIENCE_SETS; set++)
		if (a->documents[set] != b->documents[set] ||
		    (a->documents[set] > 0 &&
		     memcmp(a->number[set], b->number[set], (size_t)a->documents[set] * sizeof *a->number[set]) != 0))
			return false;
	return true;
}

/* Mean over seeds; draws of seeds are stretched by sqrt(n / (n - 1)), as a plain bootstrap over few is too narrow. */
static void average_seeds(double *const *of_seeds, size_t seeds, uint64_t seed, size_t draws, double *out)
{
	double stretch = seeds > 1 ? sqrt((double)seeds / (double)(seeds - 1)) : 0;
	for (size_t k = 0; k < draws; k++) {
		double mean = 0, drawn = 0;
		for (size_t i = 0; i < seeds; i++) {
			mean += of_seeds[i][k] / (double)seeds;
			drawn += of_seeds[draw(seed, STREAM_SEEDS, k, i, seeds)][k] / (double)seeds;
		}
		out[k] = k == 0 || seeds == 1 ? mean : mean + stretch * (drawn - mean);
	}
}

static enum status resample_set(const struct science *science, const size_t *members, size_t count, int set,
                                uint64_t seed, double **out)
{
	double **rows = memory_allocate(count, sizeof *rows);
	double *values = memory_allocate(count * science->draws, sizeof *values);
	*out = memory_allocate(science->draws, sizeof **out);
	enum status status = rows == NULL || values == NULL || *out == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	for (size_t i = 0; i < count && status == STATUS_OK; i++) {
		rows[i] = values + i * science->draws;
		resample_trial(&science->trials[members[i]], set, seed, science->draws, rows[i]);
	}
	if (status == STATUS_OK)
		average_seeds(rows, count, seed, science->draws, *out);
	free(rows);
	free(values);
	return status;
}

/* All trials not yet taken that are like trial `first` but for the seed. */
static size_t gather_seeds(const struct science *science, size_t first, bool *taken, size_t *members)
{
	static const char *const nothing[] = { NULL };
	size_t count = 0;
	for (size_t i = first; i < science->trial_count; i++) {
		const struct trial *trial = &science->trials[i];
		if (taken[i] || trial->parameters != science->trials[first].parameters ||
		    !trial_same(trial, &science->trials[first], nothing))
			continue;
		taken[i] = true;
		bool again = !same_documents(trial, &science->trials[first]);
		for (size_t j = 0; j < count && !again; j++)
			again = strcmp(trial_value(trial, "run/seed"),
			               trial_value(&science->trials[members[j]], "run/seed")) == 0;
		if (!again)
			members[count++] = i;
		else if (science->notes != NULL)
			fprintf(science->notes, "left out: %s: the same run is there twice, or with other documents\n",
			        trial->point);
	}
	return count;
}

enum status science_resample(struct science *science, size_t resamples, uint64_t seed)
{
	size_t count = science->trial_count;
	bool *taken = memory_allocate(count, sizeof *taken);
	size_t *members = memory_allocate(count, sizeof *members);
	science->draws = resamples + 1;
	science->configurations = memory_allocate(count, sizeof *science->configurations);
	enum status status =
		taken == NULL || members == NULL || science->configurations == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	for (size_t i = 0; i < count && status == STATUS_OK; i++) {
		if (taken[i])
			continue;
		struct configuration *configuration = &science->configurations[science->configuration_count++];
		configuration->first = &science->trials[i];
		configuration->seeds = gather_seeds(science, i, taken, members);
		for (int set = 0; set < SCIENCE_SETS && status == STATUS_OK; set++)
			status = resample_set(science, members, configuration->seeds, set, seed,
			                      &configuration->losses[set]);
	}
	free(taken);
	free(members);
	return status;
}

/* ---- verdicts ---- */

const char *science_verdict_name(enum verdict verdict)
{
	static const char *const names[] = { "confirmed", "refuted", "undecided" };
	return names[verdict];
}

/* NaN last. */
static int ascending(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;
	if (isnan(a) || isnan(b))
		return isnan(a) - isnan(b);
	return a < b ? -1 : a > b;
}

void science_verdict(double *values, size_t draws, double confidence, struct finding *finding)
{
	size_t count = draws - 1, missing = 0;
	double side = (1 - confidence) / 2;
	finding->value = values[0];
	finding->low = finding->high = NAN;
	finding->verdict = UNDECIDED;
	finding->why = NULL;
	for (size_t k = 1; k < draws; k++) {
		missing += !isfinite(values[k]);
		values[k] = isfinite(values[k]) ? values[k] : NAN;
	}
	if (!isfinite(values[0]) || count == 0 || (double)missing > side * (double)count) {
		finding->why = "the effect can not be computed on these runs";
		return;
	}
	qsort(values + 1, count, sizeof *values, ascending);
	/* draws without an effect are put beyond both ends */
	size_t used = count - missing, outside = (size_t)(side * (double)(count - 1));
	outside = outside > missing ? outside - missing : 0;
	finding->low = values[1 + outside];
	finding->high = values[used - outside];
	if (finding->low > 0)
		finding->verdict = CONFIRMED;
	else if (finding->high < 0)
		finding->verdict = REFUTED;
}
