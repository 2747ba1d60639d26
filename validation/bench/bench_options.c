/* Command lines of the benchmarks of a model.
 * SPDX-License-Identifier: Apache-2.0 */
#include <getopt.h>
#include <stdlib.h>

#include "bench.h"

enum { COMMON_OPTIONS = 7, HIGHEST_SHARE_PERCENT = 95 };

struct bench_common bench_common_options(void)
{
	return (struct bench_common){ .size = "13M",
		                      .kernels = "cpu",
		                      .precision = PRECISION_FLOAT32,
		                      .threads = 2,
		                      .vocabulary = 100288,
		                      .header = true };
}

static void take(const struct bench_option *option, const char *text)
{
	switch (option->kind) {
	case BENCH_TEXT:
		*(const char **)option->value = text;
		break;
	case BENCH_WHOLE:
		*(int64_t *)option->value = bench_whole(option->name, text);
		break;
	case BENCH_SHARE:
		*(double *)option->value = bench_number(option->name, text, 0, HIGHEST_SHARE_PERCENT / 100.0);
		break;
	case BENCH_PRECISION:
		*(enum precision *)option->value = bench_precision(text);
		break;
	case BENCH_ON:
		*(bool *)option->value = true;
		break;
	case BENCH_OFF:
		*(bool *)option->value = false;
		break;
	}
}

static void read_words(int count, char **words, const struct bench_option *options, int option_count)
{
	struct option *table = bench_memory(option_count + 1, sizeof *table);
	int which;
	for (int i = 0; i < option_count; i++) {
		bool alone = options[i].kind == BENCH_ON || options[i].kind == BENCH_OFF;
		table[i] = (struct option){ options[i].name, alone ? no_argument : required_argument, NULL, i + 1 };
	}
	while ((which = getopt_long(count, words, "", table, NULL)) != -1) {
		if (which < 1 || which > option_count)
			exit(2); /* getopt has said why */
		take(&options[which - 1], optarg);
	}
	if (optind < count)
		bench_require(error_raise(STATUS_USAGE, "\"%s\" is not an option", words[optind]));
	free(table);
}

void bench_options_read(int count, char **words, struct bench_common *common, const struct bench_option *own,
                        int own_count)
{
	int64_t threads = common->threads;
	const struct bench_option shared[COMMON_OPTIONS] = {
		{ "size", BENCH_TEXT, &common->size },
		{ "vocabulary", BENCH_WHOLE, &common->vocabulary },
		{ "precision", BENCH_PRECISION, &common->precision },
		{ "kernels", BENCH_TEXT, &common->kernels },
		{ "threads", BENCH_WHOLE, &threads },
		{ "json", BENCH_TEXT, &common->json },
		{ "no-header", BENCH_OFF, &common->header },
	};
	struct bench_option *all = bench_memory(COMMON_OPTIONS + own_count, sizeof *all);
	for (int i = 0; i < COMMON_OPTIONS + own_count; i++)
		all[i] = i < COMMON_OPTIONS ? shared[i] : own[i - COMMON_OPTIONS];
	read_words(count, words, all, COMMON_OPTIONS + own_count);
	common->threads = (int)threads;
	free(all);
}
