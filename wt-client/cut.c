#include "cut.h"

#include <string.h>
#include <strings.h>

#include "be.h"

#define JPEG_SOI 0xd8
#define JPEG_EOI 0xd9
#define JPEG_SOS 0xda
#define JPEG_TEM 0x01
#define IVF_FRAME_HEADER 12
#define IVF_HEADER 32
#define WCV_HEADER_LEN 24
#define WAV_PCM 1
#define WAV_EXTENSIBLE 0xfffe
#define WAV_SIZE_UNKNOWN UINT32_MAX /* written to a pipe */
#define US_PER_S 1000000

enum wcv_codec { WCV_VP8 = 1, WCV_VP9, WCV_AVC, WCV_AV1 };

static uint16_t
le16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static uint32_t
le32(const uint8_t *p)
{
	return le16(p) | (uint32_t)le16(p + 2) << 16;
}

static uint64_t
le64(const uint8_t *p)
{
	return le32(p) | (uint64_t)le32(p + 4) << 32;
}

static int
cut_fail(struct cutter *c, size_t pos, const char *why)
{
	c->pos = pos;
	c->why = why;
	return -1;
}

enum cut_kind
cut_kind_of(const char *path)
{
	static const struct {
		const char *suffix;
		enum cut_kind kind;
	} kinds[] = { { ".mjpeg", CUT_JPEG }, { ".mjpg", CUT_JPEG },
		{ ".jpeg", CUT_JPEG }, { ".jpg", CUT_JPEG },
		{ ".jsonl", CUT_LINES }, { ".txt", CUT_LINES },
		{ ".ivf", CUT_IVF }, { ".wav", CUT_WAV } };
	const char *dot = strrchr(path, '.');

	if (dot == NULL)
		return CUT_CHUNK;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcasecmp(dot, kinds[i].suffix) == 0)
			return kinds[i].kind;
	return CUT_CHUNK;
}

static int
ivf_begin(struct cutter *c)
{
	static const struct {
		char fourcc[5];
		uint8_t codec;
	} codecs[] = { { "VP80", WCV_VP8 }, { "VP90", WCV_VP9 },
		{ "H264", WCV_AVC }, { "AV01", WCV_AV1 } };
	const uint8_t *p = c->mem;

	if (c->len < IVF_HEADER || memcmp(p, "DKIF", 4) != 0)
		return cut_fail(c, 0, "not an IVF file");
	if (le16(p + 4) != 0 || le16(p + 6) < IVF_HEADER ||
	    le16(p + 6) > c->len)
		return cut_fail(c, 4, "bad IVF header");
	for (size_t i = 0; i < sizeof(codecs) / sizeof(codecs[0]); i++)
		if (memcmp(p + 8, codecs[i].fourcc, 4) == 0)
			c->codec = codecs[i].codec;
	if (c->codec == 0)
		return cut_fail(c, 8, "codec is none of VP80 VP90 H264 AV01");
	c->width = le16(p + 12);
	c->height = le16(p + 14);
	c->rate = le32(p + 16);
	c->scale = le32(p + 20);
	if (c->width == 0 || c->height == 0)
		return cut_fail(c, 12, "width or height is 0");
	if (c->rate == 0 || c->scale == 0)
		return cut_fail(c, 16, "time base is 0");
	c->pos = le16(p + 6);
	return 0;
}

/* The fmt chunk's n bytes at pos. */
static int
wav_format(struct cutter *c, size_t pos, uint32_t n)
{
	const uint8_t *p = c->mem + pos;
	uint16_t format;

	if (n < 16)
		return cut_fail(c, pos, "fmt chunk is too short");
	format = le16(p);
	if (format == WAV_EXTENSIBLE && n >= 26)
		format = le16(p + 24); /* the start of the subformat's GUID */
	if (format != WAV_PCM || le16(p + 2) != 1 || le16(p + 14) != 16)
		return cut_fail(c, pos, "not 16-bit mono PCM");
	c->rate = le32(p + 4);
	if (c->rate < 8000 || c->rate > 192000)
		return cut_fail(c, pos + 4, "rate is not 8000 to 192000 Hz");
	return 0;
}

static int
wav_begin(struct cutter *c)
{
	size_t pos = 12;

	if (c->len < 12 || memcmp(c->mem, "RIFF", 4) != 0 ||
	    memcmp(c->mem + 8, "WAVE", 4) != 0)
		return cut_fail(c, 0, "not a WAV file");
	while (c->len - pos >= 8) {
		const uint8_t *p = c->mem + pos;
		uint32_t n = le32(p + 4);
		size_t left = c->len - pos - 8;

		if (memcmp(p, "data", 4) == 0) {
			if (c->rate == 0)
				return cut_fail(c, pos, "no fmt chunk");
			if (n == WAV_SIZE_UNKNOWN || n > left)
				n = left > UINT32_MAX ? UINT32_MAX :
							(uint32_t)left;
			c->data = c->pos = pos + 8;
			c->end = c->pos + (n & ~1U);
			return 0;
		}
		if (n > left)
			break;
		if (memcmp(p, "fmt ", 4) == 0 &&
		    wav_format(c, pos + 8, n) == -1)
			return -1;
		pos += 8 + (size_t)n;
		if (n % 2 != 0 && n < left)
			pos++; /* chunks start at even offsets */
	}
	return cut_fail(c, pos, "no data chunk");
}

