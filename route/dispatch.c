#include "dispatch.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sysexits.h>

#include "be.h"
#include "log.h"
#include "rec.h"
#include "track.h"

/* Where things are in a PACKET's payload (lib/track.h). */
#define TYPE_OFFSET (TRACK_HEADER_LEN - TRACK_TYPE_LEN)
#define LEN_OFFSET TRACK_ID_LEN

static void *
alloc(size_t n, size_t size)
{
	void *p = calloc(n, size);

	if (p == NULL)
		fatal(EX_OSERR, "malloc of %zu bytes", n * size);
	return p;
}

int
route_open(struct route *r, const struct config *c, void *zmq,
    uint64_t max_sessions, uint64_t max_streams, const char *control,
    uint64_t now)
{
	uint64_t salt;
	uint32_t n = 0;

	memset(r, 0, sizeof(*r));
	if (getrandom(&salt, sizeof(salt), 0) != (ssize_t)sizeof(salt))
		fatal(EX_OSERR, "getrandom");
	r->config = c;
	r->epoch = 1;
	router_init(&r->router, c, salt);
	streams_init(&r->streams, max_sessions, max_streams, c->nendpoints);
	control_init(&r->control, control);
	r->endpoints = alloc(c->nendpoints, sizeof(*r->endpoints));
	r->first = alloc(c->nservices, sizeof(*r->first));
	for (uint32_t i = 0; i < c->nservices; i++) {
		const struct config_service *s = &c->services[i];

		r->first[i] = n;
		for (uint32_t k = 0; k < s->nendpoints; k++, n++)
			if (endpoint_open(&r->endpoints[n], zmq, n, s,
			    s->endpoints[k], now) == -1)
				return -1;
	}
	return 0;
}

void
route_close(struct route *r)
{
	for (uint32_t i = 0; i < r->config->nendpoints; i++)
		endpoint_close(&r->endpoints[i]);
	free(r->endpoints);
	free(r->first);
	control_free(&r->control);
	streams_free(&r->streams);
	router_free(&r->router);
}

void
route_mark(struct route *r, struct endpoint *ep)
{
	if (ep->dirty)
		return;
	ep->dirty = 1;
	ep->dirty_next = r->dirty;
	r->dirty = ep;
	r->ndirty++;
}

int
route_flush(struct route *r, uint64_t now)
{
	struct endpoint *ep, *next;

	ep = r->dirty;
	r->dirty = NULL;
	r->ndirty = 0;
	for (; ep != NULL; ep = next) {
		next = ep->dirty_next;
		ep->dirty = 0;
		if (endpoint_run(ep, now))
			route_mark(r, ep);
	}
	return r->dirty != NULL;
}

int
route_empty(const struct route *r)
{
	for (uint32_t i = 0; i < r->config->nendpoints; i++)
		if (!queue_empty(&r->endpoints[i].queue))
			return 0;
	return 1;
}

int
dispatch_unblocked(struct route *r)
{
	/* Half empty first: to stop and go for every record costs more. */
	if (r->blocked != NULL &&
	    queue_room(&r->blocked->queue, 0) &&
	    r->blocked->queue.queued_packets <=
		r->blocked->queue.max_packets / 2 &&
	    r->blocked->queue.queued_bytes <= r->blocked->queue.max_bytes / 2)
		r->blocked = NULL;
	return r->blocked == NULL;
}

static void
dispatch_queue(struct route *r, struct endpoint *ep, const uint8_t *rec,
    size_t len, uint64_t number)
{
	queue_put(&ep->queue, rec, len, number);
	route_mark(r, ep);
}

/* The index of an endpoint for this packet, or ROUTER_UNKNOWN. */
static int32_t
dispatch_target(struct route *r, struct stream *st, const uint8_t *track)
{
	const uint8_t *type = track + TYPE_OFFSET;
	int32_t service;

	if (st->epoch == r->epoch &&
	    memcmp(st->id, track, TRACK_ID_LEN) == 0 &&
	    memcmp(st->type, type, TRACK_TYPE_LEN) == 0)
		return st->target;
	memcpy(st->id, track, TRACK_ID_LEN);
	memcpy(st->type, type, TRACK_TYPE_LEN);
	st->epoch = r->epoch;
	service = router_lookup(&r->router, type);
	st->target = service;
	if (service != ROUTER_UNKNOWN)
		st->target = (int32_t)(r->first[service] +
		    router_pick(st->node.k1, track,
			r->config->services[service].nendpoints));
	return st->target;
}

static void
dispatch_unknown(struct route *r, const uint8_t *track)
{
	if (r->stats.unknown_types++ == 0)
		log_warnx("track type %.*s belongs to no service: dropped "
		    "(more are only counted)", TRACK_TYPE_LEN,
		    (const char *)track + TYPE_OFFSET);
}

