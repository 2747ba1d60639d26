/* Least squares through GSL.
 * SPDX-License-Identifier: Apache-2.0 */
#include "report/fit.h"

#include <math.h>

#include <gsl/gsl_errno.h>
#include <gsl/gsl_fit.h>
#include <gsl/gsl_multifit.h>
#include <gsl/gsl_multifit_nlinear.h>

enum { MOST_SIZES = FIT_MOST_MODELS };

static bool values_are_usable(const double *compute, const double *loss, size_t count, size_t least)
{
	if (count < least || count > MOST_SIZES)
		return false;
	double lowest = INFINITY, highest = 0.0;
	for (size_t i = 0; i < count; i++) {
		if (!(compute[i] > 0.0) || !(loss[i] > 0.0) || isinf(compute[i]) || isinf(loss[i]))
			return false;
		lowest = fmin(lowest, compute[i]);
		highest = fmax(highest, compute[i]);
	}
	return highest > lowest * (1.0 + 1e-9);
}

double fit_loss(const struct law *law, double compute)
{
	return law->floor + exp(law->log_scale - law->exponent * log(compute));
}

double fit_log_compute(const struct law *law, double loss)
{
	if (!law->usable || !(loss > law->floor))
		return NAN;
	return (law->log_scale - log(loss - law->floor)) / law->exponent;
}

static double residual_of(const struct law *law, const double *compute, const double *loss, size_t count)
{
	double sum = 0.0;
	for (size_t i = 0; i < count; i++) {
		double difference = log(loss[i]) - log(fit_loss(law, compute[i]));
		sum += difference * difference;
	}
	return sqrt(sum / (double)count);
}

void fit_power_law(const double *compute, const double *loss, size_t count, struct law *law_out)
{
	double x[MOST_SIZES], y[MOST_SIZES], intercept = 0.0, slope = 0.0, c00, c01, c11, sum;
	*law_out = (struct law){ .log_scale = NAN, .exponent = NAN, .residual = NAN };
	if (!values_are_usable(compute, loss, count, 2))
		return;
	for (size_t i = 0; i < count; i++) {
		x[i] = log(compute[i]);
		y[i] = log(loss[i]);
	}
	gsl_fit_linear(x, 1, y, 1, count, &intercept, &slope, &c00, &c01, &c11, &sum);
	law_out->log_scale = intercept;
	law_out->exponent = -slope;
	law_out->residual = residual_of(law_out, compute, loss, count);
	law_out->usable = law_out->exponent >= FIT_SMALLEST_EXPONENT;
}

/* ---- with a floor ----
 * Parameters: t with E = lowest x logistic(t), so that 0 < E < smallest loss; s and b with A C^-b = exp(s - b u), where
 * u = ln C - mean ln C keeps s and b nearly independent. */
struct problem {
	size_t count;
	double u[MOST_SIZES], log_loss[MOST_SIZES];
	double weights[MOST_SIZES];
	bool weighted;
	double lowest, mean;
};

static double logistic(double t)
{
	return 1.0 / (1.0 + exp(-t));
}

static int residuals(const gsl_vector *parameters, void *data, gsl_vector *out)
{
	const struct problem *problem = data;
	double floor = problem->lowest * logistic(gsl_vector_get(parameters, 0));
	double s = gsl_vector_get(parameters, 1), b = gsl_vector_get(parameters, 2);
	for (size_t i = 0; i < problem->count; i++)
		gsl_vector_set(out, i, log(floor + exp(s - b * problem->u[i])) - problem->log_loss[i]);
	return GSL_SUCCESS;
}

static int derivatives(const gsl_vector *parameters, void *data, gsl_matrix *out)
{
	const struct problem *problem = data;
	double share = logistic(gsl_vector_get(parameters, 0)), floor = problem->lowest * share;
	double s = gsl_vector_get(parameters, 1), b = gsl_vector_get(parameters, 2);
	for (size_t i = 0; i < problem->count; i++) {
		double power = exp(s - b * problem->u[i]), whole = floor + power;
		gsl_matrix_set(out, i, 0, floor * (1.0 - share) / whole);
		gsl_matrix_set(out, i, 1, power / whole);
		gsl_matrix_set(out, i, 2, -problem->u[i] * power / whole);
	}
	return GSL_SUCCESS;
}

