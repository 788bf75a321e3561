#include "bus_int.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "log.h"
#include "zframes.h"

#define NS_PER_MS UINT64_C(1000000)
#define PING_NS (500 * NS_PER_MS)	/* while topic-bus answers */
#define PING_SOON_NS (100 * NS_PER_MS)	/* while it does not */
#define SILENCE_NS (3000 * NS_PER_MS)
#define TURN_BYTES (1024 * 1024)	/* received per bus_process */
#define TURN_MESSAGES 256
#define SOCKET_MESSAGES 64		/* in ZeroMQ's own queues */
#define RECONNECT_MS 50

static const char *
bus_run_path(char *buf, size_t n, const char *scheme, const char *name)
{
	const char *run = getenv("SLUICE_RUN");

	snprintf(buf, n, "%s%s/%s", scheme,
	    run != NULL && run[0] != '\0' ? run : "run", name);
	return buf;
}

const char *
bus_default_endpoint(void)
{
	static char buf[512];

	return bus_run_path(buf, sizeof(buf), "ipc://", "bus.sock");
}

const char *
bus_default_feed(void)
{
	static char buf[512];

	return bus_run_path(buf, sizeof(buf), "ipc://", "feed.sock");
}

const char *
bus_default_dir(void)
{
	static char buf[512];

	return bus_run_path(buf, sizeof(buf), "", "bus");
}

static int
bus_setopt(void *socket, int option, int value)
{
	return zmq_setsockopt(socket, option, &value, sizeof(value));
}

static int
bus_connect(struct bus *b, void *zmq)
{
	b->socket = zmq_socket(zmq, ZMQ_DEALER);
	if (b->socket == NULL)
		return -1;
	/* IMMEDIATE: what is queued when the connection breaks is dropped, not
	 * delivered before what was lost on the way. */
	if (bus_setopt(b->socket, ZMQ_IMMEDIATE, 1) == -1 ||
	    bus_setopt(b->socket, ZMQ_LINGER, 0) == -1 ||
	    bus_setopt(b->socket, ZMQ_SNDHWM, SOCKET_MESSAGES) == -1 ||
	    bus_setopt(b->socket, ZMQ_RCVHWM, SOCKET_MESSAGES) == -1 ||
	    bus_setopt(b->socket, ZMQ_RECONNECT_IVL, RECONNECT_MS) == -1)
		return -1;
	return zmq_connect(b->socket, b->config.endpoint);
}

struct bus *
bus_open(void *zmq, const struct bus_config *config)
{
	struct bus *b = calloc(1, sizeof(*b));

	if (b == NULL)
		fatal(EX_OSERR, "calloc");
	b->config = *config;
	b->config.endpoint = strdup(config->endpoint);
	if (b->config.endpoint == NULL)
		fatal(EX_OSERR, "strdup");
	if (b->config.pending_messages == 0)
		b->config.pending_messages = BUS_PENDING_MESSAGES;
	if (b->config.pending_bytes == 0)
		b->config.pending_bytes = BUS_PENDING_BYTES;
	b->next_number = 1;
	if (bus_connect(b, zmq) == -1) {
		log_warnx("%s: %s", config->endpoint, zmq_strerror(errno));
		bus_close(b);
		return NULL;
	}
	return b;
}

void
bus_close(struct bus *b)
{
	if (b == NULL)
		return;
	if (b->socket != NULL)
		zmq_close(b->socket);
	bus_out_free(b);
	bus_in_free(b);
	buf_free(&b->scratch);
	free((char *)(uintptr_t)b->config.endpoint);
	free(b);
}

int
bus_emit(struct bus *b, const struct bmsg *m, zmq_msg_t *body)
{
	buf_consume(&b->scratch, buf_len(&b->scratch));
	bmsg_put(&b->scratch, m);
	if (zframes_send(b->socket, buf_data(&b->scratch),
		buf_len(&b->scratch), body != NULL ? ZMQ_SNDMORE : 0) == -1) {
		b->blocked = 1;
		return -1;
	}
	/* Once the first frame is taken, the rest of the message is. */
	if (body != NULL && zmq_msg_send(body, b->socket, ZMQ_DONTWAIT) == -1)
		fatalx(EX_SOFTWARE, "%s: %s", b->config.endpoint,
		    zmq_strerror(errno));
	return 0;
}

