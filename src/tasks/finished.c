/* Comparing what lies in the output folder with the input file.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tasks/finished.h"

#include <stdlib.h>
#include <string.h>

#include "results/run_file.h"
#include "storage/hdf5_file.h"

enum status finished_check_parameters(const char *path, const struct parameters *parameters)
{
	struct hdf5_reader *reader = NULL;
	STATUS_TRY(hdf5_open(path, &reader));
	size_t count;
	const struct key *keys = keys_table(&count);
	const char *task = parameters_text(parameters, "run/task");
	enum status status = STATUS_OK;
	for (size_t i = 0; i < count && status == STATUS_OK; i++) {
		char *before = NULL;
		if (!keys_decides(&keys[i], task))
			continue;
		/* A key that is newer than the file had no say in it; one that came later (KEY_LATER) had that of its default. */
		bool said = hdf5_read_text_attribute(reader, "parameters", keys[i].name, &before) == STATUS_OK;
		if (!said)
			error_clear();
		const char *then = said                          ? before
		                   : (keys[i].flags & KEY_LATER) ? keys_default_text(&keys[i], task)
		                                                 : NULL;
		if (then != NULL && strcmp(then, parameters_value(parameters, keys[i].name)) != 0)
			status = error_raise(STATUS_DATA,
			                     "%s was made with %s = %s, but the input now says %s (%s): choose another "
			                     "run/output, or remove that folder",
			                     path, keys[i].name, then, parameters_value(parameters, keys[i].name),
			                     parameters_origin(parameters, keys[i].name));
		free(before);
	}
	hdf5_close(reader);
	return status;
}

enum status finished_find(struct world *world, const char *path, const struct parameters *parameters, bool *finished)
{
	enum status status = STATUS_OK;
	*finished = false;
	if (world->rank == 0 && hdf5_is_complete(path)) {
		*finished = true;
		status = finished_check_parameters(path, parameters);
	}
	STATUS_TRY(world_agree(world, status));
	return world_broadcast(world, finished, sizeof *finished, 0);
}

enum status finished_check_run(const char *path, const char *identity, const struct parameters *parameters,
                               bool *finished)
{
	*finished = false;
	if (!hdf5_is_complete(path))
		return STATUS_OK;
	struct run_results results = { 0 };
	STATUS_TRY(run_file_read(path, &results));
	bool same = strcmp(results.identity, identity) == 0;
	*finished = results.finished;
	run_results_clear(&results);
	if (same)
		return STATUS_OK;
	STATUS_TRY(finished_check_parameters(path, parameters));
	return error_raise(STATUS_DATA,
	                   "%s was made with other text or another classifier than the input file now names: "
	                   "choose another run/output, or remove that folder",
	                   path);
}
