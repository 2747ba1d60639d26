/* How long capshape-report takes for a large sweep: writes synthetic run files and times the whole report.
 *
 *   report_bench FOLDER RUNS [KEY VALUE...]     5 sizes x 4 methods x values of a key x as many seeds as RUNS allow
 *
 * FOLDER must not exist yet and is kept, to look at; without KEY ten values of filter/token_threshold are swept.
 * SPDX-License-Identifier: Apache-2.0 */
#include "../unit/report_fixture.h"

#include <time.h>

#include "bench.h"
#include "report/report.h"

enum { SIZES = 5, METHODS = 4, DOCUMENTS = 200 };

static double seconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* The larger the number of the value, the weaker the filter. */
static void write_run(const char *folder, int64_t index, const char *key, size_t count, const char *const *values)
{
	size_t method = (size_t)index % METHODS, size = (size_t)index / METHODS % SIZES;
	size_t value = (size_t)index / (METHODS * SIZES) % count, seed = (size_t)index / (METHODS * SIZES * count);
	struct fixture_run run = fixture_run_of(method, size, 1.0, 0.01, DOCUMENTS);
	char point[160], number[24];
	double strength = 1.0 - 0.85 * (double)value / (double)count;
	snprintf(number, sizeof(number), "%zu", seed + 1);
	snprintf(point, sizeof(point), "method=%s,%s=%s,size=%s,seed=%s", run.method, strrchr(key, '/') + 1,
	         values[value], run.size, number);
	run.point = point;
	run.number = number;
	run.parameter = key;
	run.value = values[value];
	run.seed = (uint64_t)index + 1;
	run.shift = exp(0.003 * random_normal(3, RANDOM_TEST, 1, (uint64_t)index));
	/* larger models lose more, as in the paper */
	run.slowdown[0] = pow(run.slowdown[0], strength * (0.7 + 0.15 * (double)size));
	run.slowdown[1] = pow(run.slowdown[1], strength);
	for (int i = 0; i < FIXTURE_SETS; i++)
		run.filtered[i] *= strength;
	run.recall = fmin(0.95, 0.3 + 0.12 * (double)size + (method ? 0.0 : 0.15));
	fixture_write_run(folder, &run);
}

int main(int argc, char **argv)
{
	static const char *const thresholds[] = {
		"0.05", "0.1", "0.15", "0.2", "0.3", "0.4", "0.5", "0.6", "0.7", "0.8"
	};
	if (argc < 3 || argc == 4 || (argc > 4 && !strchr(argv[3], '/'))) {
		fprintf(stderr, "usage: report_bench FOLDER RUNS [SECTION/KEY VALUE...]\n");
		return 2;
	}
	int64_t runs = bench_whole("RUNS", argv[2]);
	const char *key = argc > 4 ? argv[3] : "filter/token_threshold";
	const char *const *values = argc > 4 ? (const char *const *)argv + 4 : thresholds;
	size_t count = argc > 4 ? (size_t)argc - 4 : sizeof(thresholds) / sizeof(thresholds[0]);
	double begin = seconds();
	for (int64_t i = 0; i < runs; i++)
		write_run(argv[1], i, key, count, values);
	double written = seconds();
	const struct report_options options = { .folder = argv[1],
		                                .resamples = 1000,
		                                .confidence = 0.95,
		                                .seed = 1,
		                                .version = "bench",
		                                .compute = COMPUTE_NOMINAL,
		                                .law = LAW_POWER,
		                                .accuracy = 0.89,
		                                .study = { .baseline = "none" } };
	FILE *null = fopen("/dev/null", "w");
	bench_require(null ? report_make(&options, null) : STATUS_IO);
	fclose(null);
	double made = seconds();
	struct run_list list;
	bench_require(load_folder(argv[1], &list));
	double loaded = seconds();
	printf("%lld runs: written in %.1f s, report in %.2f s (of which reading %.2f s), memory %.0f MiB\n",
	       (long long)runs, written - begin, made - written, loaded - made, bench_peak_memory() / 1048576.0);
	load_clear(&list);
	return 0;
}
