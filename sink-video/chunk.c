#include "chunk.h"

#include <string.h>

#include "be.h"
#include "vp8.h"

static const char magic[4] = "WCV1";

int
chunk_match(const uint8_t *p, size_t n)
{
	return n >= sizeof(magic) && memcmp(p, magic, sizeof(magic)) == 0;
}

static enum chunk_error
chunk_vp8(const struct chunk *c)
{
	struct vp8 v;

	switch (vp8_inspect(c->data, c->len, &v)) {
	case VP8_OK:
		break;
	case VP8_TRUNCATED:
		return CHUNK_VP8_TRUNCATED;
	case VP8_BAD_START_CODE:
		return CHUNK_VP8_START_CODE;
	}
	if (v.key_frame != c->key_frame)
		return CHUNK_VP8_KEY_FLAG;
	if (v.key_frame && (v.width != c->width || v.height != c->height))
		return CHUNK_VP8_SIZE;
	return CHUNK_OK;
}

enum chunk_error
chunk_inspect(const uint8_t *p, size_t n, struct chunk *c)
{
	memset(c, 0, sizeof(*c));
	if (n < CHUNK_HEADER_LEN || !chunk_match(p, n))
		return CHUNK_SHORT_HEADER;
	if (p[4] < CHUNK_VP8 || p[4] > CHUNK_AV1)
		return CHUNK_BAD_CODEC;
	if ((p[5] & ~CHUNK_KEY) != 0 || be16_get(p + 6) != 0)
		return CHUNK_BAD_FLAGS;
	c->codec = (enum chunk_codec)p[4];
	c->key_frame = p[5] & CHUNK_KEY;
	c->width = be16_get(p + 8);
	c->height = be16_get(p + 10);
	c->timestamp_us = be64_get(p + 12);
	c->duration_us = be32_get(p + 20);
	c->data = p + CHUNK_HEADER_LEN;
	c->len = n - CHUNK_HEADER_LEN;
	if (c->width == 0 || c->height == 0)
		return CHUNK_BAD_SIZE;
	if (c->len == 0)
		return CHUNK_EMPTY;
	return c->codec == CHUNK_VP8 ? chunk_vp8(c) : CHUNK_OK;
}

void
chunk_header_put(uint8_t *p, const struct chunk *c)
{
	memcpy(p, magic, sizeof(magic));
	p[4] = (uint8_t)c->codec;
	p[5] = c->key_frame ? CHUNK_KEY : 0;
	be16_put(p + 6, 0);
	be16_put(p + 8, c->width);
	be16_put(p + 10, c->height);
	be64_put(p + 12, c->timestamp_us);
	be32_put(p + 20, c->duration_us);
}

const char *
chunk_error_name(enum chunk_error e)
{
	switch (e) {
	case CHUNK_OK:
		return "ok";
	case CHUNK_SHORT_HEADER:
		return "short-header";
	case CHUNK_BAD_CODEC:
		return "bad-codec";
	case CHUNK_BAD_FLAGS:
		return "bad-flags";
	case CHUNK_BAD_SIZE:
		return "bad-size";
	case CHUNK_EMPTY:
		return "empty-chunk";
	case CHUNK_VP8_TRUNCATED:
		return "vp8-truncated";
	case CHUNK_VP8_KEY_FLAG:
		return "vp8-key-flag";
	case CHUNK_VP8_START_CODE:
		return "vp8-start-code";
	case CHUNK_VP8_SIZE:
		return "vp8-size";
	}
	return "?";
}

const char *
chunk_codec_name(enum chunk_codec codec)
{
	switch (codec) {
	case CHUNK_VP8:
		return "vp8";
	case CHUNK_VP9:
		return "vp9";
	case CHUNK_AVC1:
		return "avc1";
	case CHUNK_AV1:
		return "av1";
	}
	return "?";
}
