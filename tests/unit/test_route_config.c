/* route.yaml: what is right comes out whole, what is wrong has its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../route/config.h"

static struct config *
load(const char *text, struct conf **errors)
{
	*errors = NULL;
	return config_from(conf_parse("r", (const uint8_t *)text,
	    strlen(text)), errors);
}

static void
expect(const char *text, const char *error)
{
	struct conf *errors;
	struct config *c = load(text, &errors);

	assert_null(c);
	assert_non_null(errors);
	assert_string_equal(conf_error(errors, 0), error);
	conf_free(errors);
}

#define EP "    endpoints: [\"ipc:///tmp/x\"]\n"

static void
takes_all_of_it(void **state)
{
	static const char text[] =
	    "global:\n"
	    "  unknown: default\n"
	    "  policy: drop-newest\n"
	    "  queue: {packets: 7, bytes: 2KiB}\n"
	    "services:\n"
	    "  video:\n"
	    "    types: [video, 'screen*']\n"
	    "    endpoints: ['ipc:///tmp/v', 'tcp://[::1]:7000']\n"
	    "    policy: drop-oldest\n"
	    "    queue: {packets: 100}\n"
	    "    headers: {X-A: '1', X-B: ''}\n"
	    "  default:\n"
	    "    endpoints: ['tcp://sink.example:7001']\n";
	struct conf *errors;
	struct config *c = load(text, &errors);
	const struct config_service *s;

	(void)state;
	assert_non_null(c);
	assert_int_equal(c->nservices, 2);
	assert_int_equal(c->nendpoints, 3);
	assert_true(c->unknown_to_default);
	s = &c->services[0];
	assert_string_equal(s->name, "video");
	assert_int_equal(s->ntypes, 2);
	assert_string_equal(s->types[1], "screen*");
	assert_int_equal(s->nendpoints, 2);
	assert_string_equal(s->endpoints[1], "tcp://[::1]:7000");
	assert_int_equal(s->policy, POLICY_DROP_OLDEST);
	assert_int_equal(s->queue.packets, 100);
	assert_int_equal(s->queue.bytes, 2048);
	assert_int_equal(s->nheaders, 2);
	assert_true(mp_str_is(s->headers[0].name, "X-A"));
	assert_true(mp_str_is(s->headers[0].value, "1"));
	s = &c->services[1];
	assert_int_equal(s->ntypes, 0);
	assert_int_equal(s->policy, POLICY_DROP_NEWEST);
	assert_int_equal(s->queue.packets, 7);
	assert_int_equal(config_find(c, "default"), 1);
	assert_int_equal(config_find(c, "nobody"), -1);
	config_free(c);
}

static void
has_defaults(void **state)
{
	struct conf *errors;
	struct config *c = load("services:\n  a:\n    types: [x]\n" EP,
	    &errors);

	(void)state;
	assert_non_null(c);
	assert_false(c->unknown_to_default);
	assert_int_equal(c->services[0].policy, POLICY_BLOCK);
	assert_int_equal(c->services[0].queue.packets,
	    CONFIG_PACKETS_DEFAULT);
	assert_int_equal(c->services[0].queue.bytes, CONFIG_BYTES_DEFAULT);
	config_free(c);
	/* A default service takes unknown types unless told not to. */
	c = load("services:\n  default:\n" EP, &errors);
	assert_true(c->unknown_to_default);
	config_free(c);
	c = load("global: {unknown: drop}\nservices:\n  default:\n" EP,
	    &errors);
	assert_false(c->unknown_to_default);
	config_free(c);
}

