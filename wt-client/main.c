/* wt-client: WebTransport client and load generator. See wt-client(1). */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <unistd.h>

#include "load.h"
#include "log.h"
#include "opt.h"
#include "report.h"
#include "sflist.h"
#include "stage.h"

#define SYNOPSIS \
	"wt-client URL [--cert-hash FILE | --ca FILE] " \
	"[--track ID:TYPE:SOURCE ...] [options]"
#define FIELDS_MAX (2 * (OPT_LIST_MAX + 2)) /* --header, origin, protocols */
#define FIELD_LEN 1024
#define RAW_CHUNK (64 * 1024)
#define CLIENTS_MAX 20000
#define STREAMS_MAX 100000

struct options {
	struct load_config load;
	struct opt_list tracks, raw, headers, protocols;
	struct source_options source;
	const char *cert_hash, *ca, *origin, *local, *fps, *rate, *metrics;
	int64_t bulk, keep_alive;
	int json;
};

/* Storage for what struct load_config points to. */
struct storage {
	struct track tracks[2 * OPT_LIST_MAX + 1];
	char ids[OPT_LIST_MAX][TRACK_ID_LEN + 1];
	char types[OPT_LIST_MAX][TRACK_TYPE_LEN + 1];
	const char *fields[FIELDS_MAX];
	char headers[OPT_LIST_MAX][FIELD_LEN];
	char protocols[4 * FIELD_LEN];
	uint8_t hash[TARGET_HASH_LEN];
};

