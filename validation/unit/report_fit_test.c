/* Laws of loss against compute: known laws are recovered, senseless data is refused, and matched computes are right.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <gsl/gsl_errno.h>

#include "base/random.h"
#include "report/fit.h"
#include "report_near.h"

enum { SIZES = 6 };
static const double computes[SIZES] = { 2.1e16, 1e17, 4.6e17, 1.5e18, 6.1e18, 3.3e19 };

static void make_losses(double floor, double scale, double exponent, double *losses)
{
	for (int i = 0; i < SIZES; i++)
		losses[i] = floor + scale * pow(computes[i] / 1e17, -exponent);
}

static void power_law_is_recovered(void **state)
{
	(void)state;
	double losses[SIZES];
	struct law law;
	make_losses(0.0, 4.0, 0.057, losses);
	for (size_t count = 2; count <= SIZES; count++) {
		fit_power_law(computes, losses, count, &law);
		assert_true(law.usable);
		assert_near(law.exponent, 0.057, 1e-10);
		assert_near(law.residual, 0.0, 1e-10);
		assert_near(fit_loss(&law, 1e17), 4.0, 1e-9);
		/* a model with 1e18 FLOP as good as the law at 2.5e15 is 400 times slower, far outside the data */
		double loss = 4.0 * pow(2.5e15 / 1e17, -0.057);
		assert_near(exp(fit_log_compute(&law, loss)) / 2.5e15, 1.0, 1e-7);
	}
}

static void floor_law_is_recovered(void **state)
{
	(void)state;
	double losses[SIZES];
	for (int k = 0; k < 12; k++) {
		double floor = 0.4 * k, exponent = 0.1 + 0.03 * k;
		struct law law;
		make_losses(floor, 2.5, exponent, losses);
		fit_floor_law(computes, losses, SIZES, NULL, &law);
		assert_true(law.usable);
		assert_near(law.floor, floor, 1e-3);
		assert_near(law.exponent, exponent, 1e-3);
		double loss = floor + 2.5 * pow(3e16 / 1e17, -exponent);
		assert_near(exp(fit_log_compute(&law, loss)) / 3e16, 1.0, 1e-3);
	}
}

/* A start from a law nearby ends in the same place as the search. */
static void floor_law_does_not_depend_on_its_start(void **state)
{
	(void)state;
	double losses[SIZES], noisy[SIZES];
	struct law searched, point, started;
	make_losses(1.2, 2.5, 0.2, losses);
	fit_floor_law(computes, losses, SIZES, NULL, &point);
	for (uint64_t k = 0; k < 20; k++) {
		for (uint64_t i = 0; i < SIZES; i++)
			noisy[i] = losses[i] * (1.0 + 0.003 * random_normal(3, RANDOM_TEST, k, i));
		fit_floor_law(computes, noisy, SIZES, NULL, &searched);
		fit_floor_law(computes, noisy, SIZES, &point, &started);
		assert_near(started.residual, searched.residual, 1e-6);
	}
}

static void a_floor_is_never_worse_than_none(void **state)
{
	(void)state;
	double losses[SIZES];
	for (uint64_t k = 0; k < 30; k++) {
		struct law power, floor;
		make_losses(0.0, 4.0, 0.05, losses);
		for (uint64_t i = 0; i < SIZES; i++)
			losses[i] *= 1.0 + 0.01 * random_normal(5, RANDOM_TEST, k, i);
		fit_power_law(computes, losses, SIZES, &power);
		fit_floor_law(computes, losses, SIZES, NULL, &floor);
		assert_true(floor.residual <= power.residual * (1.0 + 1e-9));
		assert_true(floor.floor >= 0.0);
		for (int i = 0; i < SIZES; i++)
			assert_true(floor.floor < losses[i]);
	}
}

static void senseless_data_is_refused(void **state)
{
	(void)state;
	double losses[SIZES];
	struct law law;
	make_losses(0.0, 4.0, -0.05, losses); /* grows with compute */
	fit_power_law(computes, losses, SIZES, &law);
	assert_false(law.usable);
	assert_near(law.exponent, -0.05, 1e-9);
	assert_true(isnan(fit_log_compute(&law, 4.0)));

	make_losses(0.0, 4.0, 0.0, losses); /* flat */
	fit_power_law(computes, losses, SIZES, &law);
	assert_false(law.usable);
	fit_floor_law(computes, losses, SIZES, NULL, &law);
	assert_false(law.usable);

	make_losses(0.0, 4.0, 0.05, losses);
	fit_power_law(computes, losses, 1, &law);
	assert_false(law.usable);
	fit_floor_law(computes, losses, 3, NULL, &law);
	assert_false(law.usable);
	const double equal[3] = { 1e17, 1e17, 1e17 };
	fit_power_law(equal, losses, 3, &law);
	assert_false(law.usable);
	const double bad[4] = { NAN, INFINITY, 0.0, -1.0 };
	for (int i = 0; i < 4; i++) {
		double broken[3] = { losses[0], bad[i], losses[2] };
		fit_power_law(computes, broken, 3, &law);
		assert_false(law.usable);
		fit_power_law(broken, losses, 3, &law);
		assert_false(law.usable);
	}
}

static void a_loss_below_the_floor_is_never_reached(void **state)
{
	(void)state;
	double losses[SIZES];
	struct law law;
	make_losses(2.0, 2.5, 0.2, losses);
	fit_floor_law(computes, losses, SIZES, NULL, &law);
	assert_true(law.usable);
	assert_true(isnan(fit_log_compute(&law, 1.9)));
	assert_true(isnan(fit_log_compute(&law, NAN)));
	assert_false(isnan(fit_log_compute(&law, 2.1)));
}

