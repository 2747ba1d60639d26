/* The NCCL of this machine, without a GPU: it opens, has all functions that are asked of it, and makes ids. What goes from GPU to GPU
 * is tested over the emulator. Skipped without NCCL.
 * SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#ifndef HAVE_NCCL
int main(void)
{
	return 77;
}
#else

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/cuda/cuda.h"
#include "kernels/cuda/library.h"

static void test_ids(void **state)
{
	(void)state;
	struct device device = { .number = 0 };
	unsigned char ids[2][PEERS_ID_BYTES] = { { 0 }, { 0 } };
	for (int i = 0; i < 2; i++)
		if (cuda_peers.make_id(&device, ids[i]) != STATUS_OK)
			fail_msg("%s", error_message());
	assert_memory_not_equal(ids[0], ids[1], PEERS_ID_BYTES);
}

/* Without a GPU a rank says so, and the others take the way through the host. */
static void test_reason(void **state)
{
	(void)state;
	struct device device = { .number = 0 };
	char identity[PEERS_IDENTITY], reason[192] = "";
	bool able = cuda_peers.available(&device, identity, reason, sizeof reason);
	if (kernels_cuda_devices() > 0)
		assert_true(able);
	else
		assert_false(able);
	assert_true(able || strlen(reason) > 0);
	assert_string_equal(error_message(), "");
}

int main(void)
{
	static const char *const names[] = { "libnccl.so.2", NULL };
	char tried[CUDA_LIBRARY_TRIED];
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_ids), cmocka_unit_test(test_reason) };

	if (cuda_library_open(names, tried) == NULL) {
		fprintf(stderr, "skipped: %s\n", tried);
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
