#include "report.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sysexits.h>

#include "log.h"

#define NS_PER_S 1e9
#define NS_PER_MS 1e6
#define TRACK_ROWS 2  /* metrics of each track */
#define TOTAL_ROWS 19 /* of all, and the row that ends the table */

/* What the summary says besides the counters. */
struct figures {
	double seconds;	  /* from the first packet to the last acknowledgement */
	double elapsed;	  /* since the first connection was begun */
	double user, system; /* CPU seconds */
	double cpu_share; /* of one core, from the first connection on */
	long memory_kib;  /* largest resident size */
	double p50, p99, max; /* connect times, ms */
};

static double
timeval_seconds(const struct timeval *tv)
{
	return (double)tv->tv_sec + (double)tv->tv_usec / 1e6;
}

static void
cpu_get(double *user, double *system)
{
	struct rusage ru;

	getrusage(RUSAGE_SELF, &ru);
	*user = timeval_seconds(&ru.ru_utime);
	*system = timeval_seconds(&ru.ru_stime);
}

static void
report_refresh(void *ctx, uint64_t now)
{
	struct report *r = ctx;
	double user, system;

	(void)now;
	if (r->load->wt != NULL)
		r->wt = *wt_stats(r->load->wt);
	cpu_get(&user, &system);
	r->cpu_seconds = user + system;
}

static struct metric
counter(const char *name, const uint64_t *value, const char *help)
{
	return (struct metric){ name, NULL, METRIC_COUNTER, value, help };
}

/* Rows of one name stand together: first one per track, then the other. */
static size_t
report_track_rows(struct report *r, struct metric *rows)
{
	const struct load_config *cfg = r->load->cfg;
	size_t n = cfg->ntracks;

	for (size_t i = 0; i < n; i++) {
		const struct track *t = &cfg->tracks[i];
		char *label = r->labels[i], id[TRACK_ID_LEN + 1];

		snprintf(id, sizeof(id), "%s", t->id);
		/* An id is any UTF-8; a label may not hold these. */
		for (char *p = id; *p != '\0'; p++)
			if (*p == '"' || *p == '\\' || *p == '\n')
				*p = '_';
		snprintf(label, sizeof(r->labels[i]),
		    "track=\"%s\",index=\"%zu\"", id, i);
		rows[i] = counter("track_packets_total", &t->packets,
		    "track packets given to QUIC");
		rows[n + i] = counter("track_bytes_total", &t->bytes,
		    "their bytes, headers included");
		rows[i].labels = rows[n + i].labels = label;
	}
	return n * TRACK_ROWS;
}

void
report_init(struct report *r, const struct load *l, struct metrics *m)
{
	const struct totals *t = &l->total;
	const struct metric table[TOTAL_ROWS] = {
		{ "sessions_active", NULL, METRIC_GAUGE, &t->sessions_open,
		    "WebTransport sessions now" },
		counter("sessions_total", &t->sessions_opened,
		    "WebTransport sessions opened"),
		counter("sessions_refused_total", &t->sessions_refused,
		    "CONNECT requests answered with no 2xx status"),
		counter("sessions_failed_total", &t->sessions_failed,
		    "sessions whose connection failed before an answer"),
		counter("sessions_cut_total", &t->sessions_cut,
		    "sessions the server ended before they were done"),
		counter("connections_failed_total", &t->connections_failed,
		    "connections that failed"),
		counter("connect_retries_total", &t->connect_retries,
		    "further attempts to connect"),
		counter("streams_stopped_total", &t->stopped,
		    "streams the server stopped or reset"),
		counter("streams_received_total", &t->streams_in,
		    "streams the server opened"),
		counter("stream_bytes_in_total", &t->stream_bytes_in,
		    "bytes received on streams"),
		counter("stream_bytes_out_total", &r->wt.stream_bytes_out,
		    "bytes sent on streams"),
		counter("datagrams_out_total", &r->wt.datagrams_out,
		    "datagrams sent"),
		counter("datagrams_in_total", &t->datagrams_in,
		    "datagrams received"),
		counter("datagrams_receive_dropped_total", &t->receive_dropped,
		    "datagrams not written as stdout was behind"),
		counter("echoes_total", &t->echoed, "echoes as they should be"),
		counter("echoes_wrong_total", &t->echo_wrong,
		    "echoes of something that was not sent"),
		counter("echoes_missing_total", &t->echo_missing,
		    "echoes that did not come"),
		{ "cpu_seconds", NULL, METRIC_DOUBLE, &r->cpu_seconds,
		    "CPU time used, user and system, in seconds" },
		{ NULL, NULL, METRIC_COUNTER, NULL, NULL },
	};
	size_t n = l->cfg->ntracks;

	*r = (struct report){ .load = l };
	cpu_get(&r->user_began, &r->system_began);
	r->rows = calloc(n * TRACK_ROWS + TOTAL_ROWS, sizeof(*r->rows));
	r->labels = calloc(n + 1, sizeof(*r->labels));
	if (r->rows == NULL || r->labels == NULL)
		fatal(EX_OSERR, "metrics");
	memcpy(r->rows + report_track_rows(r, r->rows), table, sizeof(table));
	m->rows = r->rows;
	m->refresh = report_refresh;
	m->ctx = r;
}

