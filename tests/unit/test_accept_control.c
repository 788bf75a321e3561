/*
 * wt-accept's control socket and its tables, over a socket pair. The endpoint
 * is made up here: what is asked of it is written down.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../wt-accept/control.h"
#include "be.h"
#include "rec.h"
#include "sock.h"

#define MAX_SEND 1000

struct wt_conn {
	size_t consumed;
};

struct wt_session {
	struct wt_conn *c;
	void *data;
	int credit; /* streams it may open */
};

struct wt_stream {
	struct wt_session *s;
	void *data;
	int64_t id;
	int uni, local, ended, paused;
	size_t unacked, consumed;
};

static struct wt_conn the_conn;
static struct wt_session the_session;
static struct wt_stream uni_in, bidi_in, uni_out;
static char asked[4096]; /* what was asked of the endpoint */

#define SAY(...)                                                     \
	snprintf(asked + strlen(asked), sizeof(asked) - strlen(asked), \
	    __VA_ARGS__)

struct wt_conn *
wt_session_conn(const struct wt_session *s)
{
	return s->c;
}

void
wt_session_set_data(struct wt_session *s, void *data)
{
	s->data = data;
}

void
wt_session_close(struct wt_session *s, uint32_t code, const char *reason,
    size_t n)
{
	(void)s;
	SAY("close %u %.*s;", code, (int)n, reason);
}

void
wt_session_drain(struct wt_session *s)
{
	(void)s;
	SAY("drain;");
}

int
wt_session_datagram(struct wt_session *s, const void *data, size_t len)
{
	(void)s;
	if (len > wt_session_datagram_max(s))
		return -1;
	if (len == 3)
		return -1; /* stands for a full queue */
	SAY("datagram %.*s;", (int)len, (const char *)data);
	return 0;
}

size_t
wt_session_datagram_max(const struct wt_session *s)
{
	(void)s;
	return 10;
}

struct wt_stream *
wt_stream_open(struct wt_session *s, int uni)
{
	if (s->credit == 0)
		return NULL;
	s->credit--;
	uni_out = (struct wt_stream){ s, NULL, uni ? 15 : 13, uni, 1, 0, 0, 0,
		0 };
	return &uni_out;
}

int64_t
wt_stream_id(const struct wt_stream *st)
{
	return st->id;
}

int
wt_stream_is_uni(const struct wt_stream *st)
{
	return st->uni;
}

int
wt_stream_is_local(const struct wt_stream *st)
{
	return st->local;
}

void
wt_stream_set_data(struct wt_stream *st, void *data)
{
	st->data = data;
}

int
wt_stream_write(struct wt_stream *st, const void *data, size_t len, int fin)
{
	(void)data;
	if (st->ended)
		return -1;
	SAY("write %d %zu%s;", (int)st->id, len, fin ? " fin" : "");
	st->unacked += len;
	st->ended = fin;
	return 0;
}

size_t
wt_stream_unacked(const struct wt_stream *st)
{
	return st->unacked;
}

void
wt_stream_reset(struct wt_stream *st, uint32_t code)
{
	SAY("reset %d %u;", (int)st->id, code);
}

void
wt_stream_stop(struct wt_stream *st, uint32_t code)
{
	SAY("stop %d %u;", (int)st->id, code);
}

void
wt_stream_consumed(struct wt_stream *st, size_t n)
{
	st->consumed += n;
}

void
wt_stream_pause(struct wt_stream *st)
{
	SAY("pause %d;", (int)st->id);
}

void
wt_stream_resume(struct wt_stream *st)
{
	SAY("resume %d;", (int)st->id);
}

void
wt_conn_consumed(struct wt_conn *c, size_t n)
{
	c->consumed += n;
}

struct fixture {
	struct sessions sessions;
	struct control control;
	struct session *s;
	struct stream *uni, *bidi;
	int fd; /* the client's end */
	struct buf got;
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int fds[2];

