/* The table of operations: the only door to a device.
 *
 * The model (src/model) is written once over this table and never asks which device it runs on. Every implementation
 * (kernels/cpu, kernels/reference, kernels/cuda) fills one `struct kernels`.
 *
 * Memory. All pointers below are device memory from allocate(), except where "host" is said. Matrices are row-major.
 *   activation  void *: elements of activation_bytes bytes (4: float; 2: bfloat16), chosen by the device;
 *   weight      const void *: a parameter in compute precision, weight_bytes bytes an element. Where
 *               weight_bytes == 4 the compute weights ARE the float master parameters (same memory);
 *   float *     master parameters, gradients, losses, statistics: always 32-bit floats.
 * Everything a kernel adds up is added in an order that depends on the shapes only, so equal input gives equal bits.
 * The order may differ between devices and instruction sets: two kinds of processor need not give the same bits, one
 * machine always does, with any number of threads.
 * The result for one row never depends on the contents of other rows, except where a sum over rows is the purpose.
 *
 * Calls are asynchronous where the device is; synchronize() waits. A device is used by one thread at a time.
 * Notation: R rows (tokens of a micro-batch), Q rows that are queries, D width, V vocabulary rows, H heads, K head size (any even number up to
 * 256), B sequences, T positions a sequence, R = B T.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_KERNELS_H
#define CAPSHAPE_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/status.h"

struct device; /* state of one device: library handles, cached primitives, scratch memory */

enum precision { PRECISION_FLOAT32, PRECISION_BFLOAT16 };

struct adamw_step {
	double learning_rate; /* of this range, schedule and muP factor included */
	double beta1, beta2;
	double epsilon;
	double weight_decay;    /* decoupled: p -= learning_rate * weight_decay * p */
	double correction1;     /* 1 - beta1^step, step counted from 1 */
	double correction2;     /* 1 - beta2^step */
	double gradient_factor; /* every gradient is multiplied by this first (clipping) */
};

/* Which rows attend to which: B sequences of T positions, of which all rows or a list of them are queries. Query i has
 * its H heads of K elements at element i * query_step; row r has its H key heads, then its H value heads at element
 * r * key_step. */
struct attention_shape {
	int64_t sequences, length; /* B, T */
	int heads, head_size;      /* H, K */
	float scale;               /* of the scores */
	const int32_t *starts;     /* [R] first visible position, never decreasing within a sequence; NULL: all 0 */
	const int32_t *queries;    /* [Q] rows b T + t, ascending and distinct; NULL: all rows are queries */
	int64_t query_count;       /* Q; R where queries is NULL */
	int64_t query_step, key_step;
};

/* Rows that a product is to take as norm_forward() would normalise them with gains of 1, from what is known of them: their sums of
 * squares, in parts that add up in ascending order. The results are multiplied instead of the rows, before they are rounded. */
struct row_norm {
	const float *squares; /* [parts, R], parts as norm_parts() says */
	float epsilon;
};

/* Heads of K elements side by side, of which the first `turned` are rotated as rope() does. */
struct rope_shape {
	const int32_t *positions; /* [R] */
	int heads, turned, head_size;
	double base;
};

/* Queries that stand anywhere in texts whose keys and values are kept: rows of a cache, `capacity` for each text, row t of
 * text s at element (s * capacity + t) * 2 H K: its H key heads, then its H value heads. Query i has its H heads of K elements
 * at element i * H K. */
struct cached_shape {
	int64_t queries, capacity;
	int heads, head_size;
	float scale;              /* of the scores */
	const int32_t *texts;     /* [queries] */
	const int32_t *positions; /* [queries] the last row that the query sees, its own */
	int64_t longest;          /* no position is larger */
};

/* Exchange between the devices of several ranks without the host (NCCL). What is asked for is done in the order of the calls, in a
 * stream of the peers' own beside the device's; no call waits for it. Peers have numbers 0 .. size - 1. All of them must
 * ask for what belongs together in the same order. A failure that NCCL finds, later too, is STATUS_PEER. */
struct peers;

enum { PEERS_ID_BYTES = 128, PEERS_IDENTITY = 64 };

