/*
 * echo: sends back what wt-accept's clients send. Reads its records on stdin
 * and writes to its control socket: bytes of a bidirectional stream go back
 * on the same stream, a unidirectional stream is answered by one of the
 * server's own with the same bytes, a datagram by the same datagram. FIN and
 * RESET are echoed too. For tests of clients.
 *
 * Bounds: while OUT_HIGH bytes wait for the control socket stdin is not read.
 * A client may be slow to grant streams: bytes wait for theirs, HELD_MAX in
 * all, after which a stream's echo is given up and said so.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sysexits.h>

#include "be.h"
#include "log.h"
#include "metrics.h"
#include "opt.h"
#include "rec.h"
#include "sock.h"
#include "stage.h"
#include "table.h"

#define OUT_HIGH (1024 * 1024)
#define HELD_MAX (64 * 1024 * 1024)
#define RETRY_NS UINT64_C(20000000) /* asks again for a stream refused */

/* A unidirectional stream of a client, and its answer. */
struct stream {
	struct table_node node; /* (session, stream) */
	TAILQ_ENTRY(stream) entry;
	uint64_t token;	 /* of the STREAM_OPEN */
	uint64_t answer; /* id of the answer, when opened */
	int opened, refused, dead;
	struct buf held; /* records for the answer, once it is open */
};

static struct table streams;
static TAILQ_HEAD(stream_list, stream) all = TAILQ_HEAD_INITIALIZER(all);
static struct buf in, out, control_in;
static uint64_t next_token = 1, held, retry_at = UINT64_MAX;
static uint64_t bytes, datagrams, opened, refused, given_up; /* counters */

static const struct metric rows[] = {
	{ "echo_bytes_total", NULL, METRIC_COUNTER, &bytes,
	    "Stream bytes sent back." },
	{ "echo_datagrams_total", NULL, METRIC_COUNTER, &datagrams,
	    "Datagrams sent back." },
	{ "echo_streams_opened_total", NULL, METRIC_COUNTER, &opened,
	    "Streams opened to answer with." },
	{ "echo_refused_total", NULL, METRIC_COUNTER, &refused,
	    "Requests wt-accept refused." },
	{ "echo_given_up_total", NULL, METRIC_COUNTER, &given_up,
	    "Streams whose echo was given up." },
	{ NULL, NULL, METRIC_GAUGE, NULL, NULL },
};

static struct stream *
stream_find(uint64_t session, uint64_t id)
{
	return (struct stream *)table_find(&streams, session, id);
}

static struct stream *
stream_by_token(uint64_t token)
{
	struct stream *st;

	TAILQ_FOREACH(st, &all, entry)
		if (st->token == token)
			return st;
	return NULL;
}

static void
stream_drop_held(struct stream *st)
{
	held -= buf_len(&st->held);
	buf_free(&st->held);
}

static void
stream_free(struct stream *st)
{
	stream_drop_held(st);
	TAILQ_REMOVE(&all, st, entry);
	table_remove(&streams, &st->node);
	free(st);
}

static void
ask_for_answer(struct stream *st)
{
	uint8_t token[8];
	const struct rec r = { .len = sizeof(token),
		.type = REC_STREAM_OPEN,
		.flags = REC_UNI,
		.session = st->node.k1,
		.stream = REC_NO_STREAM,
		.payload = token };

	be64_put(token, st->token);
	st->refused = 0;
	rec_append(&out, &r);
}

static struct stream *
stream_new(uint64_t session, uint64_t id)
{
	struct stream *st = calloc(1, sizeof(*st));

	if (st == NULL)
		fatal(EX_OSERR, "memory");
	st->node.k1 = session;
	st->node.k2 = id;
	st->token = next_token++;
	table_add(&streams, &st->node);
	TAILQ_INSERT_TAIL(&all, st, entry);
	ask_for_answer(st);
	return st;
}

