/* The metrics of wt-accept (docs/metrics.md). */
#ifndef WT_ACCEPT_REPORT_H
#define WT_ACCEPT_REPORT_H

#include <stdint.h>

#include "control.h"
#include "metrics.h"
#include "server.h"

struct report {
	struct server *srv;
	struct control *ctl;
	uint64_t queued, paused;
	double throughput_mbps;
	/* Private. */
	uint64_t last_bytes, last_time;
};

/* The rows, which stay valid as long as r, srv and ctl do. */
const struct metric *report_init(struct report *r, struct server *srv,
    struct control *ctl);

/* As metrics' refresh. */
void report_refresh(void *ctx, uint64_t now);

#endif
