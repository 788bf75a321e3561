#include "track.h"

#include <string.h>

#include "be.h"

#define TRACK_LEN_OFFSET 16
#define TRACK_TYPE_OFFSET 20

int
utf8_valid(const uint8_t *p, size_t n)
{
	size_t i = 0;

	while (i < n) {
		uint8_t c = p[i];
		uint32_t cp, min;
		size_t more;

		if (c < 0x80) {
			i++;
			continue;
		} else if ((c & 0xe0) == 0xc0) {
			cp = c & 0x1f, more = 1, min = 0x80;
		} else if ((c & 0xf0) == 0xe0) {
			cp = c & 0x0f, more = 2, min = 0x800;
		} else if ((c & 0xf8) == 0xf0) {
			cp = c & 0x07, more = 3, min = 0x10000;
		} else {
			return 0;
		}
		if (n - i <= more)
			return 0;
		for (size_t k = 1; k <= more; k++) {
			if ((p[i + k] & 0xc0) != 0x80)
				return 0;
			cp = cp << 6 | (p[i + k] & 0x3f);
		}
		if (cp < min || cp > 0x10ffff ||
		    (cp >= 0xd800 && cp <= 0xdfff))
			return 0;
		i += more + 1;
	}
	return 1;
}

/* A NUL-padded field of size bytes into dst[size + 1]; 0 if well-formed. */
static int
field_get(const uint8_t *p, size_t size, char *dst)
{
	size_t n = strnlen((const char *)p, size);

	for (size_t i = n; i < size; i++)
		if (p[i] != 0)
			return -1;
	if (!utf8_valid(p, n))
		return -1;
	memcpy(dst, p, n);
	dst[n] = '\0';
	return 0;
}

static int
field_put(uint8_t *p, size_t size, const char *src)
{
	size_t n = strlen(src);

	if (n > size)
		return -1;
	memset(p, 0, size);
	memcpy(p, src, n);
	return 0;
}

enum track_error
track_header_get(const uint8_t *p, size_t max_packet, struct track_header *h)
{
	h->payload_len = be32_get(p + TRACK_LEN_OFFSET);
	if (field_get(p, TRACK_ID_LEN, h->id) == -1)
		return TRACK_BAD_ID;
	if (field_get(p + TRACK_TYPE_OFFSET, TRACK_TYPE_LEN, h->type) == -1 ||
	    h->type[0] == '\0')
		return TRACK_BAD_TYPE;
	if ((uint64_t)h->payload_len + TRACK_HEADER_LEN > max_packet)
		return TRACK_TOO_LONG;
	return TRACK_OK;
}

int
track_header_put(uint8_t *p, const char *id, const char *type,
    uint32_t payload_len)
{
	if (type[0] == '\0' || field_put(p, TRACK_ID_LEN, id) == -1 ||
	    field_put(p + TRACK_TYPE_OFFSET, TRACK_TYPE_LEN, type) == -1)
		return -1;
	be32_put(p + TRACK_LEN_OFFSET, payload_len);
	return 0;
}

const char *
track_error_name(enum track_error e)
{
	switch (e) {
	case TRACK_OK:
		return "OK";
	case TRACK_TOO_LONG:
		return "PACKET_TOO_LONG";
	case TRACK_BAD_ID:
		return "BAD_TRACK_ID";
	case TRACK_BAD_TYPE:
		return "BAD_TRACK_TYPE";
	case TRACK_TRUNCATED:
		return "TRUNCATED";
	case TRACK_BAD_DATAGRAM:
		return "BAD_DATAGRAM";
	case TRACK_BUFFER_LIMIT:
		return "BUFFER_LIMIT";
	}
	return "?";
}
