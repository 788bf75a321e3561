#include "loop.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sysexits.h>
#include <unistd.h>

#include "log.h"
#include "stage.h"

#define NS_PER_MS UINT64_C(1000000)
#define TICK_NS (ENDPOINT_TICK_MS * NS_PER_MS)
#define EVENTS_MAX 128

/*
 * A message of a few records costs nearly what one of many does. When input
 * is plentiful and spread over many endpoints, it is gathered up to here
 * before it is sent.
 */
#define GATHER_RECORDS 32 /* for each endpoint, on average */
#define GATHER_NS NS_PER_MS

/* What an epoll event is about: a slot, or SLOT_ENDPOINT plus an index. */
enum { SLOT_IN, SLOT_SIGNALS, SLOT_CONTROL, SLOT_ENDPOINT };

static int
loop_watch(struct loop *l, int op, int fd, uint32_t events, uint32_t slot)
{
	struct epoll_event ev = { .events = events, .data.u32 = slot };

	return epoll_ctl(l->epfd, op, fd, &ev);
}

static void
loop_open(struct loop *l)
{
	struct route *r = l->route;

	l->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (l->epfd == -1 || loop_watch(l, EPOLL_CTL_ADD, l->signals, EPOLLIN,
	    SLOT_SIGNALS) == -1)
		fatal(EX_OSERR, "epoll");
	for (uint32_t i = 0; i < r->config->nendpoints; i++) {
		if (loop_watch(l, EPOLL_CTL_ADD, r->endpoints[i].fd, EPOLLIN,
		    SLOT_ENDPOINT + i) == -1)
			fatal(EX_OSERR, "epoll");
		/* What happened before is not told again. */
		route_mark(r, &r->endpoints[i]);
	}
	l->control = -1;
}

/* Reading is wanted unless a queue is full: that is the back-pressure. */
static void
loop_arm_in(struct loop *l)
{
	int want = !l->stopped && l->route->blocked == NULL;

	if (l->in_plain) {
		l->in_ready = want;
		return;
	}
	if (want == l->in_armed)
		return;
	/* Taken out, not masked: epoll would go on to tell of its end. */
	if (loop_watch(l, want ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, l->in,
	    EPOLLIN, SLOT_IN) == 0) {
		l->in_armed = want;
	} else if (errno == EPERM) {
		l->in_plain = 1;
		l->in_ready = want;
	} else {
		fatal(EX_OSERR, "epoll");
	}
}

static void
loop_arm_control(struct loop *l)
{
	const struct control *c = &l->route->control;
	uint32_t events = control_events(c);
	int op = l->control == c->fd ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;

	/* A closed one has left epoll by itself. */
	if (c->fd != -1 && (op == EPOLL_CTL_ADD ||
	    events != l->control_events)) {
		if (loop_watch(l, op, c->fd, events, SLOT_CONTROL) == -1)
			fatal(EX_OSERR, "epoll");
		l->control_events = events;
	}
	l->control = c->fd;
}

static void
loop_stop(struct loop *l, int status)
{
	if (l->stopped)
		return;
	l->stopped = 1;
	l->stopped_at = l->now;
	l->status = status;
}

static void
loop_event(struct loop *l, uint32_t slot)
{
	switch (slot) {
	case SLOT_IN:
		l->in_ready = 1;
		break;
	case SLOT_SIGNALS:
		/* The configuration is read once, so a reload is nothing. */
		if (stage_signal_read(l->signals) != STAGE_STOP)
			break;
		l->hurry = l->stopped;
		log_debug("stopping");
		loop_stop(l, EX_OK);
		break;
	case SLOT_CONTROL:
		control_io(&l->route->control, l->now);
		break;
	default:
		route_mark(l->route,
		    &l->route->endpoints[slot - SLOT_ENDPOINT]);
		break;
	}
}

static void
loop_dispatch(struct loop *l)
{
	const char *why = "";
	enum dispatch rc = dispatch_input(l->route, &l->buf, &why);

	l->held = rc == DISPATCH_BLOCKED;
	if (rc != DISPATCH_MALFORMED)
		return;
	log_warnx("stdin: malformed record: %s", why);
	buf_free(&l->buf);
	loop_stop(l, EX_PROTOCOL);
	l->status = EX_PROTOCOL; /* the graver reason of two */
}

