#include "recording.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"

#define NS_PER_MS UINT64_C(1000000)
#define RECORDING_MODE 0640
#define RECORDING_DIR_MODE 0750

void
recording_name(char out[RECORDING_NAME_MAX], const char *name,
    uint64_t session, const char *track, const char *ext)
{
	static const char safe[] = "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
	int n = snprintf(out, RECORDING_NAME_MAX, "%.20s-%016" PRIx64 "-%s",
	    name, session, track[0] == '\0' ? "%00" : "");

	for (int i = 0; i < TRACK_ID_LEN && track[i] != '\0'; i++)
		n += snprintf(out + n, RECORDING_NAME_MAX - (size_t)n,
		    strchr(safe, track[i]) != NULL ? "%c" : "%%%02X",
		    (unsigned char)track[i]);
	snprintf(out + n, RECORDING_NAME_MAX - (size_t)n, ".%.20s", ext);
}

int
recorder_open(struct recorder *rr, const char *name, const char *dir,
    uint64_t max_bytes, uint64_t max_files)
{
	memset(rr, 0, sizeof(*rr));
	rr->name = name;
	rr->dir = -1;
	rr->max_bytes = max_bytes;
	rr->max_files = max_files;
	if (dir == NULL)
		return 0;
	if (mkdir(dir, RECORDING_DIR_MODE) == -1 && errno != EEXIST) {
		log_warn("--record %s", dir);
		return -1;
	}
	/* A file over the limit of the process is an error like any other. */
	signal(SIGXFSZ, SIG_IGN);
	rr->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (rr->dir == -1) {
		log_warn("--record %s", dir);
		return -1;
	}
	return 0;
}

static int
write_all(int fd, const uint8_t *p, size_t n, off_t at)
{
	while (n > 0) {
		ssize_t w = pwrite(fd, p, n, at);

		if (w == -1 && errno == EINTR)
			continue;
		if (w <= 0)
			return -1;
		p += w;
		n -= (size_t)w;
		at += w;
	}
	return 0;
}

/* Keeps the slot, so that the file is not tried again with every packet. */
static void
recording_give_up(struct recorder *rr, struct recording *r, const char *what)
{
	char name[RECORDING_NAME_MAX];

	recording_name(name, rr->name, r->session, r->track, r->ext);
	log_warn("recording %s: %s", name, what);
	rr->stats.errors++;
	if (r->fd != -1)
		close(r->fd);
	r->fd = -1;
	r->flush_at = 0;
	buf_free(&r->held);
}

/* The content first, then the header that speaks of it. */
static void
recording_flush(struct recorder *rr, struct recording *r)
{
	size_t n = buf_len(&r->held);
	off_t at = (off_t)(r->header_len + r->size - n);

	if (r->flush_at == 0)
		return;
	if (write_all(r->fd, buf_data(&r->held), n, at) == -1 ||
	    write_all(r->fd, r->header, r->header_len, 0) == -1) {
		recording_give_up(rr, r, "write");
		return;
	}
	rr->stats.bytes += n;
	r->flush_at = 0;
	buf_consume(&r->held, n);
}

static void
recording_close(struct recorder *rr, struct recording *r)
{
	if (r->fd != -1)
		recording_flush(rr, r);
	if (r->fd != -1)
		close(r->fd);
	buf_free(&r->held);
	memset(r, 0, sizeof(*r));
	rr->stats.open--;
}

static int
limit_reached(struct recorder *rr)
{
	const char *what = NULL;

	if (rr->stats.bytes >= rr->max_bytes)
		what = "--record-bytes";
	else if (rr->stats.files >= rr->max_files)
		what = "--record-files";
	if (what != NULL && !rr->logged)
		log_warnx("%s reached: what is new is not recorded", what);
	rr->logged = what != NULL;
	return what != NULL;
}

/* A free slot, or the one that was not used for the longest time. */
static struct recording *
slot_take(struct recorder *rr)
{
	struct recording *old = &rr->files[0];

	for (int i = 0; i < RECORDING_OPEN_MAX; i++) {
		struct recording *r = &rr->files[i];

		if (!r->in_use)
			return r;
		if (r->used < old->used)
			old = r;
	}
	recording_close(rr, old);
	return old;
}

