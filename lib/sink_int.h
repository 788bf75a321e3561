/* Shared by sink.c and sink_msg.c only. */
#ifndef SLUICE_SINK_INT_H
#define SLUICE_SINK_INT_H

#include "bus.h"
#include "sink.h"
#include "sink_route.h"

struct sink_stats { /* counters, for the metrics table */
	uint64_t messages, malformed, unknown_commands;
	uint64_t records, packets, bytes; /* taken; bytes of payload */
	uint64_t no_room;		  /* messages cut short */
	uint64_t bad_track, too_large;	  /* packets dropped */
	uint64_t good, rejected;	  /* packets given to the bus */
	uint64_t receipts, failed;
	uint64_t reasons[SINK_REASONS_MAX];
	double wait_ms; /* mean over the last metrics interval */
};

struct sink {
	const struct sink_kind *kind;
	void *zmq, *router;
	struct bus *bus;
	int topic, rejected; /* of the bus */
	struct sink_routes routes;
	struct recorder recorder;
	struct props props;
	struct sink_stats stats;
	const char *reasons[SINK_REASONS_MAX];
	size_t nreasons;
	uint64_t now; /* ns, CLOCK_MONOTONIC: this turn of the loop */
};

/* Takes what the routes have sent, a bounded amount. */
void sink_receive(struct sink *s);

/* Tells the routes what they are to know. */
void sink_send_grants(struct sink *s);

/* bus_receipt_fn; ctx is the struct sink. */
void sink_receipt(void *ctx, uint64_t cookie, const struct bus_receipt *r);

#endif
