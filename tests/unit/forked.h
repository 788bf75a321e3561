/* For what ends the process or writes to its standard descriptors. */
#ifndef SLUICE_TESTS_FORKED_H
#define SLUICE_TESTS_FORKED_H

#include <stddef.h>

/*
 * Calls fn(arg) in a child. What it writes to stdout and stderr, at most
 * n - 1 bytes, is put into text, ended by a NUL. Returns its exit status, 0
 * when fn returned, or -1 when it was killed by a signal.
 */
int forked(void (*fn)(void *arg), void *arg, char *text, size_t n);

#endif
