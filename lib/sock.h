/*
 * Stream endpoints by name: "-", "unix:PATH", "tcp:HOST:PORT" (HOST may be
 * an [IPv6] address). All descriptors are close-on-exec and non-blocking.
 */
#ifndef SLUICE_SOCK_H
#define SLUICE_SOCK_H

#include <stddef.h>
#include <sys/socket.h>

/*
 * A listening socket. unix: the path gets the given mode; a stale socket
 * file (nobody answers) is replaced, a live one is an error. -1 with a line
 * logged.
 */
int sock_listen(const char *endpoint, int mode);

/*
 * A connected socket, tried again every 100 ms for timeout_ms while nobody
 * listens or the host has no name yet. Every address of HOST is tried; a
 * listener takes the first. -1 with a line logged.
 */
int sock_connect(const char *endpoint, int timeout_ms);

/* The same, one attempt: -1 with errno and without a line when nobody listens
 * or a tcp: peer does not answer within timeout_ms. */
int sock_connect_try(const char *endpoint, int timeout_ms);

/* accept4 without blocking; -1 when there is nobody. */
int sock_accept(int fd);

/* Removes the socket file of a "unix:" endpoint. */
void sock_unlink(const char *endpoint);

/* "HOST:PORT" or "[HOST]:PORT" split; -1 if it is not one. */
int sock_split(const char *s, char *host, size_t hostlen, char *port,
    size_t portlen);

int sock_nonblock(int fd);

#endif
