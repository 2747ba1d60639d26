/* HDF5 files: everything written is read back, damage is noticed, unfinished files are never seen.
 * SPDX-License-Identifier: Apache-2.0 */
#include "storage_fixture.h"

#include <math.h>
#include <sys/resource.h>

#include "base/open_files.h"
#include "storage/hdf5_file.h"

/* The library loses memory of its own when it meets a damaged file: not what leak checkers are to look for here. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libhdf5";
}

static void write_number_set(struct hdf5_writer *writer, enum hdf5_type type, int rank, const int64_t *sizes,
                             const void *values)
{
	char name[32];
	snprintf(name, sizeof name, "numbers/%d/rank%d", (int)type, rank);
	assert_good(hdf5_write(writer, name, type, rank, sizes, values, "unit", "long name"));
}

static void read_number_set(struct hdf5_reader *reader, enum hdf5_type type, int rank, const int64_t *sizes,
                            const void *values, size_t count)
{
	char name[32];
	int found_rank;
	int64_t found_sizes[4];
	char *found = malloc(count * 8);
	snprintf(name, sizeof name, "numbers/%d/rank%d", (int)type, rank);
	assert_good(hdf5_sizes(reader, name, &found_rank, found_sizes));
	assert_int_equal(found_rank, rank);
	for (int axis = 0; axis < rank; axis++)
		assert_int_equal(found_sizes[axis], sizes[axis]);
	assert_good(hdf5_read(reader, name, type, (int64_t)count, found));
	assert_memory_equal(found, values, count * hdf5_type_size(type));
	assert_bad(hdf5_read(reader, name, type, (int64_t)count + 1, found), STATUS_DATA, "elements, not");
	free(found);
}

/* Any bits are a value of the integer types; reals must not be NaN with payloads that a conversion might touch. */
static void test_types_and_ranks(void **state)
{
	enum { LARGEST = 40 * 37 * 11 * 3 };
	static const int64_t sizes[5][4] = { { 0 }, { LARGEST }, { 1480, 33 }, { 40, 37, 33 }, { 40, 37, 11, 3 } };
	const char *path = in_folder(state, "types.h5");
	char *values = malloc(LARGEST * 8);
	struct hdf5_writer *writer;
	struct hdf5_reader *reader;
	for (size_t i = 0; i < LARGEST * 8; i++)
		values[i] = (char)(i % 61 + i / 251);
	assert_good(hdf5_create(path, &writer));
	for (int type = HDF5_INT8; type <= HDF5_FLOAT64; type++)
		for (int rank = 1; rank <= 4; rank++)
			write_number_set(writer, (enum hdf5_type)type, rank, sizes[rank], values);
	assert_int_equal(access(path, F_OK), -1);
	assert_good(hdf5_commit(writer));
	assert_good(hdf5_open(path, &reader));
	for (int type = HDF5_INT8; type <= HDF5_FLOAT64; type++)
		for (int rank = 1; rank <= 4; rank++)
			read_number_set(reader, (enum hdf5_type)type, rank, sizes[rank], values, LARGEST);
	hdf5_close(reader);
	free(values);
	assert_int_equal(count_entries(*state), 1);
}

static void test_ranges(void **state)
{
	enum { COUNT_ALL = 100000 };
	const char *path = in_folder(state, "range.h5");
	uint32_t *values = malloc(COUNT_ALL * sizeof *values), piece[3000];
	struct hdf5_writer *writer;
	struct hdf5_reader *reader;
	for (uint32_t i = 0; i < COUNT_ALL; i++)
		values[i] = i * 2654435761u;
	assert_good(hdf5_create(path, &writer));
	assert_good(hdf5_write_vector(writer, "tokens", HDF5_UINT32, COUNT_ALL, values, NULL, NULL));
	assert_good(hdf5_commit(writer));
	assert_good(hdf5_open(path, &reader));
	for (int64_t begin = 0; begin <= COUNT_ALL; begin += 7919) {
		int64_t count = COUNT_ALL - begin < 3000 ? COUNT_ALL - begin : 3000;
		assert_good(hdf5_read_range(reader, "tokens", HDF5_UINT32, begin, count, piece));
		assert_memory_equal(piece, values + begin, (size_t)count * sizeof *piece);
	}
	assert_good(hdf5_read_range(reader, "tokens", HDF5_UINT32, COUNT_ALL, 0, piece));
	assert_bad(hdf5_read_range(reader, "tokens", HDF5_UINT32, COUNT_ALL - 1, 2, piece), STATUS_DATA, "tokens");
	assert_bad(hdf5_read_range(reader, "tokens", HDF5_UINT32, -1, 2, piece), STATUS_DATA, "tokens");
	assert_bad(hdf5_read_range(reader, "tokens", HDF5_UINT32, INT64_MAX, INT64_MAX, piece), STATUS_DATA, "tokens");
	hdf5_close(reader);
	free(values);
}

