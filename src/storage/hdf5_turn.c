/* Whose turn it is to use the HDF5 library.
 * SPDX-License-Identifier: Apache-2.0 */
#include "storage/hdf5_turn.h"

#include <pthread.h>

/* There is one library in a process, with state of its own: so there is one of these. A plain mutex would be taken again
 * by the thread that has just given it back, before the one that waits wakes up. */
static struct {
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	unsigned long next, now; /* numbers of turns: to be given out, having it */
} turns = { .mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

int hdf5_turn_begin(void)
{
	pthread_mutex_lock(&turns.mutex);
	unsigned long own = turns.next++;
	while (turns.now != own)
		pthread_cond_wait(&turns.changed, &turns.mutex);
	pthread_mutex_unlock(&turns.mutex);
	return 0;
}

void hdf5_turn_end(const int *turn)
{
	(void)turn;
	pthread_mutex_lock(&turns.mutex);
	turns.now++;
	pthread_cond_broadcast(&turns.changed);
	pthread_mutex_unlock(&turns.mutex);
}
