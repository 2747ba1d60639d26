/* The options of capshape: one table gives their names, values, help text and what they ask for.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_COMMAND_LINE_H
#define CAPSHAPE_COMMAND_LINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

/* What the program is to do. Only COMMAND_RUN needs MPI. */
enum command {
	COMMAND_RUN,
	COMMAND_HELP,
	COMMAND_VERSION,
	COMMAND_PLAN,
	COMMAND_COUNT,
	COMMAND_PRINT,
	COMMAND_COMPARE,
	COMMAND_COMPARE_SCORES
};

/* Texts belong to argv. To add an option: a field here and a row in command_line.c. */
struct options {
	enum command command;
	const char *input_name;       /* NULL for COMMAND_HELP, _VERSION, _COMPARE and _COMPARE_SCORES */
	const char *const *overrides; /* section/key=value */
	int override_count;
	const char *help_topic; /* NULL, "keys", "markdown" or a section */
	const char *print_key;
	const char *compare_first, *compare_second;
	const char *compare_thresholds, *compare_data; /* NULL: not given */
	int64_t plan_ranks;
	int64_t plan_gpus, plan_node_ranks; /* of a node; 0: not given */
	double plan_gpu_memory;             /* GB; 0: not given */
	bool tune_roles;
	double plan_rate;                /* FLOP/s of a rank; 0: to be measured */
	int64_t first_point, last_point; /* -1: all */
};

/* getopt moves the words of argv about. STATUS_USAGE naming the option, also where it would change nothing. */
enum status options_parse(int count, char **arguments, struct options *options_out);
/* What --help prints. */
void options_print_usage(void);

#endif
