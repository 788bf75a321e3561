/* What becomes of each record, with nobody at the other end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <zmq.h>

#include "../../route/dispatch.h"
#include "be.h"
#include "dmsg.h"
#include "rec.h"
#include "track.h"

static void *zmq;
static struct config *config;
static struct route route;
static struct buf in;
static const char *why;

static void
open_route(const char *text)
{
	struct conf *errors = NULL;

	config = config_from(conf_parse("r", (const uint8_t *)text,
	    strlen(text)), &errors);
	assert_non_null(config);
	zmq = zmq_ctx_new();
	assert_int_equal(route_open(&route, config, zmq, 100, 100, NULL, 1),
	    0);
}

static int
close_route(void **state)
{
	(void)state;
	route_close(&route);
	zmq_ctx_term(zmq);
	config_free(config);
	buf_free(&in);
	return 0;
}

static void
add(uint8_t type, uint8_t flags, uint64_t session, uint64_t stream,
    const void *payload, uint32_t len)
{
	struct rec r = { .type = type, .flags = flags, .session = session,
		.stream = stream, .payload = payload, .len = len };

	rec_append(&in, &r);
}

static void
add_packet(uint64_t session, uint64_t stream, const char *id,
    const char *type, uint32_t len)
{
	uint8_t *p = calloc(1, TRACK_HEADER_LEN + len);

	assert_int_equal(track_header_put(p, id, type, len), 0);
	add(REC_PACKET, 0, session, stream, p, TRACK_HEADER_LEN + len);
	free(p);
}

/* Checks and removes the first queued record of an endpoint. */
static void
expect_record(uint32_t endpoint, uint8_t type, uint64_t session,
    uint64_t number)
{
	struct queue *q = &route.endpoints[endpoint].queue;
	struct batch *b = q->head;
	struct rec r;

	assert_non_null(b);
	assert_true(rec_get(batch_records(b), b->len, &r, NULL) > 0);
	assert_int_equal(r.type, type);
	assert_int_equal(r.session, session);
	assert_true(be64_get(batch_numbers(b)) == number);
	q->credit_packets = q->credit_bytes = UINT64_MAX;
	if (b->numbered == 0)
		assert_ptr_equal(queue_take(q), b);
	queue_ack(q, q->acked + 1);
}

static void
expect_nothing(uint32_t endpoint)
{
	assert_true(queue_empty(&route.endpoints[endpoint].queue));
}

#define TWO "services:\n" \
	"  video: {types: [video], endpoints: ['ipc:///tmp/none1']}\n" \
	"  chat: {types: [chat], endpoints: ['ipc:///tmp/none2']}\n"

static void
sessions_go_where_packets_go(void **state)
{
	(void)state;
	open_route(TWO);
	add(REC_SESSION_OPEN, 0, 1, REC_NO_STREAM, "\x80", 1);
	add(REC_SESSION_OPEN, 0, 2, REC_NO_STREAM, "\x80", 1);
	assert_int_equal(dispatch_input(&route, &in, &why), DISPATCH_MORE);
	expect_nothing(0);
	add_packet(1, 2, "cam", "video", 10);
	add_packet(1, 2, "cam", "video", 10);
	add_packet(1, REC_NO_STREAM, "cam", "video", 10);
	add_packet(2, 2, "cam", "video", 10);
	add(REC_SESSION_CLOSE, 0, 1, REC_NO_STREAM, "\0\0\0\0", 4);
	add(REC_SESSION_CLOSE, 0, 1, REC_NO_STREAM, "\0\0\0\0", 4);
	assert_int_equal(dispatch_input(&route, &in, &why), DISPATCH_MORE);
	expect_record(0, REC_SESSION_OPEN, 1, DMSG_NO_NUMBER);
	expect_record(0, REC_PACKET, 1, 0);
	expect_record(0, REC_PACKET, 1, 1);
	expect_record(0, REC_PACKET, 1, 0);
	expect_record(0, REC_SESSION_OPEN, 2, DMSG_NO_NUMBER);
	expect_record(0, REC_PACKET, 2, 0);
	expect_record(0, REC_SESSION_CLOSE, 1, DMSG_NO_NUMBER);
	expect_nothing(0);
	expect_nothing(1);
	assert_int_equal(route.streams.sessions.count, 1);
	assert_int_equal(route.streams.streams.count, 1);
	assert_int_equal(buf_len(&in), 0);
}

