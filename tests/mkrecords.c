/*
 * mkrecords: a stream of records as wt-accept would write it, made from
 * options; for tests, benches and people. The same options give the same
 * bytes. Packets are spread over tracks in turn, tracks over streams, streams
 * over sessions; every stream's bytes are cut as asked, and the streams take
 * turns record by record.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "be.h"
#include "log.h"
#include "opt.h"
#include "rec.h"
#include "stage.h"
#include "track.h"

#define POOL (1 << 20) /* bytes that payloads are taken from */
#define STREAMS_MAX 100000
#define WRITE_AT (256 * 1024)
#define TIME_0 UINT64_C(1700000000000000000)

static int64_t packets = 1000, payload = 1000, tracks = 1, streams = 1,
	       sessions = 1, cut, seed = 1, limit;
static const char *track_type;
static int mixed, datagrams, demuxed, now, no_fin, no_close;
static struct opt_list bad;

static const struct opt opts[] = {
	{ "packets", OPT_INT, &packets, "N", "track packets to make", 0,
	    INT64_MAX, NULL },
	{ "payload", OPT_SIZE, &payload, "BYTES", "payload of each", 0,
	    TRACK_PACKET_MAX, NULL },
	{ "mixed", OPT_FLAG, &mixed, NULL,
	    "payloads of 0 to 20000 bytes, most of them short", 0, 0, NULL },
	{ "type", OPT_STRING, &track_type, "TYPE",
	    "track type; without it video, audio, chat, file, screen in turn",
	    0, 0, NULL },
	{ "tracks", OPT_INT, &tracks, "N", "tracks", 1, STREAMS_MAX, NULL },
	{ "streams", OPT_INT, &streams, "N", "streams", 1, STREAMS_MAX,
	    NULL },
	{ "sessions", OPT_INT, &sessions, "N", "sessions", 1, STREAMS_MAX,
	    NULL },
	{ "cut", OPT_SIZE, &cut, "BYTES",
	    "stream bytes in a record; 0: a packet in each", 0, REC_CHUNK_MAX,
	    NULL },
	{ "datagrams", OPT_FLAG, &datagrams, NULL,
	    "each packet in a datagram", 0, 0, NULL },
	{ "demuxed", OPT_FLAG, &demuxed, NULL,
	    "PACKET records, as demux writes them", 0, 0, NULL },
	{ "bad", OPT_LIST, &bad, "WHAT",
	    "halfway, something bad: too-long, bad-id, bad-type, cut-header, "
	    "cut-payload, reset, datagram, orphan, garbage, half-record",
	    0, 0, NULL },
	{ "limit", OPT_SIZE, &limit, "BYTES",
	    "stop after so many bytes of output, wherever that is; 0: none",
	    0, INT64_MAX, NULL },
	{ "no-fin", OPT_FLAG, &no_fin, NULL, "streams do not end", 0, 0,
	    NULL },
	{ "no-close", OPT_FLAG, &no_close, NULL, "sessions do not end", 0, 0,
	    NULL },
	{ "seed", OPT_INT, &seed, "N", "other bytes and sizes", 0, INT64_MAX,
	    NULL },
	{ "now", OPT_FLAG, &now, NULL, "stamp records with the real time", 0,
	    0, NULL },
	{ NULL, OPT_FLAG, NULL, NULL, NULL, 0, 0, NULL },
};

static uint8_t pool[POOL];
static struct buf *bytes; /* one a stream: not yet in records */
static struct buf out;
static uint64_t records, written;