/* What goes on while a call has to wait for the other peers to come, as when they first talk to each other. */
struct peer_wait {
	void (*turn)(void *state); /* called again and again; naps */
	void *state;
	double timeout; /* seconds after which the call fails */
};

struct peer_table {
	/* Whether this device can take part, and which it is: equal texts on one node are one GPU, which cannot be two peers.
	 * Else false, and the reason. */
	bool (*available)(struct device *device, char identity[PEERS_IDENTITY], char *reason, size_t size);
	/* By one of the peers, which tells the others. */
	enum status (*make_id)(struct device *device, unsigned char id[PEERS_ID_BYTES]);
	/* Begins to connect; the peers may be used when connected() says so. marks: how many there are. *wait is copied. */
	enum status (*connect)(struct device *device, const unsigned char id[PEERS_ID_BYTES], int number, int size,
	                       int marks, const struct peer_wait *wait, struct peers **peers_out);
	enum status (*connected)(struct peers *peers, bool *connected_out);
	/* orderly: all peers do so, and nothing has failed; waits for them. Else gives up what is not done, at once. */
	void (*disconnect)(struct peers *peers, bool orderly);
	/* "NCCL 2.28.9". Owned by the peers. */
	const char *(*describe)(const struct peers *peers);

	/* What follows waits for all that the device has been asked for. */
	enum status (*follow_device)(struct peers *peers);
	/* Whether the device has done what it had been asked for at the last follow_device(). */
	enum status (*device_passed)(struct peers *peers, bool *passed_out);
	/* Mark `mark` (0 .. marks - 1) is passed when all that was asked of the peers is done, and before it is first set. */
	enum status (*mark)(struct peers *peers, int mark);
	enum status (*passed)(struct peers *peers, int mark, bool *passed_out);
	/* What the device is asked for from now on waits for the mark, as it was set last. */
	enum status (*lead_device)(struct peers *peers, int mark);

	/* Device memory. Sends to and receives from one peer; either may be nothing. */
	enum status (*exchange)(struct peers *peers, int peer, const void *send, size_t send_bytes, void *receive,
	                        size_t receive_bytes);
	/* y += x, as the device's add() does. */
	enum status (*add)(struct peers *peers, float *y, const float *x, size_t count);
	/* own[i] = sum over peers of their all[number * each + i], in an order of the library's; own may be that part of all. */
	enum status (*scatter_sum)(struct peers *peers, float *own, const float *all, size_t each);
	/* all[p * bytes ..] = own of peer p; own may be its part of all. */
	enum status (*gather)(struct peers *peers, void *all, const void *own, size_t bytes);
};

/* What a GPU says below: thousands of rows, a product that fills every multiprocessor. */
enum { GPU_LOGITS_MIB = 1 << 12, GPU_LOGITS_ROWS = 1 << 14, GPU_FORWARD_ROWS = 1 << 15, GPU_GENERATION_ROWS = 64 };

struct kernels {
	const char *name;  /* "cpu", "reference", "cuda" */
	bool asynchronous; /* calls return before they are done */
	/* How the head of a model is to be cut: into chunks of at most about so many bytes of logits (what the cache of a CPU
	 * holds; what a GPU can spare), of a multiple of so many rows where that is not more than a chunk. On a GPU these
	 * are 128 tiles of 128 rows: with any number of tiles in a row all of the 132 multiprocessors of an H200 but 3 % have a tile in
	 * every round of the product for the gradient of the input, where results are few and sums long. */
	size_t logits_bytes;
	int64_t logits_rows;
	/* Rows (tokens) that a micro-batch should have at least where nothing but speed depends on their number; 0: any. */
	int64_t forward_rows;
	/* Rows that a product with a weight should have when text is generated, a token of each text at a time: the weight must be
	 * read from memory anyway, and so many rows cost hardly more than one. Products of always this number of rows give a
	 * text the same bits whatever is generated beside it. */
	int64_t generation_rows;

	const struct peer_table *peers; /* NULL: devices of this kind cannot exchange directly */

