/* Questions with and without their passage in a report, against plain sums: which belong together, which were asked both ways.
 * SPDX-License-Identifier: Apache-2.0 */
#include "report_findings.h"

#include <gsl/gsl_errno.h>

#include "report/passages.h"
#include "report_near.h"

enum { QUESTIONS = 150, RESAMPLES = 400 };

/* Every third question has no passage; clusters are of five questions, some with passages and some without. */
static bool has_passage(int q)
{
	return q % 3 != 1;
}

static bool is_right(bool mask, bool open, int q)
{
	if (!mask)
		return (q * 7) % 10 < 6; /* whatever is shown to it */
	return open ? (q * 3) % 10 < 8 : (q * 7) % 10 < 3;
}

/* mask was not asked the first 5 with their passages, nor number 6 without. */
static bool is_asked(bool mask, bool open, int q)
{
	return !mask || (open ? q >= 5 : q != 6);
}

static void write_part(struct hdf5_writer *writer, const char *set, const char *part, enum hdf5_type type, int count,
                       const void *values)
{
	char *name = text_format("questions/%s/%s", set, part);
	FIXTURE_TRY(hdf5_write_vector(writer, name, type, count, values, NULL, NULL));
	free(name);
}

static void write_set(struct hdf5_writer *writer, const char *set, bool mask, bool open)
{
	static const char *const groups[] = { "" };
	uint8_t correct[QUESTIONS], choices[QUESTIONS], right[QUESTIONS];
	float margin[QUESTIONS];
	uint64_t cluster[QUESTIONS];
	int32_t group[QUESTIONS] = { 0 };
	int count = 0;
	for (int q = 0; q < QUESTIONS; q++) {
		if (open && !has_passage(q))
			continue;
		correct[count] = is_asked(mask, open, q) && is_right(mask, open, q);
		margin[count] = !is_asked(mask, open, q) ? NAN : correct[count] ? 1.0f : -1.0f;
		choices[count] = (uint8_t)(q % 5 + 2); /* tells the questions of a cluster apart */
		right[count] = (uint8_t)(q % 2);
		cluster[count++] = (uint64_t)q / 5;
	}
	char *name = text_format("questions/%s", set), *names = text_format("questions/%s/groups", set);
	write_part(writer, set, "correct", HDF5_UINT8, count, correct);
	write_part(writer, set, "margin", HDF5_FLOAT32, count, margin);
	write_part(writer, set, "choices", HDF5_UINT8, count, choices);
	write_part(writer, set, "right", HDF5_UINT8, count, right);
	write_part(writer, set, "cluster", HDF5_UINT64, count, cluster);
	write_part(writer, set, "group", HDF5_INT32, count, group);
	FIXTURE_TRY(hdf5_write_texts(writer, names, 1, groups, NULL));
	FIXTURE_TRY(hdf5_write_text_attribute(writer, name, "scoring", "cloze"));
	FIXTURE_TRY(hdf5_write_text_attribute(writer, name, "domain", "forget"));
	free(name);
	free(names);
}

static void write_own(struct hdf5_writer *writer, const struct fixture_run *run)
{
	bool mask = strcmp(run->method, "mask") == 0;
	write_set(writer, "exam", mask, false);
	write_set(writer, "exam.open", mask, true);
	write_set(writer, "other.open", mask, true); /* without a set other there is nothing to say */
}

static void shares_are_plain_sums(void **state)
{
	(void)state;
	struct findings findings;
	struct question_results results;
	struct table table;
	char *folder = fixture_folder();
	for (size_t method = 0; method <= 2; method += 2) {
		struct fixture_run run = fixture_run_of(method, 1, 0.0, 0.0, 10);
		run.point = run.method;
		run.more = write_own;
		fixture_write_run(folder, &run);
	}
	find_comparison(&findings, folder, RESAMPLES);
	FIXTURE_TRY(questions_create(&findings.comparison, &results));
	FIXTURE_TRY(passages_table(&results, &table));
	FIXTURE_TRY(table.status);
	assert_int_equal(table_rows(&table), 2);
	for (size_t row = 0; row < 2; row++) {
		bool mask = strcmp(table_cell(&table, row, "method")->text, "mask") == 0;
		double closed = 0, open = 0, count = 0;
		for (int q = 0; q < QUESTIONS; q++)
			if (has_passage(q) && is_asked(mask, false, q) && is_asked(mask, true, q)) {
				closed += is_right(mask, false, q);
				open += is_right(mask, true, q);
				count++;
			}
		assert_string_equal(table_cell(&table, row, "set")->text, "exam");
		assert_string_equal(table_cell(&table, row, "domain")->text, "forget");
		assert_string_equal(table_cell(&table, row, "scoring")->text, "cloze");
		assert_int_equal(table_cell(&table, row, "questions")->integer, (int64_t)count);
		assert_near(table_cell(&table, row, "closed")->real, closed / count, 1e-12);
		assert_near(table_cell(&table, row, "open")->real, open / count, 1e-12);
		assert_near(table_cell(&table, row, "gain")->real, (open - closed) / count, 1e-12);
		double low = table_cell(&table, row, "gain_low")->real,
		       high = table_cell(&table, row, "gain_high")->real;
		if (mask) { /* five deviations of a mean of as many independent questions are more than this */
			assert_true(low > 0.2 && low < (open - closed) / count && high > (open - closed) / count &&
			            high < 0.8);
			assert_true(table_cell(&table, row, "open_low")->real >
			            table_cell(&table, row, "closed_high")->real);
		} else { /* paired: the same answers differ by nothing in every resample */
			assert_true(low == 0.0 && high == 0.0);
			assert_true(table_cell(&table, row, "open_low")->real < open / count);
		}
	}
	table_clear(&table);
	questions_clear(&results);
	forget(&findings);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(shares_are_plain_sums) };
	gsl_set_error_handler_off();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
