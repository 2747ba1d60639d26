/* The loop of a reader or classifier rank: answers requests for blocks until every asker is done.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_ROLES_SERVER_H
#define CAPSHAPE_ROLES_SERVER_H

#include <stdbool.h>

#include "comm/world.h"
#include "roles/provider.h"

/* Serves the blocks of `provider` until `askers` ranks have said that they are done, then provider_finish(). Requests are
 * answered in the order in which they come; blocks are asked for upstream as soon as the request is there, also while a
 * block is being scored; whoever waits for one is told a few times in every world->timeout that this rank is alive.
 * `credits`: most requests that can be waiting (askers * their credits), which bounds the memory.
 * `role_text` names the askers in errors: STATUS_PEER when one that is not done gives no sign of life (remote.h) for four
 * times world->timeout, however long it asks for nothing. */
enum status server_run(const struct world *world, struct provider *provider, const char *role_text, int askers,
                       int credits, struct timers *timers);

#endif
