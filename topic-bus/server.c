#include "server.h"

#include <errno.h>
#include <unistd.h>

#include "log.h"
#include "zbind.h"
#include "zframes.h"

#define NS_PER_S UINT64_C(1000000000)
#define TURN_MESSAGES 1024	       /* received in one turn */
#define TURN_BYTES (4 * 1024 * 1024)   /* the same, and sent to readers */
#define HELD_MAX (64 * 1024 * 1024)    /* bytes waiting to be stored */
#define SEND_HWM 4096 /* messages for one client; slices have windows */
#define RECEIVE_HWM 32 /* messages of one client, 12 MiB each at most */
#define PROBE_NS (5 * NS_PER_S)	       /* silent so long: still there? */
#define PROBE_EVERY_NS NS_PER_S
#define PROBES 256		       /* at once */

static int
server_setopt(struct server *s, int option, int value)
{
	return zmq_setsockopt(s->socket, option, &value, sizeof(value));
}

int
server_open(struct server *s, void *zmq, const char *endpoint)
{
	int64_t max = BMSG_BATCH_MAX;

	s->socket = zmq_socket(zmq, ZMQ_ROUTER);
	if (s->socket == NULL ||
	    server_setopt(s, ZMQ_ROUTER_MANDATORY, 1) == -1 ||
	    server_setopt(s, ZMQ_SNDHWM, SEND_HWM) == -1 ||
	    server_setopt(s, ZMQ_RCVHWM, RECEIVE_HWM) == -1 ||
	    zmq_setsockopt(s->socket, ZMQ_MAXMSGSIZE, &max, sizeof(max)) ==
		-1)
		return -1;
	return zbind(s->socket, endpoint);
}

int
server_full(const struct server *s)
{
	return s->topics.held >= HELD_MAX;
}

static void
server_gone(struct server *s, struct client *c)
{
	if (c->gone)
		return;
	c->gone = 1;
	readers_forget(&s->readers, c);
	c->gone_next = s->gone;
	s->gone = c;
}

/* Sends s->head, and body if given, which is taken over. -1: it did not
 * leave; EAGAIN: the client takes nothing just now, else it is gone. */
int
server_emit(struct server *s, struct client *c, zmq_msg_t *body)
{
	int more = body != NULL ? ZMQ_SNDMORE : 0;

	if (c->gone || zframes_send(s->socket, c->id, c->id_len,
			   ZMQ_SNDMORE) == -1) {
		if (body != NULL)
			zmq_msg_close(body);
		if (c->gone || errno == EAGAIN)
			return -1;
		server_gone(s, c);
		return -1;
	}
	/* After the address, everything is taken. */
	zframes_send(s->socket, buf_data(&s->head), buf_len(&s->head), more);
	if (body != NULL && zmq_msg_send(body, s->socket, ZMQ_DONTWAIT) == -1)
		zmq_msg_close(body);
	return 0;
}

/* An answer that must not be lost: who does not take it has to begin anew,
 * and learns it from the next pong. */
void
server_send(struct server *s, struct client *c, const struct bmsg *m)
{
	buf_consume(&s->head, buf_len(&s->head));
	bmsg_put(&s->head, m);
	if (server_emit(s, c, NULL) == 0 || c->gone || m->cmd == BMSG_PONG)
		return;
	s->stats.resets++;
	readers_forget(&s->readers, c);
	clients_reset(&s->clients, c);
}

void
server_error(struct server *s, struct client *c, const struct bmsg *m,
    enum bmsg_code code, const char *text)
{
	struct bmsg e = { .cmd = BMSG_ERROR, .has_batch = m->has_batch,
		.has_reader = m->has_reader, .batch = m->batch,
		.reader = m->reader, .code = code, .text = bmsg_str(text) };

	s->stats.errors[code]++;
	if (m->has_batch || m->has_reader)
		server_send(s, c, &e);
}

void
server_answer(void *ctx, struct topic *t, struct batch *b,
    enum bmsg_code code, const char *text)
{
	struct bmsg m = { .cmd = BMSG_RECEIPT, .has_batch = 1,
		.batch = b->number, .count = b->count };
	struct server *s = ctx;

	(void)t;
	if (code == BMSG_OK) {
		m.ledger = b->seg->ledger;
		m.entry = b->first;
		s->stats.receipts++;
		server_send(s, b->client, &m);
	} else {
		server_error(s, b->client, &m, code, text);
	}
	batch_free(&s->topics, b);
}

int
server_messages(void *ctx, struct reader *r, uint64_t ledger, uint64_t count,
    struct slice *sl, const uint8_t *p, size_t n)
{
	struct server *s = ctx;
	struct bmsg m = { .cmd = BMSG_MESSAGES, .reader = r->number,
		.topic = { r->topic->name, (uint32_t)r->topic->name_len },
		.ledger = ledger, .count = count };
	zmq_msg_t body;