int
cut_begin(struct cutter *c, enum cut_kind kind, const uint8_t *mem, size_t len,
    size_t chunk, size_t max)
{
	*c = (struct cutter){ .kind = kind, .mem = mem, .len = len,
		.chunk = chunk, .max = max };
	if (kind == CUT_IVF)
		return ivf_begin(c);
	if (kind == CUT_WAV)
		return wav_begin(c);
	return 0;
}

/* The end of the entropy-coded data at pos: the marker that ends it. */
static size_t
jpeg_scan_end(const struct cutter *c, size_t pos)
{
	while (pos + 1 < c->len) {
		const uint8_t *p = memchr(c->mem + pos, 0xff, c->len - pos - 1);

		if (p == NULL)
			break;
		pos = (size_t)(p - c->mem);
		/* FF 00 is a data byte, D0 to D7 restart the coder. */
		if (p[1] != 0 && p[1] != 0xff && (p[1] & 0xf8) != 0xd0)
			return pos;
		pos += p[1] == 0xff ? 1 : 2;
	}
	return c->len;
}

/* The picture that starts at start (with its SOI): one past its EOI in *end. */
static int
jpeg_end(struct cutter *c, size_t start, size_t *end)
{
	size_t pos = start + 2, n;
	uint8_t marker;

	for (;;) {
		if (c->len - pos < 2)
			return cut_fail(c, start, "JPEG picture has no end");
		if (c->mem[pos] != 0xff)
			return cut_fail(c, pos, "not a JPEG marker");
		marker = c->mem[pos + 1];
		if (marker == 0xff) {
			pos++; /* fill byte */
			continue;
		}
		pos += 2;
		if (marker == JPEG_EOI)
			break;
		if (marker == 0 || marker == JPEG_SOI)
			return cut_fail(c, pos - 2, "misplaced JPEG marker");
		if (marker == JPEG_TEM || (marker & 0xf8) == 0xd0)
			continue;
		if (c->len - pos < 2)
			return cut_fail(c, start, "JPEG picture has no end");
		n = be16_get(c->mem + pos);
		if (n < 2)
			return cut_fail(c, pos, "JPEG segment length under 2");
		if (c->len - pos < n)
			return cut_fail(c, start, "JPEG picture has no end");
		pos += n;
		if (marker == JPEG_SOS)
			pos = jpeg_scan_end(c, pos);
	}
	*end = pos;
	return 0;
}

static int
jpeg_next(struct cutter *c, struct cut_piece *piece)
{
	const uint8_t *p = c->mem;
	size_t pos = c->pos, end;

	/* Recorders pad between pictures. */
	while (pos < c->len && (p[pos] == 0 || (p[pos] == 0xff &&
	    (pos + 1 == c->len || p[pos + 1] == 0xff || p[pos + 1] == 0))))
		pos++;
	if (pos == c->len)
		return 0;
	if (c->len - pos < 2 || p[pos] != 0xff || p[pos + 1] != JPEG_SOI)
		return cut_fail(c, pos, "no JPEG picture starts here");
	if (jpeg_end(c, pos, &end) == -1)
		return -1;
	piece->data = p + pos;
	piece->len = end - pos;
	c->pos = end;
	return 1;
}

static int
line_next(struct cutter *c, struct cut_piece *piece)
{
	while (c->pos < c->len) {
		const uint8_t *p = c->mem + c->pos, *nl;
		size_t n = c->len - c->pos;

		nl = memchr(p, '\n', n);
		if (nl != NULL)
			n = (size_t)(nl - p);
		c->pos += n + (nl != NULL);
		if (n > 0 && p[n - 1] == '\r')
			n--;
		if (n == 0)
			continue;
		piece->data = p;
		piece->len = n;
		return 1;
	}
	return 0;
}

/* An IDR slice in an Annex B byte stream. */
static int
avc_is_key(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i + 3 < n; i++)
		if (p[i] == 0 && p[i + 1] == 0 && p[i + 2] == 1 &&
		    (p[i + 3] & 0x1f) == 5)
			return 1;
	return 0;
}

/* VP9 bitstream section 6.2: frame_marker, profile, show_existing_frame,
 * frame_type, from the top bit down. */
