/* Sessions, streams and datagrams between two endpoints of ours. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wt_pair.h"

static void
assert_bytes(const struct pair_stream *ps, size_t n, unsigned seed)
{
	uint8_t *want = malloc(n + 1);

	assert_non_null(ps);
	pair_fill(want, n, seed);
	assert_int_equal(buf_len(&ps->in), n);
	if (n > 0)
		assert_memory_equal(buf_data(&ps->in), want, n);
	free(want);
}

/* n bytes and the end from one side's stream to the other side. */
static void
send_bytes(struct pair_stream *ps, size_t n, unsigned seed)
{
	uint8_t *p = malloc(n + 1);

	pair_fill(p, n, seed);
	assert_int_equal(wt_stream_write(ps->st, p, n, 1), 0);
	assert_int_equal(wt_stream_write(ps->st, p, n, 0), -1);
	free(p);
}

static void
test_connect(void **state)
{
	struct pair p;

	(void)state;
	pair_init(&p);
	pair_open(&p);
	assert_string_equal(p.server.path, "/wt");
	assert_string_equal(p.server.authority, "localhost");
	pair_free(&p);
	assert_int_equal(p.client.sessions[0].closed, 1);
	assert_int_equal(p.server.sessions[0].closed, 1);
	assert_int_equal(p.client.conn_closed, 1);
}

static void
test_uni(void **state)
{
	static const size_t sizes[] = { 0, 1, 1200, 70000, 3000000 };
	struct pair p;

	(void)state;
	pair_init(&p);
	pair_open(&p);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		struct pair_stream *up, *down, *ps;

		up = pair_stream_open(&p.client, p.client.sessions[0].s, 1);
		assert_non_null(up);
		send_bytes(up, sizes[i], (unsigned)i);
		down = pair_stream_open(&p.server, p.server.sessions[0].s, 1);
		assert_non_null(down);
		send_bytes(down, sizes[i], (unsigned)i + 50);
		PAIR_UNTIL(&p, (ps = pair_stream_find(&p.server, up->id)) &&
		    ps->fin && up->closed);
		assert_bytes(ps, sizes[i], (unsigned)i);
		PAIR_UNTIL(&p, (ps = pair_stream_find(&p.client, down->id)) &&
		    ps->fin && down->closed);
		assert_bytes(ps, sizes[i], (unsigned)i + 50);
	}
	pair_free(&p);
}

/* Both directions of streams either side opened, at once. */
static void
test_bidi(void **state)
{
	struct pair p;
	struct pair_stream *up, *down, *up_far, *down_far;

	(void)state;
	pair_init(&p);
	pair_open(&p);
	up = pair_stream_open(&p.client, p.client.sessions[0].s, 0);
	down = pair_stream_open(&p.server, p.server.sessions[0].s, 0);
	assert_non_null(up);
	assert_non_null(down);
	send_bytes(up, 400000, 1);
	send_bytes(down, 300000, 2);
	PAIR_UNTIL(&p, (up_far = pair_stream_find(&p.server, up->id)) &&
	    (down_far = pair_stream_find(&p.client, down->id)));
	assert_false(wt_stream_is_uni(up_far->st));
	assert_false(wt_stream_is_local(up_far->st));
	assert_true(wt_stream_is_local(up->st));
	send_bytes(up_far, 200000, 3);
	send_bytes(down_far, 100000, 4);
	PAIR_UNTIL(&p, up->closed && down->closed && up_far->closed &&
	    down_far->closed);
	assert_bytes(up_far, 400000, 1);
	assert_bytes(down_far, 300000, 2);
	assert_bytes(up, 200000, 3);
	assert_bytes(down, 100000, 4);
	assert_true(up->acks > 0);
	pair_free(&p);
}

