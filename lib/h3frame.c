#include "h3frame.h"

#include <string.h>

enum h3_frames_state {
	STATE_TYPE,
	STATE_LEN,
	STATE_GATHER,
	STATE_DATA,
	STATE_SKIP,
	STATE_ERROR
};

const char *
h3_error_name(uint64_t code)
{
#define NAME(x) { x, #x }
	static const struct {
		uint64_t code;
		const char *name;
	} names[] = {
		NAME(H3_DATAGRAM_ERROR),
		NAME(H3_NO_ERROR),
		NAME(H3_GENERAL_PROTOCOL_ERROR),
		NAME(H3_INTERNAL_ERROR),
		NAME(H3_STREAM_CREATION_ERROR),
		NAME(H3_CLOSED_CRITICAL_STREAM),
		NAME(H3_FRAME_UNEXPECTED),
		NAME(H3_FRAME_ERROR),
		NAME(H3_EXCESSIVE_LOAD),
		NAME(H3_ID_ERROR),
		NAME(H3_SETTINGS_ERROR),
		NAME(H3_MISSING_SETTINGS),
		NAME(H3_REQUEST_REJECTED),
		NAME(H3_REQUEST_CANCELLED),
		NAME(H3_REQUEST_INCOMPLETE),
		NAME(H3_MESSAGE_ERROR),
		NAME(H3_CONNECT_ERROR),
		NAME(H3_VERSION_FALLBACK),
		NAME(H3_QPACK_DECOMPRESSION_FAILED),
		NAME(H3_QPACK_ENCODER_STREAM_ERROR),
		NAME(H3_QPACK_DECODER_STREAM_ERROR),
		NAME(H3_WT_SESSION_GONE),
		NAME(H3_WT_BUFFERED_STREAM_REJECTED),
	};
#undef NAME

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].code == code)
			return names[i].name;
	return "?";
}

/* One point in 0x1f is reserved for GREASE, so app codes skip it. */
uint64_t
h3_from_app_code(uint32_t app)
{
	return H3_WT_CODE_FIRST + app + app / 0x1e;
}

int
h3_to_app_code(uint64_t h3, uint32_t *app)
{
	uint64_t shifted;

	if (h3 < H3_WT_CODE_FIRST || h3 > H3_WT_CODE_LAST ||
	    (h3 - 0x21) % 0x1f == 0)
		return -1;
	shifted = h3 - H3_WT_CODE_FIRST;
	*app = (uint32_t)(shifted - shifted / 0x1f);
	return 0;
}

static enum h3_prefix_kind
prefix_session(const struct h3_prefix *x)
{
	/* Only client-initiated bidirectional streams carry a CONNECT. */
	return x->session % 4 == 0 ? H3_PREFIX_WT : H3_PREFIX_WT_BAD_ID;
}

static enum h3_prefix_kind
prefix_kind(struct h3_prefix *x)
{
	if (!x->uni) {
		if (x->type == H3_FRAME_WT_BIDI)
			return H3_PREFIX_MORE;
		x->rawlen = (uint8_t)varint_len(x->type);
		varint_put(x->raw, x->type);
		return H3_PREFIX_REQUEST;
	}
	switch (x->type) {
	case H3_STREAM_WT_UNI:
		return H3_PREFIX_MORE;
	case H3_STREAM_CONTROL:
		return H3_PREFIX_CONTROL;
	case H3_STREAM_PUSH:
		return H3_PREFIX_PUSH;
	case H3_STREAM_QPACK_ENCODER:
		return H3_PREFIX_QPACK_ENCODER;
	case H3_STREAM_QPACK_DECODER:
		return H3_PREFIX_QPACK_DECODER;
	default:
		return H3_PREFIX_UNKNOWN;
	}
}

enum h3_prefix_kind
h3_prefix_take(struct h3_prefix *x, const uint8_t **p, size_t *n)
{
	enum h3_prefix_kind kind;

	if (!x->got_type) {
		if (!varint_take(&x->in, p, n, &x->type))
			return H3_PREFIX_MORE;
		x->got_type = 1;
		kind = prefix_kind(x);
		if (kind != H3_PREFIX_MORE)
			return kind;
	}
	if (!varint_take(&x->in, p, n, &x->session))
		return H3_PREFIX_MORE;
	return prefix_session(x);
}