static void
loop_input(struct loop *l)
{
	enum stage_io io;
	size_t had;

	if (!dispatch_unblocked(l->route))
		return;
	if (!l->in_ready || l->stopped) {
		if (l->held)
			loop_dispatch(l);
		return;
	}
	l->in_ready = 0;
	had = buf_len(&l->buf);
	io = stage_read(l->in, &l->buf, STAGE_CHUNK);
	l->in_full = buf_len(&l->buf) - had == STAGE_CHUNK;
	switch (io) {
	case STAGE_IO_OK:
		loop_dispatch(l);
		break;
	case STAGE_IO_AGAIN:
		break;
	case STAGE_IO_EOF:
		log_info("end of input");
		l->ended = 1;
		loop_stop(l, EX_OK);
		loop_dispatch(l);
		break;
	case STAGE_IO_ERROR:
		log_warn("stdin");
		loop_stop(l, EX_IOERR);
		break;
	}
}

static void
loop_flush(struct loop *l)
{
	struct route *r = l->route;

	if (l->in_full && !l->held && !l->stopped &&
	    r->stats.records - l->flushed_records <
		GATHER_RECORDS * (uint64_t)r->ndirty &&
	    l->now - l->flushed_at < GATHER_NS) {
		l->again = 1;
		return;
	}
	l->again = route_flush(r, l->now);
	l->flushed_at = l->now;
	l->flushed_records = r->stats.records;
}

static void
loop_ticks(struct loop *l)
{
	struct route *r = l->route;

	metrics_tick(l->metrics, l->now);
	if (l->now < l->tick_at)
		return;
	l->tick_at = l->now + TICK_NS;
	control_tick(&r->control, l->now);
	for (uint32_t i = 0; i < r->config->nendpoints; i++)
		if (endpoint_tick(&r->endpoints[i], l->now))
			route_mark(r, &r->endpoints[i]);
}

/* 1 when nothing is left to be done, or no more time for it. */
static int
loop_done(struct loop *l)
{
	if (!l->stopped)
		return 0;
	if (l->hurry || l->now - l->stopped_at >= l->drain_ns)
		return 1;
	return !l->held && route_empty(l->route);
}

static int
loop_timeout(const struct loop *l)
{
	if (l->again || (l->in_plain && l->in_ready))
		return 0;
	return stage_poll_ms(l->tick_at > l->now ? l->tick_at - l->now : 0);
}

/* What is left of the input at the end. */
static void
loop_leftover(struct loop *l)
{
	if (l->held) {
		log_warnx("stdin: %zu bytes read and not routed",
		    buf_len(&l->buf));
	} else if (l->ended && buf_len(&l->buf) > 0) {
		log_warnx("stdin: ends inside a record");
		l->status = EX_PROTOCOL;
	}
}

int
loop_run(struct loop *l)
{
	struct epoll_event ev[EVENTS_MAX];
	int n;

	l->now = stage_monotonic();
	loop_open(l);
	while (!loop_done(l)) {
		loop_arm_in(l);
		loop_arm_control(l);
		n = epoll_wait(l->epfd, ev, EVENTS_MAX, loop_timeout(l));
		if (n == -1 && errno != EINTR)
			fatal(EX_OSERR, "epoll_wait");
		l->now = stage_monotonic();
		for (int i = 0; i < n; i++)
			loop_event(l, ev[i].data.u32);
		loop_input(l);
		loop_flush(l);
		loop_ticks(l);
		l->again |= l->route->dirty != NULL ||
		    (l->route->blocked != NULL && dispatch_unblocked(l->route));
	}
	loop_leftover(l);
	for (uint32_t i = 0; i < l->route->config->nendpoints; i++)
		endpoint_abandon(&l->route->endpoints[i]);
	buf_free(&l->buf);
	close(l->epfd);
	return l->status;
}
