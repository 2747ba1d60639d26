/* The paper's claims on finished runs: command line, table.
 * SPDX-License-Identifier: Apache-2.0 */
#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "validation/science/science.h"

static const char help_text[] =
	"Usage: claims [options] RUN_FOLDER...\n"
	"Measures what the paper claims on finished runs (docs/sweeps.md): effect, interval, verdict. Claims that\n"
	"the runs can not decide say what they need.\n"
	"\n"
	"  --resamples N   bootstrap resamples (1000)\n"
	"  --confidence P  of the intervals (0.95)\n"
	"  --seed N        of the resampling (1)\n"
	"  --csv           rows for other programs\n"
	"  --help          this text\n"
	"\n"
	"Exit code 0 whatever the verdicts, 2 for a bad command line, 3 when no run can be read.\n";

struct options {
	long resamples, seed;
	double confidence;
	bool csv, help;
};

static bool read_options(int argc, char **argv, struct options *options)
{
	static const struct option names[] = { { "resamples", required_argument, NULL, 'r' },
		                               { "confidence", required_argument, NULL, 'c' },
		                               { "seed", required_argument, NULL, 's' },
		                               { "csv", no_argument, NULL, 'v' },
		                               { "help", no_argument, NULL, 'h' },
		                               { NULL, 0, NULL, 0 } };
	for (int option; (option = getopt_long(argc, argv, "", names, NULL)) != -1;) {
		if (option == 'r')
			options->resamples = atol(optarg);
		else if (option == 'c')
			options->confidence = atof(optarg);
		else if (option == 's')
			options->seed = atol(optarg);
		else if (option == 'v')
			options->csv = true;
		else if (option == 'h')
			options->help = true;
		else
			return false;
	}
	return options->resamples >= 1 && options->resamples <= 1000000 && options->confidence > 0 &&
	       options->confidence < 1 && (options->help || optind < argc);
}

static bool is_measured(const struct finding *finding)
{
	return !isnan(finding->value);
}

static void print_measured(const struct finding *finding)
{
	printf("  %-9s  %+.4f [%+.4f, %+.4f]  %s%s%s\n", science_verdict_name(finding->verdict), finding->value,
	       finding->low, finding->high, finding->place, finding->why != NULL ? ": " : "",
	       finding->why != NULL ? finding->why : "");
}

/* What was measured, by claim; then what could not be, in a line each. */
static void print_text(const struct science *science, const struct findings *findings)
{
	const char *claim = "";
	size_t measured = 0, seeds = 0;
	for (size_t i = 0; i < science->configuration_count; i++)
		seeds = science->configurations[i].seeds > seeds ? science->configurations[i].seeds : seeds;
	for (size_t i = 0; i < findings->count; i++) {
		const struct finding *finding = &findings->items[i];
		if (!is_measured(finding))
			continue;
		if (measured++ == 0)
			printf("Effects with %g %% intervals. Above 0 is what the paper claims: confirmed where the whole "
			       "interval is above 0,\nrefuted where it is below, undecided where it holds 0.%s\n",
			       100.0 * science->confidence,
			       seeds > 1
			               ? ""
			               : " All runs have one seed: another may differ by more than\n"
			                 "an interval, which is over evaluation documents (those of one id together).");
		if (strcmp(claim, finding->claim) != 0)
			printf("\n%s: %s\n", finding->claim, finding->effect);
		claim = finding->claim;
		print_measured(finding);
	}
	if (measured == findings->count)
		return;
	printf("%sNot measured:\n", measured > 0 ? "\n" : "");
	for (size_t i = 0; i < findings->count; i++) {
		const struct finding *finding = &findings->items[i];
		bool somewhere = strcmp(finding->place, "nowhere") != 0;
		if (!is_measured(finding))
			printf("  %s: %s%s%s\n", finding->claim, somewhere ? finding->place : "", somewhere ? ": " : "",
			       finding->why != NULL ? finding->why : "");
	}
}

static void print_csv(const struct findings *findings)
{
	printf("claim,effect,place,value,low,high,verdict,remark\n");
	for (size_t i = 0; i < findings->count; i++) {
		const struct finding *finding = &findings->items[i];
		printf("\"%s\",\"%s\",\"%s\",%.9g,%.9g,%.9g,%s,\"%s\"\n", finding->claim, finding->effect,
		       finding->place, finding->value, finding->low, finding->high,
		       science_verdict_name(finding->verdict), finding->why != NULL ? finding->why : "");
	}
}

int main(int argc, char **argv)
{
	struct options options = { .resamples = 1000, .seed = 1, .confidence = 0.95 };
	struct science science = { .notes = stderr };
	struct findings findings = { 0 };
	if (!read_options(argc, argv, &options)) {
		fputs(help_text, stderr);
		return status_exit_code(STATUS_USAGE);
	}
	if (options.help) {
		fputs(help_text, stdout);
		return 0;
	}
	science.confidence = options.confidence;
	enum status status = STATUS_OK;
	for (int i = optind; i < argc && status == STATUS_OK; i++)
		status = science_load(&science, argv[i]);
	if (status == STATUS_OK && science.trial_count == 0)
		status = error_raise(STATUS_DATA, "%s: there is no finished run", argv[optind]);
	if (status == STATUS_OK)
		status = science_resample(&science, (size_t)options.resamples, (uint64_t)options.seed);
	if (status == STATUS_OK)
		status = science_judge(&science, &findings);
	if (status == STATUS_OK && options.csv)
		print_csv(&findings);
	else if (status == STATUS_OK)
		print_text(&science, &findings);
	else
		fprintf(stderr, "claims: error: %s\n", error_message());
	free(findings.items);
	science_clear(&science);
	return status_exit_code(status);
}
