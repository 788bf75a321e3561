/*
 * Entries: one message as topic-bus takes it, stores it and hands it out
 * (INTERFACES.md section 5). The bytes on the wire are the bytes on disk.
 * Pure: bytes in, struct out.
 */
#ifndef SLUICE_ENTRY_H
#define SLUICE_ENTRY_H

#include <stddef.h>
#include <stdint.h>

#include "buf.h"

#define ENTRY_HEADER_LEN 48
#define ENTRY_LENGTH_MIN 44		   /* value of the length field */
#define ENTRY_LENGTH_MAX (11 * 1024 * 1024)
#define ENTRY_SIZE_MAX (4 + ENTRY_LENGTH_MAX) /* bytes of a whole entry */
#define ENTRY_PRODUCER_MAX 255		   /* bytes */
#define ENTRY_KEY_MAX 4096		   /* bytes */
#define ENTRY_PROPS_MAX (64 * 1024)	   /* bytes */
#define ENTRY_PAYLOAD_MAX (10 * 1024 * 1024)

struct entry {
	uint32_t crc;	  /* as read; entry_put leaves the field zero */
	uint64_t id;	  /* within its ledger; from topic-bus */
	uint64_t publish; /* ns since the epoch; from topic-bus */
	uint64_t event;	  /* ns since the epoch; 0: none */
	uint64_t seq;	  /* the producer's sequence id */
	const char *producer; /* UTF-8, not NUL-terminated, like all below */
	const char *key;
	const uint8_t *props; /* one msgpack map, see lib/props.h */
	const uint8_t *payload;
	uint32_t producer_len, key_len, props_len, payload_len; /* bytes */
};

/* NULL, or what is too long about e; then it cannot be put. */
const char *entry_too_long(const struct entry *e);

/* Bytes e takes; entry_put writes exactly so many. No properties
 * (props_len 0) are written as an empty map. */
size_t entry_size(const struct entry *e);
void entry_put(uint8_t *p, const struct entry *e);

/*
 * The first entry in the n bytes at p. Returns its whole size, 0 when more
 * bytes are needed, -1 when it is malformed (then *why, if not NULL, says
 * how). Only lengths are looked at; e points into p.
 */
int64_t entry_get(const uint8_t *p, size_t n, struct entry *e,
    const char **why);

/*
 * What entry_get does not look at: producer name and key are UTF-8 without
 * a NUL, the properties are one map of strings to scalars. 0, or -1 with
 * *why.
 */
int entry_check(const struct entry *e, const char **why);

/* Writes id and publish time into the entry of size bytes at p, then its
 * crc. */
void entry_stamp(uint8_t *p, size_t size, uint64_t id, uint64_t publish);

/* 1 if the crc of the entry of size bytes at p is right. */
int entry_crc_ok(const uint8_t *p, size_t size);

/* Castagnoli, RFC 3720 B.4. */
uint32_t crc32c(const void *data, size_t n);

#endif