	memset(asked, 0, sizeof(asked));
	the_conn = (struct wt_conn){ 0 };
	the_session = (struct wt_session){ &the_conn, NULL, 2 };
	uni_in = (struct wt_stream){ .s = &the_session, .id = 2, .uni = 1 };
	bidi_in = (struct wt_stream){ .s = &the_session, .id = 4 };
	sessions_init(&f->sessions, UINT64_C(1700000000) * 1000000000 + 5);
	f->s = session_new(&f->sessions, &the_session);
	f->s->opened = 1;
	f->uni = stream_new(&f->sessions, f->s, &uni_in);
	f->bidi = stream_new(&f->sessions, f->s, &bidi_in);
	f->control = (struct control){ .sessions = &f->sessions,
		.max_send_buffer = MAX_SEND,
		.listen_fd = -1 };
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	sock_nonblock(fds[0]);
	sock_nonblock(fds[1]);
	control_add(&f->control, fds[0]);
	f->fd = fds[1];
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	control_close(&f->control);
	sessions_free(&f->sessions);
	buf_free(&f->got);
	if (f->fd != -1)
		close(f->fd);
	free(f);
	return 0;
}

/* Turns until nothing is left to do at once. */
static void
run(struct fixture *f)
{
	struct pollfd fds[CONTROL_POLLFDS];
	uint8_t tmp[4096];
	ssize_t n;

	do {
		control_pollfds(&f->control, fds);
		if (poll(fds, CONTROL_POLLFDS, 0) == -1)
			fail();
		control_run(&f->control, fds);
		n = f->fd == -1 ? -1 : read(f->fd, tmp, sizeof(tmp));
		if (n > 0)
			buf_append(&f->got, tmp, (size_t)n);
		control_pollfds(&f->control, fds);
	} while (n > 0 || poll(fds, CONTROL_POLLFDS, 0) > 0);
}

static void
send_bytes(struct fixture *f, const void *p, size_t n)
{
	assert_int_equal(write(f->fd, p, n), n);
}

static void
send_rec(struct fixture *f, uint8_t type, uint8_t flags, uint64_t session,
    uint64_t stream, const void *payload, size_t len)
{
	struct rec r = { (uint32_t)len, type, flags, session, stream, 0,
		payload };
	struct buf b = { 0 };

	rec_append(&b, &r);
	send_bytes(f, buf_data(&b), buf_len(&b));
	buf_free(&b);
}

/* Expects an answer and consumes it. */
static void
expect(struct fixture *f, uint8_t type, uint64_t stream, const void *payload,
    size_t len)
{
	struct rec r;
	int64_t n = rec_get(buf_data(&f->got), buf_len(&f->got), &r, NULL);

	assert_true(n > 0);
	assert_int_equal(r.type, type);
	assert_int_equal(r.stream, stream);
	assert_int_equal(r.len, len);
	assert_memory_equal(r.payload, payload, len);
	buf_consume(&f->got, (size_t)n);
}

static void
expect_refused(struct fixture *f, uint8_t type, uint64_t token,
    uint64_t stream, const char *reason)
{
	uint8_t payload[128];

	payload[0] = type;
	be64_put(payload + 1, token);
	memcpy(payload + 9, reason, strlen(reason));
	expect(f, REC_REFUSED, stream, payload, 9 + strlen(reason));
}

#define ID (f->s->node.k1)
#define NONE REC_NO_STREAM
#define CODE7 "\0\0\0\7"

static void
requests_reach_the_endpoint(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(ID, UINT64_C(1700000000) << 32);
	send_rec(f, REC_STREAM_DATA, REC_FIN, ID, 4, "hello", 5);
	send_rec(f, REC_STREAM_RESET, 0, ID, 4, CODE7, 4);
	send_rec(f, REC_STOP_SENDING, REC_REQUEST, ID, 2, CODE7, 4);
	send_rec(f, REC_PAUSE, 0, ID, 2, NULL, 0);
	send_rec(f, REC_RESUME, 0, ID, 4, NULL, 0);
	send_rec(f, REC_DATAGRAM, 0, ID, NONE, "dg", 2);
	send_rec(f, REC_SESSION_DRAIN, 0, ID, NONE, NULL, 0);
	send_rec(f, REC_SESSION_CLOSE, 0, ID, NONE, CODE7 "bye", 7);
	run(f);
	assert_string_equal(asked,
	    "write 4 5 fin;reset 4 7;stop 2 7;pause 2;resume 4;datagram dg;"
	    "drain;close 7 bye;");
	assert_int_equal(buf_len(&f->got), 0);
	/* Remembered, for the end the stream has to be given. */
	assert_true(f->uni->stopped && f->uni->stop_code == 7);
	assert_false(f->bidi->stopped);
	assert_int_equal(f->control.records, 8);
	assert_int_equal(f->control.refused, 0);
}

