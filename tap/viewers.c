#include "viewers.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "sock.h"
#include "stage.h"

#define LINE_ROOM 1024 /* most lines are shorter */
#define INPUT_MAX 4096

void
viewers_poll(const struct viewers *vs, struct pollfd *fds)
{
	fds[VIEWERS_MAX] = (struct pollfd){ .fd = vs->listener,
		.events = POLLIN };
	for (int i = 0; i < VIEWERS_MAX; i++) {
		const struct viewer *v = &vs->v[i];

		fds[i] = (struct pollfd){ .fd = v->fd > 0 ? v->fd : -1 };
		if (!v->silent)
			fds[i].events |= POLLIN;
		if (buf_len(&v->out) > 0)
			fds[i].events |= POLLOUT;
	}
}

static void
viewer_leave(struct viewers *vs, struct viewer *v)
{
	log_debug("a viewer left");
	close(v->fd);
	buf_free(&v->out);
	*v = (struct viewer){ 0 };
	vs->active--;
}

static void
viewers_accept(struct viewers *vs)
{
	static const char full[] = "{\"error\":\"too many viewers\"}\n";
	int fd = sock_accept(vs->listener);

	if (fd == -1)
		return;
	for (int i = 0; i < VIEWERS_MAX; i++) {
		if (vs->v[i].fd > 0)
			continue;
		vs->v[i] = (struct viewer){ .fd = fd };
		vs->active++;
		vs->total++;
		log_debug("a viewer came");
		return;
	}
	vs->refused++;
	if (write(fd, full, sizeof(full) - 1) == -1)
		log_debug("a viewer too many, and gone");
	close(fd);
}

/* Appends it, behind word of what was lost; 0 when there is no room. */
static int
viewer_put(const struct viewers *vs, struct viewer *v, const void *line,
    size_t n)
{
	char lost[64];
	size_t len = 0;

	if (v->lost > 0)
		len = (size_t)snprintf(lost, sizeof(lost),
		    "{\"lost\":%" PRIu64 "}\n", v->lost);
	if (buf_len(&v->out) + len + n > vs->max_bytes)
		return 0;
	buf_append(&v->out, lost, len);
	buf_append(&v->out, line, n);
	v->lost = 0;
	return 1;
}

/* What a viewer says is read so that its end is seen, and forgotten. */
static void
viewer_read(struct viewers *vs, struct viewer *v)
{
	char input[INPUT_MAX];
	ssize_t n = read(v->fd, input, sizeof(input));

	if (n == 0)
		v->silent = 1;
	else if (n == -1 && errno != EAGAIN && errno != EINTR)
		viewer_leave(vs, v);
}

static void
viewer_write(struct viewers *vs, struct viewer *v)
{
	enum stage_io io = stage_write(v->fd, &v->out);

	if (io == STAGE_IO_EOF || io == STAGE_IO_ERROR)
		viewer_leave(vs, v);
	else if (v->lost > 0)
		viewer_put(vs, v, "", 0); /* there may be no next line */
}

void
viewers_serve(struct viewers *vs, const struct pollfd *fds)
{
	for (int i = 0; i < VIEWERS_MAX; i++) {
		struct viewer *v = &vs->v[i];

		if (v->fd > 0 && fds[i].revents & POLLOUT)
			viewer_write(vs, v);
		if (v->fd > 0 && fds[i].revents & POLLIN)
			viewer_read(vs, v);
		else if (v->fd > 0 && fds[i].revents & (POLLHUP | POLLERR))
			viewer_leave(vs, v);
	}
	if (fds[VIEWERS_MAX].revents != 0)
		viewers_accept(vs);
}

int
viewers_have_room(const struct viewers *vs)
{
	for (int i = 0; i < VIEWERS_MAX; i++)
		if (vs->v[i].fd > 0 &&
		    buf_len(&vs->v[i].out) + LINE_ROOM <= vs->max_bytes)
			return 1;
	return 0;
}

void
viewers_put(struct viewers *vs, const void *line, size_t n)
{
	for (int i = 0; i < VIEWERS_MAX; i++) {
		struct viewer *v = &vs->v[i];

		if (v->fd <= 0)
			continue;
		if (viewer_put(vs, v, line, n)) {
			vs->lines++;
		} else {
			v->lost++;
			vs->lost++;
		}
	}
}

void
viewers_lose(struct viewers *vs, uint64_t n)
{
	for (int i = 0; i < VIEWERS_MAX; i++) {
		if (vs->v[i].fd <= 0)
			continue;
		vs->v[i].lost += n;
		vs->lost += n;
	}
}

int
viewers_pending(const struct viewers *vs)
{
	for (int i = 0; i < VIEWERS_MAX; i++)
		if (buf_len(&vs->v[i].out) > 0)
			return 1;
	return 0;
}

void
viewers_close(struct viewers *vs)
{
	for (int i = 0; i < VIEWERS_MAX; i++)
		if (vs->v[i].fd > 0)
			viewer_leave(vs, &vs->v[i]);
	if (vs->listener != -1)
		close(vs->listener);
}
