#include "target.h"

#include <ctype.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>
#include <unistd.h>

#include "log.h"
#include "opt.h"
#include "sock.h"

#define SCHEME "https://"
#define DEFAULT_PORT "443"

/* HOST, HOST:PORT or [ADDRESS]:PORT in t->authority. */
static int
authority_split(struct target *t)
{
	const char *a = t->authority;
	const char *after = strrchr(a, ']');
	char whole[sizeof(t->authority) + sizeof(DEFAULT_PORT)];
	int64_t port;

	if (strchr(after != NULL ? after : a, ':') == NULL)
		snprintf(whole, sizeof(whole), "%s:" DEFAULT_PORT, a);
	else
		snprintf(whole, sizeof(whole), "%s", a);
	if (sock_split(whole, t->host, sizeof(t->host), t->port,
		sizeof(t->port)) == -1)
		return -1;
	return opt_number(t->port, 1, 65535, &port);
}

const char *
target_parse(struct target *t, const char *url)
{
	size_t n;

	*t = (struct target){ .path = "/" };
	if (strncasecmp(url, SCHEME, strlen(SCHEME)) != 0)
		return "does not start with " SCHEME;
	for (const char *p = url; *p != '\0'; p++)
		if (!isgraph((unsigned char)*p))
			return "has a byte that no URL may have";
	url += strlen(SCHEME);
	n = strcspn(url, "/?#");
	if (n == 0 || n >= sizeof(t->authority))
		return "has no host or too long a one";
	memcpy(t->authority, url, n);
	t->authority[n] = '\0';
	if (strchr(t->authority, '@') != NULL)
		return "has a user name";
	if (authority_split(t) == -1)
		return "has no valid HOST:PORT";
	url += n;
	n = strcspn(url, "#");
	if (n + 1 >= sizeof(t->path_buf))
		return "has too long a path";
	/* "?query" alone is a query of the root. */
	if (n > 0)
		t->path = t->path_buf;
	snprintf(t->path_buf, sizeof(t->path_buf), "%s%.*s",
	    url[0] == '/' ? "" : "/", (int)n, url);
	return NULL;
}

static int
resolve(const char *host, const char *port, int flags,
    struct target_addr *addrs, size_t max)
{
	struct addrinfo hints = { .ai_socktype = SOCK_DGRAM,
		.ai_flags = flags };
	struct addrinfo *res;
	size_t n = 0;
	int rc;

	rc = getaddrinfo(host, port, &hints, &res);
	if (rc != 0) {
		log_warnx("%s: %s", host, gai_strerror(rc));
		return 0;
	}
	for (struct addrinfo *ai = res; ai != NULL && n < max;
	     ai = ai->ai_next, n++) {
		memcpy(&addrs[n].sa, ai->ai_addr, ai->ai_addrlen);
		addrs[n].len = ai->ai_addrlen;
	}
	freeaddrinfo(res);
	return (int)n;
}

int
target_resolve(struct target *t)
{
	t->naddrs = (size_t)resolve(t->host, t->port, 0, t->addrs,
	    TARGET_ADDRS_MAX);
	return t->naddrs == 0 ? EX_NOHOST : 0;
}

int
target_local(const char *s, struct target_addr *a)
{
	return resolve(s, "0", AI_NUMERICHOST | AI_PASSIVE, a, 1) == 1 ? 0 : -1;
}

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int
target_hash_parse(const char *text, size_t len, uint8_t hash[TARGET_HASH_LEN])
{
	size_t i = 0, n;

	for (n = 0; n < TARGET_HASH_LEN; n++) {
		int hi, lo;

		if (n > 0 && i < len && text[i] == ':')
			i++;
		if (len - i < 2)
			return -1;
		hi = hex_value(text[i]);
		lo = hex_value(text[i + 1]);
		if (hi == -1 || lo == -1)
			return -1;
		hash[n] = (uint8_t)(hi << 4 | lo);
		i += 2;
	}
	return i == len || isspace((unsigned char)text[i]) ? 0 : -1;
}

int
target_hash_read(const char *path, uint8_t hash[TARGET_HASH_LEN])
{
	char text[1024];
	ssize_t n;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1) {
		log_warn("%s", path);
		return EX_NOINPUT;
	}
	n = read(fd, text, sizeof(text));
	close(fd);
	if (n == -1) {
		log_warn("%s", path);
		return EX_NOINPUT;
	}
	if (target_hash_parse(text, (size_t)n, hash) == -1) {
		log_warnx("%s: not a SHA-256 in hexadecimal", path);
		return EX_DATAERR;
	}
	return 0;
}
