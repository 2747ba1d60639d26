/* How a model is trained: what tasks read from the keys (tasks/settings.h), and the trainer does.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_ROLES_TRAINING_H
#define CAPSHAPE_ROLES_TRAINING_H

#include <stdbool.h>
#include <stdint.h>

#include "comm/gradient_sum.h"
#include "model/optimiser.h"

enum { MOST_KEPT_SHARES = 32 };

/* Unlearning (roles/steering.h). */
struct steering_settings {
	int layer;               /* blocks after which the stream is steered; 0: none is, the model learns text */
	int blocks;              /* that learn, the last so many up to there */
	double coefficient;      /* length that the stream is to have on forget text */
	double relative;         /* the same as a multiple of its mean length before; < 0: not given */
	double alpha;            /* weight of the retain loss */
	uint32_t retain_domains; /* as `domains` of training_settings, which are those of the forget text */
};

/* Training until the forget set has a loss. */
struct finetune_settings {
	int64_t interval; /* steps between evaluations of the forget set; 0: this is no finetuning */
	int64_t patience; /* ends after so many in a row at the target; 0: never */
	double target;    /* nats a token; below 0: that of trainer_job.baseline */
};

struct training_settings {
	int64_t sequences, slots, length;    /* of a step */
	int64_t tokens, steps, warmup_steps; /* planned; with budget kept, steps is the nominal number */
	bool budget_kept;
	struct optimiser_config optimiser;
	enum schedule schedule;
	double final_factor, decay_share;
	bool document_attention, micro_batch_mean;
	enum exchange_way exchange; /* of gradients between trainers */
	bool deterministic;
	int64_t bucket; /* elements of gradients that are exchanged at a time, at least */
	uint64_t seed;
	int64_t checkpoint_interval; /* steps; 0: by the clock */
	int checkpoint_keep;
	int64_t kept_steps[MOST_KEPT_SHARES]; /* checkpoints that are made and stay: run/checkpoint_shares */
	int kept_step_count;
	int64_t stop_after;
	struct finetune_settings finetune;
	uint32_t domains; /* of the documents that are trained on: struct lane_plan */
	double log_interval;
	struct steering_settings steering;
};

#endif