/* Two data sets in turns, in pieces of any size. */
static void test_pieces(void **state)
{
	enum { COUNT_ALL = 100000, COUNT_SMALL = COUNT_ALL / 10 };
	const char *path = in_folder(state, "pieces.h5");
	uint32_t *values = malloc(COUNT_ALL * sizeof *values), *found = malloc(COUNT_ALL * sizeof *found);
	uint16_t small[COUNT_SMALL], found_small[COUNT_SMALL];
	struct hdf5_vector *vectors[3];
	struct hdf5_writer *writer;
	struct hdf5_reader *reader;
	char *unit;
	for (uint32_t i = 0; i < COUNT_ALL; i++)
		values[i] = i * 2654435761u;
	for (uint32_t i = 0; i < COUNT_SMALL; i++)
		small[i] = (uint16_t)(i * 40503u);
	assert_good(hdf5_create(path, &writer));
	assert_good(hdf5_begin_vector(writer, "large/values", HDF5_UINT32, COUNT_ALL, "1", "values", &vectors[0]));
	assert_good(hdf5_begin_vector(writer, "small", HDF5_UINT16, COUNT_SMALL, NULL, NULL, &vectors[1]));
	assert_good(hdf5_begin_vector(writer, "empty", HDF5_UINT16, 0, NULL, NULL, &vectors[2]));
	for (int64_t begin = 0, piece = 1; begin < COUNT_SMALL; begin += piece, piece = piece * 3 + 1) {
		piece = COUNT_SMALL - begin < piece ? COUNT_SMALL - begin : piece;
		assert_good(hdf5_extend_vector(vectors[0], 10 * piece, values + 10 * begin));
		assert_good(hdf5_extend_vector(vectors[1], piece, small + begin));
	}
	for (int i = 0; i < 3; i++)
		assert_good(hdf5_end_vector(vectors[i]));
	assert_good(hdf5_commit(writer));
	assert_good(hdf5_open(path, &reader));
	assert_good(hdf5_read(reader, "large/values", HDF5_UINT32, COUNT_ALL, found));
	assert_memory_equal(found, values, COUNT_ALL * sizeof *values);
	assert_good(hdf5_read(reader, "small", HDF5_UINT16, COUNT_SMALL, found_small));
	assert_memory_equal(found_small, small, sizeof small);
	assert_good(hdf5_read(reader, "empty", HDF5_UINT16, 0, found_small));
	assert_good(hdf5_read_text_attribute(reader, "large/values", "unit", &unit));
	assert_string_equal(unit, "1");
	free(unit);
	hdf5_close(reader);
	free(values);
	free(found);
}

static void test_wrong_pieces(void **state)
{
	const char *path = in_folder(state, "pieces.h5");
	const uint16_t values[3] = { 1, 2, 3 };
	struct hdf5_vector *vector;
	struct hdf5_writer *writer;
	assert_good(hdf5_create(path, &writer));
	assert_good(hdf5_begin_vector(writer, "few", HDF5_UINT16, 3, NULL, NULL, &vector));
	assert_good(hdf5_extend_vector(vector, 2, values));
	assert_bad(hdf5_end_vector(vector), STATUS_IO, "only 2 of its 3 elements were written");
	assert_bad(hdf5_commit(writer), STATUS_IO, "not written");
	/* more than the memory of any machine is announced, as nothing is reserved; and more than INT32_MAX at a time */
	assert_good(hdf5_create(path, &writer));
	assert_good(hdf5_begin_vector(writer, "many", HDF5_UINT16, INT64_C(1) << 40, NULL, NULL, &vector));
	assert_good(hdf5_extend_vector(vector, 3, values));
	assert_bad(hdf5_extend_vector(vector, INT64_C(1) << 40, values), STATUS_IO,
	           "after 3 of 1099511627776 do not fit");
	hdf5_drop_vector(vector);
	hdf5_drop_vector(NULL);
	hdf5_abandon(writer);
	assert_int_equal(count_entries(*state), 0);
}

