/* Attention by cuDNN without a GPU: the graphs of kernels/cuda/attention_graph.c, planned and compiled for an H200 that is
 * only described, with a stand-in for the driver. Nothing is computed. Skipped without cuDNN.
 * SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#ifndef HAVE_CUDNN
int main(void)
{
	return 77;
}
#else

#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/cuda/attention_graph.h"
#include "validation/bench/fused_graph.h"

static const char h200[] =
	"{\"cudaDeviceId\":0,\"deviceName\":\"NVIDIA H200\",\"deviceVer\":900,\"driverVer\":13000,"
	"\"multiProcessorCount\":132,\"totalGlobalMem\":150754820096,\"l2CacheSize\":62914560,"
	"\"maxSharedMemoryPerBlock\":49152,\"maxSharedMemoryPerBlockOptin\":232448,"
	"\"reservedSharedMemoryPerBlock\":1024,\"regsPerBlock\":65536,\"maxRegistersPerSM\":65536,"
	"\"maxThreadsPerBlock\":1024,\"maxThreadsPerSM\":2048,\"maxCtasPerSM\":32,\"warpSize\":32,"
	"\"maxBlockSize\":[1024,1024,64],\"maxGridSize\":[2147483647,65535,65535],\"supportCoopLaunch\":1,"
	"\"isTccDriver\":0,\"pciDeviceId\":0,\"smClockRateKHz\":1980000,\"memClockRateKHz\":3201000}";

/* The kernels for Hopper, by the library's numbers. */
enum { FORWARD_ENGINE = 2, BACKWARD_ENGINE = 6 };

static struct cudnn cudnn;
static struct cudnn_target target;

static bool describe_device(void)
{
	return cudnn.cudnnBackendCreateDescriptor(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR, &target.properties) ==
	               CUDNN_STATUS_SUCCESS &&
	       cudnn.cudnnBackendSetAttribute(target.properties, CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION,
	                                      CUDNN_TYPE_CHAR, sizeof h200 - 1, h200) == CUDNN_STATUS_SUCCESS &&
	       cudnn.cudnnBackendFinalize(target.properties) == CUDNN_STATUS_SUCCESS;
}

static int64_t workspace_of(const struct attention_problem *problem)
{
	char reason[CUDNN_REASON];
	struct cudnn_plan plan = { 0 };
	struct cudnn_graph *graph = cudnn_graph_create(&cudnn);

	assert_non_null(graph);
	attention_graph_build(graph, problem);
	if (!cudnn_graph_plan(graph, &target, &plan, reason))
		fail_msg("%s, B %d T %d H %d K %d, starts %d: %s", problem->backward ? "backward" : "forward",
		         (int)problem->sequences, (int)problem->length, (int)problem->heads, (int)problem->head_size,
		         problem->starts, reason);
	assert_int_equal(plan.engine, problem->backward ? BACKWARD_ENGINE : FORWARD_ENGINE);
	cudnn_graph_destroy(graph);
	return plan.workspace_bytes;
}

/* Both passes of packed q, k, v, or of q apart. */
static void check_shape(int64_t sequences, int64_t length, int64_t heads, int64_t head_size, bool starts, bool apart)
{
	enum { LITTLE = 4096 };
	int64_t row = heads * head_size;
	struct attention_problem problem = { .starts = starts,
		                             .sequences = sequences,
		                             .length = length,
		                             .heads = heads,
		                             .head_size = head_size,
		                             .query_step = apart ? row : 3 * row,
		                             .key_step = apart ? 2 * row : 3 * row };

	assert_in_range(workspace_of(&problem), 0, LITTLE);
	problem.backward = true;
	int64_t matrices = 2 * sequences * heads * length * length;
	assert_in_range(workspace_of(&problem), matrices, matrices + LITTLE);
	problem.any_order = true;
	assert_in_range(workspace_of(&problem), 0, LITTLE);
}

static const int head_sizes[] = { 32, 56, 64, 96, 104, 128 };
enum { HEAD_SIZES = sizeof head_sizes / sizeof *head_sizes };

/* Each head size with and without documents, in another shape: to plan is to compile, most of a second for each pass. */
static void test_head_sizes(void **state)
{
	(void)state;
	for (int i = 0; i < HEAD_SIZES; i++) {
		bool short_texts = i % 2 == 0;
		check_shape(short_texts ? 4 : 2, short_texts ? 1024 : 2048, short_texts ? 8 : 10, head_sizes[i], false,
		            false);
	}
}

