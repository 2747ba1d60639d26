/* --compare-scores: how two score files of the same text differ, in scores and in the decisions that follow from them: what
 * another device, precision or classifier changes.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "filter/score.h"
#include "storage/hdf5_file.h"
#include "tasks/task.h"
#include "text/corpus.h"
#include "text/shard.h"

enum { MOST_LEVELS = 32, PIECE = 1 << 20 };

/* One of the two files. */
struct side {
	const char *path;
	struct hdf5_reader *reader;
	char *identity;
	uint8_t *present;
	int64_t *begin[2]; /* [blocks + 1] first token, first document */
	int64_t blocks;
};

/* Decisions at one threshold. */
struct level {
	uint16_t threshold;
	int64_t flagged[2], differ, domains[DOMAIN_COUNT]; /* domains: of those that differ */
};

/* Tokens, or documents. */
struct tally {
	const char *what, *scores, *threshold; /* the last two: names in the file */
	struct level levels[MOST_LEVELS];
	int level_count;
	int64_t count, differ, largest;
};

struct comparison {
	struct side sides[2];
	struct tally tallies[2];
	struct shard_set *shards; /* for domains; NULL: none */
	struct block block;
	uint16_t *scores[2]; /* [PIECE] */
	int64_t missing[2];  /* blocks that only the other file has */
};

/* ---- opening ---- */

static enum status read_starts(struct side *side, const char *name, int64_t **begin_out)
{
	void *values = NULL;
	int64_t count = 0;
	STATUS_TRY(hdf5_read_all(side->reader, name, HDF5_INT64, &values, &count));
	*begin_out = values;
	if (count != side->blocks + 1)
		return error_raise(STATUS_DATA, "%s: %s does not fit blocks/present", side->path, name);
	return STATUS_OK;
}

static enum status open_side(struct side *side, const char *path)
{
	char *format = NULL;
	void *present = NULL;
	side->path = path;
	STATUS_TRY(hdf5_open(path, &side->reader));
	STATUS_TRY(hdf5_read_text_attribute(side->reader, "/", "format", &format));
	bool good = strcmp(format, "capshape-scores") == 0;
	free(format);
	if (!good)
		return error_raise(STATUS_DATA, "%s is no score file", path);
	STATUS_TRY(hdf5_read_text_attribute(side->reader, "/", "identity", &side->identity));
	STATUS_TRY(hdf5_read_all(side->reader, "blocks/present", HDF5_UINT8, &present, &side->blocks));
	side->present = present;
	STATUS_TRY(read_starts(side, "blocks/token", &side->begin[0]));
	return read_starts(side, "blocks/document", &side->begin[1]);
}

/* Of "<classifier hash> <content hash of the text>" the second word. */
static const char *text_of(const struct side *side)
{
	const char *space = strrchr(side->identity, ' ');
	return space != NULL ? space + 1 : side->identity;
}

static enum status check_sides(const struct side sides[2])
{
	size_t size = (size_t)(sides[0].blocks + 1) * sizeof(int64_t);
	bool same = strcmp(text_of(&sides[0]), text_of(&sides[1])) == 0 && sides[0].blocks == sides[1].blocks;
	for (int i = 0; same && i < 2; i++)
		same = memcmp(sides[0].begin[i], sides[1].begin[i], size) == 0;
	if (!same)
		return error_raise(STATUS_DATA, "%s and %s hold the scores of different text", sides[0].path,
		                   sides[1].path);
	return STATUS_OK;
}

static enum status open_shards(struct comparison *comparison, const char *folder)
{
	if (folder == NULL)
		return STATUS_OK;
	STATUS_TRY(shard_set_open(folder, "train", &comparison->shards));
	if (strcmp(shard_set_content_hash(comparison->shards), text_of(&comparison->sides[0])) == 0)
		return STATUS_OK;
	return error_raise(STATUS_DATA, "%s: these scores belong to other text than %s holds",
	                   comparison->sides[0].path, folder);
}

/* ---- thresholds ---- */

/* false: there are too many. */
static bool add_level(struct tally *tally, uint16_t threshold)
{
	for (int i = 0; i < tally->level_count; i++)
		if (tally->levels[i].threshold == threshold)
			return true;
	if (tally->level_count == MOST_LEVELS)
		return false;
	tally->levels[tally->level_count++].threshold = threshold;
	return true;
}

