/*
 * Messages of topic-bus. What decodes must come out the same after being
 * encoded and decoded again; the same for the map of the live feed.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "bmsg.h"
#include "props.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
same(struct mp_str a, struct mp_str b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static void
check_command(const struct bmsg *a)
{
	struct buf b = { 0 };
	struct bmsg m;

	bmsg_put(&b, a);
	if (bmsg_get(buf_data(&b), buf_len(&b), &m, NULL) != 0 ||
	    m.cmd != a->cmd || m.batch != a->batch || m.reader != a->reader ||
	    m.count != a->count || m.epoch != a->epoch ||
	    m.permits != a->permits || m.ledger != a->ledger ||
	    m.entry != a->entry || m.code != a->code ||
	    !same(m.topic, a->topic) || !same(m.conn, a->conn) ||
	    !same(m.bus, a->bus) || !same(m.from, a->from) ||
	    !same(m.text, a->text))
		abort();
	buf_free(&b);
}

static void
check_feed(const struct bmsg_feed *a)
{
	struct buf b = { 0 };
	struct bmsg_feed f;

	bmsg_put_feed(&b, a);
	if (bmsg_get_feed(buf_data(&b), buf_len(&b), &f, NULL) != 0 ||
	    f.ledger != a->ledger || f.e.id != a->e.id ||
	    f.e.seq != a->e.seq || f.e.props_len != a->e.props_len)
		abort();
	buf_free(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bmsg_position p;
	struct bmsg_feed f;
	struct tname t;
	struct bmsg m;

	if (bmsg_get_feed(data, size, &f, NULL) == 0)
		check_feed(&f);
	if (bmsg_get(data, size, &m, NULL) == -1)
		return 0;
	if (m.cmd == BMSG_TOPIC_LIST) {
		while (bmsg_list_next(&m, &t))
			continue;
	} else if (m.cmd != BMSG_UNKNOWN) {
		check_command(&m);
	}
	if (m.cmd == BMSG_READ)
		bmsg_position_get(m.from, &p);
	return 0;
}