/* Returns the URL. */
static const char *
options_parse(int argc, char **argv, struct options *o)
{
	struct load_config *l = &o->load;
	const struct opt table[] = {
		{ "cert-hash", OPT_STRING, &o->cert_hash, "FILE",
		    "SHA-256 of the server's certificate, in hexadecimal", 0, 0,
		    NULL },
		{ "ca", OPT_STRING, &o->ca, "FILE",
		    "trusted CAs, PEM (default: the system's)", 0, 0, NULL },
		{ "track", OPT_LIST, &o->tracks, "ID:TYPE:SOURCE",
		    "track to send; SOURCE: -, FILE, synthetic:SIZE@RATE, "
		    "jpeg:, pcm:, chat:; repeatable", 0, 0, NULL },
		{ "raw", OPT_LIST, &o->raw, "FILE",
		    "a stream of the file's bytes, no track headers; "
		    "repeatable", 0, 0, NULL },
		{ "bulk", OPT_SIZE, &o->bulk, "BYTES",
		    "a stream of that many bytes, no track headers; 0: no end",
		    0, INT64_C(1) << 50, NULL },
		{ "clients", OPT_INT, &l->clients, "N",
		    "connections, each from a port of its own", 1, CLIENTS_MAX,
		    NULL },
		{ "sessions", OPT_INT, &l->sessions, "N",
		    "sessions per connection", 1, 1024, NULL },
		{ "streams", OPT_INT, &l->streams, "N",
		    "streams a track's packets go over in turn", 1, STREAMS_MAX,
		    NULL },
		{ "connecting", OPT_INT, &l->connecting, "N",
		    "connections begun but not yet answered", 1, CLIENTS_MAX,
		    NULL },
		{ "count", OPT_INT, &l->count, "N",
		    "packets per track and session, 0: as the source has", 0, 0,
		    NULL },
		{ "seconds", OPT_MS, &l->seconds_ms, "TIME",
		    "stop sending after this, 0: when the sources end", 0, 0,
		    NULL },
		{ "loop", OPT_FLAG, &o->source.loop, NULL,
		    "files start again at their end", 0, 0, NULL },
		{ "fps", OPT_STRING, &o->fps, "N",
		    "pictures a second of .mjpeg and .ivf files", 0, 0, NULL },
		{ "rate", OPT_STRING, &o->rate, "N",
		    "packets a second of the other files and of stdin", 0, 0,
		    NULL },
		{ "chunk", OPT_SIZE, &o->source.chunk, "BYTES",
		    "packet payload of other kinds of files", 1,
		    SOURCE_PAYLOAD_MAX - CUT_PREFIX_MAX, NULL },
		{ "datagrams", OPT_FLAG, &l->datagrams, NULL,
		    "each packet in a datagram", 0, 0, NULL },
		{ "bidi", OPT_FLAG, &l->bidi, NULL,
		    "tracks on bidirectional streams", 0, 0, NULL },
		{ "split", OPT_SIZE, &l->split, "BYTES",
		    "write that much at a time, 0: whole packets", 0, 1 << 20,
		    NULL },
		{ "join", OPT_FLAG, &l->join, NULL,
		    "write many packets at a time", 0, 0, NULL },
		{ "max-unacked", OPT_SIZE, &l->max_unacked, "BYTES",
		    "unacknowledged bytes of a stream", 1, 1 << 30, NULL },
		{ "echo", OPT_FLAG, &l->echo, NULL,
		    "expect everything back, and compare", 0, 0, NULL },
		{ "receive", OPT_STRING, &l->receive, "DIR|-",
		    "where to write what the server sends", 0, 0, NULL },
		{ "idle", OPT_FLAG, &l->idle, NULL,
		    "hold the sessions open until --seconds", 0, 0, NULL },
		{ "origin", OPT_STRING, &o->origin, "ORIGIN",
		    "origin field of the request", 0, 0, NULL },
		{ "protocol", OPT_LIST, &o->protocols, "NAME",
		    "subprotocol to offer, the best first; repeatable", 0, 0,
		    NULL },
		{ "header", OPT_LIST, &o->headers, "NAME:VALUE",
		    "further field of the request; repeatable", 0, 0, NULL },
		{ "local", OPT_STRING, &o->local, "ADDRESS",
		    "local address", 0, 0, NULL },
		{ "connect-timeout", OPT_MS, &l->connect_ms, "TIME",
		    "to the answer to CONNECT", 1, 3600000, NULL },
		{ "retry-connect", OPT_CHOICE, &l->retry_connect, NULL,
		    "try again until --connect-timeout", 0, 0, "no|yes" },
		{ "keep-alive", OPT_MS, &o->keep_alive, "TIME",
		    "PING after this much silence, 0: never", 0, 3600000,
		    NULL },
		{ "linger", OPT_MS, &l->linger_ms, "TIME",
		    "wait this long for an acknowledgement or echo", 1, 3600000,
		    NULL },
		{ "migrate", OPT_MS, &l->migrate_ms, "TIME",
		    "move to another port after this, 0: never", 0, 3600000,
		    NULL },
		{ "rebind", OPT_MS, &l->rebind_ms, "TIME",
		    "as a NAT would do it", 0, 3600000, NULL },
		{ "update-keys", OPT_MS, &l->update_keys_ms, "TIME",
		    "update the packet protection keys after this", 0, 3600000,
		    NULL },
		{ "json", OPT_FLAG, &o->json, NULL,
		    "the summary as one JSON object", 0, 0, NULL },
		{ "metrics", OPT_STRING, &o->metrics, "FILE",
		    "metrics, rewritten every second", 0, 0, NULL },
		{ "ready-fd", OPT_INT, &l->ready_fd, "N",
		    "write a newline here when all sessions are open", 0,
		    1 << 20, NULL },
		{ NULL, 0, NULL, NULL, NULL, 0, 0, NULL },
	};
	const char *url = NULL;
	int argi;

	/* The URL may come first, as in the synopsis. */
	if (argc > 1 && argv[1][0] != '-') {
		url = argv[1];
		argv[1] = argv[0];
		argc--, argv++;
	}
	argi = opt_parse(argc, argv, table, SYNOPSIS);
	if (url == NULL && argi < argc)
		url = argv[argi++];
	if (url == NULL)
		opt_usage("no URL");
	if (argi != argc)
		opt_usage("%s: one URL is expected", argv[argi]);
	return url;
}

