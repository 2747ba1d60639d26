/* Where a rank gets blocks from: its own shards, other ranks, and through its own classifier.
 *
 * A chain of providers looks the same whatever the split: ask ahead for the blocks that will be needed, take them in any
 * order. What a block holds is a function of its number alone, so the chain can not change a result.
 * Not thread-safe. Answers from other ranks are kept until taken: at most as many as were asked for (credits).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_ROLES_PROVIDER_H
#define CAPSHAPE_ROLES_PROVIDER_H

#include "classifier/classifier.h"
#include "comm/world.h"
#include "results/score_store.h"
#include "roles/timers.h"
#include "storage/hdf5_file.h"
#include "text/shard.h"

struct provider;

/* Reads from the shards; the set must outlive the provider. */
enum status provider_create_local(struct shard_set *set, struct timers *timers, struct provider **provider_out);
/* Asks ranks first .. first + count - 1 of world (block b: first + b % count). `role_text` names them in time-outs.
 * `credits`: most blocks asked for and not yet taken. */
enum status provider_create_remote(const struct world *world, int first, int count, const char *role_text, int credits,
                                   struct timers *timers, struct provider **provider_out);
/* Scores the blocks of `source` (owned from now on) unless the store has them already; new scores are appended. The
 * classifier and the store must outlive the provider. */
enum status provider_create_scorer(struct provider *source, struct classifier *classifier, struct score_store *store,
                                   struct timers *timers, struct provider **provider_out);
/* Scores from a finished pass: a score file (results/score_store.h) made for this shard set, which must outlive the
 * provider as must the reader. */
enum status provider_create_file(struct provider *source, struct shard_set *set, struct hdf5_reader *scores,
                                 struct provider **provider_out);
/* Gold labels as scores: forget tokens get SCORE_HIGHEST, others SCORE_LOWEST; documents of domain forget likewise. */
enum status provider_create_labels(struct provider *source, struct provider **provider_out);
/* No classifier at all: a score is provider_null_score(), so that the stream can be measured and checked alone. */
enum status provider_create_null(struct provider *source, struct timers *timers, struct provider **provider_out);
uint16_t provider_null_score(int64_t block, int64_t index); /* of token or document `index` of the block */
/* With its sources. */
void provider_destroy(struct provider *provider);
/* Without its source, which stays usable. */
void provider_release(struct provider *provider);
/* A block for the use of whoever takes blocks one by one; it lives as long as the provider. */
struct block *provider_block(struct provider *provider);

/* Announces that `block` will be taken, as often as it is asked for. */
enum status provider_request(struct provider *provider, int64_t block);
/* The block, asked for before; waits. *out is filled (arrays reused). */
enum status provider_take(struct provider *provider, int64_t block, struct block *out);
/* The caller goes on to other work before it takes the next block: whatever others could wait for is ended. */
enum status provider_pause(struct provider *provider);
/* Whether the block, asked for before, is here, so that taking it waits for no other rank (scoring it aside). */
bool provider_has(const struct provider *provider, int64_t block);
/* Receives what has come, without waiting; to be called now and then while computing. `state`: a struct provider *, so that
 * it can be the `progress` of a world. */
void provider_progress(void *state);
/* Tells the ranks that this one may ask later that it is alive: for a provider that is not in use for a while. */
void provider_sign_life(struct provider *provider);
/* Bytes held for blocks that were asked of other ranks, bytes received, blocks received. */
void provider_measure(const struct provider *provider, int64_t *held_out, int64_t *bytes_out, int64_t *blocks_out);
/* What is to go on while a block is being scored, or waited for: at another rank, or at another job that scores it. It may ask
 * for blocks, not take them. NULL: what has come is received, and no more. */
void provider_set_progress(struct provider *provider, void (*progress)(void *state), void *state);
/* Forgets every request not taken. */
enum status provider_drain(struct provider *provider);
/* As provider_drain(), and tells the ranks asked that this one is done (once, at the end). */
enum status provider_finish(struct provider *provider);

#endif
