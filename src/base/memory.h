/* Checked, 64-byte aligned, zeroed memory.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_BASE_MEMORY_H
#define CAPSHAPE_BASE_MEMORY_H

#include <stddef.h>

#include "base/status.h"

/* count * size zeroed bytes, 64-byte aligned; NULL after error_raise(STATUS_ENVIRONMENT) when there is no memory or
 * the product overflows. count == 0 gives a valid pointer. Free with free(). */
void *memory_allocate(size_t count, size_t size);

/* Grows *array (of elements of `size` bytes, capacity *capacity elements; from realloc, NOT aligned) so that it holds
 * at least `needed` elements; new elements are not set. */
enum status memory_grow(void **array, size_t *capacity, size_t needed, size_t size);

/* Bytes of this process that are in main memory now, and at most so far; 0 where the system does not tell. */
double memory_resident(void);
double memory_peak(void);

/* Bytes of main memory that processes may still take: of this machine, or the limit of the job's control group (version 2) where
 * that is less. 0 where the system does not tell. */
double memory_free(void);

/* A copy of a string; NULL after error_raise(STATUS_ENVIRONMENT). */
char *memory_copy_text(const char *text);

#endif
