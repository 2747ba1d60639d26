/* Input files whose points come from another run: parsed once to learn of which, and once more with the axis.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "tasks/start.h"

/* The overrides, and one more; from malloc. */
static const char **one_more(int count, const char *const *overrides, const char *last)
{
	const char **more = memory_allocate((size_t)count + 1, sizeof *more);
	for (int i = 0; i < count && more != NULL; i++)
		more[i] = overrides[i];
	if (more != NULL)
		more[count] = last;
	return more;
}

enum status start_read_sweep(const char *file, int override_count, const char *const *overrides,
                             struct sweep **sweep_out)
{
	char *override = NULL;
	STATUS_TRY(sweep_read(file, override_count, overrides, sweep_out));
	enum status status = start_expand(*sweep_out, &override);
	if (status == STATUS_OK && override == NULL)
		return STATUS_OK;
	sweep_destroy(*sweep_out);
	*sweep_out = NULL;
	const char **more = status == STATUS_OK ? one_more(override_count, overrides, override) : NULL;
	if (status == STATUS_OK)
		status = more == NULL ? STATUS_ENVIRONMENT : sweep_read(file, override_count + 1, more, sweep_out);
	free(more);
	free(override);
	return status;
}

/* A text that rank 0 has (NULL: none) and the others are to have, from malloc. */
static enum status share_text(struct world *world, enum status status, char **text)
{
	int64_t bytes = *text != NULL ? (int64_t)strlen(*text) + 1 : 0;
	STATUS_TRY(world_agree(world, status));
	STATUS_TRY(world_broadcast(world, &bytes, sizeof bytes, 0));
	if (bytes == 0)
		return STATUS_OK;
	if (world->rank > 0)
		*text = memory_allocate((size_t)bytes, 1);
	STATUS_TRY(world_agree(world, *text == NULL ? STATUS_ENVIRONMENT : STATUS_OK));
	return world_broadcast(world, *text, bytes, 0);
}

enum status start_share_sweep(struct world *world, const char *name, const char *text, int override_count,
                              const char *const *overrides, struct sweep **sweep)
{
	char *override = NULL;
	if (!start_is_wanted(sweep_point(*sweep, 0)))
		return STATUS_OK;
	enum status status =
		share_text(world, world->rank == 0 ? start_expand(*sweep, &override) : STATUS_OK, &override);
	if (status == STATUS_OK && override != NULL) {
		const char **more = one_more(override_count, overrides, override);
		struct sweep *expanded = NULL;
		status = more == NULL ? STATUS_ENVIRONMENT
		                      : sweep_parse(name, text, override_count + 1, more, &expanded);
		status = world_agree(world, status);
		free(more);
		sweep_destroy(*sweep);
		*sweep = expanded;
	}
	free(override);
	return status;
}
