/* The program: reads the command line and the input files, starts MPI, runs the tasks, ends with one exit code.
 *
 *   1. what needs no MPI (--help, --version, --plan, --points, --print, --compare-...); command_line.c reads options
 *   2. MPI and the lifeline
 *   3. the input file, read on rank 0, parsed on all
 *   4. its prerequisites (run/after), then the task itself
 *   5. one message and one exit code
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/open_files.h"
#include "base/stop.h"
#include "base/text.h"
#include "base/timer.h"
#include "comm/cores.h"
#include "comm/launch.h"
#include "comm/lifeline.h"
#include "comm/slurm.h"
#include "command_line.h"
#include "input/parameters.h"
#include "kernels/kernels.h"
#include "results/provenance.h"
#include "storage/atomic_file.h"
#include "tasks/start.h"
#include "tasks/task.h"

enum { DEEPEST_CHAIN = 16, MOST_FILES = 64 };

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
		options_print_usage();
		return STATUS_OK;
	}
	if (strcmp(topic, "markdown") == 0)
		return print_owned(keys_markdown());
	char *text;
	STATUS_TRY(keys_help_text(strcmp(topic, "keys") == 0 ? "" : topic, &text));
	return print_owned(text);
}

static enum status print_key(const struct sweep *sweep, const char *key)
{
	if (keys_find(key) == NULL)
		return error_raise(STATUS_USAGE, "--print %s: there is no such key; capshape --help keys lists them",
		                   key);
	printf("%s\n", parameters_value(sweep_point(sweep, 0), key));
	return STATUS_OK;
}

/* The points of --point; -1: all. */
struct point_range {
	int64_t first, last;
};

static enum status check_range(const struct point_range *range, const char *name, const struct sweep *sweep)
{
	int64_t points = (int64_t)sweep_point_count(sweep);
	if (range->last < points)
		return STATUS_OK;
	return error_raise(STATUS_USAGE, "--point %lld: %s has points 0 to %lld", (long long)range->last, name,
	                   (long long)points - 1);
}

static int64_t range_count(const struct point_range *range, const struct sweep *sweep)
{
	return range->first < 0 ? (int64_t)sweep_point_count(sweep) : range->last - range->first + 1;
}

static enum status plan_sweep(const struct options *options, const struct sweep *sweep)
{
	struct point_range range = { options->first_point, options->last_point };
	STATUS_TRY(check_range(&range, options->input_name, sweep));
	const struct plan_request request = { .first = range.first < 0 ? 0 : range.first,
		                              .count = range_count(&range, sweep),
		                              .ranks = (int)options->plan_ranks,
		                              .rate = options->plan_rate,
		                              .gpus_a_node = (int)options->plan_gpus,
		                              .ranks_a_node = (int)options->plan_node_ranks,
		                              .gpu_memory = options->plan_gpu_memory };
	return task_plan(sweep, &request);
}

static enum status show_sweep(const struct options *options)
{
	struct sweep *sweep = NULL;
	enum status status = STATUS_OK;
	if (options->command == COMMAND_PRINT) /* which may be asked before the run that it begins from is there */
		STATUS_TRY(sweep_read(options->input_name, options->override_count, options->overrides, &sweep));
	else
		STATUS_TRY(start_read_sweep(options->input_name, options->override_count, options->overrides, &sweep));
	if (options->command == COMMAND_PLAN)
		status = plan_sweep(options, sweep);
	else if (options->command == COMMAND_COUNT)
		printf("%zu\n", sweep_point_count(sweep));
	else
		status = print_key(sweep, options->print_key);
	sweep_destroy(sweep);
	return status;
}

