/*
 * A client that says what a proper one never would. Its arguments are steps,
 * done one after another; the first that fails is named on stderr and ends it
 * with status 1.
 *
 *	hostile HASHFILE HOST PORT STEP...
 *
 * Our streams are numbered from 0 in the order of their opening, the server's
 * s0, s1 ... HEX may hold spaces; "+" at its end means FIN.
 *
 *	settings		control stream with our usual SETTINGS
 *	uni=HEX, bidi=HEX	a stream with these bytes
 *	send=N:HEX		more bytes on stream N
 *	field=NAME:VALUE	a field of the next CONNECT
 *	connect=PATH		a CONNECT; waits for its response
 *	answer=N		waits for a response on stream N
 *	status=CODE		that response's status was CODE
 *	has=NAME:VALUE		it had this field
 *	request=HEX		a request stream with a HEADERS frame around HEX
 *	file=N:FILE		a file's bytes and FIN on stream N
 *	open=COUNT:HEX		as many unidirectional streams with HEX as
 *				there is credit for now, at most COUNT; prints
 *				how many
 *	datagram=HEX
 *	stop=N, reset=N		STOP_SENDING, RESET_STREAM with code 0
 *	flood=COUNT:HEX		COUNT unidirectional streams with HEX and FIN,
 *				as fast as there is credit for them
 *	acked			waits until all that was sent is acknowledged
 *	alive			the same for a ping; fails if the connection ends
 *	expect-close=CODE	the server closes with this HTTP/3 code
 *	expect-stop=N:CODE	STOP_SENDING, RESET_STREAM, FIN on stream N
 *	expect-reset=N:CODE
 *	expect-fin=N
 *	expect-data=N:HEX	these are the bytes stream N received
 *	expect-datagrams=N	so many datagrams were received
 *	expect-drain=N		a GOAWAY on the server's control stream N
 *	expect-end		the connection ends, however
 *	vanish			ends without a word (the default is to close)
 *	wait=FILE		goes on (and answers packets) until FILE exists
 *	touch=FILE		makes it
 */
#include <ctype.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "../rawquic.h"
#include "h3field.h"
#include "h3frame.h"
#include "log.h"
#include "stage.h"

#define STEP_NS UINT64_C(20000000000) /* no step takes longer */
#define IDLE_MS 30000
#define FIELDS_MAX 16
#define SERVERS (UINT64_C(1) << 63) /* in a number: of the server's streams */

struct hostile {
	struct raw r;
	const char *step;
	char *fields[2 * FIELDS_MAX]; /* of the next CONNECT */
	size_t nfields;
	int status; /* of the last response, as is what follows */
	struct h3_fields response;
	int vanish;
	uint8_t hex[65536];
	size_t n;	/* bytes in it */
	int fin;
};

static _Noreturn void
failed(struct hostile *h, const char *why)
{
	fatalx(1, "%s: %s%s%s (code %#llx)", h->step, why,
	    h->r.closed ? "; the connection ended: " : "",
	    h->r.closed ? ngtcp2_strerror(h->r.end) : "",
	    (unsigned long long)h->r.close_code);
}

static int
nibble(int c)
{
	return c <= '9' ? c - '0' : tolower(c) - 'a' + 10;
}

static void
hex_read(struct hostile *h, const char *s)
{
	h->n = 0;
	h->fin = 0;
	for (; *s != '\0'; s++) {
		if (*s == ' ')
			continue;
		if (*s == '+' && s[1] == '\0') {
			h->fin = 1;
			return;
		}
		if (!isxdigit((unsigned char)s[0]) ||
		    !isxdigit((unsigned char)s[1]) || h->n == sizeof(h->hex))
			fatalx(EX_USAGE, "%s: not hexadecimal", h->step);
		h->hex[h->n++] = (uint8_t)(nibble(s[0]) << 4 | nibble(s[1]));
		s++;
	}
}

