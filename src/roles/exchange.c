/* Recursive halving, summed up.
 * SPDX-License-Identifier: Apache-2.0 */
#include "roles/exchange.h"

#include <math.h>

struct exchange_times exchange_step(const struct exchange *exchange, int trainers)
{
	struct exchange_times times = { 0 };
	double part = 0.5, least = 0;
	for (int distance = 1; distance < trainers; distance *= 2, part /= 2) {
		double speed = 2 * distance <= exchange->trainers_a_node ? exchange->near : exchange->far;
		times.sum += part * exchange->gradient_bytes / speed + exchange->message;
		times.share += part * exchange->weight_bytes / speed + exchange->message;
		least += 2 * exchange->message;
	}
	/* The last gradients and the first weights have nothing to hide behind. */
	times.waited = fmax(least, fmax(0, times.sum - exchange->backward) + fmax(0, times.share - exchange->forward));
	return times;
}
