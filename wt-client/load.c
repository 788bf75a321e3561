#include "load.h"

#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "log.h"
#include "stage.h"

#define NS_PER_MS UINT64_C(1000000)
#define COMPLAINTS_MAX 20
#define MEMORY_MAX (512u * 1024 * 1024) /* unacknowledged bytes in all */
#define BOUND_MIN (64u * 1024)

enum slot { SLOT_SIGNAL, SLOT_STDIN, SLOT_STDOUT, SLOT_WT };

void
load_complain(struct load *l, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	if (l->complaints > COMPLAINTS_MAX)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (l->complaints++ == COMPLAINTS_MAX)
		log_warnx("more of this is only counted");
	else
		log_warnx("%s", text);
}

void
wake_set(struct load *l, struct wake *w, uint64_t at)
{
	timerq_set(&l->timers, &w->timer, at);
}

static void
wakes_run(struct load *l)
{
	struct timer *t;
	/* One that is set again for now has its turn in the next round. */
	size_t most = l->timers.count;

	while (most-- > 0 && (t = timerq_pop(&l->timers, l->now)) != NULL) {
		struct wake *w = (struct wake *)((char *)t -
		    offsetof(struct wake, timer));

		w->fire(w->arg);
	}
}

static void
load_stop(void *arg)
{
	struct load *l = arg;

	l->stopping = 1;
	for (size_t i = 0; i < l->nclients; i++)
		for (int64_t k = 0; k < l->cfg->sessions; k++)
			if (l->clients[i].sessions[k].state == SESSION_OPEN)
				session_stop(&l->clients[i].sessions[k]);
}

static void
load_migrate(struct load *l, int rebind)
{
	for (size_t i = 0; i < l->nclients; i++)
		if (l->clients[i].conn != NULL &&
		    wt_conn_migrate(l->clients[i].conn, rebind) == -1)
			load_complain(l, "client %zu: cannot change its address",
			    i);
}

static void
load_fire_migrate(void *arg)
{
	load_migrate(arg, 0);
}

static void
load_fire_rebind(void *arg)
{
	load_migrate(arg, 1);
}

static void
load_fire_update_keys(void *arg)
{
	struct load *l = arg;

	for (size_t i = 0; i < l->nclients; i++)
		if (l->clients[i].conn != NULL &&
		    wt_conn_update_keys(l->clients[i].conn) == -1)
			load_complain(l, "client %zu: cannot update keys", i);
}

void
load_start(struct load *l)
{
	const struct load_config *cfg = l->cfg;
	struct {
		struct wake *wake;
		int64_t ms;
	} timed[] = { { &l->stop, cfg->seconds_ms },
		{ &l->migrate, cfg->migrate_ms }, { &l->rebind, cfg->rebind_ms },
		{ &l->update_keys, cfg->update_keys_ms } };

	l->started = 1;
	l->started_at = l->now;
	if (l->total.sessions_opened == l->nsessions)
		stage_ready(cfg->ready_fd);
	for (size_t i = 0; i < sizeof(timed) / sizeof(timed[0]); i++)
		if (timed[i].ms > 0)
			wake_set(l, timed[i].wake,
			    l->now + (uint64_t)timed[i].ms * NS_PER_MS);
	for (size_t i = 0; i < l->nclients; i++)
		for (int64_t k = 0; k < cfg->sessions; k++)
			if (l->clients[i].sessions[k].state == SESSION_OPEN)
				session_start(&l->clients[i].sessions[k]);
}

/* --------------------------------------------------------- callbacks */

static void
on_session_open(void *ctx, struct wt_session *ws)
{
	struct load *l = ctx;
	struct session *s = wt_session_data(ws);

	if (s == NULL)
		return;
	s->state = SESSION_OPEN;
	l->connect_ns[l->total.sessions_opened++] = l->now - s->client->began;
	l->total.sessions_open++;
	if (wt_session_protocol(ws)[0] != '\0')
		log_debug("client %zu: subprotocol %s", s->client->index,
		    wt_session_protocol(ws));
	client_answered(s->client, 1);
}

