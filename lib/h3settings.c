/* SETTINGS; the contract is in h3frame.h. */
#include <string.h>

#include "h3frame.h"

/* Where each setting is kept, in the order we send them. */
static const struct {
	uint64_t id;
	size_t offset;
	uint64_t assumed; /* what a peer takes it for when it is not sent */
	uint64_t max;
} settings[] = {
#define ROW(id, field, assumed, max)                                          \
	{                                                                     \
		id, offsetof(struct h3_settings, field), assumed, max         \
	}
	/* Always sent: VARINT_MAX + 1 is no value a setting can have. */
	ROW(H3_SETTING_QPACK_MAX_TABLE_CAPACITY, qpack_max_table_capacity,
	    VARINT_MAX + 1, VARINT_MAX),
	ROW(H3_SETTING_MAX_FIELD_SECTION_SIZE, max_field_section_size,
	    UINT64_MAX, VARINT_MAX),
	ROW(H3_SETTING_QPACK_BLOCKED_STREAMS, qpack_blocked_streams, 0,
	    VARINT_MAX),
	ROW(H3_SETTING_ENABLE_CONNECT_PROTOCOL, connect_protocol, 0, 1),
	ROW(H3_SETTING_H3_DATAGRAM, h3_datagram, 0, 1),
	ROW(H3_SETTING_WT_INITIAL_MAX_DATA, wt_initial_max_data, 0, VARINT_MAX),
	ROW(H3_SETTING_WT_INITIAL_MAX_STREAMS_UNI, wt_initial_max_streams_uni,
	    0, VARINT_MAX),
	ROW(H3_SETTING_WT_INITIAL_MAX_STREAMS_BIDI,
	    wt_initial_max_streams_bidi, 0, VARINT_MAX),
	ROW(H3_SETTING_WT_DRAFT02, wt_draft02, 0, VARINT_MAX),
	ROW(H3_SETTING_WT_DRAFT07_MAX_SESSIONS, wt_draft07_max_sessions, 0,
	    VARINT_MAX),
	ROW(H3_SETTING_WT_MAX_SESSIONS, wt_max_sessions, 0, VARINT_MAX),
	ROW(H3_SETTING_WT_ENABLED, wt_enabled, 0, VARINT_MAX),
#undef ROW
};
#define NSETTINGS (sizeof(settings) / sizeof(settings[0]))
_Static_assert(NSETTINGS * 2 * VARINT_LEN_MAX + 3 <= H3_SETTINGS_FRAME_LEN,
    "a SETTINGS frame of ours may be longer than promised");

/* WebTransport's own stream and data limits count from the first stream to
 * the last; QUIC's limits are the ones that bound us, so these never do. */
#define STREAMS_UNBOUNDED (UINT64_C(1) << 60)

void
h3_settings_ours(struct h3_settings *s, uint64_t max_sessions,
    uint64_t max_field_section_size)
{
	*s = (struct h3_settings){
		.max_field_section_size = max_field_section_size,
		.connect_protocol = 1,
		.h3_datagram = 1,
		.wt_enabled = 1,
		.wt_max_sessions = max_sessions,
		.wt_draft02 = 1,
		.wt_draft07_max_sessions = max_sessions,
		.wt_initial_max_data = VARINT_MAX,
		.wt_initial_max_streams_uni = STREAMS_UNBOUNDED,
		.wt_initial_max_streams_bidi = STREAMS_UNBOUNDED,
	};
}

static uint64_t
setting_value(const struct h3_settings *s, size_t row)
{
	uint64_t v;

	memcpy(&v, (const char *)s + settings[row].offset, sizeof(v));
	return v;
}

size_t
h3_settings_put(uint8_t *p, const struct h3_settings *s)
{
	uint8_t payload[NSETTINGS * 2 * VARINT_LEN_MAX];
	size_t len = 0, n;

	for (size_t i = 0; i < NSETTINGS; i++) {
		uint64_t v = setting_value(s, i);

		if (v == settings[i].assumed)
			continue;
		len += varint_put(payload + len, settings[i].id);
		len += varint_put(payload + len, v);
	}
	n = h3_frame_put(p, H3_FRAME_SETTINGS, len);
	memcpy(p + n, payload, len);
	return n + len;
}

static uint64_t
setting_take(struct h3_settings *s, uint64_t id, uint64_t v)
{
	/* What HTTP/2 had and HTTP/3 has not (RFC 9114 section 7.2.4.1). */
	if (id == 0x00 || (id >= 0x02 && id <= 0x05))
		return H3_SETTINGS_ERROR;
	for (size_t i = 0; i < NSETTINGS; i++) {
		if (settings[i].id != id)
			continue;
		if (v > settings[i].max)
			return H3_SETTINGS_ERROR;
		memcpy((char *)s + settings[i].offset, &v, sizeof(v));
		return 0;
	}
	s->unknown++;
	return 0;
}

uint64_t
h3_settings_get(const uint8_t *p, size_t n, struct h3_settings *s)
{
	uint64_t seen[H3_SETTINGS_ENTRIES], v, rc;
	size_t count = 0, k;

	*s = (struct h3_settings){ .max_field_section_size = UINT64_MAX };
	if (n > H3_SETTINGS_MAX)
		return H3_EXCESSIVE_LOAD;
	while (n > 0) {
		if (count == H3_SETTINGS_ENTRIES)
			return H3_EXCESSIVE_LOAD;
		k = varint_get(p, n, &seen[count]);
		if (k == 0 || k == n)
			return H3_FRAME_ERROR;
		p += k;
		n -= k;
		k = varint_get(p, n, &v);
		if (k == 0)
			return H3_FRAME_ERROR;
		p += k;
		n -= k;
		for (size_t i = 0; i < count; i++)
			if (seen[i] == seen[count])
				return H3_SETTINGS_ERROR;
		rc = setting_take(s, seen[count++], v);
		if (rc != 0)
			return rc;
	}
	return 0;
}
