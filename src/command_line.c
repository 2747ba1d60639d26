/* Reading the command line by a table of options.
 * SPDX-License-Identifier: Apache-2.0 */
#include "command_line.h"

#include <getopt.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

enum { LARGEST_NUMBER = 1000000000, FIRST_LONG = 1000, TEXT_COLUMN = 41 };

/* What an option has besides its name. */
enum operand {
	OPERAND_NONE,   /* with a command: does that; without: sets a bool */
	OPERAND_NUMBER, /* an int64_t */
	OPERAND_REAL,   /* a double greater than 0 */
	OPERAND_POINTS, /* K or K-L: two int64_t, the first and the last */
	OPERAND_TEXT,   /* a const char * */
};

struct option_row {
	const char *name;
	char letter;              /* short form, or 0 */
	const char *operand_name; /* in the help text */
	enum operand operand;
	enum command command; /* COMMAND_RUN: the option does not change what is done */
	unsigned with;        /* of those: the commands that it means something to, bits by number */
	int64_t lowest;       /* of numbers */
	size_t field;         /* offset in struct options, for what it sets; IGNORED */
	const char *meaning;
};

enum { IGNORED = sizeof(struct options) };
enum { WITH_RUN = 1 << COMMAND_RUN, WITH_PLAN = 1 << COMMAND_PLAN, WITH_COUNT = 1 << COMMAND_COUNT };
enum { WITH_SCORES = 1 << COMMAND_COMPARE_SCORES };

static const struct option_row rows[] = {
	{ "help", 'h', "[keys|SECTION|KEY|markdown]", OPERAND_NONE, COMMAND_HELP, 0, 0, IGNORED,
	  "this text; all input keys; those of a section; one key; all as a page of the manual" },
	{ "version", 0, "", OPERAND_NONE, COMMAND_VERSION, 0, 0, IGNORED, "version, build and libraries" },
	{ "plan", 0, "", OPERAND_NONE, COMMAND_PLAN, 0, 0, IGNORED,
	  "what would be done: points, roles and why, memory, files, hours; no launch" },
	{ "ranks", 0, "N", OPERAND_NUMBER, COMMAND_RUN, WITH_PLAN, 1, offsetof(struct options, plan_ranks),
	  "ranks that --plan plans for (default 1)" },
	{ "tune-roles", 0, "", OPERAND_NONE, COMMAND_RUN, WITH_RUN | WITH_COUNT, 0,
	  offsetof(struct options, tune_roles),
	  "try out several splits into roles on this job first; later runs of it use the best" },
	{ "rate", 0, "FLOPS", OPERAND_REAL, COMMAND_RUN, WITH_PLAN, 0, offsetof(struct options, plan_rate),
	  "FLOP/s of a rank that --plan reckons with, such as 4e14; else this machine's are measured" },
	{ "gpus-per-node", 0, "N", OPERAND_NUMBER, COMMAND_RUN, WITH_PLAN, 1, offsetof(struct options, plan_gpus),
	  "GPUs of a node that --plan reckons with; else as here, or 8" },
	{ "ranks-per-node", 0, "N", OPERAND_NUMBER, COMMAND_RUN, WITH_PLAN, 1,
	  offsetof(struct options, plan_node_ranks),
	  "ranks of a node that --plan reckons with, which share its GPUs; else a GPU for each that computes" },
	{ "gpu-memory", 0, "GB", OPERAND_REAL, COMMAND_RUN, WITH_PLAN, 0, offsetof(struct options, plan_gpu_memory),
	  "memory of a GPU that --plan reckons with, such as 141; else what is free here, or 80" },
	{ "points", 0, "", OPERAND_NONE, COMMAND_COUNT, 0, 0, IGNORED, "the number of points, and nothing else" },
	{ "point", 0, "K[-L]", OPERAND_POINTS, COMMAND_RUN, WITH_RUN | WITH_PLAN, 0,
	  offsetof(struct options, first_point),
	  "only point K (0 ..) of the sweep, or points K to L, for job arrays; with --plan, too" },
	{ "print", 0, "section/key", OPERAND_TEXT, COMMAND_PRINT, 0, 0, offsetof(struct options, print_key),
	  "the value of a key, and nothing else" },
	{ "compare-runs", 0, "A B", OPERAND_NONE, COMMAND_COMPARE, 0, 0, IGNORED,
	  "compare two run folders bit for bit: exit code 0 when equal, 1 when not" },
	{ "compare-scores", 0, "A B", OPERAND_NONE, COMMAND_COMPARE_SCORES, 0, 0, IGNORED,
	  "compare two score files (scores.h5): scores and decisions that differ; exit code 0 when none, 1 when some" },
	{ "thresholds", 0, "P,...", OPERAND_TEXT, COMMAND_RUN, WITH_SCORES, 0,
	  offsetof(struct options, compare_thresholds),
	  "probabilities at which --compare-scores compares decisions; else those stored in the files" },
	{ "data", 0, "FOLDER", OPERAND_TEXT, COMMAND_RUN, WITH_SCORES, 0, offsetof(struct options, compare_data),
	  "token shards that tell --compare-scores the domains of tokens and documents" },
};

