/* The transport: how connections begin, move and end. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "udp.h"
#include "wt_pair.h"

static uint8_t big[1000000];

/* n bytes there and back on one stream; the connection is in order. */
static void
echo(struct pair *p, size_t n)
{
	struct pair_stream *up, *far;

	up = pair_stream_open(&p->client, p->client.sessions[0].s, 0);
	assert_non_null(up);
	pair_fill(big, n, (unsigned)up->id);
	assert_int_equal(wt_stream_write(up->st, big, n, 1), 0);
	PAIR_UNTIL(p, (far = pair_stream_find(&p->server, up->id)) &&
	    far->fin);
	assert_int_equal(buf_len(&far->in), n);
	assert_memory_equal(buf_data(&far->in), big, n);
	assert_int_equal(wt_stream_write(far->st, big, n, 1), 0);
	PAIR_UNTIL(p, up->fin && up->closed);
	assert_int_equal(buf_len(&up->in), n);
	assert_memory_equal(buf_data(&up->in), big, n);
}

static void
test_retry_always(void **state)
{
	struct pair p;

	(void)state;
	pair_init(&p);
	p.server_cfg.retry = WT_RETRY_ALWAYS;
	pair_open(&p);
	assert_int_equal(wt_stats(p.server.wt)->retries_sent, 1);
	echo(&p, 1000);
	pair_free(&p);
}

/* Over the rate, clients are sent round once more before they cost anything. */
static void
test_retry_auto(void **state)
{
	struct pair p;

	(void)state;
	pair_init(&p);
	p.server_cfg.max_handshakes_per_second = 2;
	pair_open(&p);
	assert_int_equal(wt_stats(p.server.wt)->retries_sent, 0);
	for (int i = 0; i < 3; i++) {
		pair_connect(&p);
		pair_request(&p, "/more");
	}
	PAIR_UNTIL(&p, wt_stats(p.server.wt)->sessions_total == 4);
	assert_true(wt_stats(p.server.wt)->retries_sent >= 2);
	assert_true(wt_stats(p.server.wt)->connections_refused > 0);
	pair_free(&p);
}

static void
test_connection_limit(void **state)
{
	struct pair p;

	(void)state;
	pair_init(&p);
	p.server_cfg.max_connections = 1;
	pair_open(&p);
	pair_connect(&p);
	PAIR_UNTIL(&p, p.client.conn_closed == 1);
	assert_non_null(strstr(p.client.why, "refused"));
	assert_int_equal(wt_stats(p.server.wt)->connections_refused, 1);
	assert_int_equal(wt_stats(p.server.wt)->connections_active, 1);
	echo(&p, 1000);
	pair_free(&p);
}

static void
test_key_update(void **state)
{
	struct pair p;

	(void)state;
	pair_init(&p);
	pair_open(&p);
	echo(&p, 1000);
	/* Not before the last one is confirmed, which takes packets. */
	for (int i = 0; i < 4; i++) {
		struct wt_session *from = i % 2 ? p.server.sessions[0].s :
						  p.client.sessions[0].s;

		PAIR_UNTIL(&p, wt_conn_update_keys(wt_session_conn(from)) ==
			0 || wt_session_datagram(from, "x", 1) == 2);
		echo(&p, 200000);
	}
	pair_free(&p);
}

static void
test_migration(void **state)
{
	struct pair p;
	char before[64];

	(void)state;
	pair_init(&p);
	pair_open(&p);
	strcpy(before, p.server.peer);
	echo(&p, 1000);
	for (unsigned i = 1; i <= 3; i++) {
		PAIR_UNTIL(&p, wt_conn_migrate(p.conn, 0) == 0);
		PAIR_UNTIL(&p, wt_stats(p.server.wt)->path_changes == i);
		echo(&p, 300000);
	}
	/* The server sees the new address: a second session tells. */
	pair_request(&p, "/moved");
	PAIR_UNTIL(&p, p.server.nsessions == 2);
	assert_string_not_equal(p.server.peer, before);
	pair_free(&p);
}

static void
test_rebind(void **state)
{
	struct pair p;
	char before[64];

	(void)state;
	pair_init(&p);
	pair_open(&p);
	strcpy(before, p.server.peer);
	echo(&p, 1000);
	for (unsigned i = 1; i <= 3; i++) {
		assert_int_equal(wt_conn_migrate(p.conn, 1), 0);
		echo(&p, 300000);
		PAIR_UNTIL(&p, wt_stats(p.server.wt)->path_changes == i);
	}
	pair_request(&p, "/moved");
	PAIR_UNTIL(&p, p.server.nsessions == 2);
	assert_string_not_equal(p.server.peer, before);
	pair_free(&p);
}

