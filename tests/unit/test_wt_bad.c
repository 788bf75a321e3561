/* What a broken or hostile client sends, and what it gets for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../rawquic.h"
#include "capsule.h"
#include "h3field.h"
#include "h3frame.h"
#include "wt_pair.h"

struct bad {
	struct pair p;
	struct raw r;
};

static void
bad_turn(struct bad *b)
{
	pair_turn(&b->p);
	raw_turn(&b->r, 0);
	/* No other end than the server's. */
	assert_true(!b->r.closed || b->r.end == NGTCP2_ERR_DRAINING);
}

#define BAD_UNTIL(b, expr) PAIR_TURN_UNTIL(bad_turn(b), expr, #expr)

static const struct wt_stats *
stats(const struct bad *b)
{
	return wt_stats(b->p.server.wt);
}

/* A server, a good client with a session on it, and a raw one. */
static struct bad *
bad_start(void (*change)(struct pair *p))
{
	struct bad *b = calloc(1, sizeof(*b));

	assert_non_null(b);
	pair_init(&b->p);
	if (change != NULL)
		change(&b->p);
	pair_open(&b->p);
	raw_open(&b->r, (struct sockaddr *)&b->p.addr, b->p.addrlen, b->p.hash,
	    0);
	BAD_UNTIL(b, b->r.done);
	return b;
}

/* Whatever the raw client did, the good one's session must not feel it. */
static void
bad_end(struct bad *b)
{
	struct pair_stream *up, *ps;
	size_t n = b->p.server.nstreams;

	up = pair_stream_open(&b->p.client, b->p.client.sessions[0].s, 1);
	assert_non_null(up);
	assert_int_equal(wt_stream_write(up->st, "good", 4, 1), 0);
	/* By place: its id may be that of one of the raw client's, too. */
	ps = &b->p.server.streams[n];
	PAIR_UNTIL(&b->p, b->p.server.nstreams == n + 1 && ps->fin);
	assert_memory_equal(buf_data(&ps->in), "good", 4);
	raw_close(&b->r, 0);
	pair_free(&b->p);
	free(b);
}

static size_t
put_settings(uint8_t *p)
{
	struct h3_settings s;

	h3_settings_ours(&s, 1, 16384);
	return h3_settings_put(p, &s);
}

static struct raw_stream *
send_stream(struct bad *b, int uni, const void *p, size_t n, int fin)
{
	struct raw_stream *st = raw_stream(&b->r, uni, p, n, fin);

	assert_non_null(st);
	return st;
}

static void
send_datagram(struct bad *b, const void *p, size_t n)
{
	assert_true(raw_datagram(&b->r, p, n));
}

/* A control stream as it should be. */
static struct raw_stream *
send_control(struct bad *b)
{
	uint8_t buf[512];
	size_t n = h3_prefix_put(buf, H3_STREAM_CONTROL, 0);

	n += put_settings(buf + n);
	return send_stream(b, 1, buf, n, 0);
}

static struct raw_stream *
send_connect(struct bad *b, const char *path)
{
	struct buf req = { 0 };
	struct raw_stream *st;

	assert_int_equal(h3_request_put(&req, "localhost", path, NULL, 0), 0);
	st = send_stream(b, 0, buf_data(&req), buf_len(&req), 0);
	buf_free(&req);
	return st;
}

/* The status in the first HEADERS frame of a response; 0: not there yet. */
static int
status_of(const struct raw_stream *st)
{
	struct h3_frames f;
	const uint8_t *p = buf_data(&st->in);
	size_t n = buf_len(&st->in);
	struct h3_fields fields;
	int status = 0;

	h3_frames_init(&f, H3_ON_REQUEST, 0, 16384);
	if (h3_frames_next(&f, &p, &n) == H3_EV_HEADERS) {
		h3_response_get(f.payload, f.len, 16384, &fields, NULL);
		status = fields.status;
		h3_fields_free(&fields);
	}
	h3_frames_free(&f);
	return status;
}

static struct raw_stream *
send_session(struct bad *b)
{
	struct raw_stream *st;

	send_control(b);
	st = send_connect(b, "/raw");
	BAD_UNTIL(b, status_of(st) != 0);
	assert_int_equal(status_of(st), 200);
	return st;
}

/* The connection is closed with an HTTP/3 error. */
static void
expect_close(struct bad *b, uint64_t code)
{
	uint64_t before = stats(b)->h3_errors;

	BAD_UNTIL(b, b->r.closed);
	assert_true(b->r.close_is_app);
	assert_int_equal(b->r.close_code, code);
	assert_true(stats(b)->h3_errors <= before + 1);
	assert_int_equal(stats(b)->h3_errors, 1);
}

