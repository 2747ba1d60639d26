/* What the tests of a report's findings share: everything that is found in a folder, and a sweep of one key.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef VALIDATION_REPORT_FINDINGS_H
#define VALIDATION_REPORT_FINDINGS_H

#include "report_fixture.h"

#include "report/compare.h"
#include "report/curves.h"
#include "report/load.h"
#include "report/study.h"

struct findings {
	char *folder;
	struct run_list list;
	struct study study;
	struct comparison comparison;
	struct curves curves;
};

/* All but the curves. */
/* Of what was read, which may have been changed since. */
static inline void compare_again(struct findings *findings, size_t resamples)
{
	static const struct study_options study = { .baseline = "none" };
	const struct compare_options options = { .resamples = resamples, .confidence = 0.95, .seed = 1 };
	compare_clear(&findings->comparison);
	study_clear(&findings->study);
	FIXTURE_TRY(study_create(&findings->list, &study, &findings->study));
	FIXTURE_TRY(compare_create(&findings->study, &options, &findings->comparison));
}

static inline void find_comparison(struct findings *findings, char *folder, size_t resamples)
{
	*findings = (struct findings){ .folder = folder };
	FIXTURE_TRY(load_folder(folder, &findings->list));
	compare_again(findings, resamples);
}

static inline void find(struct findings *findings, char *folder, size_t resamples, double accuracy)
{
	find_comparison(findings, folder, resamples);
	FIXTURE_TRY(curves_create(&findings->comparison, accuracy, &findings->curves));
}

static inline void forget(struct findings *findings)
{
	curves_clear(&findings->curves);
	compare_clear(&findings->comparison);
	study_clear(&findings->study);
	load_clear(&findings->list);
	fixture_remove(findings->folder);
}

/* none and mask x `values` of a key x three sizes; the forget slowdown of mask at value i is slowdowns[i]. */
static inline void write_sweep(const char *folder, const char *key, size_t count, const char *const *values,
                               const double *slowdowns, double noise)
{
	for (size_t s = 0; s < 3; s++)
		for (size_t i = 0; i <= count; i++) {
			struct fixture_run run = fixture_run_of(i ? 2 : 0, s, 0.0, noise, 30);
			char point[96];
			snprintf(point, sizeof(point), "%s-%zu-%s", run.method, i, run.size);
			run.point = point;
			run.parameter = key;
			run.value = i ? values[i - 1] : "0";
			run.slowdown[0] = i ? slowdowns[i - 1] : 1.0;
			run.slowdown[1] = i ? 1.0 + 0.3 * (double)(count - i) / (double)count : 1.0;
			run.recall = i ? 0.5 : 0.8;
			fixture_write_run(folder, &run);
		}
}

#endif
