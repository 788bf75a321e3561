#include "bus_int.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "log.h"

int
bus_read(struct bus *b, const char *topic, const struct bmsg_position *from,
    uint64_t permits)
{
	struct bus_reader *r;
	struct tname t;
	int i;

	if (tname_parse(topic, strlen(topic), &t) == -1)
		return -1;
	for (i = 0; i < BUS_READERS_MAX && b->readers[i].used; i++)
		continue;
	if (i == BUS_READERS_MAX)
		return -1;
	r = &b->readers[i];
	*r = (struct bus_reader){ .used = 1, .topic = strdup(t.full),
		.from = *from, .opened = r->opened,
		.permits = permits < BMSG_PERMITS_MAX ? permits :
							BMSG_PERMITS_MAX };
	if (r->topic == NULL)
		fatal(EX_OSERR, "strdup");
	return i;
}

static void
bus_in_drop(struct bus_reader *r)
{
	free(r->topic);
	*r = (struct bus_reader){ .opened = r->opened };
}

void
bus_read_close(struct bus *b, int reader)
{
	struct bus_reader *r = &b->readers[reader];
	struct bmsg m = { .cmd = BMSG_CLOSE, .reader = r->number };

	/* If it does not leave, the next message for it closes it again. */
	if (r->number != 0)
		bus_emit(b, &m, NULL);
	bus_in_drop(r);
}

int
bus_reading(const struct bus *b)
{
	for (int i = 0; i < BUS_READERS_MAX; i++)
		if (b->readers[i].used && !b->readers[i].reading)
			return 0;
	return 1;
}

/* The reader a message is for, or NULL when it is an earlier one's. */
static struct bus_reader *
bus_in_reader(struct bus *b, uint64_t number)
{
	struct bus_reader *r = &b->readers[number % BUS_READERS_MAX];
	struct bmsg m = { .cmd = BMSG_CLOSE, .reader = number };

	if (r->used && r->number == number)
		return r;
	bus_emit(b, &m, NULL);
	return NULL;
}

static int
bus_in_open(struct bus *b, struct bus_reader *r)
{
	char from[BMSG_FROM_MAX + 1];
	uint64_t i = (uint64_t)(r - b->readers);
	struct bmsg m = { .cmd = BMSG_READ, .topic = bmsg_str(r->topic),
		.conn = bmsg_str(b->conn), .permits = r->permits,
		.reader = (r->opened + 1) * BUS_READERS_MAX + i };

	bmsg_position_put(from, &r->from);
	m.from = bmsg_str(from);
	if (bus_emit(b, &m, NULL) == -1)
		return -1;
	r->opened++;
	r->number = m.reader;
	r->consumed = 0;
	return 0;
}

static int
bus_in_flow(struct bus *b, struct bus_reader *r)
{
	struct bmsg m = { .cmd = BMSG_FLOW, .reader = r->number,
		.permits = r->consumed };

	if (bus_emit(b, &m, NULL) == -1)
		return -1;
	r->consumed = 0;
	return 0;
}

void
bus_in_flush(struct bus *b)
{
	for (struct bus_reader *r = b->readers;
	    r < b->readers + BUS_READERS_MAX; r++) {
		if (!r->used)
			continue;
		if (r->number == 0 && bus_in_open(b, r) == -1)
			return;
		if (r->consumed > r->permits / 2 && bus_in_flow(b, r) == -1)
			return;
	}
}

void
bus_in_restart(struct bus *b)
{
	for (int i = 0; i < BUS_READERS_MAX; i++)
		b->readers[i].number = 0;
}

void
bus_in_reading(struct bus *b, const struct bmsg *m)
{
	struct bus_reader *r = bus_in_reader(b, m->reader);

	if (r == NULL)
		return;
	r->reading = 1;
	r->from = (struct bmsg_position){ .from = BMSG_ID,
		.ledger = m->ledger, .entry = m->entry };
}

void
bus_in_error(struct bus *b, const struct bmsg *m)
{
	struct bus_reader *r = &b->readers[m->reader % BUS_READERS_MAX];
	char text[BMSG_TEXT_MAX + 1];

	if (!r->used || r->number != m->reader)
		return;
	mp_str_copy(m->text, text, sizeof(text));
	log_warnx("%s: %s: %s", r->topic, bmsg_code_name(m->code), text);
	bus_in_drop(r);
	if (b->config.reader_error != NULL)
		b->config.reader_error(b->config.ctx, (int)(r - b->readers),
		    m->code, text);
}

void
bus_in_messages(struct bus *b, const struct bmsg *m, const uint8_t *p,
    size_t n)
{
	struct bus_reader *r = bus_in_reader(b, m->reader);
	uint64_t number = m->reader;
	struct entry e;
	int64_t len;

	/* The callback may close the reader. */
	for (; n > 0 && r != NULL && r->number == number;
	    p += len, n -= (size_t)len) {
		len = entry_get(p, n, &e, NULL);
		if (len <= 0) {
			if (b->stats.malformed++ == 0)
				log_warnx("%s: malformed messages", r->topic);
			return;
		}
		r->consumed++;
		if (!entry_crc_ok(p, (size_t)len)) {
			if (b->stats.crc_errors++ == 0)
				log_warnx("%s: bad crc of a message",
				    r->topic);
			continue;
		}
		r->from = (struct bmsg_position){ .from = BMSG_ID,
			.ledger = m->ledger, .entry = e.id + 1 };
		b->stats.received++;
		b->stats.received_bytes += e.payload_len;
		if (b->config.message != NULL)
			b->config.message(b->config.ctx,
			    (int)(r - b->readers), m->ledger, &e);
	}
}

void
bus_in_free(struct bus *b)
{
	for (int i = 0; i < BUS_READERS_MAX; i++)
		free(b->readers[i].topic);
}
