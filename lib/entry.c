#include "entry.h"

#include <isa-l/crc.h>

#include "be.h"
#include "props.h"
#include "track.h"

/* Offsets of the header's fields. */
#define OFF_CRC 4
#define OFF_ID 8
#define OFF_PUBLISH 16
#define OFF_EVENT 24
#define OFF_SEQ 32
#define OFF_PRODUCER 40
#define OFF_KEY 42
#define OFF_PROPS 44

static const uint8_t empty_map[] = { 0x80 };

uint32_t
crc32c(const void *data, size_t n)
{
	/* The library neither writes there nor inverts; lengths are ints. */
	union {
		const void *in;
		unsigned char *out;
	} p = { data };

	return ~crc32_iscsi(p.out, (int)n, 0xffffffff);
}

const char *
entry_too_long(const struct entry *e)
{
	if (e->producer_len > ENTRY_PRODUCER_MAX)
		return "producer name is too long";
	if (e->key_len > ENTRY_KEY_MAX)
		return "key is too long";
	if (e->props_len > ENTRY_PROPS_MAX)
		return "properties are too long";
	if (e->payload_len > ENTRY_PAYLOAD_MAX)
		return "payload is too long";
	return NULL;
}

size_t
entry_size(const struct entry *e)
{
	return ENTRY_HEADER_LEN + (size_t)e->producer_len + e->key_len +
	    (e->props_len == 0 ? sizeof(empty_map) : e->props_len) +
	    e->payload_len;
}

static uint8_t *
entry_put_bytes(uint8_t *p, const void *data, size_t n)
{
	if (n > 0)
		memcpy(p, data, n);
	return p + n;
}

void
entry_put(uint8_t *p, const struct entry *e)
{
	const uint8_t *props = e->props_len == 0 ? empty_map : e->props;
	uint32_t props_len =
	    e->props_len == 0 ? (uint32_t)sizeof(empty_map) : e->props_len;

	be32_put(p, (uint32_t)(entry_size(e) - 4));
	be32_put(p + OFF_CRC, 0);
	be64_put(p + OFF_ID, e->id);
	be64_put(p + OFF_PUBLISH, e->publish);
	be64_put(p + OFF_EVENT, e->event);
	be64_put(p + OFF_SEQ, e->seq);
	be16_put(p + OFF_PRODUCER, (uint16_t)e->producer_len);
	be16_put(p + OFF_KEY, (uint16_t)e->key_len);
	be32_put(p + OFF_PROPS, props_len);
	p = entry_put_bytes(p + ENTRY_HEADER_LEN, e->producer,
	    e->producer_len);
	p = entry_put_bytes(p, e->key, e->key_len);
	p = entry_put_bytes(p, props, props_len);
	entry_put_bytes(p, e->payload, e->payload_len);
}

static int64_t
entry_bad(const char **why, const char *what)
{
	if (why != NULL)
		*why = what;
	return -1;
}

int64_t
entry_get(const uint8_t *p, size_t n, struct entry *e, const char **why)
{
	uint64_t fixed;
	uint32_t len;

	if (n < 4)
		return 0;
	len = be32_get(p);
	if (len < ENTRY_LENGTH_MIN || len > ENTRY_LENGTH_MAX)
		return entry_bad(why, "bad length");
	if (n < ENTRY_HEADER_LEN)
		return 0;
	e->crc = be32_get(p + OFF_CRC);
	e->id = be64_get(p + OFF_ID);
	e->publish = be64_get(p + OFF_PUBLISH);
	e->event = be64_get(p + OFF_EVENT);
	e->seq = be64_get(p + OFF_SEQ);
	e->producer_len = be16_get(p + OFF_PRODUCER);
	e->key_len = be16_get(p + OFF_KEY);
	e->props_len = be32_get(p + OFF_PROPS);
	if (e->producer_len > ENTRY_PRODUCER_MAX ||
	    e->key_len > ENTRY_KEY_MAX || e->props_len > ENTRY_PROPS_MAX)
		return entry_bad(why, "a field is too long");
	fixed = ENTRY_LENGTH_MIN + (uint64_t)e->producer_len + e->key_len +
	    e->props_len;
	if (fixed > len)
		return entry_bad(why, "fields are longer than the entry");
	if (len - fixed > ENTRY_PAYLOAD_MAX)
		return entry_bad(why, "payload is too long");
	if (n - 4 < len)
		return 0;
	e->payload_len = (uint32_t)(len - fixed);
	e->producer = (const char *)p + ENTRY_HEADER_LEN;
	e->key = e->producer + e->producer_len;
	e->props = (const uint8_t *)e->key + e->key_len;
	e->payload = e->props + e->props_len;
	return 4 + (int64_t)len;
}

static int
entry_text_ok(const char *s, size_t n)
{
	return memchr(s, '\0', n) == NULL && utf8_valid((const uint8_t *)s, n);
}

int
entry_check(const struct entry *e, const char **why)
{
	if (!entry_text_ok(e->producer, e->producer_len))
		return (int)entry_bad(why, "producer name is not UTF-8");
	if (!entry_text_ok(e->key, e->key_len))
		return (int)entry_bad(why, "key is not UTF-8");
	if (props_check(e->props, e->props_len) == -1)
		return (int)entry_bad(why, "properties are not a map");
	return 0;
}

void
entry_stamp(uint8_t *p, size_t size, uint64_t id, uint64_t publish)
{
	be64_put(p + OFF_ID, id);
	be64_put(p + OFF_PUBLISH, publish);
	be32_put(p + OFF_CRC, crc32c(p + OFF_ID, size - OFF_ID));
}

int
entry_crc_ok(const uint8_t *p, size_t size)
{
	return be32_get(p + OFF_CRC) == crc32c(p + OFF_ID, size - OFF_ID);
}
