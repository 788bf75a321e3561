/*
 * What every program of the pipeline does the same way: signals as a
 * descriptor, readiness, the ends of its pipes, the clock of its loop.
 */
#ifndef SLUICE_STAGE_H
#define SLUICE_STAGE_H

#include <stddef.h>
#include <stdint.h>

#include "buf.h"

/* Bytes a stage reads at once, and the size it asks for its pipes. */
#define STAGE_CHUNK (256 * 1024)
#define STAGE_PIPE (1024 * 1024)
#define STAGE_CONNECT_MS 30000

/*
 * Blocks SIGTERM, SIGINT and SIGHUP and returns a signalfd for them;
 * SIGPIPE is ignored. Exits EX_OSERR when that fails.
 */
int stage_signals(void);

enum stage_signal { STAGE_NONE, STAGE_STOP, STAGE_RELOAD };
/* Takes one signal from the signalfd; STAGE_NONE when there is none. */
enum stage_signal stage_signal_read(int fd);

/*
 * Opens the end named by --in: "-" is stdin; unix: and tcp: listen and wait
 * for one peer. Or by --out: "-" is stdout; unix: and tcp: connect, waiting
 * up to 30 s for the peer to listen. The descriptor is non-blocking and a
 * pipe is made STAGE_PIPE bytes large. Exits EX_UNAVAILABLE on failure.
 */
int stage_open_in(const char *endpoint);
int stage_open_out(const char *endpoint);

/* Writes a newline to fd and closes it; fd < 0: does nothing. */
void stage_ready(int64_t fd);

enum stage_io { STAGE_IO_OK, STAGE_IO_AGAIN, STAGE_IO_EOF, STAGE_IO_ERROR };
/* One read of up to max bytes to the end of b. ERROR: see errno. */
enum stage_io stage_read(int fd, struct buf *b, size_t max);
/* Writes from the front of b until it is empty or the reader is behind.
 * OK: empty now. EOF: the reader is gone (EPIPE, ECONNRESET). */
enum stage_io stage_write(int fd, struct buf *b);

/* CLOCK_MONOTONIC and CLOCK_REALTIME in ns. */
uint64_t stage_monotonic(void);
uint64_t stage_realtime(void);

/* ns to a poll timeout in ms, rounded up; UINT64_MAX is -1. */
int stage_poll_ms(uint64_t ns);

/* Fills buf with n - 1 random lowercase letters and digits and a NUL: the
 * name of this run of a program towards its neighbours. */
void stage_instance(char *buf, size_t n);

#endif
