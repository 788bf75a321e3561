#include "wt.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <sysexits.h>
#include <unistd.h>

#include "log.h"
#include "stage.h"
#include "wt_int.h"

#define WT_EVENTS 64	  /* ready sockets taken per turn */
#define WT_FINE_NS (2 * WT_NS_PER_MS) /* deadlines this near get a timer with
				       * more than poll's resolution */
#define WT_STATELESS_PER_S 1000 /* answers to packets without a connection */

void
wt_config_init(struct wt_config *cfg)
{
	*cfg = (struct wt_config){
		.max_data = 1024 * 1024,
		.max_stream_data = 256 * 1024,
		.max_window = 16 * 1024 * 1024,
		.max_stream_window = 8 * 1024 * 1024,
		.max_streams_uni = 1024,
		.max_streams_bidi = 1024,
		.max_datagram_size = 3000,
		.idle_timeout_ms = 30000,
		.handshake_timeout_ms = 10000,
		.max_field_section = 16384,
		.max_send_datagrams = 256,
		.max_connections = 10000,
		.max_sessions_per_connection = 16,
		.max_handshakes_per_second = 1000,
		.max_buffered_streams = 64,
		.retry = WT_RETRY_AUTO,
	};
}

void
wt_tick(struct wt *wt)
{
	wt->now = stage_monotonic();
	wt->batch = stage_realtime();
}

uint64_t
wt_clock(const struct wt *wt)
{
	return wt->batch != 0 ? wt->batch : stage_realtime();
}

uint64_t
wt_rate_left(struct wt_rate *r, uint64_t now)
{
	uint64_t one;

	if (r->per_second == 0)
		return UINT64_MAX;
	r->credit += now - r->last;
	if (r->credit > WT_NS_PER_S || r->last == 0)
		r->credit = WT_NS_PER_S;
	r->last = now;
	one = WT_NS_PER_S / r->per_second;
	return one == 0 ? UINT64_MAX : r->credit / one;
}

int
wt_rate_take(struct wt_rate *r, uint64_t now)
{
	if (wt_rate_left(r, now) == 0)
		return 0;
	if (r->per_second != 0)
		r->credit -= WT_NS_PER_S / r->per_second;
	return 1;
}

/* -------------------------------------------------------------- sockets */

struct wt_sock *
wt_sock_new(struct wt *wt, const struct sockaddr *local, socklen_t locallen,
    const struct sockaddr *remote, socklen_t remotelen)
{
	struct wt_sock *so = calloc(1, sizeof(*so));
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = so };

	if (so == NULL)
		fatal(EX_OSERR, "calloc");
	if (udp_open(&so->udp, local, locallen, remote, remotelen) == -1) {
		free(so);
		return NULL;
	}
	if (epoll_ctl(wt->epfd, EPOLL_CTL_ADD, so->udp.fd, &ev) == -1) {
		udp_close(&so->udp);
		free(so);
		return NULL;
	}
	so->as = so->udp.local;
	return so;
}

void
wt_sock_free(struct wt *wt, struct wt_sock *so)
{
	if (so->udp.stuck.data != NULL)
		wt->nstuck--;
	udp_close(&so->udp);
	free(so);
}

void
wt_sock_stuck(struct wt *wt, struct wt_sock *so, int stuck)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = so };

	if (stuck) {
		wt->nstuck++;
		ev.events |= EPOLLOUT;
	} else {
		wt->nstuck--;
	}
	epoll_ctl(wt->epfd, EPOLL_CTL_MOD, so->udp.fd, &ev);
}

/* A full socket is tried again; with room in it every connection may have
 * something that waited. */
static void
wt_sock_unstick(struct wt *wt, struct wt_sock *so)
{
	struct wt_conn *c;

	if (so->udp.stuck.data == NULL || udp_unstick(&so->udp) == 1)
		return;
	wt_sock_stuck(wt, so, 0);
	if (so->c != NULL) {
		quic_conn_dirty(so->c);
		return;
	}
	TAILQ_FOREACH(c, &wt->conns, link)
		quic_conn_dirty(c);
}

static void
wt_unstick(struct wt *wt)
{
	struct wt_sock *so;
	struct wt_conn *c;

	if (wt->nstuck == 0)
		return;
	SLIST_FOREACH(so, &wt->socks, next)
		wt_sock_unstick(wt, so);
	if (wt->server)
		return;
	TAILQ_FOREACH(c, &wt->conns, link)
		SLIST_FOREACH(so, &c->socks, next)
			wt_sock_unstick(wt, so);
}

