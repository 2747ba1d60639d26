/* The program: reads the command line and the input files, starts MPI, runs the tasks, ends with one exit code.
 *
 *   1. options that need no MPI (--help, --version, --plan, --print, --compare-runs)
 *   2. MPI and the lifeline
 *   3. the input file, read on rank 0, parsed on all
 *   4. its prerequisites (run/after), then the task itself
 *   5. one message and one exit code
 * SPDX-License-Identifier: Apache-2.0 */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "base/timer.h"
#include "comm/lifeline.h"
#include "input/parameters.h"
#include "results/provenance.h"
#include "storage/atomic_file.h"
#include "tasks/task.h"

enum { DEEPEST_CHAIN = 16, MOST_FILES = 64, LARGEST_NUMBER = 1000000000 };

struct options {
	const char *input_name;
	const char *const *overrides;
	int override_count;
	int64_t point; /* -1: all */
	bool plan;
	int plan_ranks;
	const char *print_key;
	bool help, version, compare;
	const char *help_topic; /* NULL, "keys", "markdown" or a section */
	const char *compare_first, *compare_second;
};

static const char usage[] =
	"usage: capshape [options] FILE [section/key=value ...]\n"
	"       srun -N 16 capshape FILE        mpirun -n 4 capshape FILE        capshape FILE\n"
	"\n"
	"Runs the task of an input file. The same line again continues what is unfinished and skips what is finished.\n"
	"\n"
	"  -h, --help [keys|SECTION|markdown]  this text; all input keys; those of a section; the keys as a manual page\n"
	"      --version                       version, build and libraries\n"
	"      --plan                          what would be done: points, roles and why, memory, files, hours; no launch\n"
	"      --ranks N                       ranks that --plan plans for (default 1)\n"
	"      --point K                       only point K (0 ..) of the sweep, for job arrays\n"
	"      --print section/key             the value of a key, and nothing else\n"
	"      --compare-runs A B              compare two run folders bit for bit: exit code 0 when equal, 1 when not\n"
	"\n"
	"Exit codes: 0 done, 1 internal error, 2 bad input, 3 bad data, 4 cannot write or read, 5 unsuitable environment,\n"
	"6 lost rank, 7 numerical failure, 75 stopped on request (run the same line again). Manual: docs/.\n";

static enum status parse_number(const char *option, const char *text, int64_t lowest, int64_t *value)
{
	char *end;
	long long parsed = strtoll(text, &end, 10);
	if (*text == '\0' || *end != '\0' || parsed < lowest || parsed > LARGEST_NUMBER)
		return error_raise(STATUS_USAGE, "%s %s: a whole number from %lld to %d is needed", option, text,
		                   (long long)lowest, LARGEST_NUMBER);
	*value = parsed;
	return STATUS_OK;
}

static enum status parse_options(int count, char **arguments, struct options *options)
{
	enum { VERSION = 1000, PLAN, RANKS, POINT, PRINT, COMPARE };
	static const struct option table[] = {
		{ "help", no_argument, NULL, 'h' },        { "version", no_argument, NULL, VERSION },
		{ "plan", no_argument, NULL, PLAN },       { "ranks", required_argument, NULL, RANKS },
		{ "point", required_argument, NULL, POINT }, { "print", required_argument, NULL, PRINT },
		{ "compare-runs", no_argument, NULL, COMPARE }, { NULL, 0, NULL, 0 },
	};
	int64_t number;
	*options = (struct options){ .point = -1, .plan_ranks = 1 };
	opterr = 0;
	for (int choice; (choice = getopt_long(count, arguments, ":h", table, NULL)) != -1;) {
		switch (choice) {
		case 'h':
			options->help = true;
			break;
		case VERSION:
			options->version = true;
			break;
		case PLAN:
			options->plan = true;
			break;
		case RANKS:
			STATUS_TRY(parse_number("--ranks", optarg, 1, &number));
			options->plan_ranks = (int)number;
			break;
		case POINT:
			STATUS_TRY(parse_number("--point", optarg, 0, &options->point));
			break;
		case PRINT:
			options->print_key = optarg;
			break;
		case COMPARE:
			options->compare = true;
			break;
		default:
			return error_raise(STATUS_USAGE, "%s: %s; capshape --help lists the options", arguments[optind - 1],
			                   choice == ':' ? "a value is missing" : "unknown option");
		}
	}
	int rest = count - optind;
	if (options->help) {
		options->help_topic = rest > 0 ? arguments[optind] : NULL;
		return STATUS_OK;
	}
	if (options->version)
		return STATUS_OK;
	if (options->compare) {
		if (rest != 2)
			return error_raise(STATUS_USAGE, "--compare-runs needs two run folders");
		options->compare_first = arguments[optind];
		options->compare_second = arguments[optind + 1];
		return STATUS_OK;
	}
	if (rest < 1)
		return error_raise(STATUS_USAGE, "no input file given; capshape --help explains, inputs/ has examples");
	options->input_name = arguments[optind];
	options->overrides = (const char *const *)arguments + optind + 1;
	options->override_count = rest - 1;
	return STATUS_OK;
}

