/* Reading predictions back, and what came of them.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "report/predict.h"
#include "storage/atomic_file.h"

enum { FIELDS = 18 };
enum {
	DATE,
	VERSION,
	SIZE,
	PARAMETERS,
	FLOPS,
	COMPUTE,
	LAW,
	SIZES_FITTED,
	METHOD,
	SET,
	TOKENS,
	LOSS,
	LOSS_LOW,
	LOSS_HIGH,
	SLOWDOWN,
	SLOWDOWN_LOW,
	SLOWDOWN_HIGH,
	CONFIDENCE
};

/* Splits a line into its fields in place; a field may be quoted. False when there are not FIELDS of them. */
static bool split(char *line, char *fields[FIELDS])
{
	size_t count = 0;
	for (char *at = line; count < FIELDS; at++) {
		char *end;
		if (*at == '"') {
			fields[count++] = ++at;
			end = strchr(at, '"');
			if (!end)
				return false;
			*end++ = '\0';
		} else {
			fields[count++] = at;
			end = strchr(at, ',');
			end = end ? end : at + strlen(at);
		}
		bool last = *end == '\0';
		*end = '\0';
		at = end;
		if (last)
			break;
	}
	return count == FIELDS;
}

static double number(const char *text)
{
	return text[0] ? strtod(text, NULL) : NAN;
}

/* The group that a prediction was about, once there is one: same method, as many parameters within 2 %. */
static size_t find_group(const struct study *study, char *const fields[FIELDS])
{
	double parameters = number(fields[PARAMETERS]);
	for (size_t g = 0; g < study->group_count; g++)
		if (strcmp(study->methods[study->groups[g].method].label, fields[METHOD]) == 0 &&
		    fabs((double)study->sizes[study->groups[g].size].parameters / parameters - 1.0) < 0.02)
			return g;
	return STUDY_NONE;
}

static const char *judge(double value, double low, double high)
{
	if (isnan(value))
		return "not run yet";
	if (isnan(low))
		return "no interval";
	return value < low ? "below" : value > high ? "above" : "inside";
}

static void add_row(const struct comparison *comparison, char *const fields[FIELDS], struct table *table)
{
	static const int texts[] = { DATE, VERSION, SIZE, METHOD, SET, TOKENS, COMPUTE, LAW };
	const struct study *study = comparison->study;
	size_t measure = study_find_measure(study, fields[SET], strcmp(fields[TOKENS], "label") == 0);
	size_t group = measure == STUDY_NONE ? STUDY_NONE : find_group(study, fields);
	double loss = NAN, slowdown = NAN;
	if (group != STUDY_NONE) {
		loss = compare_loss(comparison, measure, group)->loss.value;
		for (int c = 0; c < COMPUTE_KINDS; c++)
			for (int l = 0; l < LAW_KINDS; l++)
				if (strcmp(fields[COMPUTE], compare_compute_name((enum compute_kind)c)) == 0 &&
				    strcmp(fields[LAW], compare_law_name((enum law_kind)l)) == 0)
					slowdown = compare_slowdown(comparison, measure, group, (enum compute_kind)c,
					                            (enum law_kind)l)
					                   ->factor.value;
	}
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		table_add_text(table, "%s", fields[texts[i]]);
	table_add_integer(table, (int64_t)number(fields[PARAMETERS]));
	for (int i = LOSS; i <= LOSS_HIGH; i++)
		table_add_real(table, number(fields[i]));
	table_add_real(table, loss);
	table_add_text(table, "%s", judge(loss, number(fields[LOSS_LOW]), number(fields[LOSS_HIGH])));
	for (int i = SLOWDOWN; i <= SLOWDOWN_HIGH; i++)
		table_add_real(table, number(fields[i]));
	table_add_real(table, slowdown);
}

enum status predict_table(const struct comparison *comparison, const char *folder, struct table *table)
{
	static const struct column columns[] = {
		{ "date", COLUMN_TEXT, NULL, "day of the prediction" },
		{ "version", COLUMN_TEXT, NULL, "version of the program" },
		{ "size", COLUMN_TEXT, NULL, "size that was not run then" },
		{ "method", COLUMN_TEXT, NULL, "filter method and other axes" },
		{ "set", COLUMN_TEXT, NULL, "evaluation set" },
		{ "tokens", COLUMN_TEXT, NULL, "all: every token; label: tokens whose own label is the set's domain" },
		{ "compute", COLUMN_TEXT, NULL, "6ND: nominal; spent: operations really spent" },
		{ "law", COLUMN_TEXT, NULL, "law that was extended" },
		{ "parameters", COLUMN_INTEGER, "1", "model parameters N, embedding included" },
		{ "predicted_loss", COLUMN_REAL, "nats/token", "loss predicted" },
		{ "predicted_loss_low", COLUMN_REAL, "nats/token", "lower end of the prediction interval" },
		{ "predicted_loss_high", COLUMN_REAL, "nats/token", "upper end of the prediction interval" },
		{ "loss", COLUMN_REAL, "nats/token", "loss measured since, empty before" },
		{ "outcome", COLUMN_TEXT, NULL, "inside, below or above the interval; not run yet; no interval" },
		{ "predicted_slowdown", COLUMN_REAL, "1", "slowdown predicted" },
		{ "predicted_slowdown_low", COLUMN_REAL, "1", "lower end of the prediction interval" },
		{ "predicted_slowdown_high", COLUMN_REAL, "1", "upper end of the prediction interval" },
		{ "slowdown", COLUMN_REAL, "1", "slowdown measured since, empty before" },
	};
	table_create(table, "predictions", "", columns, sizeof(columns) / sizeof(columns[0]));
	char *path = text_join_path(folder, PREDICT_FILE), *text = NULL, *rest = NULL;
	size_t size = 0;
	enum status status = path ? STATUS_OK : STATUS_ENVIRONMENT;
	if (status == STATUS_OK && access(path, F_OK) == 0)
		status = file_read(path, &text, &size);
	int line_number = 0;
	for (char *line = text ? strtok_r(text, "\n", &rest) : NULL; line && status == STATUS_OK;
	     line = strtok_r(NULL, "\n", &rest)) {
		char *fields[FIELDS];
		if (line_number++ == 0) /* the header */
			continue;
		if (split(line, fields))
			add_row(comparison, fields, table);
		else
			status = error_raise(STATUS_DATA,
			                     "%s line %d has not %d fields: repair or remove the line (columns are in "
			                     "docs/analysis.md)",
			                     path, line_number, FIELDS);
	}
	free(text);
	free(path);
	return status == STATUS_OK ? table->status : status;
}
