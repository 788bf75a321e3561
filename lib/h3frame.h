/*
 * HTTP/3 framing by hand (RFC 9114) with what WebTransport adds to it
 * (draft-ietf-webtrans-http3): constants, the first bytes of a stream, frames
 * on control and request streams, SETTINGS. Pure: bytes in, struct out; the
 * only memory taken is for a frame that has to be gathered whole, bounded by
 * the limits below.
 */
#ifndef SLUICE_H3FRAME_H
#define SLUICE_H3FRAME_H

#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "varint.h"

#define H3_SETTINGS_MAX 1024  /* bytes of a SETTINGS payload we accept */
#define H3_SETTINGS_ENTRIES 64 /* settings in it */

/* RFC 9114 section 8.1, RFC 9204 section 6, RFC 9297 section 5.2, and the
 * WebTransport draft's "HTTP/3 Error Code Registration". */
enum h3_error {
	H3_DATAGRAM_ERROR = 0x33,
	H3_NO_ERROR = 0x100,
	H3_GENERAL_PROTOCOL_ERROR = 0x101,
	H3_INTERNAL_ERROR = 0x102,
	H3_STREAM_CREATION_ERROR = 0x103,
	H3_CLOSED_CRITICAL_STREAM = 0x104,
	H3_FRAME_UNEXPECTED = 0x105,
	H3_FRAME_ERROR = 0x106,
	H3_EXCESSIVE_LOAD = 0x107,
	H3_ID_ERROR = 0x108,
	H3_SETTINGS_ERROR = 0x109,
	H3_MISSING_SETTINGS = 0x10a,
	H3_REQUEST_REJECTED = 0x10b,
	H3_REQUEST_CANCELLED = 0x10c,
	H3_REQUEST_INCOMPLETE = 0x10d,
	H3_MESSAGE_ERROR = 0x10e,
	H3_CONNECT_ERROR = 0x10f,
	H3_VERSION_FALLBACK = 0x110,
	H3_QPACK_DECOMPRESSION_FAILED = 0x200,
	H3_QPACK_ENCODER_STREAM_ERROR = 0x201,
	H3_QPACK_DECODER_STREAM_ERROR = 0x202,
	H3_WT_SESSION_GONE = 0x170d7b68,
	H3_WT_BUFFERED_STREAM_REJECTED = 0x3994bd84
};

/* "H3_FRAME_ERROR" ...; "?" for what is none of the above. */
const char *h3_error_name(uint64_t code);

/* First varint of a unidirectional stream. */
enum h3_stream_type {
	H3_STREAM_CONTROL = 0x00,
	H3_STREAM_PUSH = 0x01,
	H3_STREAM_QPACK_ENCODER = 0x02,
	H3_STREAM_QPACK_DECODER = 0x03,
	H3_STREAM_WT_UNI = 0x54
};

enum h3_frame_type {
	H3_FRAME_DATA = 0x00,
	H3_FRAME_HEADERS = 0x01,
	H3_FRAME_CANCEL_PUSH = 0x03,
	H3_FRAME_SETTINGS = 0x04,
	H3_FRAME_PUSH_PROMISE = 0x05,
	H3_FRAME_GOAWAY = 0x07,
	H3_FRAME_MAX_PUSH_ID = 0x0d,
	H3_FRAME_WT_BIDI = 0x41 /* no frame: opens a bidirectional WT stream */
};

enum h3_setting {
	H3_SETTING_QPACK_MAX_TABLE_CAPACITY = 0x01,
	H3_SETTING_MAX_FIELD_SECTION_SIZE = 0x06,
	H3_SETTING_QPACK_BLOCKED_STREAMS = 0x07,
	H3_SETTING_ENABLE_CONNECT_PROTOCOL = 0x08,
	H3_SETTING_H3_DATAGRAM = 0x33,
	H3_SETTING_WT_INITIAL_MAX_DATA = 0x2b61,
	H3_SETTING_WT_INITIAL_MAX_STREAMS_UNI = 0x2b64,
	H3_SETTING_WT_INITIAL_MAX_STREAMS_BIDI = 0x2b65,
	H3_SETTING_WT_MAX_SESSIONS = 0x14e9cd29,
	H3_SETTING_WT_ENABLED = 0x2c7cf000,
	H3_SETTING_WT_DRAFT02 = 0x2b603742,
	H3_SETTING_WT_DRAFT07_MAX_SESSIONS = 0xc671706a
};

/*
 * WebTransport application error codes in RESET_STREAM and STOP_SENDING.
 * h3_from_app_code never fails; h3_to_app_code returns -1 for a code outside
 * the range or on one of its reserved points (0x1f * N + 0x21).
 */
#define H3_WT_CODE_FIRST UINT64_C(0x52e4a40fa8db)
#define H3_WT_CODE_LAST UINT64_C(0x52e5ac983162)
uint64_t h3_from_app_code(uint32_t app);
int h3_to_app_code(uint64_t h3, uint32_t *app);

/*
 * The first bytes of a stream the peer opened. All zero is the start; set uni
 * before the first byte.
 */
enum h3_prefix_kind {
	H3_PREFIX_MORE,	   /* undecided: all bytes given were taken */
	H3_PREFIX_CONTROL, /* uni, the payload follows */
	H3_PREFIX_PUSH,
	H3_PREFIX_QPACK_ENCODER,
	H3_PREFIX_QPACK_DECODER,
	H3_PREFIX_WT,	    /* uni or bidi: stream of session; payload follows */
	H3_PREFIX_WT_BAD_ID, /* session is no request stream's: H3_ID_ERROR */
	H3_PREFIX_REQUEST,  /* bidi: frames. raw[0..rawlen) are their first
			     * bytes; give them to h3_frames_next() first */
	H3_PREFIX_UNKNOWN   /* uni: GREASE or an extension; type is set */
};

