/* Reading the key table's values into plans.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tasks/settings.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/memory.h"
#include "base/text.h"
#include "comm/cores.h"
#include "filter/score.h"
#include "input/keys.h"
#include "roles/steering.h"
#include "storage/hdf5_file.h"
#include "text/corpus.h"

enum { AUTO_EVALUATIONS = 100 }; /* of the forget set in a finetuning */

static enum status read_shape(const struct parameters *parameters, struct model_config *config)
{
	static const char *const keys[] = { "model/layers", "model/width", "model/heads" };
	const char *size = parameters_text(parameters, "model/size");
	int64_t values[3];
	int given = 0;
	for (int i = 0; i < 3; i++) {
		values[i] = parameters_integer(parameters, keys[i]);
		given += values[i] >= 0;
	}
	if (size[0] != '\0' && given > 0)
		return error_raise(STATUS_USAGE,
		                   "%s: model/size = %s already fixes layers, width and heads; give one or the "
		                   "other",
		                   parameters_origin(parameters, "model/size"), size);
	if (size[0] == '\0' && given < 3)
		return error_raise(STATUS_USAGE, "[model] needs either size, or layers, width and heads");
	if (size[0] != '\0')
		return error_context(model_config_from_name(size, config), "%s",
		                     parameters_origin(parameters, "model/size"));
	config->layers = (int32_t)values[0];
	config->width = (int32_t)values[1];
	config->heads = (int32_t)values[2];
	return STATUS_OK;
}

/* The forget part of a model that is trained with filter/method = route. */
static enum status read_route(const struct parameters *parameters, struct model_config *config)
{
	static const char key[] = "filter/route_neurons";
	if (strcmp(parameters_text(parameters, "run/task"), "pretrain") != 0 ||
	    strcmp(parameters_text(parameters, "filter/method"), "route") != 0)
		return STATUS_OK;
	double neurons = parameters_real(parameters, key);
	if (neurons < 1) /* a share, of one neuron at least */
		neurons = neurons > 0 ? fmax(1, round(neurons * 4 * config->width)) : 0;
	if (neurons != floor(neurons) || neurons > INT32_MAX)
		return error_raise(STATUS_USAGE, "%s: %s = %s is neither a share below 1 nor a whole number of neurons",
		                   parameters_origin(parameters, key), key, parameters_value(parameters, key));
	config->route_neurons = (int32_t)neurons;
	config->route_heads = (int32_t)parameters_integer(parameters, "filter/route_heads");
	if (!model_config_is_routed(config))
		return error_raise(STATUS_USAGE,
		                   "%s: filter/method = route needs a part of the model for what is forgotten: "
		                   "filter/route_neurons, filter/route_heads or both above 0",
		                   parameters_origin(parameters, "filter/method"));
	return STATUS_OK;
}

enum status settings_model(const struct parameters *parameters, int32_t vocabulary, struct model_config *config_out)
{
	struct model_config config = { 0 };
	enum status status = read_shape(parameters, &config);
	if (status != STATUS_OK)
		return status;
	config.context = (int32_t)parameters_integer(parameters, "model/context");
	config.vocabulary = model_config_padded_vocabulary(vocabulary);
	bool rotary = strcmp(parameters_text(parameters, "model/positions"), "rotary") == 0 &&
	              !parameters_boolean(parameters, "compat/no_rotary");
	config.positions = rotary ? POSITIONS_ROTARY : POSITIONS_NONE;
	config.rope_base = parameters_real(parameters, "model/rope_base");
	config.norm_epsilon = parameters_real(parameters, "model/norm_epsilon");
	config.base_width = (int32_t)parameters_integer(parameters, "model/base_width");
	config.init_deviation = parameters_real(parameters, "model/init_deviation");
	STATUS_TRY(read_route(parameters, &config));
	STATUS_TRY(model_config_check(&config));
	*config_out = config;
	return STATUS_OK;
}

static enum status check_batch(const struct training_settings *settings)
{
	int64_t slots = settings->slots;
	if ((slots & (slots - 1)) != 0)
		return error_raise(STATUS_USAGE, "train/slots = %lld is not a power of two", (long long)slots);
	if (settings->sequences % slots != 0)
		return error_raise(STATUS_USAGE, "train/sequences = %lld is not a multiple of train/slots = %lld",
		                   (long long)settings->sequences, (long long)slots);
	return STATUS_OK;
}

