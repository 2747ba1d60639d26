/* Logistic regression: loss and gradient are ours (one pass over the features each time), the minimiser is liblbfgs.
 * SPDX-License-Identifier: Apache-2.0 */
#include "classifier/probe.h"

#include <lbfgs.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/lanes.h"
#include "base/memory.h"
#include "base/stop.h"

/* Examples whose residuals are added to the gradient in one pass over it. */
enum { GROUP = 4 };

struct problem {
	const float *features;
	const uint8_t *labels;
	int64_t count, width;
	double l2;
	double *mean, *inverse_deviation; /* 0 where a feature is constant */
	double *raw_weights;              /* the weights under evaluation, for features as they are */
	double *sums;                     /* [width] sum of residual * feature */
};

double probe_logit(const struct probe *probe, const float *features)
{
	return probe->bias + lanes_dot(probe->weights, features, probe->width);
}

void probe_clear(struct probe *probe)
{
	free(probe->weights);
	*probe = (struct probe){ 0 };
}

static enum status measure_features(struct problem *problem)
{
	int64_t width = problem->width;
	double count = (double)problem->count;

	for (int64_t row = 0; row < problem->count; row++)
		for (int64_t j = 0; j < width; j++)
			problem->mean[j] += (double)problem->features[row * width + j];
	for (int64_t j = 0; j < width; j++)
		problem->mean[j] /= count;
	for (int64_t row = 0; row < problem->count; row++) {
		for (int64_t j = 0; j < width; j++) {
			double difference = (double)problem->features[row * width + j] - problem->mean[j];
			problem->inverse_deviation[j] += difference * difference;
		}
	}
	for (int64_t j = 0; j < width; j++) {
		double deviation = sqrt(problem->inverse_deviation[j] / count);
		if (!isfinite(deviation))
			return error_raise(STATUS_NUMERIC,
			                   "feature %lld of the probe is not finite: the language model "
			                   "has diverged",
			                   (long long)j);
		/* Below this a feature is constant up to the rounding of its float values. */
		bool constant = deviation <= 1e-7 * fabs(problem->mean[j]) || deviation == 0;
		problem->inverse_deviation[j] = constant ? 0 : 1 / deviation;
	}
	return STATUS_OK;
}

/* Weights for raw features into problem->raw_weights; returns the bias that goes with them. */
static double fold(const struct problem *problem, const double *standardised)
{
	double bias = standardised[problem->width];
	for (int64_t j = 0; j < problem->width; j++) {
		problem->raw_weights[j] = standardised[j] * problem->inverse_deviation[j];
		bias -= problem->raw_weights[j] * problem->mean[j];
	}
	return bias;
}

/* -log p(label), without overflow for any logit. */
static double log_loss(double logit, int label)
{
	double wrong = label ? -logit : logit;
	return wrong > 0 ? wrong + log1p(exp(-wrong)) : log1p(exp(wrong));
}

static double sigmoid(double logit)
{
	double small = exp(-fabs(logit));
	return logit >= 0 ? 1 / (1 + small) : small / (1 + small);
}

/* sums[j] += residuals[0] row0[j] + ... for a full group; a smaller one goes row by row. */
static void add_residuals(double *sums, const float *features, const double *residuals, int64_t rows, int64_t width)
{
	const float *a = features, *b = a + width, *c = b + width, *d = c + width;

	for (int64_t row = 0; rows < GROUP && row < rows; row++)
		for (int64_t j = 0; j < width; j++)
			sums[j] += residuals[row] * (double)features[row * width + j];
	if (rows < GROUP)
		return;
	for (int64_t j = 0; j < width; j++)
		sums[j] += (residuals[0] * (double)a[j] + residuals[1] * (double)b[j]) +
		           (residuals[2] * (double)c[j] + residuals[3] * (double)d[j]);
}

/* Mean loss and its gradient with respect to the standardised weights and, last, the bias: liblbfgs's callback. */
static lbfgsfloatval_t evaluate(void *instance, const lbfgsfloatval_t *x, lbfgsfloatval_t *gradient, const int size,
                                const lbfgsfloatval_t step)
{
	struct problem *problem = instance;
	int64_t width = problem->width;
	double count = (double)problem->count, bias = fold(problem, x), loss = 0, residual_sum = 0, ridge = 0;
	double *sums = problem->sums;

	(void)size;
	(void)step;
	memset(sums, 0, (size_t)width * sizeof *sums);
	for (int64_t begin = 0; begin < problem->count; begin += GROUP) {
		int64_t rows = problem->count - begin < GROUP ? problem->count - begin : GROUP;
		const float *features = problem->features + begin * width;
		double residuals[GROUP];
		for (int64_t row = 0; row < rows; row++) {
			int label = problem->labels[begin + row];
			double logit = bias + lanes_dot(problem->raw_weights, features + row * width, width);
			residuals[row] = sigmoid(logit) - label;
			loss += log_loss(logit, label);
			residual_sum += residuals[row];
		}
		add_residuals(sums, features, residuals, rows, width);
	}
	for (int64_t j = 0; j < width; j++) {
		double centred = (sums[j] - residual_sum * problem->mean[j]) * problem->inverse_deviation[j];
		gradient[j] = centred / count + problem->l2 * x[j];
		ridge += x[j] * x[j];
	}
	gradient[width] = residual_sum / count;
	return loss / count + problem->l2 / 2 * ridge;
}