static void
one_stream_may_carry_several_tracks(void **state)
{
	(void)state;
	open_route(TWO);
	add_packet(1, 2, "cam", "video", 1);
	add_packet(1, 2, "room", "chat", 2);
	add_packet(1, 2, "cam", "video", 3);
	add_packet(1, 2, "cam", "what", 3);
	add_packet(1, 2, "cam", "chat", 3);
	add(REC_SESSION_CLOSE, 0, 1, REC_NO_STREAM, "\0\0\0\0", 4);
	assert_int_equal(dispatch_input(&route, &in, &why), DISPATCH_MORE);
	expect_record(0, REC_PACKET, 1, 0);
	expect_record(0, REC_PACKET, 1, 2);
	expect_record(0, REC_SESSION_CLOSE, 1, DMSG_NO_NUMBER);
	expect_record(1, REC_PACKET, 1, 1);
	expect_record(1, REC_PACKET, 1, 4);
	expect_record(1, REC_SESSION_CLOSE, 1, DMSG_NO_NUMBER);
	assert_int_equal(route.stats.unknown_types, 1);
}

static void
ended_streams_are_forgotten(void **state)
{
	(void)state;
	open_route(TWO);
	for (uint64_t i = 0; i < 8; i += 4) {
		add_packet(1, i, "cam", "video", 1);
		if (i == 0)
			add(REC_STREAM_DATA, REC_FIN, 1, i, NULL, 0);
		else
			add(REC_STREAM_RESET, 0, 1, i, "\0\0\0\0", 4);
	}
	/* The server's side of a stream is not the client's. */
	add_packet(1, 8, "cam", "video", 1);
	add(REC_STOP_SENDING, 0, 1, 8, "\0\0\0\0", 4);
	assert_int_equal(dispatch_input(&route, &in, &why), DISPATCH_MORE);
	assert_int_equal(route.streams.streams.count, 1);
	assert_int_equal(route.stats.requests_dropped, 0);
	add(REC_STOP_SENDING, REC_REQUEST, 1, 8, "\0\0\0\0", 4);
	assert_int_equal(dispatch_input(&route, &in, &why), DISPATCH_MORE);
	assert_int_equal(route.stats.requests_dropped, 1);
}

static void
others_are_ignored(void **state)
{
	(void)state;
	open_route(TWO);
	add(REC_STREAM_DATA, 0, 1, 4, "abc", 3);
	add(REC_SESSION_DRAIN, 0, 1, REC_NO_STREAM, NULL, 0);
	add(99, 0, 1, 4, "abc", 3);
	assert_int_equal(dispatch_input(&route, &in, &why), DISPATCH_MORE);
	assert_int_equal(route.stats.ignored, 2);
	assert_int_equal(route.stats.records, 3);
	expect_nothing(0);
}

static void
limits_hold(void **state)
{
	(void)state;
	open_route(TWO);
	for (uint64_t i = 0; i < 150; i++)
		add_packet(1, 4 * i, "cam", "video", 1);
	assert_int_equal(dispatch_input(&route, &in, &why), DISPATCH_MORE);
	assert_int_equal(route.stats.streams_over, 50);
	assert_int_equal(route.endpoints[0].queue.queued_packets, 100);
}

static void
malformed_is_told(void **state)
{
	uint8_t bad[40] = { 0 };

	(void)state;
	open_route(TWO);
	add_packet(1, 4, "cam", "video", 1);
	be32_put(bad + 16, 9);
	bad[20] = 'x';
	add(REC_PACKET, 0, 1, 4, bad, sizeof(bad));
	assert_int_equal(dispatch_input(&route, &in, &why),
	    DISPATCH_MALFORMED);
	assert_string_equal(why,
	    "a packet's length disagrees with its record");
	/* What came before it was taken. */
	expect_record(0, REC_PACKET, 1, 0);
	expect_nothing(0);
	buf_consume(&in, buf_len(&in));
	add(0, 0, 1, 4, NULL, 0);
	assert_int_equal(dispatch_input(&route, &in, &why),
	    DISPATCH_MALFORMED);
	assert_string_equal(why, "type 0");
}

#define POLICY(policy) "services:\n" \
	"  video: {types: [video], endpoints: ['ipc:///tmp/none1'],\n" \
	"    policy: " policy ", queue: {packets: 4, bytes: 1MiB}}\n" \
	"  chat: {types: [chat], endpoints: ['ipc:///tmp/none2']}\n"

