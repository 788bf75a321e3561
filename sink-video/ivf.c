#include "ivf.h"

#include <string.h>
#include <unistd.h>

#include "le.h"

#define IVF_FRAMES_OFFSET 24 /* of the number of frames, u32 */
#define IVF_TICKS 1000000    /* a second */

/* A jump of the sender's clock beyond this is not followed. Ticks. */
#define IVF_JUMP_MAX (UINT64_C(86400) * IVF_TICKS)

/* What state[] holds. */
enum { IVF_NEXT, /* the least time of the next frame */
	IVF_BASE /* the sender's time that is 0 */ };

static const char signature[4] = "DKIF";

static const char *
ivf_fourcc(enum chunk_codec codec)
{
	switch (codec) {
	case CHUNK_VP8:
		return "VP80";
	case CHUNK_VP9:
		return "VP90";
	case CHUNK_AVC1:
		return "H264";
	case CHUNK_AV1:
		return "AV01";
	}
	return "????";
}

static void
ivf_create(struct recording *r, const void *arg)
{
	const struct chunk *c = arg;
	uint8_t *p = r->header;

	r->header_len = IVF_HEADER_LEN;
	memset(p, 0, IVF_HEADER_LEN);
	memcpy(p, signature, sizeof(signature));
	le16_put(p + 6, IVF_HEADER_LEN);
	memcpy(p + 8, ivf_fourcc(c->codec), 4);
	le16_put(p + 12, c->width);
	le16_put(p + 14, c->height);
	le32_put(p + 16, IVF_TICKS);
	le32_put(p + 20, 1);
	r->state[IVF_BASE] = c->timestamp_us;
}

/* Walks the frames that are whole. */
static int
ivf_resume(struct recording *r, int fd, uint64_t size, const void *arg)
{
	const struct chunk *c = arg;
	uint8_t frame[IVF_FRAME_LEN];
	uint64_t at = IVF_HEADER_LEN;
	uint32_t frames = 0;

	r->header_len = IVF_HEADER_LEN;
	if (pread(fd, r->header, IVF_HEADER_LEN, 0) != IVF_HEADER_LEN ||
	    memcmp(r->header, signature, sizeof(signature)) != 0 ||
	    memcmp(r->header + 8, ivf_fourcc(c->codec), 4) != 0 ||
	    le32_get(r->header + 16) != IVF_TICKS)
		return -1;
	while (pread(fd, frame, sizeof(frame), (off_t)at) == sizeof(frame) &&
	    le32_get(frame) <= size - at - IVF_FRAME_LEN) {
		at += IVF_FRAME_LEN + le32_get(frame);
		r->state[IVF_NEXT] = le64_get(frame + 4) + 1;
		frames++;
	}
	r->size = at - IVF_HEADER_LEN;
	le32_put(r->header + IVF_FRAMES_OFFSET, frames);
	r->state[IVF_BASE] = c->timestamp_us - r->state[IVF_NEXT];
	return 0;
}

void
ivf_append(struct recording *r, const struct chunk *c, uint64_t now)
{
	uint8_t frame[IVF_FRAME_LEN];
	uint64_t pts = c->timestamp_us - r->state[IVF_BASE];

	/* Players want times that grow, whatever the sender says. */
	if (pts < r->state[IVF_NEXT] ||
	    pts - r->state[IVF_NEXT] > IVF_JUMP_MAX) {
		pts = r->state[IVF_NEXT];
		r->state[IVF_BASE] = c->timestamp_us - pts;
	}
	r->state[IVF_NEXT] = pts + 1;
	le32_put(frame, (uint32_t)c->len);
	le64_put(frame + 4, pts);
	recording_append(r, frame, sizeof(frame), now);
	recording_append(r, c->data, c->len, now);
	le32_put(r->header + IVF_FRAMES_OFFSET,
	    le32_get(r->header + IVF_FRAMES_OFFSET) + 1);
}

const struct recording_format *
ivf_format(enum chunk_codec codec)
{
	static const struct recording_format formats[] = {
		[CHUNK_VP8] = { "ivf", ivf_create, ivf_resume },
		[CHUNK_VP9] = { "vp9.ivf", ivf_create, ivf_resume },
		[CHUNK_AVC1] = { "h264.ivf", ivf_create, ivf_resume },
		[CHUNK_AV1] = { "av1.ivf", ivf_create, ivf_resume },
	};

	return &formats[codec];
}

static void
mjpeg_create(struct recording *r, const void *arg)
{
	(void)arg;
	r->header_len = 0;
}

/* A picture cut short by a kill is skipped by players: the next one begins
 * with a marker. */
static int
mjpeg_resume(struct recording *r, int fd, uint64_t size, const void *arg)
{
	(void)fd;
	(void)arg;
	r->size = size;
	return 0;
}

const struct recording_format mjpeg_format = { "mjpeg", mjpeg_create,
	mjpeg_resume };
