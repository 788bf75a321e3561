#include "zframes.h"

#include <errno.h>
#include <string.h>

#include "sock.h"

#define HEARTBEAT_MS 5000
#define HEARTBEAT_TIMEOUT_MS 30000

int
zframes_bind(void *socket, const char *endpoint)
{
	int every = HEARTBEAT_MS, timeout = HEARTBEAT_TIMEOUT_MS;

	if (strncmp(endpoint, "ipc://", 6) == 0 && sock_alive(endpoint + 6)) {
		errno = EADDRINUSE;
		return -1;
	}
	/* A local peer that is stopped is no dead one. */
	if (strncmp(endpoint, "tcp://", 6) == 0 &&
	    (zmq_setsockopt(socket, ZMQ_HEARTBEAT_IVL, &every,
		 sizeof(every)) == -1 ||
		zmq_setsockopt(socket, ZMQ_HEARTBEAT_TIMEOUT, &timeout,
		    sizeof(timeout)) == -1))
		return -1;
	return zmq_bind(socket, endpoint);
}

static int
zframes_next(void *socket, zmq_msg_t *m)
{
	zmq_msg_init(m);
	if (zmq_msg_recv(m, socket, ZMQ_DONTWAIT) == -1) {
		zmq_msg_close(m);
		return -1;
	}
	return 0;
}

int
zframes_recv(void *socket, zmq_msg_t *f, int max)
{
	zmq_msg_t extra, *m;
	int n = 0, more;

	/* All parts of a message are there once its first one is. */
	do {
		/* cppcheck-suppress uninitvar ; zframes_next sets it up */
		m = n < max ? &f[n] : &extra;
		if (zframes_next(socket, m) == -1) {
			zframes_close(f, n < max ? n : max);
			return -1;
		}
		more = zmq_msg_more(m);
		if (m == &extra)
			zmq_msg_close(m);
		n++;
	} while (more);
	return n;
}

void
zframes_close(zmq_msg_t *f, int n)
{
	for (int i = 0; i < n; i++)
		zmq_msg_close(&f[i]);
}

int
zframes_send(void *socket, const void *p, size_t n, int flags)
{
	return zmq_send(socket, p, n, ZMQ_DONTWAIT | flags) == -1 ? -1 : 0;
}
