/* Tests of scoring_smooth(): the mean over a window inside each document, end-of-text left alone.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/random.h"
#include "classifier/scoring.h"

enum { END = 7, TOKENS = 40, DOCUMENTS = 5 };

/* Documents of 12, 1, 9, 17 and 1 tokens; all but the third end with end-of-text, the last is nothing else. */
static const int64_t begin[DOCUMENTS + 1] = { 0, 12, 13, 22, 39, 40 };

static void fill(int32_t *ids, double *logits)
{
	for (int i = 0; i < TOKENS; i++) {
		ids[i] = i % 5;
		logits[i] = random_normal(1, RANDOM_TEST, 0, (uint64_t)i);
	}
	ids[11] = ids[38] = ids[39] = END;
}

static void the_mean_stays_inside_the_document(void **state)
{
	(void)state;
	int32_t ids[TOKENS];
	double logits[TOKENS], smooth[TOKENS];
	fill(ids, logits);
	for (int64_t window = 0; window <= 20; window++) {
		scoring_smooth(logits, ids, begin, DOCUMENTS, END, window, smooth);
		for (int d = 0; d < DOCUMENTS; d++) {
			for (int64_t i = begin[d]; i < begin[d + 1]; i++) {
				double sum = 0, count = 0;
				for (int64_t j = begin[d]; j < begin[d + 1]; j++) {
					if (ids[j] == END || llabs(i - j) > window)
						continue;
					sum += logits[j];
					count++;
				}
				double expected = ids[i] == END ? logits[i] : sum / count;
				assert_true(fabs(smooth[i] - expected) < 1e-12);
			}
		}
	}
}

static void no_window_is_a_copy(void **state)
{
	(void)state;
	int32_t ids[TOKENS];
	double logits[TOKENS], smooth[TOKENS];
	fill(ids, logits);
	scoring_smooth(logits, ids, begin, DOCUMENTS, END, 0, smooth);
	assert_memory_equal(logits, smooth, sizeof logits);
}

static void a_document_is_judged_by_its_first_tokens(void **state)
{
	const double logits[] = { 1, 2, 3, 6 };
	(void)state;
	assert_true(scoring_document(logits, 4, 2) == 1.5);
	assert_true(scoring_document(logits, 4, 4) == 3);
	assert_true(scoring_document(logits, 4, 9) == 3);
	assert_true(scoring_document(logits, 4, 0) == 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_mean_stays_inside_the_document),
		cmocka_unit_test(a_document_is_judged_by_its_first_tokens),
		cmocka_unit_test(no_window_is_a_copy),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
