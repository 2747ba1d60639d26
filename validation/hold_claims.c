/* Holds the record of a block in a claims file for some seconds, or of all blocks, as a job does that scores and takes its
 * time:
 *
 *     hold_claims FILE SECONDS [BLOCK]
 *
 * Says "held" when it has them, and lets go without a word.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1 /* F_OFD_SETLKW */
#endif
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct flock range = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	if (argc == 4) {
		range.l_len = 16; /* bytes of a record: src/results/score_claims.c */
		range.l_start = (off_t)(range.l_len * atoll(argv[3]));
	}
	int file = argc >= 3 ? open(argv[1], O_RDWR | O_CREAT | O_CLOEXEC, 0666) : -1;
	if (file < 0 || fcntl(file, F_OFD_SETLKW, &range) != 0) {
		perror(argc >= 3 ? argv[1] : "usage: hold_claims FILE SECONDS [BLOCK]");
		return 1;
	}
	puts("held");
	fflush(stdout);
	sleep((unsigned)atoi(argv[2]));
	return 0;
}
