/* Weighted cross-entropy and its gradient, in place of the logits.
 *
 * A row is needed twice, for its largest value and sum and then for its gradient, but should come from memory once. Where a
 * row fits into the shared memory of a multiprocessor (116,000 bfloat16 numbers of 227 KB), rows_in_shared() keeps it there.
 * That leaves room for one block only, which must not read, then compute, then write in turn: therefore a block goes
 * through many rows, and as soon as a vector of a row has been replaced by its gradient, the same vector of the block's next
 * row is asked for, in the same place; it is summed DEPTH vectors later, when it has arrived. So reads, writes and both
 * rounds of powers go on side by side, and at the end of a row nothing is left to wait for but the last DEPTH vectors. A
 * vector's place belongs to one thread: only the sums over the block need a barrier, one a row. The alternatives were two
 * passes over global memory, which take the second reading from the second-level cache (half as many bytes again between
 * there and the multiprocessors, and 132 rows of 200 KB are half of the cache), and pairs of blocks that share a row (more
 * barriers and no more overlap). two_passes() does the former for rows that are longer, or not aligned: forwards for the
 * sums, backwards for the gradient, so that what was read last is read first. CAPSHAPE_ROWS_IN_SHARED=0 at compile time
 * takes that for all rows, to measure the difference.
 *
 * All in base 2: the power of x is 2^(steep (sign x - largest)) with sign * steep = multiplier / ln 2 and the largest sign x,
 * steep >= 0. A thread's sum is relative to the largest it has seen; which numbers meet in which order follows from the
 * vocabulary and the alignment. NaN is dropped by a maximum but not by the sum, so it spreads over its row.
 * SPDX-License-Identifier: Apache-2.0 */
#include <float.h>

#include "kernels/cuda/launch.h"

#ifndef CAPSHAPE_ROWS_IN_SHARED
#define CAPSHAPE_ROWS_IN_SHARED 1
#endif

enum {
	LEAST_THREADS = 128,
	MOST_THREADS = 1024,
	VECTORS_A_THREAD = 8, /* of a row, at least, where there are more threads than the least */
	DEPTH = 4,            /* vectors of a thread that are on their way */
	GROUP = 4,            /* vectors of a thread that two_passes() reads at once */
	/* Of a multiprocessor: threads of rows_in_shared() (32 registers) and of two_passes() (up to 64), bytes. */
	SHARED_THREADS = 2048,
	PASSES_THREADS = 1024,
	MOST_SHARED = 227 << 10,
	RESERVED = 2048 /* bytes of shared memory of a block besides its row, rounded up */
};

struct loss {
	float *losses;
	const int32_t *targets;
	const float *weights;
	int64_t rows, vocabulary;
	float multiplier, sign, steep;
};

/* The sum of powers relative to `largest`. */
struct sum {
	float largest, powers;
};

/* Relative error 2^-22; 0 below 2^-126. */
static __device__ __forceinline__ float power_of_two(float x)
{
#ifdef CAPSHAPE_CUDA_EMULATION
	return emulator_power_of_two(x);
#else
	float result;
	asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(x));
	return result;
#endif
}

template <int COUNT> static __device__ __forceinline__ void widen(float x[COUNT], vector<float, COUNT> part)
{
	for (int j = 0; j < COUNT; j++)
		x[j] = part.values[j];
}

/* Two by two: one instruction a number. */
template <int COUNT> static __device__ __forceinline__ void widen(float x[COUNT], vector<bfloat16, COUNT> part)
{
	for (int j = 0; j + 1 < COUNT; j += 2) {
		uint32_t pair;
		memcpy(&pair, &part.values[j], sizeof pair);
		x[j] = __uint_as_float(pair << 16);
		x[j + 1] = __uint_as_float(pair & 0xffff0000u);
	}
	if (COUNT % 2 == 1)
		x[COUNT - 1] = to_float(part.values[COUNT - 1]);
}

/* ---- copies to shared memory that go on while the thread does other things */

