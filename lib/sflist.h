/*
 * Structured fields (RFC 8941) as far as WebTransport's subprotocols need
 * them: wt-available-protocols is a list of strings, wt-protocol one string.
 * Pure; no memory is taken.
 */
#ifndef SLUICE_SFLIST_H
#define SLUICE_SFLIST_H

#include <stddef.h>

#define SF_STRING_MAX 512 /* bytes of one string we understand, with NUL */
#define SF_LIST_MAX 64	  /* members */

/*
 * Reads a list of strings member by member: calls each with every string,
 * unescaped, until it returns non-zero. Parameters are skipped. Returns the
 * number of members, or -1 when s is not a list of strings within the limits:
 * such a field is to be ignored as a whole, so it is checked before the first
 * call of each (which may be NULL).
 */
int sf_list_each(const char *s, int (*each)(void *ctx, const char *member),
    void *ctx);

/* One string alone, as in wt-protocol: into out. -1: it is not one. */
int sf_string_get(const char *s, char *out, size_t size);

/* "quoted". -1: it does not fit or has a byte no such string may have. */
int sf_string_put(char *out, size_t size, const char *value);

/* The first of the n allowed that s (a list) offers, or NULL. */
const char *sf_list_choose(const char *s, const char *const *allowed, int n);

#endif
