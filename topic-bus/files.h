/*
 * A bounded number of open log files: descriptors are closed least recently
 * used first and opened again when needed.
 */
#ifndef TOPIC_BUS_FILES_H
#define TOPIC_BUS_FILES_H

#include <stdint.h>

/* Sits in its owner. Starts as { .fd = -1 }. */
struct file {
	struct file *prev, *next; /* of the open ones; private */
	int fd;	  /* -1: closed */
	int pins; /* not closed while over 0: see files_pin */
};

struct files {
	struct file lru;   /* head of the ring, most recent first */
	uint64_t open;	   /* descriptors */
	uint64_t budget;   /* of them */
	uint64_t pinned;   /* files with pins */
	uint64_t evicted;  /* counter */
	/* Called when the budget is used up by pinned files: to unpin some. */
	void (*relieve)(void *ctx);
	void *ctx;
};

void files_init(struct files *fs, uint64_t budget);

/* f has been opened as fd. Closes others when there are too many. */
void files_add(struct files *fs, struct file *f, int fd);
/* f is in use: it becomes the last to be closed. */
void files_touch(struct files *fs, struct file *f);
void files_close(struct files *fs, struct file *f);

/* Keeps an open file open, for data that has yet to be synced. */
void files_pin(struct files *fs, struct file *f);
void files_unpin(struct files *fs, struct file *f);

#endif
