/*
 * A WebCodecs video chunk in a packet (INTERFACES.md section 8), and what
 * VP8 itself says about it. Pure.
 */
#ifndef SINK_VIDEO_CHUNK_H
#define SINK_VIDEO_CHUNK_H

#include <stddef.h>
#include <stdint.h>

#define CHUNK_HEADER_LEN 24
#define CHUNK_KEY 0x01

enum chunk_codec {
	CHUNK_VP8 = 1,
	CHUNK_VP9 = 2,
	CHUNK_AVC1 = 3,
	CHUNK_AV1 = 4
};

struct chunk {
	enum chunk_codec codec;
	int key_frame;
	uint16_t width, height; /* pixels */
	uint64_t timestamp_us;
	uint32_t duration_us; /* 0: not known */
	const uint8_t *data;  /* points into the payload */
	size_t len;
};

enum chunk_error {
	CHUNK_OK,
	CHUNK_SHORT_HEADER,
	CHUNK_BAD_CODEC,
	CHUNK_BAD_FLAGS,
	CHUNK_BAD_SIZE,
	CHUNK_EMPTY,
	CHUNK_VP8_TRUNCATED,
	CHUNK_VP8_KEY_FLAG,
	CHUNK_VP8_START_CODE,
	CHUNK_VP8_SIZE
};

/* 1 if the payload claims to be a chunk. */
int chunk_match(const uint8_t *p, size_t n);

/*
 * From BAD_SIZE on, the fields of the header are set in *c even though the
 * chunk is not good; before that c->codec is 0.
 */
enum chunk_error chunk_inspect(const uint8_t *p, size_t n, struct chunk *c);

/* Writes the 24 header bytes. */
void chunk_header_put(uint8_t *p, const struct chunk *c);

/* The reason of INTERFACES.md section 8. */
const char *chunk_error_name(enum chunk_error e);
/* "vp8", "vp9", "avc1", "av1". */
const char *chunk_codec_name(enum chunk_codec codec);

#endif