static void
every_key_wrong(void **state)
{
	(void)state;
	expect("", "r: empty");
	expect("global: {}\n", "r:1:1: services is missing");
	expect("services: {}\n", "r:1:11: services: has 0 elements, not 1 to "
	    "4096");
	expect("servces: {}\n", "r:1:1: servces: no such key");
	expect("services: []\n", "r:1:11: services: not a map");
	expect("global: 1\n", "r:1:9: global: not a map");
	expect("global: {what: 1}\nservices:\n  a:\n    types: [x]\n" EP,
	    "r:1:10: global.what: no such key");
	expect("global: {unknown: keep}\nservices:\n  a:\n    types: [x]\n" EP,
	    "r:1:19: global.unknown: keep: not one of drop|default");
	expect("global: {unknown: default}\nservices:\n  a:\n"
	    "    types: [x]\n" EP,
	    "r:1:9: global: unknown types go to a service default, and there "
	    "is none");
	expect("global: {policy: x}\nservices:\n  a:\n    types: [x]\n" EP,
	    "r:1:18: global.policy: x: not one of "
	    "block|drop-oldest|drop-newest");
	expect("global: {queue: 3}\nservices:\n  a:\n    types: [x]\n" EP,
	    "r:1:17: global.queue: not a map");
	expect("global: {queue: {packets: 0}}\nservices:\n  a:\n"
	    "    types: [x]\n" EP,
	    "r:1:27: global.queue.packets: 0: not a number from 1 to "
	    "16777216");
	expect("global: {queue: {bytes: 5}}\nservices:\n  a:\n"
	    "    types: [x]\n" EP,
	    "r:1:25: global.queue.bytes: 5: not a size in bytes from 1024 to "
	    "1099511627776");
	expect("global: {queue: {size: 5}}\nservices:\n  a:\n"
	    "    types: [x]\n" EP,
	    "r:1:18: global.queue.size: no such key");
}

static void
every_service_key_wrong(void **state)
{
	(void)state;
	expect("services:\n  a: x\n", "r:2:6: services.a: not a map");
	expect("services:\n  a: [x]\n", "r:2:6: services.a: not a map");
	expect("services:\n  a b:\n    types: [x]\n" EP,
	    "r:2:3: services.a b: a service's name is made of "
	    "A-Z a-z 0-9 . _ -");
	expect("services:\n  '':\n    types: [x]\n" EP,
	    "r:2:3: services.: a service's name has 1 to 64 bytes");
	expect("services:\n  a:\n" EP, "r:3:5: services.a: types is missing");
	expect("services:\n  a:\n    types: [x]\n",
	    "r:3:5: services.a: endpoints is missing");
	expect("services:\n  a:\n    types: x\n" EP,
	    "r:3:12: services.a.types: not a list");
	expect("services:\n  a:\n    types: []\n" EP,
	    "r:3:12: services.a.types: has 0 elements, not 1 to 64");
	expect("services:\n  a:\n    types: ['']\n" EP,
	    "r:3:13: services.a.types[0]: empty");
	expect("services:\n  a:\n    types: [x, averyverylong]\n" EP,
	    "r:3:16: services.a.types[1]: not 1 to 12 bytes long");
	expect("services:\n  a:\n    types: [\"x\\n\"]\n" EP,
	    "r:3:13: services.a.types[0]: control characters in a track "
	    "type");
	expect("services:\n  a:\n    types: [x]\n" EP "    polcy: block\n",
	    "r:5:5: services.a.polcy: no such key");
	expect("services:\n  a:\n    types: [x]\n" EP "    policy: drop\n",
	    "r:5:13: services.a.policy: drop: not one of "
	    "block|drop-oldest|drop-newest");
	expect("services:\n  a:\n    types: [x]\n" EP
	    "    queue: {packets: many}\n",
	    "r:5:22: services.a.queue.packets: many: not a number from 1 to "
	    "16777216");
	expect("services:\n  a:\n    types: [x]\n" EP "    headers: [a]\n",
	    "r:5:14: services.a.headers: not a map");
	expect("services:\n  a:\n    types: [x]\n" EP
	    "    headers: {'a b': x}\n",
	    "r:5:15: services.a.headers.a b: not a header's name (RFC 9110, "
	    "token)");
	expect("services:\n  a:\n    types: [x]\n" EP
	    "    headers: {a: \"x\\r\\ny: z\"}\n",
	    "r:5:15: services.a.headers.a: control characters in a header's "
	    "value");
	expect("services:\n  a:\n    types: [x]\n" EP
	    "    headers: {a: [x]}\n",
	    "r:5:18: services.a.headers.a: not text");
}

