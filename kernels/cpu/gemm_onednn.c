/* Matrix products by oneDNN (2.x or 3.x): one prepared primitive for each shape, kept while it is among the last
 * PREPARED_MOST that were used.
 *
 * Primitives are made for one thread with scratch memory of ours, so that an execution allocates nothing and can run
 * beside others.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cpu/gemm_library.h"

#ifdef HAVE_ONEDNN

#include <oneapi/dnnl/dnnl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* oneDNN runs on OpenMP even where this program was compiled without. */
extern void omp_set_num_threads(int) __attribute__((weak));
extern int omp_get_max_threads(void) __attribute__((weak));

enum { A, B, C, SCRATCH, ROLES };

struct prepared {
	struct product product;
	dnnl_primitive_t primitive;
	dnnl_memory_t memory[ROLES];
	dnnl_exec_arg_t arguments[ROLES];
	struct prepared *next;          /* in the same bucket */
	struct prepared *newer, *older; /* by last use */
};

enum { BUCKETS = 256, PREPARED_MOST = 512 };

struct slot {
	struct prepared *buckets[BUCKETS];
	struct prepared *newest, *oldest;
	int count;
	dnnl_stream_t stream;
	void *scratch;
	size_t scratch_bytes;
	dnnl_status_t failure;
};

struct gemm_library {
	dnnl_engine_t engine;
	int slots;
	struct slot slot[];
};

static int threads_limit(int threads)
{
	if (omp_set_num_threads == NULL || omp_get_max_threads == NULL)
		return 1;
	int before = omp_get_max_threads();
	if (before != threads)
		omp_set_num_threads(threads);
	return before;
}

enum status gemm_library_create(int slots, struct gemm_library **library_out)
{
	struct gemm_library *library = memory_allocate(1, sizeof *library + (size_t)slots * sizeof(struct slot));
	if (library == NULL)
		return STATUS_ENVIRONMENT;
	library->slots = slots;
	dnnl_status_t status = dnnl_engine_create(&library->engine, dnnl_cpu, 0);
	for (int i = 0; i < slots && status == dnnl_success; i++)
		status = dnnl_stream_create(&library->slot[i].stream, library->engine, dnnl_stream_default_flags);
	if (status != dnnl_success) {
		gemm_library_destroy(library);
		return error_raise(STATUS_ENVIRONMENT, "oneDNN offers no CPU engine (its status: %d)", (int)status);
	}
	*library_out = library;
	return STATUS_OK;
}

static void prepared_destroy(struct prepared *prepared)
{
	for (int role = 0; role < ROLES; role++)
		if (prepared->memory[role] != NULL)
			dnnl_memory_destroy(prepared->memory[role]);
	if (prepared->primitive != NULL)
		dnnl_primitive_destroy(prepared->primitive);
	free(prepared);
}

void gemm_library_destroy(struct gemm_library *library)
{
	if (library == NULL)
		return;
	for (int i = 0; i < library->slots; i++) {
		struct slot *slot = &library->slot[i];
		for (struct prepared *p = slot->newest, *older; p != NULL; p = older) {
			older = p->older;
			prepared_destroy(p);
		}
		if (slot->stream != NULL)
			dnnl_stream_destroy(slot->stream);
		free(slot->scratch);
	}
	if (library->engine != NULL)
		dnnl_engine_destroy(library->engine);
	free(library);
}

void gemm_library_describe(char *text, size_t size)
{
	const dnnl_version_t *version = dnnl_version();
	snprintf(text, size, "oneDNN %d.%d.%d", version->major, version->minor, version->patch);
}

static bool has_isa(dnnl_cpu_isa_t isa)
{
	return ((unsigned)dnnl_get_effective_cpu_isa() & (unsigned)isa) == (unsigned)isa;
}

bool gemm_library_bfloat16_is_possible(void)
{
	return has_isa(dnnl_cpu_isa_avx512_core_bf16);
}

/* Measured: AMD (Zen 4) runs vdpbf16ps at twice the rate of float32; Intel runs it at half that rate, its speed
 * being in AMX. */
bool gemm_library_bfloat16_is_fast(void)
{
#if defined __x86_64__ || defined __i386__
	__builtin_cpu_init();
	return has_isa(dnnl_cpu_isa_avx512_core_amx) ||
	       (has_isa(dnnl_cpu_isa_avx512_core_bf16) && __builtin_cpu_is("amd"));
#else
	return false;
#endif
}

static dnnl_data_type_t data_type(enum element element)
{
	return element == ELEMENT_FLOAT32 ? dnnl_f32 : dnnl_bf16;
}

struct layout {
	dnnl_dims_t sizes, strides;
	dnnl_data_type_t type;
};

static void describe_layouts(const struct product *p, struct layout layout[3])
{
	layout[A] = (struct layout){ { p->m, p->k },
		                     { p->a_transposed ? 1 : p->a_stride, p->a_transposed ? p->a_stride : 1 },
		                     data_type(p->factors) };
	layout[B] = (struct layout){ { p->k, p->n },
		                     { p->b_transposed ? 1 : p->b_stride, p->b_transposed ? p->b_stride : 1 },
		                     data_type(p->factors) };
	layout[C] = (struct layout){ { p->m, p->n }, { p->c_stride, 1 }, data_type(p->result) };
}