/* *equal_out: what --compare-runs or --compare-scores found. */
static enum status run_without_mpi(const struct options *options, bool *equal_out)
{
	switch (options->command) {
	case COMMAND_HELP:
		return print_help(options->help_topic);
	case COMMAND_VERSION:
		STATUS_TRY(print_owned(provenance_version_text()));
		kernels_cuda_print_versions(stdout);
		return STATUS_OK;
	case COMMAND_COMPARE:
		return task_compare(options->compare_first, options->compare_second, equal_out);
	case COMMAND_COMPARE_SCORES:
		return task_compare_scores(options->compare_first, options->compare_second, options->compare_thresholds,
		                           options->compare_data, equal_out);
	case COMMAND_PLAN:
	case COMMAND_COUNT:
	case COMMAND_PRINT:
	case COMMAND_RUN:
		break;
	}
	return show_sweep(options);
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
		if (status == STATUS_DATA) /* a missing input file, or a folder, is a mistake on the command line */
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
	if (status == STATUS_OK)
		status = start_share_sweep(world, name, text, override_count, overrides, sweep_out);
	if (status != STATUS_OK) {
		sweep_destroy(*sweep_out);
		*sweep_out = NULL;
	}
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
	if (strcmp(task, "sample") == 0)
		return task_sample(job);
	if (strcmp(task, "probe") == 0)
		return task_probe(job);
	if (strcmp(task, "label") == 0)
		return task_label(job);
	return task_pretrain(job);
}

/* SIGUSR1 and the time limit as the input file says. One rank asks Slurm; what it learns is told as the time that is left,
 * as clocks of nodes differ. */
static enum status configure_stop(struct world *world, const struct parameters *first)
{
	double left = parameters_real(first, "run/time_limit"), margin = parameters_real(first, "run/stop_margin");
	char *trouble = NULL, text[32], job[96];
	if (left < 0) {
		left = INFINITY;
		if (world->rank == 0)
			left = slurm_seconds_left(&trouble);
	}
	if (trouble != NULL)
		log_warning("%s: capshape cannot stop by itself before that; let Slurm signal it (sbatch --signal)",
		            trouble);
	free(trouble);
	STATUS_TRY(world_broadcast(world, &left, sizeof left, 0));
	stop_configure(strcmp(parameters_text(first, "run/usr1"), "stop") == 0, timer_seconds() + left, margin);
	slurm_job_name(job, sizeof job);
	if (isfinite(left))
		log_info("%s%stime limit in %s: stops with exit code 75 before", job, job[0] == '\0' ? "" : ", ",
		         text_duration(left, text, sizeof text));
	return STATUS_OK;
}

/* Input files that were run, prerequisites of several files among them. */
struct chain {
	char *done[MOST_FILES];
	int count, depth;
	bool tune_roles; /* for the file on the command line */
	struct lifeline *lifeline;
};

static bool is_done(const struct chain *chain, const char *name)
{
	for (int i = 0; i < chain->count; i++)
		if (strcmp(chain->done[i], name) == 0)
			return true;
	return false;
}

static enum status run_file(struct world *world, const char *name, int override_count, const char *const *overrides,
                            const struct point_range *range, const char *command_line, struct chain *chain);

static enum status run_prerequisites(struct world *world, const struct parameters *first, const char *command_line,
                                     struct chain *chain)
{
	struct point_range all = { -1, -1 };
	chain->depth++;
	for (size_t i = 0; i < parameters_list_count(first, "run/after"); i++) {
		const char *name = parameters_list_item(first, "run/after", i);
		if (is_done(chain, name))
			continue;
		STATUS_TRY(run_file(world, name, 0, NULL, &all, command_line, chain));
		if (chain->count < MOST_FILES && (chain->done[chain->count] = strdup(name)) != NULL)
			chain->count++;
	}
	chain->depth--;
	return STATUS_OK;
}

static enum status run_file(struct world *world, const char *name, int override_count, const char *const *overrides,
                            const struct point_range *range, const char *command_line, struct chain *chain)
{
	if (chain->depth > DEEPEST_CHAIN)
		return world_agree(world, error_raise(STATUS_USAGE, "%s: run/after leads round in a circle", name));
	struct sweep *sweep = NULL;
	STATUS_TRY(read_sweep(world, name, override_count, overrides, &sweep));
	const struct parameters *first = sweep_point(sweep, 0);
	if (world->rank == 0 && sweep_warnings(sweep)[0] != '\0')
		log_warning("%s", sweep_warnings(sweep));
	enum status status = check_range(range, name, sweep);
	if (status != STATUS_OK) /* the same on all ranks */
		status = world_agree(world, status);
	if (status == STATUS_OK && chain->depth == 0)
		status = configure_stop(world, first);
	if (status == STATUS_OK)
		status = run_prerequisites(world, first, command_line, chain);
	if (status == STATUS_OK) {
		world->timeout = parameters_real(first, "run/timeout");
		lifeline_set_timeout(chain->lifeline, world->timeout);
		struct job job = { .world = world,
			           .sweep = sweep,
			           .input_name = name,
			           .command_line = command_line,
			           .prerequisite = chain->depth > 0,
			           .tune_roles = chain->tune_roles && chain->depth == 0,
			           .first_point = range->first < 0 ? 0 : range->first,
			           .point_count = range_count(range, sweep) };
		status = cores_look(world, &job.ranks_here, &job.cores);
		if (status == STATUS_OK)
			status = run_task(&job);
	}
	if (status == STATUS_OK)
		log_open(world->rank, "", world->rank == 0); /* the roles of this file are over */
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
	log_info("%s on %s, %d rank%s: %s", timer_date(date), host, world->size, world->size == 1 ? "" : "s",
	         command_line);
	log_info("input %s", options->input_name);
}