	/* `threads`: CPU threads of this device (1 = none besides the caller's). */
	enum status (*device_create)(enum precision precision, int threads, struct device **device_out);
	void (*device_destroy)(struct device *device);
	/* From now on parts of sums may be added in any order where that is faster, so that two runs have different bits. NULL: there
	 * is nothing to gain. */
	void (*device_allow_any_order)(struct device *device, bool allowed);
	/* One line for the banner, such as "oneDNN 2.6.3, float32, 1 thread". Owned by the device. */
	const char *(*device_describe)(const struct device *device);
	size_t (*activation_bytes)(const struct device *device);
	size_t (*weight_bytes)(const struct device *device);

	/* Memory: 64-byte aligned (256 on CUDA), zeroed. allocate() returns NULL after error_raise(). */
	void *(*allocate)(struct device *device, size_t bytes);
	void (*release)(struct device *device, void *memory);
	/* Host memory that downloads fill at the rate of the bus: page-locked where the device profits and the system allows
	 * it, which takes its time (seconds for tens of GB). Contents undefined. NULL after error_raise(). */
	void *(*allocate_host)(struct device *device, size_t bytes);
	void (*release_host)(struct device *device, void *memory);
	enum status (*upload)(struct device *device, void *target, const void *host_source, size_t bytes);
	enum status (*download)(struct device *device, void *host_target, const void *source, size_t bytes);
	/* The same without waiting: host_target is written by synchronize(), or before; it must stay until then. Later
	 * calls may write to the source. After a synchronize() that failed nothing is written any more. */
	enum status (*download_later)(struct device *device, void *host_target, const void *source, size_t bytes);
	enum status (*clear)(struct device *device, void *memory, size_t bytes);
	/* Activation elements to host floats; waits. */
	enum status (*download_activation)(struct device *device, float *host_target, const void *source, size_t count);
	/* Host floats to activation elements. */
	enum status (*upload_activation)(struct device *device, void *target, const float *host_source, size_t count);
	/* x[i] = deviation * random_normal(seed, RANDOM_INITIALISATION, stream, i): the same bits on every device. */
	enum status (*fill_normal)(struct device *device, float *x, size_t count, double deviation, uint64_t seed,
	                           uint64_t stream);
	enum status (*synchronize)(struct device *device);
	/* A place in the order of the calls; wait_for() waits until all that was asked for before it is done, and what
	 * download_later() was asked for before it has been written. Other work goes on meanwhile: with it, a caller that
	 * always has more to ask for never leaves the device idle. A mark need not be waited for; an old one that is waited
	 * for late may mean some of what came after it, too. */
	enum status (*mark)(struct device *device, int64_t *mark_out);
	enum status (*wait_for)(struct device *device, int64_t mark);

	/* weights[i] = master[i] in compute precision; nothing where weight_bytes == 4. */
	enum status (*convert_weights)(struct device *device, void *weights, const float *master, size_t count);

	/* y[R,D] = table[ids[r], :]. */
	enum status (*embedding_forward)(struct device *device, void *y, const void *table, const int32_t *ids,
	                                 int64_t rows, int64_t width);
	/* gradient[ids[r], :] += dy[r, :], r ascending; where an id has very many rows, parts of them may be added up first.
	 * The sum of an id depends on its own rows only. */
	enum status (*embedding_backward)(struct device *device, float *gradient, const void *dy, const int32_t *ids,
	                                  int64_t rows, int64_t width);

	/* sum[r] = residual[r] + branch[r] (branch may be NULL: sum = residual; sum or normed may be residual);
	 * inverse_rms[r] = 1 / sqrt(mean(sum[r]^2) + epsilon); normed[r] = sum[r] * inverse_rms[r] * gain. */
	enum status (*norm_forward)(struct device *device, void *sum, void *normed, float *inverse_rms,
	                            const void *residual, const void *branch, const void *gain, int64_t rows,
	                            int64_t width, float epsilon);
	/* dresidual[r] (+)= gradient through the norm of dnormed[r]; gain_gradient += its part. `x` is the `sum` of the
	 * forward pass. accumulate: add to dresidual, else write it. dresidual may be dnormed when not accumulating. */
	enum status (*norm_backward)(struct device *device, void *dresidual, float *gain_gradient, const void *dnormed,
	                             const void *x, const float *inverse_rms, const void *gain, int64_t rows,
	                             int64_t width, bool accumulate);