static void
test_datagrams(void **state)
{
	struct pair p;
	uint8_t buf[4000];
	size_t max;

	(void)state;
	pair_init(&p);
	pair_open(&p);
	for (size_t side = 0; side < 2; side++) {
		struct pair_side *from = side ? &p.server : &p.client;
		struct pair_session *to = side ? &p.client.sessions[0] :
						 &p.server.sessions[0];
		struct wt_session *s = from->sessions[0].s;

		max = wt_session_datagram_max(s);
		assert_true(max >= 1100 && max < 1452);
		pair_fill(buf, max, 9);
		assert_int_equal(wt_session_datagram(s, buf, max + 1), -1);
		assert_int_equal(wt_session_datagram(s, buf, max), 0);
		PAIR_UNTIL(&p, to->ndatagrams == 1);
		assert_int_equal(buf_len(&to->datagrams), max);
		assert_memory_equal(buf_data(&to->datagrams), buf, max);
		assert_int_equal(wt_session_datagram(s, "", 0), 0);
		assert_int_equal(wt_session_datagram(s, "x", 1), 0);
		PAIR_UNTIL(&p, to->ndatagrams == 3);
		assert_int_equal(buf_len(&to->datagrams), max + 1);
	}
	pair_free(&p);
}

/* The queue is bounded, and streams go on while it is full. */
static void
test_datagram_queue(void **state)
{
	struct pair p;
	struct pair_stream *up, *ps;
	uint8_t buf[1000] = { 0 };
	unsigned sent = 0;

	(void)state;
	pair_init(&p);
	p.client_cfg.max_send_datagrams = 20;
	pair_open(&p);
	while (wt_session_datagram(p.client.sessions[0].s, buf, sizeof(buf)) ==
	    0)
		sent++;
	assert_int_equal(sent, 20);
	up = pair_stream_open(&p.client, p.client.sessions[0].s, 1);
	send_bytes(up, 5000, 1);
	PAIR_UNTIL(&p, (ps = pair_stream_find(&p.server, up->id)) && ps->fin &&
	    p.server.sessions[0].ndatagrams == 20);
	assert_int_equal(wt_stats(p.client.wt)->datagrams_out, 20);
	assert_int_equal(wt_stats(p.server.wt)->datagrams_in, 20);
	pair_free(&p);
}

static void
test_several_sessions(void **state)
{
	struct pair p;
	struct pair_stream *a, *b, *ps;

	(void)state;
	pair_init(&p);
	pair_open(&p);
	pair_request(&p, "/two");
	PAIR_UNTIL(&p, p.client.sessions[1].open && p.server.nsessions == 2);
	assert_string_equal(p.server.path, "/two");
	assert_ptr_equal(wt_session_conn(p.client.sessions[0].s),
	    wt_session_conn(p.client.sessions[1].s));
	a = pair_stream_open(&p.client, p.client.sessions[0].s, 1);
	b = pair_stream_open(&p.client, p.client.sessions[1].s, 1);
	send_bytes(a, 1000, 1);
	send_bytes(b, 1000, 2);
	wt_session_datagram(p.client.sessions[1].s, "two", 3);
	PAIR_UNTIL(&p, (ps = pair_stream_find(&p.server, b->id)) && ps->fin);
	PAIR_UNTIL(&p, p.server.sessions[1].ndatagrams == 1);
	/* The end of one is not the other's. */
	wt_session_close(p.client.sessions[0].s, 1, "", 0);
	PAIR_UNTIL(&p, p.server.sessions[0].closed &&
	    p.client.sessions[0].closed);
	assert_false(p.server.sessions[1].closed);
	ps = pair_stream_open(&p.server, p.server.sessions[1].s, 1);
	send_bytes(ps, 10, 3);
	PAIR_UNTIL(&p, (b = pair_stream_find(&p.client, ps->id)) && b->fin);
	assert_int_equal(wt_stats(p.server.wt)->sessions_active, 1);
	pair_free(&p);
}