static enum dispatch
dispatch_packet(struct route *r, const struct rec *rec, const uint8_t *p,
    size_t len)
{
	struct stream *st = streams_get(&r->streams, rec->session,
	    rec->stream);
	struct endpoint *ep;
	int32_t target;
	int admitted;

	if (st == NULL) {
		if (r->stats.streams_over++ == 0)
			log_warnx("more sessions or streams than allowed: "
			    "packets dropped (more are only counted)");
		return DISPATCH_MORE;
	}
	target = dispatch_target(r, st, rec->payload);
	if (target == ROUTER_UNKNOWN) {
		dispatch_unknown(r, rec->payload);
		st->number++;
		return DISPATCH_MORE;
	}
	ep = &r->endpoints[target];
	route_mark(r, ep);
	admitted = endpoint_admit(ep, len);
	if (admitted == -1) {
		ep->stats.blocked++;
		r->blocked = ep;
		return DISPATCH_BLOCKED;
	}
	if (admitted) {
		if (!session_told(st->session, ep->index)) {
			session_tell(st->session, ep->index);
			if (st->session->open != NULL)
				dispatch_queue(r, ep, st->session->open,
				    st->session->open_len, DMSG_NO_NUMBER);
		}
		dispatch_queue(r, ep, p, len, st->number);
		ep->stats.packets_routed++;
		ep->stats.bytes_routed += len;
	}
	st->number++;
	return DISPATCH_MORE;
}

/* The last record of a session goes where its packets went. */
static void
dispatch_session_close(struct route *r, const struct rec *rec,
    const uint8_t *p, size_t len)
{
	struct session *se = streams_session_find(&r->streams, rec->session);

	if (se == NULL)
		return;
	for (size_t w = 0; w < r->streams.nwords; w++) {
		uint64_t told = se->told[w];

		for (; told != 0; told &= told - 1)
			dispatch_queue(r, &r->endpoints[w * 64 +
			    (size_t)__builtin_ctzll(told)], p, len,
			    DMSG_NO_NUMBER);
	}
	streams_session_close(&r->streams, se);
}

static void
dispatch_request(struct route *r, const struct rec *rec, const uint8_t *p,
    size_t len)
{
	/* The other kind is wt-accept's own statement about a stream. */
	if ((rec->flags & REC_REQUEST) == 0)
		return;
	if (r->control.endpoint == NULL)
		r->stats.requests_dropped++;
	else
		control_put(&r->control, p, len);
}

static void
dispatch_ignore(struct route *r, const struct rec *rec)
{
	const char *name = rec_type_name(rec->type);

	if (r->stats.ignored++ == 0)
		log_warnx("%s record ignored: is demux missing? (more are "
		    "only counted)", name != NULL ? name : "unknown");
}

static enum dispatch
dispatch_record(struct route *r, const struct rec *rec, const uint8_t *p,
    size_t len)
{
	switch (rec->type) {
	case REC_PACKET:
		return dispatch_packet(r, rec, p, len);
	case REC_SESSION_OPEN:
		/* Kept until the first packet says where it is wanted. */
		streams_session_open(&r->streams, rec->session, p, len);
		break;
	case REC_SESSION_CLOSE:
		dispatch_session_close(r, rec, p, len);
		break;
	case REC_STREAM_DATA:
		if (rec->len > 0)
			dispatch_ignore(r, rec);
		if (rec->flags & REC_FIN)
			streams_end(&r->streams, rec->session, rec->stream);
		break;
	case REC_STREAM_RESET:
		streams_end(&r->streams, rec->session, rec->stream);
		break;
	case REC_STOP_SENDING:
		dispatch_request(r, rec, p, len);
		break;
	case REC_SESSION_DRAIN:
		break;
	default:
		dispatch_ignore(r, rec);
		break;
	}
	return DISPATCH_MORE;
}

enum dispatch
dispatch_input(struct route *r, struct buf *b, const char **why)
{
	const uint8_t *p = buf_data(b);
	size_t left = buf_len(b), used = 0;
	enum dispatch rc = r->blocked != NULL ? DISPATCH_BLOCKED :
						DISPATCH_MORE;
	struct rec rec;
	int64_t n;

	while (r->blocked == NULL &&
	    (n = rec_get(p + used, left - used, &rec, why)) != 0) {
		if (n > 0 && rec.type == REC_PACKET &&
		    be32_get(rec.payload + LEN_OFFSET) !=
			rec.len - TRACK_HEADER_LEN) {
			*why = "a packet's length disagrees with its record";
			n = -1;
		}
		if (n == -1) {
			rc = DISPATCH_MALFORMED;
			break;
		}
		rc = dispatch_record(r, &rec, p + used, (size_t)n);
		if (rc == DISPATCH_BLOCKED)
			break;
		r->stats.records++;
		r->stats.packets += rec.type == REC_PACKET;
		used += (size_t)n;
	}
	r->stats.bytes += used;
	buf_consume(b, used);
	return rc;
}