struct h3_prefix {
	int uni;	  /* the stream is unidirectional */
	uint64_t type;	  /* first varint */
	uint64_t session; /* H3_PREFIX_WT: the CONNECT stream's id */
	uint8_t raw[VARINT_LEN_MAX];
	uint8_t rawlen;
	uint8_t got_type; /* private, as is what follows */
	struct varint_in in;
};

/* Takes bytes from the n at *p, moving both on, until the kind is known. */
enum h3_prefix_kind h3_prefix_take(struct h3_prefix *x, const uint8_t **p,
    size_t *n);

/* Writes type, and session too when it is a WT one; at most 16 bytes. */
size_t h3_prefix_put(uint8_t *p, uint64_t type, uint64_t session);

/*
 * Frames on one stream.
 *
 *	while ((ev = h3_frames_next(&f, &p, &n)) != H3_EV_MORE)
 *		switch (ev) ...
 *
 * Which frames may stand where is enforced here (RFC 9114 sections 4.1, 4.4,
 * 6.2.1, 7.2): the first on a control stream is SETTINGS, HEADERS before DATA
 * on a request stream, no HTTP/2 frame types, no pushes (we allow none),
 * GOAWAY and MAX_PUSH_ID ids that go the right way, no 0x41 inside.
 */
enum h3_frames_on {
	H3_ON_CONTROL, /* the peer's control stream */
	H3_ON_REQUEST  /* a request stream, what the peer sends on it */
};

enum h3_event {
	H3_EV_MORE,	/* all bytes given were taken */
	H3_EV_HEADERS,	/* payload, len: an encoded field section */
	H3_EV_DATA,	/* payload, len: a piece of DATA, not empty */
	H3_EV_SETTINGS, /* payload, len: for h3_settings_get() */
	H3_EV_GOAWAY,	/* id is set */
	H3_EV_IGNORED,	/* type: a frame unknown here (GREASE), which will be
			 * skipped */
	H3_EV_ERROR	/* error: the code to close the connection with. Every
			 * later call says the same */
};

struct h3_frames {
	const uint8_t *payload; /* valid until the next call */
	size_t len;
	uint64_t type;
	uint64_t id;
	enum h3_error error;
	/* Private from here. */
	enum h3_frames_on on;
	uint8_t server;	   /* we are the server */
	uint8_t state;
	uint8_t connected; /* only DATA from now on */
	uint8_t headers;   /* HEADERS were seen */
	uint8_t trailers;  /* the last HEADERS were trailers */
	uint8_t data;	   /* DATA was seen */
	uint8_t settings;  /* SETTINGS were seen */
	uint64_t left;	   /* bytes of the payload to come */
	uint64_t goaway, max_push_id; /* last seen */
	size_t max_headers;
	struct varint_in in;
	struct buf gather;
};

/* server: which side we are. max_headers: bytes of a HEADERS payload; more is
 * H3_EXCESSIVE_LOAD. */
void h3_frames_init(struct h3_frames *f, enum h3_frames_on on, int server,
    size_t max_headers);
void h3_frames_free(struct h3_frames *f);

enum h3_event h3_frames_next(struct h3_frames *f, const uint8_t **p,
    size_t *n);

/* The CONNECT is through: only DATA may follow (RFC 9114 section 4.4). */
void h3_frames_connected(struct h3_frames *f);

/*
 * The stream ended (FIN). 0 when it may end here, or the H3 error code:
 * H3_CLOSED_CRITICAL_STREAM, H3_FRAME_ERROR (inside a frame),
 * H3_REQUEST_INCOMPLETE (before HEADERS; a stream error, not the
 * connection's).
 */
uint64_t h3_frames_end(const struct h3_frames *f);

/* Type and length of a frame; at most 16 bytes. The payload follows. */
size_t h3_frame_put(uint8_t *p, uint64_t type, uint64_t len);

/* SETTINGS. What a peer leaves out is 0, max_field_section_size UINT64_MAX. */
struct h3_settings {
	uint64_t qpack_max_table_capacity;
	uint64_t qpack_blocked_streams;
	uint64_t max_field_section_size; /* bytes, RFC 9114 section 4.2.2 */
	uint64_t connect_protocol;	 /* 0 or 1 */
	uint64_t h3_datagram;		 /* 0 or 1 */
	uint64_t wt_enabled;
	uint64_t wt_max_sessions;
	uint64_t wt_draft02;
	uint64_t wt_draft07_max_sessions;
	uint64_t wt_initial_max_data;
	uint64_t wt_initial_max_streams_uni;
	uint64_t wt_initial_max_streams_bidi;
	uint64_t unknown; /* settings ignored; not sent */
};

/* What both sides of ours announce: all WebTransport versions browsers ask
 * for, max_sessions for those that count sessions, no dynamic QPACK table. */
void h3_settings_ours(struct h3_settings *s, uint64_t max_sessions,
    uint64_t max_field_section_size);

/* The whole frame, at most H3_SETTINGS_FRAME_LEN bytes. Settings that have
 * the value a peer assumes anyway are left out, but for the QPACK capacity. */
#define H3_SETTINGS_FRAME_LEN 256
size_t h3_settings_put(uint8_t *p, const struct h3_settings *s);

/* A payload as of H3_EV_SETTINGS. 0, or the H3 error code: H3_SETTINGS_ERROR
 * (an id twice, an HTTP/2 id, a boolean that is neither 0 nor 1),
 * H3_FRAME_ERROR (cut short), H3_EXCESSIVE_LOAD (over the limits above). */
uint64_t h3_settings_get(const uint8_t *p, size_t n, struct h3_settings *s);

#endif