static void
on_session_refused(void *ctx, struct wt_session *ws, int status)
{
	struct load *l = ctx;
	struct session *s = wt_session_data(ws);

	if (s == NULL)
		return;
	s->state = SESSION_FAILED;
	if (l->total.sessions_refused++ == 0)
		l->total.refused_status = status;
	load_complain(l, "client %zu: session refused: status %d",
	    s->client->index, status);
	client_answered(s->client, 1);
}

static void
on_session_drain(void *ctx, struct wt_session *ws)
{
	struct load *l = ctx;
	struct session *s = wt_session_data(ws);

	/* It comes as a capsule and as GOAWAY. */
	if (s == NULL || s->state != SESSION_OPEN || s->drained)
		return;
	s->drained = 1;
	if (session_is_busy(s) && !l->stopping) {
		load_complain(l, "client %zu: the server drains",
		    s->client->index);
		l->total.sessions_cut++;
	}
	session_stop(s);
}

static void
on_session_closed(void *ctx, struct wt_session *ws, uint32_t code,
    const char *reason, size_t reasonlen)
{
	struct load *l = ctx;
	struct session *s = wt_session_data(ws);

	if (s == NULL)
		return;
	s->wt = NULL;
	wake_set(l, &s->wake, TIMERQ_NEVER);
	if (l->over)
		return;
	if (s->state == SESSION_ASKED) {
		/* conn_closed says why, or the deadline. */
		s->state = SESSION_FAILED;
		return;
	}
	if (s->state == SESSION_OPEN || s->state == SESSION_FINISHING)
		l->total.sessions_open--;
	if (s->state == SESSION_OPEN) {
		s->lost = code == 0 && reasonlen == 0;
		if (session_is_busy(s) || code != 0) {
			l->total.sessions_cut++;
			load_complain(l, "client %zu: the session ended: code "
			    "%" PRIu32 "%s%.*s", s->client->index, code,
			    reasonlen > 0 ? ": " : "", (int)reasonlen, reason);
		}
		l->total.echo_missing += s->nexpected;
	}
	if (s->state != SESSION_FAILED)
		s->state = SESSION_CLOSED;
	client_session_over(s->client);
}

static void
on_stream_open(void *ctx, struct wt_stream *st)
{
	struct load *l = ctx;
	struct session *s = wt_session_data(wt_stream_session(st));
	struct inbound *in;

	if (s == NULL)
		return;
	in = malloc(sizeof(*in));
	if (in == NULL)
		fatal(EX_OSERR, "streams");
	inbound_init(in, s, st);
	wt_stream_set_data(st, in);
	l->total.streams_in++;
}

static void
on_stream_data(void *ctx, struct wt_stream *st, const uint8_t *data, size_t len,
    int fin)
{
	void *what = wt_stream_data(st);

	(void)ctx;
	if (what == NULL)
		wt_stream_consumed(st, len);
	else if (wt_stream_is_local(st))
		inbound_data(&((struct out *)what)->in, data, len, fin);
	else
		inbound_data(what, data, len, fin);
}

static void
on_stream_reset(void *ctx, struct wt_stream *st, uint32_t code)
{
	struct load *l = ctx;

	/* The answer to our own STOP_SENDING, where nobody reads. */
	if (!l->cfg->echo && l->cfg->receive == NULL)
		return;
	l->total.stopped++;
	load_complain(l, "stream %" PRId64 ": reset by the server, code 0x%x",
	    wt_stream_id(st), code);
}

static void
on_stream_stop(void *ctx, struct wt_stream *st, uint32_t code)
{
	void *what = wt_stream_data(st);

	(void)ctx;
	if (what != NULL && wt_stream_is_local(st))
		out_stopped(what, code);
}

static void
on_stream_acked(void *ctx, struct wt_stream *st)
{
	void *what = wt_stream_data(st);

	(void)ctx;
	if (what != NULL && wt_stream_is_local(st))
		out_acked(what);
}

