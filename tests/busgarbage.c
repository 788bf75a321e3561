/*
 * Says everything wrong to topic-bus that a ZeroMQ client can say, one thing
 * after the other, and prints what it is answered: "NAME: CODE", or "NAME: -"
 * when there is no answer before the next pong. busgarbage ENDPOINT.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <zmq.h>

#include "be.h"
#include "bmsg.h"
#include "log.h"
#include "zframes.h"

#define ANSWER_MS 10000

static void *dealer, *context;
static struct buf head, body;

static void
connect_to(const char *endpoint)
{
	int none = 0, ms = ANSWER_MS;

	if (dealer != NULL)
		zmq_close(dealer);
	dealer = zmq_socket(context, ZMQ_DEALER);
	zmq_setsockopt(dealer, ZMQ_LINGER, &none, sizeof(none));
	zmq_setsockopt(dealer, ZMQ_RCVTIMEO, &ms, sizeof(ms));
	if (zmq_connect(dealer, endpoint) == -1)
		fatalx(EX_USAGE, "%s", endpoint);
}

static void
reset(void)
{
	buf_consume(&head, buf_len(&head));
	buf_consume(&body, buf_len(&body));
}

static void
command(enum bmsg_cmd cmd, const char *topic, uint64_t count)
{
	struct bmsg m = { .cmd = cmd, .topic = bmsg_str(topic), .batch = 7,
		.reader = 7, .count = count, .from = bmsg_str("earliest"),
		.permits = 10 };

	bmsg_put(&head, &m);
}

/* A good entry; what is wrong is done to it later. */
static uint8_t *
entry(size_t payload)
{
	struct entry e = { .producer = "p", .producer_len = 1, .key = "k",
		.key_len = 1, .payload_len = (uint32_t)payload };
	uint8_t *bytes = calloc(1, payload + 1), *p;

	e.payload = bytes;
	p = buf_reserve(&body, entry_size(&e));
	entry_put(p, &e);
	buf_commit(&body, entry_size(&e));
	free(bytes);
	return p;
}

static void
frame(const void *p, size_t n, int more)
{
	if (zmq_send(dealer, p, n, more ? ZMQ_SNDMORE : 0) == -1)
		fatalx(EX_SOFTWARE, "send: %s", zmq_strerror(zmq_errno()));
}

static void
send_both(void)
{
	frame(buf_data(&head), buf_len(&head), buf_len(&body) > 0);
	if (buf_len(&body) > 0)
		frame(buf_data(&body), buf_len(&body), 0);
	reset();
}

/* The next answer; *code says what it means unless it is a pong. */
static enum bmsg_cmd
answer(const char *name, const char **code)
{
	zmq_msg_t f[2];
	struct bmsg m;
	int more;

	zmq_msg_init(&f[0]);
	if (zmq_msg_recv(&f[0], dealer, 0) == -1)
		fatalx(EX_UNAVAILABLE, "%s: no answer", name);
	more = zmq_msg_more(&f[0]);
	if (more) {
		zmq_msg_init(&f[1]);
		zmq_msg_recv(&f[1], dealer, 0);
		zmq_msg_close(&f[1]);
	}
	if (bmsg_get(zmq_msg_data(&f[0]), zmq_msg_size(&f[0]), &m, NULL) ==
	    -1)
		fatalx(EX_PROTOCOL, "%s: malformed answer", name);
	if (m.cmd == BMSG_ERROR)
		*code = bmsg_code_name(m.code);
	else if (m.cmd == BMSG_RECEIPT)
		*code = "receipt";
	else if (m.cmd == BMSG_READING)
		*code = "reading";
	zmq_msg_close(&f[0]);
	return m.cmd;
}

/* Sends head, and body if it has any; then a ping: everything that is
 * answered before its pong answers us. */
static void
say(const char *name)
{
	const char *code = "-";

	send_both();
	command(BMSG_PING, "", 0);
	send_both();
	while (answer(name, &code) != BMSG_PONG)
		continue;
	printf("%s: %s\n", name, code);
}