/* A record of the client's stream, for its answer. */
static void
answer(struct stream *st, const struct rec *r)
{
	struct rec a = *r;
	int last = r->type == REC_STREAM_RESET || r->flags & REC_FIN;

	a.flags = r->flags & REC_FIN;
	a.stream = st->answer;
	if (st->opened) {
		rec_append(&out, &a);
	} else if (!st->dead && held + r->len > HELD_MAX) {
		log_warnx("stream %" PRIu64 ": its echo is given up: too "
			  "much waits for streams", r->stream);
		given_up++;
		st->dead = 1;
		stream_drop_held(st);
	} else if (!st->dead) {
		held -= buf_len(&st->held);
		rec_append(&st->held, &a);
		held += buf_len(&st->held);
	}
	if (last && st->opened)
		stream_free(st);
}

static void
on_stream(const struct rec *r)
{
	struct stream *st;
	struct rec back = *r;

	bytes += r->type == REC_STREAM_DATA ? r->len : 0;
	if ((r->flags & REC_UNI) == 0) {
		back.flags = r->flags & REC_FIN;
		rec_append(&out, &back);
		return;
	}
	st = stream_find(r->session, r->stream);
	if (st == NULL)
		st = stream_new(r->session, r->stream);
	answer(st, r);
}

static void
on_session_close(uint64_t session)
{
	struct stream *st, *next;

	for (st = TAILQ_FIRST(&all); st != NULL; st = next) {
		next = TAILQ_NEXT(st, entry);
		if (st->node.k1 == session)
			stream_free(st);
	}
}

/* From wt-accept's stdout. */
static void
on_record(const struct rec *r)
{
	switch (r->type) {
	case REC_STREAM_DATA:
	case REC_STREAM_RESET:
		on_stream(r);
		break;
	case REC_DATAGRAM:
		datagrams++;
		rec_append(&out, r);
		break;
	case REC_SESSION_CLOSE:
		on_session_close(r->session);
		break;
	default:
		break;
	}
}

/* What was held goes out on the stream that is there now. */
static void
on_opened(const struct rec *r)
{
	struct stream *st = stream_by_token(be64_get(r->payload));
	struct rec a;
	int64_t n;
	int last = 0;

	if (st == NULL)
		return;
	opened++;
	st->opened = 1;
	st->answer = r->stream;
	while ((n = rec_get(buf_data(&st->held), buf_len(&st->held), &a,
		    NULL)) > 0) {
		a.stream = st->answer;
		last = a.type == REC_STREAM_RESET || a.flags & REC_FIN;
		rec_append(&out, &a);
		held -= (uint64_t)n;
		buf_consume(&st->held, (size_t)n);
	}
	if (last)
		stream_free(st);
}

static void
on_refused(const struct rec *r, uint64_t now)
{
	struct stream *st = stream_by_token(be64_get(r->payload + 1));

	refused++;
	log_debug("refused: %.*s", (int)(r->len - 9),
	    (const char *)r->payload + 9);
	if (r->payload[0] != REC_STREAM_OPEN || st == NULL)
		return;
	st->refused = 1;
	if (retry_at == UINT64_MAX)
		retry_at = now + RETRY_NS;
}

static void
retry(uint64_t now)
{
	struct stream *st;

	if (now < retry_at)
		return;
	retry_at = UINT64_MAX;
	TAILQ_FOREACH(st, &all, entry)
		if (st->refused)
			ask_for_answer(st);
}

static void
take_input(uint64_t now)
{
	const char *why;
	struct rec r;
	int64_t n;

	while (buf_len(&out) < OUT_HIGH &&
	    (n = rec_get(buf_data(&in), buf_len(&in), &r, &why)) != 0) {
		if (n < 0)
			fatalx(EX_PROTOCOL, "stdin: %s", why);
		on_record(&r);
		buf_consume(&in, (size_t)n);
	}
	while ((n = rec_get(buf_data(&control_in), buf_len(&control_in), &r,
		    &why)) != 0) {
		if (n < 0)
			fatalx(EX_PROTOCOL, "control socket: %s", why);
		if (r.type == REC_STREAM_OPENED)
			on_opened(&r);
		else if (r.type == REC_REFUSED)
			on_refused(&r, now);
		buf_consume(&control_in, (size_t)n);
	}
	retry(now);
}

