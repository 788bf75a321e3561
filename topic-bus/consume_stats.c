#include "consume.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "hist.h"
#include "log.h"

#define PRODUCERS_MAX 65536 /* followed in one topic */
#define BUCKETS 4096

struct producer {
	struct producer *next;
	uint64_t last; /* sequence id */
	uint32_t len;
	char name[];
};

struct consume_stats {
	char *topic;
	uint64_t messages, bytes;
	uint64_t first, last; /* CLOCK_MONOTONIC ns */
	struct hist age;      /* ns */
	int check_seq;
	uint64_t lost;	 /* sequence ids jumped over */
	uint64_t repeated; /* sequence ids not above the last one */
	uint64_t producers, unfollowed;
	struct producer *buckets[BUCKETS];
};

struct consume_stats *
consume_stats_new(const char *topic, int check_seq)
{
	struct consume_stats *s = calloc(1, sizeof(*s));

	if (s == NULL || (s->topic = strdup(topic)) == NULL)
		fatal(EX_OSERR, "calloc");
	s->check_seq = check_seq;
	return s;
}

void
consume_stats_free(struct consume_stats *s)
{
	struct producer *p;

	for (size_t i = 0; i < BUCKETS; i++)
		while ((p = s->buckets[i]) != NULL) {
			s->buckets[i] = p->next;
			free(p);
		}
	free(s->topic);
	free(s);
}

/* Compares with the last sequence id of the same producer. */
static void
consume_seq(struct consume_stats *s, const struct entry *e)
{
	uint32_t h = 2166136261u;
	struct producer **at, *p;

	for (uint32_t i = 0; i < e->producer_len; i++)
		h = (h ^ (unsigned char)e->producer[i]) * 16777619u;
	at = &s->buckets[(h ^ h >> 16) % BUCKETS];
	for (p = *at; p != NULL; p = p->next)
		if (p->len == e->producer_len &&
		    memcmp(p->name, e->producer, p->len) == 0)
			break;
	if (p == NULL && s->producers == PRODUCERS_MAX) {
		s->unfollowed++;
		return;
	}
	if (p == NULL) {
		p = malloc(sizeof(*p) + e->producer_len);
		if (p == NULL)
			fatal(EX_OSERR, "malloc");
		p->len = e->producer_len;
		memcpy(p->name, e->producer, p->len);
		p->next = *at;
		*at = p;
		s->producers++;
	} else if (e->seq <= p->last) {
		s->repeated++;
		return;
	} else {
		s->lost += e->seq - p->last - 1;
	}
	p->last = e->seq;
}

void
consume_stats_add(struct consume_stats *s, const struct entry *e,
    uint64_t now, uint64_t mono)
{
	if (s->messages++ == 0)
		s->first = mono;
	s->last = mono;
	s->bytes += e->payload_len;
	hist_add(&s->age, consume_age(e, now));
	if (s->check_seq)
		consume_seq(s, e);
}

void
consume_stats_print(const struct consume_stats *s, struct buf *out)
{
	double t = (double)(s->last - s->first) / 1e9;
	double rate = t > 0 ? (double)s->messages / t : 0;
	double mbit = t > 0 ? (double)s->bytes * 8 / 1e6 / t : 0;
	char line[1024];
	int n;

	n = snprintf(line, sizeof(line),
	    "%s: %" PRIu64 " messages, %" PRIu64 " bytes, %.3f s, %.1f msg/s,"
	    " %.2f Mbit/s, latency p50 %.3f ms p99 %.3f ms max %.3f ms",
	    s->topic, s->messages, s->bytes, t, rate, mbit,
	    (double)hist_quantile(&s->age, 0.5) / 1e6,
	    (double)hist_quantile(&s->age, 0.99) / 1e6,
	    (double)s->age.max / 1e6);
	buf_append(out, line, (size_t)n);
	if (s->check_seq) {
		n = snprintf(line, sizeof(line),
		    ", %" PRIu64 " producers, lost %" PRIu64
		    ", repeated %" PRIu64 ", unfollowed %" PRIu64,
		    s->producers, s->lost, s->repeated, s->unfollowed);
		buf_append(out, line, (size_t)n);
	}
	buf_append(out, "\n", 1);
}
