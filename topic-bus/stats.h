/* The metrics file of topic-bus: docs/metrics.md. */
#ifndef TOPIC_BUS_STATS_H
#define TOPIC_BUS_STATS_H

#include "metrics.h"
#include "server.h"

/* Prepares m; the rows are static, so this is for one server. */
void stats_metrics(struct metrics *m, struct server *s, const char *path);

#endif
