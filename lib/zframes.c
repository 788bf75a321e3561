#include "zframes.h"

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
