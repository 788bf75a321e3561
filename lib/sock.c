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

/* Fills sa from an endpoint name; -1 with a line logged. */
static int
sock_address(const char *endpoint, int passive, struct sockaddr_storage *sa,
    socklen_t *salen)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
		.ai_flags = passive ? AI_PASSIVE : 0 };
	struct addrinfo *res;
	char host[256], port[32];
	int rc;

	memset(sa, 0, sizeof(*sa));
	if (strncmp(endpoint, "unix:", 5) == 0) {
		struct sockaddr_un *un = (struct sockaddr_un *)sa;

		if (strlen(endpoint + 5) >= sizeof(un->sun_path)) {
			log_warnx("%s: path is too long", endpoint);
			return -1;
		}
		un->sun_family = AF_UNIX;
		strcpy(un->sun_path, endpoint + 5);
		*salen = sizeof(*un);
		return 0;
	}
	if (strncmp(endpoint, "tcp:", 4) != 0 ||
	    sock_split(endpoint + 4, host, sizeof(host), port, sizeof(port)) ==
		-1) {
		log_warnx("%s: not -, unix:PATH or tcp:HOST:PORT", endpoint);
		return -1;
	}
	rc = getaddrinfo(host, port, &hints, &res);
	if (rc != 0) {
		log_warnx("%s: %s", endpoint, gai_strerror(rc));
		return -1;
	}
	memcpy(sa, res->ai_addr, res->ai_addrlen);
	*salen = res->ai_addrlen;
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
	struct sockaddr_storage sa;
	socklen_t salen;
	mode_t old;
	int fd = -1, one = 1, rc;

	if (sock_address(endpoint, 1, &sa, &salen) == -1)
		return -1;
	if (sa.ss_family == AF_UNIX && sock_remove_stale(&sa, salen) == -1)
		goto fail;
	fd = sock_new(&sa);
	if (fd == -1)
		goto fail;
	if (sa.ss_family != AF_UNIX)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	old = umask(0777 & ~(mode_t)mode);
	rc = bind(fd, (struct sockaddr *)&sa, salen);
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

int
sock_connect(const char *endpoint, int timeout_ms)
{
	struct sockaddr_storage sa;
	socklen_t salen;
	int fd, err;

	if (sock_address(endpoint, 0, &sa, &salen) == -1)
		return -1;
	for (int left = timeout_ms;; left -= SOCK_RETRY_MS) {
		fd = sock_new(&sa);
		if (fd == -1)
			break;
		if (sock_connect_once(fd, &sa, salen, left) == 0)
			return fd;
		err = errno;
		close(fd);
		errno = err;
		if (left <= 0 ||
		    (err != ECONNREFUSED && err != ENOENT && err != EAGAIN))
			break;
		poll(NULL, 0, SOCK_RETRY_MS);
	}
	log_warn("%s", endpoint);
	return -1;
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
