/*
 * A producer that does not give up: busretry ENDPOINT TOPIC COUNT SIZE
 * publishes COUNT messages and waits, with a full disk for as long as that
 * takes. Exit 0 when all are stored, in order.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <zmq.h>

#include "bus.h"
#include "log.h"
#include "stage.h"

static uint64_t next_cookie;

static void
receipt(void *ctx, uint64_t cookie, const struct bus_receipt *r)
{
	(void)ctx;
	if (r->code != BMSG_OK)
		fatalx(EX_UNAVAILABLE, "refused: %s", r->text);
	if (cookie != next_cookie++)
		fatalx(EX_SOFTWARE, "receipt for %" PRIu64 " out of order",
		    cookie);
}

int
main(int argc, char **argv)
{
	struct bus_config config = { .retry_storage = 1, .receipt = receipt };
	struct entry e = { .producer = "retry", .producer_len = 5 };
	uint64_t count, now = stage_monotonic();
	zmq_pollitem_t item;
	struct bus *b;
	void *zmq;
	int topic;

	log_init("busretry");
	if (argc != 5)
		fatalx(EX_USAGE, "usage: busretry ENDPOINT TOPIC COUNT SIZE");
	config.endpoint = argv[1];
	count = strtoull(argv[3], NULL, 10);
	e.payload_len = (uint32_t)strtoul(argv[4], NULL, 10);
	e.payload = calloc(1, e.payload_len);
	zmq = zmq_ctx_new();
	b = bus_open(zmq, &config);
	topic = bus_topic(b, argv[2]);
	while (e.seq < count || !bus_idle(b)) {
		item = bus_pollitem(b);
		zmq_poll(&item, 1, stage_poll_ms(bus_timeout(b, now)));
		now = stage_monotonic();
		bus_process(b, now);
		for (; e.seq < count && !bus_full(b); e.seq++)
			bus_send(b, topic, &e, e.seq);
		bus_flush(b, now);
	}
	bus_close(b);
	zmq_ctx_term(zmq);
	free((void *)(uintptr_t)e.payload);
	return next_cookie == count ? 0 : EX_SOFTWARE;
}
