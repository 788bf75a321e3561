/*
 * Delivery messages. The input is three frames: two lengths of 2 bytes, then
 * frame 0, frame 1, and the rest as frame 2. What decodes must come out the
 * same after being encoded and decoded again.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "be.h"
#include "dmsg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_hello(const struct dmsg_hello *a)
{
	struct buf b = { 0 };
	struct dmsg m;

	dmsg_put_hello(&b, a);
	if (dmsg_get(buf_data(&b), buf_len(&b), &m, NULL) != 0 ||
	    m.cmd != DMSG_HELLO || m.hello.version != a->version ||
	    m.hello.nheaders != a->nheaders ||
	    strcmp(m.hello.route, a->route) != 0 ||
	    strcmp(m.hello.service, a->service) != 0)
		abort();
	buf_free(&b);
}

static void
check_grant(const struct dmsg_grant *a)
{
	struct buf b = { 0 };
	struct dmsg m;

	dmsg_put_grant(&b, a);
	if (dmsg_get(buf_data(&b), buf_len(&b), &m, NULL) != 0 ||
	    m.cmd != DMSG_GRANT || m.grant.acked != a->acked ||
	    m.grant.packets != a->packets || m.grant.bytes != a->bytes ||
	    strcmp(m.grant.route, a->route) != 0 ||
	    strcmp(m.grant.sink, a->sink) != 0)
		abort();
	buf_free(&b);
}

static void
check_packets(const struct dmsg_packets *p, const uint8_t *f1, size_t n1,
    const uint8_t *f2, size_t n2)
{
	struct dmsg_iter it;
	uint64_t number, count = 0;
	size_t len, sum = 0;
	struct rec r;

	if (dmsg_iter_init(&it, p, f1, n1, f2, n2, NULL) == -1)
		return;
	while ((len = dmsg_iter_next(&it, &number, &r)) > 0) {
		if (r.payload + r.len > f2 + n2)
			abort();
		sum += len;
		count++;
	}
	if (sum != n2 || count != p->count)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t n0, n1;
	struct dmsg m;

	if (size < 4)
		return 0;
	n0 = be16_get(data);
	n1 = be16_get(data + 2);
	data += 4;
	size -= 4;
	if (n0 > size)
		n0 = size;
	if (n1 > size - n0)
		n1 = size - n0;
	if (dmsg_get(data, n0, &m, NULL) == -1)
		return 0;
	if (m.cmd == DMSG_HELLO)
		check_hello(&m.hello);
	else if (m.cmd == DMSG_GRANT)
		check_grant(&m.grant);
	else if (m.cmd == DMSG_PACKETS)
		check_packets(&m.packets, data + n0, n1, data + n0 + n1,
		    size - n0 - n1);
	return 0;
}