/* Turns until done() says 1, or the step's time is over. */
static void
until(struct hostile *h, int (*done)(struct hostile *h, uint64_t arg),
    uint64_t arg, int may_end)
{
	uint64_t end = stage_monotonic() + STEP_NS;

	while (!done(h, arg)) {
		if (h->r.closed && !may_end)
			failed(h, "too early an end");
		if (h->r.closed || stage_monotonic() > end)
			failed(h, "did not happen");
		raw_turn(&h->r, 50);
	}
}

static int
is_handshaken(struct hostile *h, uint64_t arg)
{
	(void)arg;
	return h->r.done;
}

static int
is_over(struct hostile *h, uint64_t arg)
{
	(void)arg;
	return h->r.closed;
}

static int
is_acked(struct hostile *h, uint64_t arg)
{
	(void)arg;
	for (size_t i = 0; i < h->r.nstreams; i++) {
		struct raw_stream *st = h->r.streams[i];

		if (!st->closed && (st->tx.unacked > 0 ||
				       (st->fin && !st->fin_sent)))
			return 0;
	}
	return 1;
}

/* The i-th stream that we, or the server, opened; NULL: not yet. */
static struct raw_stream *
stream_n(struct hostile *h, uint64_t i)
{
	uint64_t server = (i & SERVERS) != 0, k = i & ~SERVERS;

	for (size_t n = 0; n < h->r.nstreams; n++) {
		struct raw_stream *st = h->r.streams[n];

		if ((uint64_t)(st->id & 1) == server && k-- == 0)
			return st;
	}
	return NULL;
}

/* "N", "sN": the number, and what is behind it and a colon. */
static uint64_t
number(struct hostile *h, const char **arg)
{
	uint64_t server = **arg == 's' ? SERVERS : 0;
	char *rest;
	uint64_t i;

	if (server)
		(*arg)++;
	i = strtoull(*arg, &rest, 10);
	if (rest == *arg || (*rest != ':' && *rest != '\0'))
		fatalx(EX_USAGE, "%s: no stream number", h->step);
	*arg = *rest == ':' ? rest + 1 : rest;
	return i | server;
}

static int
is_stopped(struct hostile *h, uint64_t i)
{
	return stream_n(h, i) != NULL && stream_n(h, i)->stop != -1;
}

static int
is_reset(struct hostile *h, uint64_t i)
{
	return stream_n(h, i) != NULL && stream_n(h, i)->reset != -1;
}

static int
is_finished(struct hostile *h, uint64_t i)
{
	return stream_n(h, i) != NULL && stream_n(h, i)->in_fin;
}

static int
file_is_there(struct hostile *h, uint64_t arg)
{
	(void)arg;
	return access(strchr(h->step, '=') + 1, F_OK) == 0;
}

/* A whole HEADERS frame on the stream: sets status. */
static int
is_answered(struct hostile *h, uint64_t i)
{
	struct raw_stream *st = stream_n(h, i);
	const uint8_t *p = buf_data(&st->in);
	size_t n = buf_len(&st->in);
	struct h3_frames f;
	enum h3_event ev;
	int done = 0;

	if (n == 0)
		return 0;
	h3_frames_init(&f, H3_ON_REQUEST, 0, 65536);
	while ((ev = h3_frames_next(&f, &p, &n)) == H3_EV_IGNORED)
		;
	if (ev == H3_EV_HEADERS) {
		done = 1;
		h3_fields_free(&h->response);
		if (h3_response_get(f.payload, f.len, 65536, &h->response,
			NULL) != H3_FIELD_OK)
			failed(h, "bad response");
		h->status = h->response.status;
	}
	h3_frames_free(&f);
	return done;
}

/* A stream with these bytes, as soon as there is credit for it. */
static struct raw_stream *
open_stream(struct hostile *h, int uni, const void *p, size_t n, int fin)
{
	uint64_t end = stage_monotonic() + STEP_NS;
	struct raw_stream *st;

	while ((st = raw_stream(&h->r, uni, p, n, fin)) == NULL) {
		if (h->r.closed || stage_monotonic() > end)
			failed(h, "no stream credit");
		raw_turn(&h->r, 50);
	}
	return st;
}

