/* capshape-report: command line, exit code.
 * SPDX-License-Identifier: Apache-2.0 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "report/report.h"
#include "results/provenance.h"

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "unknown"
#endif

static const char help_text[] =
	"Usage: capshape-report [options] RUN_FOLDER\n"
	"Tables, loss-matched compute slowdowns and figures of a run folder (run/output of the input file).\n"
	"Reads sweep.h5, or without it points/*/run.h5; unfinished and damaged runs are named and left out.\n"
	"\n"
	"  --output DIR       folder of the report (RUN_FOLDER/report)\n"
	"  --baseline METHOD  filter/method that the others are compared with (none)\n"
	"  --exclude NAME     leave out runs by point name, method label or size; may be a shell pattern such as\n"
	"                     '*size=13M*'; may be given several times\n"
	"  --fit-without SIZE leave sizes out of the laws, not out of the report; may be a shell pattern; may be given\n"
	"                     several times\n"
	"  --compute KIND     6ND or spent: compute of figures, findings and predictions (6ND); tables have both\n"
	"  --law KIND         power, floor, power_robust or floor_robust: law of figures, findings and predictions\n"
	"                     (power); tables have all\n"
	"  --accuracy A       of the classifier, for the error rate under label noise (from its file, balanced test set)\n"
	"  --predict SIZE     predict a size that was not run (61M, L4-D128-H4, or parameters such as 2.5M), and keep\n"
	"                     the prediction with its date in RUN_FOLDER/predictions.csv\n"
	"  --resamples N      bootstrap resamples of the evaluation documents (of one id together), 0: no intervals\n"
	"                     (evaluate/resamples of the runs, else 1000)\n"
	"  --confidence P     of the intervals, between 0 and 1 (0.95)\n"
	"  --seed N           of the resampling (1)\n"
	"  --version          version and libraries\n"
	"  --help             this text\n"
	"\n"
	"Writes report.html (one page with everything), report.md, report.h5, tables as .csv, figures as .svg and .png.\n"
	"Exit codes: 0 at least one finished run; 2 command line; 3 no usable run; 4 can not write.\n";

enum option_code {
	OPTION_OUTPUT = 256,
	OPTION_BASELINE,
	OPTION_EXCLUDE,
	OPTION_FIT_WITHOUT,
	OPTION_COMPUTE,
	OPTION_LAW,
	OPTION_ACCURACY,
	OPTION_PREDICT,
	OPTION_RESAMPLES,
	OPTION_CONFIDENCE,
	OPTION_SEED,
	OPTION_VERSION,
	OPTION_HELP
};

static const struct option option_table[] = {
	{ "output", required_argument, NULL, OPTION_OUTPUT },
	{ "baseline", required_argument, NULL, OPTION_BASELINE },
	{ "exclude", required_argument, NULL, OPTION_EXCLUDE },
	{ "fit-without", required_argument, NULL, OPTION_FIT_WITHOUT },
	{ "compute", required_argument, NULL, OPTION_COMPUTE },
	{ "law", required_argument, NULL, OPTION_LAW },
	{ "accuracy", required_argument, NULL, OPTION_ACCURACY },
	{ "predict", required_argument, NULL, OPTION_PREDICT },
	{ "resamples", required_argument, NULL, OPTION_RESAMPLES },
	{ "confidence", required_argument, NULL, OPTION_CONFIDENCE },
	{ "seed", required_argument, NULL, OPTION_SEED },
	{ "version", no_argument, NULL, OPTION_VERSION },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ NULL, 0, NULL, 0 },
};

static enum status parse_whole(const char *name, const char *text, long long most, long long *value)
{
	char *end = NULL;
	errno = 0;
	*value = strtoll(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || *value < 0 || *value > most)
		return error_raise(STATUS_USAGE, "--%s %s: give a whole number from 0 to %lld", name, text, most);
	return STATUS_OK;
}

static enum status parse_share(const char *name, const char *text, double *value)
{
	char *end = NULL;
	*value = strtod(text, &end);
	if (end == text || *end != '\0' || !(*value > 0.0 && *value < 1.0))
		return error_raise(STATUS_USAGE, "--%s %s: give a number between 0 and 1, such as 0.95", name, text);
	return STATUS_OK;
}

