/* The key table itself: name, type, unit, default, range, choices, tasks, flags, meaning of every input key.
 * SPDX-License-Identifier: Apache-2.0 */
#include "input/keys.h"

#include <math.h>

/* No upper end of a range. */
#define ANY HUGE_VAL

/* Largest whole number a double holds exactly: every range end is compared as a double. */
#define WHOLE 9007199254740992.0

#define LEARN    "classifier pretrain"
#define DEVICE   "classifier pretrain evaluate"
#define MEASURED "pretrain evaluate"

static const struct key_section sections[] = {
	{ "run", "what is done, where it is kept, and how the program behaves" },
	{ "corpus", "the text that is read" },
	{ "tokenizer", "how text becomes tokens" },
	{ "tokenize", "how tokens are split into sets and shards" },
	{ "data", "the tokens that later tasks read" },
	{ "model", "shape of the language model" },
	{ "train", "optimiser, batch and length of training" },
	{ "filter", "what is kept from the model and how" },
	{ "roles", "how ranks share the work" },
	{ "classifier", "probes that tell forget from retain" },
	{ "evaluate", "losses on held-out text" },
	{ "sweep", "several points in one input file" },
	{ "compat", "differences of the released reference code, to measure their effect" },
};

static const struct key table[] = {
	{ "run/task", KEY_CHOICE, "", NULL, 0, 0, "tokenize classifier pretrain evaluate", "",
	  KEY_REQUIRED | KEY_SINGLE,
	  "what is done: make token shards, fit a classifier, train models on filtered text, evaluate trained models",
	  NULL },
	{ "run/output", KEY_PATH, "", NULL, 0, 0, NULL, "", KEY_REQUIRED | KEY_CHANGES_ON_RESUME | KEY_SINGLE,
	  "folder of the results; made when it does not exist; the same folder again continues what is unfinished",
	  NULL },
	{ "run/after", KEY_LIST, "", "", 0, 0, NULL, "", KEY_CHANGES_ON_RESUME,
	  "input files whose runs must be finished first", NULL },
	{ "run/seed", KEY_INTEGER, "", "1", 0, WHOLE, NULL, "", 0, "every random number is a function of this number",
	  NULL },
	{ "run/threads", KEY_INTEGER, "", "auto", 1, 4096, NULL, "", KEY_AUTO | KEY_CHANGES_ON_RESUME | KEY_SINGLE,
	  "CPU threads of each rank; auto: the cores of the node shared among its ranks", NULL },
	{ "run/precision", KEY_CHOICE, "", "float32", 0, 0, "float32 bfloat16", DEVICE, 0,
	  "arithmetic of matrix products; parameters and sums are always float32 or wider", NULL },
	{ "run/device", KEY_CHOICE, "", "auto", 0, 0, "auto cpu reference cuda", DEVICE, KEY_SINGLE,
	  "where models run; auto: a GPU when there is one; reference: plain loops, slow, for checking", NULL },
	{ "run/checkpoint_interval", KEY_INTEGER, "steps", "auto", 1, WHOLE, NULL, LEARN,
	  KEY_AUTO | KEY_CHANGES_ON_RESUME | KEY_SINGLE,
	  "steps between checkpoints; auto: every half minute, less often where saving is slow; always one at the end", NULL },
	{ "run/checkpoint_keep", KEY_INTEGER, "", "2", 1, 1000000, NULL, LEARN, KEY_CHANGES_ON_RESUME | KEY_SINGLE,
	  "checkpoints kept of each point; older ones are removed", NULL },
	{ "run/stop_after_steps", KEY_INTEGER, "steps", "0", 0, WHOLE, NULL, LEARN, KEY_CHANGES_ON_RESUME | KEY_SINGLE,
	  "stop with exit code 75 after this many steps and a checkpoint, for chains of jobs; 0: never", NULL },
	{ "run/timeout", KEY_REAL, "s", "300", 1, 1e7, NULL, "", KEY_CHANGES_ON_RESUME | KEY_SINGLE,
	  "longest wait for an answer of another rank, such as a block, before the run ends with an error that names it", NULL },
	{ "run/log_interval", KEY_REAL, "s", "5", 0, 1e7, NULL, "", KEY_CHANGES_ON_RESUME | KEY_SINGLE,
	  "time between lines of progress; 0: a line each step", NULL },

	{ "corpus/paths", KEY_LIST, "", NULL, 0, 0, NULL, "tokenize", KEY_REQUIRED,
	  "files or folders of text, in order; not needed with tokenize/raw", "tokenize/raw" },
	{ "corpus/format", KEY_CHOICE, "", "auto", 0, 0, "auto jsonl text gcide", "tokenize", 0,
	  "form of the files; auto: by their names; gcide: the dictionary of Debian's dict-gcide", NULL },
	{ "corpus/forget_marks", KEY_TEXT, "",
	  "Med. Med._Chem. Anat. Human_Anat. Physiol. Surg. Pharm. Pathol. Bacteriol. Vet. Veter.", 0, 0, NULL,
	  "tokenize", 0,
	  "gcide: field marks of the forget domain, separated by blanks; _ stands for a blank inside a mark", NULL },
	{ "corpus/retain_marks", KEY_TEXT, "",
	  "Zool. Bot. Biol. Cell_Biol. Microbiol. Biochem. Physiol._Chem. Physiol.Chem. Bot._Chem. Plant_Physiol. "
	  "Paleon. Nat._Hist.",
	  0, 0, NULL, "tokenize", 0, "gcide: field marks of the retain domain, the neighbours of the forget domain",
	  NULL },
	{ "corpus/documents", KEY_INTEGER, "documents", "0", 0, WHOLE, NULL, "tokenize", 0,
	  "documents read from the beginning of the corpus; 0: all", NULL },

	{ "tokenizer/source", KEY_CHOICE, "", "train", 0, 0, "train file", "tokenize", 0,
	  "train: byte pairs learned from the training documents; file: read from tokenizer/path", NULL },
	{ "tokenizer/path", KEY_PATH, "", "", 0, 0, NULL, "tokenize", 0,
	  "vocabulary when source = file: *.tiktoken, encoder.json of GPT-2 (vocab.bpe beside it), or our own *.h5",
	  NULL },
	{ "tokenizer/ranks", KEY_INTEGER, "tokens", "8192", 256, 1048576, NULL, "tokenize", 0,
	  "ordinary tokens learned when source = train; end-of-text and hidden follow them", NULL },
	{ "tokenizer/pattern", KEY_CHOICE, "", "cl100k", 0, 0, "cl100k gpt2", "tokenize", 0,
	  "regular expression that cuts text into pieces before merging, when source = train", NULL },
	{ "tokenizer/sample_bytes", KEY_INTEGER, "bytes", "0", 0, WHOLE, NULL, "tokenize", 0,
	  "text that byte pairs are learned from; 0: all training documents", NULL },

	{ "tokenize/validation_share", KEY_REAL, "", "0.05", 0, 1, NULL, "tokenize", 0,
	  "share of documents in the validation set", NULL },
	{ "tokenize/test_share", KEY_REAL, "", "0.10", 0, 1, NULL, "tokenize", 0, "share of documents in the test set",
	  NULL },
	{ "tokenize/shards", KEY_INTEGER, "files", "1", 1, 100000, NULL, "tokenize", 0,
	  "files that the training set is split into", NULL },
	{ "tokenize/block_tokens", KEY_INTEGER, "tokens", "16384", 64, 16777216, NULL, "tokenize", 0,
	  "about the tokens of a block: the unit of reading, classifying and caching", NULL },
	{ "tokenize/raw", KEY_PATH, "", "", 0, 0, NULL, "tokenize", 0,
	  "convert the reference's raw files instead of text: path without .bin, _lens.bin, _filter.bin, _labels.bin",
	  NULL },

	{ "data/folder", KEY_PATH, "", NULL, 0, 0, NULL, DEVICE, KEY_REQUIRED, "output folder of a tokenize run",
	  NULL },

	{ "model/size", KEY_TEXT, "", "", 0, 0, NULL, LEARN, 0,
	  "13M 28M 61M 113M 224M 521M 1030M 1816M, or a shape such as L2-D128-H4; empty: layers, width and heads are "
	  "given",
	  NULL },
	{ "model/layers", KEY_INTEGER, "", "auto", 1, 1024, NULL, LEARN, KEY_AUTO,
	  "transformer blocks; auto: from size", NULL },
	{ "model/width", KEY_INTEGER, "", "auto", 2, 65536, NULL, LEARN, KEY_AUTO,
	  "width of the residual stream; auto: from size", NULL },
	{ "model/heads", KEY_INTEGER, "", "auto", 1, 1024, NULL, LEARN, KEY_AUTO, "attention heads; auto: from size",
	  NULL },
	{ "model/context", KEY_INTEGER, "tokens", "512", 2, 1048576, NULL, LEARN, 0, "length of a sequence", NULL },
	{ "model/positions", KEY_CHOICE, "", "rotary", 0, 0, "rotary none", LEARN, 0, "how a token knows its position",
	  NULL },
	{ "model/rope_base", KEY_REAL, "", "10000", 1, ANY, NULL, LEARN, 0, "base of the rotary wavelengths", NULL },
	{ "model/base_width", KEY_INTEGER, "", "256", 1, 65536, NULL, LEARN, 0,
	  "width at which learning rate and initialisation hold as given (muP)", NULL },
	{ "model/init_deviation", KEY_REAL, "", "0.02", 0, 10, NULL, LEARN, 0,
	  "standard deviation of the initial weights at base width", NULL },
	{ "model/norm_epsilon", KEY_REAL, "", "1.1920929e-07", 0, 1, NULL, LEARN, 0,
	  "added to the mean square in normalisation", NULL },

	{ "train/tokens", KEY_INTEGER, "tokens", "auto", 1, WHOLE, NULL, LEARN, KEY_AUTO,
	  "length of training; auto: tokens_per_parameter x parameters", NULL },
	{ "train/tokens_per_parameter", KEY_REAL, "tokens", "20", 0, ANY, NULL, LEARN, 0,
	  "length of training when tokens = auto; 20 is compute-optimal", NULL },
	{ "train/budget", KEY_CHOICE, "", "raw", 0, 0, "raw kept", "pretrain", 0,
	  "what the length counts: raw: every token seen; kept: the sum of the loss weights", NULL },
	{ "train/sequences", KEY_INTEGER, "sequences", "64", 1, 16777216, NULL, LEARN, 0,
	  "sequences of one step, over all trainers; a multiple of slots", NULL },
	{ "train/slots", KEY_INTEGER, "", "8", 1, 65536, NULL, LEARN, 0,
	  "parts of a step whose gradients are summed in a fixed order; a power of two that the number of trainers "
	  "divides",
	  NULL },
	{ "train/learning_rate", KEY_REAL, "", "3e-3", 0, ANY, NULL, LEARN, 0, "highest learning rate, at base width",
	  NULL },
	{ "train/weight_decay", KEY_REAL, "", "0.1", 0, ANY, NULL, LEARN, 0,
	  "decoupled decay of matrices, not of gains", NULL },
	{ "train/beta1", KEY_REAL, "", "0.9", 0, 1, NULL, LEARN, 0, "AdamW: memory of the mean gradient", NULL },
	{ "train/beta2", KEY_REAL, "", "0.95", 0, 1, NULL, LEARN, 0, "AdamW: memory of the squared gradient", NULL },
	{ "train/epsilon", KEY_REAL, "", "1e-7", 0, 1, NULL, LEARN, 0,
	  "AdamW: added to the root of the squared gradient", NULL },
	{ "train/clip_norm", KEY_REAL, "", "1.0", 0, ANY, NULL, LEARN, 0, "largest norm of the gradient; 0: no limit",
	  NULL },
	{ "train/schedule", KEY_CHOICE, "", "cosine", 0, 0, "cosine constant linear wsd", LEARN, 0,
	  "course of the learning rate after the warm-up; wsd: constant, then falling at the end", NULL },
	{ "train/warmup_share", KEY_REAL, "", "0.1", 0, 1, NULL, LEARN, 0,
	  "share of the steps in which the learning rate rises", NULL },
	{ "train/final_factor", KEY_REAL, "", "0.1", 0, 1, NULL, LEARN, 0, "last learning rate relative to the highest",
	  NULL },
	{ "train/decay_share", KEY_REAL, "", "0.2", 0, 1, NULL, LEARN, 0,
	  "schedule = wsd: share of the steps in which the learning rate falls", NULL },
	{ "train/document_attention", KEY_BOOLEAN, "", "off", 0, 0, NULL, "pretrain", 0,
	  "attention stays inside a document instead of crossing into the ones packed before it", NULL },

	{ "filter/method", KEY_CHOICE, "", "none", 0, 0, "none document mask remove weight", "pretrain", 0,
	  "document: leave out documents; mask: forget tokens not in the loss; remove: also hidden from the inputs; "
	  "weight: loss weight 1 - p",
	  NULL },
	{ "filter/source", KEY_CHOICE, "", "classifier", 0, 0, "classifier file labels", "pretrain", 0,
	  "where scores come from: a classifier that runs live, a score file of a finished pass, or the gold labels", NULL },
	{ "filter/classifier", KEY_PATH, "", "", 0, 0, NULL, "pretrain", 0,
	  "source = classifier: classifier.h5, or the output folder of a classifier run; source = file: the score file", NULL },
	{ "filter/token_threshold", KEY_REAL, "", "auto", 0, 1, NULL, "pretrain", KEY_AUTO,
	  "a token is forget when its p reaches this; auto: best F1 on the classifier's validation set", NULL },
	{ "filter/document_threshold", KEY_REAL, "", "auto", 0, 1, NULL, "pretrain", KEY_AUTO,
	  "a document is dropped when its p reaches this; auto: best F1 on the classifier's validation set", NULL },
	{ "filter/share", KEY_REAL, "", "auto", 0, 1, NULL, "pretrain", KEY_AUTO,
	  "instead of a threshold: the share of all tokens that document (with their documents), mask and remove filter; ties at "
	  "the threshold are broken at random; auto: by threshold",
	  NULL },
	{ "filter/noise", KEY_REAL, "", "0", 0, 1, NULL, "pretrain", 0,
	  "probability that the decision on a token is flipped", NULL },
	{ "filter/begin_share", KEY_REAL, "", "0", 0, 1, NULL, "pretrain", 0,
	  "share of the steps before filtering begins", NULL },

	{ "roles/mode", KEY_CHOICE, "", "auto", 0, 0, "auto shared split", "pretrain",
	  KEY_CHANGES_ON_RESUME | KEY_SINGLE,
	  "shared: every rank plays all roles; split: separate readers, classifiers and trainers", NULL },
	{ "roles/readers", KEY_INTEGER, "ranks", "auto", 0, 1000000, NULL, "pretrain",
	  KEY_AUTO | KEY_CHANGES_ON_RESUME | KEY_SINGLE,
	  "ranks that read shards; 0: whoever needs text reads it; auto: by the cost model that --plan prints", NULL },
	{ "roles/classifiers", KEY_INTEGER, "ranks", "auto", 0, 1000000, NULL, "pretrain",
	  KEY_AUTO | KEY_CHANGES_ON_RESUME | KEY_SINGLE, "ranks that run the classifier; 0: trainers score their own text; auto: by the cost model",
	  NULL },
	{ "roles/trainers", KEY_INTEGER, "ranks", "auto", 1, 1000000, NULL, "pretrain",
	  KEY_AUTO | KEY_CHANGES_ON_RESUME | KEY_SINGLE,
	  "ranks that train the model, a power of two; auto: by the cost model", NULL },
	{ "roles/depth", KEY_INTEGER, "blocks", "1", 1, 4096, NULL, "pretrain", KEY_CHANGES_ON_RESUME | KEY_SINGLE,
	  "blocks that each sequence of a step requests ahead of need", NULL },

	{ "classifier/layer", KEY_INTEGER, "", "auto", 0, 1024, NULL, "classifier", KEY_AUTO,
	  "blocks after which features are taken; auto: best F1 on the validation set", NULL },
	{ "classifier/probe_tokens", KEY_INTEGER, "tokens", "200k", 2, WHOLE, NULL, "classifier", 0,
	  "training tokens of the token probe, half forget and half not", NULL },
	{ "classifier/probe_documents", KEY_INTEGER, "documents", "20k", 2, WHOLE, NULL, "classifier", 0,
	  "training documents of the document probe, half forget and half not", NULL },
	{ "classifier/evaluation_tokens", KEY_INTEGER, "tokens", "1M", 1, WHOLE, NULL, "classifier", 0,
	  "most tokens of the validation and of the test set", NULL },
	{ "classifier/l2", KEY_REAL, "", "1e-4", 0, ANY, NULL, "classifier", 0,
	  "ridge on standardised features, relative to the mean loss", NULL },
	{ "classifier/forget_share", KEY_REAL, "", "0.5", 0, 1, NULL, "classifier", 0,
	  "a document is labelled forget when at least this share of its tokens is", NULL },
	{ "classifier/smoothing", KEY_INTEGER, "tokens", "auto", 0, 4096, NULL, "classifier", KEY_AUTO,
	  "tokens on each side whose log-odds are averaged into a token's score; 0: none (paper); auto: best on validation",
	  NULL },
	{ "classifier/rows_per_batch", KEY_INTEGER, "rows", "8", 1, 65536, NULL, "classifier", 0,
	  "rows of text that go through the language models at once", NULL },

	{ "evaluate/run", KEY_PATH, "", NULL, 0, 0, NULL, "evaluate", KEY_REQUIRED | KEY_SINGLE,
	  "output folder of the pretrain run whose models are evaluated", NULL },
	{ "evaluate/domains", KEY_LIST, "", "forget retain other unmarked", 0, 0,
	  "unmarked forget retain other hard mixed", MEASURED, 0, "domains of documents, each an evaluation set",
	  NULL },
	{ "evaluate/set", KEY_CHOICE, "", "test", 0, 0, "validation test", MEASURED, 0,
	  "held-out set that is evaluated", NULL },
	{ "evaluate/documents", KEY_INTEGER, "documents", "400", 0, WHOLE, NULL, MEASURED, 0,
	  "documents of each domain; 0: all", NULL },
	{ "evaluate/interval", KEY_REAL, "", "0", 0, 1, NULL, "pretrain", 0,
	  "share of the run between evaluations; 0: only at the end", NULL },
	{ "evaluate/resamples", KEY_INTEGER, "", "1000", 0, 1000000, NULL, MEASURED, KEY_CHANGES_ON_RESUME,
	  "bootstrap resamples of the report's confidence intervals", NULL },

	{ "sweep/zip", KEY_LIST, "", "", 0, 0, NULL, "", KEY_CHANGES_ON_RESUME,
	  "axes (section/key) that move together instead of multiplying; of equal length", NULL },

	{ "compat/input_mask", KEY_BOOLEAN, "", "off", 0, 0, NULL, "pretrain", 0,
	  "the flag of the input token, not of its target, decides the loss: span starts stay trained, the token after "
	  "a span does not",
	  NULL },
	{ "compat/hidden_target", KEY_BOOLEAN, "", "off", 0, 0, NULL, "pretrain", 0,
	  "method = remove: the hidden id stays a trained target at span starts (with input_mask)", NULL },
	{ "compat/no_rotary", KEY_BOOLEAN, "", "off", 0, 0, NULL, LEARN, 0,
	  "rotary positions without effect, as when they are applied along the wrong axis", NULL },
	{ "compat/micro_batch_mean", KEY_BOOLEAN, "", "off", 0, 0, NULL, "pretrain", 0,
	  "the loss is the mean of the means of micro-batches instead of one mean over the step's weights", NULL },
	{ "compat/left_left", KEY_BOOLEAN, "", "off", 0, 0, NULL, "classifier", 0,
	  "the right-to-left model reads left to right too, so the classifier sees no right context", NULL },
};

const struct key *keys_table(size_t *count)
{
	*count = sizeof table / sizeof table[0];
	return table;
}

const struct key_section *keys_sections(size_t *count)
{
	*count = sizeof sections / sizeof sections[0];
	return sections;
}
