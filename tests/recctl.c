/*
 * recctl: talks to a control socket (INTERFACES.md section 3) as its
 * arguments say, step by step; the first that fails ends it with status 1.
 *
 *	recctl unix:PATH STEP...
 *
 * S is a session, N a stream. TEXT is sent as it is; "+" at its end is FIN.
 *
 *	write=S:N:TEXT		STREAM_DATA
 *	bulk=S:N:BYTES		BYTES of zeros in records of 64 KiB
 *	reset=S:N:CODE, stop=S:N:CODE
 *	pause=S:N, resume=S:N
 *	datagram=S:TEXT
 *	size=S:BYTES		a datagram of BYTES zeros
 *	close=S:CODE:TEXT, drain=S
 *	open=S:uni:TOKEN, open=S:bidi:TOKEN
 *	raw=TEXT		just bytes
 *	answer			waits for an answer and prints it in a line
 *	quiet			waits until all that was written was read
 *	closed			waits for the end of the connection
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sysexits.h>
#include <unistd.h>

#include "be.h"
#include "log.h"
#include "rec.h"
#include "sock.h"
#include "stage.h"

#define STEP_NS UINT64_C(20000000000) /* no step takes longer */

static int fd;
static struct buf in, out;
static const char *step;

/* Waits for events on the socket; ends the program when they do not come. */
static void
await(short events)
{
	struct pollfd pfd = { .fd = fd, .events = events };

	if (poll(&pfd, 1, (int)(STEP_NS / 1000000)) != 1)
		fatalx(1, "%s: did not happen", step);
}

static void
write_out(void)
{
	enum stage_io io;

	while ((io = stage_write(fd, &out)) == STAGE_IO_AGAIN)
		await(POLLOUT);
	if (io != STAGE_IO_OK)
		fatalx(1, "%s: the connection is closed", step);
}

static void
send_rec(uint8_t type, uint8_t flags, uint64_t session, uint64_t stream,
    const void *payload, size_t len)
{
	struct rec r = { (uint32_t)len, type, flags, session, stream, 0,
		payload };

	rec_append(&out, &r);
	write_out();
}

/* The number at *arg, which is moved behind the next colon. */
static uint64_t
number(const char **arg)
{
	char *rest;
	uint64_t v;

	errno = 0;
	v = strtoull(*arg, &rest, 0);
	if (errno != 0 || rest == *arg || (*rest != ':' && *rest != '\0'))
		fatalx(EX_USAGE, "%s: not a number", step);
	*arg = *rest == ':' ? rest + 1 : rest;
	return v;
}

static void
do_write(uint64_t s, const char *arg)
{
	uint64_t n = number(&arg);
	size_t len = strlen(arg);
	int fin = len > 0 && arg[len - 1] == '+';

	send_rec(REC_STREAM_DATA, fin ? REC_FIN : 0, s, n, arg,
	    len - (size_t)fin);
}

static void
do_bulk(uint64_t s, const char *arg)
{
	static const uint8_t zeros[REC_CHUNK_MAX];
	uint64_t n = number(&arg), left = number(&arg);

	while (left > 0) {
		size_t k = left < sizeof(zeros) ? left : sizeof(zeros);

		send_rec(REC_STREAM_DATA, 0, s, n, zeros, k);
		left -= k;
	}
}

static void
do_code(uint64_t s, const char *arg)
{
	uint64_t n = number(&arg);
	uint8_t code[4];

	be32_put(code, (uint32_t)number(&arg));
	send_rec(step[0] == 'r' ? REC_STREAM_RESET : REC_STOP_SENDING, 0, s, n,
	    code, sizeof(code));
}

static void
do_pause(uint64_t s, const char *arg)
{
	send_rec(step[0] == 'p' ? REC_PAUSE : REC_RESUME, 0, s, number(&arg),
	    NULL, 0);
}

static void
do_datagram(uint64_t s, const char *arg)
{
	send_rec(REC_DATAGRAM, 0, s, REC_NO_STREAM, arg, strlen(arg));
}

static void
do_size(uint64_t s, const char *arg)
{
	static const uint8_t zeros[REC_CHUNK_MAX];

	send_rec(REC_DATAGRAM, 0, s, REC_NO_STREAM, zeros, number(&arg));
}

