/* Endpoint names, listening and connecting; the pieces of stage.h that stand
 * on them. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "forked.h"
#include "log.h"
#include "sock.h"
#include "stage.h"

static char dir[] = "/tmp/sluice-sock.XXXXXX";
static char path[64], endpoint[80], text[4096];

static int
setup(void **state)
{
	(void)state;
	log_init("prog");
	if (mkdtemp(dir) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/s", dir);
	snprintf(endpoint, sizeof(endpoint), "unix:%s", path);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	return rmdir(dir);
}

static void
split(void **state)
{
	static const char *const bad[] = { "", ":", "host", "host:", ":80",
		"[::1]", "[::1:80", "[]:80",
		"h:123456789012345678901234567890123" };
	char host[16], port[16];

	(void)state;
	assert_int_equal(sock_split("h:80", host, 16, port, 16), 0);
	assert_string_equal(host, "h");
	assert_string_equal(port, "80");
	assert_int_equal(sock_split("[::1]:http", host, 16, port, 16), 0);
	assert_string_equal(host, "::1");
	assert_string_equal(port, "http");
	assert_int_equal(sock_split("0123456789abcde:1", host, 16, port, 16),
	    0);
	assert_int_equal(sock_split("0123456789abcdef:1", host, 16, port, 16),
	    -1);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(sock_split(bad[i], host, 16, port, 16), -1);
}

static void
try_bad_names(void *arg)
{
	char longest[200] = "unix:/";

	(void)arg;
	memset(longest + 6, 'x', 150);
	if (sock_listen("nonsense", 0600) != -1 ||
	    sock_listen("tcp:nohost", 0600) != -1 ||
	    sock_listen("unix:", 0600) != -1 ||
	    sock_listen(longest, 0600) != -1 ||
	    sock_connect("", 0) != -1)
		puts("it did not fail");
}

static void
bad_names_say_why(void **state)
{
	(void)state;
	assert_int_equal(forked(try_bad_names, NULL, text, sizeof(text)), 0);
	assert_null(strstr(text, "did not fail"));
	assert_non_null(strstr(text, "prog: nonsense: not -, unix:PATH or "
				     "tcp:HOST:PORT\n"));
	assert_non_null(strstr(text, "prog: unix:: path is empty\n"));
	assert_non_null(strstr(text, "path is too long\n"));
}

/* Sends a line from one to the other and closes both. */
static void
check_pair(int a, int b)
{
	char line[3] = "";
	struct pollfd pfd = { .fd = b, .events = POLLIN };

	assert_true(a >= 0 && b >= 0);
	assert_int_equal(write(a, "hi", 2), 2);
	assert_int_equal(poll(&pfd, 1, 5000), 1);
	assert_int_equal(read(b, line, 2), 2);
	assert_string_equal(line, "hi");
	assert_true(fcntl(a, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(b, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(a, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(b, F_GETFD) & FD_CLOEXEC);
	close(a);
	close(b);
}

static int
accept_soon(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	assert_int_equal(poll(&pfd, 1, 5000), 1);
	return sock_accept(fd);
}

static void
unix_listen_and_connect(void **state)
{
	struct stat st;
	int l = sock_listen(endpoint, 0600), c;

	(void)state;
	assert_true(l >= 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(sock_accept(l), -1); /* nobody, and no waiting */
	c = sock_connect(endpoint, 0);
	check_pair(c, accept_soon(l));
	close(l);
	sock_unlink(endpoint);
	assert_int_equal(stat(path, &st), -1);
}

static void
try_listen(void *arg)
{
	int fd = sock_listen(endpoint, 0600);

	(void)arg;
	if (fd != -1)
		puts("it did not fail");
}

static void
a_stale_socket_is_replaced_a_live_one_is_not(void **state)
{
	int l = sock_listen(endpoint, 0600), again, c;

	(void)state;
	assert_int_equal(forked(try_listen, NULL, text, sizeof(text)), 0);
	assert_non_null(strstr(text, "Address already in use"));
	close(l); /* the file stays behind */
	again = sock_listen(endpoint, 0666);
	assert_true(again >= 0);
	/* The try above left a connection nobody took; this is another. */
	c = sock_connect(endpoint, 0);
	check_pair(c, accept_soon(again));
	close(again);
	sock_unlink(endpoint);
}

static void
a_file_that_is_no_socket_stays(void **state)
{
	struct stat st;
	FILE *f = fopen(path, "we");

	(void)state;
	assert_non_null(f);
	fclose(f);
	assert_int_equal(forked(try_listen, NULL, text, sizeof(text)), 0);
	assert_non_null(strstr(text, "File exists"));
	assert_int_equal(stat(path, &st), 0);
	unlink(path);
}

static void
tcp_listen_and_connect(void **state)
{
	struct sockaddr_in sin;
	socklen_t len = sizeof(sin);
	int l = sock_listen("tcp:127.0.0.1:0", 0), c;
	char name[64];

	(void)state;
	assert_true(l >= 0);
	assert_int_equal(getsockname(l, (struct sockaddr *)&sin, &len), 0);
	/* localhost may be ::1 first: the second address must be tried. */
	snprintf(name, sizeof(name), "tcp:localhost:%d",
	    ntohs(sin.sin_port));
	c = sock_connect(name, 1000);
	check_pair(c, accept_soon(l));
	close(l);
}

static void
try_connect(void *arg)
{
	int fd = sock_connect(arg, 150);

	if (fd != -1)
		puts("it did not fail");
}

static void
connect_gives_up(void **state)
{
	(void)state;
	assert_int_equal(forked(try_connect, endpoint, text, sizeof(text)),
	    0);
	assert_non_null(strstr(text, "No such file or directory\n"));
}

/* The peer starts to listen while sock_connect is at it. */
static void
connect_waits_for_the_listener(void **state)
{
	pid_t pid;
	int fd, status;

	(void)state;
	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		int l;

		poll(NULL, 0, 50);
		l = sock_listen(endpoint, 0600);
		fd = accept_soon(l);
		_exit(write(fd, "hi", 2) == 2 ? 0 : 1);
	}
	fd = sock_connect(endpoint, 10000);
	assert_true(fd >= 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close(fd);
	sock_unlink(endpoint);
}

static void
poll_timeouts_round_up(void **state)
{
	(void)state;
	assert_int_equal(stage_poll_ms(UINT64_MAX), -1);
	assert_int_equal(stage_poll_ms(0), 0);
	assert_int_equal(stage_poll_ms(1), 1);
	assert_int_equal(stage_poll_ms(1000000), 1);
	assert_int_equal(stage_poll_ms(1000001), 2);
	assert_int_equal(stage_poll_ms(UINT64_MAX - 1), INT32_MAX);
}

static void
reading_and_writing_a_pipe(void **state)
{
	struct buf in = { 0 }, out = { 0 };
	int fds[2];

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
	assert_int_equal(stage_read(fds[0], &in, 100), STAGE_IO_AGAIN);
	buf_append(&out, "hello", 5);
	assert_int_equal(stage_write(fds[1], &out), STAGE_IO_OK);
	assert_int_equal(stage_read(fds[0], &in, 2), STAGE_IO_OK);
	assert_int_equal(stage_read(fds[0], &in, 100), STAGE_IO_OK);
	assert_int_equal(buf_len(&in), 5);
	assert_memory_equal(buf_data(&in), "hello", 5);
	/* More than the pipe holds: the rest stays in the buffer. */
	memset(buf_reserve(&out, 1 << 20), 0, 1 << 20);
	buf_commit(&out, 1 << 20);
	assert_int_equal(stage_write(fds[1], &out), STAGE_IO_AGAIN);
	assert_true(buf_len(&out) > 0 && buf_len(&out) < 1 << 20);
	close(fds[0]);
	assert_int_equal(stage_write(fds[1], &out), STAGE_IO_EOF);
	close(fds[1]);
	buf_free(&in);
	buf_free(&out);

	assert_int_equal(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
	close(fds[1]);
	assert_int_equal(stage_read(fds[0], &in, 100), STAGE_IO_EOF);
	close(fds[0]);
	assert_int_equal(stage_read(fds[0], &in, 100), STAGE_IO_ERROR);
	buf_free(&in);
}

static void
an_instance_is_random(void **state)
{
	char a[17], b[17];

	(void)state;
	stage_instance(a, sizeof(a));
	stage_instance(b, sizeof(b));
	assert_int_equal(strlen(a), 16);
	assert_int_equal(strspn(a, "abcdefghijklmnopqrstuvwxyz234567"), 16);
	assert_string_not_equal(a, b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(split),
		cmocka_unit_test(bad_names_say_why),
		cmocka_unit_test(unix_listen_and_connect),
		cmocka_unit_test(a_stale_socket_is_replaced_a_live_one_is_not),
		cmocka_unit_test(a_file_that_is_no_socket_stays),
		cmocka_unit_test(tcp_listen_and_connect),
		cmocka_unit_test(connect_gives_up),
		cmocka_unit_test(connect_waits_for_the_listener),
		cmocka_unit_test(poll_timeouts_round_up),
		cmocka_unit_test(reading_and_writing_a_pipe),
		cmocka_unit_test(an_instance_is_random),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
