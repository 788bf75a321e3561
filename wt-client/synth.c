#include "synth.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "be.h"
#include "cut.h"

#define PATTERN_PERIOD 251
#define PATTERN_RUN (PATTERN_PERIOD * 256)
#define JPEG_SEGMENT_MAX 65533 /* bytes a comment segment can hold */
#define TRIANGLE_PERIOD 100    /* samples: 480 Hz */
#define TRIANGLE_STEP 640      /* peak 16000, about -6 dBFS */

/*
 * The parts of the picture; the comments go behind SOI. One quantization
 * table, of ones; Huffman tables of one code each, a single 0 bit, for "no
 * difference" (DC) and "end of block" (AC): two zero bits a block.
 */
static const uint8_t jpeg_soi[] = { 0xff, 0xd8 };
static const uint8_t jpeg_quant[] = { 0xff, 0xdb, 0, 67, 0 };
static const uint8_t jpeg_rest[] = {
	0xff, 0xc0, 0, 11, 8, 0, 48, 0, 64, 1, 1, 0x11, 0, /* SOF0 */
	0xff, 0xc4, 0, 20, 0x00, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	0, 0,						   /* DHT, DC */
	0xff, 0xc4, 0, 20, 0x10, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	0, 0,						   /* DHT, AC */
	0xff, 0xda, 0, 8, 1, 1, 0x00, 0, 63, 0,		   /* SOS */
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,		   /* 48 blocks */
	0xff, 0xd9					   /* EOI */
};
#define JPEG_QUANT_LEN 64
#define JPEG_LEN (sizeof(jpeg_soi) + sizeof(jpeg_quant) + JPEG_QUANT_LEN + \
    sizeof(jpeg_rest))
#define JPEG_COMMENT 4 /* marker and length */
#define JPEG_MIN (JPEG_LEN + JPEG_COMMENT + SYNTH_STAMP_LEN)

void
synth_pattern(uint8_t *p, size_t n, uint64_t seq, uint64_t offset)
{
	static uint8_t run[PATTERN_RUN + PATTERN_PERIOD];
	size_t start = (size_t)((seq % PATTERN_PERIOD + offset) %
	    PATTERN_PERIOD);

	if (run[1] == 0)
		for (size_t i = 0; i < sizeof(run); i++)
			run[i] = (uint8_t)(i % PATTERN_PERIOD);
	for (; n > PATTERN_RUN; n -= PATTERN_RUN, p += PATTERN_RUN)
		memcpy(p, run + start, PATTERN_RUN);
	memcpy(p, run + start, n);
}

static void
stamp_put(uint8_t *p, uint64_t seq, uint64_t time_ns)
{
	be64_put(p, seq);
	be64_put(p + 8, time_ns);
}

static size_t
raw_put(uint8_t *p, size_t size, uint64_t seq, uint64_t time_ns)
{
	size_t at = 0;

	if (size >= SYNTH_STAMP_LEN) {
		stamp_put(p, seq, time_ns);
		at = SYNTH_STAMP_LEN;
	}
	synth_pattern(p + at, size - at, seq, at);
	return size;
}

static uint8_t *
jpeg_append(uint8_t *p, const void *data, size_t n)
{
	memcpy(p, data, n);
	return p + n;
}

static size_t
jpeg_put(uint8_t *p, size_t size, uint64_t seq, uint64_t time_ns)
{
	size_t fill = size > JPEG_MIN ? size - JPEG_LEN : JPEG_MIN - JPEG_LEN;
	uint8_t *start = p;
	int first = 1;

	p = jpeg_append(p, jpeg_soi, sizeof(jpeg_soi));
	while (fill > 0) {
		size_t n = fill - JPEG_COMMENT;

		if (n > JPEG_SEGMENT_MAX) {
			n = JPEG_SEGMENT_MAX;
			/* What is left must hold one more segment's head. */
			if (fill - JPEG_COMMENT - n < JPEG_COMMENT)
				n -= JPEG_COMMENT;
		}
		p = jpeg_append(p, "\xff\xfe", 2);
		be16_put(p, (uint16_t)(n + 2));
		p += 2;
		synth_pattern(p, n, seq, (uint64_t)(p - start));
		if (first)
			stamp_put(p, seq, time_ns);
		first = 0;
		p += n;
		fill -= JPEG_COMMENT + n;
	}
	p = jpeg_append(p, jpeg_quant, sizeof(jpeg_quant));
	memset(p, 1, JPEG_QUANT_LEN);
	p += JPEG_QUANT_LEN;
	p = jpeg_append(p, jpeg_rest, sizeof(jpeg_rest));
	return (size_t)(p - start);
}

static int16_t
triangle(uint64_t sample)
{
	int phase = (int)(sample % TRIANGLE_PERIOD);
	int quarter = TRIANGLE_PERIOD / 4;

	if (phase < quarter)
		return (int16_t)(phase * TRIANGLE_STEP);
	if (phase < 3 * quarter)
		return (int16_t)((2 * quarter - phase) * TRIANGLE_STEP);
	return (int16_t)((phase - TRIANGLE_PERIOD) * TRIANGLE_STEP);
}

static size_t
pcm_put(uint8_t *p, size_t samples, uint64_t seq, uint64_t time_ns)
{
	uint8_t *out = p + CUT_PCM_HEADER_LEN;

	cut_pcm_header(p, SYNTH_PCM_RATE, time_ns / 1000);
	for (size_t i = 0; i < samples; i++) {
		uint16_t v = (uint16_t)triangle(seq * samples + i);

		*out++ = (uint8_t)v;
		*out++ = (uint8_t)(v >> 8);
	}
	return CUT_PCM_HEADER_LEN + samples * 2;
}

static size_t
chat_put(uint8_t *p, size_t size, uint64_t seq, uint64_t time_ns)
{
	static const char tail[] = "\",\"type\":\"text\"}";
	char head[SYNTH_CHAT_MIN];
	size_t len, total;

	len = (size_t)snprintf(head, sizeof(head), "{\"message_id\":%" PRIu64
	    ",\"timestamp\":%" PRIu64 ",\"user\":\"wt-client\",\"message\":\""
	    "%" PRIu64 " %" PRIu64 " ", seq, time_ns / 1000000, seq, time_ns);
	total = len + sizeof(tail) - 1;
	if (total < size)
		total = size;
	memcpy(p, head, len);
	for (; len < total - (sizeof(tail) - 1); len++)
		p[len] = (uint8_t)('a' + (seq + len) % 26);
	memcpy(p + len, tail, sizeof(tail) - 1);
	return total;
}

size_t
synth_size(enum synth_kind kind, size_t size)
{
	switch (kind) {
	case SYNTH_RAW:
		break;
	case SYNTH_JPEG:
		return size > JPEG_MIN ? size : JPEG_MIN;
	case SYNTH_PCM:
		return CUT_PCM_HEADER_LEN + size * 2;
	case SYNTH_CHAT:
		return size > SYNTH_CHAT_MIN ? size : SYNTH_CHAT_MIN;
	}
	return size;
}

size_t
synth_put(enum synth_kind kind, uint8_t *p, size_t size, uint64_t seq,
    uint64_t time_ns)
{
	switch (kind) {
	case SYNTH_RAW:
		break;
	case SYNTH_JPEG:
		return jpeg_put(p, size, seq, time_ns);
	case SYNTH_PCM:
		return pcm_put(p, size, seq, time_ns);
	case SYNTH_CHAT:
		return chat_put(p, size, seq, time_ns);
	}
	return raw_put(p, size, seq, time_ns);
}
