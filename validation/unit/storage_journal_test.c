/* Journals: appended, reopened, cut at every byte, every bit flipped, locked.
 * SPDX-License-Identifier: Apache-2.0 */
#include "storage_fixture.h"

#include <sys/wait.h>

#include "storage/journal.h"

enum { LARGEST_COUNT = 64 };

/* What a scan visited. */
struct visits {
	size_t count;
	uint64_t number[LARGEST_COUNT];
	char payload[LARGEST_COUNT][64];
	size_t size[LARGEST_COUNT];
	int64_t offset[LARGEST_COUNT];
};

static enum status note(void *context, uint64_t number, const void *payload, size_t size, int64_t offset)
{
	struct visits *visits = context;
	assert_true(visits->count < LARGEST_COUNT && size < 64);
	visits->number[visits->count] = number;
	visits->size[visits->count] = size;
	visits->offset[visits->count] = offset;
	memcpy(visits->payload[visits->count++], payload, size);
	return STATUS_OK;
}

/* Record number n: n % 9 bytes, among them none. */
static size_t make_payload(uint64_t number, char *payload)
{
	size_t size = (size_t)(number * 5 % 9);
	for (size_t i = 0; i < size; i++)
		payload[i] = (char)(number * 17 + i);
	return size;
}

static void append_records(struct journal *journal, uint64_t begin, uint64_t end)
{
	char payload[64];
	int64_t offset, last = 0;
	for (uint64_t number = begin; number < end; number++) {
		size_t size = make_payload(number, payload);
		assert_good(journal_append(journal, payload, size, &offset));
		assert_true(offset > last);
		last = offset;
	}
}

/* Visited were exactly numbers 0 .. count - 1, `left_out` (if >= 0) not. */
static void check_visits(const struct visits *visits, size_t count, int64_t left_out)
{
	char payload[64];
	size_t seen = 0;
	for (uint64_t number = 0; number < count; number++) {
		if ((int64_t)number == left_out)
			continue;
		assert_true(seen < visits->count);
		size_t size = make_payload(number, payload);
		assert_int_equal(visits->number[seen], number);
		assert_int_equal(visits->size[seen], size);
		assert_memory_equal(visits->payload[seen], payload, size);
		seen++;
	}
	assert_int_equal(visits->count, seen);
}

static void make_journal(const char *path, uint64_t records)
{
	struct journal *journal;
	assert_good(journal_open(path, "test", "identity", NULL, NULL, &journal));
	append_records(journal, 0, records);
	assert_good(journal_close(journal));
}

static void test_append_and_reopen(void **state)
{
	const char *path = in_folder(state, "a.journal");
	struct journal *journal;
	for (uint64_t part = 0; part < 4; part++) {
		struct visits visits = { 0 };
		assert_good(journal_open(path, "test", "identity", note, &visits, &journal));
		check_visits(&visits, part * 10, -1);
		append_records(journal, part * 10, part * 10 + 10);
		if (part % 2 == 0)
			assert_good(journal_sync(journal));
		assert_good(journal_close(journal));
	}
	struct visits visits = { 0 };
	assert_good(journal_scan(path, "test", "identity", note, &visits));
	check_visits(&visits, 40, -1);
	struct visits none = { 0 };
	assert_good(journal_scan(in_folder(state, "none"), "test", "identity", note, &none));
	assert_int_equal(none.count, 0);
	assert_bad(journal_open_reader(in_folder(state, "none"), "test", "identity", &journal), STATUS_DATA,
	           "there is no such journal");
	assert_good(journal_close(NULL));
}

static void test_read_back(void **state)
{
	const char *path = in_folder(state, "a.journal");
	struct visits visits = { 0 };
	struct journal *journal;
	char expected[64];
	const void *payload;
	size_t size;
	make_journal(path, 20);
	assert_good(journal_scan(path, "test", "identity", note, &visits));
	assert_good(journal_open_reader(path, "test", "identity", &journal));
	for (size_t i = 20; i-- > 0;) {
		size_t expected_size = make_payload(i, expected);
		assert_good(journal_read(journal, visits.offset[i], &payload, &size));
		assert_int_equal(size, expected_size);
		assert_memory_equal(payload, expected, size);
		assert_bad(journal_read(journal, visits.offset[i] + 1, &payload, &size), STATUS_DATA, path);
	}
	assert_bad(journal_read(journal, 3, &payload, &size), STATUS_DATA, "no record");
	assert_bad(journal_read(journal, INT64_MAX / 2, &payload, &size), STATUS_DATA, "no record");
	assert_bad(journal_append(journal, expected, 1, &visits.offset[0]), STATUS_INTERNAL, "cannot be appended");
	assert_good(journal_close(journal));
}

/* The first bytes of payloads; those of the records in `damaged` (bits) may be anything. */
struct listed {
	size_t count, lead;
	const struct visits *visits;
	uint64_t damaged;
};