static void
on_stream_closed(void *ctx, struct wt_stream *st)
{
	void *what = wt_stream_data(st);

	(void)ctx;
	if (what == NULL)
		return;
	if (wt_stream_is_local(st)) {
		out_closed(what);
		return;
	}
	inbound_end(what);
	free(what);
}

static void
on_datagram(void *ctx, struct wt_session *ws, const uint8_t *data, size_t len)
{
	struct session *s = wt_session_data(ws);

	(void)ctx;
	if (s != NULL)
		inbound_datagram(s, data, len);
}

static void
on_conn_closed(void *ctx, struct wt_conn *conn, const char *why)
{
	struct load *l = ctx;
	struct client *c = NULL;
	size_t lost = 0;

	for (size_t i = 0; i < l->next_client && c == NULL; i++)
		if (l->clients[i].conn == conn)
			c = &l->clients[i];
	if (c == NULL)
		return; /* we let go of it before */
	c->conn = NULL;
	if (l->over)
		return;
	for (int64_t k = 0; k < l->cfg->sessions; k++)
		lost += c->sessions[k].lost;
	/* Sessions that were closed properly are over, whatever comes after. */
	if (c->ended < (size_t)l->cfg->sessions || lost > 0)
		client_failed(c, why);
}

const struct wt_events load_events = {
	.session_open = on_session_open,
	.session_refused = on_session_refused,
	.session_drain = on_session_drain,
	.session_closed = on_session_closed,
	.stream_open = on_stream_open,
	.stream_data = on_stream_data,
	.stream_reset = on_stream_reset,
	.stream_stop = on_stream_stop,
	.stream_acked = on_stream_acked,
	.stream_closed = on_stream_closed,
	.datagram = on_datagram,
	.conn_closed = on_conn_closed,
};

/* ---------------------------------------------------------- the loop */

static void
wake_init(struct wake *w, struct load *l, void (*fire)(void *))
{
	w->fire = fire;
	w->arg = l;
}

void
load_init(struct load *l, const struct load_config *cfg)
{
	size_t streams = (size_t)(cfg->clients * cfg->sessions * cfg->streams) *
	    (cfg->ntracks > 0 ? cfg->ntracks : 1);

	*l = (struct load){ .cfg = cfg };
	TAILQ_INIT(&l->ready);
	TAILQ_INIT(&l->sending);
	wake_init(&l->stop, l, load_stop);
	wake_init(&l->migrate, l, load_fire_migrate);
	wake_init(&l->rebind, l, load_fire_rebind);
	wake_init(&l->update_keys, l, load_fire_update_keys);
	l->bound = (size_t)cfg->max_unacked;
	if (l->bound > MEMORY_MAX / streams)
		l->bound = MEMORY_MAX / streams;
	if (l->bound < BOUND_MIN)
		l->bound = cfg->max_unacked < BOUND_MIN ?
		    (size_t)cfg->max_unacked : BOUND_MIN;
	l->nclients = (size_t)cfg->clients;
	l->nsessions = (size_t)(cfg->clients * cfg->sessions);
	l->clients = calloc(l->nclients, sizeof(*l->clients));
	l->connect_ns = calloc(l->nsessions, sizeof(*l->connect_ns));
	if (l->clients == NULL || l->connect_ns == NULL)
		fatal(EX_OSERR, "clients");
	for (size_t i = 0; i < l->nclients; i++)
		client_init(&l->clients[i], l, i);
	receive_init(l);
}

void
load_free(struct load *l)
{
	for (size_t i = 0; i < l->nclients; i++)
		client_free(&l->clients[i]);
	free(l->clients);
	free(l->connect_ns);
	receive_free(l);
	timerq_free(&l->timers);
}

static void
load_tick(struct load *l)
{
	l->now = stage_monotonic();
	l->real = stage_realtime();
}

