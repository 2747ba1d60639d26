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
#include "model/model.h"

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
/* What the benchmarks of a model share; the defaults. */
struct bench_common {
	const char *size, *kernels, *json;
	enum precision precision;
	int threads;
	int64_t vocabulary;
	bool header;
};
struct bench_common bench_common_options(void);
/* An option that one of them has besides, and where its value goes. */
enum bench_kind {
	BENCH_TEXT,      /* const char * */
	BENCH_WHOLE,     /* int64_t, 1 .. 1e9 */
	BENCH_SHARE,     /* double, 0 .. 0.95 */
	BENCH_PRECISION, /* enum precision */
	BENCH_ON,        /* bool: takes no value and sets it, or clears it */
	BENCH_OFF
};
struct bench_option {
	const char *name;
	enum bench_kind kind;
	void *value;
};
/* Reads a command line into both. */
void bench_options_read(int count, char **words, struct bench_common *common, const struct bench_option *own,
                        int own_count);
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
/* Floating-point operations a second of a product of `square` x `square` matrices in the device's precision on all its
 * threads: the best of several, as it is a ceiling. BENCH_SQUARE is what suits CPUs. */
enum { BENCH_SQUARE = 2048 };
double bench_ceiling(const struct kernels *kernels, struct device *device, int64_t square);
/* `count` activation elements, the same few thousand random numbers again and again, within deviation / 2 of 0: speed
 * depends on no digit, though it may on their variety. Device memory, never NULL. */
void *bench_elements(const struct kernels *kernels, struct device *device, int64_t count, double deviation);
/* Work that is queued on a device. */
typedef enum status bench_work(void *state);
/* Seconds that the device needs for the work when it never waits for the host: it is kept busy with products of
 * `square` x `square` matrices until all of the work is queued. Median of several; where calls wait for the device it is plain time. */
double bench_busy(const struct kernels *kernels, struct device *device, int64_t square, bench_work *work, void *state);
/* Parameters as model_initialise() makes them, but the same million numbers again and again: a billion of them takes a
 * minute, and speed does not depend on them. */
void bench_initialise(const struct kernels *kernels, struct device *device, struct model *model);
/* Root mean square of the difference over that of `expected`. */
double bench_difference(const float *found, const float *expected, size_t count);
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
/* Appends {"kind": KIND, "NAME": value, ...} as a line to a file; numbers that are none as null. path NULL: nothing. */
void bench_json_append(const char *path, const char *kind, const struct bench_field *fields, size_t count);
struct bench_table {
	struct bench_field *fields; /* [rows, columns] */
	size_t rows, columns;
};
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