static void
bad_frames(void)
{
	char big[BMSG_HEAD_MAX + 1];

	memset(big, 0x80, sizeof(big));
	buf_append(&head, "", 0);
	say("empty frame");
	buf_append(&head, "GET / HTTP/1.1\r\n", 16);
	say("text");
	buf_append(&head, "\xdf\xff\xff\xff\xff", 5);
	say("a map of four billion");
	buf_append(&head, big, sizeof(big));
	say("a command too long");
	for (int i = 0; i < 100; i++)
		frame("x", 1, 1);
	buf_append(&head, "x", 1);
	say("hundred frames");
	buf_append(&head, "\x81\xa3" "cmd\xa4seek", 10);
	say("unknown command");
	command(BMSG_PING, "", 0);
	buf_append(&body, "x", 1);
	say("ping with a body");
	command(BMSG_RECEIPT, "", 1);
	say("receipt to the bus");
	command(BMSG_FLOW, "", 0);
	say("flow without a reader");
	command(BMSG_CLOSE, "", 0);
	say("close without a reader");
}

static void
bad_batches(void)
{
	uint8_t *p;

	command(BMSG_SEND, "t", 1);
	say("send without entries");
	command(BMSG_SEND, "t", 2);
	entry(10);
	say("count too high");
	command(BMSG_SEND, "t", 1);
	entry(10);
	entry(10);
	say("count too low");
	command(BMSG_SEND, "t", 1);
	entry(10);
	buf_append(&body, "x", 1);
	say("a byte behind");
	command(BMSG_SEND, "t", 1);
	be32_put(entry(10), 0xffffffff);
	say("length of four billion");
	command(BMSG_SEND, "t", 1);
	be32_put(entry(10), 43);
	say("length too small");
	command(BMSG_SEND, "t", 1);
	p = entry(10);
	p[48] = 0xff;
	say("producer is not UTF-8");
	command(BMSG_SEND, "t", 1);
	p = entry(10);
	p[50] = 0xc1;
	say("properties are no map");
	command(BMSG_SEND, "t", 1);
	entry(10 * 1024 * 1024);
	say("payload over --max-message");
	/* The good one of the two is not stored either. */
	command(BMSG_SEND, "t", 2);
	entry(10);
	p = entry(10);
	p[49] = 0xff;
	say("second entry is bad");
}

static void
bad_names(void)
{
	static const char *const names[] = { "..", "a/b", "/etc/passwd",
		"persistent://../../etc", "persistent://a/b/..",
		"persistent://a/b/c/d", "http://a/b/c", "a b", "", "a\\b" };
	char name[64];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		command(BMSG_SEND, names[i], 1);
		entry(10);
		snprintf(name, sizeof(name), "topic '%s'", names[i]);
		say(name);
		command(BMSG_READ, names[i], 0);
		snprintf(name, sizeof(name), "reader of '%s'", names[i]);
		say(name);
	}
}

static void
bad_reads(void)
{
	static const char *const from[] = { "", "x", "1:", "99:0", "@x" };
	struct bmsg m = { .cmd = BMSG_READ, .topic = bmsg_str("t") };
	const char *ignored;
	char name[64];

	for (size_t i = 0; i < sizeof(from) / sizeof(from[0]); i++) {
		m.from = bmsg_str(from[i]);
		bmsg_put(&head, &m);
		snprintf(name, sizeof(name), "reader from '%s'", from[i]);
		say(name);
	}
	m.from = bmsg_str("earliest");
	m.conn = bmsg_str("another.connection.0");
	bmsg_put(&head, &m);
	say("reader of another connection");
	answer("", &ignored); /* it was told the right one by a pong, too */
	m.conn.n = 0;
	for (m.reader = 1; m.reader <= 64; m.reader++) {
		bmsg_put(&head, &m);
		send_both();
	}
	m.reader = 1000;
	bmsg_put(&head, &m);
	say("65 readers");
}

int
main(int argc, char **argv)
{
	const char *code = "-";

	log_init("busgarbage");
	if (argc != 2)
		fatalx(EX_USAGE, "usage: busgarbage ENDPOINT");
	context = zmq_ctx_new();
	connect_to(argv[1]);
	bad_frames();
	bad_batches();
	bad_names();
	bad_reads();
	/* Such a frame ends the connection: ZeroMQ's own limit. */
	command(BMSG_SEND, "t", 1);
	memset(buf_reserve(&body, BMSG_BATCH_MAX + 1), 0, BMSG_BATCH_MAX + 1);
	buf_commit(&body, BMSG_BATCH_MAX + 1);
	send_both();
	connect_to(argv[1]);
	command(BMSG_SEND, "t", 1);
	entry(10);
	send_both();
	while (answer("a good one", &code) == BMSG_PONG)
		continue;
	printf("a good one: %s\n", code);
	zmq_close(dealer);
	zmq_ctx_term(context);
	buf_free(&head);
	buf_free(&body);
	return 0;
}
