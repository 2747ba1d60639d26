/* Blocks from other ranks: what was asked for arrives by itself, into memory bounded by the credits.
 *
 * Answers are received whenever the rank looks (remote_progress(), and every wait), in the order in which they come, so that
 * a block that is needed is there already, whoever was busy computing when it was sent. Both sides tell each other now and
 * then that they are alive: a server may wait for hours while a trainer computes, and a trainer while a server is at work,
 * but not for a rank that is silent.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_ROLES_REMOTE_H
#define CAPSHAPE_ROLES_REMOTE_H

#include <stdbool.h>

#include "comm/world.h"
#include "roles/timers.h"
#include "text/shard.h"

struct remote;

/* Asks ranks first .. first + count - 1 of world (block b: first + b % count). `role_text` names them in time-outs.
 * `credits`: most blocks asked for and not yet taken. */
enum status remote_create(const struct world *world, int first, int count, const char *role_text, int credits,
                          struct timers *timers, struct remote **remote_out);
void remote_destroy(struct remote *remote);
/* What is to go on while this rank waits for a block (NULL: nothing). It may ask for blocks, not take them. */
void remote_set_progress(struct remote *remote, void (*progress)(void *state), void *state);
/* A block may be asked for several times: it is then to be taken as often. */
enum status remote_request(struct remote *remote, int64_t block);
/* Waits for the block. STATUS_PEER naming rank, role and block when the rank asked has sent nothing, no sign of life
 * either, for world->timeout. */
enum status remote_take(struct remote *remote, int64_t block, struct block *out);
/* Whether the block has come. */
bool remote_has(const struct remote *remote, int64_t block);
/* Receives what has come; never waits. */
void remote_progress(struct remote *remote);
/* Only tells the ranks asked that this one is alive. */
void remote_sign_life(struct remote *remote);
/* Waits for what was not taken and drops it. */
enum status remote_drain(struct remote *remote);
/* As remote_drain(), and tells the ranks asked that this one is done. */
enum status remote_finish(struct remote *remote);
/* Bytes held for arrived blocks at most, and the bytes and blocks received so far. */
void remote_measure(const struct remote *remote, int64_t *held_out, int64_t *bytes_out, int64_t *blocks_out);

#endif
