/*
 * Stream prefixes, frames and SETTINGS. Byte 0 chooses stream and side, byte 1
 * seeds the cuts: what comes out must not depend on how the bytes arrive.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "h3frame.h"

#define LIMIT 4096 /* bytes of a HEADERS payload */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What came out: a running hash over events and payload bytes. */
struct digest {
	uint64_t hash;
};

static void
digest_add(struct digest *d, const void *p, size_t n)
{
	const uint8_t *b = p;

	for (size_t i = 0; i < n; i++)
		d->hash = (d->hash ^ b[i]) * UINT64_C(0x100000001b3);
}

static void
digest_number(struct digest *d, uint64_t v)
{
	digest_add(d, &v, sizeof(v));
}

/* The next cut: 1 to 8 bytes, or all when there is no seed. */
static size_t
cut(uint32_t *seed, size_t n)
{
	size_t k;

	if (*seed == 0)
		return n;
	*seed = *seed * 1664525 + 1013904223;
	k = 1 + (*seed >> 29);
	return k < n ? k : n;
}

static void
check_settings(struct digest *d, const uint8_t *p, size_t n)
{
	uint8_t frame[H3_SETTINGS_FRAME_LEN];
	struct h3_settings s, again;
	uint64_t rc = h3_settings_get(p, n, &s);
	uint64_t type, len;
	size_t k, head;

	digest_number(d, rc);
	if (rc != 0)
		return;
	k = h3_settings_put(frame, &s);
	head = varint_get(frame, k, &type);
	head += varint_get(frame + head, k - head, &len);
	if (head + len != k || type != H3_FRAME_SETTINGS ||
	    h3_settings_get(frame + head, len, &again) != 0)
		abort();
	s.unknown = 0;
	if (memcmp(&s, &again, sizeof(s)) != 0)
		abort();
}

static enum h3_event
feed(struct h3_frames *f, struct digest *d, const uint8_t *p, size_t n)
{
	enum h3_event ev;

	while ((ev = h3_frames_next(f, &p, &n)) != H3_EV_MORE) {
		/* DATA may come in any pieces: only its bytes count. */
		if (ev != H3_EV_DATA)
			digest_number(d, ev);
		if (ev == H3_EV_ERROR) {
			digest_number(d, f->error);
			break;
		}
		if (ev == H3_EV_HEADERS && f->len > LIMIT)
			abort();
		if (ev == H3_EV_HEADERS || ev == H3_EV_DATA)
			digest_add(d, f->payload, f->len);
		if (ev == H3_EV_HEADERS && f->len % 2 == 0)
			h3_frames_connected(f);
		if (ev == H3_EV_SETTINGS)
			check_settings(d, f->payload, f->len);
		if (ev == H3_EV_GOAWAY)
			digest_number(d, f->id);
		if (ev == H3_EV_IGNORED)
			digest_number(d, f->type);
	}
	if (ev == H3_EV_MORE && n != 0)
		abort();
	return ev;
}

static uint64_t
run_frames(const uint8_t *p, size_t n, int flags, uint32_t seed)
{
	struct digest d = { 0 };
	struct h3_frames f;

	h3_frames_init(&f, flags & 1 ? H3_ON_CONTROL : H3_ON_REQUEST,
	    flags & 2, LIMIT);
	while (n > 0) {
		size_t k = cut(&seed, n);

		if (feed(&f, &d, p, k) == H3_EV_ERROR)
			break;
		p += k;
		n -= k;
	}
	digest_number(&d, h3_frames_end(&f));
	h3_frames_free(&f);
	return d.hash;
}

static uint64_t
run_prefix(const uint8_t *p, size_t n, int flags, uint32_t seed)
{
	struct h3_prefix x = { .uni = (flags & 4) != 0 };
	enum h3_prefix_kind kind = H3_PREFIX_MORE;
	struct digest d = { 0 };
	size_t taken = 0;

	while (n > 0 && kind == H3_PREFIX_MORE) {
		size_t k = cut(&seed, n), left = k;
		const uint8_t *q = p;

		kind = h3_prefix_take(&x, &q, &left);
		if (kind == H3_PREFIX_MORE && left != 0)
			abort();
		taken += k - left;
		p += k;
		n -= k;
	}
	digest_number(&d, kind);
	if (kind != H3_PREFIX_MORE)
		digest_number(&d, taken);
	if (kind == H3_PREFIX_WT)
		digest_number(&d, x.session);
	return d.hash;
}

static void
check_codes(const uint8_t *p, size_t n)
{
	uint32_t app;
	uint64_t v;

	if (varint_get(p, n, &v) == 0)
		return;
	if (h3_to_app_code(v, &app) == 0 && h3_from_app_code(app) != v)
		abort();
	if (h3_to_app_code(h3_from_app_code((uint32_t)v), &app) != 0 ||
	    app != (uint32_t)v)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint32_t seed;
	int flags;

	if (size < 2)
		return 0;
	flags = data[0];
	seed = 1 + data[1];
	data += 2;
	size -= 2;
	if (run_frames(data, size, flags, 0) !=
	    run_frames(data, size, flags, seed))
		abort();
	if (run_prefix(data, size, flags, 0) !=
	    run_prefix(data, size, flags, seed))
		abort();
	check_codes(data, size);
	return 0;
}