static enum status read_kept_steps(const struct parameters *parameters, struct training_settings *settings)
{
	static const char key[] = "run/checkpoint_shares";
	size_t count = parameters_list_count(parameters, key);
	if (count > MOST_KEPT_SHARES)
		return error_raise(STATUS_USAGE, "%s: %s has %zu shares, more than %d",
		                   parameters_origin(parameters, key), key, count, MOST_KEPT_SHARES);
	for (size_t i = 0; i < count; i++) {
		const char *word = parameters_list_item(parameters, key, i);
		char *end = NULL;
		double share = strtod(word, &end);
		if (end == word || *end != '\0' || !(share > 0 && share <= 1))
			return error_raise(STATUS_USAGE, "%s: %s: \"%.40s\" is not a number above 0 and up to 1",
			                   parameters_origin(parameters, key), key, word);
		int64_t step = llround(share * (double)settings->steps);
		settings->kept_steps[settings->kept_step_count++] = step < 1 ? 1 : step;
	}
	return STATUS_OK;
}

/* Tokens of the training: given, or as many as the parameters of the model ask for, within the range of what can be given. */
static enum status read_tokens(const struct parameters *parameters, const struct model_config *config, int64_t *tokens)
{
	static const char key[] = "train/tokens_per_parameter";
	*tokens = parameters_integer(parameters, "train/tokens");
	if (*tokens >= 0)
		return STATUS_OK;
	double each = parameters_real(parameters, key), count = (double)model_config_parameters(config);
	double most = keys_find("train/tokens")->maximum;
	if (!(each * count <= most))
		return error_raise(
			STATUS_USAGE,
			"%s: %s = %g x %.0f parameters = %g tokens, more than the %.0f that train/tokens can be",
			parameters_origin(parameters, key), key, each, count, each * count, most);
	*tokens = llround(each * count);
	return STATUS_OK;
}

/* A given number of tokens is rounded to whole steps, to the nearest. */
static int64_t warmup_steps(const struct parameters *parameters, const struct training_settings *settings)
{
	int64_t tokens = parameters_integer(parameters, "train/warmup_tokens");
	if (tokens >= 0)
		return llround((double)tokens / (double)(settings->sequences * settings->length));
	return (int64_t)(parameters_real(parameters, "train/warmup_share") * (double)settings->steps);
}

/* The key table knows no other names. */
static enum exchange_way exchange_from_name(const char *name)
{
	return strcmp(name, "host") == 0     ? EXCHANGE_HOST
	       : strcmp(name, "device") == 0 ? EXCHANGE_DEVICE
	                                     : EXCHANGE_AUTO;
}

/* Which documents are trained on, and towards what. */
static enum status read_finetune(const struct parameters *parameters, struct training_settings *settings)
{
	static const char key[] = "finetune/domains";
	int64_t interval = parameters_integer(parameters, "finetune/interval");
	if (strcmp(parameters_text(parameters, "run/task"), "finetune") != 0)
		return STATUS_OK;
	STATUS_TRY(settings_domains(parameters, key, &settings->domains));
	if (parameters_real(parameters, "finetune/target") == SETTINGS_NO_TARGET)
		return STATUS_OK; /* trained as ever */
	if (interval < 0)
		interval = settings->steps / AUTO_EVALUATIONS > 1 ? settings->steps / AUTO_EVALUATIONS : 1;
	settings->finetune = (struct finetune_settings){
		.interval = interval,
		.patience = parameters_integer(parameters, "finetune/patience"),
		.target = parameters_real(parameters, "finetune/target"),
	};
	return STATUS_OK;
}