/* ------------------------------------------------------ control streams */

static void
test_frame_before_settings(void **state)
{
	static const uint8_t goaway[] = { 0x00, 0x07, 0x01, 0x00 };
	struct bad *b = bad_start(NULL);

	(void)state;
	send_stream(b, 1, goaway, sizeof(goaway), 0);
	expect_close(b, H3_MISSING_SETTINGS);
	bad_end(b);
}

static void
test_settings_twice(void **state)
{
	struct bad *b = bad_start(NULL);
	uint8_t buf[512];

	(void)state;
	raw_write(send_control(b), buf, put_settings(buf), 0);
	expect_close(b, H3_FRAME_UNEXPECTED);
	bad_end(b);
}

static void
test_two_control_streams(void **state)
{
	struct bad *b = bad_start(NULL);

	(void)state;
	send_control(b);
	send_control(b);
	expect_close(b, H3_STREAM_CREATION_ERROR);
	bad_end(b);
}

static void
test_two_qpack_streams(void **state)
{
	struct bad *b = bad_start(NULL);

	(void)state;
	send_control(b);
	send_stream(b, 1, "\x02", 1, 0);
	send_stream(b, 1, "\x03", 1, 0);
	for (int i = 0; i < 5; i++)
		bad_turn(b);
	assert_false(b->r.closed);
	send_stream(b, 1, "\x02", 1, 0);
	expect_close(b, H3_STREAM_CREATION_ERROR);
	bad_end(b);
}

static void
test_control_ends(void **state)
{
	struct bad *b = bad_start(NULL);

	(void)state;
	raw_write(send_control(b), NULL, 0, 1);
	expect_close(b, H3_CLOSED_CRITICAL_STREAM);
	bad_end(b);
}

static void
test_control_reset(void **state)
{
	struct bad *b = bad_start(NULL);
	struct raw_stream *st = send_control(b);

	(void)state;
	bad_turn(b);
	ngtcp2_conn_shutdown_stream_write(b->r.qc, 0, st->id, 0x100);
	expect_close(b, H3_CLOSED_CRITICAL_STREAM);
	bad_end(b);
}

static void
test_our_control_stopped(void **state)
{
	struct bad *b = bad_start(NULL);

	(void)state;
	send_control(b);
	BAD_UNTIL(b, raw_find(&b->r, 3) != NULL);
	ngtcp2_conn_shutdown_stream_read(b->r.qc, 0, 3, 0x100);
	expect_close(b, H3_CLOSED_CRITICAL_STREAM);
	bad_end(b);
}

static void
test_http2_settings(void **state)
{
	/* SETTINGS { ENABLE_PUSH (2) = 0 } */
	static const uint8_t bytes[] = { 0x00, 0x04, 0x02, 0x02, 0x00 };
	struct bad *b = bad_start(NULL);

	(void)state;
	send_stream(b, 1, bytes, sizeof(bytes), 0);
	expect_close(b, H3_SETTINGS_ERROR);
	bad_end(b);
}

static void
test_push_stream(void **state)
{
	struct bad *b = bad_start(NULL);

	(void)state;
	send_stream(b, 1, "\x01\x00", 2, 0);
	expect_close(b, H3_STREAM_CREATION_ERROR);
	bad_end(b);
}

/* GREASE everywhere it may be: ignored, counted, and the session works. */
static void
test_grease(void **state)
{
	struct bad *b = bad_start(NULL);
	struct raw_stream *st, *uni;
	uint8_t buf[512];
	size_t n;
	uint64_t before;

	(void)state;
	before = stats(b)->unknown_ignored;
	n = h3_prefix_put(buf, H3_STREAM_CONTROL, 0);
	n += put_settings(buf + n);
	n += h3_frame_put(buf + n, 0x1f * 5 + 0x21, 3);
	memcpy(buf + n, "abc", 3);
	send_stream(b, 1, buf, n + 3, 0);
	st = send_connect(b, "/raw");
	n = h3_frame_put(buf, 0x1f * 9 + 0x21, 4);
	memcpy(buf + n, "wxyz", 4);
	n += 4;
	n += h3_frame_put(buf + n, H3_FRAME_DATA, 4);
	memcpy(buf + n, "\x40\x6c\x01z", 4); /* a capsule of type 0x6c */
	raw_write(st, buf, n + 4, 0);
	uni = send_stream(b, 1, "\x40\x5fgrease", 8, 0);
	BAD_UNTIL(b, status_of(st) == 200 && uni->stop != -1);
	assert_int_equal(uni->stop, H3_STREAM_CREATION_ERROR);
	BAD_UNTIL(b, stats(b)->unknown_ignored == before + 4);
	assert_false(b->r.closed);
	assert_int_equal(stats(b)->h3_errors, 0);
	bad_end(b);
}

