/* Preloaded by validation/limits.test.sh (LD_PRELOAD): a system that keeps one connection, or two, that nobody has taken yet, as it
 * keeps 128 or 4,096 where thousands of ranks come at once. Notes in the file $SHORT_QUEUE_LOG that it did.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1 /* syscall */
#endif
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

int listen(int socket, int backlog)
{
	struct sockaddr_storage address;
	socklen_t size = sizeof address;
	const char *path = getenv("SHORT_QUEUE_LOG");
	if (path != NULL && getsockname(socket, (struct sockaddr *)&address, &size) == 0 &&
	    address.ss_family == AF_INET) {
		int file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
		if (file >= 0 && write(file, "short\n", 6) == 6)
			backlog = 1;
		if (file >= 0)
			close(file);
	}
	return (int)syscall(SYS_listen, socket, backlog);
}
