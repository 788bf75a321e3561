#include "stage.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "sock.h"

#define NS_PER_S UINT64_C(1000000000)
#define NS_PER_MS UINT64_C(1000000)

int
stage_signals(void)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL) == -1 ||
	    signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		fatal(EX_OSERR, "signals");
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd == -1)
		fatal(EX_OSERR, "signalfd");
	return fd;
}

enum stage_signal
stage_signal_read(int fd)
{
	struct signalfd_siginfo si;

	if (read(fd, &si, sizeof(si)) != sizeof(si))
		return STAGE_NONE;
	return si.ssi_signo == SIGHUP ? STAGE_RELOAD : STAGE_STOP;
}

/* Non-blocking, and a large pipe where it is one: both only help. */
static int
stage_prepare(int fd, const char *endpoint)
{
	if (sock_nonblock(fd) == -1)
		fatal(EX_OSERR, "%s", endpoint);
	if (fcntl(fd, F_SETPIPE_SZ, STAGE_PIPE) == -1)
		log_debug("%s: pipe size unchanged", endpoint);
	return fd;
}

int
stage_open_in(const char *endpoint)
{
	struct pollfd pfd = { .events = POLLIN };
	int fd;

	if (strcmp(endpoint, "-") == 0)
		return stage_prepare(STDIN_FILENO, "stdin");
	pfd.fd = sock_listen(endpoint, 0600);
	if (pfd.fd == -1)
		fatalx(EX_UNAVAILABLE, "--in %s: cannot listen", endpoint);
	do {
		if (poll(&pfd, 1, -1) == -1 && errno != EINTR)
			fatal(EX_OSERR, "poll");
		fd = sock_accept(pfd.fd);
	} while (fd == -1);
	close(pfd.fd);
	sock_unlink(endpoint);
	return fd;
}

int
stage_open_out(const char *endpoint)
{
	int fd;

	if (strcmp(endpoint, "-") == 0)
		return stage_prepare(STDOUT_FILENO, "stdout");
	fd = sock_connect(endpoint, STAGE_CONNECT_MS);
	if (fd == -1)
		fatalx(EX_UNAVAILABLE, "--out %s: cannot connect", endpoint);
	return fd;
}

void
stage_ready(int64_t fd)
{
	if (fd < 0 || fd > INT_MAX)
		return;
	if (write((int)fd, "\n", 1) != 1)
		log_warn("--ready-fd %d", (int)fd);
	close((int)fd);
}

enum stage_io
stage_read(int fd, struct buf *b, size_t max)
{
	uint8_t *p = buf_reserve(b, max);
	ssize_t n;

	do
		n = read(fd, p, max);
	while (n == -1 && errno == EINTR);
	if (n > 0) {
		buf_commit(b, (size_t)n);
		return STAGE_IO_OK;
	}
	if (n == 0)
		return STAGE_IO_EOF;
	if (errno == EAGAIN)
		return STAGE_IO_AGAIN;
	return errno == ECONNRESET ? STAGE_IO_EOF : STAGE_IO_ERROR;
}

enum stage_io
stage_write(int fd, struct buf *b)
{
	ssize_t n;

	while (buf_len(b) > 0) {
		n = write(fd, buf_data(b), buf_len(b));
		if (n >= 0) {
			buf_consume(b, (size_t)n);
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno == EAGAIN)
			return STAGE_IO_AGAIN;
		if (errno == EPIPE || errno == ECONNRESET)
			return STAGE_IO_EOF;
		return STAGE_IO_ERROR;
	}
	return STAGE_IO_OK;
}

static uint64_t
stage_clock(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

uint64_t
stage_monotonic(void)
{
	return stage_clock(CLOCK_MONOTONIC);
}

uint64_t
stage_realtime(void)
{
	return stage_clock(CLOCK_REALTIME);
}

int
stage_poll_ms(uint64_t ns)
{
	if (ns == UINT64_MAX)
		return -1;
	ns = ns / NS_PER_MS + (ns % NS_PER_MS != 0);
	return ns > INT_MAX ? INT_MAX : (int)ns;
}

void
stage_instance(char *buf, size_t n)
{
	static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";
	size_t i;

	if (getrandom(buf, n - 1, 0) != (ssize_t)(n - 1))
		fatal(EX_OSERR, "getrandom");
	for (i = 0; i < n - 1; i++)
		buf[i] = alphabet[(unsigned char)buf[i] % 32];
	buf[i] = '\0';
}
