#include "control.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "log.h"
#include "rec.h"
#include "sock.h"
#include "stage.h"

#define RETRY_NS (CONTROL_RETRY_MS * UINT64_C(1000000))
#define READ_MAX 4096
#define READS_A_TURN 16

void
control_init(struct control *c, const char *endpoint)
{
	*c = (struct control){ .endpoint = endpoint, .fd = -1 };
}

/* Requests are for sessions of that wt-accept: they go with it. A record may
 * have been sent in part, so nothing is kept for the next connection. */
static void
control_close(struct control *c)
{
	size_t size = REC_HEADER_LEN + 4; /* of a STOP_SENDING */

	c->dropped += (buf_len(&c->out) + size - 1) / size;
	close(c->fd);
	c->fd = -1;
	buf_free(&c->in);
	buf_free(&c->out);
}

void
control_free(struct control *c)
{
	if (c->fd != -1)
		control_close(c);
	buf_free(&c->in);
	buf_free(&c->out);
}

void
control_put(struct control *c, const uint8_t *rec, size_t len)
{
	if (c->endpoint == NULL || buf_len(&c->out) + len > CONTROL_OUT_MAX) {
		c->dropped++;
		return;
	}
	buf_append(&c->out, rec, len);
	c->requests++;
}

static void
control_lost(struct control *c, uint64_t now, const char *why)
{
	log_warnx("control %s: %s", c->endpoint, why);
	control_close(c);
	c->complained = 1;
	c->retry_at = now + RETRY_NS;
}

/* What wt-accept says back; -1 when it makes no sense. */
static int
control_records(struct control *c)
{
	const char *why;
	struct rec r;
	int64_t n;

	while ((n = rec_get(buf_data(&c->in), buf_len(&c->in), &r, &why)) > 0) {
		if (r.type == REC_REFUSED) {
			/* The stream ended meanwhile, mostly. */
			c->refused++;
			log_debug("control %s: refused: %.*s", c->endpoint,
			    (int)(r.len - 9), (const char *)r.payload + 9);
		}
		buf_consume(&c->in, (size_t)n);
	}
	if (n == 0 && buf_len(&c->in) <= CONTROL_OUT_MAX)
		return 0;
	c->malformed++;
	return -1;
}

void
control_io(struct control *c, uint64_t now)
{
	enum stage_io io = STAGE_IO_OK;

	if (c->fd == -1)
		return;
	for (int i = 0; i < READS_A_TURN && io == STAGE_IO_OK; i++) {
		io = stage_read(c->fd, &c->in, READ_MAX);
		if (io == STAGE_IO_OK && control_records(c) == -1) {
			control_lost(c, now, "malformed record");
			return;
		}
	}
	if (io == STAGE_IO_OK || io == STAGE_IO_AGAIN)
		io = stage_write(c->fd, &c->out);
	if (io == STAGE_IO_EOF)
		control_lost(c, now, "closed by wt-accept");
	else if (io == STAGE_IO_ERROR)
		control_lost(c, now, strerror(errno));
}

uint64_t
control_tick(struct control *c, uint64_t now)
{
	if (c->endpoint == NULL || c->fd != -1)
		return UINT64_MAX;
	if (now < c->retry_at)
		return c->retry_at - now;
	c->fd = sock_connect_try(c->endpoint, 0);
	if (c->fd == -1) {
		if (!c->complained)
			log_warn("control %s", c->endpoint);
		c->complained = 1;
		c->retry_at = now + RETRY_NS;
		return RETRY_NS;
	}
	if (c->complained)
		log_info("control %s: connected", c->endpoint);
	c->complained = 0;
	c->connects++;
	return UINT64_MAX;
}

uint32_t
control_events(const struct control *c)
{
	return EPOLLIN | (buf_len(&c->out) > 0 ? EPOLLOUT : 0);
}
