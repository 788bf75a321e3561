/* wt-accept: WebTransport in, records out. See DESIGN.md and wt-accept(1). */
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "control.h"
#include "log.h"
#include "metrics.h"
#include "opt.h"
#include "report.h"
#include "server.h"
#include "sock.h"
#include "stage.h"

#define SYNOPSIS "wt-accept --cert FILE --key FILE [options]"
#define NS_PER_MS UINT64_C(1000000)
#define WT_POLLFDS 130 /* as many as there can be --listen addresses, twice */
#define PORT_LEN 32

enum slot { SLOT_SIGNAL, SLOT_OUT, SLOT_CONTROL };
#define SLOT_WT (SLOT_CONTROL + CONTROL_POLLFDS)
#define SLOTS (SLOT_WT + WT_POLLFDS)

struct options {
	struct opt_list listen;
	const char *cert, *key, *control, *out, *metrics;
	int64_t max_data, max_stream_data, max_datagram_size, idle_timeout;
	int64_t max_connections, max_sessions, max_streams, max_handshakes;
	int64_t max_buffered, max_buffered_total, max_header_size;
	int64_t max_send_buffer, drain, ready_fd;
	int fixed_window, retry;
};

static const char *const default_listen[] = { "127.0.0.1:4433", "[::1]:4433" };

static void
options_parse(int argc, char **argv, struct options *o,
    struct request_rules *rules)
{
	struct wt_config d;

	wt_config_init(&d);
	*o = (struct options){
		.out = "-",
		.max_data = (int64_t)d.max_data,
		.max_stream_data = (int64_t)d.max_stream_data,
		.max_datagram_size = (int64_t)d.max_datagram_size,
		.idle_timeout = (int64_t)d.idle_timeout_ms,
		.max_connections = (int64_t)d.max_connections,
		.max_sessions = (int64_t)d.max_sessions_per_connection,
		.max_streams = (int64_t)d.max_streams_uni,
		.max_handshakes = (int64_t)d.max_handshakes_per_second,
		.max_header_size = (int64_t)d.max_field_section,
		.max_buffered = 32 << 20,
		.max_buffered_total = 256 << 20,
		.max_send_buffer = 1 << 20,
		.drain = 5000,
		.ready_fd = -1,
		.retry = (int)d.retry,
	};
	const struct opt table[] = {
		{ "listen", OPT_LIST, &o->listen, "HOST:PORT",
		    "UDP address to listen on; repeatable (default "
		    "127.0.0.1:4433 and [::1]:4433)", 0, 0, NULL },
		{ "cert", OPT_STRING, &o->cert, "FILE",
		    "certificate chain, PEM", 0, 0, NULL },
		{ "key", OPT_STRING, &o->key, "FILE", "its private key, PEM",
		    0, 0, NULL },
		{ "path", OPT_LIST, &rules->paths, "PATH",
		    "path to accept; repeatable (default /wt)", 0, 0, NULL },
		{ "origin", OPT_LIST, &rules->origins, "ORIGIN",
		    "origin to accept, none for its absence; repeatable "
		    "(default any)", 0, 0, NULL },
		{ "protocol", OPT_LIST, &rules->protocols, "NAME",
		    "subprotocol to offer, the best first; repeatable", 0, 0,
		    NULL },
		{ "max-data", OPT_SIZE, &o->max_data, "BYTES",
		    "flow-control window of a connection", 1 << 14, 1 << 30,
		    NULL },
		{ "max-stream-data", OPT_SIZE, &o->max_stream_data, "BYTES",
		    "flow-control window of a stream", 1 << 12, 1 << 30, NULL },
		{ "fixed-window", OPT_FLAG, &o->fixed_window, NULL,
		    "windows do not grow by themselves", 0, 0, NULL },
		{ "max-datagram-size", OPT_SIZE, &o->max_datagram_size,
		    "BYTES", "largest datagram to accept, 0: none", 0, 65535,
		    NULL },
		{ "idle-timeout", OPT_MS, &o->idle_timeout, "TIME",
		    "silence that ends a connection", 100, 3600000, NULL },
		{ "retry", OPT_CHOICE, &o->retry, NULL,
		    "make clients prove their address first", 0, 0,
		    "auto|always|never" },
		{ "max-connections", OPT_INT, &o->max_connections, "N",
		    "connections at once", 1, 1 << 20, NULL },
		{ "max-sessions", OPT_INT, &o->max_sessions, "N",
		    "sessions at once in a connection", 1, 1 << 16, NULL },
		{ "max-streams", OPT_INT, &o->max_streams, "N",
		    "streams at once in a connection, each of uni- and "
		    "bidirectional ones", 4, 1 << 20, NULL },
		{ "max-handshakes", OPT_INT, &o->max_handshakes, "N",
		    "handshakes begun per second", 1, 1 << 20, NULL },
		{ "max-header-size", OPT_SIZE, &o->max_header_size, "BYTES",
		    "fields of a request", 512, 1 << 18, NULL },
		{ "max-buffered", OPT_SIZE, &o->max_buffered, "BYTES",
		    "what may wait for stdout, per connection", 1 << 16,
		    1 << 30, NULL },
		{ "max-buffered-total", OPT_SIZE, &o->max_buffered_total,
		    "BYTES", "what may wait for stdout; then the network is "
		    "not read", 1 << 16, INT64_C(1) << 40, NULL },
		{ "max-send-buffer", OPT_SIZE, &o->max_send_buffer, "BYTES",
		    "unacknowledged bytes of a stream written to", 1 << 12,
		    1 << 30, NULL },
		{ "control", OPT_STRING, &o->control, "unix:PATH",
		    "control socket, mode 0600", 0, 0, NULL },
		{ "out", OPT_STRING, &o->out, "ENDPOINT",
		    "where records go: -, unix:PATH, tcp:HOST:PORT", 0, 0,
		    NULL },
		{ "drain", OPT_MS, &o->drain, "TIME",
		    "how long sessions may go on after SIGTERM", 0, 3600000,
		    NULL },
		{ "metrics", OPT_STRING, &o->metrics, "FILE",
		    "metrics, rewritten every second", 0, 0, NULL },
		{ "ready-fd", OPT_INT, &o->ready_fd, "N",
		    "write a newline here when ready", 0, 1 << 20, NULL },
		{ NULL, 0, NULL, NULL, NULL, 0, 0, NULL },
	};

