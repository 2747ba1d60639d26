/* Laws of loss against compute, and the compute at which a law reaches a loss (paper, appendix B.1).
 *
 *   power law     L = A C^-b       ordinary least squares of ln L on ln C (two sizes: the line through both)
 *   with a floor  L = E + A C^-b   nonlinear least squares on ln L, 0 <= E < smallest loss
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_REPORT_FIT_H
#define CAPSHAPE_REPORT_FIT_H

#include <stdbool.h>
#include <stddef.h>

/* Below this exponent a loss says nothing about compute: a factor 1000 in compute changes it by less than 0.1 %. */
#define FIT_SMALLEST_EXPONENT 1e-4

/* No law is fitted to more models. */
enum { FIT_MOST_MODELS = 64 };

struct law {
	bool usable;      /* fitted, and the loss falls with compute */
	double floor;     /* E, 0 for the power law */
	double log_scale; /* ln A */
	double exponent;  /* b */
	double residual;  /* root mean square of ln(loss) - ln(law) */
};

/* Both need positive finite values of which at least two computes differ (with a floor: count >= 4), else not usable.
 * Fills the numbers also when the exponent is too small or negative, so that it can be shown. */
void fit_power_law(const double *compute, const double *loss, size_t count, struct law *law_out);
/* `start`: a law of similar data to begin with, NULL to search for one. E = 0 when a floor does not make the fit better
 * than the power law, which has to be usable itself. */
void fit_floor_law(const double *compute, const double *loss, size_t count, const struct law *start,
                   struct law *law_out);
/* The same laws with Tukey's biweight instead of squares: a model far off the others loses its say. Power: count >= 4
 * (gsl_multifit_robust); with a floor: count >= 5 (reweighted least squares from the ordinary fit); else not usable. */
void fit_power_law_robust(const double *compute, const double *loss, size_t count, struct law *law_out);
void fit_floor_law_robust(const double *compute, const double *loss, size_t count, const struct law *start,
                          struct law *law_out);
double fit_loss(const struct law *law, double compute);
/* ln of the compute at which the law reaches `loss`; NaN when the law is not usable or never reaches it. */
double fit_log_compute(const struct law *law, double loss);

#endif
