/* Fitting a classifier on tiny random language models. Under mpirun all ranks fit together and the result must be what one
 * rank alone makes.
 * SPDX-License-Identifier: Apache-2.0 */
#include "classifier_fixture.h"

#include <glob.h>
#include <math.h>

#include "classifier/fit_labels.h"
#include "classifier/probe.h"

static void test_fit_learns(void **state)
{
	struct hdf5_reader *reader = NULL;
	static const char *const whos[] = { "classifier", "left_only", "word_list", "document" };

	(void)state;
	need_classifier();
	assert_int_equal(hdf5_open(fixture.path, &reader), STATUS_OK);
	for (int i = 0; i < 4; i++) {
		assert_true(stored_metric(reader, whos[i], "natural", "auroc") > 0.85);
		assert_true(stored_metric(reader, whos[i], "natural", "auroc") ==
		            stored_metric(reader, whos[i], "balanced", "auroc"));
		assert_true(stored_metric(reader, whos[i], "balanced", "prevalence") == 0.5);
		assert_true(stored_metric(reader, whos[i], "natural", "prevalence") < 0.4);
	}
	assert_true(stored_integer(reader, "/", "layer") >= 1 && stored_integer(reader, "/", "layer") <= LAYERS);
	/* p must be calibrated: the natural threshold of best F1 is not an extreme one. */
	double p = stored_metric(reader, "classifier", "natural", "threshold");
	assert_true(p > 0.15 && p < 0.85);
	assert_true(hdf5_exists(reader, "metrics/classifier/test/natural/curve/precision"));
	double norm = 1;
	assert_int_equal(stored_integer(reader, "probe/token", "converged"), 1);
	assert_int_equal(hdf5_read_real_attribute(reader, "probe/token", "gradient_norm", &norm), STATUS_OK);
	assert_true(norm > 0 && norm < PROBE_GRADIENT_NORM);
	hdf5_close(reader);
}

static void test_any_number_of_ranks(void **state)
{
	struct fit_options options = fixture.options;
	char *path = text_format("%s/alone-%d.h5", fixture.folder, fixture.world.rank), *all = NULL, *own = NULL;
	size_t all_size = 0, own_size = 0;

	(void)state;
	need_classifier();
	options.output_path = path;
	assert_int_equal(classifier_fit(&fixture.alone, fixture.kernels, fixture.device, &options, NULL, NULL),
	                 STATUS_OK);
	assert_int_equal(file_read(fixture.path, &all, &all_size), STATUS_OK);
	assert_int_equal(file_read(path, &own, &own_size), STATUS_OK);
	assert_int_equal(all_size, own_size);
	assert_memory_equal(all, own, own_size);
	free(all);
	free(own);
	free(path);
}

static void assert_same_file(const char *path, const char *expected)
{
	char *bytes = NULL, *expected_bytes = NULL;
	size_t size = 0, expected_size = 0;
	assert_int_equal(file_read(path, &bytes, &size), STATUS_OK);
	assert_int_equal(file_read(expected, &expected_bytes, &expected_size), STATUS_OK);
	assert_int_equal(size, expected_size);
	assert_memory_equal(bytes, expected_bytes, size);
	free(bytes);
	free(expected_bytes);
}