static void
test_ipv6(void **state)
{
	struct pair p;

	(void)state;
	pair_init(&p);
	pair_start(&p, "::1");
	pair_connect(&p);
	pair_request(&p, "/six");
	PAIR_UNTIL(&p, p.client.sessions[0].open && p.server.nsessions);
	assert_int_equal(strncmp(p.server.peer, "::1 ", 4), 0);
	echo(&p, 500000);
	PAIR_UNTIL(&p, wt_conn_migrate(p.conn, 0) == 0);
	PAIR_UNTIL(&p, wt_stats(p.server.wt)->path_changes == 1);
	echo(&p, 1000);
	pair_free(&p);
}

/* Bound to every address, answers come from the one that was asked. */
static void
test_wildcard(void **state)
{
	struct sockaddr_in *in;
	struct pair p;

	(void)state;
	pair_init(&p);
	pair_start(&p, "0.0.0.0");
	in = (struct sockaddr_in *)&p.addr;
	in->sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1);
	pair_connect(&p);
	pair_request(&p, "/");
	PAIR_UNTIL(&p, p.client.sessions[0].open && p.server.nsessions);
	echo(&p, 100000);
	pair_free(&p);
}

static void
test_wrong_hash(void **state)
{
	uint8_t other[32] = { 1 };
	struct pair p;

	(void)state;
	pair_init(&p);
	p.client_cfg.cert_sha256 = other;
	pair_start(&p, "127.0.0.1");
	pair_connect(&p);
	pair_request(&p, "/");
	PAIR_UNTIL(&p, p.client.conn_closed);
	assert_non_null(strstr(p.client.why, "hash"));
	assert_int_equal(p.client.sessions[0].closed, 1);
	assert_int_equal(p.server.nsessions, 0);
	PAIR_UNTIL(&p, wt_stats(p.server.wt)->handshakes_failed == 1);
	pair_free(&p);
}

static void
ca_connect(struct pair *p, const char *host)
{
	p->client_cfg.cert_sha256 = NULL;
	p->client_cfg.ca_file = p->cert;
	pair_start(p, "127.0.0.1");
	p->conn = wt_connect(p->client.wt, (struct sockaddr *)&p->addr,
	    p->addrlen, NULL, 0, host);
	assert_non_null(p->conn);
	pair_request(p, "/");
}

static void
test_ca(void **state)
{
	static const char *const good[] = { "localhost", "127.0.0.1" };
	struct pair p;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		pair_init(&p);
		ca_connect(&p, good[i]);
		PAIR_UNTIL(&p, p.client.sessions[0].open);
		pair_free(&p);
	}
	pair_init(&p);
	ca_connect(&p, "example.org");
	PAIR_UNTIL(&p, p.client.conn_closed);
	assert_non_null(strstr(p.client.why, "certificate"));
	assert_false(p.client.sessions[0].open);
	pair_free(&p);
}

static void
test_keylog(void **state)
{
	struct pair p;
	char path[128], line[512];
	int client = 0, server = 0;
	FILE *f;

	(void)state;
	pair_init(&p);
	snprintf(path, sizeof(path), "%s/keys", p.dir);
	p.server_cfg.keylog_file = p.client_cfg.keylog_file = path;
	pair_open(&p);
	f = fopen(path, "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f) != NULL) {
		client += strncmp(line, "CLIENT_TRAFFIC_SECRET_0 ", 24) == 0;
		server += strncmp(line, "SERVER_TRAFFIC_SECRET_0 ", 24) == 0;
	}
	fclose(f);
	assert_int_equal(client, 2);
	assert_int_equal(server, 2);
	unlink(path);
	pair_free(&p);
}

static void
test_idle_timeout(void **state)
{
	struct pair p;

	(void)state;
	pair_init(&p);
	p.server_cfg.idle_timeout_ms = 300;
	pair_open(&p);
	PAIR_UNTIL(&p, p.client.conn_closed && p.server.conn_closed);
	assert_string_equal(p.client.why, "idle timeout");
	assert_int_equal(p.server.sessions[0].closed, 1);
	assert_int_equal(p.server.sessions[0].code, 0);
	assert_int_equal(wt_stats(p.server.wt)->connections_active, 0);
	pair_free(&p);
}

