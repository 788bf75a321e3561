#include "pcm.h"

#include <math.h>
#include <string.h>

#include "be.h"

#define FULL_SCALE 32768.0
#define PCM_BLOCK 1024 /* samples copied at once; the payload is unaligned */

static const char magic[4] = "PCM1";

static enum pcm_error
header_get(const uint8_t *p, size_t n, struct pcm *a)
{
	if (n < PCM_HEADER_LEN)
		return PCM_SHORT_HEADER;
	if (be32_get(p + 4) < PCM_RATE_MIN || be32_get(p + 4) > PCM_RATE_MAX)
		return PCM_BAD_RATE;
	if (be16_get(p + 8) != 1)
		return PCM_BAD_CHANNELS;
	if (be16_get(p + 10) != 16)
		return PCM_BAD_BITS;
	a->has_header = 1;
	a->rate = be32_get(p + 4);
	a->timestamp_us = be64_get(p + 12);
	return PCM_OK;
}

static void
samples_measure(const uint8_t *p, size_t n, struct pcm *a)
{
	uint64_t squares = 0;
	int lo = 0, hi = 0;

	for (size_t done = 0; done < n; done += PCM_BLOCK) {
		size_t m = n - done < PCM_BLOCK ? n - done : PCM_BLOCK;
		int16_t s[PCM_BLOCK];
		uint32_t clipped = 0;

		memcpy(s, p + 2 * done, 2 * m);
		for (size_t i = 0; i < m; i++) {
			int v = (int16_t)le16toh((uint16_t)s[i]);

			lo = v < lo ? v : lo;
			hi = v > hi ? v : hi;
			clipped += v == INT16_MIN || v == INT16_MAX;
			squares += (uint64_t)(uint32_t)(v * v);
		}
		a->clipped += clipped;
	}
	a->peak = (uint32_t)(-lo > hi ? -lo : hi);
	/* log10(0) is minus infinity, and so the floor as well. */
	a->rms_dbfs = fmax(PCM_SILENCE_DBFS,
	    10 * log10((double)squares / (double)n / FULL_SCALE / FULL_SCALE));
}

enum pcm_error
pcm_inspect(const uint8_t *p, size_t n, struct pcm *a)
{
	size_t head = 0;

	memset(a, 0, sizeof(*a));
	a->rms_dbfs = PCM_SILENCE_DBFS;
	if (n >= sizeof(magic) && memcmp(p, magic, sizeof(magic)) == 0) {
		enum pcm_error e = header_get(p, n, a);

		if (e != PCM_OK)
			return e;
		head = PCM_HEADER_LEN;
	}
	if (n == head)
		return PCM_EMPTY;
	if ((n - head) % 2 != 0)
		return PCM_ODD_LENGTH;
	a->data = p + head;
	a->samples = (n - head) / 2;
	samples_measure(a->data, a->samples, a);
	return PCM_OK;
}

void
pcm_header_put(uint8_t *p, uint32_t rate, uint64_t timestamp_us)
{
	memcpy(p, magic, sizeof(magic));
	be32_put(p + 4, rate);
	be16_put(p + 8, 1);
	be16_put(p + 10, 16);
	be64_put(p + 12, timestamp_us);
}

const char *
pcm_error_name(enum pcm_error e)
{
	switch (e) {
	case PCM_OK:
		return "ok";
	case PCM_EMPTY:
		return "empty";
	case PCM_ODD_LENGTH:
		return "odd-length";
	case PCM_SHORT_HEADER:
		return "short-header";
	case PCM_BAD_RATE:
		return "bad-rate";
	case PCM_BAD_CHANNELS:
		return "bad-channels";
	case PCM_BAD_BITS:
		return "bad-bits";
	}
	return "?";
}
