/* Where to connect: the URL, its addresses, and how the server is known. */
#ifndef WT_CLIENT_TARGET_H
#define WT_CLIENT_TARGET_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define TARGET_ADDRS_MAX 8
#define TARGET_HASH_LEN 32

struct target_addr {
	struct sockaddr_storage sa;
	socklen_t len;
};

struct target {
	char host[256];	     /* without brackets: SNI, certificate name */
	char port[8];
	char authority[272]; /* as in the URL */
	const char *path;    /* with query, without fragment; points into url
			      * or is "/" */
	char path_buf[2048];
	struct target_addr addrs[TARGET_ADDRS_MAX]; /* to try in turn */
	size_t naddrs;
};

/* Takes "https://HOST[:PORT][/PATH]" apart; the port is 443 when left out.
 * NULL, or what is wrong with it. */
const char *target_parse(struct target *t, const char *url);

/* Looks the host up. 0, or EX_NOHOST with a line logged. */
int target_resolve(struct target *t);

/* A numeric "ADDRESS" to bind to. 0 or -1. */
int target_local(const char *s, struct target_addr *a);

/*
 * 64 hexadecimal digits, with or without colons, from the len bytes of text;
 * what follows white space behind them (a file name, from sha256sum) is
 * ignored. 0 or -1.
 */
int target_hash_parse(const char *text, size_t len,
    uint8_t hash[TARGET_HASH_LEN]);

/* The same from a file. 0, or EX_NOINPUT or EX_DATAERR with a line logged. */
int target_hash_read(const char *path, uint8_t hash[TARGET_HASH_LEN]);

#endif
