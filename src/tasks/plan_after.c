/* What prerequisites cost: by the operations of training, by the bytes of text.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tasks/plan_after.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "storage/hdf5_file.h"
#include "tasks/finished.h"
#include "tasks/plan_ahead.h"
#include "tasks/question_settings.h"
#include "tasks/start.h"
#include "text/corpus.h"

enum { DEEPEST_CHAIN = 16 };

/* Of text, of each rank that has a file of tokens to make: 16 MB/s of made-up words were measured on one core. Compressed files are taken to
 * be a quarter of their text. */
#define TEXT_A_SECOND    10e6
#define COMPRESSED_TIMES 4.0

struct waiting {
	const struct plan_basis *basis;
	char **seen; /* files */
	size_t count, capacity;
	double seconds; /* of all that is not finished */
	bool open;      /* some of that is not counted */
};

/* What one file has to do. */
struct work {
	bool finished;
	double seconds;  /* NaN: not known */
	char words[512]; /* what that is, or why it is not known */
};

/* STATUS_DATA where a finished file was made with other values than its input file has now: a start would be refused. */
static enum status find_made(const struct parameters *point, const char *name, bool *made)
{
	char *path = text_join_path(parameters_text(point, "run/output"), name);
	*made = path != NULL && hdf5_is_complete(path);
	enum status status = *made ? finished_check_parameters(path, point) : STATUS_OK;
	free(path);
	return status;
}

static bool run_is_finished(const char *folder)
{
	struct hdf5_reader *reader = NULL;
	int64_t finished = 0;
	char *path = text_join_path(folder, "run.h5");
	if (path != NULL && hdf5_is_complete(path) && hdf5_open(path, &reader) == STATUS_OK) {
		if (hdf5_read_integer_attribute(reader, "/", "finished", &finished) != STATUS_OK)
			finished = 0;
		hdf5_close(reader);
	}
	error_clear();
	free(path);
	return finished != 0;
}

/* Seconds of so many operations on all ranks that compute. */
static double computing_seconds(const struct waiting *waiting, double flops)
{
	const struct plan_basis *basis = waiting->basis;
	int ranks = basis->request->ranks, most = basis->memory.gpu ? plan_gpus_of(basis, ranks) : ranks, computing = 1;
	while (2 * computing <= most) /* trainers are a power of two */
		computing *= 2;
	return flops / (basis->flops * computing);
}

/* ---- tokenize ---- */

static bool ends_with(const char *path, const char *ending)
{
	size_t length = strlen(path), size = strlen(ending);
	return length >= size && strcmp(path + length - size, ending) == 0;
}

static enum status add_bytes(const struct corpus *corpus, size_t index, double *bytes)
{
	struct file_group group;
	int64_t size, modified;
	STATUS_TRY(corpus_file_group(corpus, index, &group));
	bool compressed = ends_with(group.name, ".gz") || ends_with(group.name, ".zst") || ends_with(group.name, ".dz");
	enum status status = file_group_look(&group, &size, &modified);
	if (status == STATUS_OK)
		*bytes += (compressed ? COMPRESSED_TIMES : 1) * (double)size;
	file_group_clear(&group);
	return status;
}

static enum status text_bytes_of(const struct parameters *first, double *bytes)
{
	size_t count = parameters_list_count(first, "corpus/paths");
	const char *format = parameters_text(first, "corpus/format");
	struct question_options questions;
	bool asks = strcmp(format, "questions") == 0;
	const struct corpus_options options = { .format = format, .questions = asks ? &questions : NULL };
	const char **paths = memory_allocate(count, sizeof *paths);
	struct corpus *corpus = NULL;
	*bytes = 0;
	question_settings_lines(first, &questions);
	for (size_t i = 0; paths != NULL && i < count; i++)
		paths[i] = parameters_list_item(first, "corpus/paths", i);
	enum status status = paths == NULL ? STATUS_ENVIRONMENT : corpus_open(paths, count, &options, &corpus);
	for (size_t i = 0; status == STATUS_OK && i < corpus_file_count(corpus); i++)
		status = add_bytes(corpus, i, bytes);
	corpus_close(corpus);
	free(paths);
	return status;
}

