#include "endpoint.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sysexits.h>
#include <zmq.h>

#include "dmsg.h"
#include "log.h"
#include "rec.h"
#include "stage.h"
#include "zframes.h"

#define NS_PER_MS UINT64_C(1000000)
#define HELLO_NS (DMSG_HELLO_MS * NS_PER_MS)
#define SILENCE_NS (DMSG_SILENCE_MS * NS_PER_MS)
#define STALL_NS SILENCE_NS	       /* at first, doubling up to */
#define STALL_MAX_NS (60000 * NS_PER_MS)

/* A grant is small; ZeroMQ drops a peer that sends more. */
#define GRANT_BYTES_MAX (64 * 1024)
#define GRANTS_A_RUN 64 /* then it is the next endpoint's turn */

static int
endpoint_set(void *socket, int option, int value)
{
	return zmq_setsockopt(socket, option, &value, sizeof(value));
}

/* 0, or -1 with errno. */
static int
endpoint_options(void *socket)
{
	int64_t max = GRANT_BYTES_MAX;

	/*
	 * IMMEDIATE: nothing is given to a connection that is not there, and
	 * what one did not send goes with it; so being writable says whether
	 * there is one. No high-water mark of ZeroMQ's must blur that: credit
	 * bounds packets, and heartbeats end a connection to a sink that
	 * stands still before many hellos are waiting in it.
	 */
	if (endpoint_set(socket, ZMQ_LINGER, 0) == -1 ||
	    endpoint_set(socket, ZMQ_IMMEDIATE, 1) == -1 ||
	    endpoint_set(socket, ZMQ_SNDHWM, 0) == -1 ||
	    endpoint_set(socket, ZMQ_RCVHWM, 1000) == -1 ||
	    endpoint_set(socket, ZMQ_RECONNECT_IVL, 100) == -1 ||
	    endpoint_set(socket, ZMQ_RECONNECT_IVL_MAX, 1000) == -1 ||
	    endpoint_set(socket, ZMQ_CONNECT_TIMEOUT, 5000) == -1 ||
	    endpoint_set(socket, ZMQ_HEARTBEAT_IVL, 1000) == -1 ||
	    endpoint_set(socket, ZMQ_HEARTBEAT_TIMEOUT, 10000) == -1 ||
	    endpoint_set(socket, ZMQ_IPV6, 1) == -1)
		return -1;
	return zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &max, sizeof(max));
}

/* The hello is the same for the whole run. */
static void
endpoint_make_hello(struct endpoint *ep)
{
	struct dmsg_hello h = { .version = DMSG_VERSION,
		.nheaders = ep->service->nheaders };

	strcpy(h.route, ep->route);
	strcpy(h.service, ep->service->name);
	memcpy(h.headers, ep->service->headers, sizeof(h.headers));
	dmsg_put_hello(&ep->hello, &h);
}

int
endpoint_open(struct endpoint *ep, void *zmq, uint32_t index,
    const struct config_service *service, const char *name, uint64_t now)
{
	size_t len = sizeof(ep->fd);

	memset(ep, 0, sizeof(*ep));
	ep->service = service;
	ep->name = name;
	ep->index = index;
	ep->hello_at = now;
	ep->heard = now;
	ep->stall_ns = STALL_NS;
	queue_init(&ep->queue, (uint64_t)service->queue.packets,
	    (uint64_t)service->queue.bytes);
	stage_instance(ep->route, sizeof(ep->route));
	endpoint_make_hello(ep);
	ep->socket = zmq_socket(zmq, ZMQ_DEALER);
	if (ep->socket == NULL || endpoint_options(ep->socket) == -1 ||
	    zmq_connect(ep->socket, name) == -1 ||
	    zmq_getsockopt(ep->socket, ZMQ_FD, &ep->fd, &len) == -1) {
		log_warnx("service %s: %s: %s", service->name, name,
		    zmq_strerror(errno));
		endpoint_close(ep);
		return -1;
	}
	return 0;
}

void
endpoint_close(struct endpoint *ep)
{
	if (ep->socket != NULL)
		zmq_close(ep->socket);
	ep->socket = NULL;
	queue_free(&ep->queue);
	buf_free(&ep->hello);
	buf_free(&ep->map);
}

static void
endpoint_stall_reset(struct endpoint *ep)
{
	ep->stall_ns = STALL_NS;
	ep->stall_at = ep->now + STALL_NS;
}