/* What all ranks kept is used by each of them alone, whole, then with parts of it gone. */
static void test_kept(void **state)
{
	struct fit_options options = fixture.options;
	char *kept = text_format("%s/kept", fixture.folder), *path = text_format("%s/kept.h5", fixture.folder);

	(void)state;
	need_classifier();
	options.output_path = path;
	options.kept_folder = kept;
	options.identity = "same";
	if (fixture.world.rank == 0)
		assert_int_equal(text_make_directories(kept), STATUS_OK);
	world_barrier(&fixture.world);
	for (int start = 0; start < 3; start++) {
		assert_int_equal(classifier_fit(&fixture.world, fixture.kernels, fixture.device, &options, NULL, NULL),
		                 STATUS_OK);
		assert_same_file(path, fixture.path);
		world_barrier(&fixture.world);
	}
	if (fixture.world.rank == 0) {
		/* Stage 1 is the token probe after the first layer, stage 2 what it measures. */
		char *probe = text_format("%s/01-l2=0.001-classifier.probe", kept),
		     *counts = text_format("%s/02-l2=0.001-measured.counts", kept);
		assert_int_equal(truncate(probe, 100), 0);
		assert_int_equal(unlink(counts), 0);
		free(probe);
		free(counts);
		assert_int_equal(classifier_fit(&fixture.alone, fixture.kernels, fixture.device, &options, NULL, NULL),
		                 STATUS_OK);
		assert_same_file(path, fixture.path);
	}
	world_barrier(&fixture.world);
	free(kept);
	free(path);
}

/* Files of the folder whose names match. */
static size_t count_files(const char *folder, const char *pattern)
{
	glob_t found = { 0 };
	char *path = text_format("%s/%s", folder, pattern);
	glob(path, 0, NULL, &found);
	size_t count = found.gl_pathc;
	globfree(&found);
	free(path);
	return count;
}

static size_t unlink_all(const char *folder, const char *pattern)
{
	glob_t found = { 0 };
	char *path = text_format("%s/%s", folder, pattern);
	glob(path, 0, NULL, &found);
	size_t count = found.gl_pathc;
	for (size_t i = 0; i < count; i++)
		assert_int_equal(unlink(found.gl_pathv[i]), 0);
	globfree(&found);
	free(path);
	return count;
}

/* Another ridge begins its probes anew and uses the features that are kept; without room for them none are. */
static void test_another_ridge(void **state)
{
	struct fit_options options = fixture.options;
	char *kept = text_format("%s/ridge", fixture.folder), *path = text_format("%s/ridge.h5", fixture.folder),
	     *fresh = text_format("%s/fresh.h5", fixture.folder);

	(void)state;
	need_classifier();
	options.l2 = 0.5;
	options.output_path = fresh;
	assert_int_equal(classifier_fit(&fixture.world, fixture.kernels, fixture.device, &options, NULL, NULL),
	                 STATUS_OK);
	options.output_path = path;
	options.kept_folder = kept;
	options.identity = "same";
	if (fixture.world.rank == 0)
		assert_int_equal(text_make_directories(kept), STATUS_OK);
	world_barrier(&fixture.world);
	for (int start = 0; start < 3; start++) {
		bool other = start == 2;
		options.l2 = other ? 0.5 : fixture.options.l2;
		options.kept_room = start == 0 ? 0 : 1e9;
		assert_int_equal(classifier_fit(&fixture.world, fixture.kernels, fixture.device, &options, NULL, NULL),
		                 STATUS_OK);
		assert_same_file(path, other ? fresh : fixture.path);
		world_barrier(&fixture.world);
		if (fixture.world.rank > 0)
			continue;
		assert_int_equal(count_files(kept, "*.journal") > 0, start > 0);
		assert_int_equal(count_files(kept, "*-l2=0.5-*.probe") > 0, other);
		if (start == 0) /* the next start fits again, from features that stay */
			assert_true(unlink_all(kept, "*.probe") > 0);
	}
	world_barrier(&fixture.world);
	free(fresh);
	free(path);
	free(kept);
}