/* What the options say that is more than a number or a name. */
static void
options_check(struct options *o, const char *url)
{
	struct load_config *l = &o->load;
	const char *why = target_parse(&l->target, url);

	if (why != NULL)
		opt_usage("%s: %s", url, why);
	if (o->local != NULL) {
		if (target_local(o->local, &l->local) == -1)
			opt_usage("--local: %s: not an address", o->local);
		l->have_local = 1;
	}
	if ((o->fps != NULL &&
		source_parse_rate(o->fps, &o->source.fps) == -1) ||
	    (o->rate != NULL &&
		source_parse_rate(o->rate, &o->source.rate) == -1))
		opt_usage("--fps, --rate: not a number up to %d",
		    SOURCE_RATE_MAX);
	if (o->cert_hash != NULL && o->ca != NULL)
		opt_usage("--cert-hash and --ca exclude each other");
	if (o->tracks.n == 0 && o->raw.n == 0 && o->bulk == -1 && !l->idle &&
	    l->receive == NULL)
		opt_usage("nothing to do: no --track, --raw, --bulk, "
			  "--receive or --idle");
	if (l->datagrams && (l->bidi || l->split > 0 || l->join ||
		l->streams > 1))
		opt_usage("--datagrams is without --bidi, --split, --join, "
			  "--streams");
	if (l->echo && l->receive != NULL)
		opt_usage("--echo and --receive exclude each other");
}

/* "ID:TYPE:SOURCE" apart; exits EX_USAGE. Returns SOURCE. */
static const char *
track_parse(const char *spec, char *id, char *type)
{
	const char *a = strchr(spec, ':'), *b;
	uint8_t header[TRACK_HEADER_LEN];
	struct track_header h;

	b = a != NULL ? strchr(a + 1, ':') : NULL;
	if (b == NULL)
		opt_usage("--track: %s: not ID:TYPE:SOURCE", spec);
	if (a - spec > TRACK_ID_LEN || b - a - 1 > TRACK_TYPE_LEN)
		opt_usage("--track: %s: ID has at most %d bytes, TYPE %d",
		    spec, TRACK_ID_LEN, TRACK_TYPE_LEN);
	snprintf(id, TRACK_ID_LEN + 1, "%.*s", (int)(a - spec), spec);
	snprintf(type, TRACK_TYPE_LEN + 1, "%.*s", (int)(b - a - 1), a + 1);
	if (track_header_put(header, id, type, 0) == -1 ||
	    track_header_get(header, TRACK_PACKET_MAX, &h) != TRACK_OK)
		opt_usage("--track: %s: ID and TYPE are UTF-8, TYPE is not "
			  "empty", spec);
	return b + 1;
}

static struct track *
track_add(struct options *o, struct storage *st, const char *id,
    const char *type, int bare)
{
	struct track *t = &st->tracks[o->load.ntracks++];

	*t = (struct track){ .id = id, .type = type, .bare = bare };
	return t;
}

/* Opens every source; 0 or an exit code. */
static int
tracks_open(struct options *o, struct storage *st)
{
	struct source_options raw = { .chunk = RAW_CHUNK };
	struct load_config *l = &o->load;
	int rc, readers = 0;

	l->tracks = st->tracks;
	for (int i = 0; i < o->tracks.n; i++) {
		const char *spec = track_parse(o->tracks.v[i], st->ids[i],
		    st->types[i]);
		struct track *t = track_add(o, st, st->ids[i], st->types[i], 0);

		rc = source_open(&t->source, spec, &o->source);
		if (rc != 0)
			return rc;
		readers += t->source.kind == SOURCE_STDIN;
	}
	if (readers > 1 || (readers == 1 && l->clients * l->sessions > 1))
		opt_usage("stdin can be read for one track of one session");
	for (int i = 0; i < o->raw.n; i++) {
		struct track *t = track_add(o, st, "(raw)", "-", 1);

		rc = source_open_raw(&t->source, o->raw.v[i], &raw);
		if (rc != 0)
			return rc;
	}
	if (o->bulk != -1)
		source_open_bulk(&track_add(o, st, "(bulk)", "-", 1)->source,
		    (uint64_t)o->bulk);
	return 0;
}

static void
field_add(struct options *o, struct storage *st, const char *name,
    const char *value)
{
	st->fields[o->load.nfields++] = name;
	st->fields[o->load.nfields++] = value;
}