int
main(int argc, char **argv)
{
	enum { IN, CONTROL, SIGNALS, COUNT };
	const char *control = NULL, *metrics_path = NULL;
	int64_t ready_fd = -1;
	const struct opt opts[] = {
		{ "control", OPT_STRING, &control, "ENDPOINT",
		    "wt-accept's control socket, unix:PATH", 0, 0, NULL },
		{ "metrics", OPT_STRING, &metrics_path, "FILE",
		    "replace FILE with metrics every second", 0, 0, NULL },
		{ "ready-fd", OPT_INT, &ready_fd, "N",
		    "write a newline to N when ready", 0, INT32_MAX, NULL },
		{ NULL, OPT_FLAG, NULL, NULL, NULL, 0, 0, NULL },
	};
	struct metrics metrics = { .rows = rows };
	struct pollfd fds[COUNT] = { { 0 } };
	uint64_t now, wait;
	size_t left;
	int in_fd, open = 1;

	log_init("echo");
	if (opt_parse(argc, argv, opts,
		"wt-accept ... | echo --control unix:PATH") < argc ||
	    control == NULL)
		opt_usage("--control is needed, and no operands");
	metrics.path = metrics_path;
	in_fd = stage_open_in("-");
	fds[CONTROL].fd = sock_connect(control, STAGE_CONNECT_MS);
	if (fds[CONTROL].fd == -1)
		fatalx(EX_UNAVAILABLE, "--control %s: nobody", control);
	fds[SIGNALS].fd = stage_signals();
	fds[SIGNALS].events = POLLIN;
	fds[IN].events = POLLIN;
	stage_ready(ready_fd);

	while (open) {
		now = stage_monotonic();
		wait = metrics_tick(&metrics, now);
		if (retry_at <= now)
			wait = 0;
		else if (retry_at != UINT64_MAX && retry_at - now < wait)
			wait = retry_at - now;
		fds[IN].fd = buf_len(&out) < OUT_HIGH ? in_fd : -1;
		fds[CONTROL].events = POLLIN;
		if (buf_len(&out) > 0)
			fds[CONTROL].events |= POLLOUT;
		if (poll(fds, COUNT, stage_poll_ms(wait)) == -1 &&
		    errno != EINTR)
			fatal(EX_OSERR, "poll");
		if (fds[SIGNALS].revents != 0 &&
		    stage_signal_read(fds[SIGNALS].fd) == STAGE_STOP)
			open = 0;
		if (fds[IN].revents != 0 &&
		    stage_read(in_fd, &in, STAGE_CHUNK) == STAGE_IO_EOF)
			open = 0;
		if (fds[CONTROL].revents & (POLLIN | POLLHUP) &&
		    stage_read(fds[CONTROL].fd, &control_in, STAGE_CHUNK) ==
			STAGE_IO_EOF)
			fds[CONTROL].fd = -1; /* stdin will end too */
		do {
			left = buf_len(&in);
			take_input(now);
			if (fds[CONTROL].fd == -1)
				buf_consume(&out, buf_len(&out));
			else if (stage_write(fds[CONTROL].fd, &out) ==
			    STAGE_IO_EOF)
				fds[CONTROL].fd = -1;
		} while (buf_len(&in) < left && buf_len(&out) < OUT_HIGH);
	}
	metrics_write(&metrics, stage_monotonic());
	while (!TAILQ_EMPTY(&all))
		stream_free(TAILQ_FIRST(&all));
	table_free(&streams);
	buf_free(&in);
	buf_free(&out);
	buf_free(&control_in);
	return EX_OK;
}