static void
endpoint_down(struct endpoint *ep, const char *why)
{
	/* No credit: what is sent now would only pile up somewhere. */
	ep->suspect = 1;
	ep->queue.credit_packets = ep->queue.credit_bytes = 0;
	if (ep->up && log_limit(&ep->limit, ep->now))
		log_warnx("service %s: %s: %s, %" PRIu64 " not acknowledged",
		    ep->service->name, ep->name, why,
		    queue_unacked(&ep->queue));
	ep->up = 0;
}

static void
endpoint_malformed(struct endpoint *ep, const char *why)
{
	if (ep->stats.malformed++ == 0)
		log_warnx("service %s: %s: malformed message dropped: %s "
		    "(more are only counted)", ep->service->name, ep->name,
		    why);
}

/* Another sink, or one that did not answer for a while, gets everything
 * again that is not acknowledged. */
static void
endpoint_grant(struct endpoint *ep, const struct dmsg_grant *g)
{
	int other = strcmp(g->sink, ep->sink) != 0;
	int64_t n;

	if (strcmp(g->route, ep->route) != 0) {
		endpoint_malformed(ep, "a grant for another route");
		return;
	}
	n = queue_ack(&ep->queue, g->acked);
	if (n == -1) {
		endpoint_malformed(ep, "a grant acknowledges what was not sent");
		return;
	}
	ep->heard = ep->now;
	ep->stats.packets_acked += (uint64_t)n;
	if (n > 0 || other)
		endpoint_stall_reset(ep);
	if (other || ep->suspect) {
		if (queue_unacked(&ep->queue) > 0 && ep->sink[0] != '\0' &&
		    log_limit(&ep->limit, ep->now))
			log_info("service %s: %s: %s, sending %" PRIu64
			    " again", ep->service->name, ep->name,
			    other ? "another sink" : "back",
			    queue_unacked(&ep->queue));
		queue_rewind(&ep->queue);
	}
	if (other)
		ep->stats.sinks++;
	if (!ep->up)
		log_debug("service %s: %s: sink %s answers",
		    ep->service->name, ep->name, g->sink);
	strcpy(ep->sink, g->sink);
	ep->up = 1;
	ep->suspect = 0;
	ep->queue.credit_packets = g->packets;
	ep->queue.credit_bytes = g->bytes;
}

/* One message from the sink; -1 when there is none. */
static int
endpoint_recv(struct endpoint *ep)
{
	const char *why;
	zmq_msg_t part;
	struct dmsg m;
	int n;

	n = zframes_recv(ep->socket, &part, 1);
	if (n == -1)
		return -1;
	if (n != 1)
		endpoint_malformed(ep, "number of frames");
	else if (dmsg_get(zmq_msg_data(&part), zmq_msg_size(&part), &m,
	    &why) == -1)
		endpoint_malformed(ep, why);
	else if (m.cmd == DMSG_GRANT)
		endpoint_grant(ep, &m.grant);
	else
		ep->stats.unknown_commands++;
	zframes_close(&part, 1);
	return 0;
}

static void
endpoint_send_hello(struct endpoint *ep)
{
	ep->hello_at = ep->now + HELLO_NS;
	/* One that cannot be sent is followed by others. */
	zframes_send(ep->socket, buf_data(&ep->hello), buf_len(&ep->hello),
	    0);
}

/* The frame of the records is their memory itself. */
static int
endpoint_send_records(struct endpoint *ep, const struct batch *b)
{
	/* zmq_msg_init_data's data is not const, but only read. */
	uint8_t *data = b->records->data + b->off;
	zmq_msg_t m;

	if (zmq_msg_init_data(&m, data, b->len, chunk_unref,
	    chunk_ref(b->records)) == -1) {
		chunk_unref(NULL, b->records);
		return -1;
	}
	if (zmq_msg_send(&m, ep->socket, ZMQ_DONTWAIT) == -1) {
		zmq_msg_close(&m);
		return -1;
	}
	return 0;
}

static int
endpoint_send_batch(struct endpoint *ep, const struct batch *b)
{
	struct dmsg_packets p = { .first = b->first, .count = b->count };

	strcpy(p.route, ep->route);
	strcpy(p.sink, ep->sink);
	buf_consume(&ep->map, buf_len(&ep->map));
	dmsg_put_packets(&ep->map, &p);
	if (zframes_send(ep->socket, buf_data(&ep->map), buf_len(&ep->map),
	    ZMQ_SNDMORE) == -1)
		return -1;
	if (zframes_send(ep->socket, batch_numbers(b), 8 * (size_t)b->count,
	    ZMQ_SNDMORE) == -1 || endpoint_send_records(ep, b) == -1)
		/* Only a message's first frame is ever refused. */
		fatalx(EX_SOFTWARE, "service %s: %s: %s", ep->service->name,
		    ep->name, zmq_strerror(errno));
	ep->stats.batches++;
	return 0;
}

