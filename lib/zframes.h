/*
 * Multipart ZeroMQ messages: all frames of one in one call.
 */
#ifndef SLUICE_ZFRAMES_H
#define SLUICE_ZFRAMES_H

#include <stddef.h>
#include <stdint.h>
#include <zmq.h>

#include "buf.h"

/*
 * Receives one message without waiting. Its first max frames are in f[],
 * each to be closed by the caller (zframes_close); frames beyond are thrown
 * away. Returns the number of frames it had, which may be more than max;
 * -1 when there is none (EAGAIN) or the socket fails, f is untouched then.
 */
int zframes_recv(void *socket, zmq_msg_t *f, int max);
void zframes_close(zmq_msg_t *f, int n);

/* Sends a copy of the n bytes at p without waiting. 0, or -1 with errno. */
int zframes_send(void *socket, const void *p, size_t n, int flags);

#endif
