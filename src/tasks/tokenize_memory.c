/* What tokenizing will take of memory, from the sizes of the files of text: told before hours are spent on it.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "tasks/tokenize_parts.h"

/* Of English text, roughly; compressed files are taken to be a quarter of it. */
#define BYTES_A_TOKEN    4.0
#define COMPRESSED_TIMES 4.0
/* An id and a label, which a rank holds until all is read (text/tokenize.c), and once more in a file that is being written. */
#define BYTES_HELD       5.0

static bool ends_with(const char *path, const char *ending)
{
	size_t length = strlen(path), size = strlen(ending);
	return length >= size && strcmp(path + length - size, ending) == 0;
}

static double bytes_of(const struct file_group *group)
{
	double bytes = 0;
	for (size_t i = 0; i < group->count; i++) {
		struct stat facts;
		const char *path = group->paths[i];
		bool compressed = ends_with(path, ".gz") || ends_with(path, ".zst") || ends_with(path, ".dz");
		if (stat(path, &facts) == 0 && S_ISREG(facts.st_mode))
			bytes += (compressed ? COMPRESSED_TIMES : 1) * (double)facts.st_size;
	}
	return bytes;
}

/* 0 where nothing is known: generated text, a part of the text. */
static double tokens_of(const struct tokenizing *work)
{
	struct corpus *corpus = NULL;
	double bytes = 0;
	if (work->path_count == 0 || work->corpus.document_limit > 0)
		return 0;
	if (corpus_open(work->paths, work->path_count, &work->corpus, &corpus) != STATUS_OK) {
		error_clear(); /* whoever reads it will say so */
		return 0;
	}
	for (size_t i = 0; i < corpus_file_count(corpus); i++) {
		struct file_group group;
		if (corpus_file_group(corpus, i, &group) == STATUS_OK)
			bytes += bytes_of(&group);
		else
			error_clear(); /* as above */
		file_group_clear(&group);
	}
	corpus_close(corpus);
	return bytes / BYTES_A_TOKEN;
}

void tokenize_warn_of_memory(const struct tokenizing *work)
{
	const struct job *job = work->job;
	double shards = (double)work->plan.shard_counts[SPLIT_TRAIN], free = memory_free();
	double shard = tokens_of(work) * (1 - work->plan.validation_share - work->plan.test_share) / shards;
	/* The ranks of this node that make the most, all of it on the first one where there is one file. */
	double ranks = fmin(job->ranks_here, shards), bytes;
	char tokens_text[32], bytes_text[32], free_text[32];
	bytes = ranks * BYTES_HELD * shard * (ceil(shards / job->world->size) + 1);
	if (free <= 0 || bytes <= free)
		return;
	log_warning(
		"tokenizing some %s tokens into tokenize/shards = %.0f files takes about %s of memory on this node, and %s "
		"are free: use more nodes, and at least as many files as ranks",
		text_count(round(shard * shards), tokens_text, sizeof tokens_text), shards,
		text_bytes(bytes, bytes_text, sizeof bytes_text), text_bytes(free, free_text, sizeof free_text));
}