static void
test_keep_alive(void **state)
{
	struct pair p;
	uint64_t until;

	(void)state;
	pair_init(&p);
	p.server_cfg.idle_timeout_ms = 1500;
	p.client_cfg.keep_alive_ms = 200;
	pair_open(&p);
	for (until = pair_ms() + 3500; pair_ms() < until;)
		pair_turn(&p);
	assert_false(p.client.conn_closed);
	assert_int_equal(p.server.sessions[0].closed, 0);
	pair_free(&p);
}

static void
test_nobody_there(void **state)
{
	struct sockaddr_in *in;
	struct pair p;

	(void)state;
	pair_init(&p);
	pair_start(&p, "127.0.0.1");
	in = (struct sockaddr_in *)&p.addr;
	in->sin_port = htons(9); /* discard; nobody serves it here */
	pair_connect(&p);
	PAIR_UNTIL(&p, p.client.conn_closed);
	assert_string_equal(p.client.why, "Connection refused");
	assert_null(wt_stats(p.client.wt)->connections_active ? &p : NULL);
	pair_free(&p);
}

/* Silence instead of an answer. */
static void
test_handshake_timeout(void **state)
{
	struct pair p;
	struct sockaddr_in any = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct udp deaf;

	(void)state;
	assert_int_equal(udp_open(&deaf, (struct sockaddr *)&any, sizeof(any),
	    NULL, 0), 0);
	pair_init(&p);
	p.client_cfg.handshake_timeout_ms = 300;
	pair_start(&p, "127.0.0.1");
	memcpy(&p.addr, &deaf.local.u, deaf.local.len);
	pair_connect(&p);
	PAIR_UNTIL(&p, p.client.conn_closed);
	assert_string_equal(p.client.why, "handshake timeout");
	pair_free(&p);
	udp_close(&deaf);
}

/* A server that speaks something else. */
static void
test_other_version(void **state)
{
	struct pair p;
	struct sockaddr_in any = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct udp other;
	static uint8_t mem[UDP_RX_SIZE];
	struct udp_batch b = { .data = mem };
	uint8_t vn[64] = { 0x80 };
	size_t n = 5;

	(void)state;
	assert_int_equal(udp_open(&other, (struct sockaddr *)&any, sizeof(any),
	    NULL, 0), 0);
	pair_init(&p);
	pair_start(&p, "127.0.0.1");
	memcpy(&p.addr, &other.local.u, other.local.len);
	pair_connect(&p);
	PAIR_UNTIL(&p, udp_recv(&other, &b) == 1);
	/* Its source id is our destination id and the other way round. */
	memcpy(vn + n, mem + 6 + mem[5], 1 + (size_t)mem[6 + mem[5]]);
	n += 1 + (size_t)vn[n];
	memcpy(vn + n, mem + 5, 1 + (size_t)mem[5]);
	n += 1 + (size_t)mem[5];
	memcpy(vn + n, "\xff\0\0\x1d", 4);
	b.data = vn;
	b.len = b.segment = n + 4;
	assert_int_equal(udp_send(&other, &b), 0);
	PAIR_UNTIL(&p, p.client.conn_closed);
	assert_non_null(strstr(p.client.why, "version"));
	pair_free(&p);
	udp_close(&other);
}

/* A server that has lost its connections says so, having the same key. */
static void
test_stateless_reset(void **state)
{
	struct pair p;
	struct wt *old;

	(void)state;
	pair_init(&p);
	pair_open(&p);
	echo(&p, 1000);
	/* The same address again; the old server is never heard of. */
	old = p.server.wt;
	wt_pause_reading(old, 1);
	p.server.wt = NULL;
	p.server.wt = wt_server_new(&p.server_cfg);
	assert_non_null(p.server.wt);
	{
		struct sockaddr_storage none;
		socklen_t len;
		int fd = -1;

		/* Take its port from it: only the socket is closed. */
		assert_int_equal(wt_listen_addr(old, 0, &none, &len), 0);
		for (int i = 3; i < 64 && fd == -1; i++) {
			struct sockaddr_storage sa;
			socklen_t salen = sizeof(sa);

			if (getsockname(i, (struct sockaddr *)&sa, &salen) ==
				0 && salen == len &&
			    memcmp(&sa, &none, len) == 0)
				fd = i;
		}
		assert_int_not_equal(fd, -1);
		dup2(STDERR_FILENO, fd);
	}
	assert_int_equal(wt_listen(p.server.wt, (struct sockaddr *)&p.addr,
	    p.addrlen), 0);
	wt_session_datagram(p.client.sessions[0].s, "still there?", 12);
	wt_stream_write(wt_stream_open(p.client.sessions[0].s, 1), big, 5000,
	    0);
	PAIR_UNTIL(&p, p.client.conn_closed);
	assert_non_null(strstr(p.client.why, "stateless reset"));
	assert_true(wt_stats(p.server.wt)->stateless_resets_sent > 0);
	wt_free(old);
	pair_free(&p);
}