static void
test_close_by_client(void **state)
{
	struct pair p;
	struct pair_stream *up, *down;

	(void)state;
	pair_init(&p);
	pair_open(&p);
	up = pair_stream_open(&p.client, p.client.sessions[0].s, 1);
	assert_int_equal(wt_stream_write(up->st, "x", 1, 0), 0);
	PAIR_UNTIL(&p, (down = pair_stream_find(&p.server, up->id)));
	wt_session_close(p.client.sessions[0].s, 42, "bye", 3);
	assert_false(p.client.sessions[0].closed);
	assert_int_equal(wt_stream_write(up->st, "x", 1, 0), -1);
	assert_null(wt_stream_open(p.client.sessions[0].s, 1));
	PAIR_UNTIL(&p, p.server.sessions[0].closed &&
	    p.client.sessions[0].closed);
	assert_int_equal(p.server.sessions[0].code, 42);
	assert_string_equal(p.server.sessions[0].reason, "bye");
	assert_int_equal(p.client.sessions[0].code, 42);
	assert_int_equal(up->closed, 1);
	assert_int_equal(down->closed, 1);
	/* A connection without a session does not stay. */
	PAIR_UNTIL(&p, p.client.conn_closed);
	assert_int_equal(wt_stats(p.server.wt)->sessions_active, 0);
	assert_int_equal(wt_stats(p.server.wt)->streams_active, 0);
	assert_int_equal(wt_stats(p.client.wt)->streams_active, 0);
	pair_free(&p);
}

static void
test_close_by_server(void **state)
{
	char reason[1100];
	struct pair p;

	(void)state;
	memset(reason, 'r', sizeof(reason));
	pair_init(&p);
	pair_open(&p);
	wt_session_close(p.server.sessions[0].s, 0xffffffff, reason,
	    sizeof(reason));
	PAIR_UNTIL(&p, p.client.sessions[0].closed &&
	    p.server.sessions[0].closed);
	assert_true(p.client.sessions[0].code == 0xffffffff);
	assert_int_equal(strlen(p.client.sessions[0].reason), 1024);
	pair_free(&p);
}

/* The last words before wt_conn_close() get through. */
static void
test_close_connection(void **state)
{
	struct pair p;

	(void)state;
	pair_init(&p);
	pair_open(&p);
	wt_session_close(p.client.sessions[0].s, 7, "done", 4);
	wt_conn_close(p.conn);
	PAIR_UNTIL(&p, p.client.conn_closed && p.server.conn_closed);
	assert_int_equal(p.server.sessions[0].closed, 1);
	assert_int_equal(p.server.sessions[0].code, 7);
	assert_int_equal(p.client.sessions[0].closed, 1);
	pair_free(&p);
}

static void
test_drain(void **state)
{
	struct pair p;
	struct pair_stream *up, *ps;

	(void)state;
	pair_init(&p);
	pair_open(&p);
	wt_session_drain(p.client.sessions[0].s);
	PAIR_UNTIL(&p, p.server.sessions[0].drained == 1);
	/* Then the server: DRAIN and GOAWAY. */
	wt_drain(p.server.wt);
	PAIR_UNTIL(&p, p.client.sessions[0].drained == 2);
	/* What is there goes on, */
	up = pair_stream_open(&p.client, p.client.sessions[0].s, 1);
	send_bytes(up, 1000, 1);
	PAIR_UNTIL(&p, (ps = pair_stream_find(&p.server, up->id)) && ps->fin);
	/* nothing new begins. */
	assert_null(wt_session_request(p.conn, "localhost", "/wt", NULL, 0));
	pair_connect(&p);
	PAIR_UNTIL(&p, p.client.conn_closed == 1);
	assert_non_null(strstr(p.client.why, "refused"));
	assert_int_equal(wt_stats(p.server.wt)->connections_refused, 1);
	pair_free(&p);
}

/* Codes of the whole range, both ways. */
static void
test_reset_and_stop(void **state)
{
	static const uint32_t codes[] = { 0, 1, 0x1d, 0x1e, 0x1f, 4711,
		0xfffffffe, 0xffffffff };
	struct pair p;

	(void)state;
	pair_init(&p);
	pair_open(&p);
	for (size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++) {
		struct pair_stream *up, *far;

		up = pair_stream_open(&p.client, p.client.sessions[0].s, 0);
		assert_int_equal(wt_stream_write(up->st, "x", 1, 0), 0);
		PAIR_UNTIL(&p, (far = pair_stream_find(&p.server, up->id)) &&
		    buf_len(&far->in) == 1);
		wt_stream_reset(up->st, codes[i]);
		assert_int_equal(wt_stream_write(up->st, "x", 1, 0), -1);
		wt_stream_stop(up->st, codes[i] ^ 1);
		PAIR_UNTIL(&p, far->reset != -1 && far->stop != -1);
		assert_true(far->reset == codes[i]);
		assert_true(far->stop == (codes[i] ^ 1));
		assert_int_equal(wt_stream_write(far->st, "x", 1, 0), -1);
		assert_int_equal(up->stop, -1);
		PAIR_UNTIL(&p, up->closed && far->closed);
	}
	pair_free(&p);
}

