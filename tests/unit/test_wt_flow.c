/* Windows, pausing, stream credit: nothing unbounded on the way. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wt_pair.h"

#define STREAM_WINDOW (64 * 1024)
#define CONN_WINDOW (160 * 1024)
#define PREFIX 3 /* bytes in front of what a stream carries */

static uint8_t big[4 * 1024 * 1024];

/* Every full_every-th time the socket is full, and so many in a hundred times
 * what is sent is lost; 0: never. */
static unsigned full_every, sends;
static long loss;
ssize_t __real_sendmsg(int fd, const struct msghdr *msg, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *msg, int flags);

ssize_t
__wrap_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	if (full_every != 0 && ++sends % full_every == 0) {
		errno = EAGAIN;
		return -1;
	}
	if (random() % 100 < loss)
		return (ssize_t)msg->msg_iov[0].iov_len;
	return __real_sendmsg(fd, msg, flags);
}

/* Turns until the server has heard of no new byte for a while, and for many
 * turns, as a busy machine may spend the while on something else. */
static void
quiet(struct pair *p)
{
	uint64_t bytes = 0, since = pair_ms();
	int turns = 0;

	while (turns < 30 || pair_ms() < since + 150) {
		pair_turn(p);
		turns++;
		if (p->server.bytes == bytes)
			continue;
		bytes = p->server.bytes;
		since = pair_ms();
		turns = 0;
	}
}

static void
fixed_windows(struct pair *p)
{
	pair_init(p);
	p->server_cfg.max_stream_data = STREAM_WINDOW;
	p->server_cfg.max_data = CONN_WINDOW;
	p->server_cfg.max_window = p->server_cfg.max_stream_window = 0;
}

static struct pair_stream *
send_big(struct pair *p, size_t n)
{
	struct pair_stream *up = pair_stream_open(&p->client,
	    p->client.sessions[0].s, 1);

	assert_non_null(up);
	assert_int_equal(wt_stream_write(up->st, big, n, 1), 0);
	return up;
}

/* What the program does not consume stops the sender: at the stream's window,
 * and all streams together at the connection's. */
static void
test_windows(void **state)
{
	struct pair p;
	struct pair_stream *up[3], *ps;

	(void)state;
	fixed_windows(&p);
	p.server.hold = 1;
	pair_open(&p);
	up[0] = send_big(&p, sizeof(big));
	quiet(&p);
	assert_int_equal(p.server.bytes, STREAM_WINDOW - PREFIX);
	up[1] = send_big(&p, sizeof(big));
	up[2] = send_big(&p, sizeof(big));
	quiet(&p);
	assert_true(p.server.bytes <= CONN_WINDOW);
	assert_true(p.server.bytes >= CONN_WINDOW - 1024);
	p.server.hold = 0;
	for (int i = 0; i < 3; i++) {
		ps = pair_stream_find(&p.server, up[i]->id);
		assert_true(ps->waiting <= STREAM_WINDOW);
		wt_stream_consumed(ps->st, ps->waiting);
	}
	for (int i = 0; i < 3; i++)
		PAIR_UNTIL(&p, pair_stream_find(&p.server, up[i]->id)->fin);
	assert_int_equal(p.server.bytes, 3 * sizeof(big));
	pair_free(&p);
}

static void
test_pause(void **state)
{
	struct pair p;
	struct pair_stream *up, *other, *ps;

	(void)state;
	fixed_windows(&p);
	pair_open(&p);
	up = send_big(&p, 0 + 1000000);
	PAIR_UNTIL(&p, (ps = pair_stream_find(&p.server, up->id)));
	wt_stream_pause(ps->st);
	quiet(&p);
	/* All of it is consumed, yet the stream stands. */
	assert_true(buf_len(&ps->in) < 1000000);
	assert_true(buf_len(&ps->in) >= STREAM_WINDOW - PREFIX);
	other = send_big(&p, sizeof(big));
	PAIR_UNTIL(&p, pair_stream_find(&p.server, other->id) &&
	    pair_stream_find(&p.server, other->id)->fin);
	assert_true(buf_len(&ps->in) < 1000000);
	wt_stream_resume(ps->st);
	PAIR_UNTIL(&p, ps->fin);
	assert_int_equal(buf_len(&ps->in), 1000000);
	pair_free(&p);
}

/* Bytes of streams that are closed count until they are given back. */
static void
test_closed_streams(void **state)
{
	struct pair p;
	struct wt_conn *c;
	uint64_t bytes;

	(void)state;
	fixed_windows(&p);
	p.server.hold = 1;
	pair_open(&p);
	c = wt_session_conn(p.server.sessions[0].s);
	for (size_t i = 1; i <= 3; i++) {
		send_big(&p, 40000);
		PAIR_UNTIL(&p, p.server.nclosed == i);
	}
	for (int i = 3; i < 10; i++)
		send_big(&p, 40000);
	quiet(&p);
	assert_int_equal(p.server.nclosed, 3);
	bytes = p.server.bytes;
	assert_true(bytes <= CONN_WINDOW && bytes >= CONN_WINDOW - 1024);
	while (p.server.bytes < 400000) {
		wt_conn_consumed(c, 1000);
		pair_turn(&p);
	}
	assert_true(p.server.bytes <= 400000);
	PAIR_UNTIL(&p, p.server.nclosed == 10);
	pair_free(&p);
}