/* What does not fit is an error and not another number. */
static void test_conversions(void **state)
{
	const char *path = in_folder(state, "types.h5");
	const int64_t large[2] = { 1, 65536 };
	const int64_t small[2] = { 0, 65535 };
	const double reals[3] = { 0.5, NAN, INFINITY };
	const double huge[1] = { 1e300 };
	const char *const texts[1] = { "text" };
	uint16_t narrow[2];
	double wide[2];
	float single[3];
	int32_t integer[3];
	struct hdf5_writer *writer;
	struct hdf5_reader *reader;
	assert_good(hdf5_create(path, &writer));
	assert_good(hdf5_write_vector(writer, "large", HDF5_INT64, 2, large, NULL, NULL));
	assert_good(hdf5_write_vector(writer, "small", HDF5_INT64, 2, small, NULL, NULL));
	assert_good(hdf5_write_vector(writer, "reals", HDF5_FLOAT64, 3, reals, NULL, NULL));
	assert_good(hdf5_write_vector(writer, "huge", HDF5_FLOAT64, 1, huge, NULL, NULL));
	assert_good(hdf5_write_texts(writer, "texts", 1, texts, NULL));
	assert_good(hdf5_commit(writer));
	assert_good(hdf5_open(path, &reader));
	assert_good(hdf5_read(reader, "small", HDF5_UINT16, 2, narrow));
	assert_int_equal(narrow[1], 65535);
	assert_bad(hdf5_read(reader, "large", HDF5_UINT16, 2, narrow), STATUS_DATA, "large");
	assert_good(hdf5_read(reader, "large", HDF5_FLOAT64, 2, wide));
	assert_true(wide[1] == 65536);
	assert_good(hdf5_read(reader, "reals", HDF5_FLOAT32, 3, single));
	assert_true(single[0] == 0.5f && isnan(single[1]) && isinf(single[2]));
	assert_bad(hdf5_read(reader, "huge", HDF5_FLOAT32, 1, single), STATUS_DATA, "huge");
	assert_bad(hdf5_read(reader, "reals", HDF5_INT32, 3, integer), STATUS_DATA, "reals where integers");
	assert_bad(hdf5_read(reader, "texts", HDF5_INT32, 1, integer), STATUS_DATA, "no numbers");
	assert_bad(hdf5_read(reader, "none/such", HDF5_INT32, 1, integer), STATUS_DATA, "it is not in the file");
	hdf5_close(reader);
}

static void test_texts_and_attributes(void **state)
{
	const char *path = in_folder(state, "texts.h5");
	const char *const texts[] = { "", "a", "h\xc3\xa9las", "a longer text with several words" };
	struct hdf5_writer *writer;
	struct hdf5_reader *reader;
	char **found, *text, *large = malloc(300001);
	size_t count;
	int64_t integer;
	double real;
	memset(large, 'x', 300000);
	large[300000] = '\0';
	assert_good(hdf5_create(path, &writer));
	assert_good(hdf5_write_texts(writer, "deep/down/texts", COUNT(texts), texts, "some texts"));
	assert_good(hdf5_write_texts(writer, "none", 0, NULL, "no texts"));
	assert_good(hdf5_write_text_attribute(writer, "/", "empty", ""));
	assert_good(hdf5_write_text_attribute(writer, "made/for/it", "large", large));
	assert_good(hdf5_write_integer_attribute(writer, "made", "integer", INT64_MIN));
	assert_good(hdf5_write_real_attribute(writer, "deep/down/texts", "real", 0.1));
	assert_good(hdf5_commit(writer));
	assert_good(hdf5_open(path, &reader));
	assert_good(hdf5_read_texts(reader, "deep/down/texts", &found, &count));
	assert_int_equal(count, COUNT(texts));
	for (size_t i = 0; i < count; i++)
		assert_string_equal(found[i], texts[i]);
	hdf5_free_names(found, count);
	assert_good(hdf5_read_texts(reader, "none", &found, &count));
	assert_int_equal(count, 0);
	hdf5_free_names(found, count);
	assert_good(hdf5_read_text_attribute(reader, "/", "empty", &text));
	assert_string_equal(text, "");
	free(text);
	assert_good(hdf5_read_text_attribute(reader, "made/for/it", "large", &text));
	assert_string_equal(text, large);
	free(text);
	assert_good(hdf5_read_integer_attribute(reader, "made", "integer", &integer));
	assert_true(integer == INT64_MIN);
	assert_good(hdf5_read_real_attribute(reader, "deep/down/texts", "real", &real));
	assert_true(real == 0.1);
	assert_bad(hdf5_read_real_attribute(reader, "made", "integer", &real), STATUS_DATA,
	           "integer is not a real number");
	assert_bad(hdf5_read_text_attribute(reader, "made", "integer", &text), STATUS_DATA, "is not a text");
	assert_bad(hdf5_read_text_attribute(reader, "made", "other", &text), STATUS_DATA, "no attribute other");
	assert_bad(hdf5_read_text_attribute(reader, "nobody", "other", &text), STATUS_DATA, "it is not in the file");
	hdf5_close(reader);
	free(large);
}

