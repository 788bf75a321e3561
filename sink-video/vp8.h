/* The uncompressed start of a VP8 frame (RFC 6386 section 9.1). Pure. */
#ifndef SINK_VIDEO_VP8_H
#define SINK_VIDEO_VP8_H

#include <stddef.h>
#include <stdint.h>

#define VP8_TAG_LEN 3  /* every frame */
#define VP8_KEY_LEN 10 /* key frame: tag, start code, sizes */

struct vp8 {
	int key_frame;
	int show_frame;
	uint8_t version;
	uint32_t first_part; /* bytes of the first partition */
	uint16_t width, height; /* pixels; key frames only, else 0 */
};

enum vp8_error { VP8_OK, VP8_TRUNCATED, VP8_BAD_START_CODE };

/* TRUNCATED also when the first partition does not fit into n bytes. */
enum vp8_error vp8_inspect(const uint8_t *p, size_t n, struct vp8 *v);

#endif
