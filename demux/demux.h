/*
 * Track packets out of stream records: what demux does with one record
 * (INTERFACES.md sections 1 and 2). No descriptor, no clock: time comes in
 * the records.
 */
#ifndef SLUICE_DEMUX_DEMUX_H
#define SLUICE_DEMUX_DEMUX_H

#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "rec.h"
#include "track.h"

/* Error codes from TRACK_TOO_LONG on, as indices. */
#define DEMUX_ERRORS 6
#define DEMUX_ERROR(e) ((e) - TRACK_TOO_LONG)

/* Counters since the start; gauges where it says so. */
struct demux_stats {
	uint64_t packets;	    /* forwarded */
	uint64_t packets_complete;  /* of them: in one piece, */
	uint64_t packets_fragmented; /* or in more than one record */
	uint64_t packets_large;	    /* of them: over TRACK_PACKET_LARGE */
	uint64_t packets_datagram;  /* of them: from datagrams */
	uint64_t packet_bytes;	    /* headers and payloads forwarded */
	uint64_t packets_reset;	    /* dropped: the client reset the stream,
				     * or the session ended */
	uint64_t errors[DEMUX_ERRORS];
	uint64_t overflows; /* TRACK_TOO_LONG and TRACK_BUFFER_LIMIT */
	uint64_t records_orphaned; /* data of a session that is not open */
	uint64_t bytes_swallowed; /* of streams given up */
	uint64_t wait_ns; /* all packets: first byte's record to last one's */
	uint64_t streams_active; /* gauge */
	uint64_t streams_max;	 /* the most at a time */
	uint64_t sessions_active; /* gauge */
	uint64_t buffer_bytes;	  /* gauge: memory of unfinished packets */
	uint64_t buffer_bytes_max;
};

/* A stream that was given up or ended inside a packet, or a datagram that
 * was dropped. */
struct demux_error {
	enum track_error code;
	uint64_t session, stream;
	const uint8_t *header; /* the packet's, as far as it came */
	size_t header_len;
	uint32_t held; /* bytes of payload that had come */
};

struct demux_config {
	uint32_t max_packet; /* bytes, header included */
	size_t max_buffer;   /* bytes of unfinished packets; >= max_packet */
	size_t max_streams;  /* followed at a time */
	/* Called once per stream, after it was counted. May be NULL. */
	void (*error)(void *ctx, const struct demux_error *e);
	void *ctx;
};

struct demux;

struct demux *demux_new(const struct demux_config *cfg);
void demux_free(struct demux *d);

/*
 * Deals with one record and appends what it turns into to out: at most twice
 * the record, one packet and a few records more.
 */
void demux_record(struct demux *d, const struct rec *r, struct buf *out);

/* Valid as long as d. */
const struct demux_stats *demux_stats(const struct demux *d);

#endif