/* One model that went wrong moves the ordinary fit and not the robust one. */
static void robust_fits_pass_over_an_outlier(void **state)
{
	(void)state;
	double losses[SIZES];
	struct law ordinary, robust;
	make_losses(0.0, 4.0, 0.057, losses);
	for (uint64_t i = 0; i < SIZES; i++)
		losses[i] *= 1.0 + 0.001 * random_normal(11, RANDOM_TEST, 0, i);
	losses[1] *= 1.15;
	fit_power_law(computes, losses, SIZES, &ordinary);
	fit_power_law_robust(computes, losses, SIZES, &robust);
	assert_true(robust.usable);
	assert_true(fabs(ordinary.exponent - 0.057) > 0.003);
	assert_near(robust.exponent, 0.057, 0.001);
	assert_near(fit_loss(&robust, 1e17), 4.0, 0.02);

	make_losses(1.5, 2.5, 0.2, losses);
	for (uint64_t i = 0; i < SIZES; i++)
		losses[i] *= 1.0 + 0.0005 * random_normal(12, RANDOM_TEST, 0, i);
	losses[3] *= 1.05;
	fit_floor_law(computes, losses, SIZES, NULL, &ordinary);
	fit_floor_law_robust(computes, losses, SIZES, NULL, &robust);
	assert_true(robust.usable);
	assert_near(robust.floor, 1.5, 0.1);
	assert_near(robust.exponent, 0.2, 0.015);
	assert_true(fabs(robust.exponent - 0.2) < fabs(ordinary.exponent - 0.2));
}

static void robust_fits_equal_ordinary_ones_of_exact_data(void **state)
{
	(void)state;
	double losses[SIZES];
	struct law robust;
	make_losses(0.0, 4.0, 0.057, losses);
	fit_power_law_robust(computes, losses, SIZES, &robust);
	assert_true(robust.usable);
	assert_near(robust.exponent, 0.057, 1e-9);
	fit_power_law_robust(computes, losses, 3, &robust);
	assert_false(robust.usable); /* too few to say which is the outlier */
	fit_floor_law_robust(computes, losses, SIZES, NULL, &robust);
	assert_true(robust.usable);
	assert_near(robust.exponent, 0.057, 1e-6);
	make_losses(1.5, 2.5, 0.2, losses);
	fit_floor_law_robust(computes, losses, SIZES, NULL, &robust);
	assert_near(robust.floor, 1.5, 1e-3);
	fit_floor_law_robust(computes, losses, 4, NULL, &robust);
	assert_false(robust.usable);
}

/* Least squares of ln L on ln C by the closed form of simple regression. */
static void power_law_is_the_closed_form(void **state)
{
	(void)state;
	const double losses[SIZES] = { 4.41, 4.02, 3.66, 3.44, 3.09, 2.91 };
	double mean_x = 0.0, mean_y = 0.0, xy = 0.0, xx = 0.0;
	struct law law;
	for (int i = 0; i < SIZES; i++) {
		mean_x += log(computes[i]) / SIZES;
		mean_y += log(losses[i]) / SIZES;
	}
	for (int i = 0; i < SIZES; i++) {
		xy += (log(computes[i]) - mean_x) * (log(losses[i]) - mean_y);
		xx += (log(computes[i]) - mean_x) * (log(computes[i]) - mean_x);
	}
	fit_power_law(computes, losses, SIZES, &law);
	assert_near(law.exponent, -xy / xx, 1e-12);
	assert_near(law.log_scale, mean_y - xy / xx * mean_x, 1e-10);
}

/* The paper's arithmetic: with C = 6 N 20 N, a 1,816M model that is 30, 400 or 7,000 times slower does as well as a
 * baseline of 332M, 91M or 22M parameters; the last lies below the smallest size fitted. Losses follow any power law. */
static void reference_slowdowns_are_reproduced(void **state)
{
	(void)state;
	static const double sizes[] = { 61e6, 113e6, 224e6, 521e6, 1030e6, 1816e6 };
	static const double slowdowns[] = { 30.0, 400.0, 7000.0 }, matched[] = { 332e6, 91e6, 22e6 };
	double compute[6], losses[6];
	struct law law;
	for (int i = 0; i < 6; i++) {
		compute[i] = 6.0 * sizes[i] * 20.0 * sizes[i];
		losses[i] = 3.1 * pow(compute[i] / 1e19, -0.07);
	}
	fit_power_law(compute, losses, 6, &law);
	for (int i = 0; i < 3; i++) {
		double loss = fit_loss(&law, compute[5] / slowdowns[i]);
		double flops = exp(fit_log_compute(&law, loss)), parameters = sqrt(flops / 120.0);
		assert_near(compute[5] / flops / slowdowns[i], 1.0, 1e-9);
		assert_near(parameters / matched[i], 1.0, 0.02);
		assert_int_equal(flops < compute[0], i == 2);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(power_law_is_recovered),
		cmocka_unit_test(floor_law_is_recovered),
		cmocka_unit_test(floor_law_does_not_depend_on_its_start),
		cmocka_unit_test(a_floor_is_never_worse_than_none),
		cmocka_unit_test(senseless_data_is_refused),
		cmocka_unit_test(robust_fits_pass_over_an_outlier),
		cmocka_unit_test(robust_fits_equal_ordinary_ones_of_exact_data),
		cmocka_unit_test(power_law_is_the_closed_form),
		cmocka_unit_test(reference_slowdowns_are_reproduced),
		cmocka_unit_test(a_loss_below_the_floor_is_never_reached),
	};
	gsl_set_error_handler_off();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
