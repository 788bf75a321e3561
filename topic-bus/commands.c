/* What clients ask for, one function per command. */
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include "log.h"
#include "server.h"

static void
server_pong(struct server *s, struct client *c)
{
	struct bmsg m = { .cmd = BMSG_PONG, .bus = bmsg_str(s->instance),
		.conn = bmsg_str(c->conn) };

	server_send(s, c, &m);
}

/* It was said on an earlier connection: what went before it may be lost. */
static int
server_stale(struct server *s, struct client *c, const struct bmsg *m)
{
	if (m->conn.n == 0 || mp_str_is(m->conn, c->conn))
		return 0;
	s->stats.stale++;
	server_pong(s, c);
	return 1;
}

/* Every entry of a batch, and that they are as many as it says. */
static enum bmsg_code
server_check_batch(const struct server *s, const struct bmsg *m,
    zmq_msg_t *body, const char **why)
{
	const uint8_t *p = zmq_msg_data(body);
	size_t left = zmq_msg_size(body);
	uint64_t count = 0;
	struct entry e;
	int64_t n;

	for (; left > 0; p += n, left -= (size_t)n) {
		*why = "batch ends inside an entry";
		n = entry_get(p, left, &e, why);
		if (n <= 0 || entry_check(&e, why) == -1)
			return BMSG_E_ENTRY;
		if (e.payload_len > s->max_message) {
			*why = "payload is over --max-message";
			return BMSG_E_TOO_LARGE;
		}
		count++;
	}
	*why = "count is not the number of entries";
	return count == m->count ? BMSG_OK : BMSG_E_ENTRY;
}

static struct topic *
server_topic(struct server *s, struct client *c, const struct bmsg *m)
{
	struct tname name;
	struct topic *t;

	if (tname_parse(m->topic.p, m->topic.n, &name) == -1) {
		server_error(s, c, m, BMSG_E_TOPIC_NAME,
		    "not a name of a topic");
		return NULL;
	}
	t = topics_get(&s->topics, &name, 1);
	if (t == NULL)
		server_error(s, c, m, BMSG_E_LIMIT, "too many topics");
	return t;
}

static void
server_cmd_send(struct server *s, struct client *c, const struct bmsg *m,
    zmq_msg_t *body)
{
	enum bmsg_code code;
	struct topic *t;
	struct batch *b;
	const char *why;

	if (server_stale(s, c, m))
		return;
	code = server_check_batch(s, m, body, &why);
	if (code != BMSG_OK) {
		server_error(s, c, m, code, why);
		return;
	}
	t = server_topic(s, c, m);
	if (t == NULL)
		return;
	if (client_refuses(c, t, m->epoch)) {
		server_error(s, c, m, BMSG_E_STORAGE,
		    "a batch before it was refused");
		return;
	}
	b = calloc(1, sizeof(*b));
	if (b == NULL)
		fatal(EX_OSERR, "calloc");
	b->slice = slice_receive(body);
	b->client = c;
	c->refs++;
	b->number = m->batch;
	b->epoch = m->epoch;
	b->count = m->count;
	topic_take(&s->topics, t, b);
}

static void
server_cmd_read(struct server *s, struct client *c, const struct bmsg *m)
{
	struct bmsg reply = { .cmd = BMSG_READING, .reader = m->reader };
	char text[TOPICLOG_TEXT_MAX];
	struct bmsg_position from;
	enum bmsg_code code;
	struct reader *r;
	struct topic *t;

	if (server_stale(s, c, m))
		return;
	if (bmsg_position_get(m->from, &from) == -1) {
		server_error(s, c, m, BMSG_E_POSITION, "not a position");
		return;
	}
	t = server_topic(s, c, m);
	if (t == NULL)
		return;
	r = readers_open(&s->readers, c, t, m->reader, &from, m->permits,
	    &code, text);
	if (r == NULL) {
		topics_release(&s->topics, t);
		server_error(s, c, m, code, text);
		return;
	}
	topiclog_id(&r->at, &reply.ledger, &reply.entry);
	server_send(s, c, &reply);
	readers_flow(&s->readers, r, 0);
}

static void
server_cmd_topics(struct server *s, struct client *c)
{
	struct topic *t;
	uint32_t n = 0;

	for (t = topics_next(&s->topics, NULL); t != NULL;
	    t = topics_next(&s->topics, t))
		n += (uint32_t)t->stored;
	buf_consume(&s->head, buf_len(&s->head));
	bmsg_put_list(&s->head, n);
	for (t = topics_next(&s->topics, NULL); t != NULL;
	    t = topics_next(&s->topics, t))
		if (t->stored)
			bmsg_put_list_topic(&s->head, t->name);
	server_emit(s, c, NULL);
}

void
server_command(struct server *s, struct client *c, const struct bmsg *m,
    zmq_msg_t *body)
{
	struct reader *r;

	switch (m->cmd) {
	case BMSG_PING:
		server_pong(s, c);
		break;
	case BMSG_SEND:
		server_cmd_send(s, c, m, body);
		break;
	case BMSG_READ:
		server_cmd_read(s, c, m);
		break;
	case BMSG_FLOW:
		r = readers_find(c, m->reader);
		if (r != NULL)
			readers_flow(&s->readers, r, m->permits);
		break;
	case BMSG_CLOSE:
		r = readers_find(c, m->reader);
		if (r != NULL)
			readers_close(&s->readers, r);
		break;
	case BMSG_TOPICS:
		server_cmd_topics(s, c);
		break;
	default:
		s->stats.unknown++; /* ours to send, not to receive */
		break;
	}
}
