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
	"  --resamples N      bootstrap resamples of the evaluation documents, 0: no intervals\n"
	"                     (evaluate/resamples of the runs, else 1000)\n"
	"  --confidence P     of the intervals, between 0 and 1 (0.95)\n"
	"  --seed N           of the resampling (1)\n"
	"  --version          version and libraries\n"
	"  --help             this text\n"
	"\n"
	"Writes report.md, report.h5, table.csv, slowdown.csv, filtered.csv, and figures as .svg and .png.\n"
	"Exit codes: 0 at least one finished run; 2 command line; 3 no usable run; 4 can not write.\n";

enum option_code {
	OPTION_OUTPUT = 256,
	OPTION_BASELINE,
	OPTION_EXCLUDE,
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

static enum status parse_confidence(const char *text, double *value)
{
	char *end = NULL;
	*value = strtod(text, &end);
	if (end == text || *end != '\0' || !(*value > 0.0 && *value < 1.0))
		return error_raise(STATUS_USAGE, "--confidence %s: give a number between 0 and 1, such as 0.95", text);
	return STATUS_OK;
}

static enum status parse_option(int code, const char *argument, struct report_options *options, const char **exclude)
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
		exclude[options->study.exclude_count++] = argument;
		return STATUS_OK;
	case OPTION_RESAMPLES:
		STATUS_TRY(parse_whole("resamples", argument, MOST_RESAMPLES, &whole));
		options->resamples = (long)whole;
		return STATUS_OK;
	case OPTION_CONFIDENCE:
		return parse_confidence(argument, &options->confidence);
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

static enum status run(int argc, char **argv, const char **exclude)
{
	struct report_options options = { .resamples = -1,
		                          .confidence = 0.95,
		                          .seed = 1,
		                          .version = PACKAGE_VERSION,
		                          .study = { .baseline = "none", .exclude = exclude } };
	for (int code; (code = getopt_long(argc, argv, "", option_table, NULL)) != -1;) {
		if (code == OPTION_HELP)
			return fputs(help_text, stdout) < 0 ? STATUS_IO : STATUS_OK;
		if (code == OPTION_VERSION)
			return print_version();
		STATUS_TRY(parse_option(code, optarg, &options, exclude));
	}
	if (optind + 1 != argc)
		return error_raise(STATUS_USAGE, "%s: see capshape-report --help",
		                   optind == argc ? "give the run folder" : "give one run folder only");
	options.folder = argv[optind];
	return report_make(&options, stdout);
}

int main(int argc, char **argv)
{
	const char **exclude = memory_allocate((size_t)argc, sizeof(*exclude));
	enum status status = exclude ? run(argc, argv, exclude) : STATUS_ENVIRONMENT;
	free(exclude);
	if (status != STATUS_OK) {
		fflush(stdout);
		fprintf(stderr, "capshape-report: error: %s\n", error_message());
	}
	return status_exit_code(status);
}
