#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "udp.h"

static uint8_t mem[UDP_RX_SIZE];

/* sendmsg works pass times, then the socket is full that often. */
static int pass, full;
ssize_t __real_sendmsg(int fd, const struct msghdr *msg, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *msg, int flags);

ssize_t
__wrap_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	if (pass > 0) {
		pass--;
	} else if (full > 0) {
		full--;
		errno = EAGAIN;
		return -1;
	}
	return __real_sendmsg(fd, msg, flags);
}

static void
open_pair(const char *any, struct udp *server, struct udp *client)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
	struct udp_addr to;

	if (inet_pton(AF_INET, any, &in.sin_addr) == 1) {
		assert_int_equal(udp_open(server, (struct sockaddr *)&in,
		    sizeof(in), NULL, 0), 0);
		to = server->local;
		to.u.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 5);
	} else {
		inet_pton(AF_INET6, any, &in6.sin6_addr);
		assert_int_equal(udp_open(server, (struct sockaddr *)&in6,
		    sizeof(in6), NULL, 0), 0);
		to = server->local;
		to.u.in6.sin6_addr = in6addr_loopback;
	}
	assert_int_equal(udp_open(client, NULL, 0, &to.u.sa, to.len), 0);
}

static void
receive(struct udp *u, struct udp_batch *b)
{
	struct pollfd pfd = { .fd = u->fd, .events = POLLIN };

	b->data = mem;
	assert_int_equal(poll(&pfd, 1, 5000), 1);
	assert_int_equal(udp_recv(u, b), 1);
}

/* Three packets and a shorter one in one call, with a mark, there; an answer
 * from the address that was asked, back. */
static void
exchange(const char *any)
{
	struct udp server, client;
	struct udp_batch b = { 0 }, in = { 0 };
	uint8_t data[3500];
	size_t got = 0;

	open_pair(any, &server, &client);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7);
	b.data = data;
	b.len = sizeof(data);
	b.segment = 1000;
	b.ecn = 2;
	b.local = client.local;
	assert_int_equal(udp_send(&client, &b), 0);
	while (got < sizeof(data)) {
		receive(&server, &in);
		assert_int_equal(in.ecn, 2);
		assert_true(in.segment == 1000 || in.len < 1000);
		assert_memory_equal(in.data, data + got, in.len);
		got += in.len;
	}
	assert_int_equal(in.remote.len, client.local.len);
	assert_memory_equal(&in.remote.u, &client.local.u, 4);
	b = in;
	b.data = data;
	b.len = b.segment = 10;
	b.ecn = 0;
	assert_int_equal(udp_send(&server, &b), 0);
	receive(&client, &in); /* a connected socket takes it from no other */
	assert_int_equal(in.len, 10);
	assert_int_equal(in.ecn, 0);
	assert_int_equal(udp_recv(&client, &in), 0);
	udp_close(&client);
	udp_close(&server);
}

static void
test_ipv4(void **state)
{
	(void)state;
	exchange("0.0.0.0");
}

static void
test_ipv6(void **state)
{
	(void)state;
	exchange("::");
}

/* A kernel that cannot segment gets them one by one. */
static void
test_no_segmentation(void **state)
{
	struct udp server, client;
	struct udp_batch b = { 0 }, in = { 0 };
	uint8_t data[2500] = { 0 };
	size_t got = 0;

	(void)state;
	open_pair("0.0.0.0", &server, &client);
	client.gso = 0;
	b.data = data;
	b.len = sizeof(data);
	b.segment = 1000;
	b.local = client.local;
	assert_int_equal(udp_send(&client, &b), 0);
	while (got < sizeof(data)) {
		receive(&server, &in);
		got += in.len;
	}
	udp_close(&client);
	udp_close(&server);
}

