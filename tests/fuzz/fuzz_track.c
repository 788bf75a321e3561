/*
 * The track header, at 32 bytes at a time. What is accepted must be written
 * back as the same bytes and be valid by its own rules.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "track.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(const uint8_t *p, size_t max_packet)
{
	uint8_t again[TRACK_HEADER_LEN];
	struct track_header h;
	enum track_error e = track_header_get(p, max_packet, &h);

	if (e != TRACK_OK) {
		if (strcmp(track_error_name(e), "?") == 0)
			abort();
		return;
	}
	if ((size_t)h.payload_len + TRACK_HEADER_LEN > max_packet ||
	    h.type[0] == '\0' ||
	    !utf8_valid((const uint8_t *)h.id, strlen(h.id)) ||
	    !utf8_valid((const uint8_t *)h.type, strlen(h.type)))
		abort();
	if (track_header_put(again, h.id, h.type, h.payload_len) != 0 ||
	    memcmp(again, p, sizeof(again)) != 0)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	for (; size >= TRACK_HEADER_LEN;
	     data += TRACK_HEADER_LEN, size -= TRACK_HEADER_LEN) {
		check(data, TRACK_PACKET_MAX_DEFAULT);
		check(data, TRACK_HEADER_LEN);
	}
	/* Valid is the whole, when both halves are: cuts between characters. */
	if (utf8_valid(data, size / 2) &&
	    utf8_valid(data + size / 2, size - size / 2) &&
	    !utf8_valid(data, size))
		abort();
	return 0;
}