size_t
h3_prefix_put(uint8_t *p, uint64_t type, uint64_t session)
{
	size_t n = varint_put(p, type);

	if (type == H3_STREAM_WT_UNI || type == H3_FRAME_WT_BIDI)
		n += varint_put(p + n, session);
	return n;
}

void
h3_frames_init(struct h3_frames *f, enum h3_frames_on on, int server,
    size_t max_headers)
{
	memset(f, 0, sizeof(*f));
	f->on = on;
	f->server = server != 0;
	f->max_headers = max_headers;
	f->goaway = UINT64_MAX;
}

void
h3_frames_free(struct h3_frames *f)
{
	buf_free(&f->gather);
}

void
h3_frames_connected(struct h3_frames *f)
{
	f->connected = 1;
}

static enum h3_event
frames_fail(struct h3_frames *f, enum h3_error error)
{
	buf_free(&f->gather);
	f->state = STATE_ERROR;
	f->error = error;
	return H3_EV_ERROR;
}

/* A payload that has to be there as a whole before it means anything. */
static enum h3_event
frames_gather(struct h3_frames *f, size_t max, enum h3_error too_long)
{
	if (f->left > max)
		return frames_fail(f, too_long);
	f->state = STATE_GATHER;
	return H3_EV_MORE;
}

static enum h3_event
frames_begin_control(struct h3_frames *f)
{
	if (!f->settings && f->type != H3_FRAME_SETTINGS)
		return frames_fail(f, H3_MISSING_SETTINGS);
	switch (f->type) {
	case H3_FRAME_SETTINGS:
		if (f->settings)
			return frames_fail(f, H3_FRAME_UNEXPECTED);
		f->settings = 1;
		return frames_gather(f, H3_SETTINGS_MAX, H3_EXCESSIVE_LOAD);
	case H3_FRAME_MAX_PUSH_ID:
		if (!f->server)
			return frames_fail(f, H3_FRAME_UNEXPECTED);
		/* FALLTHROUGH */
	case H3_FRAME_GOAWAY:
	case H3_FRAME_CANCEL_PUSH:
		return frames_gather(f, VARINT_LEN_MAX, H3_FRAME_ERROR);
	default:
		return frames_fail(f, H3_FRAME_UNEXPECTED);
	}
}

static enum h3_event
frames_begin_request(struct h3_frames *f)
{
	switch (f->type) {
	case H3_FRAME_DATA:
		if (!f->headers || f->trailers)
			return frames_fail(f, H3_FRAME_UNEXPECTED);
		f->data = 1;
		f->state = f->left > 0 ? STATE_DATA : STATE_TYPE;
		return H3_EV_MORE;
	case H3_FRAME_HEADERS:
		if (f->connected || f->trailers)
			return frames_fail(f, H3_FRAME_UNEXPECTED);
		/* A response may have interim ones before its own. */
		f->trailers = f->data || (f->server && f->headers);
		f->headers = 1;
		return frames_gather(f, f->max_headers, H3_EXCESSIVE_LOAD);
	case H3_FRAME_PUSH_PROMISE:
		/* We never sent MAX_PUSH_ID: any push id is over it. */
		return frames_fail(f,
		    f->server ? H3_FRAME_UNEXPECTED : H3_ID_ERROR);
	default:
		return frames_fail(f, H3_FRAME_UNEXPECTED);
	}
}

/* Type and length are known: may it stand here, and what becomes of it? */
static enum h3_event
frames_begin(struct h3_frames *f)
{
	switch (f->type) {
	case 0x02: /* HTTP/2's PRIORITY, PING, WINDOW_UPDATE, CONTINUATION */
	case 0x06:
	case 0x08:
	case 0x09:
		return frames_fail(f, H3_FRAME_UNEXPECTED);
	case H3_FRAME_WT_BIDI:
		return frames_fail(f, H3_FRAME_ERROR);
	case H3_FRAME_DATA:
	case H3_FRAME_HEADERS:
	case H3_FRAME_CANCEL_PUSH:
	case H3_FRAME_SETTINGS:
	case H3_FRAME_PUSH_PROMISE:
	case H3_FRAME_GOAWAY:
	case H3_FRAME_MAX_PUSH_ID:
		break;
	default:
		if (f->on == H3_ON_CONTROL && !f->settings)
			return frames_fail(f, H3_MISSING_SETTINGS);
		f->state = f->left > 0 ? STATE_SKIP : STATE_TYPE;
		return H3_EV_IGNORED;
	}
	return f->on == H3_ON_CONTROL ? frames_begin_control(f) :
					frames_begin_request(f);
}

