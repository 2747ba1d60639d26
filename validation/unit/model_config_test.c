/* Named sizes, parameter counts, checks, the layout of the arena, operation counts.
 * SPDX-License-Identifier: Apache-2.0 */
#include "model_fixture.h"

#include <unistd.h>

#include "model/config_file.h"

static void named_sizes_have_the_parameters_of_the_paper(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		int64_t parameters;
	} sizes[] = {
		{ "13M", 13230720 },   { "28M", 28821760 },   { "61M", 61794880 },     { "113M", 113349760 },
		{ "224M", 224757120 }, { "521M", 521637120 }, { "1030M", 1030862976 }, { "1816M", 1816135680 },
	};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct model_config config = fixture_config(0, 0, 0, model_config_padded_vocabulary(100277));
		config.base_width = 256;
		assert_int_equal(model_config_from_name(sizes[i].name, &config), STATUS_OK);
		assert_int_equal(model_config_check(&config), STATUS_OK);
		assert_int_equal(config.width, 64 * config.layers);
		assert_int_equal(model_config_parameters(&config), sizes[i].parameters);
	}
}

static void shapes_are_read_from_names(void **state)
{
	(void)state;
	struct model_config config = fixture_config(1, 1, 1, 1);
	static const char *const bad[] = { "14M",
		                           "",
		                           "L2-D128",
		                           "L2-D128-H4 ",
		                           "L2-D128-H",
		                           "L0-D128-H4",
		                           "L-2-D128-H4",
		                           "L2-D128-H4x",
		                           "D128-L2-H4",
		                           "l2-d128-h4",
		                           "L99999999999999999999-D128-H4" };

	assert_int_equal(model_config_from_name("L2-D128-H4", &config), STATUS_OK);
	assert_int_equal(config.layers, 2);
	assert_int_equal(config.width, 128);
	assert_int_equal(config.heads, 4);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(model_config_from_name(bad[i], &config), STATUS_USAGE);
		assert_non_null(strstr(error_message(), "1816M"));
		assert_int_equal(config.width, 128);
	}
}

static void expect_refused(struct model_config config, const char *word)
{
	assert_int_equal(model_config_check(&config), STATUS_USAGE);
	if (!strstr(error_message(), word))
		fail_msg("\"%s\" does not speak of %s", error_message(), word);
}

#define REFUSED(field, value, word)                                                                                    \
	do {                                                                                                           \
		struct model_config changed = config;                                                                  \
		changed.field = value;                                                                                 \
		expect_refused(changed, word);                                                                         \
	} while (0)

static void impossible_shapes_are_refused(void **state)
{
	(void)state;
	const struct model_config config = fixture_config(2, 128, 4, 512);

	assert_int_equal(model_config_check(&config), STATUS_OK);
	REFUSED(layers, 0, "layers");
	REFUSED(width, 0, "width");
	REFUSED(heads, 0, "heads");
	REFUSED(heads, 5, "heads");
	REFUSED(heads, 128, "head size");
	REFUSED(width, 520 * 4, "head size is 520");
	REFUSED(context, 0, "context");
	REFUSED(vocabulary, 0, "vocabulary");
	REFUSED(base_width, 0, "base width");
	REFUSED(positions, (enum positions)9, "positions");
	REFUSED(rope_base, 1.0, "rope base");
	REFUSED(rope_base, NAN, "rope base");
	REFUSED(norm_epsilon, 0.0, "epsilon");
	REFUSED(init_deviation, -0.1, "deviation");
}

static void vocabulary_is_padded_to_64(void **state)
{
	(void)state;
	assert_int_equal(model_config_padded_vocabulary(100277), 100288);
	assert_int_equal(model_config_padded_vocabulary(64), 64);
	assert_int_equal(model_config_padded_vocabulary(65), 128);
	assert_int_equal(model_config_padded_vocabulary(1), 64);
}

static void layout_covers_every_parameter_once(void **state)
{
	(void)state;
	struct model_config config = fixture_config(3, 24, 4, 29);
	size_t count;
	int64_t size, end = 0, elements = 0;
	struct tensor *layout = model_config_layout(&config, &count, &size);

	assert_non_null(layout);
	assert_int_equal(count, 2 + 6 * 3);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(layout[i].offset % 16, 0);
		assert_true(layout[i].offset >= end);
		assert_true(layout[i].offset < end + 16);
		end = layout[i].offset + layout[i].rows * layout[i].columns;
		elements += layout[i].rows * layout[i].columns;
	}
	assert_int_equal(elements, model_config_parameters(&config));
	assert_int_equal(size, (end + 15) / 16 * 16);
	assert_int_equal(size, model_config_arena_size(&config));
	free(layout);
}

static void expect_tensor(const struct tensor *tensor, const char *name, enum tensor_group group, int64_t rows,
                          int64_t columns, double deviation)
{
	assert_string_equal(tensor->name, name);
	assert_int_equal(tensor->group, group);
	assert_int_equal(tensor->rows, rows);
	assert_int_equal(tensor->columns, columns);
	assert_near(tensor->init_deviation, deviation, 1e-15);
}

