#include "zbind.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <zmq.h>

#define IPC "ipc://"

/* 1 if a connection to the socket file succeeds, or waits to. */
static int
ipc_served(const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd, served;

	/* An abstract name is bound by one process only anyway. */
	if (path[0] == '@' || strlen(path) >= sizeof(sun.sun_path))
		return 0;
	strcpy(sun.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return 0;
	served = connect(fd, (const struct sockaddr *)&sun, sizeof(sun)) ==
	    0 || errno == EAGAIN;
	close(fd);
	return served;
}

int
zbind(void *socket, const char *endpoint)
{
	if (strncmp(endpoint, IPC, strlen(IPC)) == 0 &&
	    ipc_served(endpoint + strlen(IPC))) {
		errno = EADDRINUSE;
		return -1;
	}
	return zmq_bind(socket, endpoint);
}