enum { ROW_COUNT = sizeof rows / sizeof rows[0] };

/* ---- help ---- */

void options_print_usage(void)
{
	fputs("usage: capshape [options] FILE [section/key=value ...]\n"
	      "       srun -N 16 capshape FILE        mpirun -n 4 capshape FILE        capshape FILE\n"
	      "\n"
	      "Runs the task of an input file. The same line again continues what is unfinished and skips what is finished.\n"
	      "\n",
	      stdout);
	for (int i = 0; i < ROW_COUNT; i++) {
		const struct option_row *row = &rows[i];
		int width = row->letter != 0 ? printf("  -%c, --%s %s", row->letter, row->name, row->operand_name)
		                             : printf("      --%s %s", row->name, row->operand_name);
		printf("%*s%s\n", width < TEXT_COLUMN ? TEXT_COLUMN - width : 1, "", row->meaning);
	}
	fputs("\n"
	      "Exit codes: 0 done, 1 internal error, 2 bad input, 3 bad data, 4 cannot write or read, 5 unsuitable environment,\n"
	      "6 lost rank, 7 numerical failure, 75 stopped on request (run the same line again). Manual: docs/.\n",
	      stdout);
}

/* ---- values ---- */

/* The whole number that `text` begins with; *end_out points behind it. */
static bool read_number(const char *text, int64_t lowest, int64_t *value_out, const char **end_out)
{
	char *end;
	if (*text < '0' || *text > '9')
		return false;
	long long parsed = strtoll(text, &end, 10);
	*value_out = parsed;
	*end_out = end;
	return parsed >= lowest && parsed <= LARGEST_NUMBER;
}

static enum status set_number(const struct option_row *row, const char *text, int64_t *field)
{
	const char *end;
	if (!read_number(text, row->lowest, field, &end) || *end != '\0')
		return error_raise(STATUS_USAGE, "--%s %s: a whole number from %lld to %d is needed", row->name, text,
		                   (long long)row->lowest, LARGEST_NUMBER);
	return STATUS_OK;
}

static enum status set_real(const struct option_row *row, const char *text, double *field)
{
	char *end;
	*field = strtod(text, &end);
	if (end == text || *end != '\0' || !isfinite(*field) || *field <= 0)
		return error_raise(STATUS_USAGE, "--%s %s: a number greater than 0 is needed", row->name, text);
	return STATUS_OK;
}

static enum status set_points(const struct option_row *row, const char *text, int64_t *first, int64_t *last)
{
	const char *end;
	bool good = read_number(text, 0, first, &end);
	*last = *first;
	if (good && *end == '-')
		good = read_number(end + 1, 0, last, &end);
	if (!good || *end != '\0' || *last < *first)
		return error_raise(STATUS_USAGE, "--%s %s: a whole number from 0 to %d is needed, or two such as 4-7",
		                   row->name, text, LARGEST_NUMBER);
	return STATUS_OK;
}

static enum status take(const struct option_row *row, const char *text, struct options *options)
{
	/* Through void *: the table says which type lies there. */
	void *field = row->field == IGNORED ? NULL : (char *)options + row->field;
	if (row->command != COMMAND_RUN)
		options->command = row->command;
	switch (row->operand) {
	case OPERAND_NONE:
		if (field != NULL)
			*(bool *)field = true;
		return STATUS_OK;
	case OPERAND_NUMBER:
		return set_number(row, text, field);
	case OPERAND_REAL:
		return set_real(row, text, field);
	case OPERAND_POINTS:
		return set_points(row, text, &options->first_point, &options->last_point);
	case OPERAND_TEXT:
		*(const char **)field = text;
		return STATUS_OK;
	}
	return STATUS_OK;
}

