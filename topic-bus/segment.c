#include "segment.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "be.h"
#include "log.h"

static const char magic[8] = "sluicelg";

void
segment_name(char *name, uint64_t ledger)
{
	snprintf(name, SEGMENT_NAME_LEN + 1, "%016" PRIx64 ".log", ledger);
}

int
segment_name_get(const char *name, uint64_t *ledger)
{
	char again[SEGMENT_NAME_LEN + 1];

	*ledger = strtoull(name, NULL, 16);
	segment_name(again, *ledger);
	return strcmp(name, again) == 0 ? 0 : -1;
}

void
segment_header_put(uint8_t *p, uint64_t ledger, uint64_t created)
{
	memcpy(p, magic, sizeof(magic));
	be32_put(p + 8, SEGMENT_VERSION);
	be64_put(p + 16, ledger);
	be64_put(p + 24, created);
	be32_put(p + 12, crc32c(p + 16, 16));
}

int
segment_header_get(const uint8_t *p, uint64_t ledger, uint64_t *created,
    const char **why)
{
	if (memcmp(p, magic, sizeof(magic)) != 0)
		*why = "not a log";
	else if (be32_get(p + 8) != SEGMENT_VERSION)
		*why = "unknown version";
	else if (be32_get(p + 12) != crc32c(p + 16, 16))
		*why = "header has a bad crc";
	else if (be64_get(p + 16) != ledger)
		*why = "header names another ledger";
	else {
		*created = be64_get(p + 24);
		return 0;
	}
	return -1;
}

static int
segment_path(const struct segment *s, char *path)
{
	char name[SEGMENT_NAME_LEN + 1];

	segment_name(name, s->ledger);
	if (snprintf(path, PATH_MAX, "%s/%s", s->path, name) >= PATH_MAX) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return 0;
}

struct segment *
segment_new(struct segment_dir *in, const char *path, uint64_t ledger)
{
	struct segment *s = calloc(1, sizeof(*s));

	if (s == NULL)
		fatal(EX_OSERR, "calloc");
	s->file.fd = -1;
	s->in = in;
	s->path = path;
	s->ledger = ledger;
	s->size = s->visible = SEGMENT_HEADER_LEN;
	return s;
}

void
segment_free(struct segment *s)
{
	files_close(&s->in->files, &s->file);
	free(s->index);
	free(s);
}

/* The descriptor, opened again if it was closed to make room. */
static int
segment_fd(struct segment *s)
{
	char path[PATH_MAX];
	int fd;

	if (s->file.fd != -1) {
		files_touch(&s->in->files, &s->file);
		return s->file.fd;
	}
	if (segment_path(s, path) == -1)
		return -1;
	fd = openat(s->in->root, path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd != -1)
		files_add(&s->in->files, &s->file, fd);
	return fd;
}