static void test_lists(void **state)
{
	const char *path = in_folder(state, "lists.h5");
	struct hdf5_writer *writer;
	struct hdf5_reader *reader;
	char **names, name[32], *text;
	size_t count;
	int64_t zero = 0;
	assert_good(hdf5_create(path, &writer));
	for (int i = 99; i >= 0; i--) {
		snprintf(name, sizeof name, "section/key%02d", i);
		assert_good(hdf5_write_text_attribute(writer, "parameters", name, name));
		snprintf(name, sizeof name, "group/member%02d", i);
		assert_good(hdf5_write_vector(writer, name, HDF5_INT64, 1, &zero, NULL, NULL));
	}
	assert_good(hdf5_write_external_link(writer, "group/link", "elsewhere.h5", "/"));
	assert_good(hdf5_commit(writer));
	assert_good(hdf5_open(path, &reader));
	assert_good(hdf5_list_attributes(reader, "parameters", &names, &count));
	assert_int_equal(count, 100);
	for (size_t i = 0; i < count; i++) {
		assert_true(i == 0 || strcmp(names[i - 1], names[i]) < 0);
		assert_good(hdf5_read_text_attribute(reader, "parameters", names[i], &text));
		assert_string_equal(text, names[i]);
		free(text);
	}
	hdf5_free_names(names, count);
	assert_good(hdf5_list(reader, "group", &names, &count));
	assert_int_equal(count, 101);
	assert_string_equal(names[0], "link");
	assert_string_equal(names[100], "member99");
	hdf5_free_names(names, count);
	assert_true(hdf5_exists(reader, "group/member07") && hdf5_exists(reader, "group") && hdf5_exists(reader, "/"));
	assert_false(hdf5_exists(reader, "group/nobody") || hdf5_exists(reader, "nobody/at/all"));
	assert_bad(hdf5_list(reader, "nobody", &names, &count), STATUS_DATA, "nobody");
	hdf5_close(reader);
}

/* One file with a bit of everything. */
static void write_sample(const char *path, double first)
{
	struct hdf5_writer *writer;
	double values[200];
	int64_t steps[200];
	for (int i = 0; i < 200; i++) {
		values[i] = first + i;
		steps[i] = i + 1;
	}
	assert_good(hdf5_create(path, &writer));
	assert_good(hdf5_write_vector(writer, "curves/step", HDF5_INT64, 200, steps, "steps", "steps done"));
	assert_good(hdf5_write_vector(writer, "curves/loss", HDF5_FLOAT64, 200, values, "nats", "loss"));
	assert_good(hdf5_write_vector(writer, "curves/rate", HDF5_FLOAT64, 200, values, "1", "rate"));
	assert_good(hdf5_attach_scale(writer, "curves/loss", "curves/step"));
	assert_good(hdf5_attach_scale(writer, "curves/rate", "curves/step"));
	assert_good(hdf5_write_text_attribute(writer, "/", "format", "sample"));
	assert_good(hdf5_commit(writer));
}

static void test_equal_content_equal_bytes(void **state)
{
	const char *a = in_folder(state, "a.h5"), *b = in_folder(state, "b.h5");
	size_t a_size, b_size;
	write_sample(a, 1);
	sleep(1); /* a time stamp would show */
	/* Memory that the library gets is not the same any more either. */
	char *dirt = malloc(1 << 20);
	memset(dirt, 0xa5, 1 << 20);
	free(dirt);
	write_sample(b, 1);
	char *a_bytes = whole_file(a, &a_size), *b_bytes = whole_file(b, &b_size);
	assert_int_equal(a_size, b_size);
	assert_memory_equal(a_bytes, b_bytes, a_size);
	free(a_bytes);
	free(b_bytes);
}

