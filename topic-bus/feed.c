#include "feed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "log.h"
#include "zbind.h"
#include "zframes.h"

#define TURN_MESSAGES 256
#define LARGE (4 * 1024) /* payloads from here on are not copied */

static int
feed_setopt(struct feed *f, int option, int value)
{
	return zmq_setsockopt(f->socket, option, &value, sizeof(value));
}

int
feed_open(struct feed *f, void *zmq, const char *endpoint, int hwm,
    size_t bytes, struct topics *topics, int wake_fd)
{
	int64_t max = FEED_PREFIX_MAX + 1;

	*f = (struct feed){ .topics = topics, .lossy = 0 };
	f->window = window_new(bytes, wake_fd);
	f->socket = zmq_socket(zmq, ZMQ_XPUB);
	if (f->socket == NULL ||
	    zmq_setsockopt(f->socket, ZMQ_MAXMSGSIZE, &max, sizeof(max)) ==
		-1 ||
	    feed_setopt(f, ZMQ_SNDHWM, hwm) == -1 ||
	    feed_setopt(f, ZMQ_XPUB_NODROP, 1) == -1)
		return -1;
	return zbind(f->socket, endpoint);
}

void
feed_close(struct feed *f, int linger_ms)
{
	feed_setopt(f, ZMQ_LINGER, linger_ms);
	zmq_close(f->socket);
	for (uint64_t i = 0; i < f->count; i++)
		free(f->prefixes[i].p);
	free(f->prefixes);
	buf_free(&f->head);
	window_unref(f->window);
}

/* The topic's name with its NUL begins with the prefix. */
static int
feed_matches(const struct feed_prefix *p, const struct topic *t)
{
	return p->n <= t->name_len + 1 && memcmp(p->p, t->name, p->n) == 0;
}

void
feed_topic(struct feed *f, struct topic *t)
{
	t->feed = 0;
	for (uint64_t i = 0; i < f->count; i++)
		t->feed += (uint64_t)feed_matches(&f->prefixes[i], t);
}

static void
feed_count(struct feed *f, const struct feed_prefix *p, int by)
{
	for (struct topic *t = topics_next(f->topics, NULL); t != NULL;
	    t = topics_next(f->topics, t))
		if (feed_matches(p, t))
			t->feed = by > 0 ? t->feed + 1 : t->feed - 1;
}

static void
feed_subscribe(struct feed *f, const char *p, size_t n)
{
	struct feed_prefix *new;

	/* Never forgotten: with so many, matching is ZeroMQ's job alone. */
	if (f->count == FEED_PREFIXES_MAX) {
		f->all = 1;
		return;
	}
	f->prefixes = reallocarray(f->prefixes, f->count + 1, sizeof(*new));
	if (f->prefixes == NULL)
		fatal(EX_OSERR, "reallocarray");
	new = &f->prefixes[f->count++];
	new->n = n;
	new->p = malloc(n + 1);
	if (new->p == NULL)
		fatal(EX_OSERR, "malloc");
	memcpy(new->p, p, n);
	feed_count(f, new, 1);
}

static void
feed_unsubscribe(struct feed *f, const char *p, size_t n)
{
	struct feed_prefix *at = f->prefixes;

	for (uint64_t i = 0; i < f->count; i++, at++) {
		if (at->n != n || memcmp(at->p, p, n) != 0)
			continue;
		feed_count(f, at, -1);
		free(at->p);
		*at = f->prefixes[--f->count];
		return;
	}
}

void
feed_process(struct feed *f)
{
	zmq_msg_t m;
	const char *p;
	size_t n;

	/* XPUB reports the first of equal subscriptions and the last end;
	 * anything else a subscriber says is no business of ours. */
	for (int i = 0; i < TURN_MESSAGES; i++) {
		if (zframes_recv(f->socket, &m, 1) == -1)
			return;
		p = zmq_msg_data(&m);
		n = zmq_msg_size(&m);
		if (n > 0 && p[0] == 1)
			feed_subscribe(f, p + 1, n - 1);
		else if (n > 0 && p[0] == 0)
			feed_unsubscribe(f, p + 1, n - 1);
		zmq_msg_close(&m);
	}
}

/* What a subscriber without room would hold up is lost to that one only. */
static void
feed_set_lossy(struct feed *f, int lossy)
{
	if (f->lossy == lossy)
		return;
	feed_setopt(f, ZMQ_XPUB_NODROP, !lossy);
	f->lossy = lossy;
}

static void
feed_frame(struct feed *f, zmq_msg_t *m, int more)
{
	int flags = ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0);

	if (zmq_msg_send(m, f->socket, flags) != -1)
		return;
	/* First frame only: the others follow where the first went. */
	if (errno == EAGAIN && !f->lossy) {
		f->dropped++;
		feed_set_lossy(f, 1);
		if (zmq_msg_send(m, f->socket, flags) != -1)
			return;
	}
	zmq_msg_close(m);
}

static void
feed_copy(zmq_msg_t *m, const void *p, size_t n)
{
	if (zmq_msg_init_size(m, n) == -1)
		fatalx(EX_OSERR, "zmq_msg_init_size: %s",
		    zmq_strerror(zmq_errno()));
	if (n > 0)
		memcpy(zmq_msg_data(m), p, n);
}

static void
feed_message(struct feed *f, struct topic *t, struct batch *b,
    const struct entry *e)
{
	struct bmsg_feed head = { .ledger = b->seg->ledger, .e = *e };
	zmq_msg_t m;

	feed_set_lossy(f, 0);
	/* The name outlives the socket: topics that are stored stay. */
	zmq_msg_init_data(&m, t->name, t->name_len + 1, NULL, NULL);
	feed_frame(f, &m, 1);
	buf_consume(&f->head, buf_len(&f->head));
	bmsg_put_feed(&f->head, &head);
	feed_copy(&m, buf_data(&f->head), buf_len(&f->head));
	feed_frame(f, &m, 1);
	if (e->payload_len < LARGE)
		feed_copy(&m, e->payload, e->payload_len);
	else
		slice_message(&m, b->slice, e->payload, e->payload_len,
		    f->window);
	feed_frame(f, &m, 0);
	f->messages++;
	f->bytes += e->payload_len;
}

void
feed_publish(struct feed *f, struct topic *t, struct batch *b)
{
	const uint8_t *p = b->slice->data;
	size_t left = b->slice->len;
	struct entry e;
	int64_t n;

	if (t->feed == 0 && !f->all)
		return;
	for (; left > 0; p += n, left -= (size_t)n) {
		n = entry_get(p, left, &e, NULL);
		if (e.payload_len >= LARGE && !window_open(f->window))
			f->overflow++;
		else
			feed_message(f, t, b, &e);
	}
}
