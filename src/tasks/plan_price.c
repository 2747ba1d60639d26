/* Rates, nodes and links of a plan.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tasks/plan_price.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "comm/cores.h"
#include "tasks/rates.h"

#define PROBE_SECONDS    3.0
#define SECONDS_A_LAUNCH 0.5

/* Of an H100 (SXM), where there is no GPU to ask. */
enum { ASSUMED_GPUS_A_NODE = 8 };
#define ASSUMED_GPU_MEMORY 80e9

/* Dense products of an H100 by its data sheet, and the share that training is taken to reach. Of float32 the CUDA device computes
 * float32 (kernels/cuda/gemm_cublaslt.c: CUBLAS_COMPUTE_32F), not TF32, and attention by own kernels. */
struct assumed_speed {
	const char *name;
	double peak, share;
};
static const struct assumed_speed assumed_half = { "bfloat16", 989e12, 0.35 };
static const struct assumed_speed assumed_float = { "float32", 67e12, 0.5 };

static bool is_half(const struct points *points)
{
	return strcmp(parameters_text(points->points[0].parameters, "run/precision"), "bfloat16") == 0;
}

/* ---- opening */

static enum status open_device(const struct parameters *first, const struct points *points, struct plan_basis *basis)
{
	struct plan_memory *memory = &basis->memory;
	char identity[PEERS_IDENTITY];
	if (!basis->elsewhere) {
		STATUS_TRY(settings_kernels(first, settings_takes_gpu(first), &memory->kernels));
		STATUS_TRY(settings_device(first, memory->kernels, basis->request->ranks, 0, &memory->device));
		basis->peers = gradient_sum_direct_here(memory->kernels, memory->device, identity, basis->reason,
		                                        sizeof basis->reason);
		return STATUS_OK;
	}
	basis->absent = *kernels_cpu();
	basis->absent.logits_bytes = (size_t)GPU_LOGITS_MIB << 20;
	basis->absent.logits_rows = GPU_LOGITS_ROWS;
	basis->absent.forward_rows = GPU_FORWARD_ROWS;
	basis->peers = true;
	memory->kernels = &basis->absent;
	return memory->kernels->device_create(is_half(points) ? PRECISION_BFLOAT16 : PRECISION_FLOAT32, 1,
	                                      &memory->device);
}

/* GPUs of a node and their memory: as asked for, as here, or assumed. */
static void look_at_gpus(struct plan_basis *basis)
{
	const struct plan_request *request = basis->request;
	int here = kernels_cuda_devices();
	basis->gpus_a_node = request->gpus_a_node > 0 ? request->gpus_a_node : here > 0 ? here : ASSUMED_GPUS_A_NODE;
	if (!basis->elsewhere)
		plan_memory_look(&basis->memory);
	if (request->gpu_memory > 0)
		basis->memory.room = 1e9 * request->gpu_memory;
	else if (basis->elsewhere)
		basis->memory.room = ASSUMED_GPU_MEMORY;
}

/* As many others as ranks will be at work on the cores of this machine. A GPU is taken to have one rank. */
static enum status invite_company(const struct points *points, struct plan_basis *basis)
{
	int ranks = basis->request->ranks, room = cores_allowed() / basis->threads, count = ranks < room ? ranks : room;
	if (basis->elsewhere || basis->request->rate > 0)
		return STATUS_OK;
	basis->company = company_start(points, ranks, basis->memory.gpu || count < 1 ? 0 : count - 1, PROBE_SECONDS);
	return basis->company == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
}

enum status plan_basis_open(const struct points *points, const struct sweep *sweep, const struct plan_request *request,
                            double process, struct plan_basis *basis_out)
{
	const struct parameters *first = sweep_point(sweep, 0);
	bool probed = cast_is_open(sweep, request->ranks);
	*basis_out = (struct plan_basis){
		.request = request,
		.elsewhere = strcmp(parameters_text(first, "run/device"), "cuda") == 0 && kernels_cuda_devices() == 0,
		.memory = { .gpu = settings_takes_gpu(first), .probed = probed, .process = process },
		.threads = settings_threads(first, (double)cores_allowed() / request->ranks),
		.launch = SECONDS_A_LAUNCH + (probed ? rates_worth(points, request->ranks) : 0),
	};
	STATUS_TRY(invite_company(points, basis_out));
	STATUS_TRY(open_device(first, points, basis_out));
	if (basis_out->memory.gpu)
		look_at_gpus(basis_out);
	return STATUS_OK;
}

