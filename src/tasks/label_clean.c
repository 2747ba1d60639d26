/* Apart, as the sets of text/tokenize.h and the division of ranks of roles/split.h have one name.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tasks/label_clean.h"

#include "text/tokenize.h"

enum status label_remove_shards(const char *output)
{
	return tokenize_remove_shards(output);
}
