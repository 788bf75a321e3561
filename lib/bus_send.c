#include "bus_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "log.h"

#define RETRY_NS UINT64_C(1000000000)
#define BYTES_MIN 4096
#define COOKIES_MIN 16

static void
bytes_unref(void *data, void *hint)
{
	struct bus_bytes *bytes = hint;

	(void)data;
	if (atomic_fetch_sub(&bytes->refs, 1) == 1)
		free(bytes);
}

/* Room for n more bytes; only the batch being filled grows. */
static struct bus_bytes *
bytes_grow(struct bus_bytes *bytes, size_t n)
{
	size_t len = bytes != NULL ? bytes->len : 0;
	size_t size = bytes != NULL ? bytes->size : BYTES_MIN;
	struct bus_bytes *grown;

	if (bytes != NULL && bytes->size - len >= n)
		return bytes;
	while (size < len + n)
		size *= 2;
	if (len == 0)
		size = n > BYTES_MIN ? n : BYTES_MIN;
	grown = realloc(bytes, sizeof(*grown) + size);
	if (grown == NULL)
		fatal(EX_OSERR, "realloc");
	if (bytes == NULL) {
		atomic_init(&grown->refs, 1);
		grown->len = 0;
	}
	grown->size = size;
	return grown;
}

static void
batch_free(struct bus_batch *t)
{
	bytes_unref(NULL, t->bytes);
	free(t->cookies);
	free(t);
}

int
bus_topic(struct bus *b, const char *name)
{
	struct tname t;
	int i;

	if (tname_parse(name, strlen(name), &t) == -1)
		return -1;
	for (i = 0; i < b->nout; i++)
		if (strcmp(b->out[i].name, t.full) == 0)
			return i;
	if (i == BUS_TOPICS_MAX)
		return -1;
	b->out[i].name = strdup(t.full);
	if (b->out[i].name == NULL)
		fatal(EX_OSERR, "strdup");
	b->out[i].epoch = 1;
	return b->nout++;
}

int
bus_full(const struct bus *b)
{
	return b->stats.pending_messages >= b->config.pending_messages ||
	    b->stats.pending_bytes >= b->config.pending_bytes;
}

void
bus_room(const struct bus *b, size_t *messages, size_t *bytes)
{
	*messages = bus_full(b) ? 0 :
	    b->config.pending_messages - b->stats.pending_messages;
	*bytes = bus_full(b) ? 0 :
	    b->config.pending_bytes - b->stats.pending_bytes;
}

int
bus_idle(const struct bus *b)
{
	return b->stats.pending_messages == 0;
}

/* The batch that takes the next entry of size bytes. */
static struct bus_batch *
bus_batch(struct bus_out *o, int topic, size_t size)
{
	struct bus_batch *t = o->tail;

	if (t != NULL && !t->sealed && t->count < BUS_BATCH_MESSAGES &&
	    t->bytes->len + size <= BUS_BATCH_BYTES)
		return t;
	t = calloc(1, sizeof(*t));
	if (t == NULL)
		fatal(EX_OSERR, "calloc");
	t->topic = topic;
	if (o->tail != NULL)
		o->tail->next = t;
	else
		o->head = t;
	o->tail = t;
	if (o->unsent == NULL)
		o->unsent = t;
	return t;
}

int
bus_send(struct bus *b, int topic, const struct entry *e, uint64_t cookie)
{
	struct bus_batch *t;
	size_t size;

	if (bus_full(b) || entry_too_long(e) != NULL)
		return -1;
	size = entry_size(e);
	t = bus_batch(&b->out[topic], topic, size);
	if (t->count == t->room) {
		t->room = t->room == 0 ? COOKIES_MIN : 2 * t->room;
		t->cookies = reallocarray(t->cookies, t->room,
		    sizeof(*t->cookies));
		if (t->cookies == NULL)
			fatal(EX_OSERR, "reallocarray");
	}
	t->bytes = bytes_grow(t->bytes, size);
	entry_put(t->bytes->data + t->bytes->len, e);
	t->bytes->len += size;
	t->cookies[t->count++] = cookie;
	b->stats.sent++;
	b->stats.pending_messages++;
	b->stats.pending_bytes += size;
	return 0;
}