#define DNNL_TRY(expression)                                                                                           \
	do {                                                                                                           \
		dnnl_status_t dnnl_try_ = (expression);                                                                \
		if (dnnl_try_ != dnnl_success)                                                                         \
			return dnnl_try_;                                                                              \
	} while (0)

static dnnl_status_t attributes_fill(dnnl_primitive_attr_t attributes, const struct product *product)
{
	DNNL_TRY(dnnl_primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user));
	if (!product->accumulate)
		return dnnl_success;
	dnnl_post_ops_t operations;
	DNNL_TRY(dnnl_post_ops_create(&operations));
#if DNNL_VERSION_MAJOR >= 3
	dnnl_status_t status = dnnl_post_ops_append_sum(operations, 1.0f, 0, dnnl_data_type_undef);
#else
	dnnl_status_t status = dnnl_post_ops_append_sum(operations, 1.0f);
#endif
	if (status == dnnl_success)
		status = dnnl_primitive_attr_set_post_ops(attributes, operations);
	dnnl_post_ops_destroy(operations);
	return status;
}

#if DNNL_VERSION_MAJOR >= 3
static dnnl_status_t memories_create(struct prepared *prepared, const struct layout layout[3], dnnl_engine_t engine,
                                     dnnl_primitive_attr_t attributes, dnnl_primitive_desc_t *description)
{
	dnnl_memory_desc_t memory[3] = { NULL, NULL, NULL };
	dnnl_status_t status = dnnl_success;
	for (int i = 0; i < 3 && status == dnnl_success; i++)
		status = dnnl_memory_desc_create_with_strides(&memory[i], 2, layout[i].sizes, layout[i].type,
		                                              layout[i].strides);
	for (int i = 0; i < 3 && status == dnnl_success; i++)
		status = dnnl_memory_create(&prepared->memory[i], memory[i], engine, DNNL_MEMORY_NONE);
	if (status == dnnl_success)
		status = dnnl_matmul_primitive_desc_create(description, engine, memory[A], memory[B], NULL, memory[C],
		                                           attributes);
	for (int i = 0; i < 3; i++)
		if (memory[i] != NULL)
			dnnl_memory_desc_destroy(memory[i]);
	return status;
}

static size_t memory_bytes(const_dnnl_memory_desc_t memory)
{
	return memory == NULL ? 0 : dnnl_memory_desc_get_size(memory);
}
#else
static dnnl_status_t memories_create(struct prepared *prepared, const struct layout layout[3], dnnl_engine_t engine,
                                     dnnl_primitive_attr_t attributes, dnnl_primitive_desc_t *description)
{
	dnnl_memory_desc_t memory[3];
	for (int i = 0; i < 3; i++) {
		DNNL_TRY(dnnl_memory_desc_init_by_strides(&memory[i], 2, layout[i].sizes, layout[i].type,
		                                          layout[i].strides));
		DNNL_TRY(dnnl_memory_create(&prepared->memory[i], &memory[i], engine, DNNL_MEMORY_NONE));
	}
	dnnl_matmul_desc_t operation;
	DNNL_TRY(dnnl_matmul_desc_init(&operation, &memory[A], &memory[B], NULL, &memory[C]));
	return dnnl_primitive_desc_create(description, &operation, attributes, engine, NULL);
}

static size_t memory_bytes(const dnnl_memory_desc_t *memory)
{
	return memory == NULL ? 0 : dnnl_memory_desc_get_size(memory);
}
#endif

static dnnl_status_t scratch_reserve(struct slot *slot, size_t bytes)
{
	if (bytes <= slot->scratch_bytes)
		return dnnl_success;
	free(slot->scratch);
	slot->scratch_bytes = 0;
	slot->scratch = memory_allocate(bytes, 1);
	if (slot->scratch == NULL)
		return dnnl_out_of_memory;
	slot->scratch_bytes = bytes;
	return dnnl_success;
}

static dnnl_status_t prepared_fill(struct prepared *prepared, struct slot *slot, dnnl_engine_t engine,
                                   dnnl_primitive_attr_t attributes)
{
	struct layout layout[3];
	describe_layouts(&prepared->product, layout);
	DNNL_TRY(attributes_fill(attributes, &prepared->product));
	dnnl_primitive_desc_t description = NULL;
	dnnl_status_t status = memories_create(prepared, layout, engine, attributes, &description);
	if (status == dnnl_success)
		status = dnnl_primitive_create(&prepared->primitive, description);
	if (status == dnnl_success) {
		size_t bytes = memory_bytes(dnnl_primitive_desc_query_md(description, dnnl_query_scratchpad_md, 0));
		status = scratch_reserve(slot, bytes);
		if (status == dnnl_success)
			status = dnnl_memory_create(
				&prepared->memory[SCRATCH],
				dnnl_primitive_desc_query_md(description, dnnl_query_scratchpad_md, 0), engine,
				DNNL_MEMORY_NONE);
	}
	if (description != NULL)
		dnnl_primitive_desc_destroy(description);
	return status;
}

