/* Which questions belong together, and the order of their choices.
 * SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/random.h"
#include "text/question_line.h"

static uint64_t hash_texts(const char *const *texts, size_t count)
{
	uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */
	for (size_t i = 0; i < count; i++)
		for (const char *at = texts[i];; at++) {
			hash = (hash ^ (unsigned char)*at) * 0x100000001b3u;
			if (*at == '\0')
				break;
		}
	return hash;
}

static uint64_t hash_content(const struct question_line *line)
{
	const char *texts[QUESTION_MOST_CHOICES + 2] = { line->context, line->question };
	for (int i = 0; i < line->count; i++)
		texts[i + 2] = line->choices[i];
	return hash_texts(texts, (size_t)line->count + 2);
}

uint64_t question_line_cluster(const struct question_line *line)
{
	return line->id != NULL ? hash_texts(&line->id, 1) : hash_content(line);
}

void question_line_key(const struct question_line *line, char key[QUESTION_KEY_SIZE])
{
	if (line->id != NULL)
		snprintf(key, QUESTION_KEY_SIZE, "%s", line->id);
	else
		snprintf(key, QUESTION_KEY_SIZE, "question %016" PRIx64, hash_content(line));
}

void question_line_shuffle(struct question_line *line, uint64_t seed, uint64_t order)
{
	const char *choices[QUESTION_MOST_CHOICES];
	uint64_t stream = hash_content(line) + 0x9E3779B97F4A7C15u * order;
	int correct = line->correct;
	for (int i = 0; i < line->count; i++) {
		int from = (int)random_permute(seed, RANDOM_CHOICES, stream, (uint64_t)line->count, (uint64_t)i);
		choices[i] = line->choices[from];
		if (from == correct)
			line->correct = i;
	}
	memcpy(line->choices, choices, (size_t)line->count * sizeof *choices);
}
