/* How fast ranks train, score, read and save: measured here by short runs (rates_measure.c), of the real step among them (rates_shape.c), given, or
 * assumed; and from that what the points of a sweep cost (rates.c).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_TASKS_RATES_H
#define CAPSHAPE_TASKS_RATES_H

#include "tasks/pretrain.h"

/* Time to train with one shape of model, on one rank. */
struct shape_rate {
	struct model_config config;
	int64_t sequences, length; /* of a slot */
	double slot_seconds;       /* forward and backward of a slot */
	double half_seconds;       /* the same where half of the rows are masked */
	double update_seconds;     /* of all parameters */
	double loss_seconds;       /* forward of a token */
	double half_loss_seconds;  /* the same where half of them need no loss */
	bool measured;             /* else from the rates of products of this width */
};

struct rates {
	struct shape_rate *shapes;
	int64_t shape_count;
	double flops;    /* FLOP/s where no shape was measured */
	double scoring;  /* s a token */
	double reading;  /* s a token, sending included */
	double exchange; /* bytes a second in which gradients move between trainers */
	int linked;      /* GPUs of a node that exchange gradients directly; 0: they go by `exchange` */
	double save;     /* s of a checkpoint without its arrays */
	double saving;   /* bytes a second of its arrays */
	double setting; /* s of a point before its first step, and s a document of its evaluation, read and packed then */
	double document;
	bool assumed;     /* not of this machine */
	char source[256]; /* where the numbers come from, for people */
};

/* Rates without measuring: `flops` operations a second of every rank. */
enum status rates_given(const struct points *points, double flops, const char *source, struct rates *rates_out);
/* Seconds worth spending on a probe of these points before they are run on so many ranks: a little of their time. */
double rates_worth(const struct points *points, int ranks);
/* Runs steps of the shapes of the unfinished points and of the classifier on this device for about `seconds`. Not
 * collective. */
enum status rates_measure(const struct points *points, const struct kernels *kernels, struct device *device,
                          double seconds, struct rates *rates_out);
/* What saving costs where run/output is or will be: by a file without a name, which is gone at the end. A disk that keeps no
 * such files, or takes none, leaves the rates of a local one. */
void rates_measure_disk(const char *output, struct rates *rates);
/* Trainers are on GPUs, so many of them on a node. Where `peers`, they are linked at assumed speeds, but for points with run/exchange =
 * host; else all go through the hosts. Where the rates are assumed, an update has the speed of a GPU's memory, and a slot of a small
 * model takes as long as the calls that start its kernels. */
void rates_link(struct rates *rates, int gpus_a_node, bool peers);
/* Bytes a second in which a point that was priced moves gradients through the hosts. */
double rates_exchange_speed(const struct point *point);
/* Evaluations of a point. */
double rates_evaluations(const struct point *point);
void rates_clear(struct rates *rates);
/* Sets the predicted times of the points (struct point, struct points). */
enum status rates_price(const struct rates *rates, struct points *points);

/* Of these files. Work that is timed in pieces: the seconds for one of whatever is counted in the fastest of them, as what else comes and goes
 * on a machine only ever makes it slower. Begin with the length of a piece in seconds and the time of its begin. */
enum { PIECES = 5 };
struct pieces {
	double length, begin, count, best; /* count: in the piece at hand; best: 0: no piece is over */
};
/* So many more were done by the time `now`. */
void pieces_add(struct pieces *pieces, double now, double count);
/* At the end; what is left of a piece counts where there is no whole one. */
double pieces_best(const struct pieces *pieces, double now);

/* Of these files: the different shapes of the unfinished points, and their times at so many operations a second. */
enum status rates_list_shapes(const struct points *points, struct rates *rates);
void rates_guess_shape(struct shape_rate *shape, double flops);
/* Runs steps of the shapes for about `seconds` altogether; where a shape takes too long or too much memory for that, its times are
 * guessed from the speed of products. Sets the times of the shapes, and flops. */
enum status rates_measure_shapes(const struct kernels *kernels, struct device *device, double seconds,
                                 struct rates *rates);
/* Of a local disk. */
#define SECONDS_A_CHECKPOINT 0.02
#define BYTES_SAVED_A_SECOND 3e8
#define SECONDS_A_POINT      0.03 /* folders, locks, models */
#define SECONDS_A_DOCUMENT   0.1e-3
#define SECONDS_A_READ_TOKEN 20e-9
#define BYTES_A_SECOND       10e9 /* between nodes */
/* Of a GPU, each way: NVLink of an H100 has 450 GB/s by its data sheet; a network card of 400 Gbit/s for each GPU, 50 GB/s. Of both about
 * half to two thirds are reached. Its memory: 3.35 TB/s. */
#define GPU_BYTES_NEAR       300e9
#define GPU_BYTES_FAR        25e9
#define GPU_BYTES_MEMORY     2.5e12
#define SECONDS_A_MESSAGE    20e-6
/* Calls of kernels and products, as counted under emulation (docs/design.md, devices), and the time of one. */
#define SECONDS_A_CALL       4e-6
enum { CALLS_A_LAYER = 26, CALLS_A_SLOT = 15 };

#endif