/* The request's fields, in st; exits EX_USAGE. */
static void
fields_make(struct options *o, struct storage *st)
{
	size_t len = 0;

	o->load.fields = st->fields;
	if (o->origin != NULL)
		field_add(o, st, "origin", o->origin);
	for (int i = 0; i < o->protocols.n; i++) {
		char *p = st->protocols + len;
		size_t left = sizeof(st->protocols) - len;
		int n = snprintf(p, left, "%s", i > 0 ? ", " : "");

		if ((size_t)n >= left || sf_string_put(p + n, left - (size_t)n,
			o->protocols.v[i]) == -1)
			opt_usage("--protocol: %s: not a string that can be "
				  "sent", o->protocols.v[i]);
		len = strlen(st->protocols);
	}
	if (len > 0)
		field_add(o, st, "wt-available-protocols", st->protocols);
	for (int i = 0; i < o->headers.n; i++) {
		char *name = st->headers[i], *value;

		if (snprintf(name, FIELD_LEN, "%s", o->headers.v[i]) >=
		    FIELD_LEN)
			opt_usage("--header: too long");
		value = strchr(name, ':');
		if (value == NULL || value == name)
			opt_usage("--header: %s: not NAME:VALUE", name);
		*value++ = '\0';
		value += strspn(value, " \t");
		for (char *p = name; *p != '\0'; p++)
			*p = (char)tolower((unsigned char)*p);
		field_add(o, st, name, value);
	}
}

/* Every connection is a descriptor. */
static void
limits_raise(const struct load_config *l)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) == 0 && rl.rlim_cur < rl.rlim_max) {
		rl.rlim_cur = rl.rlim_max;
		setrlimit(RLIMIT_NOFILE, &rl);
	}
	if (getrlimit(RLIMIT_NOFILE, &rl) == 0 &&
	    rl.rlim_cur < (rlim_t)l->clients + 32)
		fatalx(EX_OSERR, "--clients %d: only %lu descriptors may be "
		    "open", (int)l->clients, (unsigned long)rl.rlim_cur);
}

static struct wt *
endpoint_new(const struct options *o, struct load *l, struct storage *st)
{
	struct wt_config cfg;
	int rc;

	wt_config_init(&cfg);
	cfg.events = &load_events;
	cfg.ctx = l;
	cfg.handshake_timeout_ms = (uint64_t)o->load.connect_ms;
	cfg.keep_alive_ms = (uint64_t)o->keep_alive;
	cfg.ca_file = o->ca;
	cfg.keylog_file = getenv("SSLKEYLOGFILE");
	if (o->cert_hash != NULL) {
		rc = target_hash_read(o->cert_hash, st->hash);
		if (rc != 0)
			exit(rc);
		cfg.cert_sha256 = st->hash;
	}
	return wt_client_new(&cfg);
}

int
main(int argc, char **argv)
{
	static struct storage st;
	struct options o = {
		.load = { .clients = 1, .sessions = 1, .streams = 1,
		    .connecting = 64, .connect_ms = 10000, .linger_ms = 10000,
		    .max_unacked = 1 << 20, .ready_fd = -1 },
		.source = { .chunk = 16 * 1024 },
		.bulk = -1,
		.keep_alive = 10000,
	};
	struct load l;
	struct metrics m = { 0 };
	struct report r;
	int rc, signal_fd;
	FILE *out;

	log_init("wt-client");
	options_check(&o, options_parse(argc, argv, &o));
	fields_make(&o, &st);
	rc = tracks_open(&o, &st);
	if (rc == 0)
		rc = target_resolve(&o.load.target);
	if (rc != 0)
		return rc;
	limits_raise(&o.load);
	signal_fd = stage_signals();

	load_init(&l, &o.load);
	l.wt = endpoint_new(&o, &l, &st);
	if (l.wt == NULL)
		return EX_CONFIG;
	m.path = o.metrics;
	report_init(&r, &l, &m);

	load_run(&l, signal_fd, &m);

	wt_free(l.wt);
	l.wt = NULL;
	rc = load_exit_code(&l);
	/* With --receive - stdout is what the server sent. */
	out = o.load.receive != NULL && strcmp(o.load.receive, "-") == 0 ?
	    stderr : stdout;
	if (o.json)
		report_json(&r, out, rc);
	else
		report_table(&r, out);
	if (fflush(out) != 0 && rc == EX_OK) {
		log_warn("stdout");
		rc = EX_IOERR;
	}
	metrics_write(&m, l.now);
	load_free(&l);
	for (size_t i = 0; i < o.load.ntracks; i++)
		source_close(&o.load.tracks[i].source);
	report_free(&r);
	return rc;
}
