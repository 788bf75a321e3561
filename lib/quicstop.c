#include "quicstop.h"

#include "varint.h"

enum {
	FRAME_PADDING = 0x00,
	FRAME_PING = 0x01,
	FRAME_ACK = 0x02,
	FRAME_ACK_ECN = 0x03,
	FRAME_RESET_STREAM = 0x04,
	FRAME_STOP_SENDING = 0x05,
	FRAME_CRYPTO = 0x06,
	FRAME_NEW_TOKEN = 0x07,
	FRAME_STREAM = 0x08, /* to 0x0f: bits OFF 4, LEN 2, FIN 1 */
	FRAME_MAX_DATA = 0x10,
	FRAME_MAX_STREAM_DATA = 0x11,
	FRAME_STREAM_DATA_BLOCKED = 0x15,
	FRAME_NEW_CONNECTION_ID = 0x18,
	FRAME_RETIRE_CONNECTION_ID = 0x19,
	FRAME_PATH_CHALLENGE = 0x1a,
	FRAME_PATH_RESPONSE = 0x1b,
	FRAME_HANDSHAKE_DONE = 0x1e,
	FRAME_DATAGRAM_LEN = 0x31
};

struct walk {
	const uint8_t *p;
	size_t n;
	int bad;
};

static uint64_t
walk_varint(struct walk *w)
{
	uint64_t v = 0;
	size_t len = varint_get(w->p, w->n, &v);

	if (len == 0)
		w->bad = 1;
	w->p += len;
	w->n -= len;
	return v;
}

static void
walk_varints(struct walk *w, uint64_t count)
{
	while (count-- > 0 && !w->bad)
		walk_varint(w);
}

static void
walk_bytes(struct walk *w, uint64_t count)
{
	if (count > w->n) {
		w->bad = 1;
		return;
	}
	w->p += count;
	w->n -= (size_t)count;
}

static void
walk_ack(struct walk *w, uint64_t type)
{
	uint64_t ranges;

	walk_varints(w, 2); /* largest, delay */
	ranges = walk_varint(w);
	walk_varints(w, 1 + 2 * (ranges > w->n ? w->n : ranges));
	if (type == FRAME_ACK_ECN)
		walk_varints(w, 3);
}

static void
walk_new_cid(struct walk *w)
{
	walk_varints(w, 2); /* sequence, retire prior to */
	if (w->bad || w->n == 0) {
		w->bad = 1;
		return;
	}
	walk_bytes(w, 1 + (uint64_t)w->p[0] + 16);
}

/* Passes one frame other than STOP_SENDING. */
static void
walk_frame(struct walk *w, uint64_t type)
{
	if (type >= FRAME_STREAM && type < FRAME_STREAM + 8) {
		walk_varints(w, (type & 4) != 0 ? 2 : 1);
		walk_bytes(w, (type & 2) != 0 ? walk_varint(w) : w->n);
		return;
	}
	switch (type) {
	case FRAME_PADDING:
	case FRAME_PING:
	case FRAME_HANDSHAKE_DONE:
		return;
	case FRAME_ACK:
	case FRAME_ACK_ECN:
		walk_ack(w, type);
		return;
	case FRAME_RESET_STREAM:
		walk_varints(w, 3);
		return;
	case FRAME_CRYPTO:
		walk_varint(w);
		walk_bytes(w, walk_varint(w));
		return;
	case FRAME_NEW_TOKEN:
	case FRAME_DATAGRAM_LEN:
		walk_bytes(w, walk_varint(w));
		return;
	case FRAME_MAX_STREAM_DATA:
	case FRAME_STREAM_DATA_BLOCKED:
		walk_varints(w, 2);
		return;
	case FRAME_NEW_CONNECTION_ID:
		walk_new_cid(w);
		return;
	case FRAME_PATH_CHALLENGE:
	case FRAME_PATH_RESPONSE:
		walk_bytes(w, 8);
		return;
	}
	/* MAX_DATA, MAX_STREAMS, DATA_BLOCKED, STREAMS_BLOCKED, RETIRE... */
	if (type >= FRAME_MAX_DATA && type <= FRAME_RETIRE_CONNECTION_ID)
		walk_varints(w, 1);
	else
		w->bad = 1; /* CONNECTION_CLOSE, DATAGRAM to the end, unknown */
}

size_t
quicstop_find(const uint8_t *p, size_t n, struct quicstop *out, size_t max)
{
	struct walk w = { .p = p, .n = n };
	size_t found = 0;

	while (w.n > 0 && !w.bad && found < max) {
		uint64_t type = walk_varint(&w);

		if (type != FRAME_STOP_SENDING) {
			walk_frame(&w, type);
			continue;
		}
		out[found].id = (int64_t)walk_varint(&w);
		out[found].code = walk_varint(&w);
		if (!w.bad)
			found++;
	}
	return found;
}
