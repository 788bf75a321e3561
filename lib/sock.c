#include "sock.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "log.h"

#define SOCK_RETRY_MS 100
#define SOCK_ADDRS_MAX 8

int
sock_nonblock(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags == -1)
		return -1;
	return fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

int
sock_split(const char *s, char *host, size_t hostlen, char *port,
    size_t portlen)
{
	const char *colon = strrchr(s, ':');
	size_t n;

	if (colon == NULL || colon == s || colon[1] == '\0' ||
	    strlen(colon + 1) >= portlen)
		return -1;
	n = (size_t)(colon - s);
	if (s[0] == '[') {
		if (colon[-1] != ']')
			return -1;
		s++;
		n -= 2;
	}
	if (n == 0 || n >= hostlen)
		return -1;
	memcpy(host, s, n);
	host[n] = '\0';
	strcpy(port, colon + 1);
	return 0;
}

/* What an endpoint name stands for. */
struct sock_addrs {
	struct sockaddr_storage v[SOCK_ADDRS_MAX];
	socklen_t len[SOCK_ADDRS_MAX];
	int n;
	int transient; /* not resolved, but may be later: DNS */
	const char *why; /* when there is none */
};

static int
sock_resolve_unix(const char *path, struct sock_addrs *a)
{
	struct sockaddr_un *un = (struct sockaddr_un *)&a->v[0];
	size_t len = strlen(path);

	if (len == 0 || len >= sizeof(un->sun_path)) {
		a->why = len == 0 ? "path is empty" : "path is too long";
		return -1;
	}
	un->sun_family = AF_UNIX;
	memcpy(un->sun_path, path, len + 1);
	a->len[0] = sizeof(*un);
	a->n = 1;
	return 0;
}

/* Fills a from an endpoint name; -1 with a->why. */
static int
sock_resolve(const char *endpoint, int passive, struct sock_addrs *a)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
		.ai_flags = passive ? AI_PASSIVE : 0 };
	struct addrinfo *res;
	char host[256], port[32];
	int rc;

	memset(a, 0, sizeof(*a));
	if (strncmp(endpoint, "unix:", 5) == 0)
		return sock_resolve_unix(endpoint + 5, a);
	if (strncmp(endpoint, "tcp:", 4) != 0 ||
	    sock_split(endpoint + 4, host, sizeof(host), port, sizeof(port)) ==
		-1) {
		a->why = "not -, unix:PATH or tcp:HOST:PORT";
		return -1;
	}
	rc = getaddrinfo(host, port, &hints, &res);
	if (rc != 0) {
		/* A container's peer has no name before it runs. */
		a->transient = rc == EAI_AGAIN || rc == EAI_NONAME;
		a->why = gai_strerror(rc);
		return -1;
	}
	for (struct addrinfo *ai = res; ai != NULL && a->n < SOCK_ADDRS_MAX;
	     ai = ai->ai_next) {
		memcpy(&a->v[a->n], ai->ai_addr, ai->ai_addrlen);
		a->len[a->n++] = ai->ai_addrlen;
	}
	freeaddrinfo(res);
	return 0;
}

static int
sock_new(const struct sockaddr_storage *sa)
{
	return socket(sa->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
	    0);
}

/* Removes a socket file that nobody listens on any more. */
static int
sock_remove_stale(const struct sockaddr_storage *sa, socklen_t salen)
{
	const struct sockaddr_un *un = (const struct sockaddr_un *)sa;
	struct stat st;
	int fd, rc;

	if (lstat(un->sun_path, &st) == -1)
		return 0;
	if (!S_ISSOCK(st.st_mode)) {
		errno = EEXIST;
		return -1;
	}
	fd = sock_new(sa);
	if (fd == -1)
		return -1;
	rc = connect(fd, (const struct sockaddr *)sa, salen);
	close(fd);
	if (rc == 0 || errno != ECONNREFUSED) {
		errno = EADDRINUSE;
		return -1;
	}
	return unlink(un->sun_path);
}

int
sock_listen(const char *endpoint, int mode)
{
	struct sock_addrs a;
	mode_t old;
	int fd = -1, one = 1, rc;

	if (sock_resolve(endpoint, 1, &a) == -1) {
		log_warnx("%s: %s", endpoint, a.why);
		return -1;
	}
	if (a.v[0].ss_family == AF_UNIX &&
	    sock_remove_stale(&a.v[0], a.len[0]) == -1)
		goto fail;
	fd = sock_new(&a.v[0]);
	if (fd == -1)
		goto fail;
	if (a.v[0].ss_family != AF_UNIX)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	old = umask(0777 & ~(mode_t)mode);
	rc = bind(fd, (struct sockaddr *)&a.v[0], a.len[0]);
	umask(old);
	if (rc == -1 || listen(fd, 64) == -1)
		goto fail;
	return fd;

fail:
	log_warn("%s", endpoint);
	if (fd != -1)
		close(fd);
	return -1;
}

/* One attempt, finished before it returns: 0 or -1 with errno. */
static int
sock_connect_once(int fd, const struct sockaddr_storage *sa, socklen_t salen,
    int timeout_ms)
{
	struct pollfd pfd = { .fd = fd, .events = POLLOUT };
	socklen_t len = sizeof(int);
	int err = 0;

	if (connect(fd, (const struct sockaddr *)sa, salen) == 0)
		return 0;
	if (errno != EINPROGRESS)
		return -1;
	if (poll(&pfd, 1, timeout_ms) != 1) {
		errno = ETIMEDOUT;
		return -1;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) == -1)
		return -1;
	errno = err;
	return err == 0 ? 0 : -1;
}

/* Each address once. A descriptor, or -1 with the last errno. */
static int
sock_connect_any(const struct sock_addrs *a, int timeout_ms)
{
	int err = 0, fd;

	for (int i = 0; i < a->n; i++) {
		fd = sock_new(&a->v[i]);
		if (fd == -1)
			return -1;
		if (sock_connect_once(fd, &a->v[i], a->len[i], timeout_ms) ==
		    0)
			return fd;
		if (err != ECONNREFUSED) /* one of them may listen later */
			err = errno;
		close(fd);
	}
	errno = err;
	return -1;
}

int
sock_connect(const char *endpoint, int timeout_ms)
{
	struct sock_addrs a;
	int fd;

	for (int left = timeout_ms;; left -= SOCK_RETRY_MS) {
		if (sock_resolve(endpoint, 0, &a) == 0) {
			fd = sock_connect_any(&a,
			    left > SOCK_RETRY_MS ? left : SOCK_RETRY_MS);
			if (fd != -1)
				return fd;
			if (left <= 0 || (errno != ECONNREFUSED &&
					  errno != ENOENT && errno != EAGAIN))
				break;
		} else if (left <= 0 || !a.transient) {
			log_warnx("%s: %s", endpoint, a.why);
			return -1;
		}
		poll(NULL, 0, SOCK_RETRY_MS);
	}
	log_warn("%s", endpoint);
	return -1;
}

int
sock_connect_try(const char *endpoint, int timeout_ms)
{
	struct sock_addrs a;

	if (sock_resolve(endpoint, 0, &a) == -1) {
		errno = EINVAL;
		return -1;
	}
	return sock_connect_any(&a, timeout_ms);
}

int
sock_accept(int fd)
{
	return accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
}

void
sock_unlink(const char *endpoint)
{
	if (strncmp(endpoint, "unix:", 5) == 0)
		unlink(endpoint + 5);
}