/* Windows grow by themselves when they may. */
static void
test_auto_tune(void **state)
{
	struct pair p;
	struct pair_stream *up, *ps;
	uint64_t most = 0, before;

	(void)state;
	pair_init(&p);
	p.server_cfg.max_stream_data = p.server_cfg.max_data = 16 * 1024;
	pair_open(&p);
	up = send_big(&p, sizeof(big));
	PAIR_UNTIL(&p, (ps = pair_stream_find(&p.server, up->id)) && ps->fin);
	up = pair_stream_open(&p.client, p.client.sessions[0].s, 1);
	wt_stream_write(up->st, big, sizeof(big), 0);
	PAIR_UNTIL(&p, (ps = pair_stream_find(&p.server, up->id)) &&
	    buf_len(&ps->in) > 2000000);
	p.server.hold = 1;
	before = p.server.bytes;
	quiet(&p);
	most = p.server.bytes - before;
	assert_true(most > 16 * 1024);
	assert_true(most <= p.server_cfg.max_stream_window);
	pair_free(&p);
}

static void
test_stream_credit(void **state)
{
	struct pair p;
	struct pair_stream *up[10];
	int n = 0;

	(void)state;
	pair_init(&p);
	p.server_cfg.max_streams_uni = 5;
	p.server_cfg.max_streams_bidi = 3;
	pair_open(&p);
	assert_int_equal(wt_session_streams_left(p.client.sessions[0].s, 1), 4);
	assert_int_equal(wt_session_streams_left(p.client.sessions[0].s, 0), 2);
	while (n < 10 && (up[n] = pair_stream_open(&p.client,
	    p.client.sessions[0].s, 1)) != NULL)
		n++;
	assert_int_equal(n, 4);
	assert_int_equal(wt_session_streams_left(p.client.sessions[0].s, 1), 0);
	/* A stream that ends makes room for another. */
	assert_int_equal(wt_stream_write(up[1]->st, "x", 1, 1), 0);
	PAIR_UNTIL(&p, wt_session_streams_left(p.client.sessions[0].s, 1) == 1);
	wt_stream_reset(up[2]->st, 0);
	PAIR_UNTIL(&p, wt_session_streams_left(p.client.sessions[0].s, 1) == 2);
	pair_free(&p);
}

/* Ten thousand streams at once, each with a little to say. */
static void
test_many_streams(void **state)
{
	const uint64_t count = 10000;
	struct pair p;

	(void)state;
	pair_init(&p);
	p.server_cfg.max_streams_uni = count + 10;
	pair_open(&p);
	PAIR_UNTIL(&p, wt_session_streams_left(p.client.sessions[0].s, 1) >=
	    count);
	for (uint64_t i = 0; i < count; i++) {
		struct wt_stream *st = wt_stream_open(p.client.sessions[0].s,
		    1);

		assert_non_null(st);
		wt_stream_write(st, "hello", 5, 0);
	}
	PAIR_UNTIL(&p, p.server.bytes == 5 * count);
	assert_int_equal(wt_stats(p.server.wt)->streams_active, count);
	wt_session_close(p.client.sessions[0].s, 0, "", 0);
	PAIR_UNTIL(&p, p.server.nclosed == count && p.client.nclosed == count);
	assert_int_equal(wt_stats(p.server.wt)->streams_active, 0);
	pair_free(&p);
}

/* One stream's bulk must not keep another's few bytes waiting. */
static void
test_round_robin(void **state)
{
	struct pair p;
	struct pair_stream *small, *ps;

	(void)state;
	pair_init(&p);
	pair_open(&p);
	send_big(&p, sizeof(big));
	send_big(&p, sizeof(big));
	pair_turn(&p);
	small = send_big(&p, 1000);
	PAIR_UNTIL(&p, (ps = pair_stream_find(&p.server, small->id)) &&
	    ps->fin);
	assert_true(p.server.bytes < sizeof(big));
	pair_free(&p);
}

/* A full socket delays packets, and loses none. */
static void
test_full_socket(void **state)
{
	struct pair p;
	struct pair_stream *up, *ps;

	(void)state;
	pair_init(&p);
	full_every = 3;
	pair_open(&p);
	pair_fill(big, sizeof(big), 5);
	up = send_big(&p, sizeof(big));
	PAIR_UNTIL(&p, (ps = pair_stream_find(&p.server, up->id)) && ps->fin &&
	    up->closed);
	assert_memory_equal(buf_data(&ps->in), big, sizeof(big));
	assert_true(sends > 100);
	full_every = 0;
	pair_free(&p);
}

/* Whole batches are lost, from the first packet on. */
static void
test_loss(void **state)
{
	struct pair p;
	struct pair_stream *up, *down, *ps;

	(void)state;
	srandom(5);
	for (loss = 10; loss >= 4; loss -= 3) {
		pair_init(&p);
		pair_open(&p);
		pair_fill(big, sizeof(big), 6);
		up = send_big(&p, 600000);
		down = pair_stream_open(&p.server, p.server.sessions[0].s, 1);
		wt_stream_write(down->st, big, 300000, 1);
		PAIR_UNTIL(&p, (ps = pair_stream_find(&p.server, up->id)) &&
		    ps->fin);
		assert_int_equal(buf_len(&ps->in), 600000);
		assert_memory_equal(buf_data(&ps->in), big, 600000);
		PAIR_UNTIL(&p, (ps = pair_stream_find(&p.client, down->id)) &&
		    ps->fin);
		assert_memory_equal(buf_data(&ps->in), big, 300000);
		pair_free(&p);
	}
	loss = 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_windows),
		cmocka_unit_test(test_pause),
		cmocka_unit_test(test_closed_streams),
		cmocka_unit_test(test_auto_tune),
		cmocka_unit_test(test_stream_credit),
		cmocka_unit_test(test_many_streams),
		cmocka_unit_test(test_round_robin),
		cmocka_unit_test(test_full_socket),
		cmocka_unit_test(test_loss),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