static enum status parse_compute(const char *text, enum compute_kind *kind)
{
	for (int i = 0; i < COMPUTE_KINDS; i++)
		if (strcmp(text, compare_compute_name((enum compute_kind)i)) == 0) {
			*kind = (enum compute_kind)i;
			return STATUS_OK;
		}
	return error_raise(STATUS_USAGE, "--compute %s: give 6ND or spent", text);
}

static enum status parse_law(const char *text, enum law_kind *kind)
{
	for (int i = 0; i < LAW_KINDS; i++)
		if (strcmp(text, compare_law_name((enum law_kind)i)) == 0) {
			*kind = (enum law_kind)i;
			return STATUS_OK;
		}
	return error_raise(STATUS_USAGE, "--law %s: give power, floor, power_robust or floor_robust", text);
}

/* Texts of options that may be given several times; room for every argument. */
struct lists {
	const char **exclude, **fit_without;
};

static enum status parse_option(int code, const char *argument, struct report_options *options, struct lists *lists)
{
	enum { MOST_RESAMPLES = 1000000 };
	long long whole = 0;
	switch (code) {
	case OPTION_OUTPUT:
		options->output = argument;
		return STATUS_OK;
	case OPTION_BASELINE:
		options->study.baseline = argument;
		return STATUS_OK;
	case OPTION_EXCLUDE:
		lists->exclude[options->study.exclude_count++] = argument;
		return STATUS_OK;
	case OPTION_FIT_WITHOUT:
		lists->fit_without[options->fit_without_count++] = argument;
		return STATUS_OK;
	case OPTION_COMPUTE:
		return parse_compute(argument, &options->compute);
	case OPTION_LAW:
		return parse_law(argument, &options->law);
	case OPTION_RESAMPLES:
		STATUS_TRY(parse_whole("resamples", argument, MOST_RESAMPLES, &whole));
		options->resamples = (long)whole;
		return STATUS_OK;
	case OPTION_CONFIDENCE:
		return parse_share("confidence", argument, &options->confidence);
	case OPTION_ACCURACY:
		return parse_share("accuracy", argument, &options->accuracy);
	case OPTION_PREDICT:
		options->predict = argument;
		return STATUS_OK;
	case OPTION_SEED:
		STATUS_TRY(parse_whole("seed", argument, INT64_MAX, &whole));
		options->seed = (uint64_t)whole;
		return STATUS_OK;
	default:
		return error_raise(STATUS_USAGE, "see capshape-report --help"); /* getopt has named the option */
	}
}

static enum status print_version(void)
{
	char *text = provenance_version_text();
	if (!text)
		return STATUS_ENVIRONMENT;
	fputs(text, stdout);
	free(text);
	return STATUS_OK;
}

static enum status run(int argc, char **argv, struct lists *lists)
{
	struct report_options options = { .resamples = -1,
		                          .confidence = 0.95,
		                          .seed = 1,
		                          .accuracy = NAN,
		                          .version = provenance_version(),
		                          .fit_without = lists->fit_without,
		                          .study = { .baseline = "none", .exclude = lists->exclude } };
	for (int code; (code = getopt_long(argc, argv, "", option_table, NULL)) != -1;) {
		if (code == OPTION_HELP)
			return fputs(help_text, stdout) < 0 ? STATUS_IO : STATUS_OK;
		if (code == OPTION_VERSION)
			return print_version();
		STATUS_TRY(parse_option(code, optarg, &options, lists));
	}
	if (optind + 1 != argc)
		return error_raise(STATUS_USAGE, "%s: see capshape-report --help",
		                   optind == argc ? "give the run folder" : "give one run folder only");
	options.folder = argv[optind];
	return report_make(&options, stdout);
}

int main(int argc, char **argv)
{
	struct lists lists = { memory_allocate((size_t)argc, sizeof(char *)),
		               memory_allocate((size_t)argc, sizeof(char *)) };
	enum status status = lists.exclude && lists.fit_without ? run(argc, argv, &lists) : STATUS_ENVIRONMENT;
	free(lists.exclude);
	free(lists.fit_without);
	if (status != STATUS_OK) {
		fflush(stdout);
		fprintf(stderr, "capshape-report: error: %s\n", error_message());
	}
	return status_exit_code(status);
}