/* One descent. False when it ends in no finite place. */
static bool descend(struct problem *problem, const struct law *start, double *cost_out, struct law *law_out)
{
	enum { ITERATIONS = 100 };
	gsl_multifit_nlinear_parameters settings = gsl_multifit_nlinear_default_parameters();
	settings.trs = gsl_multifit_nlinear_trs_lm;
	gsl_multifit_nlinear_workspace *workspace =
		gsl_multifit_nlinear_alloc(gsl_multifit_nlinear_trust, &settings, problem->count, 3);
	if (!workspace)
		return false;
	double share = fmin(fmax(start->floor / problem->lowest, 1e-6), 1.0 - 1e-6);
	double begin[3] = { log(share / (1.0 - share)), start->log_scale - start->exponent * problem->mean,
		            start->exponent };
	gsl_multifit_nlinear_fdf function = {
		.f = residuals, .df = derivatives, .n = problem->count, .p = 3, .params = problem
	};
	gsl_vector_view view = gsl_vector_view_array(begin, 3);
	int info = 0;
	gsl_vector_view weights = gsl_vector_view_array(problem->weights, problem->count);
	bool sound = gsl_multifit_nlinear_winit(&view.vector, problem->weighted ? &weights.vector : NULL, &function,
	                                        workspace) == GSL_SUCCESS;
	if (sound) /* reaching the limit of iterations still leaves the best point so far */
		gsl_multifit_nlinear_driver(ITERATIONS, 1e-9, 1e-11, 0.0, NULL, NULL, &info, workspace);
	const gsl_vector *end = gsl_multifit_nlinear_position(workspace);
	if (sound) {
		const gsl_vector *rest = gsl_multifit_nlinear_residual(workspace);
		double cost = 0.0;
		for (size_t i = 0; i < problem->count; i++)
			cost += gsl_vector_get(rest, i) * gsl_vector_get(rest, i);
		*cost_out = cost;
		law_out->floor = problem->lowest * logistic(gsl_vector_get(end, 0));
		law_out->exponent = gsl_vector_get(end, 2);
		law_out->log_scale = gsl_vector_get(end, 1) + law_out->exponent * problem->mean;
		sound = isfinite(cost) && isfinite(law_out->floor) && isfinite(law_out->exponent) &&
		        isfinite(law_out->log_scale);
	}
	gsl_multifit_nlinear_free(workspace);
	return sound;
}

/* Whether a small floor makes the power law fit better: the slope of the squared misfit in E at E = 0. (The misfit of
 * the power law is orthogonal to its own parameters, so they need no refitting for that.) Where it does not, E = 0 is
 * the answer, and the search would creep towards it for ever. */
static bool floor_helps(const double *compute, const double *loss, size_t count, const struct law *power)
{
	double slope = 0.0;
	if (power->residual < 1e-12)
		return false;
	for (size_t i = 0; i < count; i++) {
		double law = fit_loss(power, compute[i]);
		slope += (log(loss[i]) - log(law)) / law;
	}
	return slope > 0.0;
}

/* A first guess: the floor fixed at a share of the smallest loss, the rest by the power law of what is above it. */
static bool guess(const double *compute, const double *loss, size_t count, double floor, struct law *law)
{
	double above[MOST_SIZES];
	for (size_t i = 0; i < count; i++)
		above[i] = loss[i] - floor;
	fit_power_law(compute, above, count, law);
	law->floor = floor;
	return isfinite(law->exponent);
}

static void pose(const double *compute, const double *loss, size_t count, struct problem *problem)
{
	*problem = (struct problem){ .count = count, .lowest = INFINITY };
	for (size_t i = 0; i < count; i++) {
		problem->log_loss[i] = log(loss[i]);
		problem->lowest = fmin(problem->lowest, loss[i]);
		problem->mean += log(compute[i]) / (double)count;
	}
	for (size_t i = 0; i < count; i++)
		problem->u[i] = log(compute[i]) - problem->mean;
}

void fit_floor_law(const double *compute, const double *loss, size_t count, const struct law *start,
                   struct law *law_out)
{
	static const double shares[] = { 0.01, 0.3, 0.6, 0.8, 0.9, 0.97 };
	struct problem problem;
	struct law best;
	fit_power_law(compute, loss, count, &best);
	if (!values_are_usable(compute, loss, count, 4))
		best.usable = false;
	if (!best.usable || !floor_helps(compute, loss, count, &best)) {
		*law_out = best;
		return;
	}
	pose(compute, loss, count, &problem);
	double best_cost = best.residual * best.residual * (double)count;
	size_t starts = start && start->floor > 0.0 ? 1 : sizeof(shares) / sizeof(shares[0]);
	for (size_t i = 0; i < starts; i++) {
		struct law first, law = { 0 };
		double cost = 0.0;
		if (!guess(compute, loss, count,
		           starts == 1 ? fmin(start->floor, 0.999 * problem.lowest) : shares[i] * problem.lowest,
		           &first))
			continue;
		if (descend(&problem, &first, &cost, &law) && cost < best_cost * (1.0 - 1e-9)) {
			best_cost = cost;
			best = law;
		}
	}
	best.residual = residual_of(&best, compute, loss, count);
	best.usable = best.exponent >= FIT_SMALLEST_EXPONENT;
	*law_out = best;
}

/* ---- robust ---- */

/* A fit this close has no outliers, and a scale of 0 would be divided by. */
static const double EXACT = 1e-9;

