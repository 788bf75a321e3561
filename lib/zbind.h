/*
 * Binding a ZeroMQ socket. libzmq replaces the socket file of an ipc endpoint
 * even while another process serves it, which then waits forever for clients
 * it cannot get; here that is an error.
 */
#ifndef SLUICE_ZBIND_H
#define SLUICE_ZBIND_H

/* As zmq_bind, with EADDRINUSE for an ipc endpoint somebody answers on. */
int zbind(void *socket, const char *endpoint);

#endif