/* ------------------------------------------------------ request streams */

static void
test_data_before_headers(void **state)
{
	struct bad *b = bad_start(NULL);

	(void)state;
	send_control(b);
	send_stream(b, 0, "\x00\x01x", 3, 0);
	expect_close(b, H3_FRAME_UNEXPECTED);
	bad_end(b);
}

static void
test_http2_frame(void **state)
{
	struct bad *b = bad_start(NULL);

	(void)state;
	send_control(b);
	send_stream(b, 0, "\x06\x00", 2, 0);
	expect_close(b, H3_FRAME_UNEXPECTED);
	bad_end(b);
}

static void
test_request_cut_short(void **state)
{
	struct bad *b = bad_start(NULL);

	(void)state;
	send_control(b);
	send_stream(b, 0, "\x01\x20xx", 4, 1);
	expect_close(b, H3_FRAME_ERROR);
	bad_end(b);
}

static void
test_request_empty(void **state)
{
	struct bad *b = bad_start(NULL);
	struct raw_stream *st;

	(void)state;
	send_control(b);
	st = send_stream(b, 0, NULL, 0, 1);
	BAD_UNTIL(b, st->reset != -1);
	assert_int_equal(st->reset, H3_REQUEST_INCOMPLETE);
	assert_false(b->r.closed);
	bad_end(b);
}

static void
test_qpack_error(void **state)
{
	struct bad *b = bad_start(NULL);

	(void)state;
	send_control(b);
	/* A reference to a dynamic table that is not there. */
	send_stream(b, 0, "\x01\x03\x05\x00\x80", 5, 0);
	expect_close(b, H3_QPACK_DECOMPRESSION_FAILED);
	bad_end(b);
}

/* HEADERS with literal fields: name, value in turn. */
static size_t
put_headers(uint8_t *p, const char *const *fields, size_t n)
{
	uint8_t body[4096];
	size_t len = 2, head;

	body[0] = body[1] = 0;
	for (size_t i = 0; i < n; i += 2) {
		size_t a = strlen(fields[i]), v = strlen(fields[i + 1]);

		/* Literal field line with literal name, lengths by prefix. */
		if (a < 7) {
			body[len++] = (uint8_t)(0x20 | a);
		} else {
			body[len++] = 0x27;
			body[len++] = (uint8_t)(a - 7);
		}
		memcpy(body + len, fields[i], a);
		len += a;
		assert_true(v < 127);
		body[len++] = (uint8_t)v;
		memcpy(body + len, fields[i + 1], v);
		len += v;
	}
	head = h3_frame_put(p, H3_FRAME_HEADERS, len);
	memcpy(p + head, body, len);
	return head + len;
}

static struct raw_stream *
send_headers(struct bad *b, const char *const *fields, size_t n, int fin)
{
	uint8_t buf[4200];

	return send_stream(b, 0, buf, put_headers(buf, fields, n), fin);
}

static void
test_plain_requests(void **state)
{
	const char *get[] = { ":method", "GET", ":scheme", "https",
		":authority", "localhost", ":path", "/" };
	const char *post[] = { ":method", "POST", ":scheme", "https",
		":authority", "localhost", ":path", "/" };
	const char *tunnel[] = { ":method", "CONNECT", ":authority",
		"localhost:80" };
	const char *other[] = { ":method", "CONNECT", ":protocol", "websocket",
		":scheme", "https", ":authority", "localhost", ":path", "/" };
	struct bad *b = bad_start(NULL);
	struct raw_stream *st[4];

	(void)state;
	send_control(b);
	st[0] = send_headers(b, get, 8, 1);
	st[1] = send_headers(b, post, 8, 0);
	raw_write(st[1], "\x00\x04" "body", 6, 1);
	st[2] = send_headers(b, tunnel, 4, 0);
	st[3] = send_headers(b, other, 10, 0);
	for (int i = 0; i < 4; i++)
		BAD_UNTIL(b, status_of(st[i]) != 0 && st[i]->in_fin);
	assert_int_equal(status_of(st[0]), 404);
	assert_int_equal(status_of(st[1]), 405);
	assert_int_equal(status_of(st[2]), 501);
	assert_int_equal(status_of(st[3]), 501);
	assert_int_equal(stats(b)->sessions_refused, 4);
	assert_false(b->r.closed);
	bad_end(b);
}