static void test_left_left(void **state)
{
	struct fit_options options = fixture.options;
	char *path = text_format("%s/left-left.h5", fixture.folder);

	(void)state;
	need_classifier();
	options.output_path = path;
	options.compat_left_left = true;
	options.right_parameters = NULL;
	options.tokenizer = NULL;
	options.layer = 1;
	assert_int_equal(classifier_fit(&fixture.world, fixture.kernels, fixture.device, &options, NULL, NULL),
	                 STATUS_OK);
	struct classifier *both = read_classifier(fixture.path), *left = read_classifier(path);
	assert_string_not_equal(classifier_hash(both), classifier_hash(left));
	assert_non_null(strstr(classifier_describe(left), "left + left"));
	struct hdf5_reader *reader = NULL;
	assert_int_equal(hdf5_open(path, &reader), STATUS_OK);
	assert_false(hdf5_exists(reader, "right"));
	assert_false(hdf5_exists(reader, "metrics/word_list"));
	assert_int_equal(stored_integer(reader, "/", "layer"), 1);
	hdf5_close(reader);
	classifier_destroy(both);
	classifier_destroy(left);
	free(path);
}

static void assert_fit_fails(const struct fit_options *options, enum status expected, const char *word)
{
	assert_int_equal(classifier_fit(&fixture.world, fixture.kernels, fixture.device, options, NULL, NULL),
	                 expected);
	if (fixture.world.rank == 0)
		assert_non_null(strstr(error_message(), word));
}

static void test_bad_requests(void **state)
{
	char *folder = text_format("%s/plain", fixture.folder), *path = text_format("%s/none.h5", fixture.folder);
	struct fit_options options = fixture.options;

	(void)state;
	options.output_path = path;
	options.layer = LAYERS + 1;
	assert_fit_fails(&options, STATUS_USAGE, "classifier/layer");
	options.layer = 1;
	options.context = CONTEXT + 1;
	assert_fit_fails(&options, STATUS_USAGE, "context");
	options.context = CONTEXT;
	options.forget_share = 0.99;
	assert_fit_fails(&options, STATUS_DATA, "documents");
	if (fixture.world.rank == 0) {
		assert_int_equal(text_make_directories(folder), STATUS_OK);
		write_shard(folder, "train", 0, 10, false);
		write_shard(folder, "validation", 1000, 10, false);
		write_shard(folder, "test", 2000, 10, false);
	}
	world_barrier(&fixture.world);
	options.data_folder = folder;
	assert_fit_fails(&options, STATUS_DATA, "0 forget");
	assert_false(hdf5_is_complete(path));
	free(folder);
	free(path);
}

/* Share of forget tokens among those of a set that have a label, and their number. */
static double labelled_share(const char *folder, const char *name, int64_t *labelled)
{
	struct shard_set *set = NULL;
	int64_t forget = 0;
	*labelled = 0;
	assert_int_equal(shard_set_open(folder, name, &set), STATUS_OK);
	for (int64_t d = 0; d < shard_set_documents(set); d++) {
		int32_t ids[1024];
		uint8_t labels[1024];
		assert_int_equal(shard_set_read_document(set, d, ids, labels), STATUS_OK);
		for (int64_t i = 0; i < shard_set_document_tokens(set, d) - 1; i++) {
			*labelled += labels[i] != DOMAIN_UNLABELLED;
			forget += labels[i] == DOMAIN_FORGET;
		}
	}
	shard_set_close(set);
	return (double)forget / (double)*labelled;
}

