/* Wall-clock time.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_BASE_TIMER_H
#define CAPSHAPE_BASE_TIMER_H

/* Seconds of a monotonic clock. */
double timer_seconds(void);

/* "2026-01-31T12:34:56Z" into buffer of at least 21 bytes; returns it. */
const char *timer_date(char *buffer);

#endif
