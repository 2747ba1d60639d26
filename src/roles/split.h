/* Which rank plays which role, and why.
 *
 * Ranks 0 .. trainers - 1 train, then come the classifiers, then the readers. With readers = 0 whoever needs a block
 * reads it itself; with classifiers = 0 trainers score the blocks they need themselves; both 0 is mode `shared`.
 * Trainers form groups of equal size, each with points of its own (roles/timetable.h); the size is a power of two that
 * divides the slots of a step. The split can change the speed and never a bit.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_ROLES_SPLIT_H
#define CAPSHAPE_ROLES_SPLIT_H

#include <stdbool.h>

#include "base/status.h"
#include "roles/exchange.h"
#include "roles/timetable.h"

enum role { ROLE_TRAINER, ROLE_CLASSIFIER, ROLE_READER, ROLE_IDLE };

/* Predicted time of each role, in the unit of the request; the slowest one's is the time of the split. */
struct split_times {
	double points;           /* of trainers: by the timetable */
	double scoring, reading; /* ... and of their own scoring and reading, or until the first scores come */
	double classifiers, readers;
};

struct split {
	int trainers, groups; /* trainers of all groups together */
	int classifiers, readers, idle;
	bool scores; /* some point is classified */
	/* Ranks that take turns on a GPU, at most: 1 where each has one of its own, and on processors. Classifiers have the GPUs that trainers
	 * leave free; where there are none they are together with trainers. Gradients of trainers that share GPUs go through the hosts. */
	int trainers_a_gpu, classifiers_a_gpu;
	bool together;
	bool too_large; /* more than a GPU holds: no split of so many ranks, as asked for, takes less */
	struct split_times times;
	double cost;      /* predicted: of the slowest role, in the unit of the request */
	char reason[512]; /* why this split: printed in the banner */
};

/* A point that is to be trained. */
struct split_point {
	int phase;       /* points of a phase run side by side */
	double training; /* time of the whole point on one trainer, as far as more trainers share it */
	double fixed;    /* time that is the same on any number of trainers */
	double exchange; /* time to move all its gradients once, for all its steps: only where there are several trainers */
	struct exchange direct; /* from GPU to GPU instead; seconds are then the unit of time */
};

/* Bytes of GPUs, as a split sees them: of the points that take most. */
enum { SPLIT_SIZES = 31 };
struct split_memory {
	double gpu;                     /* that one has; 0: unknown, everything fits */
	double trainer[2][SPLIT_SIZES]; /* [1]: that scores, too; [k]: in a group of 2^k */
	double classifier;
};

struct split_request {
	int ranks;
	int gpus;                          /* that these ranks have, where models run on GPUs; 0: on processors */
	const struct split_memory *memory; /* NULL: everything fits */
	int trainers, groups, classifiers, readers; /* -1: choose */
	bool shared, split;                         /* mode forced */
	int slots;
	bool any;          /* roles need not have ranks of their own */
	bool idle_allowed; /* also where all numbers are given */
	bool needs_scores; /* some point classifies */
	const struct split_point *points;
	int64_t point_count;
	int64_t sweep_points; /* with those that are finished: roles/trainers may be meant for as many groups */
	double scoring;       /* time of one rank to score everything once */
	double first;         /* of it: the blocks without which no trainer can begin */
	double reading;       /* time of one rank to read and send all blocks of all points */
};

/* Time of a point on a group of so many trainers. */
double split_point_cost(const struct split_point *point, int group_size);
/* The same on such a group of this split, whose trainers may share GPUs: they take turns. */
double split_shared_cost(const struct split *split, const struct split_point *point, int group_size);
/* The points as items of a schedule for the groups of this split: items[point_count], numbered by their places. */
void split_items(const struct split_request *request, const struct split *split, struct timetable_item *items);
/* Whether some GPU has several ranks. */
bool split_shares_gpus(const struct split *split);
/* Bytes of the fullest GPU of this split: where each of its trainers takes so many, and each of its classifiers; and of the points that
 * take most. */
double split_gpu_bytes(const struct split *split, double trainer, double classifier);
double split_fullest_gpu(const struct split_memory *memory, const struct split *split);
/* The fastest that fits into the GPUs' memory; where none does, the one that takes least, with too_large set. STATUS_ENVIRONMENT with every
 * reason when the request is impossible with this number of ranks. */
enum status split_choose(const struct split_request *request, struct split *split_out);
/* All splits within `within` (1.2: 20 %) of the best one's cost, best first, at most `most`. */
enum status split_candidates(const struct split_request *request, double within, int most, struct split *splits_out,
                             int *count_out);
enum role split_role(const struct split *split, int rank);
const char *role_name(enum role role);
/* First rank of a role; its members follow. */
int split_first(const struct split *split, enum role role);
int split_group_size(const struct split *split);
/* "2 groups of 4 trainers, 3 classifiers, 1 reader". From malloc. */
char *split_describe(const struct split *split);

#endif
