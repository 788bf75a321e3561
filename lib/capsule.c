#include "capsule.h"

#include <string.h>

#include "be.h"
#include "track.h"

enum capsule_state {
	STATE_TYPE,
	STATE_LEN,
	STATE_CLOSE, /* gathering its payload */
	STATE_LIMIT, /* likewise */
	STATE_SKIP,
	STATE_CLOSED,
	STATE_ERROR
};

#define CODE_LEN 4

static enum capsule_event
capsule_fail(struct capsule_in *c)
{
	c->state = STATE_ERROR;
	return CAPSULE_EV_ERROR;
}

/* Type and length are known. MORE: go on. */
static enum capsule_event
capsule_begin(struct capsule_in *c)
{
	switch (c->type) {
	case CAPSULE_WT_CLOSE_SESSION:
		if (c->left < CODE_LEN || c->left > sizeof(c->close))
			return capsule_fail(c);
		c->state = STATE_CLOSE;
		return CAPSULE_EV_MORE;
	case CAPSULE_WT_DRAIN_SESSION:
		if (c->left != 0)
			return capsule_fail(c);
		c->state = STATE_TYPE;
		return CAPSULE_EV_DRAIN;
	case CAPSULE_WT_MAX_DATA:
	case CAPSULE_WT_MAX_STREAMS_BIDI:
	case CAPSULE_WT_MAX_STREAMS_UNI:
		if (c->left == 0 || c->left > VARINT_LEN_MAX)
			return capsule_fail(c);
		c->state = STATE_LIMIT;
		return CAPSULE_EV_MORE;
	default:
		c->state = c->left > 0 ? STATE_SKIP : STATE_TYPE;
		return CAPSULE_EV_IGNORED;
	}
}

static enum capsule_event
capsule_closed(struct capsule_in *c)
{
	c->code = be32_get(c->close);
	c->reason = (const char *)c->close + CODE_LEN;
	c->reasonlen = c->have - CODE_LEN;
	if (!utf8_valid(c->close + CODE_LEN, c->reasonlen))
		return capsule_fail(c);
	c->state = STATE_CLOSED;
	return CAPSULE_EV_CLOSE;
}

static enum capsule_event
capsule_limit(struct capsule_in *c)
{
	if (varint_get(c->close, c->have, &c->limit) != c->have)
		return capsule_fail(c);
	c->have = 0;
	c->state = STATE_TYPE;
	return CAPSULE_EV_LIMIT;
}

enum capsule_event
capsule_next(struct capsule_in *c, const uint8_t **p, size_t *n)
{
	enum capsule_event ev;
	size_t take;

	for (;;) {
		switch (c->state) {
		case STATE_TYPE:
			if (!varint_take(&c->in, p, n, &c->type))
				return CAPSULE_EV_MORE;
			c->state = STATE_LEN;
			break;
		case STATE_LEN:
			if (!varint_take(&c->in, p, n, &c->left))
				return CAPSULE_EV_MORE;
			ev = capsule_begin(c);
			if (ev != CAPSULE_EV_MORE)
				return ev;
			break;
		case STATE_CLOSE:
		case STATE_LIMIT:
		case STATE_SKIP:
			if (*n == 0)
				return CAPSULE_EV_MORE;
			take = *n < c->left ? *n : (size_t)c->left;
			if (c->state != STATE_SKIP) {
				memcpy(c->close + c->have, *p, take);
				c->have += take;
			}
			*p += take;
			*n -= take;
			c->left -= take;
			if (c->left > 0)
				break;
			if (c->state == STATE_CLOSE)
				return capsule_closed(c);
			if (c->state == STATE_LIMIT)
				return capsule_limit(c);
			c->state = STATE_TYPE;
			break;
		case STATE_CLOSED:
			return *n == 0 ? CAPSULE_EV_MORE : capsule_fail(c);
		default:
			return CAPSULE_EV_ERROR;
		}
	}
}

int
capsule_end(const struct capsule_in *c)
{
	if (c->state == STATE_CLOSED)
		return 0;
	return c->state == STATE_TYPE && c->in.have == 0 ? 0 : -1;
}

size_t
capsule_close_put(uint8_t *p, uint32_t code, const char *reason,
    size_t reasonlen)
{
	size_t n;

	if (reasonlen > CAPSULE_REASON_MAX) {
		reasonlen = CAPSULE_REASON_MAX;
		while (reasonlen > 0 && (reason[reasonlen] & 0xc0) == 0x80)
			reasonlen--;
	}
	n = varint_put(p, CAPSULE_WT_CLOSE_SESSION);
	n += varint_put(p + n, CODE_LEN + reasonlen);
	be32_put(p + n, code);
	n += CODE_LEN;
	if (reasonlen > 0)
		memcpy(p + n, reason, reasonlen);
	return n + reasonlen;
}

size_t
capsule_drain_put(uint8_t *p)
{
	size_t n = varint_put(p, CAPSULE_WT_DRAIN_SESSION);

	return n + varint_put(p + n, 0);
}