static enum status note_listed(void *context, uint64_t number, const void *payload, size_t size, int64_t offset)
{
	struct listed *listed = context;
	assert_int_equal(number, listed->count);
	assert_int_equal(size, listed->visits->size[number]);
	assert_int_equal(offset, listed->visits->offset[number]);
	if ((listed->damaged >> number & 1) == 0)
		assert_memory_equal(payload, listed->visits->payload[number],
		                    size < listed->lead ? size : listed->lead);
	listed->count++;
	return STATUS_OK;
}

/* By heads alone: a damaged payload is listed as others are, an unfinished end is not. */
static void test_list(void **state)
{
	const char *path = in_folder(state, "a.journal");
	struct visits visits = { 0 };
	struct journal *journal;
	char changed = 'x';
	make_journal(path, 20);
	assert_good(journal_scan(path, "test", "identity", note, &visits));
	assert_true(visits.size[7] > 2);
	int file = open(path, O_WRONLY);
	assert_int_equal(pwrite(file, &changed, 1, visits.offset[7] + 1), 1);
	close(file);
	for (size_t lead = 0; lead < 40; lead += 3) {
		struct listed listed = { .lead = lead, .visits = &visits, .damaged = 1 << 7 };
		assert_good(journal_open_reader(path, "test", "identity", &journal));
		assert_good(journal_list(journal, lead, note_listed, &listed));
		assert_int_equal(listed.count, 20);
		assert_good(journal_close(journal));
	}
	assert_true(visits.size[19] > 0);
	assert_int_equal(truncate(path, visits.offset[19] + (off_t)visits.size[19] - 1), 0);
	struct listed listed = { .lead = 8, .visits = &visits, .damaged = 1 << 7 };
	assert_good(journal_open_reader(path, "test", "identity", &journal));
	assert_good(journal_list(journal, 8, note_listed, &listed));
	assert_int_equal(listed.count, 19);
	assert_good(journal_close(journal));
}

/* Damage between opening and reading. */
static void test_read_notices_damage(void **state)
{
	const char *path = in_folder(state, "a.journal");
	struct visits visits = { 0 };
	struct journal *journal;
	char changed = 'x';
	const void *payload;
	size_t size;
	make_journal(path, 5);
	assert_good(journal_scan(path, "test", "identity", note, &visits));
	assert_good(journal_open_reader(path, "test", "identity", &journal));
	int file = open(path, O_WRONLY);
	assert_int_equal(pwrite(file, &changed, 1, visits.offset[1] + 2), 1);
	close(file);
	assert_bad(journal_read(journal, visits.offset[1], &payload, &size), STATUS_DATA, "damaged");
	assert_good(journal_read(journal, visits.offset[2], &payload, &size));
	assert_int_equal(size, visits.size[2]);
	assert_good(journal_close(journal));
}

/* Cut at every length: the records that are whole are there, the rest is gone, and appending goes on behind them. */
static void test_every_cut(void **state)
{
	enum { RECORDS = 8 };
	const char *path = in_folder(state, "a.journal"), *cut_path = in_folder(state, "b.journal");
	struct visits all = { 0 };
	size_t size;
	make_journal(path, RECORDS);
	assert_good(journal_scan(path, "test", "identity", note, &all));
	char *bytes = whole_file(path, &size);
	for (size_t cut = 0; cut <= size; cut++) {
		size_t whole = 0;
		while (whole < RECORDS && (size_t)all.offset[whole] + all.size[whole] <= cut)
			whole++;
		put_file(cut_path, bytes, cut);
		struct visits scanned = { 0 }, opened = { 0 }, again = { 0 };
		struct journal *journal;
		assert_good(journal_scan(cut_path, "test", "identity", note, &scanned));
		check_visits(&scanned, whole, -1);
		assert_good(journal_open(cut_path, "test", "identity", note, &opened, &journal));
		check_visits(&opened, whole, -1);
		append_records(journal, whole, whole + 3);
		assert_good(journal_close(journal));
		assert_good(journal_scan(cut_path, "test", "identity", note, &again));
		check_visits(&again, whole + 3, -1);
	}
	free(bytes);
}

/* Zeros instead of a torn end, as after a power failure. */
static void test_zero_tails(void **state)
{
	const char *path = in_folder(state, "a.journal");
	char zeros[100] = { 0 };
	struct journal *journal;
	for (size_t size = 0; size <= 40; size++) {
		put_file(path, zeros, size);
		assert_good(journal_open(path, "test", "identity", NULL, NULL, &journal));
		append_records(journal, 0, 3);
		assert_good(journal_close(journal));
		int file = open(path, O_WRONLY | O_APPEND);
		assert_int_equal(write(file, zeros, sizeof zeros), sizeof zeros);
		close(file);
		struct visits visits = { 0 };
		assert_good(journal_open(path, "test", "identity", note, &visits, &journal));
		check_visits(&visits, 3, -1);
		assert_good(journal_close(journal));
	}
}