/* ------------------------------------------------- packets from strangers */

struct stranger {
	struct pair p;
	struct udp u;
};

static void
stranger_start(struct stranger *s)
{
	pair_init(&s->p);
	pair_open(&s->p);
	assert_int_equal(udp_open(&s->u, NULL, 0,
	    (struct sockaddr *)&s->p.addr, s->p.addrlen), 0);
}

static void
stranger_send(struct stranger *s, uint8_t *p, size_t n)
{
	assert_int_equal(send(s->u.fd, p, n, 0), (ssize_t)n);
}

static void
test_version_negotiation(void **state)
{
	struct stranger s;
	uint8_t pkt[1200] = { 0xc0, 0x1a, 0x2a, 0x3a, 0x4a, 4, 'd', 'c', 'i',
		'd', 4, 's', 'c', 'i', 'd' };
	uint8_t answer[UDP_RX_SIZE];
	struct udp_batch b = { .data = answer };

	(void)state;
	stranger_start(&s);
	stranger_send(&s, pkt, 100); /* too small to be answered */
	stranger_send(&s, pkt, sizeof(pkt));
	PAIR_UNTIL(&s.p, udp_recv(&s.u, &b) == 1);
	assert_int_equal(wt_stats(s.p.server.wt)->version_negotiations_sent, 1);
	assert_true(answer[0] & 0x80);
	assert_memory_equal(answer + 1, "\0\0\0\0\4scid\4dcid\0\0\0\1", 18);
	echo(&s.p, 1000);
	udp_close(&s.u);
	pair_free(&s.p);
}

static void
test_random_packets(void **state)
{
	struct stranger s;
	uint8_t pkt[1400];
	uint64_t before;

	(void)state;
	stranger_start(&s);
	before = wt_stats(s.p.server.wt)->packets_in;
	srandom(4711);
	for (int i = 0; i < 3000; i++) {
		size_t n = 1 + (size_t)random() % sizeof(pkt);

		for (size_t j = 0; j < n; j++)
			pkt[j] = (uint8_t)random();
		if (i % 3 == 0) /* looks like QUIC version 1 */
			memcpy(pkt, "\xc3\0\0\0\1\x08", 6);
		stranger_send(&s, pkt, n);
		if (i % 50 == 0)
			pair_turn(&s.p);
	}
	PAIR_UNTIL(&s.p, wt_stats(s.p.server.wt)->packets_in >= before + 3000);
	assert_true(wt_stats(s.p.server.wt)->packets_invalid > 100);
	echo(&s.p, 1000);
	udp_close(&s.u);
	pair_free(&s.p);
}

/* A Version Negotiation packet means nothing to a server, however long the
 * ids in it are. */
static void
test_negotiation_to_server(void **state)
{
	struct stranger s;
	uint8_t pkt[1200] = { 0xc0, 0, 0, 0, 0, 255 };
	uint64_t before;

	(void)state;
	stranger_start(&s);
	before = wt_stats(s.p.server.wt)->packets_invalid;
	stranger_send(&s, pkt, sizeof(pkt));
	pkt[5] = 8;
	stranger_send(&s, pkt, sizeof(pkt));
	PAIR_UNTIL(&s.p,
	    wt_stats(s.p.server.wt)->packets_invalid == before + 2);
	assert_int_equal(wt_stats(s.p.server.wt)->stateless_resets_sent, 0);
	echo(&s.p, 1000);
	udp_close(&s.u);
	pair_free(&s.p);
}

/* First packets that cannot be read, again and again with one id: of their
 * connection nothing is left to be found. */