/* The ids of GOAWAY only fall, those of MAX_PUSH_ID only rise. */
static enum h3_event
frames_id(struct h3_frames *f)
{
	if (f->len == 0 || varint_get(f->payload, f->len, &f->id) != f->len)
		return frames_fail(f, H3_FRAME_ERROR);
	switch (f->type) {
	case H3_FRAME_GOAWAY:
		if (f->id > f->goaway || (!f->server && f->id % 4 != 0))
			return frames_fail(f, H3_ID_ERROR);
		f->goaway = f->id;
		return H3_EV_GOAWAY;
	case H3_FRAME_MAX_PUSH_ID:
		if (f->id < f->max_push_id)
			return frames_fail(f, H3_ID_ERROR);
		f->max_push_id = f->id;
		return H3_EV_MORE;
	default: /* CANCEL_PUSH, of a push that nobody promised */
		return frames_fail(f, H3_ID_ERROR);
	}
}

/* A gathered payload is whole. MORE: nothing to tell, go on. */
static enum h3_event
frames_whole(struct h3_frames *f)
{
	f->state = STATE_TYPE;
	switch (f->type) {
	case H3_FRAME_HEADERS:
		return H3_EV_HEADERS;
	case H3_FRAME_SETTINGS:
		return H3_EV_SETTINGS;
	default:
		return frames_id(f);
	}
}

/* 1 when the payload is whole: in place if it came in one piece. */
static int
frames_collect(struct h3_frames *f, const uint8_t **p, size_t *n)
{
	size_t take = *n < f->left ? *n : (size_t)f->left;

	if (take == 0 && f->left > 0)
		return 0;
	if (buf_len(&f->gather) == 0 && take == f->left) {
		f->payload = *p;
		f->len = take;
	} else {
		buf_append(&f->gather, *p, take);
		f->payload = buf_data(&f->gather);
		f->len = buf_len(&f->gather);
	}
	*p += take;
	*n -= take;
	f->left -= take;
	return f->left == 0;
}

enum h3_event
h3_frames_next(struct h3_frames *f, const uint8_t **p, size_t *n)
{
	enum h3_event ev;
	size_t take;

	for (;;) {
		switch (f->state) {
		case STATE_TYPE:
			buf_free(&f->gather);
			if (!varint_take(&f->in, p, n, &f->type))
				return H3_EV_MORE;
			f->state = STATE_LEN;
			break;
		case STATE_LEN:
			if (!varint_take(&f->in, p, n, &f->left))
				return H3_EV_MORE;
			ev = frames_begin(f);
			if (ev != H3_EV_MORE)
				return ev;
			break;
		case STATE_GATHER:
			if (!frames_collect(f, p, n))
				return H3_EV_MORE;
			ev = frames_whole(f);
			if (ev != H3_EV_MORE)
				return ev;
			break;
		case STATE_DATA:
		case STATE_SKIP:
			if (*n == 0)
				return H3_EV_MORE;
			take = *n < f->left ? *n : (size_t)f->left;
			f->payload = *p;
			f->len = take;
			*p += take;
			*n -= take;
			f->left -= take;
			ev = f->state == STATE_DATA ? H3_EV_DATA : H3_EV_MORE;
			if (f->left == 0)
				f->state = STATE_TYPE;
			if (ev != H3_EV_MORE)
				return ev;
			break;
		default:
			return H3_EV_ERROR;
		}
	}
}

uint64_t
h3_frames_end(const struct h3_frames *f)
{
	if (f->state == STATE_ERROR)
		return f->error;
	if (f->on == H3_ON_CONTROL)
		return H3_CLOSED_CRITICAL_STREAM;
	if (f->state != STATE_TYPE || f->in.have > 0)
		return H3_FRAME_ERROR;
	return f->headers ? 0 : H3_REQUEST_INCOMPLETE;
}

size_t
h3_frame_put(uint8_t *p, uint64_t type, uint64_t len)
{
	size_t n = varint_put(p, type);

	return n + varint_put(p + n, len);
}