void
report_free(struct report *r)
{
	free(r->rows);
	free(r->labels);
}

static int
compare_u64(const void *a, const void *b)
{
	uint64_t x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return (x > y) - (x < y);
}

static double
track_seconds(const struct load *l, const struct track *t)
{
	return t->last_ns > l->started_at ?
	    (double)(t->last_ns - l->started_at) / NS_PER_S : 0;
}

static double
mbps(uint64_t bytes, double seconds)
{
	return seconds > 0 ? (double)bytes * 8 / seconds / 1e6 : 0;
}

static void
figures_get(struct figures *f, const struct report *r)
{
	const struct load *l = r->load;
	uint64_t n = l->total.sessions_opened;
	struct rusage ru;

	getrusage(RUSAGE_SELF, &ru);
	*f = (struct figures){ .memory_kib = ru.ru_maxrss };
	cpu_get(&f->user, &f->system);
	f->user -= r->user_began;
	f->system -= r->system_began;
	f->elapsed = (double)(l->now - l->began) / NS_PER_S;
	if (f->elapsed > 0)
		f->cpu_share = (f->user + f->system) / f->elapsed;
	for (size_t i = 0; i < l->cfg->ntracks; i++) {
		double s = track_seconds(l, &l->cfg->tracks[i]);

		if (s > f->seconds)
			f->seconds = s;
	}
	if (n == 0)
		return;
	qsort(l->connect_ns, n, sizeof(l->connect_ns[0]), compare_u64);
	f->p50 = (double)l->connect_ns[n / 2] / NS_PER_MS;
	f->p99 = (double)l->connect_ns[n * 99 / 100] / NS_PER_MS;
	f->max = (double)l->connect_ns[n - 1] / NS_PER_MS;
}

static void
report_row(FILE *f, const char *id, const char *type, const struct track *t,
    double seconds)
{
	fprintf(f, "%-16s %-12s %10" PRIu64 " %14" PRIu64 " %9.2f %8" PRIu64
	    " %10" PRIu64 " %7" PRIu64 "\n", id, type, t->packets, t->bytes,
	    mbps(t->bytes - t->unacked_bytes, seconds),
	    t->lost_packets + t->too_large, t->unacked_bytes, t->stopped);
}

