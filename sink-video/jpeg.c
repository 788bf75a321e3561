#include "jpeg.h"

#include <string.h>

#include "be.h"

enum jpeg_marker {
	JPEG_TEM = 0x01,
	JPEG_SOF0 = 0xc0,
	JPEG_DHT = 0xc4,
	JPEG_JPG = 0xc8,
	JPEG_DAC = 0xcc,
	JPEG_SOF15 = 0xcf,
	JPEG_RST0 = 0xd0,
	JPEG_RST7 = 0xd7,
	JPEG_SOI = 0xd8,
	JPEG_EOI = 0xd9,
	JPEG_SOS = 0xda,
	JPEG_DNL = 0xdc
};

#define SOF_FIXED_LEN 8	    /* with the length field, without components */
#define SOF_COMPONENT_LEN 3 /* bytes per component */

int
jpeg_match(const uint8_t *p, size_t n)
{
	return n >= 3 && p[0] == 0xff && p[1] == JPEG_SOI && p[2] == 0xff;
}

static int
marker_is_sof(uint8_t m)
{
	return m >= JPEG_SOF0 && m <= JPEG_SOF15 && m != JPEG_DHT &&
	    m != JPEG_JPG && m != JPEG_DAC;
}

static int
marker_is_rst(uint8_t m)
{
	return m >= JPEG_RST0 && m <= JPEG_RST7;
}

/* p: the segment, from its length field on, len bytes. */
static enum jpeg_error
sof_get(const uint8_t *p, size_t len, struct jpeg *j)
{
	if (len < SOF_FIXED_LEN)
		return JPEG_BAD_SOF;
	j->precision = p[2];
	j->height = be16_get(p + 3);
	j->width = be16_get(p + 5);
	j->components = p[7];
	if (j->precision < 2 || j->precision > 16 || j->width == 0 ||
	    j->components == 0 ||
	    len != SOF_FIXED_LEN + SOF_COMPONENT_LEN * (size_t)j->components)
		return JPEG_BAD_SOF;
	return JPEG_OK;
}

/*
 * Skips entropy-coded data: to the first FF that is followed by neither 00
 * nor a restart marker. n when there is none.
 */
static size_t
scan_skip(const uint8_t *p, size_t n, size_t i)
{
	while (i < n) {
		const uint8_t *ff = memchr(p + i, 0xff, n - i);

		if (ff == NULL)
			return n;
		i = (size_t)(ff - p);
		if (i + 1 >= n)
			return n;
		if (p[i + 1] != 0x00 && !marker_is_rst(p[i + 1]))
			return i;
		i += 2;
	}
	return n;
}

static enum jpeg_error
eoi_check(const struct jpeg *j, int scans)
{
	if (j->components == 0)
		return JPEG_NO_SOF;
	if (scans == 0)
		return JPEG_NO_SCAN;
	/* A height of 0 must have been made good by a DNL segment. */
	if (j->height == 0)
		return JPEG_BAD_SOF;
	return JPEG_OK;
}

enum jpeg_error
jpeg_inspect(const uint8_t *p, size_t n, struct jpeg *j)
{
	enum jpeg_error e;
	size_t i = 2, len;
	uint8_t m;
	int scans = 0;

	memset(j, 0, sizeof(*j));
	if (!jpeg_match(p, n))
		return JPEG_NOT_JPEG;
	for (;;) {
		if (i >= n)
			return JPEG_TRUNCATED;
		if (p[i] != 0xff)
			return JPEG_BAD_MARKER;
		while (i < n && p[i] == 0xff)
			i++;
		if (i >= n)
			return JPEG_TRUNCATED;
		m = p[i++];
		if (m == JPEG_EOI) {
			j->size = i;
			return eoi_check(j, scans);
		}
		if (m == JPEG_TEM || marker_is_rst(m))
			continue;
		if (m == 0x00 || m == JPEG_SOI)
			return JPEG_BAD_MARKER;
		if (n - i < 2)
			return JPEG_TRUNCATED;
		len = be16_get(p + i);
		if (len < 2)
			return JPEG_BAD_MARKER;
		if (n - i < len)
			return JPEG_TRUNCATED;
		if (marker_is_sof(m)) {
			e = sof_get(p + i, len, j);
			if (e != JPEG_OK)
				return e;
		} else if (m == JPEG_DNL && len >= 4 && j->height == 0) {
			j->height = be16_get(p + i + 2);
		}
		i += len;
		if (m == JPEG_SOS) {
			if (j->components == 0)
				return JPEG_NO_SOF;
			scans++;
			i = scan_skip(p, n, i);
		}
	}
}

const char *
jpeg_error_name(enum jpeg_error e)
{
	switch (e) {
	case JPEG_OK:
		return "ok";
	case JPEG_NOT_JPEG:
		return "unknown-format";
	case JPEG_BAD_MARKER:
		return "bad-marker";
	case JPEG_BAD_SOF:
		return "bad-sof";
	case JPEG_NO_SOF:
		return "no-sof";
	case JPEG_NO_SCAN:
		return "no-scan";
	case JPEG_TRUNCATED:
		return "truncated";
	}
	return "?";
}