	/* y[R,out] = x[R,in] weight[out,in]^T. */
	enum status (*linear_forward)(struct device *device, void *y, const void *x, const void *weight, int64_t rows,
	                              int64_t in, int64_t out);
	/* dx[R,in] (+)= dy[R,out] weight[out,in]. */
	enum status (*linear_backward_input)(struct device *device, void *dx, const void *dy, const void *weight,
	                                     int64_t rows, int64_t in, int64_t out, bool accumulate);
	/* gradient[out,in] += dy[R,out]^T x[R,in]. */
	enum status (*linear_backward_weight)(struct device *device, float *gradient, const void *dy, const void *x,
	                                      int64_t rows, int64_t in, int64_t out);

	/* Rotates the first `rotated` heads of each row of x[R, heads, K] (of packed q, k, v heads the first two thirds)
	 * in place by the angles of positions[r]: pairs (i, i + K/2), angle position * base^(-2 i / K). inverse: rotate
	 * back (gradients). */
	enum status (*rope)(struct device *device, void *x, const int32_t *positions, int64_t rows, int heads,
	                    int rotated, int head_size, double base, bool inverse);

	/* Causal attention: the query of row b T + t sees keys starts[b T + t] .. t of its sequence.
	 * out[Q, H, K] = softmax(scale q k^T) v; log_sum[H, Q] = log sum exp of the scaled scores. Never holds a T x T
	 * matrix; rows that are no queries cost nothing but their part as keys. */
	enum status (*attention_forward)(struct device *device, void *out, float *log_sum, const void *q,
	                                 const void *kv, const struct attention_shape *shape);
	/* dq and dkv lie as q and kv do; every query's and every row's part is written. */
	enum status (*attention_backward)(struct device *device, void *dq, void *dkv, const void *dout, const void *out,
	                                  const float *log_sum, const void *q, const void *kv,
	                                  const struct attention_shape *shape);

	/* out[N, H, K] = softmax(scale q k^T) v of the rows 0 .. positions[i] of the query's text in the cache. What a query
	 * gets depends on these rows and their number only, in every bit. */
	enum status (*attention_cached)(struct device *device, void *out, const void *q, const void *cache,
	                                const struct cached_shape *shape);

	/* y = max(x, 0)^2. y may be x only when the caller keeps y for backward instead of x. */
	enum status (*relu_squared_forward)(struct device *device, void *y, const void *x, int64_t count);
	/* dx = dy * 2 sqrt(y), y = the forward output (so x need not be kept). dx may be dy. */
	enum status (*relu_squared_backward)(struct device *device, void *dx, const void *dy, const void *y,
	                                     int64_t count);

