#include "sync.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sysexits.h>
#include <unistd.h>

#include "log.h"

void
sync_init(struct sync *y, enum sync_policy policy, uint64_t interval,
    struct files *files)
{
	*y = (struct sync){ .policy = policy, .interval = interval,
		.files = files };
	y->dirty_tail = &y->dirty;
	y->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (y->fd == -1)
		fatal(EX_OSERR, "eventfd");
	if (policy != SYNC_NONE &&
	    syscall(SYS_io_setup, SYNC_SLOTS, &y->aio) == -1) {
		log_warn("io_setup: fdatasync will hold up the loop");
		y->aio = 0;
	}
}

void
sync_free(struct sync *y)
{
	if (y->aio != 0)
		syscall(SYS_io_destroy, y->aio);
	close(y->fd);
}

void
sync_mark(struct sync *y, struct segment *s)
{
	if (y->policy == SYNC_NONE || s->dirty)
		return;
	s->dirty = 1;
	s->sync_next = NULL;
	*y->dirty_tail = s;
	y->dirty_tail = &s->sync_next;
	files_pin(y->files, &s->file);
}

static struct segment *
sync_take(struct sync *y)
{
	struct segment *s = y->dirty;

	y->dirty = s->sync_next;
	if (y->dirty == NULL)
		y->dirty_tail = &y->dirty;
	s->dirty = 0;
	s->syncing = s->size;
	return s;
}

/* Releases the pin sync_mark has set and tells the owner. */
static void
sync_finish(struct sync *y, struct segment *s, int err)
{
	y->syncs++;
	if (err != 0)
		y->failures++;
	else
		s->synced = s->syncing;
	files_unpin(y->files, &s->file);
	y->done(y->ctx, s, err);
}

static void
sync_blocking(struct sync *y, struct segment *s)
{
	sync_finish(y, s, fdatasync(s->file.fd) == -1 ? errno : 0);
}

/* 0, or -1 when there is no room for another one. */
static int
sync_submit(struct sync *y, struct segment *s, uint64_t now)
{
	struct iocb cb, *list[] = { &cb };
	int i;

	for (i = 0; i < SYNC_SLOTS && y->slots[i] != NULL; i++)
		continue;
	if (i == SYNC_SLOTS)
		return -1;
	memset(&cb, 0, sizeof(cb));
	cb.aio_data = (uint64_t)i;
	cb.aio_lio_opcode = IOCB_CMD_FDSYNC;
	cb.aio_fildes = (uint32_t)s->file.fd;
	cb.aio_flags = IOCB_FLAG_RESFD;
	cb.aio_resfd = (uint32_t)y->fd;
	if (syscall(SYS_io_submit, y->aio, 1, list) != 1)
		return -1;
	y->slots[i] = s;
	y->started[i] = now;
	s->flying = 1;
	return 0;
}

/* Segments that are under way already wait for their next turn. */
static void
sync_start(struct sync *y, uint64_t now)
{
	struct segment *again = NULL, **tail = &again, *s;
	uint64_t size;

	while (y->dirty != NULL) {
		size = y->dirty->syncing;
		s = sync_take(y);
		if (!s->flying) {
			if (y->aio == 0 || sync_submit(y, s, now) == -1)
				sync_blocking(y, s);
			continue;
		}
		s->syncing = size;
		s->dirty = 1;
		s->sync_next = NULL;
		*tail = s;
		tail = &s->sync_next;
	}
	*tail = NULL;
	y->dirty = again;
	y->dirty_tail = again != NULL ? tail : &y->dirty;
}

void
sync_run(struct sync *y, uint64_t now)
{
	if (y->dirty == NULL)
		return;
	if (y->policy == SYNC_INTERVAL) {
		if (now < y->next)
			return;
		y->next = now + y->interval;
	}
	sync_start(y, now);
}

uint64_t
sync_timeout(const struct sync *y, uint64_t now)
{
	if (y->policy != SYNC_INTERVAL || y->dirty == NULL)
		return UINT64_MAX;
	return y->next > now ? y->next - now : 0;
}

static int
sync_events(struct sync *y, long min, uint64_t now)
{
	struct io_event ev[SYNC_SLOTS];
	long n = syscall(SYS_io_getevents, y->aio, min, (long)SYNC_SLOTS, ev,
	    NULL);

	for (long i = 0; i < n; i++) {
		struct segment *s = y->slots[ev[i].data];

		y->last_ms = (double)(now - y->started[ev[i].data]) / 1e6;
		y->slots[ev[i].data] = NULL;
		s->flying = 0;
		sync_finish(y, s, ev[i].res < 0 ? (int)-ev[i].res : 0);
	}
	return n > 0;
}

void
sync_reap(struct sync *y, uint64_t now)
{
	uint64_t count;

	if (read(y->fd, &count, sizeof(count)) != sizeof(count) || y->aio == 0)
		return;
	while (sync_events(y, 0, now))
		continue;
}

void
sync_segment(struct sync *y, struct segment *s, uint64_t now)
{
	while (s->flying)
		sync_events(y, 1, now);
	if (y->policy == SYNC_NONE || s->synced == s->size)
		return;
	/* It stays in the list; another fdatasync there has nothing to do. */
	s->syncing = s->size;
	files_pin(y->files, &s->file);
	sync_blocking(y, s);
}

void
sync_all(struct sync *y, uint64_t now)
{
	int flying = 1;

	while (flying) {
		flying = 0;
		for (int i = 0; i < SYNC_SLOTS; i++)
			flying |= y->slots[i] != NULL;
		if (flying)
			sync_events(y, 1, now);
	}
	while (y->dirty != NULL)
		sync_blocking(y, sync_take(y));
}