static int
load_timeout(struct load *l, uint64_t metrics_ns)
{
	uint64_t next = timerq_next(&l->timers);
	int ms, quic;

	if (!TAILQ_EMPTY(&l->ready))
		return 0;
	if (next != TIMERQ_NEVER)
		next = next > l->now ? next - l->now : 0;
	ms = stage_poll_ms(next < metrics_ns ? next : metrics_ns);
	quic = wt_timeout_ms(l->wt);
	return ms == -1 || (quic != -1 && quic < ms) ? quic : ms;
}

static void
load_read_stdin(struct load *l)
{
	struct flow *f = l->reader;
	int rc = source_read(&f->track->source, STDIN_FILENO);

	if (rc != 0) {
		l->exit_code = rc;
		flow_stop(f);
	}
	f->hungry = 0;
	flow_ready(f);
}

static void
load_signal(struct load *l, int fd)
{
	if (stage_signal_read(fd) != STAGE_STOP)
		return;
	/* Before anything was sent there is nothing to drain; the second
	 * time somebody does not want to wait. */
	if (l->stopping && l->exit_code == 0)
		l->exit_code = EX_TEMPFAIL;
	if (!l->started || l->stopping)
		l->over = 1;
	load_stop(l);
}

/* What poll is to look at; returns the entries. */
static size_t
load_pollfds(struct load *l, int signal_fd, struct pollfd *fds, size_t n)
{
	int reads = l->reader != NULL && l->reader->hungry &&
	    !l->reader->done && l->started;

	fds[SLOT_SIGNAL] = (struct pollfd){ .fd = signal_fd, .events = POLLIN };
	fds[SLOT_STDIN] = (struct pollfd){ .fd = reads ? STDIN_FILENO : -1,
		.events = POLLIN };
	fds[SLOT_STDOUT] = (struct pollfd){
		.fd = l->out_blocked ? STDOUT_FILENO : -1, .events = POLLOUT };
	return SLOT_WT + wt_pollfds(l->wt, fds + SLOT_WT, n - SLOT_WT);
}

void
load_run(struct load *l, int signal_fd, struct metrics *m)
{
	struct pollfd fds[SLOT_WT + 1];
	uint64_t metrics_ns;
	size_t n;

	load_tick(l);
	l->began = l->now;
	clients_begin(l);
	for (;;) {
		wakes_run(l);
		flows_run(l);
		wt_flush(l->wt);
		flows_sent(l);
		receive_flush(l);
		if (l->ended == l->nclients && buf_len(&l->out) == 0)
			l->over = 1;
		if (l->over)
			break;
		metrics_ns = metrics_tick(m, l->now);
		n = load_pollfds(l, signal_fd, fds, SLOT_WT + 1);
		if (poll(fds, n, load_timeout(l, metrics_ns)) == -1)
			continue; /* EINTR: no handler, so of no interest */
		load_tick(l);
		if (fds[SLOT_SIGNAL].revents != 0)
			load_signal(l, signal_fd);
		if (fds[SLOT_STDIN].revents != 0)
			load_read_stdin(l);
		wt_read(l->wt);
	}
}

int
load_exit_code(const struct load *l)
{
	const struct totals *t = &l->total;
	uint64_t unacked = 0, lost = 0;

	for (size_t i = 0; i < l->cfg->ntracks; i++) {
		unacked += l->cfg->tracks[i].unacked_bytes;
		lost += l->cfg->tracks[i].lost_packets +
		    l->cfg->tracks[i].too_large;
	}
	if (l->exit_code != 0)
		return l->exit_code;
	if (t->sessions_refused > 0)
		return EX_NOPERM;
	if (t->connections_failed > 0 || t->sessions_failed > 0 ||
	    t->sessions_cut > 0)
		return EX_UNAVAILABLE;
	if (t->stopped > 0 || t->echo_wrong > 0)
		return EX_PROTOCOL;
	if (unacked > 0 || lost > 0 || t->unfinished > 0 ||
	    t->echo_missing > 0)
		return EX_TEMPFAIL;
	return EX_OK;
}