/* The attributes by which other programs know a scale. */
static void test_dimension_scales(void **state)
{
	const char *path = in_folder(state, "a.h5");
	struct hdf5_reader *reader;
	char **names, *text;
	size_t count;
	write_sample(path, 1);
	assert_good(hdf5_open(path, &reader));
	assert_good(hdf5_list_attributes(reader, "curves/step", &names, &count));
	assert_int_equal(count, 5);
	assert_string_equal(names[0], "CLASS");
	assert_string_equal(names[1], "NAME");
	assert_string_equal(names[2], "REFERENCE_LIST");
	hdf5_free_names(names, count);
	assert_good(hdf5_read_text_attribute(reader, "curves/step", "CLASS", &text));
	assert_string_equal(text, "DIMENSION_SCALE");
	free(text);
	assert_good(hdf5_list_attributes(reader, "curves/rate", &names, &count));
	assert_int_equal(count, 3);
	assert_string_equal(names[0], "DIMENSION_LIST");
	hdf5_free_names(names, count);
	hdf5_close(reader);
}

/* Reads everything; true when it is exactly what write_sample(path, 1) wrote. */
static bool sample_is_right(const char *path)
{
	struct hdf5_reader *reader;
	double values[200];
	int64_t steps[200];
	char *text = NULL, *unit = NULL;
	if (hdf5_open(path, &reader) != STATUS_OK)
		return false;
	bool good = hdf5_read(reader, "curves/loss", HDF5_FLOAT64, 200, values) == STATUS_OK &&
	            hdf5_read(reader, "curves/step", HDF5_INT64, 200, steps) == STATUS_OK &&
	            hdf5_read_text_attribute(reader, "/", "format", &text) == STATUS_OK &&
	            hdf5_read_text_attribute(reader, "curves/loss", "unit", &unit) == STATUS_OK &&
	            strcmp(text, "sample") == 0 && strcmp(unit, "nats") == 0;
	for (int i = 0; good && i < 200; i++)
		good = values[i] == 1 + i && steps[i] == i + 1;
	free(text);
	free(unit);
	hdf5_close(reader);
	return good;
}

/* A flipped bit is either noticed or of no consequence: never a wrong value. */
static void test_flipped_bits(void **state)
{
	const char *path = in_folder(state, "a.h5");
	struct hdf5_reader *reader;
	size_t size, noticed = 0;
	write_sample(path, 1);
	char *bytes = whole_file(path, &size);
	assert_true(sample_is_right(path));
	for (size_t i = 0; i < size; i += 5) {
		double values[200];
		bytes[i] = (char)(bytes[i] ^ 1 << i % 8);
		put_file(path, bytes, size);
		bytes[i] = (char)(bytes[i] ^ 1 << i % 8);
		if (hdf5_open(path, &reader) != STATUS_OK) {
			noticed++;
			continue;
		}
		if (hdf5_read(reader, "curves/loss", HDF5_FLOAT64, 200, values) != STATUS_OK)
			noticed++;
		else
			for (int k = 0; k < 200; k++)
				assert_true(values[k] == 1 + k);
		hdf5_close(reader);
	}
	/* The loss alone is 1600 bytes. */
	assert_true(noticed > 1600 / 5);
	free(bytes);
	error_clear();
}

static void test_cut_files(void **state)
{
	const char *path = in_folder(state, "a.h5");
	size_t size;
	write_sample(path, 1);
	char *bytes = whole_file(path, &size);
	for (size_t cut = 0; cut < size; cut += cut < 200 ? 1 : 97) {
		put_file(path, bytes, cut);
		assert_false(sample_is_right(path));
		assert_false(hdf5_is_complete(path));
	}
	put_file(path, bytes, size);
	assert_true(hdf5_is_complete(path));
	free(bytes);
	error_clear();
}

static void test_refused_files(void **state)
{
	struct hdf5_reader *reader;
	assert_bad(hdf5_open(in_folder(state, "none.h5"), &reader), STATUS_DATA, "there is no such file");
	put_file(in_folder(state, "text.h5"), "This is not an HDF5 file, only a text.", 38);
	assert_bad(hdf5_open(in_folder(state, "text.h5"), &reader), STATUS_DATA, "it is not an HDF5 file");
	assert_bad(hdf5_open(*state, &reader), STATUS_DATA, *state);
	assert_false(hdf5_is_complete(in_folder(state, "none.h5")));
	assert_string_equal(error_message(), "");
}