static int
vp9_is_key(uint8_t b)
{
	int profile3 = (b & 0x30) == 0x30;
	int existing = b >> (profile3 ? 2 : 3) & 1;

	return !existing && (b >> (profile3 ? 1 : 2) & 1) == 0;
}

/* AV1 section 5.3: encoders put a sequence header in front of key frames. */
static int
av1_is_key(const uint8_t *p, size_t n)
{
	size_t i = 0;

	if (n >= 2 && (p[0] >> 3 & 15) == 2)
		i = 2; /* temporal delimiter, empty */
	return i < n && (p[i] >> 3 & 15) == 1;
}

/* Sets piece->key and, where the frame says it, the cutter's size. */
static void
ivf_look(struct cutter *c, struct cut_piece *piece)
{
	const uint8_t *p = piece->data;

	switch (c->codec) {
	case WCV_VP8: /* RFC 6386 section 9.1 */
		piece->key = (p[0] & 1) == 0;
		if (piece->key && piece->len >= 10 &&
		    memcmp(p + 3, "\x9d\x01\x2a", 3) == 0) {
			c->width = le16(p + 6) & 0x3fff;
			c->height = le16(p + 8) & 0x3fff;
		}
		break;
	case WCV_VP9:
		piece->key = vp9_is_key(p[0]);
		break;
	case WCV_AVC:
		piece->key = avc_is_key(p, piece->len);
		break;
	default:
		piece->key = av1_is_key(p, piece->len);
		break;
	}
}

static int
ivf_next(struct cutter *c, struct cut_piece *piece)
{
	while (c->pos < c->len) {
		const uint8_t *p = c->mem + c->pos;
		uint32_t n;

		if (c->len - c->pos < IVF_FRAME_HEADER)
			return cut_fail(c, c->pos, "IVF frame is cut short");
		n = le32(p);
		if (n > c->len - c->pos - IVF_FRAME_HEADER)
			return cut_fail(c, c->pos, "IVF frame is cut short");
		c->pos += IVF_FRAME_HEADER + n;
		if (n == 0)
			continue;
		piece->data = p + IVF_FRAME_HEADER;
		piece->len = n;
		piece->time_us = (uint64_t)((unsigned __int128)le64(p + 4) *
		    c->scale * US_PER_S / c->rate);
		ivf_look(c, piece);
		return 1;
	}
	return 0;
}

static int
sized_next(struct cutter *c, struct cut_piece *piece, size_t end, size_t size)
{
	if (c->pos >= end)
		return 0;
	piece->data = c->mem + c->pos;
	piece->len = end - c->pos < size ? end - c->pos : size;
	c->pos += piece->len;
	return 1;
}

static int
wav_next(struct cutter *c, struct cut_piece *piece)
{
	piece->time_us = (uint64_t)(c->pos - c->data) / 2 * US_PER_S / c->rate;
	return sized_next(c, piece, c->end, CUT_WAV_SAMPLES * 2);
}

int
cut_next(struct cutter *c, struct cut_piece *piece)
{
	size_t from = c->pos;
	int rc = 0;

	*piece = (struct cut_piece){ 0 };
	switch (c->kind) {
	case CUT_CHUNK:
		rc = sized_next(c, piece, c->len, c->chunk);
		break;
	case CUT_LINES:
		rc = line_next(c, piece);
		break;
	case CUT_JPEG:
		rc = jpeg_next(c, piece);
		break;
	case CUT_IVF:
		rc = ivf_next(c, piece);
		break;
	case CUT_WAV:
		rc = wav_next(c, piece);
		break;
	}
	if (rc == 1 && piece->len + CUT_PREFIX_MAX > c->max)
		return cut_fail(c, from, "larger than a packet can be");
	return rc;
}

void
cut_pcm_header(uint8_t *p, uint32_t rate, uint64_t time_us)
{
	memcpy(p, "PCM1", 4);
	be32_put(p + 4, rate);
	be16_put(p + 8, 1);
	be16_put(p + 10, 16);
	be64_put(p + 12, time_us);
}

size_t
cut_prefix(const struct cutter *c, const struct cut_piece *piece,
    uint8_t prefix[CUT_PREFIX_MAX])
{
	if (c->kind == CUT_WAV) {
		cut_pcm_header(prefix, c->rate, piece->time_us);
		return CUT_PCM_HEADER_LEN;
	}
	if (c->kind != CUT_IVF)
		return 0;
	memcpy(prefix, "WCV1", 4);
	prefix[4] = c->codec;
	prefix[5] = piece->key ? 1 : 0;
	be16_put(prefix + 6, 0);
	be16_put(prefix + 8, c->width);
	be16_put(prefix + 10, c->height);
	be64_put(prefix + 12, piece->time_us);
	be32_put(prefix + 20, 0);
	return WCV_HEADER_LEN;
}
