/* sink-audio: PCM samples onto a topic. */
#include <stddef.h>

#include "log.h"
#include "pcm.h"
#include "sink.h"
#include "wav.h"

#define RATE_HEADER "sample-rate"

struct audio {
	struct pcm pcm; /* the packet at hand, */
	uint32_t rate;	/* and its samples per second */
	uint64_t samples, clipped, silent;
};

static struct audio audio;
static int64_t default_rate = 48000, silence_db = 60;

static const struct opt opts[] = {
	{ "rate", OPT_INT, &default_rate, "HZ",
	    "samples per second of payloads that do not say",
	    PCM_RATE_MIN, PCM_RATE_MAX, NULL },
	{ "silence", OPT_INT, &silence_db, "DB",
	    "silent: so far below full scale, or more", 1, 120, NULL },
	{ NULL, OPT_FLAG, NULL, NULL, NULL, 0, 0, NULL }
};

static const struct metric metrics[] = {
	{ "audio_samples_total", NULL, METRIC_COUNTER, &audio.samples,
	    "samples in good packets" },
	{ "audio_clipped_total", NULL, METRIC_COUNTER, &audio.clipped,
	    "samples among them at an end of the scale" },
	{ "audio_silent_total", NULL, METRIC_COUNTER, &audio.silent,
	    "good packets that are silent" },
	{ NULL, NULL, METRIC_COUNTER, NULL, NULL }
};

/* The packet says, or route's configuration, or the command line. */
static uint32_t
rate_find(const struct pcm *pcm, const struct sink_packet *p)
{
	const char *s;
	int64_t rate;

	if (pcm->has_header)
		return pcm->rate;
	s = sink_packet_header(p, RATE_HEADER);
	if (s != NULL &&
	    opt_number(s, PCM_RATE_MIN, PCM_RATE_MAX, &rate) == 0)
		return (uint32_t)rate;
	return (uint32_t)default_rate;
}

static const char *
audio_inspect(void *ctx, const struct sink_packet *p, struct props *props)
{
	struct audio *a = ctx;
	const struct pcm *pcm = &a->pcm;
	enum pcm_error e = pcm_inspect(p->payload, p->len, &a->pcm);
	int silent = pcm->rms_dbfs <= -(double)silence_db;

	if (e != PCM_OK)
		return pcm_error_name(e);
	a->rate = rate_find(pcm, p);
	props_add_uint(props, "rate", a->rate);
	props_add_uint(props, "samples", pcm->samples);
	props_add_uint(props, "peak", pcm->peak);
	props_add_float(props, "rms_dbfs", pcm->rms_dbfs);
	props_add_uint(props, "clipped", pcm->clipped);
	props_add_bool(props, "silence", silent);
	if (pcm->has_header)
		props_add_uint(props, "timestamp_us", pcm->timestamp_us);
	a->samples += pcm->samples;
	a->clipped += pcm->clipped;
	a->silent += (uint64_t)silent;
	return NULL;
}

static void
audio_record(void *ctx, struct recorder *rr, const struct sink_packet *p)
{
	struct audio *a = ctx;
	struct recording *r = recording_get(rr, p->session, p->track.id,
	    &wav_format, &a->rate, p->now);

	if (r == NULL)
		return;
	/* A file has one rate from its beginning to its end. */
	if (wav_rate(r) != a->rate)
		recording_skip(rr);
	else
		wav_append(r, a->pcm.data, 2 * a->pcm.samples, p->now);
}

static const char *
audio_reason(size_t i)
{
	i++; /* the first is "ok" */
	return i <= PCM_BAD_BITS ? pcm_error_name((enum pcm_error)i) : NULL;
}

int
main(int argc, char **argv)
{
	static const struct sink_kind kind = {
		.name = "audio",
		.topic = "audio-topic",
		.rejected_topic = "audio-rejected-topic",
		.opts = opts,
		.metrics = metrics,
		.inspect = audio_inspect,
		.record = audio_record,
		.reason = audio_reason,
		.ctx = &audio,
	};

	log_init("sink-audio");
	return sink_main(argc, argv, &kind);
}
