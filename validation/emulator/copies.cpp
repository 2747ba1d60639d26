/* cp.async: copies to shared memory that go on beside their thread until it waits for them (cuda_runtime.h).
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include <vector>

#include "cuda_runtime.h"
#include "machine.h"

namespace
{

struct copy {
	void *target;
	const void *source;
	size_t bytes;
	long group;
};

/* What a thread has on its way, and the number of the group that its next one is of. */
struct thread_copies {
	std::vector<copy> copies;
	long group;
};

std::vector<thread_copies> &threads = *new std::vector<thread_copies>;

thread_copies &own()
{
	return threads[(size_t)machine_thread()];
}

} // namespace

void copies_begin_block()
{
	threads.assign((size_t)machine_threads(), thread_copies());
}

void copies_end_thread()
{
	if (!own().copies.empty())
		machine_give_up("a thread ends with copies on their way");
}

void emulator_copy_begin(void *target, const void *source, size_t bytes, bool there)
{
	if ((reinterpret_cast<uintptr_t>(target) | reinterpret_cast<uintptr_t>(source)) % bytes != 0)
		machine_give_up("a copy to shared memory is not aligned");
	memset(target, 0xff, bytes);
	own().copies.push_back({ target, there ? source : nullptr, bytes, own().group });
}

void emulator_copy_end_group()
{
	own().group++;
}

void emulator_copy_wait(long left)
{
	thread_copies &self = own();
	size_t done = 0;
	for (; done < self.copies.size() && self.copies[done].group < self.group - left; done++) {
		const copy &it = self.copies[done];
		if (it.source != nullptr)
			memcpy(it.target, it.source, it.bytes);
		else
			memset(it.target, 0, it.bytes);
	}
	self.copies.erase(self.copies.begin(), self.copies.begin() + (long)done);
}
