/* tap: copies records untouched, and shows them to whoever looks. */
#include <errno.h>
#include <poll.h>
#include <sysexits.h>
#include <unistd.h>

#include "line.h"
#include "log.h"
#include "metrics.h"
#include "opt.h"
#include "scan.h"
#include "sock.h"
#include "stage.h"
#include "viewers.h"

#define CHUNK (128 * 1024)
/* How long SIGTERM waits for a reader that does not read, and the end for
 * viewers that do not. */
#define DRAIN_NS UINT64_C(5000000000)
#define GOODBYE_NS UINT64_C(1000000000)
#define NS_PER_S UINT64_C(1000000000)

enum { FD_IN, FD_OUT, FD_SIGNALS, FD_VIEWERS, FD_COUNT = FD_VIEWERS + 17 };
_Static_assert(FD_COUNT == FD_VIEWERS + VIEWERS_MAX + 1, "room in poll");

struct tap {
	/* What was read last; all of it is written before more is read. */
	uint8_t chunk[CHUNK];
	size_t have, sent;
	struct scan scan;
	struct viewers viewers;
	uint64_t now, real_now; /* ns; CLOCK_MONOTONIC and since the epoch */
	uint64_t second, lines; /* lines in the second that began then */
	int show;		/* the record at hand becomes a line */
	struct buf line;
	uint64_t records, packets, bytes; /* counters */
};

static struct tap tap;

static int64_t ready_fd = -1, preview = 0, rate = 10000,
	       viewer_buffer = 256 * 1024;
static const char *in = "-", *out = "-", *listen_on, *metrics_path;

static const struct opt opts[] = {
	{ "listen", OPT_STRING, &listen_on, "ENDPOINT",
	    "show records to who connects: unix:PATH, tcp:HOST:PORT", 0, 0,
	    NULL },
	{ "preview", OPT_SIZE, &preview, "BYTES",
	    "show so much of payloads that are text", 0, 16384, NULL },
	{ "lines-per-second", OPT_INT, &rate, "N",
	    "most lines made in a second", 1, INT32_MAX, NULL },
	{ "viewer-buffer", OPT_SIZE, &viewer_buffer, "BYTES",
	    "queued for a viewer at most", 4096, 1 << 30, NULL },
	{ "in", OPT_STRING, &in, "ENDPOINT",
	    "read records here: -, unix:PATH, tcp:HOST:PORT", 0, 0, NULL },
	{ "out", OPT_STRING, &out, "ENDPOINT",
	    "write records there: -, unix:PATH, tcp:HOST:PORT", 0, 0, NULL },
	{ "metrics", OPT_STRING, &metrics_path, "FILE",
	    "replace FILE with metrics every second", 0, 0, NULL },
	{ "ready-fd", OPT_INT, &ready_fd, "N",
	    "write a newline to N when ready", 0, INT32_MAX, NULL },
	{ NULL, OPT_FLAG, NULL, NULL, NULL, 0, 0, NULL },
};

static const struct metric rows[] = {
	{ "records_total", NULL, METRIC_COUNTER, &tap.records,
	    "Records copied." },
	{ "packets_total", NULL, METRIC_COUNTER, &tap.packets,
	    "Of them PACKET records." },
	{ "bytes_total", NULL, METRIC_COUNTER, &tap.bytes, "Bytes copied." },
	{ "viewers_active", NULL, METRIC_GAUGE, &tap.viewers.active,
	    "Viewers connected now." },
	{ "viewers_total", NULL, METRIC_COUNTER, &tap.viewers.total,
	    "Viewers that have come." },
	{ "viewers_refused_total", NULL, METRIC_COUNTER,
	    &tap.viewers.refused,
	    "Viewers turned away because there were too many." },
	{ "lines_total", NULL, METRIC_COUNTER, &tap.viewers.lines,
	    "Lines queued for viewers." },
	{ "lines_lost_total", NULL, METRIC_COUNTER, &tap.viewers.lost,
	    "Lines viewers lost." },
	{ NULL, NULL, METRIC_GAUGE, NULL, NULL },
};

/* Lines are made only for somebody, who can take them, and not too many. */
static size_t
want(void *ctx, const struct rec *r)
{
	struct tap *t = ctx;

	if (t->now - t->second >= NS_PER_S) {
		t->second = t->now;
		t->lines = 0;
	}
	t->show = t->viewers.active > 0 && t->lines < (uint64_t)rate &&
	    viewers_have_room(&t->viewers);
	return t->show ? line_want(r, (size_t)preview) : 0;
}

static void
on_record(void *ctx, const struct rec *r, size_t have)
{
	struct tap *t = ctx;

	t->records++;
	t->packets += r->type == REC_PACKET;
	if (!t->show) {
		if (t->viewers.active > 0)
			viewers_lose(&t->viewers, 1);
		return;
	}
	t->lines++;
	line_append(&t->line, r, have, (size_t)preview, t->real_now);
	viewers_put(&t->viewers, buf_data(&t->line), buf_len(&t->line));
	buf_consume(&t->line, buf_len(&t->line));
}

/* 0 at the end of input. */
static int
tap_read(struct tap *t, int fd)
{
	ssize_t n = read(fd, t->chunk, sizeof(t->chunk));

	if (n == -1 && errno != EAGAIN && errno != EINTR &&
	    errno != ECONNRESET)
		fatal(EX_IOERR, "input");
	t->have = n > 0 ? (size_t)n : 0;
	t->sent = 0;
	return n > 0 || (n == -1 && errno != ECONNRESET);
}