void plan_basis_close(struct plan_basis *basis)
{
	company_end(basis->company);
	if (basis->memory.device != NULL)
		basis->memory.kernels->device_destroy(basis->memory.device);
	basis->company = NULL;
	basis->memory.device = NULL;
}

/* ---- nodes */

static int smaller(int a, int b)
{
	return a < b ? a : b;
}

int plan_gpus_of(const struct plan_basis *basis, int ranks)
{
	int a_node = basis->request->ranks_a_node;
	if (!basis->memory.gpu)
		return 0;
	if (a_node == 0) /* one each for those that compute */
		return ranks;
	return ranks / a_node * smaller(a_node, basis->gpus_a_node) + smaller(ranks % a_node, basis->gpus_a_node);
}

int plan_nodes_of(const struct plan_basis *basis, int ranks, const struct split *split)
{
	int computing = split->trainers + split->classifiers, a_node = basis->request->ranks_a_node;
	return a_node > 0 ? (ranks + a_node - 1) / a_node : (computing + basis->gpus_a_node - 1) / basis->gpus_a_node;
}

const char *plan_room_text(const struct plan_basis *basis, char *buffer, size_t size)
{
	char number[32];
	text_bytes(basis->memory.room, number, sizeof number);
	snprintf(buffer, size, "%s%s", number,
	         basis->request->gpu_memory > 0 ? " that a GPU is said to have (--gpu-memory)"
	         : basis->elsewhere             ? " of an H100 (ASSUMED; --gpu-memory gives another)"
	                                        : " of this GPU that were free");
	return buffer;
}

static void print_nodes(const struct plan_basis *basis)
{
	const struct plan_request *request = basis->request;
	int gpus = basis->gpus_a_node;
	if (request->gpus_a_node > 0)
		printf("as asked for: %d GPU%s a node\n", gpus, gpus == 1 ? "" : "s");
	else
		printf("ASSUMED: %d GPU%s a node%s (--gpus-per-node gives another number)\n", gpus,
		       gpus == 1 ? "" : "s", basis->elsewhere ? "" : ", as here");
	if (request->ranks_a_node > 0)
		printf("as asked for: %d rank%s a node\n", request->ranks_a_node,
		       request->ranks_a_node == 1 ? "" : "s");
	else
		printf("ASSUMED: a GPU of its own for each rank that trains or classifies; readers are further ranks "
		       "of these nodes "
		       "(--ranks-per-node says how many ranks share a node and its GPUs)\n");
}

/* ---- links */

/* The first unfinished point whose gradients go from GPU to GPU, or through the hosts; NULL: none. */
static const struct point *find_point(const struct points *points, bool direct)
{
	for (int64_t i = 0; i < points->count; i++)
		if (!points->points[i].finished && (points->points[i].direct.gradient_bytes > 0) == direct)
			return &points->points[i];
	return NULL;
}

static void print_links(const struct points *points, const struct plan_basis *basis)
{
	char numbers[2][32];
	const struct point *point = find_point(points, true);
	if (point != NULL)
		printf("ASSUMED: gradients go from GPU to GPU by NCCL (%s), at %sB/s each way between GPUs of a node, "
		       "%sB/s a GPU "
		       "between nodes; they (4 bytes a parameter) are added behind the backward pass of the last "
		       "micro-step, weights "
		       "arrive during the next forward pass\n",
		       basis->elsewhere ? "taken to be there" : "found here",
		       text_count(point->direct.near, numbers[0], 32), text_count(point->direct.far, numbers[1], 32));
	point = find_point(points, false);
	if (point != NULL)
		printf("ASSUMED: gradients and weights go through the memory of the hosts (%s%s) at %sB/s between any "
		       "two trainers, and "
		       "the step waits for all of it\n",
		       point->training.exchange == EXCHANGE_HOST ? "run/exchange = host"
		                                                 : "GPUs cannot exchange directly here: ",
		       point->training.exchange == EXCHANGE_HOST ? "" : basis->reason,
		       text_count(rates_exchange_speed(point), numbers[0], 32));
}