static void
bus_pong(struct bus *b, const struct bmsg *m, uint64_t now)
{
	b->last_pong = now;
	b->stats.connected = 1;
	if (mp_str_is(m->conn, b->conn))
		return;
	if (b->conn[0] != '\0')
		log_info("%s: connected again", b->config.endpoint);
	mp_str_copy(m->conn, b->conn, sizeof(b->conn));
	mp_str_copy(m->bus, b->instance, sizeof(b->instance));
	b->stats.connections++;
	b->next_ping = now + PING_NS;
	bus_out_restart(b);
	bus_in_restart(b);
}

static void
bus_dispatch(struct bus *b, zmq_msg_t *f, int nframes, uint64_t now)
{
	const char *why = "unexpected frames";
	struct bmsg m;

	if (bmsg_get(zmq_msg_data(&f[0]), zmq_msg_size(&f[0]), &m, &why) ==
		-1 ||
	    nframes != (m.cmd == BMSG_MESSAGES ? 2 : 1)) {
		if (b->stats.malformed++ == 0)
			log_warnx("%s: malformed message: %s",
			    b->config.endpoint, why);
		return;
	}
	switch (m.cmd) {
	case BMSG_PONG:
		bus_pong(b, &m, now);
		break;
	case BMSG_RECEIPT:
		bus_out_answer(b, &m, now);
		break;
	case BMSG_READING:
		bus_in_reading(b, &m);
		break;
	case BMSG_MESSAGES:
		bus_in_messages(b, &m, zmq_msg_data(&f[1]),
		    zmq_msg_size(&f[1]));
		break;
	case BMSG_ERROR:
		if (m.has_batch)
			bus_out_answer(b, &m, now);
		else if (m.has_reader)
			bus_in_error(b, &m);
		break;
	default:
		break; /* from a newer topic-bus */
	}
}

static void
bus_ping(struct bus *b, uint64_t now)
{
	struct bmsg m = { .cmd = BMSG_PING };
	int blocked = b->blocked;

	if (b->last_pong + SILENCE_NS < now)
		b->stats.connected = 0;
	if (now < b->next_ping && !b->ping_blocked)
		return;
	/* Without a connection the socket tells when there is one. A ping that
	 * finds no room says nothing about data. */
	b->ping_blocked = bus_emit(b, &m, NULL) == -1;
	b->blocked = blocked;
	/* Receipts that do not come may have been lost with a connection. */
	b->next_ping = now + (b->stats.connected && bus_idle(b) ?
		PING_NS : PING_SOON_NS);
}

void
bus_process(struct bus *b, uint64_t now)
{
	size_t bytes = 0;
	zmq_msg_t f[2];
	int n;

	for (int i = 0; i < TURN_MESSAGES && bytes < TURN_BYTES; i++) {
		if (b->paused || (n = zframes_recv(b->socket, f, 2)) == -1)
			break;
		bytes += zmq_msg_size(&f[n > 1]);
		bus_dispatch(b, f, n, now);
		zframes_close(f, n > 2 ? 2 : n);
	}
	bus_ping(b, now);
}

void
bus_flush(struct bus *b, uint64_t now)
{
	if (b->conn[0] == '\0')
		return;
	b->blocked = 0;
	bus_in_flush(b);
	bus_out_flush(b, now);
}

void
bus_pause(struct bus *b, int on)
{
	b->paused = on;
}

zmq_pollitem_t
bus_pollitem(const struct bus *b)
{
	short events = (short)((b->paused ? 0 : ZMQ_POLLIN) |
	    (b->blocked || b->ping_blocked ? ZMQ_POLLOUT : 0));

	return (zmq_pollitem_t){ .socket = b->socket, .events = events };
}

uint64_t
bus_timeout(const struct bus *b, uint64_t now)
{
	uint64_t out = bus_out_timeout(b, now);
	uint64_t ping = b->next_ping > now ? b->next_ping - now : 0;

	return out < ping ? out : ping;
}

const char *
bus_instance(const struct bus *b)
{
	return b->instance;
}

const struct bus_stats *
bus_stats(const struct bus *b)
{
	return &b->stats;
}
