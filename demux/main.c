/* demux: track packets out of the records of wt-accept. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sysexits.h>

#include "demux.h"
#include "opt.h"
#include "report.h"
#include "stage.h"

/* Bytes read at once, and waiting to be written when no more records are
 * taken: small enough for both buffers to stay in a core's own cache. */
#define IN_CHUNK (128 * 1024)
#define OUT_HIGH (128 * 1024)
/* How long SIGTERM waits for a reader that does not read. */
#define DRAIN_NS UINT64_C(5000000000)

enum { FD_IN, FD_OUT, FD_SIGNALS, FD_COUNT };

struct pass {
	struct buf in, out;
	int more; /* a whole record may wait in `in` */
	int ended; /* the writer closed `in` */
	const char *malformed; /* why a record is, or NULL */
};

/* Records from in to out, until either has no more to give. */
static void
pass_records(struct pass *p, struct demux *d, struct report *rp)
{
	uint64_t began = stage_monotonic();
	int64_t n = p->more;

	while (p->malformed == NULL && buf_len(&p->out) < OUT_HIGH) {
		struct rec r;

		n = rec_get(buf_data(&p->in), buf_len(&p->in), &r,
		    &p->malformed);
		if (n <= 0)
			break;
		demux_record(d, &r, &p->out);
		buf_consume(&p->in, (size_t)n);
		rp->records++;
	}
	p->more = n > 0;
	rp->processing_ns += stage_monotonic() - began;
}

static void
write_out(int fd, struct buf *out, struct report *rp)
{
	size_t before = buf_len(out);
	enum stage_io io = stage_write(fd, out);

	rp->bytes_out += before - buf_len(out);
	if (io == STAGE_IO_EOF)
		fatalx(EX_IOERR, "output: the reader is gone");
	if (io == STAGE_IO_ERROR)
		fatal(EX_IOERR, "output");
}

/* 0 at the end of input. */
static int
read_in(int fd, struct buf *in, struct report *rp)
{
	size_t before = buf_len(in);
	enum stage_io io = stage_read(fd, in, IN_CHUNK);

	rp->bytes_in += buf_len(in) - before;
	if (io == STAGE_IO_ERROR)
		fatal(EX_IOERR, "input");
	return io != STAGE_IO_EOF;
}

int
main(int argc, char **argv)
{
	int64_t max_packet = TRACK_PACKET_MAX_DEFAULT, ready_fd = -1;
	int64_t max_buffer = 256 << 20, max_streams = 262144;
	const char *in = "-", *out = "-", *metrics = NULL;
	const struct opt opts[] = {
		{ "in", OPT_STRING, &in, "ENDPOINT",
		    "read records here: -, unix:PATH, tcp:HOST:PORT", 0, 0,
		    NULL },
		{ "out", OPT_STRING, &out, "ENDPOINT",
		    "write records there: -, unix:PATH, tcp:HOST:PORT", 0, 0,
		    NULL },
		{ "max-packet", OPT_SIZE, &max_packet, "BYTES",
		    "largest track packet, header included",
		    TRACK_HEADER_LEN + 1, TRACK_PACKET_MAX, NULL },
		{ "max-buffer", OPT_SIZE, &max_buffer, "BYTES",
		    "memory for all unfinished packets", TRACK_PACKET_MAX,
		    INT64_C(1) << 40, NULL },
		{ "max-streams", OPT_INT, &max_streams, "N",
		    "streams followed at a time", 1, 1 << 24, NULL },
		{ "metrics", OPT_STRING, &metrics, "FILE",
		    "replace FILE with metrics every second", 0, 0, NULL },
		{ "ready-fd", OPT_INT, &ready_fd, "N",
		    "write a newline to N when ready", 0, INT32_MAX, NULL },
		{ NULL, OPT_FLAG, NULL, NULL, NULL, 0, 0, NULL },
	};
	struct pollfd fds[FD_COUNT] = { 0 };
	struct report rp = { 0 };
	struct demux_config cfg = { .error = report_error, .ctx = &rp };
	struct demux *d;
	struct pass p = { 0 };
	uint64_t deadline = UINT64_MAX, wait;
	int in_fd, open = 1;

	log_init("demux");
	if (opt_parse(argc, argv, opts, "demux [options] < records > records") <
	    argc)
		opt_usage("no operands wanted");
	cfg.max_packet = (uint32_t)max_packet;
	cfg.max_buffer = (size_t)max_buffer;
	cfg.max_streams = (size_t)max_streams;
	d = demux_new(&cfg);
	report_init(&rp, demux_stats(d), metrics);
	fds[FD_OUT].fd = stage_open_out(out);
	in_fd = stage_open_in(in);
	fds[FD_IN].events = POLLIN;
	fds[FD_SIGNALS].fd = stage_signals();
	fds[FD_SIGNALS].events = POLLIN;
	stage_ready(ready_fd);

	while (open || p.more || buf_len(&p.out) > 0) {
		rp.now = stage_monotonic();
		wait = metrics_tick(&rp.metrics, rp.now);
		if (rp.now >= deadline)
			fatalx(EX_IOERR, "output: nobody reads");
		if (deadline != UINT64_MAX && deadline - rp.now < wait)
			wait = deadline - rp.now;
		if (p.more && buf_len(&p.out) < OUT_HIGH)
			wait = 0;
		/* No room downstream: nothing is read upstream. */
		fds[FD_IN].fd = open && !p.more &&
			buf_len(&p.out) < OUT_HIGH ? in_fd : -1;
		fds[FD_OUT].events = buf_len(&p.out) > 0 ? POLLOUT : 0;
		if (poll(fds, FD_COUNT, stage_poll_ms(wait)) == -1 &&
		    errno != EINTR)
			fatal(EX_OSERR, "poll");
		if (fds[FD_SIGNALS].revents != 0 &&
		    stage_signal_read(fds[FD_SIGNALS].fd) == STAGE_STOP) {
			open = 0;
			deadline = rp.now + DRAIN_NS;
		}
		if (fds[FD_IN].revents != 0 && open &&
		    !read_in(in_fd, &p.in, &rp)) {
			open = 0;
			p.ended = 1;
		}
		pass_records(&p, d, &rp);
		if (p.malformed != NULL)
			open = 0;
		if (fds[FD_OUT].revents & (POLLERR | POLLHUP) &&
		    buf_len(&p.out) == 0)
			fatalx(EX_IOERR, "output: the reader is gone");
		write_out(fds[FD_OUT].fd, &p.out, &rp);
	}
	metrics_write(&rp.metrics, stage_monotonic());
	if (p.malformed != NULL)
		fatalx(EX_PROTOCOL, "input: malformed record: %s", p.malformed);
	if (p.ended && buf_len(&p.in) > 0)
		fatalx(EX_PROTOCOL, "input: it ended inside a record");
	demux_free(d);
	buf_free(&p.in);
	buf_free(&p.out);
	return EX_OK;
}