static void tensors_have_names_groups_and_deviations(void **state)
{
	(void)state;
	struct model_config config = fixture_config(2, 64, 4, 100);
	size_t count;
	int64_t size;

	config.base_width = 16; /* width multiplier 4 */
	struct tensor *layout = model_config_layout(&config, &count, &size);
	assert_non_null(layout);
	expect_tensor(&layout[0], "embedding", GROUP_EMBEDDING, 100, 64, 0.02);
	expect_tensor(&layout[7], "block01.norm1", GROUP_NORM, 64, 1, 0.0);
	expect_tensor(&layout[8], "block01.qkv", GROUP_HIDDEN, 192, 64, 0.01);
	expect_tensor(&layout[9], "block01.projection", GROUP_HIDDEN, 64, 64, 0.02 / 4.0);
	expect_tensor(&layout[10], "block01.norm2", GROUP_NORM, 64, 1, 0.0);
	expect_tensor(&layout[11], "block01.up", GROUP_HIDDEN, 256, 64, 0.01);
	expect_tensor(&layout[12], "block01.down", GROUP_HIDDEN, 64, 256, 0.02 / 4.0);
	expect_tensor(&layout[13], "norm", GROUP_NORM, 64, 1, 0.0);
	free(layout);
}

static void operations_are_counted(void **state)
{
	(void)state;
	const struct model_config config = fixture_config(2, 64, 4, 100);
	double hidden = 12.0 * 2 * 64 * 64, head = 100.0 * 64, attention = 2.0 * 64 * 50;

	assert_near(model_config_training_flops(&config, 50, 1.0), 6 * (hidden + head) + 6 * attention, 1e-6);
	/* Three quarters of the rows are spared queries, outputs and MLP of the second block: 10 of its 12 D^2. */
	double spared = 0.75 * 10 * 64 * 64;
	assert_near(model_config_training_flops(&config, 50, 0.25),
	            6 * (hidden - spared + head / 4) + 6 * attention * 1.25 / 2, 1e-6);
	assert_near(model_config_forward_flops(&config, 50, true), 2 * (hidden + head) + 2 * attention, 1e-6);
	assert_near(model_config_forward_flops(&config, 50, false), 2 * hidden + 2 * attention, 1e-6);
}

/* What readers elsewhere find the weights by is the layout itself. */
static void a_file_has_the_layout(void **state)
{
	(void)state;
	const struct model_config config = fixture_config(3, 64, 4, 100);
	size_t count = 0, names = 0;
	int64_t size = 0, rows = 0, number = 0;
	const char *base = getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/tmp";
	char path[512], **name = NULL;
	struct tensor *layout = model_config_layout(&config, &count, &size);
	struct hdf5_writer *writer = NULL;
	struct hdf5_reader *reader = NULL;
	static const char *const columns[] = { "tensors/offset", "tensors/rows", "tensors/columns" };

	snprintf(path, sizeof path, "%s/model-config-XXXXXX", base);
	int file = mkstemp(path);
	assert_true(file >= 0 && layout != NULL);
	close(file);
	assert_int_equal(hdf5_create(path, &writer), STATUS_OK);
	assert_int_equal(config_file_write(writer, &config), STATUS_OK);
	assert_int_equal(hdf5_commit(writer), STATUS_OK);
	assert_int_equal(hdf5_open(path, &reader), STATUS_OK);
	assert_int_equal(hdf5_read_texts(reader, "tensors/name", &name, &names), STATUS_OK);
	assert_int_equal(names, count);
	for (int column = 0; column < 3; column++) {
		int64_t *values = NULL;
		assert_int_equal(hdf5_read_all(reader, columns[column], HDF5_INT64, (void **)&values, &rows),
		                 STATUS_OK);
		assert_int_equal(rows, count);
		for (size_t i = 0; i < count; i++) {
			const int64_t expected[] = { layout[i].offset, layout[i].rows, layout[i].columns };
			assert_int_equal(values[i], expected[column]);
			assert_string_equal(name[i], layout[i].name);
		}
		free(values);
	}
	assert_int_equal(hdf5_read_integer_attribute(reader, "model", "heads", &number), STATUS_OK);
	assert_int_equal(number, 4);
	assert_int_equal(hdf5_read_integer_attribute(reader, "model", "base_width", &number), STATUS_OK);
	assert_int_equal(number, config.base_width);
	hdf5_free_names(name, names);
	hdf5_close(reader);
	free(layout);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(named_sizes_have_the_parameters_of_the_paper),
		cmocka_unit_test(shapes_are_read_from_names),
		cmocka_unit_test(impossible_shapes_are_refused),
		cmocka_unit_test(vocabulary_is_padded_to_64),
		cmocka_unit_test(layout_covers_every_parameter_once),
		cmocka_unit_test(tensors_have_names_groups_and_deviations),
		cmocka_unit_test(operations_are_counted),
		cmocka_unit_test(a_file_has_the_layout),
	};

	return cmocka_run_group_tests_name("model configuration", tests, NULL, NULL);
}
