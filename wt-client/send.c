#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "be.h"
#include "load.h"
#include "log.h"
#include "stage.h"
#include "track.h"

#define QUANTUM (256 * 1024)	/* bytes a flow may write in one turn */
#define JOIN_BYTES (64 * 1024)	/* --join: bytes of one write */
#define RETRY_NS 2000000	/* no stream credit, or datagram queue full */
#define LATE_NS 1000000000	/* a pace this far behind is given up */
#define LEN_OFFSET 16		/* of payload_len in the track header */

static struct load *
flow_load(const struct flow *f)
{
	return f->s->client->load;
}

static void
flow_wake(void *arg)
{
	flow_ready(arg);
}

void
flow_init(struct flow *f, struct session *s, struct track *t)
{
	const struct load_config *cfg = s->client->load->cfg;

	*f = (struct flow){ .s = s, .track = t };
	f->wake.fire = flow_wake;
	f->wake.arg = f;
	cursor_init(&f->cursor, &t->source);
	if (t->source.kind == SOURCE_STDIN)
		s->client->load->reader = f;
	if (cfg->datagrams && !t->bare)
		return;
	f->nouts = t->bare ? 1 : (size_t)cfg->streams;
	f->outs = calloc(f->nouts, sizeof(*f->outs));
	if (f->outs == NULL)
		fatal(EX_OSERR, "streams");
	for (size_t i = 0; i < f->nouts; i++) {
		f->outs[i].flow = f;
		inbound_init(&f->outs[i].in, s, NULL);
	}
}

void
flow_free(struct flow *f)
{
	struct load *l = flow_load(f);

	wake_set(l, &f->wake, TIMERQ_NEVER);
	if (f->ready)
		TAILQ_REMOVE(&l->ready, f, link);
	if (f->sending)
		TAILQ_REMOVE(&l->sending, f, sending_link);
	if (l->reader == f)
		l->reader = NULL;
	for (size_t i = 0; i < f->nouts; i++) {
		struct out *o = &f->outs[i];

		if (o->st != NULL)
			wt_stream_set_data(o->st, NULL);
		o->st = NULL;
		inbound_end(&o->in);
		buf_free(&o->pending);
		if (o->hash != NULL)
			gnutls_hash_deinit(o->hash, NULL);
	}
	free(f->outs);
	buf_free(&f->datagram);
	*f = (struct flow){ 0 };
}

void
flow_ready(struct flow *f)
{
	if (f->ready || f->done)
		return;
	f->ready = 1;
	TAILQ_INSERT_TAIL(&flow_load(f)->ready, f, link);
}

void
flow_start(struct flow *f, uint64_t at)
{
	f->due = at;
	flow_ready(f);
}

void
flow_stop(struct flow *f)
{
	f->ended = 1;
	flow_ready(f);
}

/* Whether packet n is beyond --count. */
static int
flow_is_beyond(const struct flow *f, uint64_t n)
{
	const struct load_config *cfg = flow_load(f)->cfg;

	return cfg->count > 0 && !f->track->bare && n >= (uint64_t)cfg->count;
}

/* A packet behind what b holds. Returns 0 when the source has none (now). */
static int
flow_make(struct flow *f, struct buf *b)
{
	struct load *l = flow_load(f);
	struct track *t = f->track;
	size_t start = buf_len(b), head = t->bare ? 0 : TRACK_HEADER_LEN;
	enum source_result r;
	uint8_t *p;

	if (head > 0) {
		p = buf_reserve(b, head);
		track_header_put(p, t->id, t->type, 0);
		buf_commit(b, head);
	}
	r = source_next(&t->source, &f->cursor, l->real, b);
	if (r != SOURCE_PACKET) {
		b->end = b->start + start;
		f->ended |= r == SOURCE_END;
		f->hungry = r == SOURCE_WAIT;
		return 0;
	}
	if (head > 0)
		be32_put(buf_data(b) + start + LEN_OFFSET,
		    (uint32_t)(buf_len(b) - start - head));
	f->due += t->source.interval;
	if (t->source.interval != 0 && l->now > f->due + LATE_NS) {
		f->due = l->now;
		t->late++;
	}
	return 1;
}

static void
flow_count(struct flow *f, size_t bytes)
{
	f->track->packets++;
	f->track->bytes += bytes;
}

/* Hands n bytes from the front of pending to the stream. */
static void
out_write(struct out *o, size_t n, int fin)
{
	struct load *l = flow_load(o->flow);
	const uint8_t *p = buf_data(&o->pending);

	if (l->cfg->echo) {
		echo_hash(&o->hash, p, n);
		o->len += n;
	}
	wt_stream_write(o->st, p, n, fin);
	buf_consume(&o->pending, n);
	if (!fin)
		return;
	o->fin = 1;
	if (l->cfg->echo) {
		echo_sum(&o->hash, o->len, &o->sum);
		if (wt_stream_is_uni(o->st))
			echo_expect(o->flow->s, &o->sum);
	} else if (!wt_stream_is_uni(o->st) && l->cfg->receive == NULL) {
		/* Nobody reads the answer, and the stream ends only when both
		 * of its sides have. */
		wt_stream_stop(o->st, 0);
	}
}

