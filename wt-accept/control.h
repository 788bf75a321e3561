/*
 * The control socket (INTERFACES.md section 3): requests about sessions and
 * streams as records, answers as records. Each connection is read only as
 * fast as the streams it writes to, and it itself, take what comes of it.
 */
#ifndef WT_ACCEPT_CONTROL_H
#define WT_ACCEPT_CONTROL_H

#include <poll.h>
#include <stddef.h>
#include <stdint.h>

#include "log.h"
#include "sessions.h"

#define CONTROL_MAX 64			   /* connections; more have to wait */
#define CONTROL_OUT_MAX (64 * 1024)	   /* bytes of answers not taken */
#define CONTROL_POLLFDS (1 + CONTROL_MAX)

struct control_conn;

struct control {
	struct sessions *sessions;
	size_t max_send_buffer; /* bytes unacknowledged on one stream */
	int listen_fd;		/* -1: no control socket */
	uint64_t accept_at;	/* ns: no accept before, the last one found no
				 * descriptor or memory; 0: at once */
	struct control_conn *conns[CONTROL_MAX];
	uint64_t nconns;
	/* Counters. */
	uint64_t records; /* requests read */
	uint64_t refused; /* REFUSED answers */
	uint64_t errors;  /* connections closed for a malformed record */
	struct log_limit lines;
};

/* Descriptors to be polled: exactly CONTROL_POLLFDS entries. */
void control_pollfds(struct control *c, struct pollfd *fds);

/* When to call again though poll() finds nothing; -1: never. After
 * control_pollfds(). */
int control_timeout_ms(const struct control *c);

/* Serves what poll() found, and who was held up by a full stream. To be
 * called every turn. */
void control_run(struct control *c, const struct pollfd *fds);

/* Enters a connected socket. Closes it and returns -1 when CONTROL_MAX are
 * there. */
int control_add(struct control *c, int fd);

/* Writes what answers can be written and closes everything. */
void control_close(struct control *c);

#endif