static struct prepared *prepare(struct slot *slot, dnnl_engine_t engine, const struct product *product)
{
	static const int names[ROLES] = { DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST, DNNL_ARG_SCRATCHPAD };
	struct prepared *prepared = calloc(1, sizeof *prepared);
	dnnl_primitive_attr_t attributes = NULL;
	slot->failure = prepared == NULL ? dnnl_out_of_memory : dnnl_primitive_attr_create(&attributes);
	if (slot->failure == dnnl_success) {
		prepared->product = *product;
		slot->failure = prepared_fill(prepared, slot, engine, attributes);
		dnnl_primitive_attr_destroy(attributes);
	}
	if (slot->failure != dnnl_success) {
		if (prepared != NULL)
			prepared_destroy(prepared);
		return NULL;
	}
	for (int role = 0; role < ROLES; role++)
		prepared->arguments[role] = (dnnl_exec_arg_t){ names[role], prepared->memory[role] };
	return prepared;
}

static bool product_equal(const struct product *a, const struct product *b)
{
	return a->m == b->m && a->n == b->n && a->k == b->k && a->a_stride == b->a_stride &&
	       a->b_stride == b->b_stride && a->c_stride == b->c_stride && a->a_transposed == b->a_transposed &&
	       a->b_transposed == b->b_transposed && a->accumulate == b->accumulate && a->factors == b->factors &&
	       a->result == b->result;
}

static unsigned product_bucket(const struct product *p)
{
	uint64_t hash = 0;
	const int64_t parts[] = { p->m,        p->n,        p->k,
		                  p->a_stride, p->b_stride, p->a_transposed * 4 + p->b_transposed * 2 + p->accumulate };
	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
		hash = (hash ^ (uint64_t)parts[i]) * 0x9e3779b97f4a7c15u;
	return (unsigned)(hash >> 56) % BUCKETS;
}

static void unlink_use(struct slot *slot, struct prepared *prepared)
{
	*(prepared->newer != NULL ? &prepared->newer->older : &slot->newest) = prepared->older;
	*(prepared->older != NULL ? &prepared->older->newer : &slot->oldest) = prepared->newer;
}

static void link_newest(struct slot *slot, struct prepared *prepared)
{
	prepared->newer = NULL;
	prepared->older = slot->newest;
	*(slot->newest != NULL ? &slot->newest->newer : &slot->oldest) = prepared;
	slot->newest = prepared;
}

static void forget_oldest(struct slot *slot)
{
	struct prepared *oldest = slot->oldest, **place = &slot->buckets[product_bucket(&oldest->product)];
	while (*place != oldest)
		place = &(*place)->next;
	*place = oldest->next;
	unlink_use(slot, oldest);
	prepared_destroy(oldest);
	slot->count--;
}

static struct prepared *find(struct slot *slot, dnnl_engine_t engine, const struct product *product)
{
	struct prepared **bucket = &slot->buckets[product_bucket(product)], *prepared = *bucket;
	while (prepared != NULL && !product_equal(&prepared->product, product))
		prepared = prepared->next;
	if (prepared != NULL) {
		if (prepared != slot->newest) {
			unlink_use(slot, prepared);
			link_newest(slot, prepared);
		}
		return prepared;
	}
	prepared = prepare(slot, engine, product);
	if (prepared == NULL)
		return NULL;
	if (slot->count == PREPARED_MOST)
		forget_oldest(slot);
	prepared->next = *bucket;
	*bucket = prepared;
	link_newest(slot, prepared);
	slot->count++;
	return prepared;
}

static dnnl_status_t execute(struct slot *slot, struct prepared *prepared, void *handles[ROLES])
{
	for (int role = 0; role < ROLES; role++)
		DNNL_TRY(dnnl_memory_set_data_handle(prepared->memory[role], handles[role]));
	return dnnl_primitive_execute(prepared->primitive, slot->stream, ROLES, prepared->arguments);
}

bool gemm_library_multiply(struct gemm_library *library, int slot_number, const struct product *product, const void *a,
                           const void *b, void *c)
{
	struct slot *slot = &library->slot[slot_number];
	int threads = threads_limit(1);
	struct prepared *prepared = find(slot, library->engine, product);
	if (prepared != NULL) {
		void *handles[ROLES] = { (void *)(uintptr_t)a, (void *)(uintptr_t)b, c, slot->scratch };
		slot->failure = execute(slot, prepared, handles);
	}
	threads_limit(threads);
	return slot->failure == dnnl_success;
}

enum status gemm_library_error(const struct gemm_library *library)
{
	int failure = 0;
	for (int i = 0; i < library->slots; i++)
		if (library->slot[i].failure != dnnl_success)
			failure = (int)library->slot[i].failure;
	return error_raise(STATUS_ENVIRONMENT,
	                   "oneDNN failed in a matrix product (its status: %d, %s); set DNNL_VERBOSE=2 to see which",
	                   failure, failure == dnnl_out_of_memory ? "out of memory" : "see dnnl_status_t");
}

#endif