/* splitmix64: a number from a number. */
static uint64_t
scramble(uint64_t x)
{
	x += UINT64_C(0x9e3779b97f4a7c15) * (uint64_t)(seed + 1);
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

static void
write_out(void)
{
	while (buf_len(&out) > 0) {
		size_t n = buf_len(&out);
		ssize_t w;

		if (limit > 0 && written + n > (uint64_t)limit)
			n = (size_t)limit - written;
		if (n == 0)
			exit(EX_OK);
		w = write(STDOUT_FILENO, buf_data(&out), n);
		if (w == -1)
			fatal(EX_IOERR, "stdout");
		written += (uint64_t)w;
		buf_consume(&out, (size_t)w);
	}
}

/* One record; stream is 0 to streams - 1, or -1 for the session itself. */
static void
put(uint8_t type, uint8_t flags, int64_t stream, uint64_t session,
    const void *p, size_t n)
{
	struct rec r = { .len = (uint32_t)n,
		.type = type,
		.flags = stream < 0 ? flags : (uint8_t)(flags | REC_UNI),
		.session = TIME_0 + session,
		.stream = stream < 0 ? REC_NO_STREAM :
				       (uint64_t)(stream / sessions) * 4 + 2,
		.time = now ? stage_realtime() : TIME_0 + records * 1000,
		.payload = p };

	rec_append(&out, &r);
	records++;
	if (buf_len(&out) >= WRITE_AT)
		write_out();
}

static uint64_t
session_of(int64_t stream)
{
	return (uint64_t)(stream % sessions);
}

static size_t
size_of(uint64_t packet)
{
	static const uint16_t limits[16] = { 0, 3, 40, 40, 64, 64, 200, 200,
		400, 600, 600, 600, 1200, 1200, 1500, 20000 };
	uint64_t x = scramble(packet);

	if (!mixed)
		return (size_t)payload;
	return (size_t)((x >> 8) % (limits[x & 15] + 1U));
}

/* Packet number i behind what its stream (or datagram) holds. The payload
 * begins with the number. */
static void
make_packet(struct buf *b, uint64_t i)
{
	static const char *const types[] = { "video", "audio", "chat", "file",
		"screen" };
	uint64_t track = i % (uint64_t)tracks;
	size_t n = size_of(i), at = 0;
	char id[TRACK_ID_LEN + 1];
	uint8_t number[8], *p;

	snprintf(id, sizeof(id), "track%u", (unsigned)track);
	p = buf_reserve(b, TRACK_HEADER_LEN + n);
	if (track_header_put(p, id,
		track_type != NULL ? track_type : types[track % 5],
		(uint32_t)n) == -1)
		fatalx(EX_USAGE, "--type %s: does not fit", track_type);
	p += TRACK_HEADER_LEN;
	be64_put(number, i);
	for (; at < n && at < sizeof(number); at++)
		p[at] = number[at];
	while (at < n) {
		size_t from = (size_t)(i * 4099 % (POOL / 2));
		size_t part = n - at > POOL / 2 ? POOL / 2 : n - at;

		memcpy(p + at, pool + from, part);
		at += part;
	}
	buf_commit(b, TRACK_HEADER_LEN + n);
}

/* One record of what a stream holds; 0 when it is to wait for more. */
static int
put_chunk(int64_t stream, int last)
{
	struct buf *b = &bytes[stream];
	size_t n = cut > 0 ? (size_t)cut : REC_CHUNK_MAX;

	if (buf_len(b) == 0 || (cut > 0 && buf_len(b) < n && !last))
		return 0;
	if (n > buf_len(b))
		n = buf_len(b);
	put(REC_STREAM_DATA, 0, stream, session_of(stream), buf_data(b), n);
	buf_consume(b, n);
	return 1;
}

/* The streams take turns, a record each, until none has one. */
static void
put_chunks(int last)
{
	int any;

	do {
		any = 0;
		for (int64_t s = 0; s < streams; s++)
			any |= put_chunk(s, last);
	} while (any);
}

static void
put_open(uint64_t session)
{
	/* {"peer": "192.0.2.1 4242", "authority": "localhost",
	 *  "path": "/wt", "origin": "", "protocol": "", "headers": {}} */
	static const char map[] = "\x86\xa4peer\xae"
				  "192.0.2.1 4242\xa9"
				  "authority\xa9localhost\xa4path\xa3/wt"
				  "\xa6origin\xa0\xa8protocol\xa0\xa7headers"
				  "\x80";

	put(REC_SESSION_OPEN, 0, -1, session, map, sizeof(map) - 1);
}

/* A stream of its own in the first session that is broken somehow. */
static void
put_bad(const char *what, int64_t stream)
{
	uint8_t p[TRACK_HEADER_LEN + 100] = { 0 };
	static const char garbage[] = "\xff\xff this is no record at all";
	uint8_t code[4] = { 0, 0, 0, 9 };
	int64_t s = (stream + 1) * sessions; /* session_of() is 0 */
	size_t n = sizeof(p);
	uint8_t type = REC_STREAM_DATA, flags = 0;

	track_header_put(p, "bad", "bad", 100);
	if (strcmp(what, "too-long") == 0) {
		track_header_put(p, "bad", "bad", UINT32_MAX);
	} else if (strcmp(what, "bad-id") == 0) {
		p[3] = 0xff;
	} else if (strcmp(what, "bad-type") == 0) {
		p[20] = 0;
	} else if (strcmp(what, "cut-header") == 0) {
		n = TRACK_HEADER_LEN - 1;
		flags = REC_FIN;
	} else if (strcmp(what, "cut-payload") == 0) {
		n--;
		flags = REC_FIN;
	} else if (strcmp(what, "datagram") == 0) {
		type = REC_DATAGRAM;
		n--;
		s = -1;
	} else if (strcmp(what, "orphan") == 0) {
		put(type, 0, s, (uint64_t)sessions + 1, p, n);
		return;
	} else if (strcmp(what, "garbage") == 0) {
		buf_append(&out, garbage, sizeof(garbage) - 1);
		return;
	} else if (strcmp(what, "half-record") == 0) {
		put(type, 0, s, 0, p, n);
		write_out();
		limit = (int64_t)written + 40;
		return;
	} else if (strcmp(what, "reset") != 0) {
		fatalx(EX_USAGE, "--bad %s: not known", what);
	}
	if (strcmp(what, "reset") == 0)
		n--;
	put(type, flags, s, 0, p, n);
	if (strcmp(what, "reset") == 0)
		put(REC_STREAM_RESET, 0, s, 0, code, sizeof(code));
	else if (type == REC_STREAM_DATA && flags == 0) /* swallowed */
		put(type, REC_FIN, s, 0, p, n);
}

int
main(int argc, char **argv)
{
	struct buf packet = { 0 };
	uint64_t i, x;

	log_init("mkrecords");
	if (opt_parse(argc, argv, opts, "mkrecords [options] > records") <
	    argc)
		opt_usage("no operands wanted");
	for (i = 0; i < POOL; i += sizeof(x)) {
		x = scramble(i);
		memcpy(pool + i, &x, sizeof(x));
	}
	bytes = calloc((size_t)streams, sizeof(*bytes));
	if (bytes == NULL)
		fatal(EX_OSERR, "memory");
	for (i = 0; i < (uint64_t)sessions; i++)
		put_open(i);
	for (i = 0; i < (uint64_t)packets; i++) {
		int64_t stream = (int64_t)(i % (uint64_t)tracks) % streams;

		if (i == (uint64_t)packets / 2)
			for (int k = 0; k < bad.n; k++)
				put_bad(bad.v[k], streams + k);
		if (datagrams || demuxed) {
			make_packet(&packet, i);
			put(demuxed ? REC_PACKET : REC_DATAGRAM, 0,
			    datagrams ? -1 : stream, session_of(stream),
			    buf_data(&packet), buf_len(&packet));
			buf_consume(&packet, buf_len(&packet));
			continue;
		}
		make_packet(&bytes[stream], i);
		if (cut == 0)
			while (put_chunk(stream, 0))
				;
		else if ((i + 1) % (uint64_t)tracks == 0)
			put_chunks(0);
	}
	put_chunks(1);
	for (int64_t s = 0; s < streams && !no_fin && !datagrams; s++)
		put(REC_STREAM_DATA, REC_FIN, s, session_of(s), NULL, 0);
	for (i = 0; i < (uint64_t)sessions && !no_close; i++)
		put(REC_SESSION_CLOSE, 0, -1, i, "\0\0\0\0", 4);
	write_out();
	for (i = 0; i < (uint64_t)streams; i++)
		buf_free(&bytes[i]);
	free(bytes);
	buf_free(&packet);
	buf_free(&out);
	return EX_OK;
}
