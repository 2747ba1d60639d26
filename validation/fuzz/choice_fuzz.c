/* Fuzzer of the words that choose points of a run (evaluate/points and its like): any words mean some of its points, or are refused
 * with a message.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tasks/choice.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char run[] =
	"[run]\ntask = pretrain\noutput = run\n[data]\nfolder = data\n[model]\nsize = L2-D32-H2, L2-D64-H2\n"
	"[train]\nlearning_rate = 1e-3, 2e-3, 3e-3\ntokens = 1M\n[filter]\nmethod = none, mask\nsource = labels\n";
static const char evaluation[] = "[run]\ntask = evaluate\noutput = other\n[evaluate]\nrun = run\n";
enum { POINTS = 12 };

static void choose(const struct sweep *started, const struct sweep *sweep)
{
	bool chosen[POINTS], any = false;
	if (choice_make(sweep_point(sweep, 0), "evaluate/points", "run", started, chosen) != STATUS_OK) {
		if (error_message()[0] == '\0')
			abort();
		return;
	}
	for (int i = 0; i < POINTS; i++)
		any |= chosen[i];
	if (!any)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char key[] = "evaluate/points=";
	static struct sweep *started; /* parsed once */
	struct sweep *sweep = NULL;
	char *override = malloc(sizeof key + size);
	if (override == NULL)
		abort();
	memcpy(override, key, sizeof key - 1);
	memcpy(override + sizeof key - 1, data, size);
	override[sizeof key - 1 + size] = '\0';
	if (started == NULL &&
	    (sweep_parse("run.in", run, 0, NULL, &started) != STATUS_OK || sweep_point_count(started) != POINTS))
		abort();
	const char *overrides[] = { override };
	error_clear();
	if (sweep_parse("evaluate.in", evaluation, 1, overrides, &sweep) == STATUS_OK)
		choose(started, sweep);
	else if (error_message()[0] == '\0')
		abort();
	sweep_destroy(sweep);
	free(override);
	return 0;
}
