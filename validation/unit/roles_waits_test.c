/* What MPI still holds after a wait that failed: a block that nobody has taken in time is taken afterwards, whole.
 * SPDX-License-Identifier: Apache-2.0 */
#include "validation/unit/turns_fixture.h"

#include "comm/world.h"
#include "roles/message.h"
#include "roles/provider.h"
#include "roles/server.h"

/* Long enough that no MPI sends it before somebody receives it. */
enum { TOKENS = 300000, FILLINGS = 4 };

static struct world world;

/* The memory that is MPI's for as long as the process lives. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:answer_first\n";
}

static int32_t id_of(int64_t token)
{
	return (int32_t)(token * 7919 % END_OF_TEXT);
}

static void write_long_block(void **state)
{
	const struct shard_facts facts = { .tokenizer_hash = "0123456789abcdef",
		                           .tokenizer = "made up",
		                           .vocabulary = MARKERS + TURN_MARKERS,
		                           .end_of_text = END_OF_TEXT,
		                           .hidden = END_OF_TEXT + 1,
		                           .block_tokens = 32,
		                           .shard_count = 1,
		                           .learned.markers = MARKERS };
	struct shard_writer *writer;
	int32_t *ids = malloc(TOKENS * sizeof *ids);
	uint8_t *labels = calloc(TOKENS, 1);
	for (int64_t i = 0; i < TOKENS; i++)
		ids[i] = id_of(i);
	assert_good(shard_writer_create(in_folder(state, "train-00000.h5"), &facts, &writer));
	assert_good(shard_writer_add(writer, ids, labels, TOKENS, DOMAIN_OTHER, 0, 0));
	assert_good(shard_writer_finish(writer));
	free(ids);
	free(labels);
}

static void ask(struct request request, MPI_Request *pending)
{
	MPI_Isend(&request, MESSAGE_REQUEST_WORDS, MPI_INT64_T, 0, TAG_REQUEST, world.comm, pending);
	MPI_Wait(pending, MPI_STATUS_IGNORE);
}

/* Takes the place of memory that was freed. */
static void fill_memory(size_t size)
{
	char *fillings[FILLINGS];
	for (int i = 0; i < FILLINGS; i++) {
		fillings[i] = malloc(size);
		memset(fillings[i], 0xaa, size);
	}
	for (int i = 0; i < FILLINGS; i++)
		free(fillings[i]);
}

static void take_block(void)
{
	MPI_Status facts;
	int size;
	struct block block = { 0 };
	MPI_Probe(0, TAG_BLOCK, world.comm, &facts);
	MPI_Get_count(&facts, MPI_BYTE, &size);
	fill_memory((size_t)size);
	char *bytes = malloc((size_t)size);
	MPI_Recv(bytes, size, MPI_BYTE, 0, TAG_BLOCK, world.comm, MPI_STATUS_IGNORE);
	assert_good(message_block_unpack(bytes, size, &block));
	assert_int_equal(block.token_count, TOKENS + 1);
	for (int64_t i = 0; i < TOKENS; i++)
		assert_int_equal(block.ids[i], id_of(i));
	block_clear(&block);
	free(bytes);
}

static void a_block_that_is_taken_too_late_is_whole(void **state)
{
	struct timers timers = { 0 };
	struct provider *provider;
	MPI_Request pending;
	write_long_block(state);
	struct shard_set *set = open_shards(state);
	assert_good(provider_create_local(set, &timers, &provider));
	ask((struct request){ REQUEST_BLOCK, 0 }, &pending);
	ask((struct request){ REQUEST_FINISH, 0 }, &pending);
	assert_int_equal(server_run(&world, provider, "asking", 1, 1, &timers), STATUS_PEER);
	assert_non_null(strstr(error_message(), "asking rank 0 to take block 0"));
	provider_destroy(provider);
	shard_set_close(set);
	take_block();
}

int main(int argc, char **argv)
{
	if (world_open(&argc, &argv, &world) != STATUS_OK)
		return 99;
	world.timeout = 0.2;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_block_that_is_taken_too_late_is_whole, make_folder, remove_folder),
	};
	int failed = cmocka_run_group_tests_name("roles_waits", tests, NULL, NULL);
	world_close(&world, STATUS_OK);
	return failed;
}
