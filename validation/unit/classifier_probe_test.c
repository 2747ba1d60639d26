/* The probe against Newton's method written out here, against the truth it was drawn from, and at its limits.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/lanes.h"
#include "base/random.h"
#include "classifier/probe.h"

enum { WIDTH = 11, SIZE = WIDTH + 1 };

static const double truth[WIDTH] = { 0.8, -1.5, 0, 0.3, 0, 2, -0.4, 0, 0.1, -0.7, 0.5 };

/* Features of very different scale and offset, some related to each other. */
static void draw_features(uint64_t seed, int64_t count, float *features)
{
	for (int64_t row = 0; row < count; row++) {
		double shared = random_normal(seed, RANDOM_TEST, (uint64_t)row, 1000);
		for (int j = 0; j < WIDTH; j++) {
			double own = random_normal(seed, RANDOM_TEST, (uint64_t)row, (uint64_t)j);
			double value = j < 4 ? 0.6 * own + 0.8 * shared : own;
			features[row * WIDTH + j] = (float)(j == 5   ? value * 100 + 3000
			                                    : j == 6 ? value * 0.01 - 2
			                                             : value);
		}
	}
}

static double truth_logit(const float *features)
{
	double logit = -0.6;
	for (int j = 0; j < WIDTH; j++) {
		double value = features[j];
		logit += truth[j] * (j == 5 ? (value - 3000) / 100 : j == 6 ? (value + 2) / 0.01 : value);
	}
	return logit;
}

static void draw_labels(uint64_t seed, const float *features, int64_t count, uint8_t *labels)
{
	for (int64_t row = 0; row < count; row++)
		labels[row] = random_uniform(seed, RANDOM_TEST, (uint64_t)row, 5000) <
		              1 / (1 + exp(-truth_logit(features + row * WIDTH)));
}

/* Solves a x = b in place by Gaussian elimination with pivoting; x in b. */
static void solve(double a[SIZE][SIZE], double b[SIZE])
{
	for (int i = 0; i < SIZE; i++) {
		int pivot = i;
		for (int r = i + 1; r < SIZE; r++)
			if (fabs(a[r][i]) > fabs(a[pivot][i]))
				pivot = r;
		for (int j = 0; j < SIZE; j++) {
			double keep = a[i][j];
			a[i][j] = a[pivot][j];
			a[pivot][j] = keep;
		}
		double keep = b[i];
		b[i] = b[pivot];
		b[pivot] = keep;
		for (int r = 0; r < SIZE; r++) {
			double factor = r == i ? 0 : a[r][i] / a[i][i];
			for (int j = i; j < SIZE; j++)
				a[r][j] -= factor * a[i][j];
			b[r] -= factor * b[i];
		}
	}
	for (int i = 0; i < SIZE; i++)
		b[i] /= a[i][i];
}

/* The same minimum by Newton's method on standardised features. weights[WIDTH] is the bias, for raw features. */
static void newton(const float *features, const uint8_t *labels, int64_t count, double l2, double weights[SIZE])
{
	double mean[WIDTH] = { 0 }, deviation[WIDTH] = { 0 }, x[SIZE] = { 0 };

	for (int j = 0; j < WIDTH; j++) {
		for (int64_t row = 0; row < count; row++)
			mean[j] += features[row * WIDTH + j] / (double)count;
		for (int64_t row = 0; row < count; row++)
			deviation[j] += pow(features[row * WIDTH + j] - mean[j], 2) / (double)count;
		deviation[j] = sqrt(deviation[j]);
	}
	for (int step = 0; step < 30; step++) {
		double hessian[SIZE][SIZE] = { { 0 } }, gradient[SIZE] = { 0 };
		for (int64_t row = 0; row < count; row++) {
			double z[SIZE], logit = 0;
			for (int j = 0; j < SIZE; j++) {
				z[j] = j < WIDTH ? (features[row * WIDTH + j] - mean[j]) / deviation[j] : 1;
				logit += z[j] * x[j];
			}
			double p = 1 / (1 + exp(-logit));
			for (int j = 0; j < SIZE; j++) {
				gradient[j] += (p - labels[row]) * z[j] / (double)count;
				for (int k = 0; k < SIZE; k++)
					hessian[j][k] += p * (1 - p) * z[j] * z[k] / (double)count;
			}
		}
		for (int j = 0; j < WIDTH; j++) {
			gradient[j] += l2 * x[j];
			hessian[j][j] += l2;
		}
		solve(hessian, gradient);
		for (int j = 0; j < SIZE; j++)
			x[j] -= gradient[j];
	}
	weights[WIDTH] = x[WIDTH];
	for (int j = 0; j < WIDTH; j++) {
		weights[j] = x[j] / deviation[j];
		weights[WIDTH] -= weights[j] * mean[j];
	}
}

static void test_matches_newton(void **state)
{
	const int64_t count = 3000;
	float *features = malloc((size_t)count * WIDTH * sizeof *features);
	uint8_t *labels = malloc((size_t)count);
	const double ridges[] = { 1e-3, 1e-2, 1 };

	(void)state;
	assert_true(features != NULL && labels != NULL);
	draw_features(1, count, features);
	draw_labels(1, features, count, labels);
	for (int i = 0; i < 3; i++) {
		double expected[SIZE];
		struct probe probe = { 0 };
		newton(features, labels, count, ridges[i], expected);
		assert_int_equal(probe_fit(features, labels, count, WIDTH, ridges[i], &probe), STATUS_OK);
		assert_int_equal(probe.width, WIDTH);
		for (int64_t row = 0; row < count; row++) {
			double logit = expected[WIDTH];
			for (int j = 0; j < WIDTH; j++)
				logit += expected[j] * features[row * WIDTH + j];
			assert_true(fabs(probe_logit(&probe, features + row * WIDTH) - logit) < 1e-5);
		}
		for (int j = 0; j < WIDTH; j++) {
			double scale = j == 5 ? 100 : j == 6 ? 0.01 : 1;
			assert_true(fabs(probe.weights[j] - expected[j]) * scale < 1e-6);
		}
		probe_clear(&probe);
		assert_null(probe.weights);
	}
	free(features);
	free(labels);
}

