/* The memory of a CUDA device beside what its user allocates: arithmetic only, in every build.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "kernels/cuda/bounds.h"
#include "kernels/kernels.h"

enum { PAGE = 256, SUM_BLOCK = 4096 /* elements: of the norm of the gradient */ };

static int64_t larger(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static int64_t whole(int64_t bytes)
{
	return (bytes + PAGE - 1) / PAGE * PAGE;
}

/* Of a backward pass in pieces whose sequences take so many bytes each. */
static int64_t piece_bytes(const struct kernels_load *load, int64_t sequence)
{
	int64_t most = larger(1, ATTENTION_WORKSPACE / sequence), parts = (load->sequences + most - 1) / most;
	int64_t each = (load->sequences + parts - 1) / parts;
	return whole(4 * each * load->heads * load->length) + whole(each * sequence);
}

/* As attention_library.c and attention_cudnn.c divide a micro-batch. Rows that are in a list, as where some have no loss, are spread out
 * to all rows first. */
static int64_t attention_bytes(const struct kernels_load *load)
{
	int64_t rows = load->sequences * load->length, sums = whole(4 * rows * load->heads);
	int64_t arrays = (load->training ? 4 : 2) * whole(2 * rows * load->width) + sums;
	int64_t length = (load->length + ATTENTION_TILE - 1) / ATTENTION_TILE * ATTENTION_TILE;
	int64_t matrix = 2 * load->heads * length * length;

	if (load->precision != PRECISION_BFLOAT16) /* own kernels */
		return 0;
	if (!load->training)
		return arrays;
	int64_t fixed = piece_bytes(load, matrix), any = piece_bytes(load, 4 * load->length * load->width);
	return arrays + larger(fixed, any);
}

static bool own_products(const struct kernels_load *load)
{
	const char *product = getenv("CAPSHAPE_PRODUCT");
	bool own = product != NULL && (strcmp(product, "own") == 0 || strcmp(product, "all") == 0);

	return own && load->precision == PRECISION_BFLOAT16;
}

/* Angles of every row, of heads that products rotate in their ends. */
static int64_t angle_bytes(const struct kernels_load *load)
{
	int64_t head_size = load->heads > 0 ? load->width / load->heads : 0;
	return own_products(load) ? 4 * load->sequences * load->length * head_size : 0;
}

/* By own products, where they are asked for: a sum of a row for every 256 columns of logits, or 128 where they are fewer than 2,048. */
static int64_t wide_head_bytes(const struct kernels_load *load)
{
	if (!own_products(load))
		return 0;
	return 4 * (((int64_t)GPU_LOGITS_MIB << 20) / (2 * 256) + 20 * load->sequences * load->length);
}

/* The kernels take turns in one piece of memory. The sort of ids holds keys and places twice. */
static int64_t scratch_bytes(const struct kernels_load *load)
{
	int64_t rows = load->sequences * load->length, list = whole(4 * rows);
	int64_t strips = 4 * (rows < NORM_STRIPS ? rows : NORM_STRIPS) * load->width;
	int64_t chunks = (rows + EMBEDDING_CHUNK - 1) / EMBEDDING_CHUNK;
	int64_t embedding = 6 * list + whole(4 * chunks * load->width) + (1 << 20);
	/* Sums of a row by parts of the vocabulary: of a chunk of the head, whose logits have a limit. */
	int64_t head = load->width <= NARROW_HEAD_MOST ? 4 * rows + (2 << 20) : wide_head_bytes(load);
	int64_t angles = angle_bytes(load);
	int64_t expected = 4 * rows * load->heads, norm = 8 * (load->parameters / SUM_BLOCK + 1);

	head = larger(head, angles);
	return load->training ? larger(larger(larger(strips, embedding), head), larger(expected, norm))
	                      : larger(1 << 20, head);
}

struct cuda_footprint kernels_cuda_footprint(const struct kernels_load *load)
{
	return (struct cuda_footprint){
		.products = PRODUCT_WORKSPACE,
		.attention = (size_t)attention_bytes(load),
		.scratch = (size_t)scratch_bytes(load),
		.page_locked = (size_t)STAGING_PIECES * STAGING_BYTES + LATER_BYTES,
	};
}
