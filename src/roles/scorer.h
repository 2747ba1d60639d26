/* Scoring of blocks in the order in which they are asked for: the part of a provider that has a classifier.
 *
 * Where the device works by itself (kernels->asynchronous) the next block is begun before the last one is waited for, when it
 * is there already and nobody else scores it: the device then has work while the host makes scores, writes them down and sends
 * them. What a block holds does not depend on it. Until it is ended nobody else can score that block: who goes on to other work
 * calls scorer_pause() first.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_ROLES_SCORER_H
#define CAPSHAPE_ROLES_SCORER_H

#include "roles/provider.h"

struct scorer;

/* All must outlive the scorer; the classifier is used by one scorer at a time. */
enum status scorer_create(struct provider *source, struct classifier *classifier, struct score_store *store,
                          struct timers *timers, struct scorer **scorer_out);
/* Safe on NULL. Waits for what was begun. */
void scorer_destroy(struct scorer *scorer);
/* What goes on while a block is being scored, here or by another job. */
void scorer_set_progress(struct scorer *scorer, void (*progress)(void *state), void *state);
/* Notes that the block, which the source has been asked for, will be taken. */
enum status scorer_request(struct scorer *scorer, int64_t block);
/* As provider_take(). */
enum status scorer_take(struct scorer *scorer, int64_t block, struct block *out);
/* Ends what was begun ahead of its turn: no block will be taken for a while, and nobody is to wait for one meanwhile. */
enum status scorer_pause(struct scorer *scorer);
/* Blocks that were asked for and not taken are forgotten; what was begun is kept in the store. The source is not drained. */
enum status scorer_drain(struct scorer *scorer);

#endif