	/* y[R,out] = max(x[R,in] weight[out,in]^T, 0)^2: linear_forward() and relu_squared_forward() in place, at once; sums are rounded to
	 * activation elements between them here, too. norm: of the rows of x, NULL: they stay as they are. *taken: false where the
	 * device does not do so for the shape and nothing was done. NULL: it never does. Whether it does, and the bits of a row,
	 * do not depend on the other rows or their number. */
	enum status (*linear_relu_squared_forward)(struct device *device, void *y, const void *x,
	                                           const struct row_norm *norm, const void *weight, int64_t rows,
	                                           int64_t in, int64_t out, bool *taken);
	/* y[R, heads, K] = x[R,in] weight^T, rotated: linear_forward() and rope() in place, at once, in the same way. rope->turned may
	 * be 0: then it is linear_forward() with a norm, for heads that it would not take otherwise. *taken, norm and NULL as above. */
	enum status (*linear_rope_forward)(struct device *device, void *y, const void *x, const struct row_norm *norm,
	                                   const void *weight, const struct rope_shape *rope, int64_t rows, int64_t in,
	                                   bool *taken);
	/* sum[R,out] = residual[R,out] + x[R,in] weight[out,in]^T, rounded once; sum may be residual. squares: NULL, or
	 * [norm_parts(), R], which become the parts of the sums of squares of sum's rows, as it is stored. *taken and NULL as above; bits
	 * as linear_forward() has them. */
	enum status (*linear_add_forward)(struct device *device, void *sum, float *squares, const void *residual,
	                                  const void *x, const void *weight, int64_t rows, int64_t in, int64_t out,
	                                  bool *taken);
	/* In how many parts linear_add_forward() leaves the squares of rows of so many elements, 2 + width / 128 at most. 0: a norm
	 * before a product is better a pass of its own here; else all of linear_relu_squared_forward(), linear_rope_forward() and
	 * linear_add_forward() are taken with norms and squares where sizes are multiples of the width and memory is that of
	 * allocate() or 16-byte aligned. NULL: always 0. row_squares() and fold_gain() are there where this is. */
	int64_t (*norm_parts)(const struct device *device, int64_t width);
	/* squares[0, r] = sum of squares of x[r, :]; the other parts become 0. */
	enum status (*row_squares)(struct device *device, float *squares, const void *x, int64_t rows, int64_t width);
	/* weights[r, j] = master[r, j] * gain[j], rounded once to compute precision: with these, a product takes rows of gain 1. */
	enum status (*fold_gain)(struct device *device, void *weights, const float *master, const float *gain,
	                         int64_t rows, int64_t width);
	/* dx[R,in] = (dy[R,out] weight[out,in]) * 2 sqrt(y[R,in]), y that of the forward pass: linear_backward_input() and
	 * relu_squared_backward() in place, at once. dx is not y. *taken and NULL as above. */
	enum status (*linear_relu_squared_backward)(struct device *device, void *dx, const void *dy, const void *weight,
	                                            const void *y, int64_t rows, int64_t in, int64_t out, bool *taken);

	/* y[i, :] = x[index[i], :] for i < rows. */
	enum status (*gather_rows)(struct device *device, void *y, const void *x, const int32_t *index, int64_t rows,
	                           int64_t width);
	/* y[index[i], :] (+)= x[i, :]; other rows of y stay. Indices are distinct. */
	enum status (*scatter_rows)(struct device *device, void *y, const void *x, const int32_t *index, int64_t rows,
	                            int64_t width, bool accumulate);

	/* y[r, :] = x[r, :], all `width` elements, but 0 in the columns [begin, end) of the rows with marks[r] == mark: +0 whatever was
	 * there. y may be x: then nothing else is touched. */
	enum status (*clear_columns)(struct device *device, void *y, const void *x, const uint8_t *marks, uint8_t mark,
	                             int64_t rows, int64_t width, int64_t begin, int64_t end);

	/* Linear probes of normalised rows: with s[r] = residual[r] + branch[r], rounded as norm_forward() would store it
	 * (branch may be NULL: s = residual; nothing is stored here), out[p, r] = sum_j probes[p, j] s[r, j] / rms(s[r]),
	 * rms the root of the mean square; 0 where a row is zeros. probes[P, D], out[P, R], P >= 1. One pass over the rows,
	 * whatever P is up to 8 or so. On a CPU the sums are in double; on a GPU the parts that a thread adds up, some tens
	 * of elements, are in float, with the probes rounded to floats. */
	enum status (*probe)(struct device *device, double *out, const void *residual, const void *branch,
	                     const double *probes, int64_t count, int64_t rows, int64_t width);

	/* How far rows are from their targets: squares[r] = sum_j (x[r, j] - target[r step + j])^2, and gradient[r, j] = factor *
	 * (x[r, j] - target[r step + j]), which for factor = 2 f is the gradient of f * sum_r squares[r]. All are activations of
	 * [R, D] but squares, [R]; step is D, or 0: one target for all rows. gradient may be x, and target where step is D. */
	enum status (*square_distance)(struct device *device, float *squares, void *gradient, const void *x,
	                               const void *target, int64_t step, float factor, int64_t rows, int64_t width);

	/* Weighted cross-entropy over rows of logits[R, V], with the logits used being multiplier * logits:
	 * losses[r] = log sum exp - value at targets[r] (unweighted, natural logarithm). When weights is not NULL,
	 * logits is overwritten by weights[r] * multiplier * (softmax - one_hot), the gradient of
	 * sum_r weights[r] * losses[r] with respect to logits. */
	enum status (*cross_entropy)(struct device *device, float *losses, void *logits, const int32_t *targets,
	                             const float *weights, int64_t rows, int64_t vocabulary, float multiplier);