static enum status add_listed(struct tally tallies[2], const char *list)
{
	while (list != NULL && *list != '\0') {
		char *end;
		double value = strtod(list, &end);
		if (end == list || (*end != '\0' && *end != ',') || !(value > 0 && value < 1))
			return error_raise(
				STATUS_USAGE,
				"--thresholds: \"%s\" does not begin with a probability between 0 and 1; give "
				"some, such as 0.2,0.5",
				list);
		for (int i = 0; i < 2; i++)
			if (!add_level(&tallies[i], score_from_probability(value)))
				return error_raise(STATUS_USAGE, "--thresholds: more than %d; compare in several calls",
				                   (int)MOST_LEVELS);
		list = *end == ',' ? end + 1 : end;
	}
	return STATUS_OK;
}

/* Those that the files say are the best; a file of raw scores says none. */
static enum status add_stored(struct comparison *comparison)
{
	for (int file = 0; file < 2; file++) {
		char **names = NULL;
		size_t count = 0;
		STATUS_TRY(hdf5_list_attributes(comparison->sides[file].reader, "/", &names, &count));
		enum status status = STATUS_OK;
		for (size_t i = 0; i < 2 * count && status == STATUS_OK; i++) {
			struct tally *tally = &comparison->tallies[i % 2];
			int64_t value = 0;
			if (strcmp(names[i / 2], tally->threshold) != 0)
				continue;
			status = hdf5_read_integer_attribute(comparison->sides[file].reader, "/", tally->threshold,
			                                     &value);
			if (status == STATUS_OK && value > 0 && value <= SCORE_HIGHEST)
				(void)add_level(tally, (uint16_t)value); /* four at most */
		}
		hdf5_free_names(names, count);
		STATUS_TRY(status);
	}
	return STATUS_OK;
}

/* ---- counting ---- */

static void count_pair(struct tally *tally, uint16_t a, uint16_t b, uint8_t domain)
{
	int64_t distance = labs((long)a - (long)b);
	tally->count++;
	tally->differ += distance != 0;
	tally->largest = distance > tally->largest ? distance : tally->largest;
	for (int i = 0; i < tally->level_count; i++) {
		struct level *level = &tally->levels[i];
		bool first = a >= level->threshold, second = b >= level->threshold;
		level->flagged[0] += first;
		level->flagged[1] += second;
		level->differ += first != second;
		level->domains[domain < DOMAIN_COUNT ? domain : DOMAIN_UNMARKED] += first != second;
	}
}

/* `domains` of the elements [begin, end), or NULL. */
static enum status count_range(struct comparison *comparison, struct tally *tally, int64_t begin, int64_t end,
                               const uint8_t *domains)
{
	for (int64_t at = begin; at < end; at += PIECE) {
		int64_t count = end - at < PIECE ? end - at : PIECE;
		for (int file = 0; file < 2; file++)
			STATUS_TRY(hdf5_read_range(comparison->sides[file].reader, tally->scores, HDF5_UINT16, at,
			                           count, comparison->scores[file]));
		for (int64_t i = 0; i < count; i++)
			count_pair(tally, comparison->scores[0][i], comparison->scores[1][i],
			           domains != NULL ? domains[at - begin + i] : DOMAIN_UNMARKED);
	}
	return STATUS_OK;
}

/* Blocks [first, last) are in both files. */
static enum status count_blocks(struct comparison *comparison, int64_t first, int64_t last)
{
	const struct block *block = &comparison->block;
	const uint8_t *domains[2] = { NULL, NULL };
	if (comparison->shards != NULL) {
		STATUS_TRY(shard_set_read_block(comparison->shards, first, &comparison->block));
		domains[0] = block->labels;
		domains[1] = block->document_domain;
	}
	for (int i = 0; i < 2; i++) {
		const int64_t *begin = comparison->sides[0].begin[i];
		STATUS_TRY(count_range(comparison, &comparison->tallies[i], begin[first], begin[last], domains[i]));
	}
	return STATUS_OK;
}

