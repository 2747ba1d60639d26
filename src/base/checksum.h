/* Checksums: CRC32C for records on disk, a 128-bit hash (XXH3) to name content.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_BASE_CHECKSUM_H
#define CAPSHAPE_BASE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/* CRC32C (Castagnoli) of `size` bytes, continuing from `crc` (0 to begin). */
uint32_t checksum_crc32c(uint32_t crc, const void *data, size_t size);

enum { CONTENT_HASH_SIZE = 33 };

/* 32 hexadecimal digits and a NUL naming the content. */
void checksum_content_hash(const void *data, size_t size, char out[CONTENT_HASH_SIZE]);

/* The same over parts, added one after the other; NULL after error_raise() when there is no memory. */
struct content_hash;
struct content_hash *content_hash_create(void);
void content_hash_add(struct content_hash *hash, const void *data, size_t size);
void content_hash_finish(struct content_hash *hash, char out[CONTENT_HASH_SIZE]); /* and destroys it */

#endif