void fit_power_law_robust(const double *compute, const double *loss, size_t count, struct law *law_out)
{
	fit_power_law(compute, loss, count, law_out);
	if (count < 4 || isnan(law_out->exponent)) {
		law_out->usable = false;
		return;
	}
	if (law_out->residual < EXACT)
		return;
	double x[2 * MOST_SIZES], y[MOST_SIZES], end[2], spread[4];
	for (size_t i = 0; i < count; i++) {
		x[2 * i] = 1.0;
		x[2 * i + 1] = log(compute[i]);
		y[i] = log(loss[i]);
	}
	gsl_multifit_robust_workspace *workspace = gsl_multifit_robust_alloc(gsl_multifit_robust_bisquare, count, 2);
	gsl_matrix_view design = gsl_matrix_view_array(x, count, 2), covariance = gsl_matrix_view_array(spread, 2, 2);
	gsl_vector_view values = gsl_vector_view_array(y, count), place = gsl_vector_view_array(end, 2);
	law_out->usable = false;
	if (!workspace)
		return;
	/* reaching the limit of iterations still leaves the last reweighted fit */
	int code = gsl_multifit_robust(&design.matrix, &values.vector, &place.vector, &covariance.matrix, workspace);
	gsl_multifit_robust_free(workspace);
	if ((code != GSL_SUCCESS && code != GSL_EMAXITER) || !isfinite(end[0]) || !isfinite(end[1]))
		return;
	law_out->log_scale = end[0];
	law_out->exponent = -end[1];
	law_out->residual = residual_of(law_out, compute, loss, count);
	law_out->usable = law_out->exponent >= FIT_SMALLEST_EXPONENT;
}

/* Absolute residuals of a law, and their median without the `parameters` smallest, as many as a fit can make vanish. */
static double find_residuals(const struct law *law, const double *compute, const double *loss, size_t count,
                             size_t parameters, double *residual)
{
	double sorted[MOST_SIZES];
	for (size_t i = 0; i < count; i++) {
		residual[i] = fabs(log(loss[i]) - log(fit_loss(law, compute[i])));
		size_t place = i;
		for (; place > 0 && sorted[place - 1] > residual[i]; place--)
			sorted[place] = sorted[place - 1];
		sorted[place] = residual[i];
	}
	size_t rest = count - parameters;
	const double *largest = sorted + parameters;
	return rest % 2 ? largest[rest / 2] : 0.5 * (largest[rest / 2 - 1] + largest[rest / 2]);
}

/* Biweight of every model about a law; false when the law is exact for most of them. */
static bool weigh(const struct law *law, const double *compute, const double *loss, size_t count, size_t parameters,
                  double *weights)
{
	const double TUNING = 4.685, NORMAL = 0.6745;
	double residual[MOST_SIZES];
	double scale = TUNING * find_residuals(law, compute, loss, count, parameters, residual) / NORMAL;
	if (!(scale > EXACT))
		return false;
	for (size_t i = 0; i < count; i++) {
		double share = residual[i] / scale;
		weights[i] = share < 1.0 ? (1.0 - share * share) * (1.0 - share * share) : 0.0;
	}
	return true;
}

/* An outlier can pull the ordinary fit so far that reweighting never lets go of it: begin where the middle of the
 * residuals is smallest among the fits with one model left out. */
static void begin_robust(const double *compute, const double *loss, size_t count, size_t parameters, struct law *law)
{
	double residual[MOST_SIZES], some_compute[MOST_SIZES], some_loss[MOST_SIZES];
	double smallest = find_residuals(law, compute, loss, count, parameters, residual);
	for (size_t out = 0; out < count; out++) {
		struct law other;
		for (size_t i = 0, kept = 0; i < count; i++)
			if (i != out) {
				some_compute[kept] = compute[i];
				some_loss[kept++] = loss[i];
			}
		fit_floor_law(some_compute, some_loss, count - 1, NULL, &other);
		if (!other.usable || !(other.floor < loss[out]))
			continue;
		double middle = find_residuals(&other, compute, loss, count, parameters, residual);
		if (middle < smallest) {
			smallest = middle;
			*law = other;
		}
	}
}

void fit_floor_law_robust(const double *compute, const double *loss, size_t count, const struct law *start,
                          struct law *law_out)
{
	enum { REWEIGHTINGS = 12, PARAMETERS = 3 };
	struct problem problem;
	fit_floor_law(compute, loss, count, start, law_out);
	if (count < 5 || !law_out->usable) {
		law_out->usable = false;
		return;
	}
	if (start && start->floor > 0.0)
		*law_out = *start;
	else if (law_out->residual > EXACT)
		begin_robust(compute, loss, count, PARAMETERS, law_out);
	if (!(law_out->floor > 0.0)) { /* no floor: the robust power law */
		fit_power_law_robust(compute, loss, count, law_out);
		return;
	}
	pose(compute, loss, count, &problem);
	problem.weighted = true;
	for (int i = 0; i < REWEIGHTINGS; i++) {
		struct law law = { 0 };
		double cost = 0.0, before = law_out->exponent;
		if (!weigh(law_out, compute, loss, count, PARAMETERS, problem.weights) ||
		    !descend(&problem, law_out, &cost, &law))
			break;
		*law_out = law;
		if (fabs(law.exponent - before) < 1e-6 * fabs(before))
			break;
	}
	law_out->residual = residual_of(law_out, compute, loss, count);
	law_out->usable = law_out->exponent >= FIT_SMALLEST_EXPONENT;
}
