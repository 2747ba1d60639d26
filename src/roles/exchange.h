/* What it costs to add up gradients over the GPUs of a group and to share the weights that follow: a model, for predictions.
 *
 * Trainers exchange by recursive halving: half of the gradients with the neighbour, a quarter with the one at distance two, and so
 * on; the new weights go the same way back. So (R - 1) / R of all gradients and of all weights leave each GPU, and as neighbours sit on
 * one node the larger halves stay there. The sum goes on behind the backward pass of the last micro-step, the weights arrive during the
 * next forward pass: a step waits for what is left.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_ROLES_EXCHANGE_H
#define CAPSHAPE_ROLES_EXCHANGE_H

struct exchange {
	double gradient_bytes, weight_bytes; /* of the whole model; 0 and 0: nothing goes this way */
	double near, far;                    /* bytes a second, each way, of a trainer: on its node, between nodes */
	double message;                      /* seconds of a message, however short */
	int trainers_a_node;
	double backward, forward; /* seconds of a micro-step on one trainer */
	double steps;
};

/* Seconds of one step on so many trainers, a power of two: to move gradients, weights; what the step waits for. */
struct exchange_times {
	double sum, share, waited;
};
struct exchange_times exchange_step(const struct exchange *exchange, int trainers);

#endif