int
wt_listen(struct wt *wt, const struct sockaddr *sa, socklen_t salen)
{
	struct wt_sock *so, *last = SLIST_FIRST(&wt->socks);
	char name[64];

	so = wt_sock_new(wt, sa, salen, NULL, 0);
	if (so == NULL) {
		log_warn("%s", udp_name(sa, name, sizeof(name)));
		return -1;
	}
	if (last == NULL) {
		SLIST_INSERT_HEAD(&wt->socks, so, next);
	} else {
		while (SLIST_NEXT(last, next) != NULL)
			last = SLIST_NEXT(last, next);
		SLIST_INSERT_AFTER(last, so, next);
	}
	wt->nsocks++;
	return 0;
}

int
wt_listen_addr(const struct wt *wt, size_t i, struct sockaddr_storage *sa,
    socklen_t *salen)
{
	struct wt_sock *so;

	SLIST_FOREACH(so, &wt->socks, next) {
		if (i-- > 0)
			continue;
		memset(sa, 0, sizeof(*sa));
		memcpy(sa, &so->udp.local.u, so->udp.local.len);
		*salen = so->udp.local.len;
		return 0;
	}
	return -1;
}

/* ------------------------------------------------------------- endpoint */

static struct wt *
wt_new(const struct wt_config *cfg, int server)
{
	struct wt *wt = calloc(1, sizeof(*wt));
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = NULL };

	if (wt == NULL)
		fatal(EX_OSERR, "calloc");
	wt->cfg = *cfg;
	wt->ev = cfg->events;
	wt->server = server;
	SLIST_INIT(&wt->socks);
	TAILQ_INIT(&wt->conns);
	TAILQ_INIT(&wt->dirty);
	TAILQ_INIT(&wt->dead);
	cidmap_init(&wt->cids);
	cidmap_init(&wt->writable);
	wt->handshakes.per_second = cfg->max_handshakes_per_second;
	wt->stateless.per_second = WT_STATELESS_PER_S;
	wt->timerfd_at = TIMERQ_NEVER;
	wt->rx = malloc(UDP_RX_SIZE);
	wt->tx = malloc(UDP_RX_SIZE);
	wt->epfd = epoll_create1(EPOLL_CLOEXEC);
	wt->timerfd = timerfd_create(CLOCK_MONOTONIC,
	    TFD_NONBLOCK | TFD_CLOEXEC);
	if (wt->rx == NULL || wt->tx == NULL || wt->epfd == -1 ||
	    wt->timerfd == -1 ||
	    epoll_ctl(wt->epfd, EPOLL_CTL_ADD, wt->timerfd, &ev) == -1)
		fatal(EX_OSERR, "epoll");
	wt_tick(wt);
	return wt;
}

struct wt *
wt_server_new(const struct wt_config *cfg)
{
	struct wt *wt = wt_new(cfg, 1);

	wt->tls = tls_server_new(cfg->cert_file, cfg->key_file,
	    cfg->keylog_file);
	if (wt->tls == NULL) {
		wt_free(wt);
		return NULL;
	}
	tls_derive(wt->tls, "sluice stateless reset", wt->reset_secret);
	tls_random(wt->token_secret, sizeof(wt->token_secret));
	return wt;
}

struct wt *
wt_client_new(const struct wt_config *cfg)
{
	struct wt *wt = wt_new(cfg, 0);

	wt->tls = tls_client_new(cfg->ca_file, cfg->cert_sha256,
	    cfg->keylog_file);
	if (wt->tls == NULL) {
		wt_free(wt);
		return NULL;
	}
	tls_random(wt->reset_secret, sizeof(wt->reset_secret));
	return wt;
}

void
wt_free(struct wt *wt)
{
	struct wt_conn *c;
	struct wt_sock *so;

	if (wt == NULL)
		return;
	wt_tick(wt);
	while ((c = TAILQ_FIRST(&wt->conns)) != NULL) {
		if (c->state == CONN_OPEN)
			quic_conn_write(c);
		quic_conn_close(c, H3_NO_ERROR, "closed");
		quic_conn_forget(c);
	}
	quic_reap(wt);
	while ((so = SLIST_FIRST(&wt->socks)) != NULL) {
		SLIST_REMOVE_HEAD(&wt->socks, next);
		wt_sock_free(wt, so);
	}
	close(wt->timerfd);
	close(wt->epfd);
	timerq_free(&wt->timers);
	cidmap_free(&wt->cids);
	cidmap_free(&wt->writable);
	tls_free(wt->tls);
	free(wt->rx);
	free(wt->tx);
	free(wt);
}

const struct wt_stats *
wt_stats(const struct wt *wt)
{
	return &wt->stats;
}

/* ------------------------------------------------------------- the loop */

size_t
wt_pollfds(const struct wt *wt, struct pollfd *fds, size_t n)
{
	if (n > 0) {
		fds[0].fd = wt->paused ? -1 : wt->epfd;
		fds[0].events = POLLIN;
		fds[0].revents = 0;
	}
	return 1;
}

void
wt_pause_reading(struct wt *wt, int on)
{
	wt->paused = on;
	if (on)
		wt->late = 1;
}