/* ---- phase 1: what needs no MPI ---- */

static enum status print_owned(char *text)
{
	if (text == NULL)
		return STATUS_ENVIRONMENT;
	fputs(text, stdout);
	free(text);
	return STATUS_OK;
}

static enum status print_help(const char *topic)
{
	if (topic == NULL) {
		fputs(usage, stdout);
		return STATUS_OK;
	}
	if (strcmp(topic, "markdown") == 0)
		return print_owned(keys_markdown());
	return print_owned(keys_help_text(strcmp(topic, "keys") == 0 ? "" : topic));
}

static enum status run_without_mpi(const struct options *options, bool *equal)
{
	*equal = true;
	if (options->help)
		return print_help(options->help_topic);
	if (options->version)
		return print_owned(provenance_version_text());
	if (options->compare)
		return task_compare(options->compare_first, options->compare_second, equal);
	struct sweep *sweep = NULL;
	STATUS_TRY(sweep_read(options->input_name, options->override_count, options->overrides, &sweep));
	enum status status = STATUS_OK;
	if (options->plan)
		status = task_plan(sweep, options->plan_ranks);
	else if (keys_find(options->print_key) == NULL)
		status = error_raise(STATUS_USAGE, "--print %s: there is no such key; capshape --help keys lists them",
		                     options->print_key);
	else
		printf("%s\n", parameters_value(sweep_point(sweep, 0), options->print_key));
	sweep_destroy(sweep);
	return status;
}

/* ---- phases 3 and 4 ---- */

/* Rank 0 reads the file, so that it is read once and is the same everywhere. */
static enum status read_sweep(struct world *world, const char *name, int override_count, const char *const *overrides,
                              struct sweep **sweep_out)
{
	char *text = NULL;
	size_t size = 0;
	enum status status = STATUS_OK;
	if (world->rank == 0) {
		status = file_read(name, &text, &size);
		if (status == STATUS_DATA) /* a missing input file is a mistake on the command line */
			status = STATUS_USAGE;
	}
	int64_t bytes = (int64_t)size;
	status = world_agree(world, status);
	if (status == STATUS_OK)
		status = world_broadcast(world, &bytes, sizeof bytes, 0);
	if (status == STATUS_OK && world->rank > 0) {
		text = memory_allocate((size_t)bytes + 1, 1);
		status = text == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	}
	if (status == STATUS_OK)
		status = world_broadcast(world, text, bytes, 0);
	if (status == STATUS_OK)
		status = world_agree(world, sweep_parse(name, text, override_count, overrides, sweep_out));
	free(text);
	return status;
}

static enum status run_task(struct job *job)
{
	const char *task = sweep_task(job->sweep);
	if (strcmp(task, "tokenize") == 0)
		return task_tokenize(job);
	if (strcmp(task, "classifier") == 0)
		return task_classifier(job);
	if (strcmp(task, "evaluate") == 0)
		return task_evaluate(job);
	return task_pretrain(job);
}

/* Input files that were run, prerequisites of several files among them. */
struct chain {
	char *done[MOST_FILES];
	int count, depth;
};

static bool is_done(const struct chain *chain, const char *name)
{
	for (int i = 0; i < chain->count; i++)
		if (strcmp(chain->done[i], name) == 0)
			return true;
	return false;
}

static enum status run_file(struct world *world, const char *name, int override_count, const char *const *overrides,
                            int64_t point, const char *command_line, struct chain *chain);

static enum status run_prerequisites(struct world *world, const struct parameters *first, const char *command_line,
                                     struct chain *chain)
{
	chain->depth++;
	for (size_t i = 0; i < parameters_list_count(first, "run/after"); i++) {
		const char *name = parameters_list_item(first, "run/after", i);
		if (is_done(chain, name))
			continue;
		STATUS_TRY(run_file(world, name, 0, NULL, -1, command_line, chain));
		if (chain->count < MOST_FILES && (chain->done[chain->count] = strdup(name)) != NULL)
			chain->count++;
	}
	chain->depth--;
	return STATUS_OK;
}

