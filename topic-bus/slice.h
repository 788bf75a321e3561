/*
 * Slices: reference-counted bytes, sent to any number of peers without being
 * copied; and windows, which bound how many of them wait in ZeroMQ's queues.
 */
#ifndef TOPIC_BUS_SLICE_H
#define TOPIC_BUS_SLICE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <zmq.h>

struct slice {
	atomic_int refs;
	zmq_msg_t msg; /* where the bytes came from, if received */
	int received;
	uint8_t *data;
	size_t len;
	uint8_t own[]; /* else they are here */
};

/* One reference each, to be given back by slice_unref (any thread). */
struct slice *slice_new(size_t n);
struct slice *slice_receive(zmq_msg_t *m); /* m is taken over */
void slice_ref(struct slice *s);
void slice_unref(struct slice *s);

/*
 * Bytes on their way to one peer (or all subscribers of the feed). The count
 * falls in ZeroMQ's thread as it gets rid of them; if somebody waits for
 * room, a byte count is written to the eventfd then.
 */
struct window {
	atomic_int refs;
	atomic_size_t bytes;
	atomic_int waiting;
	size_t limit;
	int wake_fd;
};

struct window *window_new(size_t limit, int wake_fd);
void window_unref(struct window *w);
/* 1: something may be sent. 0: no, wake_fd will tell when to ask again. */
int window_open(struct window *w);

/* m becomes a message of n bytes of s, counted in w until it is gone. */
void slice_message(zmq_msg_t *m, struct slice *s, const uint8_t *p, size_t n,
    struct window *w);

#endif
