/* sink-video: JPEG pictures and WebCodecs chunks onto a topic. */
#include <stddef.h>

#include "chunk.h"
#include "ivf.h"
#include "jpeg.h"
#include "log.h"
#include "sink.h"

#define REASON_EMPTY "empty"

struct video {
	int is_chunk; /* the packet at hand; else a picture */
	struct jpeg jpeg;
	struct chunk chunk;
	uint64_t pictures, chunks, key_frames;
};

static struct video video;

static const struct opt opts[] = {
	{ NULL, OPT_FLAG, NULL, NULL, NULL, 0, 0, NULL }
};

static const struct metric metrics[] = {
	{ "video_pictures_total", NULL, METRIC_COUNTER, &video.pictures,
	    "good JPEG pictures" },
	{ "video_chunks_total", NULL, METRIC_COUNTER, &video.chunks,
	    "good WebCodecs chunks" },
	{ "video_key_frames_total", NULL, METRIC_COUNTER, &video.key_frames,
	    "key frames among them" },
	{ NULL, NULL, METRIC_COUNTER, NULL, NULL }
};

static const char *
inspect_jpeg(struct video *v, const struct sink_packet *p,
    struct props *props)
{
	enum jpeg_error e = jpeg_inspect(p->payload, p->len, &v->jpeg);

	if (e == JPEG_NOT_JPEG)
		return jpeg_error_name(e);
	v->is_chunk = 0;
	props_add_str(props, "format", "jpeg");
	if (v->jpeg.components != 0) {
		props_add_uint(props, "width", v->jpeg.width);
		props_add_uint(props, "height", v->jpeg.height);
		props_add_uint(props, "components", v->jpeg.components);
		props_add_uint(props, "precision", v->jpeg.precision);
	}
	if (e != JPEG_OK)
		return jpeg_error_name(e);
	v->pictures++;
	return NULL;
}

static const char *
inspect_chunk(struct video *v, const struct sink_packet *p,
    struct props *props)
{
	const struct chunk *c = &v->chunk;
	enum chunk_error e = chunk_inspect(p->payload, p->len, &v->chunk);

	v->is_chunk = 1;
	props_add_str(props, "format", "webcodecs");
	if (c->data != NULL) {
		props_add_str(props, "codec", chunk_codec_name(c->codec));
		props_add_bool(props, "key_frame", c->key_frame);
		props_add_uint(props, "width", c->width);
		props_add_uint(props, "height", c->height);
		props_add_uint(props, "timestamp_us", c->timestamp_us);
		props_add_uint(props, "duration_us", c->duration_us);
	}
	if (e != CHUNK_OK)
		return chunk_error_name(e);
	v->chunks++;
	v->key_frames += c->key_frame != 0;
	return NULL;
}

static const char *
video_inspect(void *ctx, const struct sink_packet *p, struct props *props)
{
	if (p->len == 0)
		return REASON_EMPTY;
	if (chunk_match(p->payload, p->len))
		return inspect_chunk(ctx, p, props);
	return inspect_jpeg(ctx, p, props);
}

static void
video_record(void *ctx, struct recorder *rr, const struct sink_packet *p)
{
	struct video *v = ctx;
	struct recording *r;

	r = recording_get(rr, p->session, p->track.id,
	    v->is_chunk ? ivf_format(v->chunk.codec) : &mjpeg_format,
	    &v->chunk, p->now);
	if (r == NULL)
		return;
	/* No decoder can begin with another frame. */
	if (v->is_chunk && r->size == 0 && !v->chunk.key_frame)
		recording_skip(rr);
	else if (v->is_chunk)
		ivf_append(r, &v->chunk, p->now);
	else
		recording_append(r, p->payload, v->jpeg.size, p->now);
}

static const char *
video_reason(size_t i)
{
	if (i == 0)
		return REASON_EMPTY;
	if (i <= JPEG_TRUNCATED)
		return jpeg_error_name((enum jpeg_error)i);
	i -= JPEG_TRUNCATED;
	return i <= CHUNK_VP8_SIZE ? chunk_error_name((enum chunk_error)i) :
				     NULL;
}

int
main(int argc, char **argv)
{
	static const struct sink_kind kind = {
		.name = "video",
		.topic = "video-topic",
		.rejected_topic = "video-rejected-topic",
		.opts = opts,
		.metrics = metrics,
		.inspect = video_inspect,
		.record = video_record,
		.reason = video_reason,
		.ctx = &video,
	};

	log_init("sink-video");
	return sink_main(argc, argv, &kind);
}