static enum status run_file(struct world *world, const char *name, int override_count, const char *const *overrides,
                            int64_t point, const char *command_line, struct chain *chain)
{
	if (chain->depth > DEEPEST_CHAIN)
		return world_agree(world, error_raise(STATUS_USAGE, "%s: run/after leads round in a circle", name));
	struct sweep *sweep = NULL;
	STATUS_TRY(read_sweep(world, name, override_count, overrides, &sweep));
	const struct parameters *first = sweep_point(sweep, 0);
	if (world->rank == 0 && sweep_warnings(sweep)[0] != '\0')
		log_warning("%s", sweep_warnings(sweep));
	enum status status = run_prerequisites(world, first, command_line, chain);
	int64_t points = (int64_t)sweep_point_count(sweep);
	if (status == STATUS_OK && point >= points)
		status = world_agree(world, error_raise(STATUS_USAGE, "--point %lld: %s has points 0 to %lld",
		                                        (long long)point, name, (long long)points - 1));
	if (status == STATUS_OK) {
		world->timeout = parameters_real(first, "run/timeout");
		MPI_Comm node;
		int ranks_here = 1;
		MPI_Comm_split_type(world->comm, MPI_COMM_TYPE_SHARED, world->rank, MPI_INFO_NULL, &node);
		MPI_Comm_size(node, &ranks_here);
		MPI_Comm_free(&node);
		struct job job = { .world = world,
			           .ranks_here = ranks_here,
			           .sweep = sweep,
			           .input_name = name,
			           .command_line = command_line,
			           .first_point = point < 0 ? 0 : point,
			           .point_count = point < 0 ? points : 1 };
		status = run_task(&job);
	}
	sweep_destroy(sweep);
	return status;
}

static char *join_command_line(int count, char **arguments)
{
	char *line = memory_copy_text(arguments[0]);
	for (int i = 1; i < count && line != NULL; i++) {
		char *longer = text_format("%s %s", line, arguments[i]);
		free(line);
		line = longer;
	}
	return line;
}

static void print_banner(const struct world *world, const struct options *options, const char *command_line)
{
	char host[64] = "", date[32], *version = provenance_version_text();
	gethostname(host, sizeof host - 1);
	if (version != NULL) {
		version[strcspn(version, "\n")] = '\0';
		log_info("%s", version);
	}
	free(version);
	log_info("%s on %s, %d rank%s: %s", timer_date(date), host, world->size, world->size == 1 ? "" : "s", command_line);
	log_info("input %s", options->input_name);
}

static enum status run_with_mpi(struct world *world, const struct options *options, char *command_line)
{
	log_open(world->rank, "rank", world->rank == 0);
	signals_install();
	signal(SIGXFSZ, SIG_IGN); /* a file size limit is then a failed write with a message */
	print_banner(world, options, command_line);
	struct lifeline *lifeline = NULL;
	struct chain chain = { .count = 0 };
	enum status status = lifeline_open(world, &lifeline);
	if (status == STATUS_OK)
		status = run_file(world, options->input_name, options->override_count, options->overrides, options->point,
		                  command_line, &chain);
	while (chain.count > 0)
		free(chain.done[--chain.count]);
	/* ---- phase 5 ---- */
	bool orderly = status == STATUS_OK || world->failure_agreed;
	if (status == STATUS_STOPPED)
		log_info("%s", error_message());
	else if (status != STATUS_OK && error_message()[0] != '\0')
		log_error("%s", error_message());
	if (!orderly) {
		lifeline_announce(lifeline);
		world_close(world, status); /* aborts, unless this is the only rank */
	}
	if (orderly)
		world_barrier(world); /* nobody may close its lifeline while another still works */
	lifeline_close(lifeline);
	return status;
}

int main(int argc, char **argv)
{
	struct options options;
	bool equal = true;
	char *command_line = join_command_line(argc, argv); /* before getopt moves words about */
	enum status status = parse_options(argc, argv, &options);
	bool needs_mpi = status == STATUS_OK && !options.help && !options.version && !options.compare && !options.plan &&
	                 options.print_key == NULL;
	if (!needs_mpi) {
		if (status == STATUS_OK)
			status = run_without_mpi(&options, &equal);
		if (status != STATUS_OK)
			log_error("%s", error_message());
		free(command_line);
		return status != STATUS_OK ? status_exit_code(status) : equal ? 0 : 1;
	}
	struct world world;
	status = command_line == NULL ? STATUS_ENVIRONMENT : world_open(&argc, &argv, &world);
	if (status != STATUS_OK)
		log_error("%s", error_message());
	else
		status = run_with_mpi(&world, &options, command_line);
	world_close(&world, status);
	free(command_line);
	return status_exit_code(status);
}