	if (opt_parse(argc, argv, table, SYNOPSIS) != argc)
		opt_usage("no operands are expected");
	if (o->cert == NULL || o->key == NULL)
		opt_usage("--cert and --key are needed");
	if (o->control != NULL && strncmp(o->control, "unix:", 5) != 0)
		opt_usage("--control: %s: not unix:PATH", o->control);
	if (o->max_data > o->max_buffered / 2)
		opt_usage("--max-data is more than half of --max-buffered");
	if (o->max_buffered_total < o->max_buffered)
		opt_usage("--max-buffered-total is less than --max-buffered");
}

static void
config(const struct options *o, struct server *srv, struct wt_config *cfg)
{
	uint64_t half = (uint64_t)o->max_buffered / 2;

	wt_config_init(cfg);
	cfg->events = &server_events;
	cfg->ctx = srv;
	cfg->max_data = (uint64_t)o->max_data;
	cfg->max_stream_data = (uint64_t)o->max_stream_data;
	/* A full window and its headers fit in what a connection may have
	 * queued, unless its records are tiny. */
	if (cfg->max_window > half)
		cfg->max_window = half;
	if (cfg->max_stream_window > half)
		cfg->max_stream_window = half;
	if (o->fixed_window)
		cfg->max_window = cfg->max_stream_window = 0;
	cfg->max_streams_uni = cfg->max_streams_bidi =
	    (uint64_t)o->max_streams;
	cfg->max_datagram_size = (uint64_t)o->max_datagram_size;
	cfg->idle_timeout_ms = (uint64_t)o->idle_timeout;
	cfg->max_field_section = (size_t)o->max_header_size;
	cfg->cert_file = o->cert;
	cfg->key_file = o->key;
	cfg->max_connections = (uint64_t)o->max_connections;
	cfg->max_sessions_per_connection = (uint64_t)o->max_sessions;
	cfg->max_handshakes_per_second = (uint64_t)o->max_handshakes;
	cfg->retry = (enum wt_retry)o->retry;
	cfg->keylog_file = getenv("SSLKEYLOGFILE");
	srv->max_buffered = (size_t)o->max_buffered;
	srv->max_buffered_total = (size_t)o->max_buffered_total;
}