static void test_documents(void **state)
{
	(void)state;
	for (int i = 0; i < HEAD_SIZES; i++) {
		bool short_texts = i % 2 != 0;
		check_shape(short_texts ? 4 : 2, short_texts ? 1024 : 2048, short_texts ? 8 : 10, head_sizes[i], true,
		            false);
	}
}

static void test_queries_apart(void **state)
{
	(void)state;
	check_shape(4, 2048, 7, 64, false, true);
	check_shape(4, 1024, 16, 128, true, true);
}

/* The workspace of a piece of the batch stays below 2 GiB, and pieces are as large as that allows. */
static void test_pieces(void **state)
{
	struct attention_problem problem = { .backward = true,
		                             .sequences = 160,
		                             .length = 2048,
		                             .heads = 14,
		                             .head_size = 64,
		                             .query_step = 3 * 14 * 64,
		                             .key_step = 3 * 14 * 64 };
	const int64_t most = (int64_t)2 << 30;

	(void)state;
	problem.sequences = attention_plans_sequences(NULL, &problem);
	assert_int_equal(problem.sequences, 18);
	assert_true(workspace_of(&problem) <= most);
	problem.sequences = 160;
	problem.any_order = true;
	assert_int_equal(attention_plans_sequences(NULL, &problem), 160); /* 4 * 14 * 2048 * 64 bytes each */
	problem.any_order = false;
	problem.length = 1 << 20;
	assert_int_equal(attention_plans_sequences(NULL, &problem), 1);
	problem.backward = false;
	problem.sequences = 160;
	assert_int_equal(attention_plans_sequences(NULL, &problem), 160);
}

/* Products with ReLU squared, which are for measuring (validation/bench/questions_bench.c): the library proposes plans, and takes
 * a kernel for Hopper by number. */
static void test_fused_products(void **state)
{
	enum { HOPPER_ENGINE = 2, KERNELS = 48 };

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct fused_problem problem = { .backward = i == 1, .rows = 1 << 16, .width = 448 };
		char reason[CUDNN_REASON] = "";
		struct cudnn_plan plan = { 0 };
		struct cudnn_graph *graph = cudnn_graph_create(&cudnn);
		bool taken = false;

		fused_graph_build(graph, &problem);
		if (!cudnn_graph_plan_proposal(graph, &target, 0, &plan, reason))
			fail_msg("%s, width %d: %s", problem.backward ? "backward" : "forward", (int)problem.width,
			         reason);
		cudnn_graph_destroy(graph);
		for (int64_t kernel = 0; kernel < KERNELS && !taken; kernel++) {
			graph = cudnn_graph_create(&cudnn);
			fused_graph_build(graph, &problem);
			taken = fused_graph_plan(graph, &target, HOPPER_ENGINE, kernel, &plan, reason);
			cudnn_graph_destroy(graph);
		}
		assert_true(taken);
	}
}

/* A graph that the library does not have is refused with a reason, not a failure. */
static void test_refused(void **state)
{
	struct attention_problem problem = {
		.sequences = 1, .length = 128, .heads = 1, .head_size = 60, .query_step = 180, .key_step = 180
	};
	char reason[CUDNN_REASON] = "";
	struct cudnn_plan plan;
	struct cudnn_graph *graph = cudnn_graph_create(&cudnn);

	(void)state;
	attention_graph_build(graph, &problem);
	assert_false(cudnn_graph_plan(graph, &target, &plan, reason));
	assert_true(reason[0] != '\0');
	cudnn_graph_destroy(graph);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_head_sizes),    cmocka_unit_test(test_documents),
		cmocka_unit_test(test_queries_apart), cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_refused),       cmocka_unit_test(test_fused_products),
	};
	const char *folder = getenv("builddir");
	char path[4096], reason[CUDNN_REASON];

	/* Before the library looks for one: it finds what is loaded. */
	snprintf(path, sizeof path, "%s/validation/unit/libcuda.so.1", folder == NULL ? "." : folder);
	if (dlopen(path, RTLD_NOW | RTLD_GLOBAL) == NULL) {
		fprintf(stderr, "%s\n", dlerror());
		return 1;
	}
	if (!cudnn_open(&cudnn, reason)) {
		fprintf(stderr, "skipped: %s\n", reason);
		return 77;
	}
	if (!describe_device()) {
		fprintf(stderr, "this cuDNN takes no description of a device\n");
		return 1;
	}
	return cmocka_run_group_tests_name("kernels_cudnn", tests, NULL, NULL);
}

#endif