static void
tap_write(struct tap *t, int fd)
{
	ssize_t n = write(fd, t->chunk + t->sent, t->have - t->sent);

	if (n > 0) {
		t->sent += (size_t)n;
		t->bytes += (size_t)n;
	} else if (n == -1 && (errno == EPIPE || errno == ECONNRESET)) {
		fatalx(EX_IOERR, "output: the reader is gone");
	} else if (n == -1 && errno != EAGAIN && errno != EINTR) {
		fatal(EX_IOERR, "output");
	}
}

/* After the bytes have gone on: what they were. */
static void
tap_show(struct tap *t)
{
	static const char lost[] = "{\"error\":\"these are no records\"}\n";
	const char *why;

	if (t->scan.malformed != NULL)
		return;
	t->real_now = stage_realtime();
	why = scan_feed(&t->scan, t->chunk, t->have);
	if (why == NULL)
		return;
	log_warnx("input: malformed record: %s; copying on", why);
	viewers_put(&t->viewers, lost, sizeof(lost) - 1);
}

/* Gives viewers a moment to take what waits for them. */
static void
tap_goodbye(struct tap *t)
{
	struct pollfd fds[VIEWERS_MAX + 1];
	uint64_t until = stage_monotonic() + GOODBYE_NS;

	while (viewers_pending(&t->viewers) && stage_monotonic() < until) {
		viewers_poll(&t->viewers, fds);
		if (poll(fds, VIEWERS_MAX, 100) > 0) {
			fds[VIEWERS_MAX].revents = 0;
			viewers_serve(&t->viewers, fds);
		}
	}
	viewers_close(&t->viewers);
}

int
main(int argc, char **argv)
{
	struct metrics metrics = { .rows = rows };
	struct pollfd fds[FD_COUNT] = { 0 };
	uint64_t deadline = UINT64_MAX, wait;
	int in_fd, open = 1, ended = 0;

	log_init("tap");
	if (opt_parse(argc, argv, opts,
		"tap [--listen ENDPOINT] [options] < records > records") < argc)
		opt_usage("no operands wanted");
	metrics.path = metrics_path;
	tap.scan = (struct scan){ .want = want,
		.record = on_record,
		.ctx = &tap };
	tap.viewers.max_bytes = (size_t)viewer_buffer;
	tap.viewers.listener = -1;
	if (listen_on != NULL &&
	    (tap.viewers.listener = sock_listen(listen_on, 0600)) == -1)
		fatalx(EX_UNAVAILABLE, "--listen %s: cannot", listen_on);
	fds[FD_OUT].fd = stage_open_out(out);
	in_fd = stage_open_in(in);
	fds[FD_IN].events = POLLIN;
	fds[FD_SIGNALS].fd = stage_signals();
	fds[FD_SIGNALS].events = POLLIN;
	stage_ready(ready_fd);

	while (open || tap.sent < tap.have) {
		tap.now = stage_monotonic();
		wait = metrics_tick(&metrics, tap.now);
		if (tap.now >= deadline)
			fatalx(EX_IOERR, "output: nobody reads");
		if (deadline != UINT64_MAX && deadline - tap.now < wait)
			wait = deadline - tap.now;
		/* No room downstream: nothing is read upstream. */
		fds[FD_IN].fd = tap.sent == tap.have ? in_fd : -1;
		fds[FD_OUT].events = tap.sent < tap.have ? POLLOUT : 0;
		viewers_poll(&tap.viewers, fds + FD_VIEWERS);
		if (poll(fds, FD_COUNT, stage_poll_ms(wait)) == -1 &&
		    errno != EINTR)
			fatal(EX_OSERR, "poll");
		if (fds[FD_SIGNALS].revents != 0 &&
		    stage_signal_read(fds[FD_SIGNALS].fd) == STAGE_STOP) {
			open = 0;
			deadline = tap.now + DRAIN_NS;
		}
		if (fds[FD_OUT].revents & (POLLERR | POLLHUP) &&
		    tap.sent == tap.have)
			fatalx(EX_IOERR, "output: the reader is gone");
		if (fds[FD_OUT].revents != 0 && tap.sent < tap.have)
			tap_write(&tap, fds[FD_OUT].fd);
		if (fds[FD_IN].revents != 0 && open) {
			open = tap_read(&tap, in_fd);
			ended = !open;
			if (tap.have > 0) {
				tap_write(&tap, fds[FD_OUT].fd);
				tap_show(&tap);
			}
		}
		viewers_serve(&tap.viewers, fds + FD_VIEWERS);
	}
	tap_goodbye(&tap);
	if (listen_on != NULL)
		sock_unlink(listen_on);
	metrics_write(&metrics, stage_monotonic());
	if (tap.scan.malformed != NULL)
		fatalx(EX_PROTOCOL, "input: it held a malformed record: %s",
		    tap.scan.malformed);
	if (ended && !scan_at_boundary(&tap.scan))
		fatalx(EX_PROTOCOL, "input: it ended inside a record");
	scan_free(&tap.scan);
	buf_free(&tap.line);
	return EX_OK;
}
