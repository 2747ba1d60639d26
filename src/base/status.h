/* Error handling of the whole program.
 *
 * A function that can fail returns an `enum status`. The function that first decides that something is wrong calls
 * error_raise() with one complete sentence (what, where: file, line, key or rank; what to do) and returns its value;
 * every caller just passes the status on. Outputs are set only on success. main() prints the message once and ends the
 * process with status_exit_code().
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_BASE_STATUS_H
#define CAPSHAPE_BASE_STATUS_H

enum status {
	STATUS_OK = 0,
	STATUS_INTERNAL, /* a bug of ours: exit 1 */
	STATUS_USAGE,    /* command line or input file: exit 2 */
	STATUS_DATA, /* corpus, shard, tokenizer, classifier, checkpoint: missing, damaged, or not matching: exit 3 */
	STATUS_IO,   /* cannot write, disk full, cannot read an open file: exit 4 */
	STATUS_ENVIRONMENT, /* rank count, launcher, memory, device: exit 5 */
	STATUS_PEER,        /* another rank was lost or did not answer in time: exit 6 */
	STATUS_NUMERIC,     /* NaN or infinity in training: exit 7 */
	STATUS_STOPPED      /* stopped on request; the same line continues: exit 75 */
};

/* Process exit code of a status, as documented in docs/exit-codes.md. */
int status_exit_code(enum status status);

/* A short name such as "bad data", for messages and logs. Static storage. */
const char *status_name(enum status status);

/* Records the message of a failure (replacing an earlier one) and returns `status`. */
enum status error_raise(enum status status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Puts "context: " before the recorded message; returns `status` unchanged, so it can be used in a return. */
enum status error_context(enum status status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The recorded message, "" when there is none. Valid until the next error_raise() of this thread. */
const char *error_message(void);

void error_clear(void);

/* Returns from the calling function when the expression is not STATUS_OK. */
#define STATUS_TRY(expression)                                                                                         \
	do {                                                                                                           \
		enum status status_try_ = (expression);                                                                \
		if (status_try_ != STATUS_OK)                                                                          \
			return status_try_;                                                                            \
	} while (0)

#endif
