/* sinkdrive's parts: payloads to send, and a topic-bus that stores nothing. */
#ifndef TESTS_SINKDRIVE_H
#define TESTS_SINKDRIVE_H

#include <stddef.h>
#include <stdint.h>

/* Payloads by number, in turn: the same number is the same bytes. */
#define PAYLOADS_MAX 64

struct payloads {
	size_t size;	    /* bytes, for what is made */
	uint64_t bad_every; /* every so many-th is broken; 0: none */
	uint8_t *data[PAYLOADS_MAX];
	size_t len[PAYLOADS_MAX];
	size_t n;
};

/* Adds one: jpeg, vp8, pcm, chat, or a file. Exits EX_NOINPUT when there is
 * no such file. */
void payloads_add(struct payloads *p, const char *kind);
const uint8_t *payloads_get(const struct payloads *p, uint64_t i, size_t *n);
void payloads_free(struct payloads *p);

/* Answers pings and sends, counts, keeps what producers sent twice apart. */
struct fakebus {
	void *socket;
	uint64_t good, rejected; /* messages by topic */
	uint64_t duplicates;	 /* messages that came before */
	uint64_t disorder;	 /* first-time messages behind a gap */
	uint64_t malformed;
	uint64_t next[64]; /* by stream / 4: lowest number not seen */
};

void fakebus_open(struct fakebus *b, void *zmq, const char *endpoint);
/* Takes all there is. */
void fakebus_receive(struct fakebus *b);

#endif
