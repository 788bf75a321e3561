#include "topic.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "log.h"

#define BUCKETS 16384

static struct topic **
topics_bucket(const struct topics *ts, const char *name)
{
	uint32_t h = 2166136261u;

	for (; *name != '\0'; name++)
		h = (h ^ (unsigned char)*name) * 16777619u;
	return &ts->buckets[(h ^ h >> 16) & (ts->size - 1)];
}

static struct topic *
topics_add(struct topics *ts, const struct tname *name)
{
	struct topic **bucket = topics_bucket(ts, name->full);
	struct topic *t = calloc(1, sizeof(*t));
	char path[TNAME_MAX + 1];

	if (t == NULL || (t->name = strdup(name->full)) == NULL)
		fatal(EX_OSERR, "calloc");
	t->name_len = strlen(t->name);
	t->arrived.tail = &t->arrived.head;
	t->written.tail = &t->written.head;
	snprintf(path, sizeof(path), "%s/%s/%s", name->tenant, name->space,
	    name->name);
	topiclog_init(&t->log, &ts->dir, path);
	t->hash_next = *bucket;
	*bucket = t;
	ts->count++;
	if (ts->made != NULL)
		ts->made(ts->ctx, t);
	return t;
}

static struct topic *
topics_find(const struct topics *ts, const char *full)
{
	struct topic *t = *topics_bucket(ts, full);

	while (t != NULL && strcmp(t->name, full) != 0)
		t = t->hash_next;
	return t;
}

/* A directory below fd that may be part of a topic's name; NULL when the name
 * or what it names is something else. */
static DIR *
topics_subdir(int fd, const char *name)
{
	DIR *d;

	if (!tname_part_ok(name, strlen(name)))
		return NULL;
	fd = openat(fd, name,
	    O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd == -1)
		return NULL;
	d = fdopendir(fd);
	if (d == NULL)
		close(fd);
	return d;
}

/* path holds the depth names above; each level is one part of the name. */
static void
topics_walk(struct topics *ts, DIR *d, char *path, int depth)
{
	size_t len = strlen(path);
	struct dirent *e;
	struct tname name;
	DIR *sub;

	while ((e = readdir(d)) != NULL) {
		sub = topics_subdir(dirfd(d), e->d_name);
		if (sub == NULL)
			continue;
		snprintf(path + len, TNAME_MAX + 1 - len, "/%s", e->d_name);
		if (depth < 2) {
			topics_walk(ts, sub, path, depth + 1);
		} else if (tname_parse(path, strlen(path), &name) == 0) {
			if (ts->count == ts->max)
				fatalx(EX_CONFIG,
				    "more topics than --max-topics");
			topics_add(ts, &name)->stored = 1;
		}
		path[len] = '\0';
		closedir(sub);
	}
}

static void
topics_load(struct topics *ts)
{
	char path[TNAME_MAX + 1] = "persistent:/";
	int fd = dup(ts->dir.root);
	DIR *d = fd != -1 ? fdopendir(fd) : NULL;

	if (d == NULL)
		fatal(EX_CANTCREAT, "opendir");
	topics_walk(ts, d, path, 0);
	closedir(d);
}

/* The directory of the log, with those above it. */
static void
topics_mkdirs(const char *path)
{
	char *copy = strdup(path), *slash = copy;

	if (copy == NULL)
		fatal(EX_OSERR, "strdup");
	do {
		slash = strchr(slash + 1, '/');
		if (slash != NULL)
			*slash = '\0';
		if (mkdir(copy, 0700) == -1 && errno != EEXIST)
			fatal(EX_CANTCREAT, "--dir %s", copy);
		if (slash != NULL)
			*slash = '/';
	} while (slash != NULL && slash[1] != '\0');
	free(copy);
}

void
topics_init(struct topics *ts, const char *path, uint64_t max,
    struct sync *sync)
{
	ts->max = max;
	ts->sync = sync;
	ts->size = BUCKETS;
	ts->buckets = calloc(ts->size, sizeof(*ts->buckets));
	if (ts->buckets == NULL)
		fatal(EX_OSERR, "calloc");
	topics_mkdirs(path);
	ts->dir.root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (ts->dir.root == -1)
		fatal(EX_CANTCREAT, "--dir %s", path);
	if (flock(ts->dir.root, LOCK_EX | LOCK_NB) == -1)
		fatalx(EX_TEMPFAIL, "--dir %s: another topic-bus uses it",
		    path);
	topics_load(ts);
}

static void
topic_free(struct topic *t)
{
	topiclog_free(&t->log);
	free(t->name);
	free(t);
}

void
topics_free(struct topics *ts)
{
	struct topic *t;

	for (size_t i = 0; i < ts->size; i++)
		while ((t = ts->buckets[i]) != NULL) {
			ts->buckets[i] = t->hash_next;
			topic_free(t);
		}
	free(ts->buckets);
	close(ts->dir.root);
}

struct topic *
topics_get(struct topics *ts, const struct tname *name, int make)
{
	struct topic *t = topics_find(ts, name->full);

	if (t == NULL) {
		if (!make || ts->count >= ts->max)
			return NULL;
		t = topics_add(ts, name);
	}
	if (!t->log.opened) {
		topiclog_open(&t->log);
		ts->torn += t->log.torn > 0;
	}
	return t;
}

void
topics_release(struct topics *ts, struct topic *t)
{
	struct topic **at = topics_bucket(ts, t->name);

	if (t->stored || t->readers != NULL || t->arrived.head != NULL ||
	    t->in_dirty || t->in_ready || t->failing)
		return;
	while (*at != t)
		at = &(*at)->hash_next;
	*at = t->hash_next;
	ts->count--;
	topic_free(t);
}

struct topic *
topics_next(const struct topics *ts, const struct topic *t)
{
	size_t i = 0;

	if (t != NULL && t->hash_next != NULL)
		return t->hash_next;
	if (t != NULL)
		i = (size_t)(topics_bucket(ts, t->name) - ts->buckets) + 1;
	while (i < ts->size && ts->buckets[i] == NULL)
		i++;
	return i < ts->size ? ts->buckets[i] : NULL;
}

uint64_t
topics_broken(const struct topics *ts)
{
	uint64_t n = 0;

	for (struct topic *t = topics_next(ts, NULL); t != NULL;
	    t = topics_next(ts, t))
		n += t->log.problem[0] != '\0';
	return n;
}
