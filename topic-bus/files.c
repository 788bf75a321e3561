#include "files.h"

#include <stddef.h>
#include <unistd.h>

void
files_init(struct files *fs, uint64_t budget)
{
	*fs = (struct files){ .budget = budget };
	fs->lru.next = fs->lru.prev = &fs->lru;
}

static void
files_unlink(struct file *f)
{
	f->prev->next = f->next;
	f->next->prev = f->prev;
}

static void
files_link(struct files *fs, struct file *f)
{
	f->next = fs->lru.next;
	f->prev = &fs->lru;
	f->next->prev = f;
	fs->lru.next = f;
}

void
files_close(struct files *fs, struct file *f)
{
	if (f->fd == -1)
		return;
	close(f->fd);
	f->fd = -1;
	files_unlink(f);
	fs->open--;
}

/* Closes the least recently used file that may be closed. */
static int
files_evict(struct files *fs)
{
	for (struct file *f = fs->lru.prev; f != &fs->lru; f = f->prev) {
		if (f->pins > 0)
			continue;
		files_close(fs, f);
		fs->evicted++;
		return 0;
	}
	return -1;
}

void
files_add(struct files *fs, struct file *f, int fd)
{
	if (fs->pinned >= fs->budget && fs->relieve != NULL)
		fs->relieve(fs->ctx);
	while (fs->open >= fs->budget && files_evict(fs) == 0)
		continue;
	f->fd = fd;
	fs->open++;
	files_link(fs, f);
}

void
files_touch(struct files *fs, struct file *f)
{
	if (fs->lru.next == f)
		return;
	files_unlink(f);
	files_link(fs, f);
}

void
files_pin(struct files *fs, struct file *f)
{
	if (f->pins++ == 0)
		fs->pinned++;
}

void
files_unpin(struct files *fs, struct file *f)
{
	if (--f->pins == 0)
		fs->pinned--;
}