static void
test_stop_uni(void **state)
{
	struct pair p;
	struct pair_stream *down, *far;
	static uint8_t big[2000000];

	(void)state;
	pair_init(&p);
	p.client.hold = 1;
	pair_open(&p);
	down = pair_stream_open(&p.server, p.server.sessions[0].s, 1);
	wt_stream_write(down->st, big, sizeof(big), 1);
	PAIR_UNTIL(&p, (far = pair_stream_find(&p.client, down->id)) &&
	    buf_len(&far->in) > 100000);
	wt_stream_stop(far->st, 99);
	PAIR_UNTIL(&p, down->closed && far->closed);
	assert_int_equal(down->stop, 99);
	assert_false(far->fin);
	pair_free(&p);
}

static void
test_refused(void **state)
{
	struct pair p;

	(void)state;
	pair_init(&p);
	p.server.status = 404;
	pair_start(&p, "127.0.0.1");
	pair_connect(&p);
	pair_request(&p, "/nowhere");
	PAIR_UNTIL(&p, p.client.sessions[0].closed);
	assert_int_equal(p.client.sessions[0].status, 404);
	assert_false(p.client.sessions[0].open);
	assert_string_equal(p.server.path, "/nowhere");
	assert_int_equal(p.server.nsessions, 0);
	assert_int_equal(wt_stats(p.server.wt)->sessions_refused, 1);
	assert_int_equal(wt_stats(p.server.wt)->sessions_total, 0);
	/* The same connection may ask again. */
	p.server.status = 200;
	pair_request(&p, "/here");
	PAIR_UNTIL(&p, p.client.sessions[1].open);
	pair_free(&p);
}

static void
test_protocol_and_fields(void **state)
{
	const char *fields[] = { "origin", "https://example.org", "x-test",
		"value", "wt-available-protocols", "\"one\", \"two\"" };
	struct pair p;
	struct wt_session *s;

	(void)state;
	pair_init(&p);
	p.server.protocol = "two";
	pair_start(&p, "127.0.0.1");
	pair_connect(&p);
	s = wt_session_request(p.conn, "example.org:1", "/p?q", fields, 6);
	assert_non_null(s);
	assert_int_equal(wt_session_id(s), -1);
	PAIR_UNTIL(&p, p.client.nsessions == 1 && p.client.sessions[0].open);
	assert_string_equal(wt_session_protocol(s), "two");
	assert_int_equal(wt_session_id(s), 0);
	assert_string_equal(p.server.path, "/p?q");
	assert_string_equal(p.server.authority, "example.org:1");
	assert_string_equal(p.server.origin, "https://example.org");
	assert_string_equal(p.server.protocols, "\"one\", \"two\"");
	assert_string_equal(p.server.field, "value");
	assert_int_equal(strncmp(p.server.peer, "127.0.0.1 ", 10), 0);
	pair_free(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_connect),
		cmocka_unit_test(test_uni),
		cmocka_unit_test(test_bidi),
		cmocka_unit_test(test_datagrams),
		cmocka_unit_test(test_datagram_queue),
		cmocka_unit_test(test_several_sessions),
		cmocka_unit_test(test_close_by_client),
		cmocka_unit_test(test_close_by_server),
		cmocka_unit_test(test_close_connection),
		cmocka_unit_test(test_drain),
		cmocka_unit_test(test_reset_and_stop),
		cmocka_unit_test(test_stop_uni),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_protocol_and_fields),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