static void
file_open(struct recorder *rr, struct recording *r,
    const struct recording_format *f, const void *arg)
{
	char name[RECORDING_NAME_MAX];
	struct stat st;

	recording_name(name, rr->name, r->session, r->track, r->ext);
	r->fd = openat(rr->dir, name, O_RDWR | O_CREAT | O_NOFOLLOW |
	    O_NONBLOCK | O_CLOEXEC, RECORDING_MODE);
	if (r->fd == -1 || fstat(r->fd, &st) == -1) {
		recording_give_up(rr, r, "open");
		return;
	}
	/* The lock keeps two sinks from writing over each other. */
	if (!S_ISREG(st.st_mode) || flock(r->fd, LOCK_EX | LOCK_NB) == -1) {
		errno = S_ISREG(st.st_mode) ? errno : EINVAL;
		recording_give_up(rr, r, "not ours alone");
		return;
	}
	if (st.st_size == 0) {
		f->create(r, arg);
	} else if (f->resume(r, r->fd, (uint64_t)st.st_size, arg) == -1) {
		errno = EEXIST;
		recording_give_up(rr, r, "not to be continued");
		return;
	}
	if (ftruncate(r->fd, (off_t)(r->header_len + r->size)) == -1) {
		recording_give_up(rr, r, "cut to what is whole");
		return;
	}
	rr->stats.files++;
}

struct recording *
recording_get(struct recorder *rr, uint64_t session, const char *track,
    const struct recording_format *f, const void *arg, uint64_t now)
{
	struct recording *r = NULL;

	if (rr->dir == -1)
		return NULL;
	for (int i = 0; i < RECORDING_OPEN_MAX && r == NULL; i++) {
		struct recording *c = &rr->files[i];

		if (c->in_use && c->session == session && c->ext == f->ext &&
		    strcmp(c->track, track) == 0)
			r = c;
	}
	if (r == NULL && !limit_reached(rr)) {
		r = slot_take(rr);
		memset(r, 0, sizeof(*r));
		r->in_use = 1;
		r->session = session;
		r->ext = f->ext;
		snprintf(r->track, sizeof(r->track), "%s", track);
		rr->stats.open++;
		file_open(rr, r, f, arg);
	}
	if (r != NULL)
		r->used = now;
	if (r == NULL || r->fd == -1 || r->size >= RECORDING_SIZE_MAX ||
	    rr->stats.bytes >= rr->max_bytes) {
		rr->stats.skipped++;
		return NULL;
	}
	return r;
}

void
recording_append(struct recording *r, const void *data, size_t n,
    uint64_t now)
{
	buf_append(&r->held, data, n);
	r->size += n;
	if (r->flush_at == 0)
		r->flush_at = now + RECORDING_FLUSH_MS * NS_PER_MS;
}

void
recording_skip(struct recorder *rr)
{
	rr->stats.skipped++;
}

uint64_t
recorder_tick(struct recorder *rr, uint64_t now)
{
	uint64_t next = UINT64_MAX;

	if (rr->dir == -1 || rr->stats.open == 0)
		return next;
	for (int i = 0; i < RECORDING_OPEN_MAX; i++) {
		struct recording *r = &rr->files[i];

		if (!r->in_use || r->flush_at == 0)
			continue;
		if (now >= r->flush_at ||
		    buf_len(&r->held) >= RECORDING_FLUSH_BYTES)
			recording_flush(rr, r);
		else if (r->flush_at - now < next)
			next = r->flush_at - now;
	}
	return next;
}

void
recorder_close_session(struct recorder *rr, uint64_t session)
{
	for (int i = 0; i < RECORDING_OPEN_MAX; i++)
		if (rr->files[i].in_use && rr->files[i].session == session)
			recording_close(rr, &rr->files[i]);
}

void
recorder_close(struct recorder *rr)
{
	for (int i = 0; i < RECORDING_OPEN_MAX; i++)
		if (rr->files[i].in_use)
			recording_close(rr, &rr->files[i]);
	if (rr->dir != -1)
		close(rr->dir);
	rr->dir = -1;
}