void
report_table(const struct report *r, FILE *f)
{
	const struct load *l = r->load;
	const struct totals *t = &l->total;
	struct track sum = { 0 };
	struct figures g;

	figures_get(&g, r);
	if (l->cfg->ntracks > 0)
		fprintf(f, "%-16s %-12s %10s %14s %9s %8s %10s %7s\n", "track",
		    "type", "packets", "bytes", "Mbit/s", "lost", "unacked",
		    "stopped");
	for (size_t i = 0; i < l->cfg->ntracks; i++) {
		const struct track *k = &l->cfg->tracks[i];

		report_row(f, k->id, k->type, k, track_seconds(l, k));
		sum.packets += k->packets;
		sum.bytes += k->bytes;
		sum.lost_packets += k->lost_packets;
		sum.too_large += k->too_large;
		sum.unacked_bytes += k->unacked_bytes;
		sum.stopped += k->stopped;
	}
	if (l->cfg->ntracks > 1)
		report_row(f, "all", "", &sum, g.seconds);
	fprintf(f, "sessions  %" PRIu64 " of %zu opened, %" PRIu64
	    " refused, %" PRIu64 " failed, %" PRIu64 " cut short; connecting "
	    "took %.1f ms (median), %.1f (p99), %.1f (most)\n",
	    t->sessions_opened, l->nsessions, t->sessions_refused,
	    t->sessions_failed, t->sessions_cut, g.p50, g.p99, g.max);
	if (l->cfg->echo)
		fprintf(f, "echoes    %" PRIu64 " right, %" PRIu64 " wrong, %"
		    PRIu64 " missing\n", t->echoed, t->echo_wrong,
		    t->echo_missing);
	if (t->stream_bytes_in > 0 || t->datagrams_in > 0)
		fprintf(f, "received  %" PRIu64 " bytes on streams, %" PRIu64
		    " opened by the server; %" PRIu64 " datagrams\n",
		    t->stream_bytes_in, t->streams_in, t->datagrams_in);
	fprintf(f, "used      %.2f s, %.2f of them sending; CPU %.2f s user, "
	    "%.2f system, %.0f %% of a core; %ld KiB of memory\n", g.elapsed,
	    g.seconds, g.user, g.system, g.cpu_share * 100, g.memory_kib);
}

static json_t *
json_u64(uint64_t v)
{
	return json_integer((json_int_t)v);
}

static json_t *
json_tracks(const struct load *l)
{
	json_t *list = json_array();

	for (size_t i = 0; i < l->cfg->ntracks; i++) {
		const struct track *t = &l->cfg->tracks[i];
		double s = track_seconds(l, t);

		json_array_append_new(list, json_pack(
		    "{s:s, s:s, s:o, s:o, s:f, s:f, s:o, s:o, s:o, s:o, s:o}",
		    "track", t->id, "type", t->type,
		    "packets", json_u64(t->packets),
		    "bytes", json_u64(t->bytes), "seconds", s,
		    "mbps", mbps(t->bytes - t->unacked_bytes, s),
		    "lost_packets", json_u64(t->lost_packets),
		    "too_large", json_u64(t->too_large),
		    "unacked_bytes", json_u64(t->unacked_bytes),
		    "stopped", json_u64(t->stopped),
		    "late", json_u64(t->late)));
	}
	return list;
}

void
report_json(const struct report *r, FILE *f, int exit_code)
{
	const struct load *l = r->load;
	const struct totals *t = &l->total;
	struct figures g;
	json_t *o;

	figures_get(&g, r);
	o = json_pack("{s:i, s:f, s:f, s:f, s:f, s:f, s:I, s:o}", "exit",
	    exit_code, "elapsed_s", g.elapsed, "sending_s", g.seconds, "cpu_user_s", g.user, "cpu_system_s",
	    g.system, "cpu_share", g.cpu_share, "memory_kib",
	    (json_int_t)g.memory_kib, "tracks", json_tracks(l));
	json_object_set_new(o, "sessions", json_pack(
	    "{s:o, s:o, s:o, s:i, s:o, s:o, s:o, s:f, s:f, s:f}",
	    "asked", json_u64(l->nsessions),
	    "opened", json_u64(t->sessions_opened),
	    "refused", json_u64(t->sessions_refused),
	    "refused_status", t->refused_status,
	    "failed", json_u64(t->sessions_failed),
	    "cut", json_u64(t->sessions_cut),
	    "connections_failed", json_u64(t->connections_failed),
	    "connect_ms_p50", g.p50, "connect_ms_p99", g.p99,
	    "connect_ms_max", g.max));
	json_object_set_new(o, "echo", json_pack("{s:o, s:o, s:o}",
	    "right", json_u64(t->echoed), "wrong", json_u64(t->echo_wrong),
	    "missing", json_u64(t->echo_missing)));
	json_object_set_new(o, "received", json_pack("{s:o, s:o, s:o}",
	    "streams", json_u64(t->streams_in),
	    "bytes", json_u64(t->stream_bytes_in),
	    "datagrams", json_u64(t->datagrams_in)));
	json_dumpf(o, f, JSON_COMPACT | JSON_REAL_PRECISION(6));
	fputc('\n', f);
	json_decref(o);
}