static void
test_dropped_at_once(void **state)
{
	struct stranger s;
	/* Version 1, ids, no token, a length: more than there is, or right. */
	uint8_t pkt[1200] = { 0xc3, 0, 0, 0, 1, 8, 'i', 's', ' ', 'g', 'o',
		'n', 'e', '!', 4, 's', 'c', 'i', 'd', 0, 0x7f, 0xff };
	const struct wt_stats *stats;
	uint64_t before;

	(void)state;
	stranger_start(&s);
	stats = wt_stats(s.p.server.wt);
	for (int i = 0; i < 6; i++) {
		if (i == 3) {
			pkt[20] = 0x40 | (sizeof(pkt) - 22) >> 8;
			pkt[21] = (sizeof(pkt) - 22) & 0xff;
		}
		before = stats->packets_in;
		for (int j = 0; j < 3; j++)
			stranger_send(&s, pkt, sizeof(pkt));
		PAIR_UNTIL(&s.p, stats->packets_in >= before + 3);
		assert_int_equal(stats->connections_active, 1);
	}
	assert_true(stats->handshakes_failed >= 6);
	echo(&s.p, 1000);
	udp_close(&s.u);
	pair_free(&s.p);
}

/* A connection that asks for nothing does not stay. */
static void
test_no_session(void **state)
{
	struct pair p;
	uint64_t begun;

	(void)state;
	pair_init(&p);
	p.server_cfg.handshake_timeout_ms = 500;
	pair_start(&p, "127.0.0.1");
	pair_connect(&p);
	begun = pair_ms();
	PAIR_UNTIL(&p, p.client.conn_closed);
	assert_true(pair_ms() >= begun + 400);
	assert_non_null(strstr(p.client.why, "H3_NO_ERROR"));
	pair_free(&p);
}

/* What came meanwhile is taken afterwards, and counts as a sign of life. */
static void
test_pause_reading(void **state)
{
	struct pair p;
	struct pair_stream *up, *ps;
	uint64_t begun;

	(void)state;
	pair_init(&p);
	p.server_cfg.idle_timeout_ms = 3000;
	pair_open(&p);
	/* The client's patience begins with what it sends. */
	for (begun = pair_ms(); pair_ms() < begun + 2000;)
		pair_turn(&p);
	wt_pause_reading(p.server.wt, 1);
	up = pair_stream_open(&p.client, p.client.sessions[0].s, 1);
	wt_stream_write(up->st, "x", 1, 1);
	while (pair_ms() < begun + 4000)
		pair_turn(&p);
	assert_null(pair_stream_find(&p.server, up->id));
	assert_int_equal(wt_timeout_ms(p.server.wt), -1);
	wt_pause_reading(p.server.wt, 0);
	PAIR_UNTIL(&p, (ps = pair_stream_find(&p.server, up->id)) && ps->fin);
	pair_free(&p);
}

/* Nothing more comes after a pause: what is due is due all the same. */
static void
test_pause_and_silence(void **state)
{
	struct pair p;
	uint64_t begun;

	(void)state;
	pair_init(&p);
	p.server_cfg.idle_timeout_ms = 400;
	pair_open(&p);
	wt_pause_reading(p.server.wt, 1);
	wt_flush(p.server.wt);
	wt_pause_reading(p.server.wt, 0);
	/* The client is not heard of again. The server waits as it asks to. */
	for (begun = pair_ms(); p.server.sessions[0].closed == 0;) {
		struct pollfd fds[1];
		int ms = wt_timeout_ms(p.server.wt);

		assert_true(pair_ms() < begun + 10000);
		assert_int_not_equal(ms, -1);
		wt_pollfds(p.server.wt, fds, 1);
		poll(fds, 1, ms);
		wt_read(p.server.wt);
		wt_flush(p.server.wt);
	}
	pair_free(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_retry_always),
		cmocka_unit_test(test_retry_auto),
		cmocka_unit_test(test_connection_limit),
		cmocka_unit_test(test_key_update),
		cmocka_unit_test(test_migration),
		cmocka_unit_test(test_rebind),
		cmocka_unit_test(test_ipv6),
		cmocka_unit_test(test_wildcard),
		cmocka_unit_test(test_wrong_hash),
		cmocka_unit_test(test_ca),
		cmocka_unit_test(test_keylog),
		cmocka_unit_test(test_idle_timeout),
		cmocka_unit_test(test_keep_alive),
		cmocka_unit_test(test_nobody_there),
		cmocka_unit_test(test_handshake_timeout),
		cmocka_unit_test(test_other_version),
		cmocka_unit_test(test_stateless_reset),
		cmocka_unit_test(test_version_negotiation),
		cmocka_unit_test(test_random_packets),
		cmocka_unit_test(test_negotiation_to_server),
		cmocka_unit_test(test_dropped_at_once),
		cmocka_unit_test(test_no_session),
		cmocka_unit_test(test_pause_reading),
		cmocka_unit_test(test_pause_and_silence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