static void
do_close(uint64_t s, const char *arg)
{
	uint8_t payload[4 + REC_REASON_MAX];
	size_t n;

	be32_put(payload, (uint32_t)number(&arg));
	n = strnlen(arg, REC_REASON_MAX);
	memcpy(payload + 4, arg, n);
	send_rec(REC_SESSION_CLOSE, 0, s, REC_NO_STREAM, payload, 4 + n);
}

static void
do_drain(uint64_t s, const char *arg)
{
	(void)arg;
	send_rec(REC_SESSION_DRAIN, 0, s, REC_NO_STREAM, NULL, 0);
}

static void
do_open(uint64_t s, const char *arg)
{
	int uni = strncmp(arg, "uni:", 4) == 0;
	uint8_t token[8];

	arg += strcspn(arg, ":") + 1;
	be64_put(token, number(&arg));
	send_rec(REC_STREAM_OPEN, uni ? REC_UNI : 0, s, REC_NO_STREAM, token,
	    sizeof(token));
}

static void
print_answer(const struct rec *r)
{
	printf("%s %" PRIu64 " ", rec_type_name(r->type), r->session);
	if (r->stream == REC_NO_STREAM)
		printf("-");
	else
		printf("%" PRIu64, r->stream);
	if (r->type == REC_STREAM_OPENED)
		printf(" %" PRIu64 "\n", be64_get(r->payload));
	else
		printf(" %s %" PRIu64 " %.*s\n", rec_type_name(r->payload[0]),
		    be64_get(r->payload + 1), (int)r->len - 9,
		    (const char *)r->payload + 9);
	fflush(stdout);
}

static void
do_answer(void)
{
	enum stage_io io;
	struct rec r;
	int64_t n;

	while ((n = rec_get(buf_data(&in), buf_len(&in), &r, NULL)) == 0) {
		await(POLLIN);
		io = stage_read(fd, &in, STAGE_CHUNK);
		if (io != STAGE_IO_OK && io != STAGE_IO_AGAIN)
			fatalx(1, "%s: the connection is closed", step);
	}
	if (n < 0 || (r.type != REC_STREAM_OPENED && r.type != REC_REFUSED))
		fatalx(1, "%s: it is malformed", step);
	print_answer(&r);
	buf_consume(&in, (size_t)n);
}

static void
do_quiet(void)
{
	uint64_t end = stage_monotonic() + STEP_NS;
	int left;

	while (ioctl(fd, TIOCOUTQ, &left) == 0 && left > 0) {
		if (stage_monotonic() > end)
			fatalx(1, "%s: %d bytes were not read", step, left);
		poll(NULL, 0, 5);
	}
}

static void
do_closed(void)
{
	enum stage_io io;

	do {
		await(POLLIN);
		io = stage_read(fd, &in, STAGE_CHUNK);
	} while (io == STAGE_IO_OK || io == STAGE_IO_AGAIN);
}

static const struct {
	const char *name;
	void (*run)(uint64_t session, const char *arg);
} steps[] = {
	{ "write", do_write },
	{ "bulk", do_bulk },
	{ "reset", do_code },
	{ "stop", do_code },
	{ "pause", do_pause },
	{ "resume", do_pause },
	{ "datagram", do_datagram },
	{ "size", do_size },
	{ "close", do_close },
	{ "drain", do_drain },
	{ "open", do_open },
};

static void
run_step(void)
{
	size_t n = strcspn(step, "=");
	const char *arg = step[n] == '=' ? step + n + 1 : step + n;

	if (strcmp(step, "answer") == 0) {
		do_answer();
	} else if (strcmp(step, "quiet") == 0) {
		do_quiet();
	} else if (strcmp(step, "closed") == 0) {
		do_closed();
	} else if (strncmp(step, "raw=", 4) == 0) {
		buf_append(&out, arg, strlen(arg));
		write_out();
	} else {
		for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
			if (strlen(steps[i].name) == n &&
			    memcmp(steps[i].name, step, n) == 0) {
				uint64_t s = number(&arg);

				steps[i].run(s, arg);
				return;
			}
		}
		fatalx(EX_USAGE, "%s: no such step", step);
	}
}

int
main(int argc, char **argv)
{
	log_init("recctl");
	if (argc < 2)
		fatalx(EX_USAGE, "usage: recctl unix:PATH STEP...");
	fd = sock_connect(argv[1], 5000);
	if (fd == -1)
		return EX_UNAVAILABLE;
	for (int i = 2; i < argc; i++) {
		step = argv[i];
		run_step();
	}
	buf_free(&in);
	buf_free(&out);
	close(fd);
	return EX_OK;
}