/* ---- options that do not go together ---- */

static const struct option_row *find_command(enum command command)
{
	for (int i = 0; i < ROW_COUNT; i++)
		if (rows[i].command == command)
			return &rows[i];
	return NULL;
}

/* An option that would change nothing is a misunderstanding. `given`: [ROW_COUNT]. */
static enum status check_together(const bool *given, enum command command)
{
	const struct option_row *does = command == COMMAND_RUN ? NULL : find_command(command);
	if (command == COMMAND_HELP || command == COMMAND_VERSION)
		return STATUS_OK;
	for (int i = 0; i < ROW_COUNT; i++) {
		const struct option_row *row = &rows[i];
		if (!given[i] || row == does || (row->command == COMMAND_RUN && (row->with & 1u << command) != 0))
			continue;
		if (does != NULL)
			return error_raise(STATUS_USAGE, "--%s and --%s do not go together: leave one of them out",
			                   row->name, does->name);
		return error_raise(STATUS_USAGE, "--%s says something only together with --%s%s", row->name,
		                   row->with == WITH_SCORES ? "compare-scores" : "plan",
		                   row->field == offsetof(struct options, plan_ranks)
		                           ? "; a run has as many ranks as the launcher starts (srun -N 4, mpirun -n 4)"
		                           : "");
	}
	return STATUS_OK;
}

/* ---- the words that are no options ---- */

static enum status take_words(int count, char **words, struct options *options)
{
	switch (options->command) {
	case COMMAND_HELP:
		options->help_topic = count > 0 ? words[0] : NULL;
		return STATUS_OK;
	case COMMAND_VERSION:
		return STATUS_OK;
	case COMMAND_COMPARE:
	case COMMAND_COMPARE_SCORES:
		if (count != 2)
			return error_raise(STATUS_USAGE, options->command == COMMAND_COMPARE
			                                         ? "--compare-runs needs two run folders"
			                                         : "--compare-scores needs two score files");
		options->compare_first = words[0];
		options->compare_second = words[1];
		return STATUS_OK;
	case COMMAND_RUN:
	case COMMAND_PLAN:
	case COMMAND_COUNT:
	case COMMAND_PRINT:
		break;
	}
	if (count < 1)
		return error_raise(STATUS_USAGE, "no input file given; capshape --help explains, inputs/ has examples");
	options->input_name = words[0];
	options->overrides = (const char *const *)words + 1;
	options->override_count = count - 1;
	return STATUS_OK;
}

static const struct option_row *find_row(int choice)
{
	for (int i = 0; i < ROW_COUNT; i++)
		if (choice == FIRST_LONG + i || (rows[i].letter != 0 && choice == rows[i].letter))
			return &rows[i];
	return NULL;
}

enum status options_parse(int count, char **arguments, struct options *options_out)
{
	struct option names[ROW_COUNT + 1];
	char letters[2 * ROW_COUNT + 2] = ":";
	size_t used = 1;
	for (int i = 0; i < ROW_COUNT; i++) {
		bool valued = rows[i].operand != OPERAND_NONE;
		names[i] =
			(struct option){ rows[i].name, valued ? required_argument : no_argument, NULL, FIRST_LONG + i };
		if (rows[i].letter != 0) {
			letters[used++] = rows[i].letter;
			if (valued)
				letters[used++] = ':';
		}
	}
	names[ROW_COUNT] = (struct option){ NULL, 0, NULL, 0 };
	letters[used] = '\0';
	*options_out = (struct options){ .plan_ranks = 1, .first_point = -1, .last_point = -1 };
	bool given[ROW_COUNT] = { false };
	opterr = 0;
	for (int choice; (choice = getopt_long(count, arguments, letters, names, NULL)) != -1;) {
		const struct option_row *row = find_row(choice);
		if (row == NULL)
			return error_raise(STATUS_USAGE, "%s: %s; capshape --help lists the options",
			                   arguments[optind - 1],
			                   choice == ':' ? "a value is missing" : "unknown option");
		given[row - rows] = true;
		STATUS_TRY(take(row, optarg, options_out));
	}
	STATUS_TRY(check_together(given, options_out->command));
	return take_words(count - optind, arguments + optind, options_out);
}
