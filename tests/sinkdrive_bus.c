#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "bmsg.h"
#include "entry.h"
#include "log.h"
#include "sinkdrive.h"
#include "zframes.h"

#define STREAMS_MAX 64

void
fakebus_open(struct fakebus *b, void *zmq, const char *endpoint)
{
	int none = 0;

	b->socket = zmq_socket(zmq, ZMQ_ROUTER);
	if (b->socket == NULL || zmq_bind(b->socket, endpoint) == -1)
		fatalx(EX_UNAVAILABLE, "--bus %s: %s", endpoint,
		    zmq_strerror(zmq_errno()));
	zmq_setsockopt(b->socket, ZMQ_LINGER, &none, sizeof(none));
}

static void
fakebus_entry(struct fakebus *b, const struct entry *e, int rejected)
{
	char producer[64];
	unsigned stream;

	if (rejected)
		b->rejected++;
	else
		b->good++;
	snprintf(producer, sizeof(producer), "%.*s", (int)e->producer_len,
	    e->producer);
	if (sscanf(producer, "%*16x-%u", &stream) != 1 ||
	    stream / 4 >= STREAMS_MAX || entry_check(e, NULL) == -1) {
		b->malformed++;
		return;
	}
	/* Good and rejected ones of a stream share its numbers, so only what
	 * was here before can be told for sure. */
	if (e->seq < b->next[stream / 4])
		b->duplicates++;
	else if (e->seq > b->next[stream / 4])
		b->disorder++;
	if (e->seq >= b->next[stream / 4])
		b->next[stream / 4] = e->seq + 1;
}

static void
fakebus_send(struct fakebus *b, const struct bmsg *m, const uint8_t *p,
    size_t n)
{
	int rejected = memmem(m->topic.p, m->topic.n, "rejected", 8) != NULL;
	struct entry e;
	int64_t size;

	for (; n > 0; p += size, n -= (size_t)size) {
		size = entry_get(p, n, &e, NULL);
		if (size <= 0) {
			b->malformed++;
			return;
		}
		fakebus_entry(b, &e, rejected);
	}
}

static void
fakebus_message(struct fakebus *b, zmq_msg_t *f, int n)
{
	struct bmsg m, answer = { .cmd = BMSG_UNKNOWN };
	struct buf out = { 0 };

	if (n < 2 || bmsg_get(zmq_msg_data(&f[1]), zmq_msg_size(&f[1]), &m,
	    NULL) == -1) {
		b->malformed++;
		return;
	}
	if (m.cmd == BMSG_PING) {
		answer = (struct bmsg){ .cmd = BMSG_PONG,
			.bus = bmsg_str("fake"), .conn = bmsg_str("fake") };
	} else if (m.cmd == BMSG_SEND && n == 3) {
		fakebus_send(b, &m, zmq_msg_data(&f[2]), zmq_msg_size(&f[2]));
		answer = (struct bmsg){ .cmd = BMSG_RECEIPT,
			.batch = m.batch, .ledger = 1, .count = m.count };
	}
	if (answer.cmd == BMSG_UNKNOWN)
		return;
	bmsg_put(&out, &answer);
	zmq_send(b->socket, zmq_msg_data(&f[0]), zmq_msg_size(&f[0]),
	    ZMQ_SNDMORE);
	zmq_send(b->socket, buf_data(&out), buf_len(&out), 0);
	buf_free(&out);
}

void
fakebus_receive(struct fakebus *b)
{
	zmq_msg_t f[3];
	int n;

	while ((n = zframes_recv(b->socket, f, 3)) != -1) {
		fakebus_message(b, f, n);
		zframes_close(f, n < 3 ? n : 3);
	}
}