static void
do_settings(struct hostile *h, const char *arg)
{
	uint8_t p[1 + H3_SETTINGS_FRAME_LEN] = { H3_STREAM_CONTROL };
	struct h3_settings s;

	(void)arg;
	h3_settings_ours(&s, 1, 65536);
	open_stream(h, 1, p, 1 + h3_settings_put(p + 1, &s), 0);
}

static void
do_stream(struct hostile *h, const char *arg)
{
	int uni = strncmp(h->step, "uni", 3) == 0;

	hex_read(h, arg);
	open_stream(h, uni, h->hex, h->n, h->fin);
}

/* "N:REST": the stream and what follows. */
static struct raw_stream *
numbered(struct hostile *h, const char **arg)
{
	struct raw_stream *st = stream_n(h, number(h, arg));

	if (st == NULL)
		failed(h, "no such stream");
	return st;
}

static void
do_send(struct hostile *h, const char *arg)
{
	struct raw_stream *st = numbered(h, &arg);

	hex_read(h, arg);
	raw_write(st, h->hex, h->n, h->fin);
}

static void
do_field(struct hostile *h, const char *arg)
{
	const char *colon = strchr(arg, ':');

	if (colon == NULL || h->nfields == 2 * FIELDS_MAX)
		fatalx(EX_USAGE, "%s: not NAME:VALUE, or too many", h->step);
	h->fields[h->nfields++] = strndup(arg, (size_t)(colon - arg));
	h->fields[h->nfields++] = strdup(colon + 1);
}

static void
do_connect(struct hostile *h, const char *arg)
{
	struct raw_stream *st;
	struct buf b = { 0 };
	uint64_t i = 0;

	h3_request_put(&b, "localhost", arg, (const char *const *)h->fields,
	    h->nfields);
	st = open_stream(h, 0, buf_data(&b), buf_len(&b), 0);
	buf_free(&b);
	while (h->nfields > 0)
		free(h->fields[--h->nfields]);
	while (stream_n(h, i) != st)
		i++;
	until(h, is_answered, i, 0);
}

static void
do_answer(struct hostile *h, const char *arg)
{
	until(h, is_answered, number(h, &arg), 0);
}

static void
do_status(struct hostile *h, const char *arg)
{
	if (h->status != atoi(arg))
		fatalx(1, "%s: it was %d", h->step, h->status);
}

static void
do_has(struct hostile *h, const char *arg)
{
	size_t n = strcspn(arg, ":");
	char name[64];
	const char *value;

	snprintf(name, sizeof(name), "%.*s", (int)n, arg);
	value = h3_fields_find(&h->response, name);
	if (value == NULL)
		value = "absent";
	if (strcmp(value, arg + n + 1) != 0)
		fatalx(1, "%s: it is %s", h->step, value);
}

static void
do_request(struct hostile *h, const char *arg)
{
	struct raw_stream *st;
	uint8_t head[2 * VARINT_LEN_MAX];

	hex_read(h, arg);
	st = open_stream(h, 0, head, h3_frame_put(head, H3_FRAME_HEADERS, h->n),
	    0);
	raw_write(st, h->hex, h->n, h->fin);
}

static void
do_datagram(struct hostile *h, const char *arg)
{
	hex_read(h, arg);
	if (!raw_datagram(&h->r, h->hex, h->n))
		log_warnx("%s: it was not taken", h->step);
}

static void
do_stop(struct hostile *h, const char *arg)
{
	struct raw_stream *st = numbered(h, &arg);

	if (strncmp(h->step, "stop", 4) == 0)
		ngtcp2_conn_shutdown_stream_read(h->r.qc, 0, st->id, 0);
	else
		ngtcp2_conn_shutdown_stream_write(h->r.qc, 0, st->id, 0);
}

