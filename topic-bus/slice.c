#include "slice.h"

#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include "log.h"

/* What ZeroMQ gives back when a message is gone. */
struct slice_hint {
	struct slice *slice;
	struct window *window;
	size_t n;
};

static void *
slice_alloc(size_t n)
{
	void *p = malloc(n);

	if (p == NULL)
		fatal(EX_OSERR, "malloc of %zu bytes", n);
	return p;
}

struct slice *
slice_new(size_t n)
{
	struct slice *s = slice_alloc(sizeof(*s) + n);

	atomic_init(&s->refs, 1);
	s->received = 0;
	s->data = s->own;
	s->len = n;
	return s;
}

struct slice *
slice_receive(zmq_msg_t *m)
{
	struct slice *s = slice_alloc(sizeof(*s));

	atomic_init(&s->refs, 1);
	s->received = 1;
	zmq_msg_init(&s->msg);
	zmq_msg_move(&s->msg, m);
	s->data = zmq_msg_data(&s->msg);
	s->len = zmq_msg_size(&s->msg);
	return s;
}

void
slice_ref(struct slice *s)
{
	atomic_fetch_add(&s->refs, 1);
}

void
slice_unref(struct slice *s)
{
	if (atomic_fetch_sub(&s->refs, 1) > 1)
		return;
	if (s->received)
		zmq_msg_close(&s->msg);
	free(s);
}

struct window *
window_new(size_t limit, int wake_fd)
{
	struct window *w = slice_alloc(sizeof(*w));

	atomic_init(&w->refs, 1);
	atomic_init(&w->bytes, 0);
	atomic_init(&w->waiting, 0);
	w->limit = limit;
	w->wake_fd = wake_fd;
	return w;
}

void
window_unref(struct window *w)
{
	if (atomic_fetch_sub(&w->refs, 1) == 1)
		free(w);
}

int
window_open(struct window *w)
{
	if (atomic_load(&w->bytes) < w->limit)
		return 1;
	atomic_store(&w->waiting, 1);
	/* It may have emptied before waiting was seen. */
	return atomic_load(&w->bytes) < w->limit;
}

static void
slice_gone(void *data, void *arg)
{
	struct slice_hint *h = arg;
	struct window *w = h->window;
	uint64_t one = 1;

	(void)data;
	if (atomic_fetch_sub(&w->bytes, h->n) - h->n < w->limit &&
	    atomic_exchange(&w->waiting, 0) &&
	    write(w->wake_fd, &one, sizeof(one)) == -1)
		log_debug("eventfd: the loop is awake already");
	window_unref(w);
	slice_unref(h->slice);
	free(h);
}

void
slice_message(zmq_msg_t *m, struct slice *s, const uint8_t *p, size_t n,
    struct window *w)
{
	struct slice_hint *h = slice_alloc(sizeof(*h));
	union {
		const uint8_t *in;
		void *out;
	} data = { p }; /* ZeroMQ does not write there */

	*h = (struct slice_hint){ s, w, n };
	slice_ref(s);
	atomic_fetch_add(&w->refs, 1);
	atomic_fetch_add(&w->bytes, n);
	if (zmq_msg_init_data(m, data.out, n, slice_gone, h) == -1)
		fatalx(EX_OSERR, "zmq_msg_init_data: %s",
		    zmq_strerror(zmq_errno()));
}