/* Where nothing can be sent to, batches are not what is wrong. */
static void
test_bad_address(void **state)
{
	struct udp server, client;
	struct udp_batch b = { 0 }, in = { 0 };
	uint8_t data[2500] = { 0 };

	(void)state;
	open_pair("0.0.0.0", &server, &client);
	b.data = data;
	b.len = b.segment = 10;
	b.local = client.local;
	assert_int_equal(udp_send(&client, &b), 0);
	receive(&server, &in);
	server.gso = 1;
	in.data = data;
	in.len = sizeof(data);
	in.segment = 1000;
	in.remote.u.in.sin_port = 0;
	assert_int_equal(udp_send(&server, &in), 0);
	assert_int_equal(server.gso, 1);
	udp_close(&client);
	udp_close(&server);
}

/* A full socket keeps what it was given last, and sends it when it can. */
static void
test_stuck(void **state)
{
	struct udp server, client;
	struct udp_batch b = { 0 }, in = { 0 };
	uint8_t data[2500];
	size_t got = 0;

	(void)state;
	open_pair("0.0.0.0", &server, &client);
	memset(data, 'a', sizeof(data));
	b.data = data;
	b.len = sizeof(data);
	b.segment = 1000;
	b.local = client.local;
	full = 2;
	assert_int_equal(udp_send(&client, &b), 1);
	assert_int_equal(client.stuck.len, sizeof(data));
	memset(data, 'b', sizeof(data)); /* it has a copy */
	assert_int_equal(udp_unstick(&client), 1);
	assert_int_equal(udp_unstick(&client), 0);
	assert_null(client.stuck.data);
	assert_int_equal(udp_unstick(&client), 0);
	for (; got < sizeof(data); got += in.len) {
		receive(&server, &in);
		assert_int_equal(in.data[in.len - 1], 'a');
	}
	/* One by one, what is gone is gone. */
	client.gso = 0;
	pass = 1;
	full = 1;
	assert_int_equal(udp_send(&client, &b), 1);
	assert_int_equal(client.stuck.len, 1500);
	assert_int_equal(udp_unstick(&client), 0);
	for (got = 0; got < sizeof(data); got += in.len)
		receive(&server, &in);
	udp_close(&client);
	udp_close(&server);
}

static void
test_nobody(void **state)
{
	struct udp server, client;
	struct udp_batch b = { 0 }, in = { .data = mem };
	uint8_t data[10] = { 0 };
	struct pollfd pfd;

	(void)state;
	open_pair("0.0.0.0", &server, &client);
	udp_close(&server);
	b.data = data;
	b.len = b.segment = sizeof(data);
	assert_int_equal(udp_send(&client, &b), 0);
	pfd = (struct pollfd){ .fd = client.fd, .events = POLLIN };
	assert_int_equal(poll(&pfd, 1, 5000), 1);
	assert_int_equal(udp_recv(&client, &in), -1);
	assert_int_equal(errno, ECONNREFUSED);
	udp_close(&client);
}

static void
test_names(void **state)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(80),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6,
		.sin6_port = htons(443), .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct sockaddr other = { .sa_family = AF_UNIX };
	struct udp_addr a;
	char buf[64];

	(void)state;
	assert_string_equal(udp_name((struct sockaddr *)&in, buf, sizeof(buf)),
	    "127.0.0.1 80");
	assert_string_equal(udp_name((struct sockaddr *)&in6, buf, sizeof(buf)),
	    "::1 443");
	assert_int_equal(udp_addr_set(&a, &other, sizeof(other)), -1);
	assert_int_equal(udp_addr_set(&a, (struct sockaddr *)&in, 4), -1);
	assert_int_equal(udp_addr_set(&a, (struct sockaddr *)&in, sizeof(in)),
	    0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ipv4),
		cmocka_unit_test(test_ipv6),
		cmocka_unit_test(test_no_segmentation),
		cmocka_unit_test(test_bad_address),
		cmocka_unit_test(test_stuck),
		cmocka_unit_test(test_nobody),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
