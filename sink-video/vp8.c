#include "vp8.h"

#include <string.h>

/* This format is little-endian. */
static uint16_t
size_get(const uint8_t *p)
{
	/* The upper two bits are a scaling hint for players. */
	return (uint16_t)((p[0] | p[1] << 8) & 0x3fff);
}

enum vp8_error
vp8_inspect(const uint8_t *p, size_t n, struct vp8 *v)
{
	static const uint8_t start_code[] = { 0x9d, 0x01, 0x2a };
	uint32_t tag;
	size_t head = VP8_TAG_LEN;

	memset(v, 0, sizeof(*v));
	if (n < VP8_TAG_LEN)
		return VP8_TRUNCATED;
	tag = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16;
	v->key_frame = (tag & 1) == 0;
	v->version = (tag >> 1) & 7;
	v->show_frame = (tag >> 4) & 1;
	v->first_part = tag >> 5;
	if (v->key_frame) {
		head = VP8_KEY_LEN;
		if (n < VP8_KEY_LEN)
			return VP8_TRUNCATED;
		if (memcmp(p + VP8_TAG_LEN, start_code, sizeof(start_code)))
			return VP8_BAD_START_CODE;
		v->width = size_get(p + 6);
		v->height = size_get(p + 8);
	}
	return v->first_part > n - head ? VP8_TRUNCATED : VP8_OK;
}