static void
test_malformed_request(void **state)
{
	const char *fields[] = { ":method", "CONNECT", ":protocol",
		"webtransport", ":scheme", "https", ":authority", "localhost",
		":path", "/", "connection", "close" };
	struct bad *b = bad_start(NULL);
	struct raw_stream *st;

	(void)state;
	send_control(b);
	st = send_headers(b, fields, 12, 0);
	BAD_UNTIL(b, st->reset != -1 && st->stop != -1);
	assert_int_equal(st->reset, H3_MESSAGE_ERROR);
	assert_false(b->r.closed);
	bad_end(b);
}

static void
small_sections(struct pair *p)
{
	p->server_cfg.max_field_section = 300;
}

static void
test_section_too_large(void **state)
{
	char value[120];
	const char *fields[] = { ":method", "CONNECT", ":protocol",
		"webtransport", ":scheme", "https", ":authority", "localhost",
		":path", "/", "x-a", value, "x-b", value };
	struct bad *b = bad_start(small_sections);
	struct raw_stream *st, *st2;

	(void)state;
	memset(value, 'v', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	send_control(b);
	/* Over the limit as fields, then as bytes of the frame. */
	st = send_headers(b, fields, 12, 0);
	st2 = send_headers(b, fields, 14, 0);
	BAD_UNTIL(b, status_of(st) != 0 && status_of(st2) != 0);
	assert_int_equal(status_of(st), 431);
	assert_int_equal(status_of(st2), 431);
	assert_false(b->r.closed);
	bad_end(b);
}

static void
test_connect_before_settings(void **state)
{
	struct bad *b = bad_start(NULL);
	struct raw_stream *st = send_connect(b, "/early");

	(void)state;
	for (int i = 0; i < 10; i++)
		bad_turn(b);
	assert_int_equal(status_of(st), 0);
	assert_string_equal(b->p.server.path, "/wt");
	send_control(b);
	BAD_UNTIL(b, status_of(st) == 200);
	assert_string_equal(b->p.server.path, "/early");
	bad_end(b);
}

/* Half requests take of the window, which is a limit on all of them. */
static void
test_half_requests(void **state)
{
	struct bad *b = bad_start(NULL);
	uint8_t half[8000] = { 0x01, 0x7f, 0x00 };
	struct raw_stream *st[50];
	uint64_t left;

	(void)state;
	send_control(b);
	BAD_UNTIL(b, ngtcp2_conn_get_streams_bidi_left(b->r.qc) > 50);
	left = ngtcp2_conn_get_max_data_left(b->r.qc);
	for (int i = 0; i < 50; i++)
		st[i] = send_stream(b, 0, half, sizeof(half), 0);
	BAD_UNTIL(b, ngtcp2_conn_get_max_data_left(b->r.qc) <=
	    left - 50 * sizeof(half));
	for (int i = 0; i < 10; i++)
		bad_turn(b);
	assert_true(ngtcp2_conn_get_max_data_left(b->r.qc) <=
	    left - 50 * sizeof(half));
	for (int i = 0; i < 50; i++)
		ngtcp2_conn_shutdown_stream_write(b->r.qc, 0, st[i]->id, 0x10c);
	BAD_UNTIL(b, ngtcp2_conn_get_max_data_left(b->r.qc) >= left - 10000);
	bad_end(b);
}

static void
test_refused(void **state)
{
	struct bad *b = bad_start(NULL);
	struct raw_stream *st, *uni;

	(void)state;
	b->p.server.status = 403;
	send_control(b);
	st = send_connect(b, "/no");
	BAD_UNTIL(b, status_of(st) == 403 && st->in_fin);
	/* A stream for what was refused. */
	uni = send_stream(b, 1, "\x40\x54\x00zz", 5, 0);
	BAD_UNTIL(b, uni->stop != -1);
	assert_int_equal(uni->stop, H3_WT_SESSION_GONE);
	assert_int_equal(b->p.server.nsessions, 1);
	bad_end(b);
}

static void
one_session(struct pair *p)
{
	p->server_cfg.max_sessions_per_connection = 1;
}

/* A connection that is being closed opens no sessions any more. */
static void
test_connect_while_closing(void **state)
{
	struct bad *b = bad_start(NULL);
	uint64_t before;

	(void)state;
	send_session(b);
	before = stats(b)->sessions_total;
	send_connect(b, "/late");
	raw_turn(&b->r, 0);
	wt_conn_close(wt_session_conn(b->p.server.sessions[1].s));
	BAD_UNTIL(b, b->r.closed);
	assert_int_equal(b->r.close_code, H3_NO_ERROR);
	assert_int_equal(stats(b)->sessions_total, before);
	assert_int_equal(b->p.server.nsessions, 2);
	bad_end(b);
}

static void
test_too_many_sessions(void **state)
{
	struct bad *b = bad_start(one_session);
	struct raw_stream *st;

	(void)state;
	send_session(b);
	st = send_connect(b, "/two");
	BAD_UNTIL(b, status_of(st) != 0);
	assert_int_equal(status_of(st), 429);
	bad_end(b);
}

/* ------------------------------------------------ streams and datagrams */

static void
few_waiting(struct pair *p)
{
	p->server_cfg.max_buffered_streams = 3;
}

/* Streams and datagrams before their session wait for it, a few of them. */
static void
test_waiting(void **state)
{
	struct bad *b = bad_start(few_waiting);
	struct raw_stream *uni[4], *st;
	struct pair_stream *ps;

	(void)state;
	send_control(b);
	send_datagram(b, "\x00" "dg", 3);
	uni[0] = send_stream(b, 1, "\x40\x54\x00" "early", 8, 1);
	uni[1] = send_stream(b, 1, "\x40\x54\x00", 3, 0);
	uni[2] = send_stream(b, 1, "\x40\x54\x00", 3, 0);
	BAD_UNTIL(b, uni[2]->stop != -1);
	assert_int_equal(uni[2]->stop, H3_WT_BUFFERED_STREAM_REJECTED);
	assert_int_equal(stats(b)->buffered_rejected, 1);
	assert_int_equal(b->p.server.nstreams, 0);
	st = send_connect(b, "/late");
	BAD_UNTIL(b, status_of(st) == 200 && b->p.server.nstreams == 2);
	ps = pair_stream_find(&b->p.server, uni[0]->id);
	BAD_UNTIL(b, ps->fin);
	assert_int_equal(buf_len(&ps->in), 5);
	assert_memory_equal(buf_data(&ps->in), "early", 5);
	assert_int_equal(b->p.server.sessions[1].ndatagrams, 1);
	assert_memory_equal(buf_data(&b->p.server.sessions[1].datagrams), "dg",
	    2);
	/* Room again. */
	uni[3] = send_stream(b, 1, "\x40\x54\x00!", 4, 1);
	BAD_UNTIL(b, (ps = pair_stream_find(&b->p.server, uni[3]->id)) &&
	    ps->fin);
	bad_end(b);
}

static void
test_session_gone(void **state)
{
	struct bad *b = bad_start(NULL);
	struct raw_stream *st = send_session(b), *uni, *bidi;
	uint64_t before = stats(b)->datagrams_dropped;

	(void)state;
	raw_write(st, NULL, 0, 1);
	BAD_UNTIL(b, b->p.server.sessions[1].closed);
	assert_int_equal(b->p.server.sessions[1].code, 0);
	uni = send_stream(b, 1, "\x40\x54\x00zz", 5, 0);
	bidi = send_stream(b, 0, "\x40\x41\x00zz", 5, 0);
	send_datagram(b, "\x00zz", 3);
	BAD_UNTIL(b, uni->stop != -1 && bidi->stop != -1 && bidi->reset != -1);
	assert_int_equal(uni->stop, H3_WT_SESSION_GONE);
	assert_int_equal(bidi->stop, H3_WT_SESSION_GONE);
	assert_int_equal(bidi->reset, H3_WT_SESSION_GONE);
	BAD_UNTIL(b, stats(b)->datagrams_dropped == before + 1);
	bad_end(b);
}

/* Streams whose reset is the first that is heard of them give their credit
 * back too. */
static void
test_reset_unopened(void **state)
{
	struct bad *b = bad_start(NULL);
	uint64_t left;

	(void)state;
	send_session(b);
	left = ngtcp2_conn_get_streams_uni_left(b->r.qc);
	for (uint64_t i = 0; i < left; i++) {
		int64_t id;

		assert_int_equal(ngtcp2_conn_open_uni_stream(b->r.qc, &id,
		    NULL), 0);
		ngtcp2_conn_shutdown_stream_write(b->r.qc, 0, id, 7);
	}
	assert_int_equal(ngtcp2_conn_get_streams_uni_left(b->r.qc), 0);
	BAD_UNTIL(b, ngtcp2_conn_get_streams_uni_left(b->r.qc) >= left / 2);
	assert_int_equal(stats(b)->streams_active, 0);
	bad_end(b);
}

/* Sends much on a stream and resets it when all of it is out; or, for a
 * session's, lets the server stop it. */
static void
spend(struct bad *b, const char *prefix, size_t n, int stop)
{
	static const uint8_t bytes[100000];
	struct raw_stream *st = raw_stream(&b->r, 1, prefix, n, 0);
	struct pair_stream *ps;

	raw_write(st, bytes, sizeof(bytes), 0);
	if (stop) {
		BAD_UNTIL(b, (ps = pair_stream_find(&b->p.server, st->id)) &&
		    ps->st != NULL);
		wt_stream_stop(ps->st, 1);
		BAD_UNTIL(b, st->stop != -1);
		return;
	}
	BAD_UNTIL(b, st->tx.unsent == 0 || st->stop != -1);
	ngtcp2_conn_shutdown_stream_write(b->r.qc, 0, st->id, 7);
	for (int i = 0; i < 3; i++)
		bad_turn(b);
}

/* However a stream ends, the connection gets back the window it took. */
static void
test_windows_come_back(void **state)
{
	struct bad *b = bad_start(NULL);

	(void)state;
	send_session(b);
	for (int i = 0; i < 19; i++) {
		spend(b, "\x40\x5f", 2, 0);	      /* unknown */
		spend(b, "\x40\x54\x00", 3, 1);     /* stopped */
		spend(b, "\x40\x54\x40\x40", 4, 0); /* waits for a session */
	}
	assert_true(ngtcp2_conn_get_max_data_left(b->r.qc) > 400000);
	assert_false(b->r.closed);
	bad_end(b);
}

static void
test_bad_session_id(void **state)
{
	struct bad *b = bad_start(NULL);

	(void)state;
	send_session(b);
	send_stream(b, 1, "\x40\x54\x02zz", 5, 0);
	expect_close(b, H3_ID_ERROR);
	bad_end(b);
}

static void
test_empty_datagram(void **state)
{
	struct bad *b = bad_start(NULL);

	(void)state;
	send_session(b);
	send_datagram(b, "", 0);
	expect_close(b, H3_DATAGRAM_ERROR);
	bad_end(b);
}

static void
test_byte_by_byte(void **state)
{
	static const uint8_t bytes[] = "\x40\x54\x00hello";
	struct bad *b = bad_start(NULL);
	struct pair_stream *ps = NULL;
	struct raw_stream *st;

	(void)state;
	send_session(b);
	st = send_stream(b, 1, bytes, 1, 0);
	for (size_t i = 1; i < sizeof(bytes) - 1; i++) {
		bad_turn(b);
		raw_write(st, bytes + i, 1, i == sizeof(bytes) - 2);
	}
	BAD_UNTIL(b, (ps = pair_stream_find(&b->p.server, st->id)) && ps->fin);
	assert_memory_equal(buf_data(&ps->in), "hello", 5);
	bad_end(b);
}

/* --------------------------------------------------------------- capsules */

static void
send_capsule(struct raw_stream *st, const void *p, size_t n)
{
	uint8_t buf[2048] = { 0 };
	size_t len = h3_frame_put(buf, H3_FRAME_DATA, n);

	memcpy(buf + len, p, n);
	raw_write(st, buf, len + n, 0);
}

static void
test_close_capsule(void **state)
{
	struct bad *b = bad_start(NULL);
	struct raw_stream *st = send_session(b);
	uint8_t buf[CAPSULE_CLOSE_LEN_MAX] = { 0 };

	(void)state;
	send_capsule(st, buf, capsule_drain_put(buf));
	BAD_UNTIL(b, b->p.server.sessions[1].drained == 1);
	send_capsule(st, buf, capsule_close_put(buf, 4711, "over", 4));
	BAD_UNTIL(b, b->p.server.sessions[1].closed && st->in_fin);
	assert_int_equal(b->p.server.sessions[1].code, 4711);
	assert_string_equal(b->p.server.sessions[1].reason, "over");
	/* Nobody ends the connection (Chromium does not): we do. */
	BAD_UNTIL(b, b->r.closed);
	assert_int_equal(b->r.close_code, H3_NO_ERROR);
	bad_end(b);
}

static const uint8_t junk[700];

static size_t
put_limit(uint8_t *p, uint64_t type, uint64_t limit)
{
	size_t n = varint_put(p, type);

	n += varint_put(p + n, varint_len(limit));
	return n + varint_put(p + n, limit);
}

/* A peer that limits its sessions: streams, and bytes of all of them. */
static void
test_session_limits(void **state)
{
	struct bad *b = bad_start(NULL);
	struct h3_settings set;
	struct wt_session *s;
	struct wt_stream *down[2];
	struct raw_stream *st, *far[2];
	uint8_t buf[512];
	size_t n;

	(void)state;
	h3_settings_ours(&set, 1, 16384);
	set.wt_initial_max_data = 1000;
	set.wt_initial_max_streams_uni = 1;
	set.wt_initial_max_streams_bidi = 0;
	n = h3_prefix_put(buf, H3_STREAM_CONTROL, 0);
	n += h3_settings_put(buf + n, &set);
	send_stream(b, 1, buf, n, 0);
	st = send_connect(b, "/limits");
	BAD_UNTIL(b, status_of(st) == 200);
	s = b->p.server.sessions[1].s;
	assert_int_equal(wt_session_streams_left(s, 1), 1);
	assert_int_equal(wt_session_streams_left(s, 0), 0);
	down[0] = wt_stream_open(s, 1);
	assert_non_null(down[0]);
	assert_null(wt_stream_open(s, 1));
	assert_null(wt_stream_open(s, 0));
	wt_stream_write(down[0], junk, 700, 0);
	/* Another stream's turn comes when there is leave for it. */
	send_capsule(st, buf, put_limit(buf, CAPSULE_WT_MAX_STREAMS_UNI, 2));
	BAD_UNTIL(b, wt_session_streams_left(s, 1) == 1);
	down[1] = wt_stream_open(s, 1);
	wt_stream_write(down[1], junk, 700, 1);
	BAD_UNTIL(b, (far[0] = raw_find(&b->r, wt_stream_id(down[0]))) &&
	    (far[1] = raw_find(&b->r, wt_stream_id(down[1]))) &&
	    buf_len(&far[0]->in) + buf_len(&far[1]->in) == 1000 + 2 * 3);
	for (int i = 0; i < 5; i++)
		bad_turn(b);
	assert_int_equal(buf_len(&far[0]->in) + buf_len(&far[1]->in), 1006);
	assert_false(far[1]->in_fin);
	/* A smaller limit says nothing; a larger one sets the rest free. */
	send_capsule(st, buf, put_limit(buf, CAPSULE_WT_MAX_DATA, 500));
	send_capsule(st, buf, put_limit(buf, CAPSULE_WT_MAX_DATA, 5000));
	BAD_UNTIL(b, far[1]->in_fin && buf_len(&far[0]->in) == 703);
	assert_int_equal(buf_len(&far[1]->in), 703);
	bad_end(b);
}

/* A limit raised before SETTINGS set where it begins. */
static void
test_early_limit(void **state)
{
	struct bad *b = bad_start(NULL);
	struct h3_settings set;
	struct raw_stream *st = send_connect(b, "/limits");
	uint8_t buf[512];
	size_t n;

	(void)state;
	n = put_limit(buf, CAPSULE_WT_MAX_STREAMS_UNI, 4);
	send_capsule(st, buf, n);
	BAD_UNTIL(b, st->tx.unacked == 0);
	h3_settings_ours(&set, 1, 16384);
	set.wt_initial_max_streams_uni = 1;
	set.wt_initial_max_streams_bidi = 2;
	n = h3_prefix_put(buf, H3_STREAM_CONTROL, 0);
	n += h3_settings_put(buf + n, &set);
	raw_stream(&b->r, 1, buf, n, 0);
	BAD_UNTIL(b, status_of(st) == 200);
	assert_int_equal(wt_session_streams_left(b->p.server.sessions[1].s, 1),
	    4);
	assert_int_equal(wt_session_streams_left(b->p.server.sessions[1].s, 0),
	    2);
	bad_end(b);
}

static void
test_bad_capsule(void **state)
{
	/* CLOSE with two bytes */
	static const uint8_t bytes[] = { 0x68, 0x43, 0x02, 0x00, 0x00 };
	struct bad *b = bad_start(NULL);
	struct raw_stream *st = send_session(b);

	(void)state;
	send_capsule(st, bytes, sizeof(bytes));
	BAD_UNTIL(b, b->p.server.sessions[1].closed && st->stop != -1);
	assert_int_equal(st->stop, H3_MESSAGE_ERROR);
	assert_false(b->r.closed);
	bad_end(b);
}

static void
test_connect_reset(void **state)
{
	struct bad *b = bad_start(NULL);
	struct raw_stream *st = send_session(b);

	(void)state;
	ngtcp2_conn_shutdown_stream_write(b->r.qc, 0, st->id, 0x10c);
	BAD_UNTIL(b, b->p.server.sessions[1].closed);
	assert_int_equal(b->p.server.sessions[1].code, 0);
	bad_end(b);
}

static void
test_headers_twice(void **state)
{
	const char *fields[] = { "x-trailer", "1" };
	struct bad *b = bad_start(NULL);
	struct raw_stream *st = send_session(b);
	uint8_t buf[256];

	(void)state;
	raw_write(st, buf, put_headers(buf, fields, 2), 0);
	expect_close(b, H3_FRAME_UNEXPECTED);
	bad_end(b);
}

/* ---------------------------------------------------------------- anything */

/* A piece of what may come on a stream, more or less right. */
static size_t
random_piece(uint8_t *p)
{
	static const uint64_t types[] = { 0, 1, 3, 4, 7, 0x0d, 0x21, 0x41,
		0x54, 0x2843, 0x78ae, 2, 6 };
	size_t n = 0, len = (size_t)random() % 40;

	switch (random() % 6) {
	case 0:
		return put_settings(p);
	case 1:
		n = h3_prefix_put(p, types[(size_t)random() % 13],
		    (uint64_t)random() % 12);
		break;
	case 2:
		n = capsule_close_put(p, 1, "x", 1);
		break;
	case 3:
		n = h3_frame_put(p, types[(size_t)random() % 13], len);
		break;
	case 4:
		n = h3_prefix_put(p, (uint64_t)random() % 4, 0);
		n += put_settings(p + n);
		break;
	}
	for (size_t i = 0; i < len; i++)
		p[n++] = (uint8_t)random();
	return n;
}

static void
random_peer(struct bad *b)
{
	struct raw_stream *st = NULL;
	uint8_t buf[2048];
	size_t n;

	if (random() % 2) {
		send_control(b);
		st = send_connect(b, "/any");
	}
	for (int i = 0; i < 25 && !b->r.closed; i++) {
		n = random_piece(buf);
		switch (random() % 5) {
		case 0:
		case 1:
			st = send_stream(b, (int)(random() % 2), buf, n,
			    random() % 4 == 0);
			break;
		case 2:
			send_datagram(b, buf, n);
			break;
		default:
			if (st != NULL && !st->fin)
				raw_write(st, buf, n, random() % 8 == 0);
			break;
		}
		if (st != NULL && random() % 10 == 0) {
			ngtcp2_conn_shutdown_stream(b->r.qc, 0, st->id,
			    (uint64_t)random() % 300);
			st = NULL;
		}
		if (random() % 3 == 0)
			bad_turn(b);
	}
	for (int i = 0; i < 3; i++)
		bad_turn(b);
}

/* Whatever comes, the other sessions live and nothing is left behind. */
static void
test_random_streams(void **state)
{
	struct bad *b;

	(void)state;
	srandom(2026);
	for (int i = 0; i < 60; i++) {
		b = bad_start(few_waiting);
		random_peer(b);
		b->p.server.nstreams = 0;
		b->p.server.nsessions = 1;
		bad_end(b);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frame_before_settings),
		cmocka_unit_test(test_settings_twice),
		cmocka_unit_test(test_two_control_streams),
		cmocka_unit_test(test_two_qpack_streams),
		cmocka_unit_test(test_control_ends),
		cmocka_unit_test(test_control_reset),
		cmocka_unit_test(test_our_control_stopped),
		cmocka_unit_test(test_http2_settings),
		cmocka_unit_test(test_push_stream),
		cmocka_unit_test(test_grease),
		cmocka_unit_test(test_data_before_headers),
		cmocka_unit_test(test_http2_frame),
		cmocka_unit_test(test_request_cut_short),
		cmocka_unit_test(test_request_empty),
		cmocka_unit_test(test_qpack_error),
		cmocka_unit_test(test_plain_requests),
		cmocka_unit_test(test_malformed_request),
		cmocka_unit_test(test_section_too_large),
		cmocka_unit_test(test_connect_before_settings),
		cmocka_unit_test(test_half_requests),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_connect_while_closing),
		cmocka_unit_test(test_too_many_sessions),
		cmocka_unit_test(test_waiting),
		cmocka_unit_test(test_session_gone),
		cmocka_unit_test(test_reset_unopened),
		cmocka_unit_test(test_windows_come_back),
		cmocka_unit_test(test_bad_session_id),
		cmocka_unit_test(test_empty_datagram),
		cmocka_unit_test(test_byte_by_byte),
		cmocka_unit_test(test_close_capsule),
		cmocka_unit_test(test_session_limits),
		cmocka_unit_test(test_early_limit),
		cmocka_unit_test(test_bad_capsule),
		cmocka_unit_test(test_connect_reset),
		cmocka_unit_test(test_headers_twice),
		cmocka_unit_test(test_random_streams),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