	buf_consume(&s->head, buf_len(&s->head));
	bmsg_put(&s->head, &m);
	slice_message(&body, sl, p, n, r->client->window);
	if (server_emit(s, r->client, &body) == 0)
		return 0;
	/* Its queue is full of other answers; it is not reading. */
	if (!r->client->gone) {
		s->stats.resets++;
		clients_reset(&s->clients, r->client);
		readers_forget(&s->readers, r->client);
	}
	return -1;
}

void
server_reader_error(void *ctx, struct reader *r, enum bmsg_code code,
    const char *text)
{
	struct bmsg m = { .has_reader = 1, .reader = r->number };

	server_error(ctx, r->client, &m, code, text);
}

void
server_topic_made(void *ctx, struct topic *t)
{
	struct server *s = ctx;

	feed_topic(&s->feed, t);
}

void
server_synced(void *ctx, struct segment *seg, int err)
{
	struct server *s = ctx;

	topics_synced(&s->topics, seg, err);
}

/* f: routing id, command, and perhaps a body. */
static void
server_message(struct server *s, zmq_msg_t *f, int n)
{
	struct client *c = clients_get(&s->clients, zmq_msg_data(&f[0]),
	    zmq_msg_size(&f[0]), s->now);
	const char *why = "number or size of the frames";
	struct bmsg m = { .cmd = BMSG_UNKNOWN };

	if (c == NULL) {
		if (s->stats.refused_clients++ == 0)
			log_warnx("more than %d clients, new ones are ignored",
			    (int)s->clients.max);
		return;
	}
	if (n >= 2 && n <= 3 && zmq_msg_size(&f[1]) <= BMSG_HEAD_MAX &&
	    bmsg_get(zmq_msg_data(&f[1]), zmq_msg_size(&f[1]), &m, &why) ==
		0) {
		if (m.cmd == BMSG_UNKNOWN) {
			s->stats.unknown++;
			return;
		}
		if ((n == 3) == (m.cmd == BMSG_SEND)) {
			server_command(s, c, &m, n == 3 ? &f[2] : NULL);
			return;
		}
		why = "number of frames";
	}
	if (s->stats.malformed++ == 0)
		log_warnx("malformed message of a client: %s", why);
	server_error(s, c, &m, BMSG_E_PROTOCOL, why);
}

int
server_receive(struct server *s)
{
	size_t bytes = 0;
	zmq_msg_t f[3];
	int n;

	for (int i = 0; i < TURN_MESSAGES && bytes < TURN_BYTES; i++) {
		n = zframes_recv(s->socket, f, 3);
		if (n == -1)
			return 0;
		if (n >= 3)
			bytes += zmq_msg_size(&f[2]);
		server_message(s, f, n);
		zframes_close(f, n < 3 ? n : 3);
	}
	return 1;
}

/* Receipts, the feed and waiting readers, for all that is stored now. */
static void
server_stored(struct server *s)
{
	struct topic *t;
	struct batch *b;

	while ((t = topics_ready(&s->topics)) != NULL)
		while ((b = topic_stored(&s->topics, t)) != NULL) {
			s->stats.batches_in++;
			s->stats.messages_in += b->count;
			s->stats.bytes_in += b->slice->len;
			readers_live(&s->readers, t, b);
			feed_publish(&s->feed, t, b);
			server_answer(s, t, b, BMSG_OK, NULL);
		}
}

static void
server_forget(struct server *s)
{
	struct client *c;

	while ((c = s->gone) != NULL) {
		s->gone = c->gone_next;
		readers_close_all(&s->readers, c);
		clients_remove(&s->clients, c);
	}
}

int
server_run(struct server *s)
{
	int more;

	topics_write(&s->topics);
	sync_run(&s->sync, s->now);
	server_stored(s);
	more = readers_run(&s->readers, TURN_BYTES);
	server_forget(s);
	return more;
}

void
server_probe(struct server *s)
{
	struct bmsg m = { .cmd = BMSG_PONG, .bus = bmsg_str(s->instance) };
	struct client *c;

	if (s->now < s->next_probe)
		return;
	s->next_probe = s->now + PROBE_EVERY_NS;
	for (int i = 0; i < PROBES; i++) {
		c = clients_silent(&s->clients);
		if (c == NULL || c->heard + PROBE_NS > s->now)
			break;
		m.conn = bmsg_str(c->conn);
		server_send(s, c, &m);
		clients_heard(&s->clients, c, s->now);
	}
	server_forget(s);
}

void
server_drain(struct server *s)
{
	topics_write(&s->topics);
	sync_all(&s->sync, s->now);
	server_stored(s);
	server_forget(s);
}