#ifdef CAPSHAPE_CUDA_EMULATION
static void copy_start(void *shared, const void *source)
{
	emulator_copy_begin(shared, source, 16, true);
}

static void copy_start_number(void *shared, const void *source)
{
	emulator_copy_begin(shared, source, 4, true);
}

static void copy_end_group()
{
	emulator_copy_end_group();
}

template <int LEFT> static void copy_wait()
{
	emulator_copy_wait(LEFT);
}
#else
static __device__ __forceinline__ void copy_start(void *shared, const void *source)
{
	asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"((uint32_t)__cvta_generic_to_shared(shared)),
	             "l"(source)
	             : "memory");
}

static __device__ __forceinline__ void copy_start_number(void *shared, const void *source)
{
	asm volatile("cp.async.ca.shared.global [%0], [%1], 4;" ::"r"((uint32_t)__cvta_generic_to_shared(shared)),
	             "l"(source)
	             : "memory");
}

/* Ends a group of copies, which may be empty. */
static __device__ __forceinline__ void copy_end_group()
{
	asm volatile("cp.async.commit_group;" ::: "memory");
}

/* Until this thread has at most LEFT groups on their way. */
template <int LEFT> static __device__ __forceinline__ void copy_wait()
{
	asm volatile("cp.async.wait_group %0;" ::"n"(LEFT) : "memory");
}
#endif

/* ---- sums */

static __device__ __forceinline__ sum sum_of_none()
{
	return { -FLT_MAX, 0.0f }; /* finite, so that -infinity alone has powers 0 */
}

template <typename Element, int COUNT>
static __device__ __forceinline__ sum sum_with(sum old, vector<Element, COUNT> part, float sign, const loss &loss)
{
	/* Two of each, so that less has to wait for what is before it. */
	float x[COUNT], largest[2] = { old.largest, old.largest }, powers[2] = { 0.0f, 0.0f };

	widen<COUNT>(x, part);
	for (int j = 0; j < COUNT; j++) {
		x[j] *= sign;
		largest[j % 2] = fmaxf(largest[j % 2], x[j]);
	}
	float both = fmaxf(largest[0], largest[1]);
	for (int j = 0; j < COUNT; j++)
		powers[j % 2] += power_of_two((x[j] - both) * loss.steep);
	return { both, fmaf(old.powers, power_of_two((old.largest - both) * loss.steep), powers[0] + powers[1]) };
}

static __device__ __forceinline__ sum warp_total(sum own, float steep)
{
	float largest = warp_max(own.largest);
	return { largest, warp_sum(own.powers * power_of_two((own.largest - largest) * steep)) };
}

/* All threads get the sum of all. `room`: shared, two of them in turns, so that one barrier is enough. */
static __device__ __forceinline__ sum block_total(sum own, float steep, sum *room)
{
	int lane = threadIdx.x % WARP, warps = blockDim.x / WARP;

	own = warp_total(own, steep);
	if (lane == 0)
		room[threadIdx.x / WARP] = own;
	__syncthreads();
	return warp_total(lane < warps ? room[lane] : sum_of_none(), steep);
}

/* ---- results of a row */

/* Whether this thread has that vector of every row. Blocks have a power of two of threads. */
static __device__ __forceinline__ bool owns(int64_t number)
{
	return (number & (blockDim.x - 1)) == threadIdx.x;
}

/* Both terms are at least 0, as `chosen`, sign times the target's logit, is not above the largest: nothing cancels. */
static __device__ __forceinline__ float loss_of(sum total, float chosen, const loss &loss)
{
	return fmaf(fabsf(loss.multiplier), total.largest - chosen, logf(total.powers));
}

template <typename Element, int COUNT>
static __device__ __forceinline__ vector<Element, COUNT> gradient_of(vector<Element, COUNT> part, float sign,
                                                                     float largest, float scale, const loss &loss)
{
	float x[COUNT];

	widen<COUNT>(x, part);
	for (int j = 0; j < COUNT; j++)
		part.values[j] = from_float<Element>(power_of_two((sign * x[j] - largest) * loss.steep) * scale);
	return part;
}