/* As many blocks at a time as there are in a row; one, where its labels are read. */
static enum status count_all(struct comparison *comparison)
{
	const struct side *a = &comparison->sides[0], *b = &comparison->sides[1];
	int64_t first = 0;
	for (int64_t number = 0; number < a->blocks; number++) {
		bool both = a->present[number] && b->present[number];
		comparison->missing[0] += !a->present[number] && b->present[number];
		comparison->missing[1] += a->present[number] && !b->present[number];
		bool ends = !both || comparison->shards != NULL || number + 1 == a->blocks;
		if (!ends)
			continue;
		if (number + both > first)
			STATUS_TRY(count_blocks(comparison, first, number + both));
		first = number + 1;
	}
	return STATUS_OK;
}

/* ---- printing ---- */

static double percent(int64_t part, int64_t whole)
{
	return whole > 0 ? 100.0 * (double)part / (double)whole : 0;
}

static void print_tally(const struct tally *tally, bool with_domains)
{
	printf("%s: %lld compared, %lld scores differ (%.4f %%), by at most %.4f of log-odds\n", tally->what,
	       (long long)tally->count, (long long)tally->differ, percent(tally->differ, tally->count),
	       (double)tally->largest / 2048);
	for (int i = 0; i < tally->level_count; i++) {
		const struct level *level = &tally->levels[i];
		printf("%s at p %.4f: %lld and %lld flagged, %lld decisions differ (%.4f %%)", tally->what,
		       score_probability(level->threshold), (long long)level->flagged[0], (long long)level->flagged[1],
		       (long long)level->differ, percent(level->differ, tally->count));
		for (int domain = 0; with_domains && domain < DOMAIN_COUNT; domain++)
			if (level->domains[domain] > 0)
				printf(", %s %lld", domain_name((enum domain)domain),
				       (long long)level->domains[domain]);
		printf("\n");
	}
}

static void print_all(const struct comparison *comparison)
{
	const struct side *sides = comparison->sides;
	if (strcmp(sides[0].identity, sides[1].identity) != 0)
		printf("the scores are of different classifiers\n");
	for (int file = 0; file < 2; file++)
		if (comparison->missing[file] > 0)
			printf("%s lacks %lld blocks that the other file has\n", sides[file].path,
			       (long long)comparison->missing[file]);
	for (int i = 0; i < 2; i++)
		print_tally(&comparison->tallies[i], comparison->shards != NULL);
}

static enum status compare(struct comparison *comparison, const char *first, const char *second, const char *thresholds,
                           const char *data)
{
	STATUS_TRY(add_listed(comparison->tallies, thresholds));
	enum status status = open_side(&comparison->sides[0], first);
	if (status == STATUS_OK)
		status = open_side(&comparison->sides[1], second);
	if (status == STATUS_OK)
		status = check_sides(comparison->sides);
	if (status == STATUS_DATA)
		return error_raise(status,
		                   "%s; --compare-scores takes two files scores.h5, made of the same text: they are in "
		                   "scores/ of an output folder (run/output)",
		                   error_message());
	STATUS_TRY(status);
	STATUS_TRY(open_shards(comparison, data));
	if (thresholds == NULL)
		STATUS_TRY(add_stored(comparison));
	for (int i = 0; i < 2; i++) {
		comparison->scores[i] = memory_allocate(PIECE, sizeof *comparison->scores[i]);
		if (comparison->scores[i] == NULL)
			return STATUS_ENVIRONMENT;
	}
	STATUS_TRY(count_all(comparison));
	print_all(comparison);
	return STATUS_OK;
}

enum status task_compare_scores(const char *first, const char *second, const char *thresholds, const char *data,
                                bool *equal_out)
{
	struct comparison comparison = {
		.tallies = { { .what = "tokens", .scores = "scores", .threshold = "token_threshold" },
		             { .what = "documents", .scores = "document_scores", .threshold = "document_threshold" } }
	};
	enum status status = compare(&comparison, first, second, thresholds, data);
	*equal_out = comparison.tallies[0].differ == 0 && comparison.tallies[1].differ == 0 &&
	             comparison.missing[0] == 0 && comparison.missing[1] == 0;
	for (int i = 0; i < 2; i++) {
		struct side *side = &comparison.sides[i];
		free(comparison.scores[i]);
		free(side->identity);
		free(side->present);
		free(side->begin[0]);
		free(side->begin[1]);
		if (side->reader != NULL)
			hdf5_close(side->reader);
	}
	if (comparison.shards != NULL)
		shard_set_close(comparison.shards);
	block_clear(&comparison.block);
	return status;
}