/* A run whose time is over before it could save anything would come no further the next time: an error, so that a job script
 * does not put it back into the queue for ever. */
static enum status check_progress(struct world *world, enum status status)
{
	if (status != STATUS_STOPPED || !world->failure_agreed)
		return status;
	double facts[2] = { stop_saved(), stop_for_time() };
	STATUS_TRY(world_max_reals(world, facts, 2));
	if (facts[0] > 0 || facts[1] == 0)
		return status;
	error_raise(STATUS_ENVIRONMENT,
	            "the time of the job is over before anything could be saved, and would be again: give it "
	            "more time (sbatch --time, run/time_limit) or more ranks");
	return world_agree(world, STATUS_ENVIRONMENT);
}

static void announce(void *lifeline)
{
	lifeline_announce(lifeline);
}

static enum status run_with_mpi(struct world *world, const struct options *options, char *command_line)
{
	log_open(world->rank, "", world->rank == 0);
	stop_install();
	signal(SIGXFSZ, SIG_IGN); /* a file size limit is then a failed write with a message */
	print_banner(world, options, command_line);
	struct lifeline *lifeline = NULL;
	struct chain chain = { .count = 0, .tune_roles = options->tune_roles };
	struct point_range range = { options->first_point, options->last_point };
	enum status status = world_agree(world, lifeline_check(world));
	if (status == STATUS_OK)
		status = lifeline_open(world, &lifeline);
	chain.lifeline = lifeline;
	world->announce = announce;
	world->announce_state = lifeline;
	if (status == STATUS_OK)
		status = launch_print_binding(world);
	if (status == STATUS_OK)
		status = run_file(world, options->input_name, options->override_count, options->overrides, &range,
		                  command_line, &chain);
	status = check_progress(world, status);
	while (chain.count > 0)
		free(chain.done[--chain.count]);
	/* ---- phase 5 ---- */
	if (status == STATUS_STOPPED && error_message()[0] != '\0') {
		log_open(world->rank, "", true); /* any rank may be the one that has the message */
		log_info("%s", error_message());
		error_clear();
	}
	if (status != STATUS_OK && !world->failure_agreed)
		world_abort(world, status);
	if (error_message()[0] != '\0' && status != STATUS_OK)
		log_error("%s", error_message());
	world_barrier(world); /* nobody may close its lifeline while another still works */
	lifeline_close(lifeline);
	return status;
}

int main(int argc, char **argv)
{
	struct options options;
	bool equal = true;
	open_files_raise();
	char *command_line = join_command_line(argc, argv); /* before getopt moves words about */
	enum status status = options_parse(argc, argv, &options);
	if (status != STATUS_OK || options.command != COMMAND_RUN) {
		if (status == STATUS_OK)
			status = run_without_mpi(&options, &equal);
		if (status != STATUS_OK)
			log_error("%s", error_message());
		free(command_line);
		return status != STATUS_OK ? status_exit_code(status) : equal ? 0 : 1;
	}
	struct world world;
	status = command_line == NULL ? STATUS_ENVIRONMENT : world_open(&argc, &argv, &world);
	if (status != STATUS_OK && error_message()[0] != '\0') /* one of several processes speaks */
		log_error("%s", error_message());
	if (status == STATUS_OK)
		status = run_with_mpi(&world, &options, command_line);
	world_close(&world, status);
	free(command_line);
	return status_exit_code(status);
}
