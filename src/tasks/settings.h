/* From the values of a point to the plans of the modules, with the checks that need several keys at once.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_TASKS_SETTINGS_H
#define CAPSHAPE_TASKS_SETTINGS_H

#include "filter/filter.h"
#include "input/parameters.h"
#include "kernels/kernels.h"
#include "model/config.h"
#include "roles/training.h"
#include "text/shard.h"

/* finetune/target = none, as a number: trained as ever, from the weights of another run. */
#define SETTINGS_NO_TARGET (-2.0)

/* Shape of the model of a point; `vocabulary`: token ids in use (rows are padded to a multiple of 64). */
enum status settings_model(const struct parameters *parameters, int32_t vocabulary, struct model_config *config_out);

enum status settings_training(const struct parameters *parameters, const struct model_config *config,
                              struct training_settings *settings_out);

/* Bits 1 << domain of the domains that a list names, of one at least. */
enum status settings_domains(const struct parameters *parameters, const char *key, uint32_t *domains_out);
/* Of a task that unlearns: what [unlearn] says, the length of the run included. Other settings are read before. */
enum status settings_unlearning(const struct parameters *parameters, const struct model_config *config,
                                struct training_settings *settings);

/* Thresholds `auto` and `balanced` are taken from the two given values (the classifier's best F1 that is meant). */
enum status settings_filter(const struct parameters *parameters, const struct shard_facts *facts,
                            uint16_t best_token_threshold, uint16_t best_document_threshold, int64_t steps,
                            struct filter *filter_out);

/* Threads of a rank: run/threads; `auto`: its share of the cores of the node (comm/cores.h), no more than OMP_NUM_THREADS. */
int settings_threads(const struct parameters *parameters, double cores);

/* Whether run/device says that models run on a GPU: `cuda`, or `auto` where this process sees one. */
bool settings_takes_gpu(const struct parameters *parameters);
/* Whether it leaves that to what ranks see: `cuda` or `auto`. */
bool settings_may_take_gpu(const struct parameters *parameters);
/* The kernels for run/device; `gpus`: whether `auto` means a GPU. */
enum status settings_kernels(const struct parameters *parameters, bool gpus, const struct kernels **kernels_out);
/* A device for run/precision and run/threads (`auto`: this rank's share of the cores, `cores`): of a GPU number `number` of those that this process sees, modulo their count. tasks/devices.h chooses it. */
enum status settings_device(const struct parameters *parameters, const struct kernels *kernels, double cores,
                            int number, struct device **device_out);

/* "folder" or "folder/classifier.h5" of filter/classifier as the path of the file. From malloc. */
char *settings_classifier_path(const struct parameters *parameters);

/* After tokenize, generate/entanglement says which text is meant: STATUS_DATA when a number is given and the text in
 * data/folder was made with another one, or was not generated. */
enum status settings_check_text(const struct parameters *parameters);

/* filter/method, and with route what it decides about. STATUS_USAGE where the task or the other keys do not allow the method. */
enum status settings_method(const struct parameters *parameters, struct filter *filter);

/* Planned floating-point operations of the whole training of a point (every row kept). */
double settings_training_flops(const struct model_config *config, const struct training_settings *training);

#endif
