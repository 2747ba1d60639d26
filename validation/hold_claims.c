/* Holds every record of a claims file for some seconds, as a job does that scores all blocks and takes its time:
 *
 *     hold_claims FILE SECONDS
 *
 * Says "held" when it has them, and lets go without a word. With SECONDS < 0 it holds them until it is killed.
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
	struct flock all = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int file = argc == 3 ? open(argv[1], O_RDWR | O_CREAT | O_CLOEXEC, 0666) : -1;
	if (file < 0 || fcntl(file, F_OFD_SETLKW, &all) != 0) {
		perror(argc == 3 ? argv[1] : "usage: hold_claims FILE SECONDS");
		return 1;
	}
	puts("held");
	fflush(stdout);
	int seconds = atoi(argv[2]);
	if (seconds < 0)
		pause();
	else
		sleep((unsigned)seconds);
	return 0;
}