static void explain_host(const struct points *points, const struct plan_basis *basis, const struct split *split,
                         char *reason, size_t size)
{
	if (basis->peers)
		snprintf(reason, size,
		         "devices cannot exchange directly: %d trainers share %d GPU%s (--ranks-per-node, "
		         "--gpus-per-node)",
		         split->trainers, points->gpus, points->gpus == 1 ? "" : "s");
	else
		snprintf(reason, size, "devices cannot exchange directly: %s", basis->reason);
}

enum status plan_check_exchange(const struct points *points, const struct plan_basis *basis, const struct split *split)
{
	enum exchange_way way = points->points[0].training.exchange; /* one for all points */
	char reason[320];
	if (split_group_size(split) == 1) {
		if (way == EXCHANGE_DEVICE && !basis->memory.gpu)
			printf("note: run/exchange = device means nothing here: models run on processors, one trainer "
			       "a group\n");
		return STATUS_OK;
	}
	if (way == EXCHANGE_HOST || (basis->peers && split->trainers_a_gpu == 1) ||
	    (way == EXCHANGE_AUTO && !basis->memory.gpu))
		return STATUS_OK;
	explain_host(points, basis, split, reason, sizeof reason);
	if (way == EXCHANGE_DEVICE)
		return gradient_sum_refuse(reason);
	printf("note: gradients go through the memory of the hosts: %s\n", reason);
	return STATUS_OK;
}

/* ---- speeds */

static enum status measure(const struct points *points, const struct plan_basis *basis, struct rates *rates)
{
	STATUS_TRY(rates_measure(points, basis->memory.kernels, basis->memory.device, PROBE_SECONDS, rates));
	rates_measure_disk(parameters_text(points->points[0].parameters, "run/output"), rates);
	int at_once = 1 + company_size(basis->company);
	size_t used = strlen(rates->source);
	snprintf(rates->source + used, sizeof rates->source - used, "; %d rank%s of %d thread%s at once", at_once,
	         at_once == 1 ? "" : "s", basis->threads, basis->threads == 1 ? "" : "s");
	return STATUS_OK;
}

static enum status find_rates(const struct points *points, const struct plan_basis *basis, struct rates *rates)
{
	const struct assumed_speed *speed = is_half(points) ? &assumed_half : &assumed_float;
	char text[160], number[32];
	if (basis->request->rate > 0) {
		snprintf(text, sizeof text, "as given: %sFLOP/s a rank",
		         text_count(basis->request->rate, number, sizeof number));
		return rates_given(points, basis->request->rate, text, rates);
	}
	if (!basis->elsewhere)
		return measure(points, basis, rates);
	snprintf(text, sizeof text,
	         "ASSUMED, not measured: %.0f %% of %sFLOP/s, the %s peak of an H100, on every rank; --rate gives "
	         "another",
	         100 * speed->share, text_count(speed->peak, number, sizeof number), speed->name);
	return rates_given(points, speed->share * speed->peak, text, rates);
}

enum status plan_price(struct points *points, struct plan_basis *basis)
{
	struct rates rates = { 0 };
	int ranks = basis->request->ranks_a_node;
	plan_memory_score(&basis->memory, points);
	STATUS_TRY(find_rates(points, basis, &rates));
	if (basis->memory.gpu)
		rates_link(&rates, ranks > 0 ? smaller(ranks, basis->gpus_a_node) : basis->gpus_a_node, basis->peers);
	enum status status = rates_price(&rates, points);
	basis->flops = rates.flops;
	printf("rates %s\n", rates.source);
	if (basis->memory.gpu && rates.assumed)
		printf("ASSUMED: a micro-step takes at least %.0f us for each of its calls, %d a layer and %d more\n",
		       1e6 * SECONDS_A_CALL, CALLS_A_LAYER, CALLS_A_SLOT);
	rates_clear(&rates);
	if (status != STATUS_OK || !basis->memory.gpu)
		return status;
	points->memory = plan_memory_split(&basis->memory, points);
	print_nodes(basis);
	print_links(points, basis);
	return STATUS_OK;
}