/* Binds all addresses of HOST:PORT. Returns how many worked. */
static int
listen_on(struct wt *wt, const char *name)
{
	struct addrinfo hints = { .ai_socktype = SOCK_DGRAM,
		.ai_flags = AI_PASSIVE };
	char host[NI_MAXHOST], port[PORT_LEN];
	struct addrinfo *res;
	int n = 0, rc;

	if (sock_split(name, host, sizeof(host), port, sizeof(port)) == -1)
		opt_usage("--listen: %s: not HOST:PORT", name);
	rc = getaddrinfo(host, port, &hints, &res);
	if (rc != 0) {
		log_warnx("--listen %s: %s", name, gai_strerror(rc));
		return 0;
	}
	for (struct addrinfo *ai = res; ai != NULL; ai = ai->ai_next)
		n += wt_listen(wt, ai->ai_addr, ai->ai_addrlen) == 0;
	freeaddrinfo(res);
	return n;
}

static void
listen_all(struct wt *wt, const struct opt_list *names)
{
	int n = 0;

	/* Of the default addresses one is enough: not every host has IPv6. */
	if (names->n == 0)
		n = listen_on(wt, default_listen[0]) +
		    listen_on(wt, default_listen[1]);
	for (int i = 0; i < names->n; i++) {
		int k = listen_on(wt, names->v[i]);

		if (k == 0)
			fatalx(EX_UNAVAILABLE, "--listen %s: cannot listen",
			    names->v[i]);
		n += k;
	}
	if (n == 0)
		fatalx(EX_UNAVAILABLE, "no address to listen on");
	for (size_t i = 0; i < (size_t)n; i++) {
		struct sockaddr_storage sa;
		char host[NI_MAXHOST], port[PORT_LEN];
		socklen_t len = sizeof(sa);

		if (wt_listen_addr(wt, i, &sa, &len) == 0 &&
		    getnameinfo((struct sockaddr *)&sa, len, host,
			sizeof(host), port, sizeof(port),
			NI_NUMERICHOST | NI_NUMERICSERV) == 0)
			log_info("listening on %s port %s", host, port);
	}
}

/* The reader of stdout went away, or worse. */
static _Noreturn void
out_failed(struct server *srv, enum stage_io io)
{
	int err = errno;

	if (srv->wt != NULL)
		wt_free(srv->wt);
	errno = err;
	if (io == STAGE_IO_EOF)
		fatalx(EX_IOERR, "stdout: the reader is gone");
	fatal(EX_IOERR, "stdout");
}

static enum stage_io
out_write(struct server *srv, int fd)
{
	enum stage_io io = output_write(&srv->out, fd);

	if (io == STAGE_IO_EOF || io == STAGE_IO_ERROR)
		out_failed(srv, io);
	return io;
}

/* The shorter of two poll timeouts, of which -1 is the longest. */
static int
sooner(int a, int b)
{
	if (a == -1 || (b != -1 && b < a))
		return b;
	return a;
}

