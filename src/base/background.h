/* Work that a thread of its own does while the caller goes on, one piece of work at a time.
 *
 * The functions are for one thread, the owner. The work may use everything that is safe to use from another thread; what
 * the two share is the caller's care until background_end() has returned.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_BASE_BACKGROUND_H
#define CAPSHAPE_BASE_BACKGROUND_H

#include <stdbool.h>

#include "base/status.h"

struct background;

/* No work is under way. No thread is started yet. */
enum status background_create(struct background **background_out);
/* Waits for the end of the work under way. Safe on NULL. */
void background_destroy(struct background *background);

/* Starts work(context). None may be under way. Where no thread can be started the work is done before this returns: slower,
 * but done. Signals go to other threads. */
void background_start(struct background *background, enum status (*work)(void *context), void *context);
/* Whether work was started that background_end() was not called for. */
bool background_busy(const struct background *background);
/* Whether background_end() would return at once. */
bool background_done(const struct background *background);
/* Whether the work is done and has failed. */
bool background_failed(const struct background *background);
/* Waits for the end of the work. Its status; its message is then this thread's. STATUS_OK when there is none. */
enum status background_end(struct background *background);

#endif