	/* Both at once, of what linear_forward() would give: losses of x[R,D] weight[V,D]^T, without logits in memory. Where
	 * weights is not NULL, factors[r] * gradient[r, :] is what cross_entropy() would leave in logits: the gradient with
	 * respect to x weight^T, V activation elements a row. *taken: false where the device has no such way for the shape
	 * and nothing was done. NULL: it never has. */
	enum status (*narrow_head)(struct device *device, float *losses, void *gradient, float *factors, const void *x,
	                           const void *weight, const int32_t *targets, const float *weights, int64_t rows,
	                           int64_t width, int64_t vocabulary, float multiplier, bool *taken);
	/* x[r, :] *= factors[r]. NULL where narrow_head is. */
	enum status (*scale_rows)(struct device *device, void *x, const float *factors, int64_t rows, int64_t width);

	/* y += x. */
	enum status (*add)(struct device *device, float *y, const float *x, size_t count);
	/* host_sums[b] = sum of squares, in double, of block b of `block` elements (the last may be short). host_sums is
	 * written by synchronize(), or before, as with download_later(). */
	enum status (*sum_of_squares)(struct device *device, double *host_sums, const float *x, size_t count,
	                              size_t block);
	/* One AdamW update of `count` elements; weights (compute copies) are refreshed where weight_bytes != 4. */
	enum status (*adamw)(struct device *device, float *master, float *moment1, float *moment2,
	                     const float *gradient, void *weights, size_t count, const struct adamw_step *step);
};

/* The implementations. kernels_cuda() is NULL in a build without CUDA. */
const struct kernels *kernels_cpu(void);
const struct kernels *kernels_reference(void); /* plain C loops in float, double inside: what tests compare with */
const struct kernels *kernels_cuda(void);

/* How many CUDA devices this process can use: those that CUDA_VISIBLE_DEVICES leaves and that are new enough; 0 without a
 * driver or in a build without CUDA. Not an error, and quick where there is no driver. */
int kernels_cuda_devices(void);
/* Two lines: which versions of CUDA and its libraries the program was built for, and which are here; one line in a build without.
 * Opens the libraries, no device. */
void kernels_cuda_print_versions(FILE *stream);
/* Bytes of memory that the device which this thread has chosen has left; 0 where there is none. */
double kernels_cuda_free(void);
/* Which of them the next device_create() of kernels_cuda() in this thread opens: `number` modulo their count, so that the
 * ranks of a node, counted from 0, share its devices. Nothing where there is none; device_create() then says so. */
enum status kernels_cuda_choose(int number);

/* What tells devices apart, whatever numbers they have in the processes that see them. */
struct cuda_identity {
	char bus[20];           /* PCI address, "0000:4e:00.0"; instances of MIG have that of their GPU */
	unsigned char uuid[16]; /* of the device, or of the instance; zeros where it is not known */
};
enum { CUDA_NAME_SIZE = 48 };
/* Of device `number`, less than kernels_cuda_devices(). Starts no work on it and takes no memory of it. */
enum status kernels_cuda_identify(int number, struct cuda_identity *identity_out, char name_out[CUDA_NAME_SIZE]);

/* Micro-batches as a model runs them: B sequences of T rows. */
struct kernels_load {
	enum precision precision;
	int64_t sequences, length, width; /* B, T, D */
	int heads;
	int64_t parameters;
	bool training; /* backward, too */
};
/* Bytes that a CUDA device takes for such a load beside what allocate() gave, at most. Without a device, and in any build. */
struct cuda_footprint {
	size_t products;    /* workspace of cuBLASLt */
	size_t attention;   /* workspace of cuDNN, and rows that are spread out for it */
	size_t scratch;     /* of own kernels: sorted ids and sums by parts */
	size_t page_locked; /* of the host: copies pass through it */
};
struct cuda_footprint kernels_cuda_footprint(const struct kernels_load *load);

#endif
