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

/* Takes the quotes off a quoted text, in place. What follows the closing one; NULL without one. */
static char *unquote(char *text)
{
	char *to = text;
	for (char *from = text + 1; *from; from++) {
		if (*from == '"' && *++from != '"') {
			if (to < from)
				*to = '\0';
			return from;
		}
		*to++ = *from;
	}
	return NULL;
}

/* Splits a line into its fields in place; a field may be quoted. False when there are not FIELDS of them. */
static bool split(char *line, char *fields[FIELDS])
{
	size_t count = 0;
	for (char *at = line; count < FIELDS; at++) {
		char *end;
		fields[count++] = at;
		if (*at == '"') {
			end = unquote(at);
			if (!end || (*end != '\0' && *end != ','))
				return false;
		} else {
			end = at + strcspn(at, ",");
		}
		if (*end == '\0')
			return count == FIELDS;
		*end = '\0';
		at = end;
	}
	return false;
}

static double number(const char *text)
{
	return text[0] ? strtod(text, NULL) : NAN;
}

bool predict_same_size(double predicted, double parameters)
{
	return fabs(parameters / predicted - 1.0) < 0.02;
}

/* The group that a prediction was about, once there is one: same method, nearest size. */
static size_t find_group(const struct study *study, char *const fields[FIELDS])
{
	double predicted = number(fields[PARAMETERS]), nearest = INFINITY;
	size_t found = STUDY_NONE;
	for (size_t g = 0; g < study->group_count; g++) {
		double parameters = (double)study->sizes[study->groups[g].size].parameters;
		if (strcmp(study->methods[study->groups[g].method].label, fields[METHOD]) != 0 ||
		    !predict_same_size(predicted, parameters) || fabs(parameters - predicted) >= nearest)
			continue;
		nearest = fabs(parameters - predicted);
		found = g;
	}
	return found;
}

static const char *judge(double value, double low, double high)
{
	if (isnan(value))
		return "not run yet";
	if (isnan(low))
		return "no interval";
	return value < low ? "below" : value > high ? "above" : "inside";
}

static bool find_law(const char *name, enum law_kind *law)
{
	for (int l = 0; l < LAW_KINDS; l++)
		if (strcmp(name, compare_law_name((enum law_kind)l)) == 0) {
			*law = (enum law_kind)l;
			return true;
		}
	return false;
}

/* What has to be known about the interval of a row. Older versions gave one whatever the sizes. */
static void add_remark(char *const fields[FIELDS], struct table *table)
{
	enum law_kind law;
	double sizes = number(fields[SIZES_FITTED]);
	bool has_interval = !isnan(number(fields[LOSS_LOW]));
	if (find_law(fields[LAW], &law) && sizes < (double)predict_sizes_needed(law))
		table_add_text(table, "law through %.0f sizes: %s; %zu sizes are needed", sizes,
		               has_interval ? "its interval is too narrow" : "no interval", predict_sizes_needed(law));
	else if (has_interval && !isnan(number(fields[SLOWDOWN])) && isnan(number(fields[SLOWDOWN_LOW])))
		table_add_text(table,
		               "slowdown without interval: too few baseline sizes, or losses that the baseline's law "
		               "does not reach");
	else
		table_add_text(table, "%s", "");
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
		enum law_kind law;
		for (int c = 0; c < COMPUTE_KINDS && find_law(fields[LAW], &law); c++)
			if (strcmp(fields[COMPUTE], compare_compute_name((enum compute_kind)c)) == 0)
				slowdown = compare_slowdown(comparison, measure, group, (enum compute_kind)c, law)
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
	add_remark(fields, table);
}

static enum status add_lines(const struct comparison *comparison, const char *path, char *text, struct table *table)
{
	int number = 1;
	for (char *line = text, *next; *line; line = next, number++) {
		char *fields[FIELDS];
		size_t length = strcspn(line, "\n");
		next = line + length + (line[length] == '\n');
		line[length] = '\0';
		if (length > 0 && line[length - 1] == '\r') /* a spreadsheet has been here */
			line[length - 1] = '\0';
		if (number == 1 && strcmp(line, PREDICT_HEADER) != 0)
			return error_raise(
				STATUS_DATA,
				"%s line 1 does not name the columns of this version; it should be: " PREDICT_HEADER,
				path);
		if (number == 1 || line[0] == '\0')
			continue;
		if (!split(line, fields))
			return error_raise(STATUS_DATA,
			                   "%s line %d has not %d fields: repair or remove the line (columns are in "
			                   "docs/analysis.md)",
			                   path, number, FIELDS);
		add_row(comparison, fields, table);
	}
	return STATUS_OK;
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
		{ "remark", COLUMN_TEXT, NULL, "why there is no interval, or how far it is to be believed" },
	};
	table_create(table, "predictions", "", columns, sizeof(columns) / sizeof(columns[0]));
	char *path = text_join_path(folder, PREDICT_FILE), *text = NULL;
	size_t size = 0;
	enum status status = path ? STATUS_OK : STATUS_ENVIRONMENT;
	if (status == STATUS_OK && access(path, F_OK) == 0)
		status = file_read(path, &text, &size);
	if (status == STATUS_OK && text)
		status = add_lines(comparison, path, text, table);
	free(text);
	free(path);
	return status == STATUS_OK ? table->status : status;
}
