/* Two tables over numbers of GPUs, and memory.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tasks/plan_gpus.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "tasks/plan_table.h"
#include "tasks/rates.h"
#include "tasks/shares.h"

/* ---- memory */

static bool is_large(const struct plan_basis *basis, double bytes)
{
	return basis->memory.room > 0 && bytes > basis->memory.room;
}

const char *plan_marked_bytes(const struct plan_basis *basis, double bytes, char *buffer, size_t size)
{
	char number[32];
	snprintf(buffer, size, "%s%s", text_bytes(bytes, number, sizeof number), is_large(basis, bytes) ? "!" : " ");
	return buffer;
}

static double trainer_bytes(const struct plan_basis *basis, const struct point *point, int trainers, bool scores)
{
	struct plan_gpu gpu = plan_memory_gpu(&basis->memory, point, trainers, scores);
	return plan_memory_gpu_sum(&gpu);
}

static int64_t smallest_group(const struct plan_basis *basis, const struct point *point, bool scores)
{
	for (int64_t trainers = 1; trainers <= point->training.slots; trainers *= 2)
		if (!is_large(basis, trainer_bytes(basis, point, (int)trainers, scores)))
			return trainers;
	return 0;
}

/* What would hold a model that no group of so many ranks holds. */
static void advise(const struct plan_basis *basis, const struct point *point, bool scores)
{
	struct point other = *point;
	char number[32];
	const struct training_settings *training = &point->training;
	int64_t group = smallest_group(basis, point, scores);
	printf("! %s parameters", text_count((double)model_config_parameters(&point->config), number, sizeof number));
	if (group > 0) {
		printf(" need groups of %lld GPUs or more: more ranks, or fewer groups (roles/groups) of more "
		       "trainers\n",
		       (long long)group);
		return;
	}
	for (other.training.slots *= 2; training->sequences % other.training.slots == 0; other.training.slots *= 2) {
		group = smallest_group(basis, &other, scores);
		if (group == 0)
			continue;
		printf(": no group of GPUs holds them with train/slots = %lld (%lld sequences at a time on a GPU); "
		       "with train/slots = "
		       "%lld (%lld at a time) groups of %lld GPU%s or more do\n",
		       (long long)training->slots, (long long)(training->sequences / training->slots),
		       (long long)other.training.slots, (long long)(training->sequences / other.training.slots),
		       (long long)group, group == 1 ? "" : "s");
		return;
	}
	printf(": no group of GPUs holds them, not even with a sequence at a time on %lld GPUs: a shorter "
	       "model/context, a smaller model "
	       "or GPUs of more memory are needed, or more train/sequences and train/slots for more GPUs\n",
	       (long long)training->sequences);
}

/* ---- a step, by model */

static bool same_model(const struct point *a, const struct point *b)
{
	return model_config_arena_size(&a->config) == model_config_arena_size(&b->config) &&
	       a->training.sequences == b->training.sequences && a->training.slots == b->training.slots &&
	       a->training.length == b->training.length;
}

/* Of the points of one model the one that trains longest stands for all: the others leave more rows out. */
static const struct point *longest_like(const struct points *points, int64_t first)
{
	const struct point *longest = &points->points[first];
	for (int64_t i = 0; i < points->count; i++) {
		const struct point *point = &points->points[i];
		if (point->finished || !same_model(point, longest))
			continue;
		if (i < first)
			return NULL; /* it had its turn */
		if (point->times.train / shares_steps(point) > longest->times.train / shares_steps(longest))
			longest = point;
	}
	return longest;
}

/* Of a step. Through the hosts nothing of it is hidden behind computing. */
static struct exchange_times exchange_of(const struct point *point, int trainers)
{
	if (trainers == 1)
		return (struct exchange_times){ 0 };
	if (point->direct.gradient_bytes > 0)
		return exchange_step(&point->direct, trainers);
	struct split_point cost = point_as_split(point);
	double all = split_point_cost(&cost, trainers) - cost.training / trainers - cost.fixed;
	return (struct exchange_times){ .sum = all / shares_steps(point), .waited = all / shares_steps(point) };
}