static void
streams_are_opened(void **state)
{
	struct fixture *f = *state;
	struct rec r;

	send_rec(f, REC_STREAM_OPEN, REC_UNI, ID, NONE, "\0\0\0\0\0\0\0\1", 8);
	run(f);
	assert_true(rec_get(buf_data(&f->got), buf_len(&f->got), &r, NULL) > 0);
	assert_int_equal(r.flags, REC_UNI | REC_SERVER);
	expect(f, REC_STREAM_OPENED, 15, "\0\0\0\0\0\0\0\1", 8);
	send_rec(f, REC_STREAM_DATA, 0, ID, 15, "x", 1);
	the_session.credit = 0;
	send_rec(f, REC_STREAM_OPEN, 0, ID, NONE, "\0\0\0\0\0\0\0\2", 8);
	run(f);
	assert_string_equal(asked, "write 15 1;");
	expect_refused(f, REC_STREAM_OPEN, 2, NONE, "no stream credit");
}

static void
refusals(void **state)
{
	struct fixture *f = *state;

	bidi_in.ended = 1;
	send_rec(f, REC_SESSION_DRAIN, 0, ID + 1, NONE, NULL, 0);
	send_rec(f, REC_STREAM_DATA, 0, ID + 1, 4, "x", 1);
	send_rec(f, REC_PAUSE, 0, ID, 6, NULL, 0);
	send_rec(f, REC_STREAM_DATA, 0, ID, 2, "x", 1);
	send_rec(f, REC_STREAM_RESET, 0, ID, 2, CODE7, 4);
	send_rec(f, REC_STREAM_DATA, 0, ID, 4, "x", 1);
	send_rec(f, REC_DATAGRAM, 0, ID, NONE, "0123456789a", 11);
	send_rec(f, REC_DATAGRAM, 0, ID, NONE, "012", 3);
	send_rec(f, REC_STREAM_OPEN, REC_UNI, ID, NONE, "\0\0\0\0\0\0\0\1", 8);
	send_rec(f, REC_STOP_SENDING, 0, ID, 15, CODE7, 4);
	run(f);
	expect_refused(f, REC_SESSION_DRAIN, 0, NONE, "unknown session");
	expect_refused(f, REC_STREAM_DATA, 0, 4, "unknown session");
	expect_refused(f, REC_PAUSE, 0, 6, "unknown stream");
	expect_refused(f, REC_STREAM_DATA, 0, 2,
	    "only the client writes to this stream");
	expect_refused(f, REC_STREAM_RESET, 0, 2,
	    "only the client writes to this stream");
	expect_refused(f, REC_STREAM_DATA, 0, 4, "stream has ended");
	expect_refused(f, REC_DATAGRAM, 0, NONE, "datagram too large");
	expect_refused(f, REC_DATAGRAM, 0, NONE, "datagram queue is full");
	expect(f, REC_STREAM_OPENED, 15, "\0\0\0\0\0\0\0\1", 8);
	expect_refused(f, REC_STOP_SENDING, 0, 15,
	    "only the server writes to this stream");
	assert_string_equal(asked, "");
	assert_int_equal(f->control.refused, 9);
	/* A closed session is unknown although its records still wait. */
	f->s->wt = NULL;
	send_rec(f, REC_SESSION_DRAIN, 0, ID, NONE, NULL, 0);
	run(f);
	expect_refused(f, REC_SESSION_DRAIN, 0, NONE, "unknown session");
}

static void
what_is_no_request_is_skipped(void **state)
{
	struct fixture *f = *state;
	static uint8_t big[100000];

	send_rec(f, REC_PACKET, 0, ID, 2, big, sizeof(big));
	run(f);
	send_rec(f, 200, 0, ID, NONE, NULL, 0);
	send_rec(f, REC_PAUSE, 0, ID, 2, NULL, 0);
	run(f);
	expect_refused(f, REC_PACKET, 0, 2, "not a request");
	expect_refused(f, 200, 0, NONE, "not a request");
	assert_string_equal(asked, "pause 2;");
	assert_int_equal(f->control.errors, 0);
}

static void
byte_by_byte_is_the_same(void **state)
{
	struct fixture *f = *state;
	struct rec r = { 2, REC_DATAGRAM, 0, ID, NONE, 0,
		(const uint8_t *)"dg" };
	struct buf b = { 0 };

	rec_append(&b, &r);
	for (size_t i = 0; i < buf_len(&b); i++) {
		assert_string_equal(asked, "");
		send_bytes(f, buf_data(&b) + i, 1);
		run(f);
	}
	assert_string_equal(asked, "datagram dg;");
	buf_free(&b);
}

