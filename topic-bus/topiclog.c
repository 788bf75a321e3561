#include "topiclog.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "log.h"

void
topiclog_init(struct topiclog *l, struct segment_dir *in, const char *path)
{
	*l = (struct topiclog){ .in = in, .path = strdup(path) };
	if (l->path == NULL)
		fatal(EX_OSERR, "strdup");
}

void
topiclog_free(struct topiclog *l)
{
	for (size_t i = 0; i < l->n; i++)
		segment_free(l->segs[i]);
	free(l->segs);
	free(l->path);
}

static void
topiclog_add(struct topiclog *l, struct segment *s)
{
	if (l->n == l->room) {
		l->room = l->room == 0 ? 4 : 2 * l->room;
		l->segs = reallocarray(l->segs, l->room, sizeof(*l->segs));
		if (l->segs == NULL)
			fatal(EX_OSERR, "reallocarray");
	}
	l->segs[l->n++] = s;
}

static void topiclog_problem(struct topiclog *l, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void
topiclog_problem(struct topiclog *l, const char *fmt, ...)
{
	char text[TOPICLOG_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (strcmp(l->problem, text) == 0)
		return;
	log_warnx("%s; the topic refuses to be written", text);
	if (l->problem[0] == '\0')
		strcpy(l->problem, text);
}

void
topiclog_damaged(struct topiclog *l, const struct segment *s)
{
	char text[TOPICLOG_TEXT_MAX];

	segment_damage_text(s, text, sizeof(text));
	topiclog_problem(l, "%s", text);
}

static int
topiclog_compare(const void *a, const void *b)
{
	const struct segment *const *x = a, *const *y = b;

	return ((*x)->ledger > (*y)->ledger) - ((*x)->ledger < (*y)->ledger);
}

static int
topiclog_list(struct topiclog *l)
{
	int fd = openat(l->in->root, l->path,
	    O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	struct dirent *e;
	uint64_t ledger;
	DIR *d;

	if (fd == -1)
		return errno == ENOENT ? 0 : -1;
	d = fdopendir(fd);
	if (d == NULL) {
		close(fd);
		return -1;
	}
	while ((e = readdir(d)) != NULL)
		if (segment_name_get(e->d_name, &ledger) == 0)
			topiclog_add(l, segment_new(l->in, l->path, ledger));
	closedir(d);
	qsort(l->segs, l->n, sizeof(*l->segs), topiclog_compare);
	return 0;
}

/* The file ends inside its header: it was being made, and holds nothing. */
static int
topiclog_unmade(struct topiclog *l)
{
	struct segment *s = l->segs[l->n - 1];
	char path[TOPICLOG_TEXT_MAX], name[SEGMENT_NAME_LEN + 1];

	segment_name(name, s->ledger);
	snprintf(path, sizeof(path), "%s/%s", l->path, name);
	if (unlinkat(l->in->root, path, 0) == -1)
		return -1;
	log_info("%s: removed, it was never written", path);
	segment_free(s);
	l->n--;
	return 0;
}

/* Brings the newest segment into order. 1: it is gone, look at the next. */
static int
topiclog_recover(struct topiclog *l)
{
	struct segment *s = l->segs[l->n - 1];
	char name[SEGMENT_NAME_LEN + 1];
	int64_t cut = -1;

	segment_name(name, s->ledger);
	if (segment_load(s) == 0)
		cut = segment_scan(s, 1);
	else if (errno == ENODATA && topiclog_unmade(l) == 0)
		return 1;
	if (cut > 0) {
		log_info("%s/%s:%" PRIu64 ": torn write of %" PRId64
			 " bytes cut off",
		    l->path, name, s->size, cut);
		l->torn += (uint64_t)cut;
		if (segment_cut(s) == -1)
			topiclog_problem(l, "%s/%s: ftruncate: %s", l->path,
			    name, strerror(errno));
	}
	if (cut == -1 && s->damage != NULL)
		topiclog_damaged(l, s);
	else if (cut == -1)
		topiclog_problem(l, "%s/%s: %s", l->path, name,
		    strerror(errno));
	l->last_publish = s->last_publish;
	return 0;
}

void
topiclog_open(struct topiclog *l)
{
	l->opened = 1;
	if (topiclog_list(l) == -1) {
		topiclog_problem(l, "%s: %s", l->path, strerror(errno));
		return;
	}
	while (l->n > 0 && topiclog_recover(l) == 1)
		continue;
}

/* One directory of the path, and its name on disk. */
static int
topiclog_mkdir(struct topiclog *l, const char *path, const char *parent)
{
	int fd, rc;

	if (mkdirat(l->in->root, path, 0700) == -1)
		return errno == EEXIST ? 0 : -1;
	if (!l->in->durable)
		return 0;
	fd = openat(l->in->root, parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1)
		return -1;
	rc = fsync(fd);
	close(fd);
	return rc;
}

static int
topiclog_mkdirs(struct topiclog *l)
{
	char path[TNAME_MAX + 1], parent[TNAME_MAX + 1] = ".";

	for (const char *slash = l->path; slash != NULL;) {
		slash = strchr(slash + 1, '/');
		snprintf(path, sizeof(path), "%.*s",
		    slash != NULL ? (int)(slash - l->path) :
				    (int)strlen(l->path),
		    l->path);
		if (topiclog_mkdir(l, path, parent) == -1)
			return -1;
		strcpy(parent, path);
	}
	return 0;
}

int
topiclog_begin(struct topiclog *l, uint64_t now)
{
	uint64_t ledger = l->n > 0 ? l->segs[l->n - 1]->ledger + 1 : 1;
	struct segment *s;

	if (l->n == 0 && topiclog_mkdirs(l) == -1)
		return -1;
	/* Only the newest file may end in the middle of an entry. */
	if (l->active != NULL && l->active->tail &&
	    segment_cut(l->active) == -1)
		return -1;
	s = segment_new(l->in, l->path, ledger);
	if (segment_create(s, now > l->last_publish ? now : l->last_publish) ==
	    -1) {
		int err = errno;

		segment_free(s);
		errno = err;
		return -1;
	}
	topiclog_add(l, s);
	l->active = s;
	return 0;
}