static void test_abandoned_and_failed(void **state)
{
	const char *path = in_folder(state, "a.h5");
	struct hdf5_writer *writer;
	int64_t value = 7;
	write_sample(path, 1);
	assert_good(hdf5_create(path, &writer));
	assert_good(hdf5_write_vector(writer, "value", HDF5_INT64, 1, &value, NULL, NULL));
	assert_int_equal(count_entries(*state), 2);
	hdf5_abandon(writer);
	assert_int_equal(count_entries(*state), 1);
	/* A commit after a failure is refused even where the caller missed the failure. */
	assert_good(hdf5_create(path, &writer));
	assert_good(hdf5_write_vector(writer, "value", HDF5_INT64, 1, &value, NULL, NULL));
	assert_bad(hdf5_write_vector(writer, "value", HDF5_INT64, 1, &value, NULL, NULL), STATUS_IO, "value");
	assert_bad(hdf5_commit(writer), STATUS_IO, "a part of it could not be");
	assert_int_equal(count_entries(*state), 1);
	assert_true(sample_is_right(path));
	assert_bad(hdf5_create(in_folder(state, "no/folder.h5"), &writer), STATUS_IO, "No such file or directory");
	hdf5_abandon(NULL);
	hdf5_close(NULL);
}

/* A temporary file is not complete: nobody takes it for a result. */
static void test_temporary_is_not_complete(void **state)
{
	const char *path = in_folder(state, "a.h5");
	struct hdf5_writer *writer;
	int64_t value = 7;
	char *temporary = text_format("%s.tmp-%ld", path, (long)getpid());
	assert_good(hdf5_create(path, &writer));
	assert_good(hdf5_write_vector(writer, "value", HDF5_INT64, 1, &value, NULL, NULL));
	assert_int_equal(access(temporary, F_OK), 0);
	assert_false(hdf5_is_complete(temporary));
	assert_good(hdf5_commit(writer));
	assert_true(hdf5_is_complete(path));
	assert_int_equal(access(temporary, F_OK), -1);
	free(temporary);
}

/* Which says nothing about the files: neither that they are damaged nor that they cannot be written. */
static void test_too_many_open_files(void **state)
{
	const char *path = in_folder(state, "a.h5"), *text = in_folder(state, "text");
	struct hdf5_writer *writer;
	struct hdf5_reader *reader;
	struct rlimit before, none;
	char *data;
	size_t size;
	put_file(text, "text", 4);
	assert_good(hdf5_create(path, &writer));
	assert_good(hdf5_commit(writer));
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	enum status statuses[] = { hdf5_open(path, &reader), hdf5_create(path, &writer), file_read(text, &data, &size),
		                   atomic_file_write(text, "other", 5), folder_sync(*state) };
	char *message = text_format("%s", error_message());
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	for (size_t i = 0; i < COUNT(statuses); i++)
		assert_int_equal(statuses[i], STATUS_ENVIRONMENT);
	assert_non_null(strstr(message, "Too many open files; raise the hard limit"));
	free(message);
	assert_int_equal(hdf5_open(in_folder(state, "none"), &reader), STATUS_DATA);
}

/* The soft limit is raised to the hard one, and too small a hard one is said with the numbers. */
static void test_limit_on_open_files(void **state)
{
	(void)state;
	struct rlimit before, low;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	low = before;
	low.rlim_cur = OPEN_FILES_RESERVE + 200;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	assert_good(open_files_check(100, "to others"));
	assert_bad(open_files_check(200, "to others"), STATUS_ENVIRONMENT, "200 to others, 64 for the files of a run");
	open_files_raise();
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &low), 0);
	assert_true(low.rlim_cur == low.rlim_max || low.rlim_cur >= 1 << 20);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_types_and_ranks, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_ranges, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_pieces, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_wrong_pieces, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_conversions, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_texts_and_attributes, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_lists, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_equal_content_equal_bytes, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_dimension_scales, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_flipped_bits, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_too_many_open_files, make_folder, remove_folder),
		cmocka_unit_test(test_limit_on_open_files),
		cmocka_unit_test_setup_teardown(test_cut_files, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_refused_files, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_abandoned_and_failed, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_temporary_is_not_complete, make_folder, remove_folder),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