static void
malformed_costs_the_connection(void **state)
{
	static const struct {
		uint8_t type;
		uint64_t stream;
		const char *payload;
		size_t len;
	} rows[] = {
		{ REC_SESSION_CLOSE, NONE, CODE7 "\xff", 5 },
		{ REC_SESSION_CLOSE, NONE, "\0", 1 },
		{ REC_SESSION_CLOSE, 4, CODE7, 4 },
		{ REC_PAUSE, NONE, NULL, 0 },
		{ REC_PAUSE, 4, "x", 1 },
		{ REC_STREAM_DATA, 4, NULL, 0 },
		{ 0, NONE, NULL, 0 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fixture *f = *state;

		send_rec(f, rows[i].type, 0, ID, rows[i].stream,
		    rows[i].payload, rows[i].len);
		run(f);
		if (f->control.errors != 1 || f->control.nconns != 0)
			fail_msg("row %zu", i);
		assert_string_equal(asked, "");
		teardown(state);
		setup(state);
	}
}

static void
end_of_input(void **state)
{
	struct fixture *f = *state;

	send_rec(f, REC_PAUSE, 0, ID, 2, NULL, 0);
	close(f->fd);
	f->fd = -1;
	run(f);
	assert_string_equal(asked, "pause 2;");
	assert_int_equal(f->control.nconns, 0);
	assert_int_equal(f->control.errors, 0);
	teardown(state);
	setup(state);
	f = *state;
	send_bytes(f, "\0\0\0\0", 4);
	shutdown(f->fd, SHUT_WR);
	run(f);
	assert_int_equal(f->control.nconns, 0);
	assert_int_equal(f->control.errors, 1);
}

static void
a_full_stream_holds_its_writer_only(void **state)
{
	struct fixture *f = *state;
	uint8_t data[MAX_SEND] = { 0 };
	int fds[2], first = f->fd;

	send_rec(f, REC_STREAM_DATA, 0, ID, 4, data, MAX_SEND);
	send_rec(f, REC_STREAM_DATA, 0, ID, 4, data, 1);
	send_rec(f, REC_STREAM_DATA, 0, ID, 4, data, 2);
	run(f);
	assert_string_equal(asked, "write 4 1000;write 4 1;");
	/* Another connection overtakes it. */
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	sock_nonblock(fds[0]);
	sock_nonblock(fds[1]);
	control_add(&f->control, fds[0]);
	f->fd = fds[1];
	send_rec(f, REC_PAUSE, 0, ID, 2, NULL, 0);
	run(f);
	assert_string_equal(asked, "write 4 1000;write 4 1;pause 2;");
	/* The first hangs up, which must not turn into a busy loop; what it
	 * sent still counts, as soon as there is room. */
	close(first);
	run(f);
	assert_int_equal(f->control.nconns, 2);
	bidi_in.unacked = MAX_SEND;
	run(f);
	assert_string_equal(asked,
	    "write 4 1000;write 4 1;pause 2;write 4 2;");
	/* Its stream goes: nothing holds it up any more. */
	stream_free(&f->sessions, f->bidi);
	run(f);
	assert_int_equal(f->control.nconns, 1);
	assert_int_equal(f->control.errors, 0);
}

static void
answers_not_taken_hold_their_connection(void **state)
{
	struct fixture *f = *state;
	struct pollfd fds[CONTROL_POLLFDS];
	size_t sent = 0, answers = 0;
	struct rec r = { 0, REC_PAUSE, 0, ID, 6, 0, NULL };
	uint8_t raw[REC_HEADER_LEN];
	struct rec got;
	int64_t n;

	/* Requests that are refused, until nothing moves any more. */
	rec_header_put(raw, &r);
	for (int idle = 0; idle < 3;) {
		idle++;
		while (write(f->fd, raw, sizeof(raw)) == sizeof(raw)) {
			sent++;
			idle = 0;
		}
		control_pollfds(&f->control, fds);
		poll(fds, CONTROL_POLLFDS, 0);
		control_run(&f->control, fds);
	}
	assert_true(f->control.records < sent);
	run(f);
	while ((n = rec_get(buf_data(&f->got), buf_len(&f->got), &got, NULL)) >
	    0) {
		assert_int_equal(got.type, REC_REFUSED);
		answers++;
		buf_consume(&f->got, (size_t)n);
	}
	assert_int_equal(answers, sent);
	assert_int_equal(f->control.nconns, 1);
}

static void
connections_are_limited(void **state)
{
	struct fixture *f = *state;
	struct pollfd fds[CONTROL_POLLFDS];
	int pair[2];

	while (f->control.nconns < CONTROL_MAX) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
		close(pair[1]);
		assert_int_equal(control_add(&f->control, pair[0]), 0);
	}
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(control_add(&f->control, pair[0]), -1);
	close(pair[1]);
	f->control.listen_fd = dup(f->fd);
	control_pollfds(&f->control, fds);
	assert_int_equal(fds[0].fd, -1);
}

