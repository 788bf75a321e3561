#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "be.h"
#include "log.h"
#include "opt.h"
#include "sinkdrive.h"

#define FILE_SIZE_MAX (16 << 20)
#define BAD_LEN 5

/* The fixed parts of each kind; the rest is filler. */
#define JPEG_HEAD "\xff\xd8\xff\xc0\0\x0b\x08\x01\xe0\x02\x80\x01\x01\x11\0" \
	"\xff\xda\0\x08\x01\x01\0\0\x3f\0"
#define JPEG_TAIL "\xff\xd9"
#define VP8_HEAD "WCV1\x01\x01\0\0\x01\x40\0\xf0\0\0\0\0\0\0\0\x01\0\0\0\0" \
	"\x90\0\0\x9d\x01\x2a\x40\x01\xf0\0"
#define PCM_HEAD "PCM1\0\0\xac\x44\0\x01\0\x10\0\0\0\0\0\0\0\x01"
#define CHAT_HEAD "{\"message_id\":1,\"timestamp\":1700000000.5," \
	"\"user\":\"ann\",\"type\":\"text\",\"message\":\""
#define CHAT_TAIL "\"}"

#define PART(s) s, sizeof(s) - 1

static const struct {
	const char *kind, *head;
	size_t headlen;
	const char *tail;
	size_t taillen;
} kinds[] = {
	{ "jpeg", PART(JPEG_HEAD), PART(JPEG_TAIL) },
	{ "vp8", PART(VP8_HEAD), PART("") },
	{ "pcm", PART(PCM_HEAD), PART("") },
	{ "chat", PART(CHAT_HEAD), PART(CHAT_TAIL) },
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static uint8_t *
alloc(size_t n)
{
	uint8_t *p = calloc(n + 1, 1);

	if (p == NULL)
		fatal(EX_OSERR, "calloc");
	return p;
}

static void
payload_file(struct payloads *p, const char *name)
{
	FILE *f = fopen(name, "rb");

	if (f == NULL)
		fatal(EX_NOINPUT, "%s", name);
	p->data[p->n] = alloc(FILE_SIZE_MAX);
	p->len[p->n] = fread(p->data[p->n], 1, FILE_SIZE_MAX, f);
	fclose(f);
}

static void
payload_kind(struct payloads *p, size_t k)
{
	size_t n = kinds[k].headlen + kinds[k].taillen;
	uint8_t *d;

	n = p->size > n ? p->size : n;
	d = p->data[p->n] = alloc(n);
	p->len[p->n] = n;
	memset(d, 'a', n);
	memcpy(d, kinds[k].head, kinds[k].headlen);
	memcpy(d + n - kinds[k].taillen, kinds[k].tail, kinds[k].taillen);
}

void
payloads_add(struct payloads *p, const char *kind)
{
	size_t k = 0;

	while (k < KINDS && strcmp(kinds[k].kind, kind) != 0)
		k++;
	if (p->n == PAYLOADS_MAX)
		fatalx(EX_USAGE, "too many payloads");
	if (k < KINDS)
		payload_kind(p, k);
	else
		payload_file(p, kind);
	p->n++;
}

const uint8_t *
payloads_get(const struct payloads *p, uint64_t i, size_t *n)
{
	size_t which = i % p->n;

	*n = p->len[which];
	/* No kind is good with this much of it. */
	if (p->bad_every > 0 && (i + 1) % p->bad_every == 0 && *n > BAD_LEN)
		*n = BAD_LEN;
	return p->data[which];
}

void
payloads_free(struct payloads *p)
{
	for (size_t i = 0; i < p->n; i++)
		free(p->data[i]);
}