/* How well x is fitted. `start`: the loss that the search began with. */
static enum status judge(struct problem *problem, const double *x, double start, int result, struct probe *probe)
{
	double *gradient = memory_allocate((size_t)problem->width + 1, sizeof *gradient), square = 0;
	if (gradient == NULL)
		return STATUS_ENVIRONMENT;
	double loss = evaluate(problem, x, gradient, (int)problem->width + 1, 0);
	for (int64_t j = 0; j <= problem->width; j++)
		square += gradient[j] * gradient[j];
	free(gradient);
	probe->gradient_norm = sqrt(square);
	/* Rounding can end the line search before the optimiser's own test. */
	probe->converged = result >= 0 || probe->gradient_norm < PROBE_GRADIENT_NORM;
	if (probe->converged || (isfinite(square) && loss < start))
		return STATUS_OK;
	return error_raise(STATUS_NUMERIC,
	                   "no probe was found for %lld examples of %lld features (liblbfgs code %d): use a larger "
	                   "classifier/l2, or probe/l2",
	                   (long long)problem->count, (long long)problem->width, result);
}

/* Called by liblbfgs after each iteration: anything but 0 ends the search. */
static int ask_to_stop(void *instance, const lbfgsfloatval_t *x, const lbfgsfloatval_t *gradient,
                       const lbfgsfloatval_t loss, const lbfgsfloatval_t x_norm, const lbfgsfloatval_t gradient_norm,
                       const lbfgsfloatval_t step, int size, int iteration, int evaluations)
{
	(void)instance;
	(void)x;
	(void)gradient;
	(void)loss;
	(void)x_norm;
	(void)gradient_norm;
	(void)step;
	(void)size;
	(void)iteration;
	(void)evaluations;
	return stop_asked(0);
}

static enum status minimise(struct problem *problem, double *x, int iterations, struct probe *probe)
{
	lbfgs_parameter_t parameter;
	lbfgs_parameter_init(&parameter);
	parameter.m = 10;
	parameter.epsilon = 1e-8;
	parameter.max_iterations = iterations;
	int result = lbfgs((int)problem->width + 1, x, NULL, evaluate, ask_to_stop, problem, &parameter);

	STATUS_TRY(stop_check("fitting a probe"));
	return judge(problem, x, log(2), result, probe); /* it began with zeros: even odds for all */
}

static enum status check_labels(const uint8_t *labels, int64_t count)
{
	int64_t positives = 0;
	for (int64_t row = 0; row < count; row++)
		positives += labels[row] != 0;
	if (positives == 0 || positives == count)
		return error_raise(STATUS_DATA,
		                   "a probe cannot be fitted to %lld examples of which %lld are forget: both "
		                   "classes are needed",
		                   (long long)count, (long long)positives);
	return STATUS_OK;
}

static enum status fit_problem(struct problem *problem, double *x, int iterations, struct probe *probe_out)
{
	struct probe probe = { .width = problem->width };
	STATUS_TRY(measure_features(problem));
	STATUS_TRY(minimise(problem, x, iterations, &probe));
	probe.bias = fold(problem, x);
	probe.weights = malloc((size_t)problem->width * sizeof *probe.weights);
	if (probe.weights == NULL)
		return error_raise(STATUS_ENVIRONMENT, "out of memory for a probe of %lld weights",
		                   (long long)problem->width);
	memcpy(probe.weights, problem->raw_weights, (size_t)problem->width * sizeof *probe.weights);
	*probe_out = probe;
	return STATUS_OK;
}

enum status probe_fit(const float *features, const uint8_t *labels, int64_t count, int64_t width, double l2,
                      struct probe *probe_out)
{
	return probe_fit_within(features, labels, count, width, l2, PROBE_ITERATIONS, probe_out);
}

enum status probe_fit_within(const float *features, const uint8_t *labels, int64_t count, int64_t width, double l2,
                             int iterations, struct probe *probe_out)
{
	struct problem problem = { .features = features, .labels = labels, .count = count, .width = width, .l2 = l2 };

	STATUS_TRY(check_labels(labels, count));
	double *work = memory_allocate(4 * (size_t)width, sizeof *work);
	double *x = lbfgs_malloc((int)width + 1);
	enum status status = STATUS_ENVIRONMENT;
	if (work != NULL && x == NULL) {
		error_raise(STATUS_ENVIRONMENT, "out of memory for a probe of %lld weights", (long long)width);
	} else if (work != NULL) {
		memset(x, 0, ((size_t)width + 1) * sizeof *x);
		problem.mean = work;
		problem.inverse_deviation = work + width;
		problem.raw_weights = work + 2 * width;
		problem.sums = work + 3 * width;
		status = fit_problem(&problem, x, iterations, probe_out);
	}
	lbfgs_free(x);
	free(work);
	return status;
}
