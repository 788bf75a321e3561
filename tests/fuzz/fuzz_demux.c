/*
 * demux. The input is a list of stream bytes: the first byte says where to
 * cut, the rest is cut into pieces of up to 255 bytes for four streams. The
 * same stream bytes whole, in those pieces and byte by byte must give the
 * same packets; output must be well-formed records; memory must keep its
 * bound and be back at 0 when the session is closed.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../demux/demux.h"

#define STREAMS 4
#define MAX_PACKET 4096
#define MAX_BUFFER (64 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
feed(struct demux *d, struct buf *out, uint8_t type, uint8_t flags,
    uint64_t stream, const uint8_t *p, size_t n)
{
	const struct rec r = { .len = (uint32_t)n,
		.type = type,
		.flags = flags,
		.session = 1,
		.stream = stream,
		.payload = p };

	demux_record(d, &r, out);
}

/* What the record stream `out` says of one stream, times left out. */
static void
collect(const struct buf *out, uint64_t stream, struct buf *got)
{
	const uint8_t *p = buf_data(out);
	size_t left = buf_len(out);
	struct rec r;
	int64_t n;

	while (left > 0) {
		n = rec_get(p, left, &r, NULL);
		if (n <= 0)
			abort();
		if (r.type == REC_PACKET) {
			struct track_header h;

			if (track_header_get(r.payload, MAX_PACKET, &h) !=
				TRACK_OK ||
			    h.payload_len + TRACK_HEADER_LEN != r.len)
				abort();
		}
		if (r.stream == stream) {
			r.time = 0;
			rec_append(got, &r);
		}
		p += n;
		left -= (size_t)n;
	}
}

/* Every stream's bytes in pieces of `step`, or as in data when step is 0. */
static void
run(struct buf streams[STREAMS], const uint8_t *data, size_t size,
    size_t step, struct buf got[STREAMS])
{
	const struct demux_config cfg = { .max_packet = MAX_PACKET,
		.max_buffer = MAX_BUFFER,
		.max_streams = STREAMS };
	struct demux *d = demux_new(&cfg);
	struct buf out = { 0 };

	feed(d, &out, REC_SESSION_OPEN, 0, REC_NO_STREAM, data, 0);
	for (size_t at = 0; step == 0 && at + 2 < size;) {
		size_t n = data[at] + 1U, s = data[at + 1] % STREAMS;

		at += 2;
		if (n > size - at)
			n = size - at;
		feed(d, &out, REC_STREAM_DATA, 0, s, data + at, n);
		at += n;
	}
	for (size_t s = 0; s < STREAMS; s++) {
		for (size_t at = 0; step > 0 && at < buf_len(&streams[s]);
		     at += step) {
			size_t n = buf_len(&streams[s]) - at;

			feed(d, &out, REC_STREAM_DATA, 0, s,
			    buf_data(&streams[s]) + at, n < step ? n : step);
		}
		feed(d, &out, REC_STREAM_DATA, REC_FIN, s, data, 0);
	}
	if (demux_stats(d)->buffer_bytes_max > MAX_BUFFER)
		abort();
	feed(d, &out, REC_SESSION_CLOSE, 0, REC_NO_STREAM,
	    (const uint8_t *)"\0\0\0\0", 4);
	if (demux_stats(d)->buffer_bytes != 0 ||
	    demux_stats(d)->streams_active != 0 ||
	    demux_stats(d)->packets != demux_stats(d)->packets_complete +
		demux_stats(d)->packets_fragmented)
		abort();
	for (size_t s = 0; s < STREAMS; s++)
		collect(&out, s, &got[s]);
	demux_free(d);
	buf_free(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const size_t steps[] = { 0, 1, 7, REC_CHUNK_MAX };
	struct buf streams[STREAMS] = { { 0 } }, want[STREAMS] = { { 0 } };

	for (size_t at = 0; at + 2 < size;) {
		size_t n = data[at] + 1U, s = data[at + 1] % STREAMS;

		at += 2;
		if (n > size - at)
			n = size - at;
		buf_append(&streams[s], data + at, n);
		at += n;
	}
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		struct buf got[STREAMS] = { { 0 } };

		run(streams, data, size, steps[i], i == 0 ? want : got);
		for (size_t s = 0; s < STREAMS && i > 0; s++)
			if (buf_len(&got[s]) != buf_len(&want[s]) ||
			    memcmp(buf_data(&got[s]), buf_data(&want[s]),
				buf_len(&got[s])) != 0)
				abort();
		for (size_t s = 0; s < STREAMS; s++)
			buf_free(&got[s]);
	}
	for (size_t s = 0; s < STREAMS; s++) {
		buf_free(&streams[s]);
		buf_free(&want[s]);
	}
	return 0;
}
