/* Names inside a shard file, shared by writer and reader (see shard.h).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_TEXT_SHARD_LAYOUT_H
#define CAPSHAPE_TEXT_SHARD_LAYOUT_H

#include "text/corpus.h"

#define SHARD_FORMAT "capshape-shard"
/* 2: tokens and documents without a label are DOMAIN_UNLABELLED; in 1 they were DOMAIN_UNMARKED, which means not forget. Groups of
 * documents may be absent. */
enum { SHARD_VERSION = 2 };
/* A set with conversations, and the attribute TURN_MARKERS_ATTRIBUTE: who did not know of it would train on all of their text. */
enum { SHARD_VERSION_TURNS = 3 };

/* Likewise a set of questions, and LETTER_BLANK_ATTRIBUTE. */
enum { SHARD_VERSION_QUESTIONS = 4 };

#define TURN_MARKERS_ATTRIBUTE "turn_markers"
#define LETTER_BLANK_ATTRIBUTE "letter_blank"

#define TOKENS          "tokens"
#define LABELS          "labels"
#define DOCUMENT_OFFSET "documents/offset"
#define DOCUMENT_DOMAIN "documents/domain"
#define DOCUMENT_NUMBER "documents/number"
#define DOCUMENT_GROUP  "documents/group"
#define BLOCK_DOCUMENT  "blocks/document"

#endif