static void
block_keeps_the_record(void **state)
{
	struct queue *q;

	(void)state;
	open_route(POLICY("block"));
	q = &route.endpoints[0].queue;
	for (int i = 0; i < 6; i++)
		add_packet(1, 4, "cam", "video", 1);
	add_packet(1, 8, "room", "chat", 1);
	assert_int_equal(dispatch_input(&route, &in, &why),
	    DISPATCH_BLOCKED);
	assert_ptr_equal(route.blocked, &route.endpoints[0]);
	assert_int_equal(q->queued_packets, 4);
	assert_false(dispatch_unblocked(&route));
	expect_nothing(1);
	expect_record(0, REC_PACKET, 1, 0);
	assert_int_equal(queue_ack(q, 4), 3);
	assert_true(dispatch_unblocked(&route));
	assert_int_equal(dispatch_input(&route, &in, &why), DISPATCH_MORE);
	expect_record(0, REC_PACKET, 1, 4);
	expect_record(0, REC_PACKET, 1, 5);
	expect_record(1, REC_PACKET, 1, 0);
	assert_int_equal(route.endpoints[0].stats.blocked, 1);
	assert_int_equal(buf_len(&in), 0);
}

static void
newest_goes(void **state)
{
	(void)state;
	open_route(POLICY("drop-newest"));
	add(REC_SESSION_OPEN, 0, 1, REC_NO_STREAM, "\x80", 1);
	add(REC_SESSION_OPEN, 0, 2, REC_NO_STREAM, "\x80", 1);
	for (int i = 0; i < 6; i++)
		add_packet(1, 4, "cam", "video", 1);
	/* A session none of whose packets got in is not told of. */
	add_packet(2, 4, "cam", "video", 1);
	add(REC_SESSION_CLOSE, 0, 2, REC_NO_STREAM, "\0\0\0\0", 4);
	add(REC_SESSION_CLOSE, 0, 1, REC_NO_STREAM, "\0\0\0\0", 4);
	assert_int_equal(dispatch_input(&route, &in, &why), DISPATCH_MORE);
	expect_record(0, REC_SESSION_OPEN, 1, DMSG_NO_NUMBER);
	for (uint64_t i = 0; i < 3; i++)
		expect_record(0, REC_PACKET, 1, i);
	expect_record(0, REC_SESSION_CLOSE, 1, DMSG_NO_NUMBER);
	expect_nothing(0);
	assert_int_equal(route.endpoints[0].stats.dropped[DROP_NEWEST], 4);
}

static void
oldest_goes(void **state)
{
	(void)state;
	open_route(POLICY("drop-oldest"));
	add(REC_SESSION_OPEN, 0, 1, REC_NO_STREAM, "\x80", 1);
	for (int i = 0; i < 10; i++)
		add_packet(1, 4, "cam", "video", 1);
	assert_int_equal(dispatch_input(&route, &in, &why), DISPATCH_MORE);
	expect_record(0, REC_SESSION_OPEN, 1, DMSG_NO_NUMBER);
	for (uint64_t i = 6; i < 10; i++)
		expect_record(0, REC_PACKET, 1, i);
	expect_nothing(0);
	assert_int_equal(route.endpoints[0].stats.dropped[DROP_OLDEST], 6);
	assert_int_equal(route.endpoints[0].stats.packets_routed, 10);
}

static void
tracks_spread_over_endpoints(void **state)
{
	char id[TRACK_ID_LEN + 1];
	uint64_t sum = 0;

	(void)state;
	open_route("services:\n  all: {types: ['*'], endpoints: "
	    "['ipc:///tmp/n1', 'ipc:///tmp/n2', 'ipc:///tmp/n3']}\n");
	for (int i = 0; i < 90; i++) {
		snprintf(id, sizeof(id), "track%d", i % 30);
		add_packet(1, 4, id, "video", 1);
	}
	assert_int_equal(dispatch_input(&route, &in, &why), DISPATCH_MORE);
	for (int i = 0; i < 3; i++) {
		uint64_t n = route.endpoints[i].queue.queued_packets;

		assert_true(n > 0 && n % 3 == 0);
		sum += n;
	}
	assert_int_equal(sum, 90);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_teardown(f, close_route)
	const struct CMUnitTest tests[] = {
		TEST(sessions_go_where_packets_go),
		TEST(one_stream_may_carry_several_tracks),
		TEST(ended_streams_are_forgotten),
		TEST(others_are_ignored),
		TEST(limits_hold),
		TEST(malformed_is_told),
		TEST(block_keeps_the_record),
		TEST(newest_goes),
		TEST(oldest_goes),
		TEST(tracks_spread_over_endpoints),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
