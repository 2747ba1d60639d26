/* Longest first, to the group that is free first.
 * SPDX-License-Identifier: Apache-2.0 */
#include "roles/timetable.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static int compare_items(const void *a, const void *b)
{
	const struct timetable_item *x = a, *y = b;
	if (x->phase != y->phase)
		return x->phase < y->phase ? -1 : 1;
	if (x->cost > y->cost || x->cost < y->cost)
		return x->cost > y->cost ? -1 : 1;
	return x->point < y->point ? -1 : x->point > y->point;
}

/* One group has nothing to gain from another order than the input file's. */
static int compare_numbers(const void *a, const void *b)
{
	const struct timetable_item *x = a, *y = b;
	if (x->phase != y->phase)
		return x->phase < y->phase ? -1 : 1;
	return x->point < y->point ? -1 : x->point > y->point;
}

/* A heap of groups: the one that is free first on top, the lower number at equal times. */
struct heap {
	int count;
	int *group;
	const double *free_at; /* by group */
};

static bool earlier(const struct heap *heap, int a, int b)
{
	double x = heap->free_at[heap->group[a]], y = heap->free_at[heap->group[b]];
	return x < y || (!(y < x) && heap->group[a] < heap->group[b]);
}

static void sift_down(struct heap *heap, int at)
{
	for (;;) {
		int child = 2 * at + 1;
		if (child >= heap->count)
			return;
		if (child + 1 < heap->count && earlier(heap, child + 1, child))
			child++;
		if (!earlier(heap, child, at))
			return;
		int kept = heap->group[at];
		heap->group[at] = heap->group[child];
		heap->group[child] = kept;
		at = child;
	}
}

static void place_items(const struct timetable_item *items, struct heap *heap, double *free_at,
                        struct timetable *timetable)
{
	int phase = -1;
	for (int64_t i = 0; i < timetable->count; i++) {
		if (items[i].phase != phase) {
			phase = items[i].phase;
			for (int group = 0; group < timetable->groups; group++) {
				free_at[group] = timetable->end;
				heap->group[group] = group;
			}
		}
		int group = heap->group[0];
		double end = free_at[group] + items[i].cost;
		timetable->places[i] =
			(struct timetable_place){ items[i].point, items[i].phase, group, free_at[group], end };
		free_at[group] = end;
		sift_down(heap, 0);
		timetable->end = fmax(timetable->end, end);
	}
}

enum status timetable_create(const struct timetable_item *items, int64_t count, int groups,
                             struct timetable *timetable_out)
{
	struct timetable timetable = { .groups = groups, .count = count };
	struct timetable_item *sorted = memory_allocate((size_t)count, sizeof *sorted);
	double *free_at = memory_allocate((size_t)groups, sizeof *free_at);
	struct heap heap = { .count = groups, .free_at = free_at };
	heap.group = memory_allocate((size_t)groups, sizeof *heap.group);
	timetable.places = memory_allocate((size_t)count, sizeof *timetable.places);
	bool there = sorted != NULL && free_at != NULL && heap.group != NULL && timetable.places != NULL;
	if (there) {
		if (count > 0)
			memcpy(sorted, items, (size_t)count * sizeof *sorted);
		qsort(sorted, (size_t)count, sizeof *sorted, groups == 1 ? compare_numbers : compare_items);
		place_items(sorted, &heap, free_at, &timetable);
		*timetable_out = timetable;
	} else {
		free(timetable.places);
	}
	free(heap.group);
	free(free_at);
	free(sorted);
	return there ? STATUS_OK : STATUS_ENVIRONMENT;
}

void timetable_clear(struct timetable *timetable)
{
	free(timetable->places);
	*timetable = (struct timetable){ 0 };
}