static void add_step(struct plan_table *table, const struct point *point, const struct plan_basis *basis, int trainers)
{
	struct exchange_times exchange = exchange_of(point, trainers);
	struct split_point cost = point_as_split(point);
	double step = point->times.train / shares_steps(point) / trainers + exchange.waited;
	double tokens = (double)(point->training.sequences * point->training.length);
	double all = split_point_cost(&cost, trainers);
	char numbers[8][40];
	plan_table_add(table, "%s\t%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s",
	               text_count((double)model_config_parameters(&point->config), numbers[0], 40), trainers,
	               text_duration(step, numbers[1], 40),
	               text_duration(exchange.sum + exchange.share, numbers[2], 40),
	               text_duration(exchange.waited, numbers[3], 40), text_count(tokens / step, numbers[4], 40),
	               plan_marked_bytes(basis, trainer_bytes(basis, point, trainers, false), numbers[5], 40),
	               text_duration(all, numbers[6], 40), text_machine_time(trainers * all, numbers[7], 40));
}

static enum status print_steps(const struct points *points, const struct plan_basis *basis)
{
	struct plan_table table;
	printf("\na step on a group of GPUs: of each model its slowest point\n");
	plan_table_begin(&table,
	                 "parameters\tGPUs\tstep\texchange\twaiting\ttokens/s\tGPU memory \tpoint time\tGPU time");
	for (int64_t i = 0; i < points->count; i++) {
		const struct point *point = points->points[i].finished ? NULL : longest_like(points, i);
		for (int trainers = 1;
		     point != NULL && trainers <= basis->request->ranks && trainers <= point->training.slots;
		     trainers *= 2)
			add_step(&table, point, basis, trainers);
	}
	return plan_table_end(&table);
}

/* ---- the sweep, by number of ranks */

static enum status add_ranks(struct plan_table *table, struct points *points, const struct sweep *sweep,
                             const struct plan_basis *basis, int ranks, struct split *split_out)
{
	struct split split;
	char numbers[3][40];
	points->gpus = plan_gpus_of(basis, ranks);
	enum status status = points_split(points, sweep, ranks, NULL, &split);
	if (status == STATUS_ENVIRONMENT) { /* of so few ranks the roles that are given cannot be made */
		error_clear();
		return STATUS_OK;
	}
	STATUS_TRY(status);
	char *roles = split_describe(&split);
	int computing = split.trainers + split.classifiers, gpus = computing < points->gpus ? computing : points->gpus;
	double time = split.cost + basis->launch;
	if (roles == NULL)
		return STATUS_ENVIRONMENT;
	*split_out = split;
	plan_table_add(table, "%d\t%d\t%d\t%s\t%s\t%s\t%s", ranks, plan_nodes_of(basis, ranks, &split), gpus,
	               text_duration(time, numbers[0], 40), text_machine_time(gpus * time, numbers[1], 40),
	               plan_marked_bytes(basis, split_fullest_gpu(&points->memory, &split), numbers[2], 40), roles);
	free(roles);
	return STATUS_OK;
}

/* How each model that one GPU does not hold can be held. `split`: of all ranks. */
static void print_advice(const struct points *points, const struct plan_basis *basis, const struct split *split)
{
	char text[96];
	bool models = false;
	printf("! more than the %s:\n", plan_room_text(basis, text, sizeof text));
	for (int64_t i = 0; i < points->count; i++) {
		const struct point *point = points->points[i].finished ? NULL : longest_like(points, i);
		if (point == NULL || smallest_group(basis, point, false) == 1)
			continue;
		advise(basis, point, false);
		models = true;
	}
	if (split_shares_gpus(split))
		printf("! ranks that share a GPU hold it together: fewer ranks a node\n");
	if (!models && split->scores && split->classifiers == 0)
		printf("! trainers that score hold the classifier, too: ranks of its own for it (roles/classifiers), "
		       "or more ranks\n");
}

static bool needs_advice(const struct points *points, const struct plan_basis *basis, const struct split *split)
{
	bool large = split->too_large;
	for (int64_t i = 0; i < points->count; i++)
		large |= !points->points[i].finished && smallest_group(basis, &points->points[i], false) != 1;
	return large;
}

static enum status print_sweep(struct points *points, const struct sweep *sweep, const struct plan_basis *basis)
{
	struct plan_table table;
	struct split split = { .trainers_a_gpu = 1 };
	enum status status = STATUS_OK;
	printf("\nthe whole sweep, by number of ranks: the fastest roles that fit into the memory of a GPU\n");
	plan_table_begin(&table, "ranks\tnodes\tGPUs\ttime\tGPU time\tGPU memory \t<roles");
	for (int count = 1; count < basis->request->ranks && status == STATUS_OK; count *= 2)
		status = add_ranks(&table, points, sweep, basis, count, &split);
	if (status == STATUS_OK)
		status = add_ranks(&table, points, sweep, basis, basis->request->ranks, &split);
	enum status printed = plan_table_end(&table);
	STATUS_TRY(status);
	STATUS_TRY(printed);
	if (needs_advice(points, basis, &split))
		print_advice(points, basis, &split);
	printf("\n");
	return STATUS_OK;
}