enum status settings_training(const struct parameters *parameters, const struct model_config *config,
                              struct training_settings *settings_out)
{
	struct training_settings settings = {
		.sequences = parameters_integer(parameters, "train/sequences"),
		.slots = parameters_integer(parameters, "train/slots"),
		.length = config->context,
		.budget_kept = strcmp(parameters_text(parameters, "train/budget"), "kept") == 0,
		.optimiser = { .learning_rate = parameters_real(parameters, "train/learning_rate"),
		               .beta1 = parameters_real(parameters, "train/beta1"),
		               .beta2 = parameters_real(parameters, "train/beta2"),
		               .epsilon = parameters_real(parameters, "train/epsilon"),
		               .weight_decay = parameters_real(parameters, "train/weight_decay"),
		               .clip_norm = parameters_real(parameters, "train/clip_norm") },
		.final_factor = parameters_real(parameters, "train/final_factor"),
		.decay_share = parameters_real(parameters, "train/decay_share"),
		.document_attention = parameters_boolean(parameters, "train/document_attention"),
		.micro_batch_mean = parameters_boolean(parameters, "compat/micro_batch_mean"),
		.exchange = exchange_from_name(parameters_text(parameters, "run/exchange")),
		.bucket = (int64_t)(parameters_real(parameters, "run/bucket") * 1e6 / sizeof(float)),
		.deterministic = parameters_boolean(parameters, "run/deterministic"),
		.seed = (uint64_t)parameters_integer(parameters, "run/seed"),
		.checkpoint_keep = (int)parameters_integer(parameters, "run/checkpoint_keep"),
		.stop_after = parameters_integer(parameters, "run/stop_after_steps"),
		.log_interval = parameters_real(parameters, "run/log_interval"),
	};
	STATUS_TRY(check_batch(&settings));
	STATUS_TRY(schedule_from_name(parameters_text(parameters, "train/schedule"), &settings.schedule));
	STATUS_TRY(read_tokens(parameters, config, &settings.tokens));
	STATUS_TRY(settings_unlearning(parameters, config, &settings));
	int64_t per_step = settings.sequences * settings.length;
	settings.steps = (settings.tokens + per_step - 1) / per_step;
	if (settings.steps < 1)
		settings.steps = 1;
	settings.warmup_steps = warmup_steps(parameters, &settings);
	STATUS_TRY(read_kept_steps(parameters, &settings));
	STATUS_TRY(read_finetune(parameters, &settings));
	settings.checkpoint_interval = parameters_integer(parameters, "run/checkpoint_interval");
	if (settings.checkpoint_interval < 0)
		settings.checkpoint_interval = 0;
	*settings_out = settings;
	return STATUS_OK;
}

static uint16_t threshold(const struct parameters *parameters, const char *key, uint16_t best)
{
	double p = parameters_real(parameters, key);
	return p < 0 ? best : score_from_probability(p);
}

enum status settings_method(const struct parameters *parameters, struct filter *filter)
{
	STATUS_TRY(filter_method_from_name(parameters_text(parameters, "filter/method"), &filter->method));
	if (filter->method != FILTER_ROUTE)
		return STATUS_OK;
	if (strcmp(parameters_text(parameters, "run/task"), "pretrain") != 0)
		return error_raise(
			STATUS_USAGE,
			"%s: filter/method = route is for task = pretrain: models that are trained further have no "
			"forget part",
			parameters_origin(parameters, "filter/method"));
	filter->route_documents = strcmp(parameters_text(parameters, "filter/route_unit"), "document") == 0;
	filter->route_retain = parameters_real(parameters, "filter/route_retain");
	filter->route_certain = parameters_real(parameters, "filter/route_certain");
	return STATUS_OK;
}

enum status settings_filter(const struct parameters *parameters, const struct shard_facts *facts,
                            uint16_t best_token_threshold, uint16_t best_document_threshold, int64_t steps,
                            struct filter *filter_out)
{
	struct filter filter = {
		.token_threshold = threshold(parameters, "filter/token_threshold", best_token_threshold),
		.document_threshold = threshold(parameters, "filter/document_threshold", best_document_threshold),
		.noise = parameters_real(parameters, "filter/noise"),
		.seed = (uint64_t)parameters_integer(parameters, "run/seed"),
		.begin_step = (int64_t)(parameters_real(parameters, "filter/begin_share") * (double)steps),
		.end_of_text = facts->end_of_text,
		.hidden = facts->hidden,
		.learned = facts->learned,
		.compat_input_mask = parameters_boolean(parameters, "compat/input_mask"),
		.compat_hidden_target = parameters_boolean(parameters, "compat/hidden_target"),
	};
	STATUS_TRY(settings_method(parameters, &filter));
	*filter_out = filter;
	return STATUS_OK;
}

bool settings_takes_gpu(const struct parameters *parameters)
{
	const char *name = parameters_text(parameters, "run/device");
	return strcmp(name, "cuda") == 0 || (strcmp(name, "auto") == 0 && kernels_cuda_devices() > 0);
}

