/* The environment of srun and mpirun; cores and GPUs of the ranks.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1 /* cpu_set_t, dladdr, GLOB_BRACE */
#endif
#include "comm/launch.h"

#include <dlfcn.h>
#include <glob.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "comm/cores.h"

/* ---- the launch ---- */

static bool is_set(const char *name)
{
	const char *value = getenv(name);
	return value != NULL && value[0] != '\0';
}

static long step_tasks(void)
{
	const char *tasks = getenv("SLURM_STEP_NUM_TASKS");
	/* Under mpirun the daemons are Slurm's tasks, and the ranks mpirun's own. */
	return tasks == NULL || is_set("OMPI_COMM_WORLD_SIZE") ? 1 : strtol(tasks, NULL, 10);
}

static bool is_first_task(void)
{
	const char *number = getenv("SLURM_PROCID");
	return number == NULL || strcmp(number, "0") == 0;
}

static enum status raise_mismatch(const char *what)
{
	if (is_first_task())
		return error_raise(STATUS_ENVIRONMENT,
		                   "Slurm started %ld tasks, %s: srun --mpi=%s does not fit this MPI; use srun "
		                   "--mpi=pmix (srun --mpi=list shows what there is; MpiDefault=pmix in slurm.conf "
		                   "makes it the default), or mpirun inside the allocation",
		                   step_tasks(), what, is_set("SLURM_MPI_TYPE") ? getenv("SLURM_MPI_TYPE") : "none");
	error_clear();
	return STATUS_ENVIRONMENT;
}

/* Open MPI finds other ranks by plug-ins below the folder of its library: mca_pmix_ext3x.so and the like know PMIx,
 * mca_pmix_s1.so and _s2.so Slurm's own protocols. True only when there are plug-ins and none of the latter; Open MPI 5
 * knows PMIx alone. */
static bool knows_only_pmix(void)
{
	char version[MPI_MAX_LIBRARY_VERSION_STRING] = "", path[PATH_MAX], pattern[PATH_MAX + 64];
	int length = 0, major = 0;
	Dl_info library;
	glob_t all = { 0 }, own = { 0 };
	MPI_Get_library_version(version, &length);
	if (sscanf(version, "Open MPI v%d", &major) != 1)
		return false;
	if (major >= 5)
		return true;
	/* The address of a function as an object: what dladdr() wants. */
	if (dladdr((void *)(uintptr_t)MPI_Get_library_version, &library) == 0 ||
	    realpath(library.dli_fname, path) == NULL)
		return false;
	*strrchr(path, '/') = '\0';
	snprintf(pattern, sizeof pattern, "%s/{,openmpi*/lib/}openmpi*/mca_pmix_*.so", path);
	bool plugged = glob(pattern, GLOB_BRACE, NULL, &all) == 0;
	snprintf(pattern, sizeof pattern, "%s/{,openmpi*/lib/}openmpi*/mca_pmix_s[12].so", path);
	bool old = glob(pattern, GLOB_BRACE, NULL, &own) == 0;
	globfree(&all);
	globfree(&own);
	return plugged && !old;
}

enum status launch_check(void)
{
	if (step_tasks() <= 1 || is_set("PMIX_RANK"))
		return STATUS_OK;
	if (!is_set("PMI_RANK") && !is_set("PMI_FD"))
		return raise_mismatch("but told none of them how to find the others");
	return knows_only_pmix() ? raise_mismatch("in a way that this Open MPI does not understand") : STATUS_OK;
}

enum status launch_check_size(int size)
{
	return step_tasks() > size && size == 1 ? raise_mismatch("but MPI sees only one") : STATUS_OK;
}

/* ---- where the ranks are ---- */

struct seat {
	char node[LAUNCH_NODE_SIZE];
	char gpus[64];
	int online; /* cores of the node */
	cpu_set_t cores;
};

void launch_node_name(char name[LAUNCH_NODE_SIZE])
{
	const char *node = getenv("SLURMD_NODENAME");
	memset(name, 0, LAUNCH_NODE_SIZE);
	if (node != NULL && node[0] != '\0')
		snprintf(name, LAUNCH_NODE_SIZE, "%s", node);
	else
		gethostname(name, LAUNCH_NODE_SIZE - 1);
}

static void find_seat(struct seat *seat)
{
	const char *gpus = getenv("CUDA_VISIBLE_DEVICES");
	*seat = (struct seat){ .online = (int)sysconf(_SC_NPROCESSORS_ONLN) };
	launch_node_name(seat->node);
	snprintf(seat->gpus, sizeof seat->gpus, "%s", gpus == NULL ? "" : gpus);
	struct core_mask own;
	cores_own(&own);
	CPU_ZERO(&seat->cores);
	for (int core = 0; core < CPU_SETSIZE && core < MOST_CORES; core++)
		if (own.words[core / 64] >> core % 64 & 1)
			CPU_SET(core, &seat->cores);
}

