/* Clocks.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/timer.h"

#include <time.h>

double timer_seconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

const char *timer_date(char *buffer)
{
	time_t now = time(NULL);
	struct tm parts;
	gmtime_r(&now, &parts);
	strftime(buffer, 21, "%Y-%m-%dT%H:%M:%SZ", &parts);
	return buffer;
}
