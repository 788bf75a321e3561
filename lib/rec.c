#include "rec.h"

#include <string.h>

#include "be.h"
#include "track.h"

void
rec_header_put(uint8_t *p, const struct rec *r)
{
	be32_put(p, r->len);
	p[4] = r->type;
	p[5] = r->flags;
	be16_put(p + 6, 0);
	be64_put(p + 8, r->session);
	be64_put(p + 16, r->stream);
	be64_put(p + 24, r->time);
}

void
rec_append(struct buf *b, const struct rec *r)
{
	uint8_t *p = buf_reserve(b, REC_HEADER_LEN + r->len);

	rec_header_put(p, r);
	if (r->len > 0)
		memcpy(p + REC_HEADER_LEN, r->payload, r->len);
	buf_commit(b, REC_HEADER_LEN + r->len);
}

void
rec_append_u32(struct buf *b, struct rec *r, uint32_t v)
{
	uint8_t payload[4];

	be32_put(payload, v);
	r->len = sizeof(payload);
	r->payload = payload;
	rec_append(b, r);
	r->payload = NULL;
}

/* The bounds of each type's payload. */
static const char *
rec_check(const struct rec *r)
{
	uint32_t min = 0, max = REC_PAYLOAD_MAX;

	switch (r->type) {
	case 0:
		return "type 0";
	case REC_SESSION_CLOSE:
		min = 4;
		max = 4 + REC_REASON_MAX;
		break;
	case REC_STREAM_DATA:
		min = r->flags & REC_FIN ? 0 : 1;
		max = REC_CHUNK_MAX;
		break;
	case REC_STREAM_RESET:
	case REC_STOP_SENDING:
		min = max = 4;
		break;
	case REC_DATAGRAM:
		max = REC_CHUNK_MAX;
		break;
	case REC_PACKET:
		min = TRACK_HEADER_LEN;
		break;
	case REC_SESSION_DRAIN:
	case REC_PAUSE:
	case REC_RESUME:
		max = 0;
		break;
	case REC_STREAM_OPEN:
	case REC_STREAM_OPENED:
		min = max = 8;
		break;
	case REC_REFUSED:
		min = 9;
		break;
	default:
		break;
	}
	if (r->len < min)
		return "payload shorter than its type allows";
	if (r->len > max)
		return "payload longer than its type allows";
	return NULL;
}

int64_t
rec_get(const uint8_t *p, size_t n, struct rec *r, const char **why)
{
	const char *bad;

	if (n < REC_HEADER_LEN)
		return 0;
	r->len = be32_get(p);
	r->type = p[4];
	r->flags = p[5];
	r->session = be64_get(p + 8);
	r->stream = be64_get(p + 16);
	r->time = be64_get(p + 24);
	r->payload = p + REC_HEADER_LEN;
	if (r->len > REC_PAYLOAD_MAX)
		bad = "length over the limit";
	else if (be16_get(p + 6) != 0)
		bad = "reserved bytes are not zero";
	else if ((r->flags & ~REC_FLAGS_ALL) != 0)
		bad = "unknown flags";
	else
		bad = rec_check(r);
	if (bad != NULL) {
		if (why != NULL)
			*why = bad;
		return -1;
	}
	if (n - REC_HEADER_LEN < r->len)
		return 0;
	return (int64_t)REC_HEADER_LEN + r->len;
}

const char *
rec_type_name(uint8_t type)
{
	static const char *const names[] = {
		[REC_SESSION_OPEN] = "SESSION_OPEN",
		[REC_SESSION_CLOSE] = "SESSION_CLOSE",
		[REC_STREAM_DATA] = "STREAM_DATA",
		[REC_STREAM_RESET] = "STREAM_RESET",
		[REC_STOP_SENDING] = "STOP_SENDING",
		[REC_DATAGRAM] = "DATAGRAM",
		[REC_PACKET] = "PACKET",
		[REC_SESSION_DRAIN] = "SESSION_DRAIN",
		[REC_PAUSE] = "PAUSE",
		[REC_RESUME] = "RESUME",
		[REC_STREAM_OPEN] = "STREAM_OPEN",
		[REC_STREAM_OPENED] = "STREAM_OPENED",
		[REC_REFUSED] = "REFUSED",
	};

	if (type >= sizeof(names) / sizeof(names[0]))
		return NULL;
	return names[type];
}