/* Is there a connection? A new one is greeted. 1 if there is something to
 * receive now, or there may be. */
static int
endpoint_look(struct endpoint *ep)
{
	int events = 0, was = ep->connected;
	size_t len = sizeof(events);

	if (zmq_getsockopt(ep->socket, ZMQ_EVENTS, &events, &len) == -1)
		events = 0;
	ep->connected = (events & ZMQ_POLLOUT) != 0;
	if (was && !ep->connected)
		endpoint_down(ep, "connection lost");
	if (!was && ep->connected) {
		endpoint_send_hello(ep);
		return 1;
	}
	return (events & ZMQ_POLLIN) != 0;
}

/* Sends what credit allows. 1 if anything was sent. */
static int
endpoint_send(struct endpoint *ep)
{
	struct batch *b;
	int sent = 0;

	while (ep->connected && (b = queue_take(&ep->queue)) != NULL) {
		if (b->first == ep->queue.acked)
			endpoint_stall_reset(ep);
		if (endpoint_send_batch(ep, b) == -1) {
			queue_untake(&ep->queue, b);
			break;
		}
		sent = 1;
	}
	return sent;
}

int
endpoint_run(struct endpoint *ep, uint64_t now)
{
	int grants = 0, more;

	ep->now = now;
	/* ZMQ_FD tells of a change once, and any call on the socket may take
	 * the news: nothing is over before there is nothing to receive. */
	do {
		while (endpoint_recv(ep) == 0)
			if (++grants == GRANTS_A_RUN)
				return 1;
		more = endpoint_look(ep);
		more |= endpoint_send(ep);
	} while (more);
	return 0;
}

/*
 * A connection can be lost and made again between two looks. The sink sees
 * the gap when more comes; when nothing more comes, or the window is full,
 * what it did not acknowledge is sent again from here.
 */
static int
endpoint_stalled(struct endpoint *ep)
{
	if (!ep->up || ep->queue.sent == ep->queue.acked ||
	    ep->queue.credit_packets == 0 || ep->now < ep->stall_at)
		return 0;
	if (ep->stall_ns < STALL_MAX_NS)
		ep->stall_ns *= 2;
	ep->stall_at = ep->now + ep->stall_ns;
	log_debug("service %s: %s: nothing acknowledged for a while, sending "
	    "again", ep->service->name, ep->name);
	queue_rewind(&ep->queue);
	return 1;
}

int
endpoint_tick(struct endpoint *ep, uint64_t now)
{
	int rc;

	ep->now = now;
	if (ep->up && now - ep->heard >= SILENCE_NS)
		endpoint_down(ep, "silent");
	rc = endpoint_stalled(ep);
	if (now < ep->hello_at)
		return rc;
	ep->hello_at = now + HELLO_NS;
	if (ep->connected)
		endpoint_send_hello(ep);
	return 1;
}

int
endpoint_admit(struct endpoint *ep, size_t len)
{
	if (queue_room(&ep->queue, len))
		return 1;
	/* One turn may bring more than the queue holds: what may go, goes. */
	if (endpoint_send(ep) && queue_room(&ep->queue, len))
		return 1;
	switch (ep->service->policy) {
	case POLICY_BLOCK:
		return -1;
	case POLICY_DROP_NEWEST:
		ep->stats.dropped[DROP_NEWEST]++;
		return 0;
	case POLICY_DROP_OLDEST:
		break;
	}
	while (!queue_room(&ep->queue, len) &&
	    queue_drop_oldest(&ep->queue) > 0)
		ep->stats.dropped[DROP_OLDEST]++;
	return 1;
}

void
endpoint_abandon(struct endpoint *ep)
{
	uint64_t left = ep->queue.queued_packets + queue_unacked(&ep->queue);

	if (left == 0)
		return;
	ep->stats.dropped[DROP_DRAIN] += left;
	log_warnx("service %s: %s: %" PRIu64 " records not delivered",
	    ep->service->name, ep->name, left);
}
