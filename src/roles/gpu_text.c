/* Lists of numbers for people.
 * SPDX-License-Identifier: Apache-2.0 */
#include "roles/gpu_text.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"

/* A text that grows. */
struct paper {
	char *text;
	size_t bytes;
	FILE *stream;
};

static bool paper_open(struct paper *paper)
{
	*paper = (struct paper){ 0 };
	paper->stream = open_memstream(&paper->text, &paper->bytes);
	if (paper->stream == NULL)
		error_raise(STATUS_ENVIRONMENT, "out of memory for a line of text");
	return paper->stream != NULL;
}

static char *paper_close(struct paper *paper)
{
	if (fclose(paper->stream) == 0)
		return paper->text;
	free(paper->text);
	error_raise(STATUS_ENVIRONMENT, "out of memory for a line of text");
	return NULL;
}

/* "0-3,6": numbers that follow each other as a range. */
static void write_numbers(FILE *stream, const int *numbers, int count)
{
	for (int begin = 0, end; begin < count; begin = end) {
		for (end = begin + 1; end < count && numbers[end] == numbers[end - 1] + 1;)
			end++;
		fprintf(stream, begin > 0 ? ",%d" : "%d", numbers[begin]);
		if (end - begin > 1)
			fprintf(stream, "%c%d", end - begin > 2 ? '-' : ',', numbers[end - 1]);
	}
}

/* Ranks of a node with this role, counted there, that compute on GPU `gpu` (-1: any or none): their numbers and, in gpus, their GPUs. */
static int find_ranks(const struct gpu_map *map, const struct gpu_view *views, int node, enum role role, int gpu,
                      int *ranks, int *gpus)
{
	int here = 0, count = 0;
	for (int rank = 0; rank < map->ranks; rank++) {
		if (views[rank].node != node)
			continue;
		if (views[rank].role == role && (gpu < 0 || map->uses[rank].gpu == gpu)) {
			ranks[count] = here;
			gpus[count++] = map->uses[rank].gpu;
		}
		here++;
	}
	return count;
}

/* What ranks of a node that have this role are called. */
static const char *name_of(const struct gpu_map *map, const struct gpu_view *views, int node, enum role role)
{
	for (int rank = 0; rank < map->ranks; rank++)
		if (views[rank].node == node && views[rank].role == role)
			return gpu_view_name(&views[rank]);
	return role_name(role);
}

static void write_ranks(FILE *stream, const char *separator, const char *name, bool idle, const int *ranks, int count)
{
	fprintf(stream, "%s%s%s ", separator, name, count == 1 || idle ? "" : "s");
	write_numbers(stream, ranks, count);
}

static int *room_for_ranks(const struct gpu_map *map)
{
	return memory_allocate(2 * (size_t)map->ranks, sizeof(int));
}

char *gpu_text_node(const struct gpu_map *map, const struct gpu_view *views, int node)
{
	int *ranks = room_for_ranks(map), *gpus = ranks + map->ranks;
	struct paper paper;
	const char *separator = "";
	if (ranks == NULL || !paper_open(&paper)) {
		free(ranks);
		return NULL;
	}
	for (int role = ROLE_TRAINER; role <= ROLE_IDLE; role++) {
		int count = find_ranks(map, views, node, (enum role)role, -1, ranks, gpus);
		if (count == 0)
			continue;
		write_ranks(paper.stream, separator, name_of(map, views, node, (enum role)role), role == ROLE_IDLE,
		            ranks, count);
		separator = ", ";
		if (map->first[map->nodes] == 0)
			continue;
		if (!gpu_map_computes((enum role)role)) {
			fputs(" without a GPU", paper.stream);
			continue;
		}
		fputs(count == 1 ? " on GPU " : " on GPUs ", paper.stream);
		write_numbers(paper.stream, gpus, count);
	}
	free(ranks);
	return paper_close(&paper);
}

char *gpu_text_idle(const struct gpu_map *map, int node)
{
	struct paper paper;
	const char *separator = "";
	if (!paper_open(&paper))
		return NULL;
	for (int i = map->first[node]; i < map->first[node + 1]; i++) {
		if (map->gpus[i].ranks > 0)
			continue;
		fprintf(paper.stream, "%sGPU %d (%s)", separator, i - map->first[node], map->gpus[i].identity.bus);
		separator = ", ";
	}
	return paper_close(&paper);
}

char *gpu_text_shared(const struct gpu_map *map, const struct gpu_view *views, int node, bool *trainers_out)
{
	int *ranks = room_for_ranks(map), *gpus = ranks + map->ranks;
	struct paper paper;
	const char *separator = "";
	*trainers_out = false;
	if (ranks == NULL || !paper_open(&paper)) {
		free(ranks);
		return NULL;
	}
	for (int i = map->first[node]; i < map->first[node + 1]; i++) {
		const struct gpu *gpu = &map->gpus[i];
		if (gpu->ranks < 2)
			continue;
		*trainers_out |= gpu->trainers > 1;
		fprintf(paper.stream, "%sGPU %d (", separator, i - map->first[node]);
		separator = ", ";
		for (int role = ROLE_TRAINER; role <= ROLE_CLASSIFIER; role++) {
			int count = find_ranks(map, views, node, (enum role)role, i - map->first[node], ranks, gpus);
			if (count > 0)
				write_ranks(paper.stream, role > ROLE_TRAINER && gpu->trainers > 0 ? ", " : "",
				            name_of(map, views, node, (enum role)role), false, ranks, count);
		}
		fputc(')', paper.stream);
	}
	free(ranks);
	return paper_close(&paper);
}