static enum status price_text(const struct waiting *waiting, const struct parameters *first, struct work *work)
{
	double bytes;
	char number[32];
	STATUS_TRY(find_made(first, "corpus.h5", &work->finished));
	if (work->finished)
		return STATUS_OK;
	work->seconds = NAN;
	snprintf(work->words, sizeof work->words, "generated or raw text");
	if (parameters_list_count(first, "corpus/paths") == 0)
		return STATUS_OK;
	STATUS_TRY(text_bytes_of(first, &bytes));
	double ranks = fmin(waiting->basis->request->ranks, (double)parameters_integer(first, "tokenize/shards"));
	work->seconds = bytes / (TEXT_A_SECOND * ranks);
	snprintf(work->words, sizeof work->words, "%s of text, ASSUMED %.0f MB/s a file of tokens",
	         text_bytes(bytes, number, sizeof number), 1e-6 * TEXT_A_SECOND);
	return STATUS_OK;
}

/* ---- classifier ---- */

/* Of the text of data/folder, whether it is there yet or not. */
static enum status vocabulary_of(const struct parameters *first, int32_t *vocabulary)
{
	struct shard_set *set = NULL;
	struct shard_facts facts;
	if (shard_set_open_counts(parameters_text(first, "data/folder"), "train", &set) == STATUS_OK) {
		*vocabulary = shard_set_facts(set)->vocabulary;
		shard_set_close(set);
		return STATUS_OK;
	}
	error_clear();
	STATUS_TRY(plan_ahead_text(first, &facts));
	*vocabulary = facts.vocabulary;
	return STATUS_OK;
}

static enum status price_classifier(const struct waiting *waiting, const struct parameters *first, struct work *work)
{
	static const char *const sides[] = { "left", "right" };
	const char *output = parameters_text(first, "run/output");
	struct model_config config;
	struct training_settings training;
	int32_t vocabulary;
	int models = 0;
	char numbers[2][32];
	STATUS_TRY(find_made(first, "classifier.h5", &work->finished));
	if (work->finished)
		return STATUS_OK;
	STATUS_TRY(vocabulary_of(first, &vocabulary));
	STATUS_TRY(settings_model(first, vocabulary, &config));
	STATUS_TRY(settings_training(first, &config, &training));
	for (int side = 0; side < 2; side++) {
		char *folder = text_join_path(output, sides[side]);
		bool given = parameters_text(first, "classifier/models")[0] != '\0';
		models += !given && folder != NULL && !run_is_finished(folder);
		free(folder);
	}
	work->seconds = computing_seconds(waiting, models * settings_training_flops(&config, &training));
	snprintf(work->words, sizeof work->words,
	         "%d language model%s of %s parameters, %s tokens each; probes are not counted", models,
	         models == 1 ? "" : "s",
	         text_count((double)model_config_parameters(&config), numbers[0], sizeof numbers[0]),
	         text_count((double)training.tokens, numbers[1], sizeof numbers[1]));
	return STATUS_OK;
}

/* ---- training ---- */

/* A point of a run that is there; STATUS_DATA as of find_made(). */
static enum status find_trained(const struct point *point, bool *finished)
{
	char *folder = text_format("%s/points/%s", parameters_text(point->parameters, "run/output"), point->name);
	char *path = folder == NULL ? NULL : text_join_path(folder, "run.h5");
	enum status status = path == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	*finished = false;
	if (status == STATUS_OK && hdf5_is_complete(path)) {
		*finished = run_is_finished(folder);
		status = finished_check_parameters(path, point->parameters);
	}
	free(path);
	free(folder);
	return status;
}

static enum status price_points(const struct waiting *waiting, const struct sweep *sweep, struct work *work)
{
	struct points points = { 0 };
	int64_t count = (int64_t)sweep_point_count(sweep), left = 0;
	double flops = 0;
	STATUS_TRY(points_create(sweep, 0, count, LOOK_NOT, &points));
	enum status status = STATUS_OK;
	for (int64_t i = 0; i < count && status == STATUS_OK; i++) {
		bool finished = false;
		status = find_trained(&points.points[i], &finished);
		left += !finished;
		flops += finished ? 0 : points.points[i].flops;
	}
	points_clear(&points);
	STATUS_TRY(status);
	work->finished = left == 0;
	work->seconds = computing_seconds(waiting, flops);
	snprintf(work->words, sizeof work->words, "training of %lld of %lld points", (long long)left, (long long)count);
	return STATUS_OK;
}

/* ---- all ---- */

typedef enum status price_function(const struct waiting *, const struct parameters *, struct work *);

