/* How fast ranks train, score and read: measured here by a short probe of the real step, given, or assumed; and from that
 * what the points of a sweep cost.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_TASKS_RATES_H
#define CAPSHAPE_TASKS_RATES_H

#include "tasks/pretrain.h"

/* Time to train with one shape of model, on one rank. */
struct shape_rate {
	struct model_config config;
	int64_t sequences, length; /* of a slot */
	double slot_seconds;       /* forward and backward of a slot */
	double update_seconds;     /* of all parameters */
	double loss_seconds;       /* forward of a token */
	bool measured;             /* else from the rates of products of this width */
};

struct rates {
	struct shape_rate *shapes;
	int64_t shape_count;
	double flops;     /* FLOP/s where no shape was measured */
	double scoring;   /* s a token */
	double reading;   /* s a token, sending included */
	double exchange;  /* bytes a second in which gradients move between trainers */
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
void rates_clear(struct rates *rates);
/* Sets the predicted times of the points (struct point, struct points). */
enum status rates_price(const struct rates *rates, struct points *points);

#endif