/* Without the labels of 7 documents of 10 everything that is measured is measured on the others alone. */
static void test_unlabelled_text(void **state)
{
	char *folder = text_format("%s/unlabelled", fixture.folder), *path = text_format("%s/u.h5", fixture.folder);
	struct fit_options options = fixture.options;
	struct hdf5_reader *reader = NULL;
	int64_t labelled, all;

	(void)state;
	if (fixture.world.rank == 0) {
		assert_int_equal(text_make_directories(folder), STATUS_OK);
		write_labelled_shard(folder, "train", 0, 150, true, 7);
		write_labelled_shard(folder, "validation", 1000, 60, true, 7);
		write_labelled_shard(folder, "test", 2000, 60, true, 7);
	}
	world_barrier(&fixture.world);
	options.data_folder = folder;
	options.output_path = path;
	options.layer = 1;
	options.smoothing = 0;
	options.document_tokens = 0;
	assert_int_equal(fit_labels_check(folder, false), STATUS_OK);
	assert_int_equal(classifier_fit(&fixture.world, fixture.kernels, fixture.device, &options, NULL, NULL),
	                 STATUS_OK);
	double share = labelled_share(folder, "test", &labelled);
	labelled_share(fixture.folder, "test", &all);
	assert_true(labelled > 0 && labelled < all / 2);
	assert_int_equal(hdf5_open(path, &reader), STATUS_OK);
	static const char *const whos[] = { "classifier", "left_only", "word_list" };
	for (int i = 0; i < 3; i++) {
		char *group = text_format("metrics/%s/test/natural", whos[i]);
		assert_int_equal(stored_integer(reader, group, "tokens"), labelled);
		assert_true(fabs(stored_metric(reader, whos[i], "natural", "prevalence") - share) < 1e-12);
		free(group);
	}
	assert_int_equal(stored_integer(reader, "metrics/document/test/natural", "tokens"), 18);
	assert_int_equal(stored_integer(reader, "/", "document_tokens"), 0);
	/* Shares are of all text: the filter meets what has no label too. */
	assert_true(stored_integer(reader, "shares", "total") > 2 * labelled);
	hdf5_close(reader);
	free(folder);
	free(path);
}

static void test_labels_are_needed(void **state)
{
	static const struct {
		const char *name, *words;
		uint64_t unlabelled[3]; /* of each set */
		bool forget;
	} cases[] = { { "all", "none of the 20 documents of the train set has a label", { 10, 10, 10 }, true },
		      { "held", "none of the 20 documents of the test set has a label", { 0, 0, 10 }, true } };
	static const char *const sets[] = { "train", "validation", "test" };

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases && fixture.world.rank == 0; i++) {
		char *folder = text_format("%s/%s", fixture.folder, cases[i].name);
		assert_int_equal(text_make_directories(folder), STATUS_OK);
		for (uint64_t set = 0; set < 3; set++)
			write_labelled_shard(folder, sets[set], 1000 * set, 20, cases[i].forget,
			                     cases[i].unlabelled[set]);
		assert_int_equal(fit_labels_check(folder, false), STATUS_DATA);
		assert_non_null(strstr(error_message(), cases[i].words));
		error_clear();
		free(folder);
	}
}

/* The file has the threshold of either prevalence. */
static void test_thresholds_are_kept(void **state)
{
	struct hdf5_reader *reader = NULL;
	static const char *const whos[] = { "classifier", "document" }, *const names[] = { "token", "document" };
	static const char *const prevalences[] = { "natural", "balanced" };

	(void)state;
	need_classifier();
	assert_int_equal(hdf5_open(fixture.path, &reader), STATUS_OK);
	for (int who = 0; who < 2; who++)
		for (int balanced = 0; balanced < 2; balanced++) {
			char *group = text_format("metrics/%s/validation/%s", whos[who], prevalences[balanced]);
			char *name = text_format("%s_threshold%s_score", names[who], balanced ? "_balanced" : "");
			assert_int_equal(stored_integer(reader, "/", name),
			                 stored_integer(reader, group, "threshold_score"));
			free(group);
			free(name);
		}
	/* Where few tokens are forget, fewer are called so. */
	assert_true(stored_integer(reader, "/", "token_threshold_balanced_score") <
	            stored_integer(reader, "/", "token_threshold_score"));
	hdf5_close(reader);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fit_learns),
		cmocka_unit_test(test_any_number_of_ranks),
		cmocka_unit_test(test_kept),
		cmocka_unit_test(test_another_ridge),
		cmocka_unit_test(test_left_left),
		cmocka_unit_test(test_bad_requests),
		cmocka_unit_test(test_unlabelled_text),
		cmocka_unit_test(test_labels_are_needed),
		cmocka_unit_test(test_thresholds_are_kept),
	};
	return run_group(argc, argv, tests, sizeof tests / sizeof *tests);
}