/* Without a descriptor left, who waits to be accepted does not keep the loop
 * turning; with one again he is. */
static void
no_descriptor_left(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	socklen_t len = sizeof(sa_family_t); /* any abstract name */
	struct pollfd fds[CONTROL_POLLFDS];
	struct rlimit old, few;
	int fd, next;

	f->control.listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(f->control.listen_fd, (struct sockaddr *)&un,
	    len), 0);
	assert_int_equal(listen(f->control.listen_fd, 5), 0);
	len = sizeof(un);
	getsockname(f->control.listen_fd, (struct sockaddr *)&un, &len);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&un, len), 0);
	next = dup(0);
	close(next);
	getrlimit(RLIMIT_NOFILE, &old);
	few = old;
	few.rlim_cur = (rlim_t)next;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	control_pollfds(&f->control, fds);
	fds[0].revents = POLLIN;
	control_run(&f->control, fds);
	control_pollfds(&f->control, fds);
	setrlimit(RLIMIT_NOFILE, &old);
	assert_int_equal(fds[0].fd, -1);
	assert_int_equal(f->control.nconns, 1);
	assert_in_range(control_timeout_ms(&f->control), 1, 1000);
	while (f->control.nconns == 1) {
		control_pollfds(&f->control, fds);
		poll(fds, CONTROL_POLLFDS, control_timeout_ms(&f->control));
		control_run(&f->control, fds);
	}
	assert_int_equal(control_timeout_ms(&f->control), -1);
	close(fd);
}

static void
take(struct fixture *f, uint8_t type, uint64_t stream, size_t payload)
{
	struct rec r = { (uint32_t)payload, type, 0, ID, stream, 0, NULL };

	sessions_taken(&f->sessions, &r, REC_HEADER_LEN + payload, payload, 1);
}

static void
windows_open_for_what_was_taken(void **state)
{
	struct fixture *f = *state;
	struct conn *c = f->s->conn;

	c->queued = 1000;
	take(f, REC_STREAM_DATA, 2, 10);
	assert_int_equal(uni_in.consumed, 10);
	take(f, REC_DATAGRAM, NONE, 20);
	assert_int_equal(uni_in.consumed, 10);
	/* A closed stream's bytes still hold the connection's window. */
	stream_free(&f->sessions, f->uni);
	take(f, REC_STREAM_DATA, 2, 5);
	assert_int_equal(the_conn.consumed, 5);
	/* So do a closed session's. */
	stream_free(&f->sessions, f->bidi);
	f->s->wt = NULL;
	take(f, REC_STREAM_DATA, 4, 7);
	assert_int_equal(the_conn.consumed, 12);
	/* Nobody is there to be given window. */
	conn_gone(&f->sessions, &the_conn);
	take(f, REC_STREAM_DATA, 4, 9);
	assert_int_equal(the_conn.consumed, 12);
	assert_int_equal(c->queued, 1000 - 5 * REC_HEADER_LEN - 51);
	take(f, REC_SESSION_CLOSE, NONE, 4);
	assert_int_equal(f->sessions.sessions.count, 0);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(requests_reach_the_endpoint),
		TEST(streams_are_opened),
		TEST(refusals),
		TEST(what_is_no_request_is_skipped),
		TEST(byte_by_byte_is_the_same),
		TEST(malformed_costs_the_connection),
		TEST(end_of_input),
		TEST(a_full_stream_holds_its_writer_only),
		TEST(answers_not_taken_hold_their_connection),
		TEST(connections_are_limited),
		TEST(no_descriptor_left),
		TEST(windows_open_for_what_was_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
