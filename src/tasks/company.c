/* Copies of a probe, side by side.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tasks/company.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/memory.h"
#include "tasks/rates.h"

struct company {
	int size;
	pid_t members[];
};

/* Says nothing: what is wrong with the points, the process that is measured says as well. */
_Noreturn static void keep_busy(const struct points *points, int ranks, double seconds)
{
	const struct parameters *parameters = points->points[0].parameters;
	const struct kernels *kernels;
	struct device *device;
	struct rates rates;
	enum status status = settings_kernels(parameters, settings_takes_gpu(parameters), &kernels);
	if (status == STATUS_OK)
		status = settings_device(parameters, kernels, ranks, 0, &device);
	while (status == STATUS_OK) {
		status = rates_measure(points, kernels, device, seconds, &rates);
		if (status == STATUS_OK)
			rates_clear(&rates);
	}
	_exit((int)status);
}

struct company *company_start(const struct points *points, int ranks, int count, double seconds)
{
	struct company *company = memory_allocate(1, sizeof *company + (size_t)count * sizeof *company->members);
	pid_t parent = getpid();
	for (int i = 0; company != NULL && i < count; i++) {
		pid_t member = fork();
		if (member == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			if (getppid() != parent) /* it died before the line above */
				_exit(0);
			keep_busy(points, ranks, seconds);
		}
		if (member < 0)
			break;
		company->members[company->size++] = member;
	}
	return company;
}

int company_size(const struct company *company)
{
	return company->size;
}

void company_end(struct company *company)
{
	if (company == NULL)
		return;
	for (int i = 0; i < company->size; i++)
		kill(company->members[i], SIGKILL);
	for (int i = 0; i < company->size; i++)
		waitpid(company->members[i], NULL, 0);
	free(company);
}