/* ---- all of it */

static const struct point *largest_point(const struct points *points)
{
	const struct point *largest = NULL;
	for (int64_t i = 0; i < points->count; i++)
		if (!points->points[i].finished &&
		    (largest == NULL ||
		     model_config_arena_size(&points->points[i].config) > model_config_arena_size(&largest->config)))
			largest = &points->points[i];
	return largest;
}

/* Of the largest model, on two GPUs where there may be two: the exchange takes memory, too. */
static void print_parts(const struct points *points, const struct plan_basis *basis)
{
	char numbers[6][32];
	const struct point *largest = largest_point(points);
	int trainers = basis->request->ranks > 1 && largest->training.slots > 1 ? 2 : 1;
	struct plan_gpu gpu = plan_memory_gpu(&basis->memory, largest, trainers, false);
	text_count((double)model_config_parameters(&largest->config), numbers[0], 32);
	if (trainers == 2)
		printf("memory of each GPU when a group of two trains the largest model (%s parameters): ", numbers[0]);
	else
		printf("memory of the GPU that trains the largest model (%s parameters): ", numbers[0]);
	printf("%s arrays, at most %s workspace and scratch of kernels, ", text_bytes(gpu.arrays, numbers[1], 32),
	       text_bytes(gpu.kernels, numbers[2], 32));
	if (gpu.peers > 0)
		printf("%s for the exchange (of it %s NCCL: ASSUMED), ", text_bytes(gpu.peers, numbers[3], 32),
		       text_bytes(BYTES_OF_PEERS, numbers[4], 32));
	printf("%s context of CUDA (ASSUMED)\n", text_bytes(gpu.context, numbers[5], 32));
}

enum status plan_print_gpus(struct points *points, const struct sweep *sweep, const struct plan_basis *basis)
{
	if (largest_point(points) == NULL)
		return STATUS_OK;
	print_parts(points, basis);
	STATUS_TRY(print_steps(points, basis));
	return print_sweep(points, sweep, basis);
}

/* ---- hosts */

static struct plan_host largest_host(const struct points *points, const struct plan_basis *basis,
                                     const struct split *split)
{
	struct plan_host largest = { 0 };
	for (int64_t i = 0; i < points->count; i++) {
		struct plan_host host = plan_memory_host(&basis->memory, &points->points[i], split);
		if (!points->points[i].finished && plan_memory_host_sum(&host) > plan_memory_host_sum(&largest))
			largest = host;
	}
	return largest;
}

void plan_print_hosts(const struct points *points, const struct plan_basis *basis, const struct split *split)
{
	struct plan_host host = largest_host(points, basis, split);
	double classifier = plan_memory_classifier_host(&basis->memory, points, split);
	double reader = plan_memory_reader(&basis->memory, points, split);
	int nodes = plan_nodes_of(basis, split->trainers + split->classifiers + split->readers + split->idle, split);
	double all = split->trainers * plan_memory_host_sum(&host) + split->classifiers * classifier +
	             split->readers * reader;
	char numbers[8][32];
	printf("memory of the host: largest trainer %s = %s program and libraries of CUDA (ASSUMED), page-locked %s "
	       "for copies and %s for a "
	       "checkpoint, %s more to read one",
	       text_bytes(plan_memory_host_sum(&host), numbers[0], 32), text_bytes(host.process, numbers[1], 32),
	       text_bytes(host.staging, numbers[2], 32), text_bytes(host.checkpoint, numbers[3], 32),
	       text_bytes(host.reading, numbers[6], 32));
	if (host.exchange > 0)
		printf(", %s for gradients on their way", text_bytes(host.exchange, numbers[4], 32));
	printf(", %s text", text_bytes(host.text, numbers[5], 32));
	if (classifier > 0)
		printf("; classifier %s", text_bytes(classifier, numbers[7], 32));
	if (reader > 0)
		printf("; reader %s", text_bytes(reader, numbers[7], 32));
	printf("; about %s a node\n", text_bytes(all / nodes, numbers[0], 32));
}