int
wt_timeout_ms(const struct wt *wt)
{
	uint64_t next = timerq_next(&wt->timers), now;
	int ms = -1;

	/* After a pause what came meanwhile, if anything did, is read first. */
	if (!TAILQ_EMPTY(&wt->dirty) || (wt->late && !wt->paused))
		return 0;
	if (wt->late)
		next = TIMERQ_NEVER;
	if (next != TIMERQ_NEVER) {
		now = stage_monotonic();
		ms = stage_poll_ms(next > now ? next - now : 0);
	}
	/* A full device queue gives no POLLOUT, a paused endpoint none. */
	if (wt->nstuck > 0 && (ms == -1 || ms > stage_poll_ms(WT_STUCK_NS)))
		ms = stage_poll_ms(WT_STUCK_NS);
	return ms;
}

/* poll counts in milliseconds, pacing in microseconds. */
static void
wt_set_timerfd(struct wt *wt)
{
	uint64_t next = timerq_next(&wt->timers);
	struct itimerspec its = { 0 };

	if (wt->late || next > wt->now + WT_FINE_NS)
		next = TIMERQ_NEVER;
	if (next == wt->timerfd_at)
		return;
	wt->timerfd_at = next;
	if (next != TIMERQ_NEVER) {
		its.it_value.tv_sec = (time_t)(next / WT_NS_PER_S);
		its.it_value.tv_nsec = (long)(next % WT_NS_PER_S);
	}
	timerfd_settime(wt->timerfd, TFD_TIMER_ABSTIME, &its, NULL);
}

static void
wt_clear_timerfd(struct wt *wt)
{
	uint64_t ticks;

	if (read(wt->timerfd, &ticks, sizeof(ticks)) == sizeof(ticks))
		wt->timerfd_at = TIMERQ_NEVER;
}

/* Ends of sessions and connections that came up while reading. */
static void
wt_settle(struct wt *wt)
{
	struct wt_conn *c, *next;

	for (c = TAILQ_FIRST(&wt->dirty); c != NULL; c = next) {
		next = TAILQ_NEXT(c, dirty_link);
		if (c->ended || c->close_asked || c->tls_done)
			h3_conn_settle(c);
	}
}

void
wt_read(struct wt *wt)
{
	struct epoll_event ev[WT_EVENTS];
	int n, more = 0;

	if (wt->paused)
		return;
	n = epoll_wait(wt->epfd, ev, WT_EVENTS, 0);
	wt_tick(wt);
	for (int i = 0; i < n; i++) {
		struct wt_sock *so = ev[i].data.ptr;

		if (so == NULL)
			wt_clear_timerfd(wt);
		else if (ev[i].events & (EPOLLIN | EPOLLERR))
			more |= quic_read_socket(wt, so);
	}
	if (!more && n < WT_EVENTS)
		wt->late = 0;
	wt_settle(wt);
	wt->batch = 0;
}

void
wt_flush(struct wt *wt)
{
	struct timer *t;
	struct wt_conn *c;

	wt_tick(wt);
	wt->batch = 0;
	wt_unstick(wt);
	/* What was not read may be the sign of life a timer waits for. */
	while (!wt->late && (t = timerq_pop(&wt->timers, wt->now)) != NULL) {
		c = (struct wt_conn *)(void *)((char *)t -
		    offsetof(struct wt_conn, timer));
		quic_conn_timeout(c);
	}
	/* What a callback makes dirty again is at the end of the queue. */
	while ((c = TAILQ_FIRST(&wt->dirty)) != NULL) {
		TAILQ_REMOVE(&wt->dirty, c, dirty_link);
		c->is_dirty = 0;
		if (c->ended || c->close_asked || c->tls_done)
			h3_conn_settle(c);
		if (c->state == CONN_OPEN)
			quic_conn_write(c);
		if (c->state == CONN_OPEN && c->close_asked)
			h3_conn_close_asked(c);
		quic_conn_set_timer(c);
	}
	quic_reap(wt);
	wt_set_timerfd(wt);
}

void
wt_drain(struct wt *wt)
{
	struct wt_conn *c;

	wt->draining = 1;
	TAILQ_FOREACH(c, &wt->conns, link)
		h3_conn_drain(c);
}

/* ---------------------------------------------------------- connections */

void
wt_conn_close(struct wt_conn *c)
{
	c->close_asked = 1;
	quic_conn_dirty(c);
}

int
wt_conn_update_keys(struct wt_conn *c)
{
	wt_tick(c->wt);
	if (c->state != CONN_OPEN ||
	    ngtcp2_conn_initiate_key_update(c->qc, c->wt->now) != 0)
		return -1;
	quic_conn_dirty(c);
	return 0;
}

void
wt_conn_consumed(struct wt_conn *c, size_t n)
{
	if (c->state != CONN_OPEN)
		return;
	ngtcp2_conn_extend_max_offset(c->qc, n);
	quic_conn_dirty(c);
}