/* "0-3,8" */
static void list_cores(FILE *text, const cpu_set_t *cores)
{
	const char *comma = "";
	for (int first = 0; first < CPU_SETSIZE; first++) {
		if (!CPU_ISSET(first, cores))
			continue;
		int last = first;
		while (last + 1 < CPU_SETSIZE && CPU_ISSET(last + 1, cores))
			last++;
		fprintf(text, last > first ? "%s%d-%d" : "%s%d", comma, first, last);
		comma = ",";
		first = last;
	}
}

/* "2 ranks, cores 0-3 | 4-7, GPUs 0 | 1" of the ranks whose `node` is that of the first one. */
static char *describe_node(const struct seat *seats, int size, int first, int *ranks_out, cpu_set_t *all)
{
	char *text = NULL;
	size_t bytes = 0;
	FILE *stream = open_memstream(&text, &bytes);
	bool gpus = false, alike = true, gpus_alike = true;
	int ranks = 0;
	if (stream == NULL)
		return NULL;
	CPU_ZERO(all);
	for (int rank = first; rank < size; rank++) {
		if (strcmp(seats[rank].node, seats[first].node) != 0)
			continue;
		ranks++;
		CPU_OR(all, all, &seats[rank].cores);
		gpus |= seats[rank].gpus[0] != '\0';
		alike &= CPU_EQUAL(&seats[rank].cores, &seats[first].cores);
		gpus_alike &= strcmp(seats[rank].gpus, seats[first].gpus) == 0;
	}
	fprintf(stream, "%d rank%s, cores ", ranks, ranks == 1 ? "" : "s");
	const char *separator = "";
	for (int rank = first; rank < size; rank++) {
		if (strcmp(seats[rank].node, seats[first].node) != 0 || (alike && rank > first))
			continue;
		fputs(separator, stream);
		list_cores(stream, &seats[rank].cores);
		separator = " | ";
	}
	if (alike && ranks > 1)
		fputs(" for each", stream);
	separator = ", GPUs ";
	for (int rank = first; gpus && rank < size; rank++) {
		if (strcmp(seats[rank].node, seats[first].node) != 0 || (gpus_alike && rank > first))
			continue;
		fprintf(stream, "%s%s", separator, seats[rank].gpus[0] != '\0' ? seats[rank].gpus : "none");
		separator = " | ";
	}
	if (gpus && gpus_alike && ranks > 1)
		fputs(" for each", stream);
	*ranks_out = ranks;
	if (fclose(stream) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

static void warn_of_crowding(const struct seat *seat, int ranks, const cpu_set_t *all)
{
	int cores = CPU_COUNT(all);
	if (cores == 0 || cores >= ranks || cores >= seat->online)
		return;
	log_warning(
		"%d ranks on %s may use only %d of its %d cores: they will take turns; give each rank cores of its own "
		"(srun --cpus-per-task=%d --cpu-bind=cores, mpirun --bind-to core, or no binding at all)",
		ranks, seat->node, cores, seat->online, seat->online / ranks > 1 ? seat->online / ranks : 1);
}

static void print_node(const char *node, int more, const char *text)
{
	if (more > 0)
		log_info("%s and %d more like it: %s", node, more, text);
	else
		log_info("%s: %s", node, text);
}

static bool is_first_of_node(const struct seat *seats, int rank)
{
	for (int before = rank - 1; before >= 0; before--)
		if (strcmp(seats[before].node, seats[rank].node) == 0)
			return false;
	return true;
}

/* Neighbours of one kind share a line. */
static void print_seats(const struct seat *seats, int size)
{
	char *kind = NULL;
	const char *node = NULL;
	int more = 0;
	for (int rank = 0; rank < size; rank++) {
		int ranks;
		cpu_set_t all;
		if (!is_first_of_node(seats, rank))
			continue;
		char *text = describe_node(seats, size, rank, &ranks, &all);
		if (text == NULL)
			break;
		warn_of_crowding(&seats[rank], ranks, &all);
		if (kind != NULL && strcmp(kind, text) == 0) {
			more++;
			free(text);
			continue;
		}
		if (kind != NULL)
			print_node(node, more, kind);
		free(kind);
		kind = text;
		node = seats[rank].node;
		more = 0;
	}
	if (kind != NULL)
		print_node(node, more, kind);
	free(kind);
}

enum status launch_print_binding(const struct world *world)
{
	struct seat own;
	struct seat *seats = memory_allocate((size_t)world->size, sizeof *seats);
	if (seats == NULL)
		return STATUS_ENVIRONMENT;
	find_seat(&own);
	enum status status = world_all_gather(world, &own, (int)sizeof own, MPI_BYTE, seats);
	if (status == STATUS_OK && world->rank == 0)
		print_seats(seats, world->size);
	free(seats);
	return status;
}
