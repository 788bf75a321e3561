#include "varint.h"

size_t
varint_get(const uint8_t *p, size_t n, uint64_t *v)
{
	size_t len;

	if (n == 0)
		return 0;
	len = (size_t)1 << (p[0] >> 6);
	if (n < len)
		return 0;
	*v = p[0] & 0x3f;
	for (size_t i = 1; i < len; i++)
		*v = *v << 8 | p[i];
	return len;
}

size_t
varint_len(uint64_t v)
{
	if (v < UINT64_C(1) << 6)
		return 1;
	if (v < UINT64_C(1) << 14)
		return 2;
	if (v < UINT64_C(1) << 30)
		return 4;
	return 8;
}

size_t
varint_put(uint8_t *p, uint64_t v)
{
	static const uint8_t mark[] = { 0, 0x00, 0x40, 0, 0x80, 0, 0, 0, 0xc0 };
	size_t len = varint_len(v);

	for (size_t i = len; i > 0; i--) {
		p[i - 1] = (uint8_t)v;
		v >>= 8;
	}
	p[0] |= mark[len];
	return len;
}

int
varint_take(struct varint_in *in, const uint8_t **p, size_t *n, uint64_t *v)
{
	size_t len;

	/* Nearly always the integer is whole. */
	if (in->have == 0 && (len = varint_get(*p, *n, v)) > 0) {
		*p += len;
		*n -= len;
		return 1;
	}
	while (*n > 0) {
		in->bytes[in->have++] = **p;
		(*p)++;
		(*n)--;
		if (varint_get(in->bytes, in->have, v) > 0) {
			in->have = 0;
			return 1;
		}
	}
	return 0;
}