bool settings_may_take_gpu(const struct parameters *parameters)
{
	const char *name = parameters_text(parameters, "run/device");
	return strcmp(name, "cuda") == 0 || strcmp(name, "auto") == 0;
}

enum status settings_kernels(const struct parameters *parameters, bool gpus, const struct kernels **kernels_out)
{
	const char *name = parameters_text(parameters, "run/device");
	if (strcmp(name, "null") == 0)
		return error_raise(STATUS_USAGE,
		                   "run/device = null measures the stream of blocks, which only task = pretrain "
		                   "has: choose another device here");
	if (strcmp(name, "reference") == 0)
		*kernels_out = kernels_reference();
	else if (strcmp(name, "cuda") == 0 || (strcmp(name, "auto") == 0 && gpus))
		*kernels_out = kernels_cuda();
	else
		*kernels_out = kernels_cpu();
	if (*kernels_out == NULL)
		return error_raise(STATUS_ENVIRONMENT,
		                   "run/device = %s, but this build has no CUDA kernels; use run/device = auto or cpu",
		                   name);
	return STATUS_OK;
}

/* Of OMP_NUM_THREADS, which may be a list, the first number; INT_MAX where it is not set, or to something else. */
static int most_threads(void)
{
	const char *text = getenv("OMP_NUM_THREADS");
	long most = text == NULL ? 0 : strtol(text, NULL, 10);
	return most > 0 && most < INT_MAX ? (int)most : INT_MAX;
}

int settings_threads(const struct parameters *parameters, double cores)
{
	int64_t threads = parameters_integer(parameters, "run/threads");
	int share = cores_threads(cores), most = most_threads();
	if (threads > 0)
		return (int)threads;
	return share < most ? share : most;
}

enum status settings_device(const struct parameters *parameters, const struct kernels *kernels, double cores,
                            int number, struct device **device_out)
{
	if (kernels == kernels_cuda())
		STATUS_TRY(kernels_cuda_choose(number));
	bool half = strcmp(parameters_text(parameters, "run/precision"), "bfloat16") == 0;
	return kernels->device_create(half ? PRECISION_BFLOAT16 : PRECISION_FLOAT32,
	                              settings_threads(parameters, cores), device_out);
}

char *settings_classifier_path(const struct parameters *parameters)
{
	const char *path = parameters_text(parameters, "filter/classifier");
	struct stat facts;
	if (stat(path, &facts) == 0 && S_ISDIR(facts.st_mode))
		return text_join_path(path, "classifier.h5");
	return memory_copy_text(path);
}

enum status settings_check_text(const struct parameters *parameters)
{
	static const char key[] = "generate/entanglement";
	const char *folder = parameters_text(parameters, "data/folder");
	char *path = NULL, *format = NULL, *made_with = NULL;
	struct hdf5_reader *reader = NULL;
	if (parameters_real(parameters, key) < 0)
		return STATUS_OK;
	path = text_join_path(folder, "corpus.h5");
	enum status status = path == NULL ? STATUS_ENVIRONMENT : hdf5_open(path, &reader);
	const char *object =
		reader != NULL && hdf5_exists(reader, "origin") ? "origin" : "parameters"; /* task = label */
	if (status == STATUS_OK)
		status = hdf5_read_text_attribute(reader, object, "corpus/format", &format);
	if (status == STATUS_OK)
		status = hdf5_read_text_attribute(reader, object, key, &made_with);
	if (status == STATUS_OK &&
	    (strcmp(format, "generated") != 0 || strcmp(made_with, parameters_value(parameters, key)) != 0))
		status = error_raise(STATUS_DATA,
		                     "%s: %s = %s, but the text in %s was made with corpus/format = %s and %s = %s",
		                     parameters_origin(parameters, key), key, parameters_value(parameters, key), folder,
		                     format, key, made_with);
	if (reader != NULL)
		hdf5_close(reader);
	free(made_with);
	free(format);
	free(path);
	return status;
}

double settings_training_flops(const struct model_config *config, const struct training_settings *training)
{
	double tokens = (double)(training->steps * training->sequences * training->length);
	if (training->steering.layer > 0)
		return tokens * steering_flops(config, training);
	return tokens * model_config_training_flops(config, training->length, 1);
}