static void
do_flood(struct hostile *h, const char *arg)
{
	char *rest;
	unsigned long count = strtoul(arg, &rest, 10);

	hex_read(h, *rest == ':' ? rest + 1 : rest);
	while (count-- > 0)
		open_stream(h, 1, h->hex, h->n, 1);
	until(h, is_acked, 0, 0);
}

static void
do_open(struct hostile *h, const char *arg)
{
	char *rest;
	unsigned long count = strtoul(arg, &rest, 10), i;

	hex_read(h, *rest == ':' ? rest + 1 : rest);
	for (i = 0; i < count; i++)
		if (raw_stream(&h->r, 1, h->hex, h->n, h->fin) == NULL)
			break;
	printf("%lu\n", i);
	fflush(stdout);
}

static void
do_file(struct hostile *h, const char *arg)
{
	struct raw_stream *st = numbered(h, &arg);
	FILE *f = fopen(arg, "r");
	char part[65536];
	size_t n;

	if (f == NULL)
		fatal(1, "%s", h->step);
	while ((n = fread(part, 1, sizeof(part), f)) > 0)
		raw_write(st, part, n, 0);
	fclose(f);
	raw_write(st, "", 0, 1);
}

static void
do_acked(struct hostile *h, const char *arg)
{
	(void)arg;
	until(h, is_acked, 0, 0);
}

static void
do_alive(struct hostile *h, const char *arg)
{
	/* A stream type nobody knows: read, stopped, and no harm done. */
	static const uint8_t grease = 0x21;

	(void)arg;
	open_stream(h, 1, &grease, 1, 1);
	until(h, is_acked, 0, 0);
}

static void
do_expect_close(struct hostile *h, const char *arg)
{
	until(h, is_over, 0, 1);
	if (!h->r.close_is_app || h->r.close_code != strtoull(arg, NULL, 0))
		failed(h, "another end");
}

static void
do_expect_end(struct hostile *h, const char *arg)
{
	(void)arg;
	until(h, is_over, 0, 1);
}

static void
do_expect_code(struct hostile *h, const char *arg)
{
	int stop = strncmp(h->step, "expect-stop", 11) == 0;
	uint64_t i = number(h, &arg);
	int64_t got;

	until(h, stop ? is_stopped : is_reset, i, 0);
	got = stop ? stream_n(h, i)->stop : stream_n(h, i)->reset;
	if (*arg != '\0' && got != strtoll(arg, NULL, 0))
		fatalx(1, "%s: the code is %#llx", h->step,
		    (unsigned long long)got);
}

static void
do_expect_fin(struct hostile *h, const char *arg)
{
	until(h, is_finished, number(h, &arg), 0);
}

static int
is_received(struct hostile *h, uint64_t i)
{
	struct raw_stream *st = stream_n(h, i);

	return st != NULL && buf_len(&st->in) == h->n &&
	    memcmp(buf_data(&st->in), h->hex, h->n) == 0;
}

static void
do_expect_data(struct hostile *h, const char *arg)
{
	uint64_t i = number(h, &arg);

	hex_read(h, arg);
	until(h, is_received, i, 0);
}

static int
has_datagrams(struct hostile *h, uint64_t n)
{
	return h->r.datagrams >= n;
}

static void
do_expect_datagrams(struct hostile *h, const char *arg)
{
	until(h, has_datagrams, strtoull(arg, NULL, 10), 0);
}

static int
has_goaway(struct hostile *h, uint64_t i)
{
	struct raw_stream *st = stream_n(h, i);
	struct h3_prefix x = { .uni = 1 };
	struct h3_frames f;
	const uint8_t *p;
	enum h3_event ev;
	size_t n;

	if (st == NULL || buf_len(&st->in) == 0)
		return 0;
	p = buf_data(&st->in);
	n = buf_len(&st->in);
	if (h3_prefix_take(&x, &p, &n) != H3_PREFIX_CONTROL)
		failed(h, "not a control stream");
	h3_frames_init(&f, H3_ON_CONTROL, 0, 65536);
	do
		ev = h3_frames_next(&f, &p, &n);
	while (ev != H3_EV_MORE && ev != H3_EV_GOAWAY && ev != H3_EV_ERROR);
	h3_frames_free(&f);
	return ev == H3_EV_GOAWAY;
}

