/*
 * Which service a track type belongs to: an exact name first, then the
 * patterns in the order of the file (* stands for any bytes, none included),
 * then the service for unknown types. Answers are remembered, a bounded
 * number of them, so that a lookup costs the same whatever the file holds.
 */
#ifndef ROUTE_ROUTER_H
#define ROUTE_ROUTER_H

#include <stdint.h>

#include "config.h"
#include "table.h"
#include "track.h"

#define ROUTER_UNKNOWN (-1)
#define ROUTER_REMEMBERED 4096

struct router_node {
	struct table_node node; /* the 12 bytes of the type */
	int32_t service;
};

struct router_pattern {
	const char *text;
	int32_t service;
};

struct router {
	struct table table;
	struct router_node *exact;
	struct router_node *remembered; /* ROUTER_REMEMBERED of them, */
	uint32_t nremembered;		/* so many in use */
	struct router_pattern *patterns;
	uint32_t npatterns;
	int32_t unknown; /* service or ROUTER_UNKNOWN */
	uint64_t salt;
};

/* Built from a configuration, which must outlive it. salt: any number that
 * strangers, who choose types, do not know. */
void router_init(struct router *r, const struct config *c, uint64_t salt);
void router_free(struct router *r);

/* The index of a service, or ROUTER_UNKNOWN. type: TRACK_TYPE_LEN bytes. */
int32_t router_lookup(struct router *r, const uint8_t *type);

/* 1 if the n bytes of text match the pattern. */
int router_match(const char *pattern, const uint8_t *text, size_t n);

/* One of n endpoints for a track (id: TRACK_ID_LEN bytes) of a session. */
uint32_t router_pick(uint64_t session, const uint8_t *id, uint32_t n);

#endif