/* The points of a task that makes something in a folder of its own for each. */
static enum status price_each(const struct waiting *waiting, const struct sweep *sweep, price_function *price_one,
                              struct work *work)
{
	size_t count = sweep_point_count(sweep), left = 0;
	double seconds = 0;
	struct work one;
	for (size_t i = 0; i < count; i++) {
		one = (struct work){ .seconds = NAN };
		STATUS_TRY(price_one(waiting, sweep_point(sweep, i), &one));
		if (one.finished)
			continue;
		seconds += one.seconds;
		left++;
		*work = one;
	}
	work->finished = left == 0;
	work->seconds = seconds;
	if (count > 1 && left > 0) {
		memcpy(one.words, work->words, sizeof one.words);
		snprintf(work->words, sizeof work->words, "%zu of %zu points, the last: %.400s", left, count,
		         one.words);
	}
	return STATUS_OK;
}

static enum status price(const struct waiting *waiting, const struct sweep *sweep, struct work *work)
{
	const char *task = sweep_task(sweep);
	*work = (struct work){ .seconds = NAN, .words = "" };
	if (strcmp(task, "tokenize") == 0)
		return price_each(waiting, sweep, price_text, work);
	if (strcmp(task, "classifier") == 0)
		return price_each(waiting, sweep, price_classifier, work);
	if (keys_is_read(keys_find("roles/mode"), task)) /* of tasks that train points */
		return price_points(waiting, sweep, work);
	snprintf(work->words, sizeof work->words, "task %s", task);
	return STATUS_OK;
}

/* What is not there yet, text say, or was made otherwise is no mistake of a plan. */
static enum status price_or_say_why(const struct waiting *waiting, const struct sweep *sweep, struct work *work)
{
	enum status status = price(waiting, sweep, work);
	if (status != STATUS_DATA)
		return status;
	*work = (struct work){ .seconds = NAN };
	snprintf(work->words, sizeof work->words, "%s", error_message());
	error_clear();
	return STATUS_OK;
}

static void print_work(const char *file, const struct work *work)
{
	char number[32];
	if (work->finished)
		printf("before it: %s: finished\n", file);
	else if (isnan(work->seconds))
		printf("before it: %s: not counted: %s\n", file, work->words);
	else
		printf("before it: %s: about %s: %s\n", file, text_duration(work->seconds, number, sizeof number),
		       work->words);
}

static bool is_seen(const struct waiting *waiting, const char *file)
{
	for (size_t i = 0; i < waiting->count; i++)
		if (strcmp(waiting->seen[i], file) == 0)
			return true;
	return false;
}

static enum status note_seen(struct waiting *waiting, const char *file)
{
	STATUS_TRY(memory_grow((void **)&waiting->seen, &waiting->capacity, waiting->count + 1, sizeof *waiting->seen));
	waiting->seen[waiting->count] = memory_copy_text(file);
	return waiting->seen[waiting->count++] == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
}

/* The files of run/after, each behind those that it comes after itself. */
static enum status look_at_all(struct waiting *waiting, const struct parameters *first, int depth)
{
	for (size_t i = 0; i < parameters_list_count(first, "run/after") && depth < DEEPEST_CHAIN; i++) {
		const char *file = parameters_list_item(first, "run/after", i);
		struct sweep *sweep = NULL;
		struct work work;
		if (is_seen(waiting, file))
			continue;
		STATUS_TRY(note_seen(waiting, file));
		STATUS_TRY(start_read_sweep(file, 0, NULL, &sweep));
		enum status status = look_at_all(waiting, sweep_point(sweep, 0), depth + 1);
		if (status == STATUS_OK)
			status = price_or_say_why(waiting, sweep, &work);
		sweep_destroy(sweep);
		STATUS_TRY(status);
		print_work(file, &work);
		waiting->open |= !work.finished && isnan(work.seconds);
		waiting->seconds += work.finished || isnan(work.seconds) ? 0 : work.seconds;
	}
	return STATUS_OK;
}

enum status plan_after_print(const struct parameters *first, const struct plan_basis *basis, double own)
{
	struct waiting waiting = { .basis = basis };
	char number[32];
	enum status status = look_at_all(&waiting, first, 0);
	if (status == STATUS_OK && (waiting.seconds > 0 || waiting.open))
		printf("about %s with what comes before it%s\n",
		       text_duration(own + waiting.seconds, number, sizeof number),
		       waiting.open ? ", as far as that is counted" : "");
	for (size_t i = 0; i < waiting.count; i++)
		free(waiting.seen[i]);
	free(waiting.seen);
	return status;
}