static __device__ __forceinline__ float gradient_of_target(sum total, float chosen, float scale, const loss &loss)
{
	return (power_of_two((chosen - total.largest) * loss.steep) - total.powers) * scale;
}

/* ---- one reading */

/* Rows blockIdx.x, blockIdx.x + gridDim.x and so on; in the round of a row, the gradient of the row before it is written. A
 * thread has the vectors threadIdx.x, threadIdx.x + blockDim.x and so on of each. loss.sign is 1. */
template <typename Element>
static __global__ void __launch_bounds__(MOST_THREADS) rows_in_shared(Element *logits, const loss loss)
{
	enum { COUNT = wide<Element>::COUNT };
	typedef vector<Element, COUNT> part;
	CUDA_SHARED(part, kept);
	/* Of two rounds in turns: a thread may be one barrier behind. */
	__shared__ sum rooms[2][WARP];
	__shared__ int32_t targets[2];
	__shared__ float weights[2];
	int threads = blockDim.x, vectors = (int)(loss.vocabulary / COUNT), turn = 0, target = 0;
	Element *row = logits;
	bool due = false; /* the gradient of `row` */
	sum total = sum_of_none();
	float scale = 0.0f, of_target = 0.0f;

	for (int64_t next = blockIdx.x; next < loss.rows || due; next += gridDim.x, turn = !turn) {
		bool more = next < loss.rows;
		Element *next_row = logits + next * loss.vocabulary;
		const part *source = (const part *)next_row + threadIdx.x;
		part *result = (part *)row + threadIdx.x, *place = kept + threadIdx.x, *arrived = place;
		sum own = sum_of_none();
		if (threadIdx.x == 0 && more) {
			copy_start_number(&targets[turn], &loss.targets[next]);
			if (loss.weights != NULL)
				copy_start_number(&weights[turn], &loss.weights[next]);
		}
		for (int i = threadIdx.x; i < vectors + DEPTH * threads; i += threads) {
			if (i < vectors && due)
				*result = gradient_of(*place, 1.0f, total.largest, scale, loss);
			if (i < vectors && more)
				copy_start(place, source);
			copy_end_group();
			copy_wait<DEPTH>();
			if (i >= DEPTH * threads) {
				if (more)
					own = sum_with(own, *arrived, 1.0f, loss);
				arrived += threads;
			}
			place += threads, source += threads, result += threads;
		}
		/* The thread that has written the rest of the vector. */
		if (due && owns(target / COUNT))
			row[target] = from_float<Element>(of_target);
		due = more && loss.weights != NULL;
		if (!more)
			continue;
		total = block_total(own, loss.steep, rooms[turn]);
		target = targets[turn];
		row = next_row;
		if (due)
			scale = weights[turn] * loss.multiplier / total.powers;
		if (owns(target / COUNT)) {
			float chosen = to_float(((const Element *)kept)[target]);
			loss.losses[next] = loss_of(total, chosen, loss);
			of_target = gradient_of_target(total, chosen, scale, loss);
		}
	}
}

/* ---- two readings */