static void
endpoints_are_checked(void **state)
{
	static const struct {
		const char *endpoint, *why;
	} rows[] = {
		{ "x", "x: not ipc://PATH or tcp://HOST:PORT" },
		{ "udp://x:1", "udp://x:1: not ipc://PATH or tcp://HOST:PORT" },
		{ "ipc://", "ipc://: no path" },
		{ "tcp://host", "tcp://host: not tcp://HOST:PORT" },
		{ "tcp://:1", "tcp://:1: not tcp://HOST:PORT" },
		{ "tcp://h:x", "tcp://h:x: not tcp://HOST:PORT" },
		{ "tcp://h:0", "tcp://h:0: port is not from 1 to 65535" },
		{ "tcp://h:70000",
		    "tcp://h:70000: port is not from 1 to 65535" },
		{ "tcp://h:1x", "tcp://h:1x: port is not from 1 to 65535" },
		{ "ipc:///a b", "ipc:///a b: an endpoint is printable ASCII "
		    "without blanks, quotes and backslashes" },
		{ "ipc:///0123456789012345678901234567890123456789012345678"
		  "9012345678901234567890123456789012345678901234567890123456"
		  "789",
		    "ipc:///01234567890123456789012345678901234567890123456789"
		    "012345678901234567890123456789012345678901234567890123456"
		    "789: path is too long" },
	};
	char text[600], error[600];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(text, sizeof(text), "services:\n  a:\n"
		    "    types: [x]\n    endpoints: ['%s']\n",
		    rows[i].endpoint);
		snprintf(error, sizeof(error),
		    "r:4:17: services.a.endpoints[0]: %s", rows[i].why);
		expect(text, error);
	}
	expect("services:\n  a:\n    types: [x]\n"
	    "    endpoints: ['ipc:///a', 'ipc:///a']\n",
	    "r:4:29: services.a.endpoints[1]: ipc:///a: endpoint given "
	    "twice");
}

static void
one_type_one_service(void **state)
{
	(void)state;
	expect("services:\n  a:\n    types: [x]\n" EP
	    "  b:\n    types: [y, x]\n" EP,
	    "r:6:16: services.b.types[1]: x: given to service a already");
	expect("services:\n  a:\n    types: [x, x]\n" EP,
	    "r:3:16: services.a.types[1]: x: given to service a already");
}

static void
all_errors_at_once(void **state)
{
	struct conf *errors;
	struct config *c = load("services:\n  a:\n    types: [x]\n"
	    "    policy: maybe\n    queue: {bytes: 1}\n    what: 1\n" EP,
	    &errors);

	(void)state;
	assert_null(c);
	assert_int_equal(conf_nerrors(errors), 3);
	conf_free(errors);
}

static void
cut_anywhere(void **state)
{
	static const char text[] =
	    "global: {unknown: drop, queue: {packets: 5}}\nservices:\n"
	    "  video:\n    types: [video, 'screen*']\n"
	    "    endpoints: ['ipc:///tmp/v']\n    headers: {X-A: '1'}\n"
	    "  chat:\n    types: [chat]\n    endpoints:\n"
	    "    - tcp://127.0.0.1:7000\n";
	struct conf *errors;
	struct config *c;

	(void)state;
	for (size_t n = 0; n <= strlen(text); n++) {
		errors = NULL;
		c = config_from(conf_parse("r", (const uint8_t *)text, n),
		    &errors);
		assert_true((c == NULL) == (errors != NULL));
		config_free(c);
		conf_free(errors);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_all_of_it),
		cmocka_unit_test(has_defaults),
		cmocka_unit_test(every_key_wrong),
		cmocka_unit_test(every_service_key_wrong),
		cmocka_unit_test(endpoints_are_checked),
		cmocka_unit_test(one_type_one_service),
		cmocka_unit_test(all_errors_at_once),
		cmocka_unit_test(cut_anywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