/* Any flipped bit: never a wrong record. In a payload it costs that record only, in the head the file is refused. */
static void test_every_flipped_bit(void **state)
{
	enum { RECORDS = 6 };
	const char *path = in_folder(state, "a.journal");
	struct visits all = { 0 };
	size_t size;
	make_journal(path, RECORDS);
	assert_good(journal_scan(path, "test", "identity", note, &all));
	char *bytes = whole_file(path, &size);
	for (size_t i = 0; i < size * 8; i++) {
		struct visits visits = { 0 };
		bytes[i / 8] = (char)(bytes[i / 8] ^ 1 << i % 8);
		put_file(path, bytes, size);
		bytes[i / 8] = (char)(bytes[i / 8] ^ 1 << i % 8);
		if ((int64_t)(i / 8) < all.offset[0] - 24) {
			assert_bad(journal_scan(path, "test", "identity", note, &visits), STATUS_DATA, path);
			assert_int_equal(visits.count, 0);
			continue;
		}
		size_t hit = 0;
		while ((int64_t)(i / 8) >= all.offset[hit] + (int64_t)all.size[hit])
			hit++;
		bool in_payload = (int64_t)(i / 8) >= all.offset[hit];
		assert_good(journal_scan(path, "test", "identity", note, &visits));
		check_visits(&visits, in_payload ? RECORDS : hit, in_payload ? (int64_t)hit : -1);
	}
	free(bytes);
}

static void test_identity(void **state)
{
	const char *path = in_folder(state, "a.journal");
	struct visits visits = { 0 };
	struct journal *journal;
	make_journal(path, 3);
	assert_bad(journal_open(path, "test", "another", note, &visits, &journal), STATUS_DATA,
	           "holds test of identity, not test of another");
	assert_bad(journal_open(path, "test", "", note, &visits, &journal), STATUS_DATA, "of identity, not");
	assert_bad(journal_scan(path, "tests", "identity", note, &visits), STATUS_DATA, "not tests of identity");
	assert_bad(journal_open(path, "a kind of 17 bytes", "identity", note, &visits, &journal), STATUS_INTERNAL,
	           path);
	assert_int_equal(visits.count, 0);
	put_file(path, "a text that is no journal, and longer than the head of one is", 60);
	assert_bad(journal_open(path, "test", "identity", note, &visits, &journal), STATUS_DATA, "not a journal");
	/* A file that is not ours is left as it is. */
	put_file(path, "short", 5);
	assert_bad(journal_open(path, "test", "identity", note, &visits, &journal), STATUS_DATA, "not a journal");
	size_t size;
	free(whole_file(path, &size));
	assert_int_equal(size, 5);
}

static enum status refuse(void *context, uint64_t number, const void *payload, size_t size, int64_t offset)
{
	(void)context;
	(void)payload;
	(void)size;
	(void)offset;
	return number == 2 ? error_raise(STATUS_NUMERIC, "not this one") : STATUS_OK;
}

static void test_visit_ends_scan(void **state)
{
	const char *path = in_folder(state, "a.journal");
	struct journal *journal;
	make_journal(path, 5);
	assert_bad(journal_scan(path, "test", "identity", refuse, NULL), STATUS_NUMERIC, "not this one");
	assert_bad(journal_open(path, "test", "identity", refuse, NULL, &journal), STATUS_NUMERIC, "not this one");
	struct visits visits = { 0 };
	assert_good(journal_scan(path, "test", "identity", note, &visits));
	check_visits(&visits, 5, -1);
}

/* Exit code of a child that opens the journal: 0 it could, 1 it was locked out, 2 anything else. */
static int open_in_child(const char *path)
{
	pid_t child = fork();
	if (child == 0) {
		struct journal *journal;
		enum status status = journal_open(path, "test", "identity", NULL, NULL, &journal);
		bool locked = status == STATUS_IO && strstr(error_message(), "another process is writing") != NULL;
		_exit(status == STATUS_OK ? 0 : locked ? 1 : 2);
	}
	int result = 0;
	assert_true(child > 0 && waitpid(child, &result, 0) == child && WIFEXITED(result));
	return WEXITSTATUS(result);
}

static void test_lock(void **state)
{
	const char *path = in_folder(state, "a.journal");
	struct visits visits = { 0 };
	struct journal *journal, *second;
	make_journal(path, 2);
	assert_int_equal(open_in_child(path), 0);
	assert_good(journal_open(path, "test", "identity", NULL, NULL, &journal));
	assert_int_equal(open_in_child(path), 1);
	/* Neither a reader nor a refused second handle of the same process gives the lock away. */
	assert_good(journal_scan(path, "test", "identity", note, &visits));
	check_visits(&visits, 2, -1);
	assert_bad(journal_open(path, "test", "identity", NULL, NULL, &second), STATUS_IO, "another process");
	assert_int_equal(open_in_child(path), 1);
	assert_good(journal_close(journal));
	assert_int_equal(open_in_child(path), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_append_and_reopen, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_read_back, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_list, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_read_notices_damage, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_every_cut, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_zero_tails, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_every_flipped_bit, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_identity, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_visit_ends_scan, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_lock, make_folder, remove_folder),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