/* The stream for the next packet is open; 0: not now. */
static int
out_open(struct out *o)
{
	struct flow *f = o->flow;
	struct load *l = flow_load(f);

	if (o->opened)
		return 1;
	o->st = wt_stream_open(f->s->wt, !l->cfg->bidi);
	if (o->st == NULL) {
		if (!f->told++)
			load_complain(l, "track %s: the server allows no more "
			    "streams; waiting for some to end", f->track->id);
		wake_set(l, &f->wake, l->now + RETRY_NS);
		return 0;
	}
	o->opened = 1;
	o->in.st = o->st;
	f->s->open_outs++;
	wt_stream_set_data(o->st, o);
	return 1;
}

/* --split: one piece a turn, and only when the one before it has left: two
 * that wait for leave to be sent would go in one frame. */
static int
out_piece(struct out *o)
{
	struct load *l = flow_load(o->flow);
	size_t n = buf_len(&o->pending);

	if (n == 0 || o->st == NULL || wt_stream_unsent(o->st) > 0 ||
	    wt_stream_unacked(o->st) >= l->bound)
		return 0;
	if (n > (size_t)l->cfg->split)
		out_write(o, (size_t)l->cfg->split, 0);
	else
		out_write(o, n, o->last);
	return 1;
}

/* Room for one more packet: not behind the writer, not behind the network. */
static int
out_has_room(const struct out *o)
{
	const struct load *l = flow_load(o->flow);
	size_t pending = buf_len(&o->pending);

	if (l->cfg->join ? pending >= JOIN_BYTES : pending > 0)
		return 0;
	return wt_stream_unacked(o->st) < l->bound;
}

/* Makes packets for the streams while there is room, time and quantum.
 * Returns the bytes made. */
static size_t
flow_fill(struct flow *f)
{
	struct load *l = flow_load(f);
	const struct load_config *cfg = l->cfg;
	size_t made = 0;

	while (!f->ended && made < QUANTUM) {
		struct out *o = &f->outs[f->cursor.seq % f->nouts];
		size_t before = buf_len(&o->pending), n;

		if (flow_is_beyond(f, f->cursor.seq)) {
			f->ended = 1;
			break;
		}
		if (f->due > l->now) {
			wake_set(l, &f->wake, f->due);
			break;
		}
		if (!o->dead && (!out_open(o) || !out_has_room(o)))
			break;
		if (!flow_make(f, &o->pending))
			break;
		n = buf_len(&o->pending) - before;
		made += n;
		if (o->dead) {
			f->track->lost_packets++;
			buf_consume(&o->pending, n);
			continue;
		}
		flow_count(f, n);
		/* Ending it now gives the credit for another one back. */
		o->last = flow_is_beyond(f, f->cursor.seq - 1 + f->nouts);
		if (cfg->split == 0 && (!cfg->join || o->last ||
		    buf_len(&o->pending) >= JOIN_BYTES))
			out_write(o, buf_len(&o->pending), o->last);
	}
	return made;
}

/* The source is at its end: FIN for the streams that have written all. */
static void
flow_finish(struct flow *f)
{
	struct load *l = flow_load(f);
	size_t left = 0;

	for (size_t i = 0; i < f->nouts; i++) {
		struct out *o = &f->outs[i];
		size_t n = buf_len(&o->pending);

		if (!o->opened || o->fin || o->dead)
			continue;
		if (n > 0 && l->cfg->split != 0)
			left++;
		else
			out_write(o, n, 1);
	}
	if (left > 0)
		return;
	f->done = 1;
	f->s->active--;
	session_check(f->s);
}

static int
flow_all_dead(const struct flow *f)
{
	for (size_t i = 0; i < f->nouts; i++)
		if (!f->outs[i].dead)
			return 0;
	return 1;
}

static void
flow_run_streams(struct flow *f)
{
	int progress = 0;

	if (flow_load(f)->cfg->split != 0) {
		for (size_t i = 0; i < f->nouts; i++)
			progress |= out_piece(&f->outs[i]);
		if (progress && !f->sending) {
			f->sending = 1;
			TAILQ_INSERT_TAIL(&flow_load(f)->sending, f,
			    sending_link);
		}
	}
	if (!f->ended && flow_all_dead(f))
		f->ended = 1;
	if (flow_fill(f) > 0)
		progress = 1;
	if (f->ended)
		flow_finish(f);
	else if (!progress)
		return; /* acknowledgements, stdin or the clock wake it */
	if (progress && !f->sending)
		flow_ready(f);
}

