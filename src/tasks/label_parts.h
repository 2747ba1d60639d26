/* Inside of task = label: the features of blocks (label_blocks.c), the autoencoder's training (label_train.c) and files (label_file.c),
 * the choice of latents (label_screen.c, label_hand.c) and what is written of them (label_latents.c), the labels of tokens
 * (label_shards.c, label_counts.c), what all of it depends on (label_identity.c), and the task (label_task.c).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_TASKS_LABEL_PARTS_H
#define CAPSHAPE_TASKS_LABEL_PARTS_H

#include "classifier/autoencoder.h"
#include "classifier/features.h"
#include "classifier/latents.h"
#include "tasks/devices.h"
#include "tasks/start.h"
#include "tasks/task.h"
#include "tasks/unfinished.h"
#include "text/corpus.h"
#include "text/shard.h"

enum label_set { LABEL_TRAIN, LABEL_VALIDATION, LABEL_TEST, LABEL_SETS };
/* "train", "validation", "test". */
const char *label_set_name(int set);

struct labelling {
	struct job *job;
	struct world *world; /* of the job */
	const struct parameters *parameters;
	const char *output, *data;
	struct start start; /* the model */
	struct shard_set *sets[LABEL_SETS];
	int layer;
	int32_t end_of_text;
	uint64_t seed;
	struct autoencoder_shape shape;
	char identity[CONTENT_HASH_SIZE];  /* of the autoencoder: of all that decides it */
	char made_with[CONTENT_HASH_SIZE]; /* of the labels: of all that decides them */
	int32_t *hand[2];                  /* latents to leave out, to take */
	int64_t hand_count[2];
	struct unfinished unfinished;
	struct devices devices;
	struct features *features;
	struct autoencoder *autoencoder;
	/* the block at hand: features [rows, D] of its tokens without end-of-text, and where each document begins among them */
	struct block block;
	float *values;
	int64_t *begin, rows;
	size_t value_capacity, begin_capacity;
	/* its active latents [rows, K] */
	float *active;
	int32_t *index;
	size_t active_capacity, index_capacity;
	/* what was chosen */
	struct latent_tally tally;
	uint8_t *chosen;   /* [M] enum label_choice */
	float *thresholds; /* [M] */
	/* how well held-out features are rebuilt */
	double explained;
};

enum label_choice { CHOICE_NONE, CHOICE_SCREEN, CHOICE_HAND };

/* ---- blocks ---- */

/* Features of a block; then its active latents too. Not collective. */
enum status label_read_features(struct labelling *work, struct shard_set *set, int64_t number);
enum status label_read_active(struct labelling *work, struct shard_set *set, int64_t number);
/* Tokens of a block without end-of-text. */
int64_t label_block_rows(const struct shard_set *set, int64_t number);
/* Blocks of the training set in random order that hold at least so many tokens, or all. */
int64_t label_count_blocks(const struct labelling *work, const struct shard_set *set, int64_t tokens);
/* visit() sees the features or active latents of the blocks first .. first + count - 1 in random order, each rank its own. Collective;
 * the same status on all ranks. */
typedef enum status (*label_visit)(struct labelling *work, int64_t number, void *state);
enum status label_visit_blocks(struct labelling *work, struct shard_set *set, int64_t count, label_visit visit,
                               void *state);
/* From one rank to the first. Counts in elements of the type. */
enum status label_send(const struct world *world, const void *values, int64_t count, MPI_Datatype type);
enum status label_receive(const struct world *world, int from, void *values, int64_t count, MPI_Datatype type);

/* ---- the autoencoder ---- */

/* On every rank: of output/autoencoder.h5, of label/autoencoder, or trained. Collective. */
enum status label_obtain_autoencoder(struct labelling *work);
/* autoencoder.h5 (docs/autoencoder-labels.md). Rank 0. */
enum status label_write_autoencoder(const struct labelling *work, const char *path);
/* Its shape, layer and identity; STATUS_DATA where it is not of this model. */
struct label_autoencoder_facts {
	struct autoencoder_shape shape;
	int64_t layer;
	char identity[CONTENT_HASH_SIZE];
};
enum status label_read_autoencoder_facts(const char *path, const struct start *start,
                                         struct label_autoencoder_facts *facts);
enum status label_read_autoencoder(struct labelling *work, const char *path);
/* The state of training after so many rounds of text, in output/unfinished. *rounds 0: there is none. Rank 0. */
enum status label_save_training(const struct labelling *work, int64_t rounds);
enum status label_find_training(struct labelling *work, int64_t *rounds);
/* explained: the share of the variance of held-out features. Collective. */
enum status label_measure_autoencoder(struct labelling *work);

/* ---- the choice ---- */

/* label/take and label/leave, read and checked but for the number of latents. Not collective. */
enum status label_read_hand(struct labelling *work);
/* tally, chosen, thresholds; writes latents.jsonl and latents.h5. Collective. */
enum status label_choose(struct labelling *work);
/* Rank 0: the two files. shown[shown_count]: latents with their places[shown_count, LATENT_PLACES]. */
enum status label_write_latents(const struct labelling *work, const int32_t *shown, int64_t shown_count,
                                const struct latent_place *places);

/* identity: of the autoencoder (that of label/autoencoder has its own). Not collective. */
enum status label_name_autoencoder(struct labelling *work, const char *device);
/* made_with: of the labels; and the text that says so in the unfinished work, from malloc. Not collective. */
enum status label_describe(struct labelling *work, char **text_out);

/* ---- the labels ---- */

/* Of a set; only int64_t, so that it can be kept as one array. */
struct label_counts {
	int64_t documents[DOMAIN_COUNT], before[DOMAIN_COUNT]; /* by domain: as written, as read */
	int64_t labelled[DOMAIN_COUNT];                        /* tokens by label, as written */
	int64_t tokens[DOMAIN_COUNT], forget[DOMAIN_COUNT];    /* by domain of the document: all, labelled forget */
	int64_t positive[LATENT_VOTES + 1], negative[LATENT_VOTES + 1]; /* tokens with a gold label, by votes */
	int64_t hits[2], alarms[2]; /* gold forget and not, that the labels (the documents' domains) say are forget */
	int64_t known;              /* 1: there are gold labels of tokens */
};
/* Counts the tokens of a document and sets their labels; its domain may change where it had none. `gold`: the labels that it has. */
void label_document(const struct labelling *work, const uint8_t *marks, const int32_t *ids, const uint8_t *gold,
                    int64_t tokens, uint8_t *domain, uint8_t *labels, struct label_counts *counts);
/* The shards of all sets. Collective. */
enum status label_write_sets(struct labelling *work, struct label_counts counts[LABEL_SETS]);
/* Rank 0: corpus.h5, last of all, and what people read. */
enum status label_write_corpus(const struct labelling *work, const char *path,
                               const struct label_counts counts[LABEL_SETS]);
void label_print_counts(const struct label_counts counts[LABEL_SETS]);
/* Whether the set gets labels of tokens. */
bool label_is_wanted(const struct labelling *work, int split);

#endif
