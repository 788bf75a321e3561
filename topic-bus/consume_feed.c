#include "consume.h"

#include <errno.h>
#include <string.h>
#include <sysexits.h>

#include "bmsg.h"
#include "log.h"
#include "zframes.h"

void
consume_feed_open(struct consume_feed *f, void *zmq, const char *endpoint)
{
	int none = 0;

	f->socket = zmq_socket(zmq, ZMQ_SUB);
	if (f->socket == NULL ||
	    zmq_setsockopt(f->socket, ZMQ_LINGER, &none, sizeof(none)) == -1 ||
	    zmq_connect(f->socket, endpoint) == -1)
		fatalx(EX_USAGE, "--feed %s: %s", endpoint,
		    zmq_strerror(errno));
}

void
consume_feed_subscribe(struct consume_feed *f, const char *topic)
{
	/* With the NUL: this topic, none that only begins like it. */
	if (zmq_setsockopt(f->socket, ZMQ_SUBSCRIBE, topic,
		strlen(topic) + 1) == -1)
		fatalx(EX_OSERR, "subscribe: %s", zmq_strerror(errno));
}

int
consume_feed_next(struct consume_feed *f)
{
	struct bmsg_feed head;
	const char *topic;
	zmq_msg_t m[3];
	int n = zframes_recv(f->socket, m, 3);

	if (n == -1)
		return -1;
	topic = zmq_msg_data(&m[0]);
	if (n != 3 || zmq_msg_size(&m[0]) == 0 ||
	    topic[zmq_msg_size(&m[0]) - 1] != '\0' ||
	    bmsg_get_feed(zmq_msg_data(&m[1]), zmq_msg_size(&m[1]), &head,
		NULL) == -1) {
		if (f->malformed++ == 0)
			log_warnx("malformed message on the feed");
	} else {
		head.e.payload = zmq_msg_data(&m[2]);
		head.e.payload_len = (uint32_t)zmq_msg_size(&m[2]);
		f->message(f->ctx, topic, head.ledger, &head.e);
	}
	zframes_close(m, n < 3 ? n : 3);
	return 0;
}