/* Makes the next datagram if none waits. 0: none now. */
static int
datagram_make(struct flow *f)
{
	struct load *l = flow_load(f);

	if (buf_len(&f->datagram) > 0)
		return 1;
	f->ended |= flow_is_beyond(f, f->cursor.seq);
	if (f->ended)
		return 0;
	if (f->due > l->now) {
		wake_set(l, &f->wake, f->due);
		return 0;
	}
	return flow_make(f, &f->datagram);
}

static void
datagram_sent(struct flow *f)
{
	struct load *l = flow_load(f);
	size_t n = buf_len(&f->datagram);

	if (l->cfg->echo)
		echo_expect_datagram(f->s, buf_data(&f->datagram), n);
	flow_count(f, n);
	f->track->last_ns = l->now;
	f->s->datagrams++;
	l->total.datagrams_sent++;
	buf_consume(&f->datagram, n);
}

static void
flow_run_datagrams(struct flow *f)
{
	struct load *l = flow_load(f);
	size_t sent = 0;

	while (sent < QUANTUM && datagram_make(f)) {
		size_t n = buf_len(&f->datagram);

		if (n > wt_session_datagram_max(f->s->wt)) {
			if (f->track->too_large++ == 0)
				load_complain(l, "track %s: a packet of %zu "
				    "bytes fits no datagram (%zu)", f->track->id,
				    n, wt_session_datagram_max(f->s->wt));
			buf_consume(&f->datagram, n);
			continue;
		}
		if (wt_session_datagram(f->s->wt, buf_data(&f->datagram), n) ==
		    -1) {
			wake_set(l, &f->wake, l->now + RETRY_NS);
			return;
		}
		datagram_sent(f);
		sent += n;
	}
	if (sent >= QUANTUM) {
		flow_ready(f);
	} else if (f->ended) {
		f->done = 1;
		f->s->active--;
		session_check(f->s);
	}
}

void
flows_run(struct load *l)
{
	struct flows turn = TAILQ_HEAD_INITIALIZER(turn);
	struct flow *f;

	/* Who gets ready again meanwhile has the next turn. */
	TAILQ_CONCAT(&turn, &l->ready, link);
	while ((f = TAILQ_FIRST(&turn)) != NULL) {
		TAILQ_REMOVE(&turn, f, link);
		f->ready = 0;
		if (f->done || f->s->state != SESSION_OPEN)
			continue;
		if (f->nouts == 0)
			flow_run_datagrams(f);
		else
			flow_run_streams(f);
	}
}

void
flows_sent(struct load *l)
{
	struct flow *f, *next;

	for (f = TAILQ_FIRST(&l->sending); f != NULL; f = next) {
		size_t i = 0;

		next = TAILQ_NEXT(f, sending_link);
		while (i < f->nouts && (f->outs[i].st == NULL ||
		    wt_stream_unsent(f->outs[i].st) > 0))
			i++;
		if (i == f->nouts && !f->done)
			continue;
		f->sending = 0;
		TAILQ_REMOVE(&l->sending, f, sending_link);
		flow_ready(f);
	}
}

void
out_acked(struct out *o)
{
	struct load *l = flow_load(o->flow);

	o->flow->s->progress++;
	o->flow->track->last_ns = l->now;
	if (!o->flow->done && wt_stream_unacked(o->st) < l->bound)
		flow_ready(o->flow);
}

void
out_stopped(struct out *o, uint32_t code)
{
	struct flow *f = o->flow;
	struct load *l = flow_load(f);

	f->track->stopped++;
	l->total.stopped++;
	load_complain(l, "stream %" PRId64 " of track %s: stopped by the server, "
	    "code 0x%x%s%s%s",
	    wt_stream_id(o->st), f->track->id, code, code != 0 ? " (" : "",
	    code != 0 ? track_error_name((enum track_error)code) : "",
	    code != 0 ? ")" : "");
	o->dead = 1;
	buf_consume(&o->pending, buf_len(&o->pending));
	flow_ready(f);
}

/* What will not be acknowledged, once. */
static void
out_count(struct out *o)
{
	struct load *l = flow_load(o->flow);

	if (o->counted)
		return;
	o->counted = 1;
	o->flow->track->unacked_bytes += wt_stream_unacked(o->st) +
	    buf_len(&o->pending);
	if (!o->fin && !o->dead)
		l->total.unfinished++;
}

void
out_give_up(struct out *o)
{
	struct load *l = flow_load(o->flow);

	if (o->st == NULL)
		return;
	out_count(o);
	if (l->cfg->echo && !wt_stream_is_uni(o->st))
		l->total.echo_missing++;
	else if (o->fin)
		l->total.unfinished++;
}

void
out_closed(struct out *o)
{
	struct session *s = o->flow->s;

	out_count(o);
	buf_free(&o->pending);
	o->dead = 1;
	o->st = NULL;
	inbound_end(&o->in);
	s->open_outs--;
	flow_ready(o->flow);
	session_check(s);
}