static void
do_expect_drain(struct hostile *h, const char *arg)
{
	until(h, has_goaway, number(h, &arg), 0);
}

static void
do_vanish(struct hostile *h, const char *arg)
{
	(void)arg;
	h->vanish = 1;
}

static void
do_wait(struct hostile *h, const char *arg)
{
	(void)arg;
	until(h, file_is_there, 0, 0);
}

static void
do_touch(struct hostile *h, const char *arg)
{
	FILE *f = fopen(arg, "w");

	if (f == NULL)
		fatal(1, "%s", h->step);
	fclose(f);
}

static const struct {
	const char *name;
	void (*run)(struct hostile *h, const char *arg);
} steps[] = {
	{ "settings", do_settings },
	{ "uni", do_stream },
	{ "bidi", do_stream },
	{ "send", do_send },
	{ "field", do_field },
	{ "connect", do_connect },
	{ "answer", do_answer },
	{ "has", do_has },
	{ "status", do_status },
	{ "request", do_request },
	{ "datagram", do_datagram },
	{ "stop", do_stop },
	{ "reset", do_stop },
	{ "flood", do_flood },
	{ "open", do_open },
	{ "file", do_file },
	{ "acked", do_acked },
	{ "alive", do_alive },
	{ "expect-close", do_expect_close },
	{ "expect-end", do_expect_end },
	{ "expect-stop", do_expect_code },
	{ "expect-reset", do_expect_code },
	{ "expect-fin", do_expect_fin },
	{ "expect-data", do_expect_data },
	{ "expect-datagrams", do_expect_datagrams },
	{ "expect-drain", do_expect_drain },
	{ "vanish", do_vanish },
	{ "wait", do_wait },
	{ "touch", do_touch },
};

static void
run_step(struct hostile *h, const char *step)
{
	size_t n = strcspn(step, "=");

	h->step = step;
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		if (strlen(steps[i].name) != n ||
		    memcmp(steps[i].name, step, n) != 0)
			continue;
		steps[i].run(h, step[n] == '=' ? step + n + 1 : "");
		return;
	}
	fatalx(EX_USAGE, "%s: no such step", step);
}

static void
connect_to(struct raw *r, const char *host, const char *port,
    const uint8_t *hash)
{
	struct addrinfo hints = { .ai_socktype = SOCK_DGRAM };
	struct addrinfo *res;
	int rc = getaddrinfo(host, port, &hints, &res);

	if (rc != 0)
		fatalx(EX_NOHOST, "%s: %s", host, gai_strerror(rc));
	raw_open(r, res->ai_addr, res->ai_addrlen, hash, IDLE_MS);
	freeaddrinfo(res);
}

int
main(int argc, char **argv)
{
	static struct hostile h;
	char line[65] = "";
	uint8_t hash[TLS_SHA256_LEN];
	FILE *f;

	log_init("hostile");
	if (argc < 4)
		fatalx(EX_USAGE, "usage: hostile HASHFILE HOST PORT STEP...");
	f = fopen(argv[1], "r");
	if (f == NULL || fgets(line, sizeof(line), f) == NULL)
		fatal(EX_NOINPUT, "%s", argv[1]);
	fclose(f);
	h.step = argv[1];
	hex_read(&h, line);
	memcpy(hash, h.hex, sizeof(hash));
	connect_to(&h.r, argv[2], argv[3], hash);
	h.step = "handshake";
	raw_turn(&h.r, 0);
	until(&h, is_handshaken, 0, 0);
	for (int i = 4; i < argc; i++)
		run_step(&h, argv[i]);
	h3_fields_free(&h.response);
	raw_close(&h.r, !h.vanish);
	return 0;
}
