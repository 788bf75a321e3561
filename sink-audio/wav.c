#include "wav.h"

#include <string.h>
#include <unistd.h>

#include "le.h"

#define WAV_RIFF_SIZE_OFFSET 4
#define WAV_RATE_OFFSET 24
#define WAV_DATA_SIZE_OFFSET 40
#define WAV_SAMPLE_LEN 2

/* The file's size is that of its content and the rest of the header. */
static void
wav_sizes(struct recording *r)
{
	le32_put(r->header + WAV_RIFF_SIZE_OFFSET,
	    (uint32_t)(r->size + WAV_HEADER_LEN - 8));
	le32_put(r->header + WAV_DATA_SIZE_OFFSET, (uint32_t)r->size);
}

static void
wav_header(uint8_t *p, uint32_t rate)
{
	memset(p, 0, WAV_HEADER_LEN);
	memcpy(p, "RIFF", 4);
	memcpy(p + 8, "WAVEfmt ", 8);
	le32_put(p + 16, 16); /* bytes of the format chunk */
	le16_put(p + 20, 1);  /* PCM */
	le16_put(p + 22, 1);  /* channels */
	le32_put(p + WAV_RATE_OFFSET, rate);
	le32_put(p + 28, rate * WAV_SAMPLE_LEN);
	le16_put(p + 32, WAV_SAMPLE_LEN);
	le16_put(p + 34, 8 * WAV_SAMPLE_LEN);
	memcpy(p + 36, "data", 4);
}

static void
wav_create(struct recording *r, const void *arg)
{
	const uint32_t *rate = arg;

	r->header_len = WAV_HEADER_LEN;
	wav_header(r->header, *rate);
	wav_sizes(r);
}

static int
wav_resume(struct recording *r, int fd, uint64_t size, const void *arg)
{
	uint8_t ours[WAV_HEADER_LEN];

	(void)arg;
	r->header_len = WAV_HEADER_LEN;
	if (pread(fd, r->header, WAV_HEADER_LEN, 0) != WAV_HEADER_LEN)
		return -1;
	/* But for the sizes it must be a header of ours. */
	wav_header(ours, wav_rate(r));
	memcpy(ours + WAV_RIFF_SIZE_OFFSET, r->header + WAV_RIFF_SIZE_OFFSET,
	    4);
	memcpy(ours + WAV_DATA_SIZE_OFFSET, r->header + WAV_DATA_SIZE_OFFSET,
	    4);
	if (memcmp(ours, r->header, WAV_HEADER_LEN) != 0 ||
	    size > RECORDING_SIZE_MAX)
		return -1;
	r->size = (size - WAV_HEADER_LEN) / WAV_SAMPLE_LEN * WAV_SAMPLE_LEN;
	wav_sizes(r);
	return 0;
}

uint32_t
wav_rate(const struct recording *r)
{
	return le32_get(r->header + WAV_RATE_OFFSET);
}

void
wav_append(struct recording *r, const uint8_t *p, size_t n, uint64_t now)
{
	recording_append(r, p, n, now);
	wav_sizes(r);
}

const struct recording_format wav_format = { "wav", wav_create, wav_resume };
