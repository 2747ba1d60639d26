/* What the benchmarks share: reading options, rounds of measurement that another program may pace, the machine's
 * ceiling of matrix products, and a table that is printed and stored as HDF5.
 *
 * A benchmark is a program of its own: what goes wrong ends it with one sentence and a documented exit code.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_BENCH_H
#define CAPSHAPE_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "kernels/kernels.h"
#include "model/config.h"

/* Ends the program unless STATUS_OK. */
void bench_require(enum status status);
/* Zeroed; never NULL. */
void *bench_memory(int64_t count, size_t size);

/* ---- options: the program ends with a sentence when `text` does not fit */
double bench_number(const char *option, const char *text, double least, double most);
int64_t bench_whole(const char *option, const char *text); /* 1 .. 1e9 */
enum precision bench_precision(const char *text);
const char *bench_precision_name(enum precision precision);
const struct kernels *bench_kernels(const char *text);
/* A language model as the project trains it: rotary positions, muP with base width 256. */
struct model_config bench_config(const char *size, int64_t vocabulary, int64_t context);

/* ---- measurement */
struct bench_spread {
	double median, least, most; /* seconds of one unit of work */
};
/* One round of work; returns the seconds of one unit of it (such as a training step). */
typedef double bench_round(void *state, int64_t round);
/* Round 0 prepares and does not count; rounds 1 .. `rounds` do. Paced: prints "ready", then begins each round when a
 * line arrives on standard input and prints its seconds, so that two programs can take turns; the end of the input ends
 * the measurement. */
struct bench_spread bench_rounds(int64_t rounds, bool paced, bench_round *work, void *state);
/* Floating-point operations a second of a 2048 x 2048 x 2048 product in the device's precision on all its threads: the
 * best of several, as it is a ceiling. */
double bench_ceiling(const struct kernels *kernels, struct device *device);
/* Largest resident size of the process so far, bytes; device memory of a GPU is not in it. */
double bench_peak_memory(void);

/* ---- results */
struct bench_field {
	const char *name, *unit, *meaning; /* of the column in the file */
	const char *heading;               /* of the printed column: one word */
	double number, scale;              /* number / scale is printed; no number: NAN */
	int decimals;
	const char *text; /* instead of a number */
};
struct bench_field bench_field_text(const char *name, const char *meaning, const char *heading, const char *text);
struct bench_field bench_field_number(const char *name, const char *unit, const char *meaning, const char *heading,
                                      double number, double scale, int decimals);
struct bench_table;
struct bench_table *bench_table_create(void);
void bench_table_destroy(struct bench_table *table);
/* Copies a row; every row has the same columns. */
void bench_table_add(struct bench_table *table, const struct bench_field *fields, size_t count);
/* Aligned columns, one line a row; a row has as many words as the heading line. */
void bench_table_print(const struct bench_table *table, bool header);
/* One data set a column, attributes unit and long_name. /provenance has what made the file (results/provenance.h) and
 * processor and cores (online). words: the command line. */
void bench_table_write(const struct bench_table *table, const char *path, int count, char **words, const char *device);

#endif