template <typename Element, int COUNT>
static __global__ void __launch_bounds__(MOST_THREADS) two_passes(Element *logits, const loss loss)
{
	typedef vector<Element, COUNT> part;
	__shared__ sum rooms[2][WARP];
	int64_t vectors = loss.vocabulary / COUNT, step = blockDim.x;
	/* Whole groups of this thread, and where they end. */
	int64_t groups_end = vectors / (GROUP * step) * (GROUP * step) + threadIdx.x, i;
	int turn = 0;

	for (int64_t r = blockIdx.x; r < loss.rows; r += gridDim.x, turn = !turn) {
		Element *row = logits + r * loss.vocabulary;
		int32_t target = loss.targets[r];
		sum own = sum_of_none();
		for (i = threadIdx.x; i < groups_end; i += GROUP * step) {
			part parts[GROUP];
			for (int g = 0; g < GROUP; g++)
				parts[g] = ((const part *)row)[i + g * step];
			for (int g = 0; g < GROUP; g++)
				own = sum_with(own, parts[g], loss.sign, loss);
		}
		for (; i < vectors; i += step)
			own = sum_with(own, ((const part *)row)[i], loss.sign, loss);
		sum total = block_total(own, loss.steep, rooms[turn]);
		float scale = loss.weights != NULL ? loss.weights[r] * loss.multiplier / total.powers : 0.0f,
		      of_target = 0.0f;
		/* Before the same thread writes there. */
		if (owns(target / COUNT)) {
			float chosen = loss.sign * to_float(row[target]);
			loss.losses[r] = loss_of(total, chosen, loss);
			of_target = gradient_of_target(total, chosen, scale, loss);
		}
		if (loss.weights == NULL)
			continue;
		for (i -= step; i >= groups_end; i -= step)
			((part *)row)[i] = gradient_of(((const part *)row)[i], loss.sign, total.largest, scale, loss);
		for (i = groups_end - GROUP * step; i >= 0; i -= GROUP * step) {
			part parts[GROUP];
			for (int g = 0; g < GROUP; g++)
				parts[g] = ((const part *)row)[i + g * step];
			for (int g = 0; g < GROUP; g++)
				((part *)row)[i + g * step] =
					gradient_of(parts[g], loss.sign, total.largest, scale, loss);
		}
		if (owns(target / COUNT))
			row[target] = from_float<Element>(of_target);
	}
}

/* ---- launches */

/* A power of two that follows from the length of a row alone, as sums depend on it. */
static unsigned threads_for(int64_t vectors)
{
	unsigned threads = LEAST_THREADS;
	while (threads < MOST_THREADS && vectors > (int64_t)threads * VECTORS_A_THREAD)
		threads *= 2;
	return threads;
}

template <typename Element, int COUNT>
static enum status launch_two_passes(struct device *device, Element *logits, const struct loss *loss)
{
	unsigned threads = threads_for(loss->vocabulary / COUNT);
	int64_t most = (int64_t)device->multiprocessors * (PASSES_THREADS / threads);
	return CUDA_LAUNCH(device, "cross_entropy", (two_passes<Element, COUNT>), cuda_blocks(loss->rows, 1, most),
	                   threads, 0, logits, *loss);
}

template <typename Element> static enum status launch(struct device *device, void *memory, const struct loss *loss)
{
	enum { COUNT = wide<Element>::COUNT };
	Element *logits = (Element *)memory;
	int64_t bytes = loss->vocabulary * (int64_t)sizeof(Element);

	if (!cuda_aligned(logits, NULL, NULL, bytes))
		return launch_two_passes<Element, 1>(device, logits, loss);
	if (!CAPSHAPE_ROWS_IN_SHARED || loss->sign < 0.0f || bytes > MOST_SHARED - RESERVED ||
	    !CUDA_ALLOW_SHARED(rows_in_shared<Element>, (size_t)bytes))
		return launch_two_passes<Element, COUNT>(device, logits, loss);
	unsigned threads = threads_for(loss->vocabulary / COUNT);
	int64_t by_threads = SHARED_THREADS / threads, by_memory = MOST_SHARED / (bytes + RESERVED);
	int64_t most = device->multiprocessors * (by_threads < by_memory ? by_threads : by_memory);
	return CUDA_LAUNCH(device, "cross_entropy", rows_in_shared<Element>, cuda_blocks(loss->rows, 1, most), threads,
	                   (size_t)bytes, logits, *loss);
}

enum status cuda_cross_entropy(struct device *device, float *losses, void *logits, const int32_t *targets,
                               const float *weights, int64_t rows, int64_t vocabulary, float multiplier)
{
	struct loss loss = { losses,
		             targets,
		             weights,
		             rows,
		             vocabulary,
		             multiplier,
		             multiplier < 0.0f ? -1.0f : 1.0f,
		             (float)fabs(multiplier * 1.4426950408889634) };
	return cuda_half(device) ? launch<bfloat16>(device, logits, &loss) : launch<float>(device, logits, &loss);
}