/* The name of a new file must survive a power cut, too. */
static int
segment_sync_dir(const struct segment *s)
{
	int fd = openat(s->in->root, s->path,
	    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc;

	if (fd == -1)
		return -1;
	rc = fsync(fd);
	close(fd);
	return rc;
}

int
segment_create(struct segment *s, uint64_t created)
{
	uint8_t header[SEGMENT_HEADER_LEN];
	char path[PATH_MAX];
	int fd, err;

	if (segment_path(s, path) == -1)
		return -1;
	fd = openat(s->in->root, path,
	    O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd == -1)
		return -1;
	segment_header_put(header, s->ledger, created);
	errno = ENOSPC; /* what a short write means */
	if (pwrite(fd, header, sizeof(header), 0) != sizeof(header))
		goto fail;
	if (s->in->durable && (fsync(fd) == -1 || segment_sync_dir(s) == -1))
		goto fail;
	files_add(&s->in->files, &s->file, fd);
	s->created = created;
	s->loaded = s->scanned = 1;
	return 0;

fail:
	err = errno;
	close(fd);
	unlinkat(s->in->root, path, 0);
	errno = err;
	return -1;
}

int
segment_load(struct segment *s)
{
	uint8_t header[SEGMENT_HEADER_LEN];
	const char *why;
	struct stat st;
	int fd = segment_fd(s);

	if (fd == -1 || fstat(fd, &st) == -1)
		return -1;
	if (st.st_size < SEGMENT_HEADER_LEN) {
		segment_damaged(s, 0, "ends inside its header");
		errno = ENODATA;
		return -1;
	}
	if (segment_read(s, 0, header, sizeof(header)) != sizeof(header))
		return -1;
	if (segment_header_get(header, s->ledger, &s->created, &why) == -1)
		return segment_damaged(s, 0, why);
	s->size = s->visible = s->synced = (uint64_t)st.st_size;
	s->loaded = 1;
	return 0;
}

int64_t
segment_read(struct segment *s, uint64_t offset, void *p, size_t n)
{
	int fd = segment_fd(s);
	size_t got = 0;
	ssize_t rc;

	if (fd == -1)
		return -1;
	while (got < n) {
		rc = pread(fd, (uint8_t *)p + got, n - got,
		    (off_t)(offset + got));
		if (rc == -1 && errno == EINTR)
			continue;
		if (rc == -1)
			return -1;
		if (rc == 0)
			break;
		got += (size_t)rc;
	}
	return (int64_t)got;
}

int
segment_cut(struct segment *s)
{
	int fd = segment_fd(s);

	s->tail = fd == -1 || ftruncate(fd, (off_t)s->size) == -1;
	return s->tail ? -1 : 0;
}

/* All of iov to the end of the file, or -1 with errno. */
static int
segment_write(struct segment *s, struct iovec *iov, int n)
{
	uint64_t at = s->size;
	int fd = segment_fd(s);
	ssize_t rc;

	if (fd == -1)
		return -1;
	while (n > 0) {
		rc = pwritev(fd, iov, n < IOV_MAX ? n : IOV_MAX, (off_t)at);
		if (rc == -1 && errno == EINTR)
			continue;
		if (rc == 0)
			errno = EIO;
		if (rc <= 0)
			return -1;
		at += (uint64_t)rc;
		for (; n > 0 && (size_t)rc >= iov->iov_len; iov++, n--)
			rc -= (ssize_t)iov->iov_len;
		if (n > 0) {
			iov->iov_base = (uint8_t *)iov->iov_base + rc;
			iov->iov_len -= (size_t)rc;
		}
	}
	return 0;
}

void
segment_note(struct segment *s, uint64_t offset, uint64_t entry,
    uint64_t publish)
{
	if (s->npoints > 0 &&
	    offset - s->index[s->npoints - 1].offset < SEGMENT_INDEX_STEP)
		return;
	if (s->npoints == s->room) {
		s->room = s->room == 0 ? 4 : 2 * s->room;
		s->index = reallocarray(s->index, s->room, sizeof(*s->index));
		if (s->index == NULL)
			fatal(EX_OSERR, "reallocarray");
	}
	s->index[s->npoints++] =
	    (struct segment_point){ offset, entry, publish };
}

int
segment_append(struct segment *s, struct iovec *iov, int n, size_t bytes,
    uint64_t count, uint64_t publish)
{
	int err;

	if (s->tail && segment_cut(s) == -1)
		return -1;
	if (segment_write(s, iov, n) == -1) {
		err = errno;
		if (segment_cut(s) == -1)
			log_warn("%s: cannot cut off a partial write",
			    s->path);
		errno = err;
		return -1;
	}
	segment_note(s, s->size, s->next, publish);
	s->size += bytes;
	s->next += count;
	s->last_publish = publish;
	return 0;
}

void
segment_publish(struct segment *s, uint64_t offset, uint64_t next)
{
	s->visible = offset;
	s->visible_next = next;
}

int
segment_damaged(struct segment *s, uint64_t offset, const char *what)
{
	if (s->damage == NULL) {
		s->damage = what;
		s->damage_offset = offset;
	}
	errno = EBADMSG;
	return -1;
}

void
segment_damage_text(const struct segment *s, char *text, size_t n)
{
	char name[SEGMENT_NAME_LEN + 1];

	segment_name(name, s->ledger);
	snprintf(text, n, "%s/%s:%" PRIu64 ": %s", s->path, name,
	    s->damage_offset, s->damage);
}

void
segment_walk(struct segment_walk *w, const uint8_t *p, size_t n)
{
	struct entry e;
	int64_t len;

	w->bytes = 0;
	w->count = 0;
	w->need = 0;
	w->bad = NULL;
	while (w->count < w->max && w->bytes < n) {
		len = entry_get(p + w->bytes, n - w->bytes, &e, &w->bad);
		if (len < 0)
			return;
		if (len == 0) {
			if (n - w->bytes >= 4)
				w->need = 4 + (size_t)be32_get(p + w->bytes);
			return;
		}
		if (!entry_crc_ok(p + w->bytes, (size_t)len)) {
			w->bad = "bad crc";
			return;
		}
		if (e.id != w->next) {
			w->bad = "not the entry expected here";
			return;
		}
		w->bytes += (size_t)len;
		w->count++;
		w->next++;
		w->publish = e.publish;
	}
}