static void test_recovers_known_model(void **state)
{
	const int64_t count = 60000;
	float *features = malloc((size_t)count * WIDTH * sizeof *features);
	uint8_t *labels = malloc((size_t)count);
	struct probe probe = { 0 }, again = { 0 };

	(void)state;
	assert_true(features != NULL && labels != NULL);
	draw_features(2, count, features);
	draw_labels(2, features, count, labels);
	assert_int_equal(probe_fit(features, labels, count, WIDTH, 1e-7, &probe), STATUS_OK);
	for (int j = 0; j < WIDTH; j++) {
		double scale = j == 5 ? 100 : j == 6 ? 0.01 : 1;
		assert_true(fabs(probe.weights[j] * scale - truth[j]) < 0.1);
	}
	assert_int_equal(probe_fit(features, labels, count, WIDTH, 1e-7, &again), STATUS_OK);
	assert_memory_equal(probe.weights, again.weights, WIDTH * sizeof *probe.weights);
	assert_memory_equal(&probe.bias, &again.bias, sizeof probe.bias);
	probe_clear(&probe);
	probe_clear(&again);
	free(features);
	free(labels);
}

/* Separable classes have no finite minimum without a ridge; with one, the solution is finite and separates. */
static void test_separable_stays_finite(void **state)
{
	float features[40 * 2];
	uint8_t labels[40];
	struct probe probe = { 0 };

	(void)state;
	for (int i = 0; i < 40; i++) {
		labels[i] = i >= 20;
		features[2 * i] = (float)(labels[i] ? 3 + i * 0.01 : -3 - i * 0.01);
		features[2 * i + 1] = 5; /* constant: must not become NaN */
	}
	const double ridges[] = { 1e-2, 1e-6 };
	for (int k = 0; k < 2; k++) {
		assert_int_equal(probe_fit(features, labels, 40, 2, ridges[k], &probe), STATUS_OK);
		assert_true(isfinite(probe.weights[0]) && isfinite(probe.bias) && probe.weights[1] == 0);
		for (int i = 0; i < 40; i++)
			assert_true((probe_logit(&probe, features + 2 * i) > 0) == labels[i]);
		assert_true(fabs(probe.weights[0]) < 20);
		probe_clear(&probe);
	}
}

/* A fit that its iterations do not suffice for is a probe all the same, and says how far it has come. */
static void test_too_few_iterations(void **state)
{
	const int64_t count = 3000;
	float *features = malloc((size_t)count * WIDTH * sizeof *features);
	uint8_t *labels = malloc((size_t)count);
	struct probe probe = { 0 };
	double before = 1e9;

	(void)state;
	assert_true(features != NULL && labels != NULL);
	draw_features(1, count, features);
	draw_labels(1, features, count, labels);
	for (int iterations = 2; iterations <= 4; iterations++) {
		assert_int_equal(probe_fit_within(features, labels, count, WIDTH, 1e-3, iterations, &probe), STATUS_OK);
		assert_false(probe.converged);
		assert_true(probe.gradient_norm > PROBE_GRADIENT_NORM && probe.gradient_norm < 0.3);
		int64_t right = 0;
		double loss = 0;
		for (int64_t row = 0; row < count; row++) {
			double logit = probe_logit(&probe, features + row * WIDTH);
			right += (logit > 0) == labels[row];
			loss += log1p(exp(labels[row] ? -logit : logit)) / (double)count;
		}
		assert_true(loss < before && right > count / 2);
		before = loss;
		probe_clear(&probe);
	}
	assert_int_equal(probe_fit(features, labels, count, WIDTH, 1e-3, &probe), STATUS_OK);
	assert_true(probe.converged && probe.gradient_norm < PROBE_GRADIENT_NORM);
	probe_clear(&probe);
	free(features);
	free(labels);
}

static void test_errors(void **state)
{
	float features[6] = { 1, 2, 3, 4, 5, 6 };
	uint8_t labels[3] = { 1, 1, 1 };
	struct probe probe = { 0 };

	(void)state;
	assert_int_equal(probe_fit(features, labels, 3, 2, 0.1, &probe), STATUS_DATA);
	memset(labels, 0, sizeof labels);
	assert_int_equal(probe_fit(features, labels, 3, 2, 0.1, &probe), STATUS_DATA);
	labels[1] = 1;
	features[3] = (float)NAN;
	assert_int_equal(probe_fit(features, labels, 3, 2, 0.1, &probe), STATUS_NUMERIC);
	assert_non_null(strstr(error_message(), "feature 1"));
	assert_null(probe.weights);
}

/* Widths that are no multiple of anything. */
static void test_dot(void **state)
{
	double weights[40];
	float features[40];

	(void)state;
	for (int i = 0; i < 40; i++) {
		weights[i] = random_normal(3, RANDOM_TEST, 0, (uint64_t)i);
		features[i] = (float)random_normal(3, RANDOM_TEST, 1, (uint64_t)i);
	}
	for (int width = 0; width <= 40; width++) {
		double sum = 0;
		for (int i = 0; i < width; i++)
			sum += weights[i] * features[i];
		assert_true(fabs(lanes_dot(weights, features, width) - sum) < 1e-13);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_matches_newton),
		cmocka_unit_test(test_recovers_known_model),
		cmocka_unit_test(test_separable_stays_finite),
		cmocka_unit_test(test_too_few_iterations),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_dot),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
