/* Names that the user gives to documents by their "id": JSON lines such as {"id": "w-17", "group": "neurology"}. The corpus itself
 * will do, where its lines have such a key: other keys are passed over, and so are lines that lack either. Token files hold no ids but
 * their hashes (documents/group), which is what is looked up.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_TEXT_DOCUMENT_GROUPS_H
#define CAPSHAPE_TEXT_DOCUMENT_GROUPS_H

#include <stddef.h>
#include <stdint.h>

#include "base/checksum.h"
#include "base/status.h"

/* The group of an id. */
struct grouped_id {
	uint64_t hash; /* as documents/group has it */
	uint32_t name;
	uint32_t unused;
};

/* Zero-initialise; document_groups_clear() frees. */
struct document_groups {
	char **names; /* in the order in which they occur */
	size_t name_count, name_capacity;
	struct grouped_id *ids; /* [id_count] by hash */
	size_t id_count, id_capacity;
	char hash[CONTENT_HASH_SIZE]; /* of names and ids */
};

/* STATUS_DATA naming file and line where a line is no JSON object, an id or a name is none, or an id is given two groups; also when no line
 * has both keys. */
enum status document_groups_read(const char *path, const char *key, struct document_groups *groups);
/* The number of the name, -1 where there is none. */
int document_groups_find_name(const struct document_groups *groups, const char *name);
/* The number of the name of documents with this hash, -1 where they have none. */
int document_groups_find(const struct document_groups *groups, uint64_t hash);
void document_groups_clear(struct document_groups *groups);

#endif