/* Runs until it is time to end. Returns 1 when that is at once. */
static int
loop(struct server *srv, struct control *ctl, struct metrics *m, int sigfd,
    int out, uint64_t drain_ns)
{
	struct pollfd fds[SLOTS] = { { .fd = sigfd, .events = POLLIN },
		{ .fd = out } };
	const struct wt_stats *stats = wt_stats(srv->wt);
	uint64_t end = UINT64_MAX, now = stage_monotonic();
	enum stage_io io = STAGE_IO_OK;
	size_t nwt;
	int timeout;

	while (now < end && (end == UINT64_MAX || stats->sessions_active > 0)) {
		fds[SLOT_OUT].events = io == STAGE_IO_AGAIN ? POLLOUT : 0;
		control_pollfds(ctl, &fds[SLOT_CONTROL]);
		nwt = wt_pollfds(srv->wt, &fds[SLOT_WT], WT_POLLFDS);
		timeout = sooner(wt_timeout_ms(srv->wt),
		    stage_poll_ms(metrics_tick(m, now)));
		timeout = sooner(timeout, control_timeout_ms(ctl));
		if (end != UINT64_MAX)
			timeout = sooner(timeout, stage_poll_ms(end - now));
		if (poll(fds, SLOT_WT + nwt, timeout) == -1 && errno != EINTR)
			fatal(EX_OSERR, "poll");
		now = stage_monotonic();
		if (fds[SLOT_SIGNAL].revents & POLLIN) {
			switch (stage_signal_read(sigfd)) {
			case STAGE_STOP:
				if (end != UINT64_MAX)
					return 1;
				end = now + drain_ns;
				wt_drain(srv->wt);
				break;
			case STAGE_RELOAD:
				log_info("SIGHUP: nothing to reload");
				break;
			default:
				break;
			}
		}
		if (fds[SLOT_OUT].revents & (POLLERR | POLLHUP))
			out_failed(srv, STAGE_IO_EOF);
		wt_read(srv->wt);
		control_run(ctl, &fds[SLOT_CONTROL]);
		if (io == STAGE_IO_OK || fds[SLOT_OUT].revents & POLLOUT)
			io = out_write(srv, out);
		server_pause(srv);
		wt_flush(srv->wt);
	}
	return 0;
}

/* Writes what is left, for at most ns or until another SIGTERM. */
static void
flush_out(struct server *srv, int sigfd, int out, uint64_t ns)
{
	struct pollfd fds[] = { { .fd = sigfd, .events = POLLIN },
		{ .fd = out, .events = POLLOUT } };
	uint64_t end = stage_monotonic() + ns, now;

	while (out_write(srv, out) == STAGE_IO_AGAIN) {
		now = stage_monotonic();
		if (now >= end ||
		    (poll(fds, 2, stage_poll_ms(end - now)) > 0 &&
			(fds[0].revents & POLLIN) &&
			stage_signal_read(sigfd) == STAGE_STOP))
			fatalx(EX_IOERR, "stdout: %zu bytes were not taken",
			    srv->out.len);
	}
}

int
main(int argc, char **argv)
{
	static struct server srv;
	static struct report report;
	struct control ctl = { .sessions = &srv.sessions, .listen_fd = -1 };
	struct metrics m = { .refresh = report_refresh, .ctx = &report };
	struct wt_config cfg;
	struct options o;
	int out, sigfd, at_once;
	uint64_t drain_ns;

	log_init("wt-accept");
	options_parse(argc, argv, &o, &srv.rules);
	drain_ns = (uint64_t)o.drain * NS_PER_MS;

	config(&o, &srv, &cfg);
	srv.wt = wt_server_new(&cfg);
	if (srv.wt == NULL)
		return EX_CONFIG;
	listen_all(srv.wt, &o.listen);
	ctl.max_send_buffer = (size_t)o.max_send_buffer;
	if (o.control != NULL) {
		ctl.listen_fd = sock_listen(o.control, 0600);
		if (ctl.listen_fd == -1)
			return EX_UNAVAILABLE;
	}
	out = stage_open_out(o.out);
	sigfd = stage_signals();

	sessions_init(&srv.sessions, stage_realtime());
	srv.out.taken = server_taken;
	srv.out.ctx = &srv;
	m.path = o.metrics;
	m.rows = report_init(&report, &srv, &ctl);
	stage_ready(o.ready_fd);

	at_once = loop(&srv, &ctl, &m, sigfd, out, drain_ns);

	server_close(&srv);
	control_close(&ctl);
	if (o.control != NULL)
		sock_unlink(o.control);
	flush_out(&srv, sigfd, out, at_once ? 0 : drain_ns);
	metrics_write(&m, stage_monotonic());
	output_free(&srv.out);
	sessions_free(&srv.sessions);
	return EX_OK;
}