/* Sends the first unsent batch of a topic; 0, or -1 when it has to wait. */
static int
bus_out_batch(struct bus *b, struct bus_out *o)
{
	struct bus_batch *t = o->unsent;
	struct bus_batch **slot =
	    &b->inflight[b->next_number % BUS_INFLIGHT];
	struct bmsg m = { .cmd = BMSG_SEND, .topic = bmsg_str(o->name),
		.conn = bmsg_str(b->conn), .batch = b->next_number,
		.count = t->count,
		.epoch = b->config.retry_storage ? o->epoch : 0 };
	zmq_msg_t body;

	if (*slot != NULL)
		return -1; /* its receipt will bring us back here */
	zmq_msg_init_data(&body, t->bytes->data, t->bytes->len, bytes_unref,
	    t->bytes);
	atomic_fetch_add(&t->bytes->refs, 1);
	if (bus_emit(b, &m, &body) == -1) {
		zmq_msg_close(&body);
		return -1;
	}
	t->number = b->next_number++;
	t->sealed = 1;
	*slot = t;
	do
		t = t->next;
	while (t != NULL && t->answered);
	o->unsent = t;
	return 0;
}

void
bus_out_flush(struct bus *b, uint64_t now)
{
	for (struct bus_out *o = b->out; o < b->out + b->nout; o++)
		while (o->unsent != NULL && o->retry_at <= now)
			if (bus_out_batch(b, o) == -1)
				return;
}

uint64_t
bus_out_timeout(const struct bus *b, uint64_t now)
{
	uint64_t next = UINT64_MAX;

	for (const struct bus_out *o = b->out; o < b->out + b->nout; o++)
		if (o->unsent != NULL && o->retry_at > now &&
		    o->retry_at - now < next)
			next = o->retry_at - now;
	return next;
}

/* From batch t on, everything of the topic has to be sent once more. */
static void
bus_out_again(struct bus *b, struct bus_out *o, struct bus_batch *t)
{
	struct bus_batch *first = NULL;

	for (; t != NULL; t = t->next) {
		if (t->answered)
			continue;
		if (first == NULL)
			first = t;
		if (t->number == 0)
			break; /* never left; nor did what follows */
		b->inflight[t->number % BUS_INFLIGHT] = NULL;
		b->stats.resent += t->count;
		t->number = 0;
	}
	o->unsent = first;
}

void
bus_out_restart(struct bus *b)
{
	for (struct bus_out *o = b->out; o < b->out + b->nout; o++) {
		o->retry_at = 0;
		bus_out_again(b, o, o->head);
	}
}

/* Hands the results at the front of a topic to the caller, in order. */
static void
bus_out_deliver(struct bus *b, struct bus_out *o)
{
	struct bus_batch *t;

	while ((t = o->head) != NULL && t->answered) {
		o->head = t->next;
		if (o->head == NULL)
			o->tail = NULL;
		b->stats.pending_messages -= t->count;
		b->stats.pending_bytes -= t->bytes->len;
		if (t->result.code == BMSG_OK)
			b->stats.stored += t->count;
		else
			b->stats.failed += t->count;
		for (uint32_t i = 0; i < t->count; i++) {
			struct bus_receipt r = t->result;

			r.entry += i;
			r.text = t->text;
			if (b->config.receipt != NULL)
				b->config.receipt(b->config.ctx,
				    t->cookies[i], &r);
		}
		batch_free(t);
	}
}

void
bus_out_answer(struct bus *b, const struct bmsg *m, uint64_t now)
{
	struct bus_batch **slot = &b->inflight[m->batch % BUS_INFLIGHT];
	struct bus_batch *t = *slot;
	struct bus_out *o;

	/* An answer to what was sent before a break, or already again. */
	if (t == NULL || t->number != m->batch)
		return;
	o = &b->out[t->topic];
	if (m->code == BMSG_E_STORAGE && b->config.retry_storage) {
		if (b->stats.storage_errors++ == 0)
			log_warnx("%s: %.*s; trying again", o->name,
			    (int)m->text.n, m->text.p);
		o->epoch++;
		o->retry_at = now + RETRY_NS;
		bus_out_again(b, o, t);
		return;
	}
	*slot = NULL;
	t->answered = 1;
	t->result = (struct bus_receipt){ .code = m->code,
		.ledger = m->ledger, .entry = m->entry };
	snprintf(t->text, sizeof(t->text), "%.*s", (int)m->text.n,
	    m->text.n > 0 ? m->text.p : "");
	bus_out_deliver(b, o);
}

void
bus_out_free(struct bus *b)
{
	struct bus_batch *t;

	for (struct bus_out *o = b->out; o < b->out + b->nout; o++) {
		while ((t = o->head) != NULL) {
			o->head = t->next;
			batch_free(t);
		}
		free(o->name);
	}
}
