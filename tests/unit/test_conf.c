/* YAML trees and typed getters: every error with its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "conf.h"

static struct conf *
parse(const char *text)
{
	return conf_parse("f", (const uint8_t *)text, strlen(text));
}

static void
expect_error(const char *text, const char *error)
{
	struct conf *c = parse(text);

	assert_true(conf_nerrors(c) > 0);
	assert_string_equal(conf_error(c, 0), error);
	assert_null(conf_root(c));
	conf_free(c);
}

static void
builds_a_tree(void **state)
{
	struct conf *c = parse("a: 1\nb:\n  - x\n  - {c: 'y z'}\nd: \"\"\n");
	const struct conf_node *root = conf_root(c), *n;

	(void)state;
	assert_non_null(root);
	assert_int_equal(root->type, CONF_MAP);
	assert_int_equal(root->n, 3);
	n = root->child;
	assert_string_equal(n->key, "a");
	assert_string_equal(n->value, "1");
	assert_int_equal(n->line, 1);
	assert_int_equal(n->value_column, 4);
	n = n->next;
	assert_int_equal(n->type, CONF_LIST);
	assert_int_equal(n->n, 2);
	assert_string_equal(n->child->value, "x");
	assert_int_equal(n->child->line, 3);
	assert_int_equal(n->child->next->type, CONF_MAP);
	assert_string_equal(n->child->next->child->value, "y z");
	assert_string_equal(n->next->value, "");
	assert_null(n->next->next);
	conf_free(c);
}

static void
errors_have_a_place(void **state)
{
	(void)state;
	expect_error("", "f: empty");
	expect_error("# nothing\n", "f: empty");
	expect_error("- a\n", "f:1:1: not a map");
	expect_error("a\n", "f:1:1: not a map");
	expect_error("a: 1\n---\nb: 2\n", "f:2:1: more than one document");
	expect_error("a: 1\nb: 2\na: 3\n", "f:3:1: a: key given twice");
	expect_error("x:\n  a: 1\n  a: 3\n", "f:3:3: x.a: key given twice");
	expect_error("a: &x 1\n",
	    "f:1:4: anchors and aliases are not supported");
	expect_error("a: *x\n",
	    "f:1:4: anchors and aliases are not supported");
	expect_error("a: &x [1]\n",
	    "f:1:4: anchors and aliases are not supported");
	expect_error("a: !!int 1\n", "f:1:4: tags are not supported");
	expect_error("a: !x {}\n", "f:1:4: tags are not supported");
	expect_error("a: \"x\\0y\"\n", "f:1:4: NUL in text");
	expect_error("[a]: 1\n", "f:1:1: a key is not text");
	expect_error("a: [[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]\n",
	    "f:1:19: nested too deeply");
	expect_error("a: 1\n b: 2\n",
	    "f:2:3: mapping values are not allowed in this context");
	expect_error("a: 1\nb: \xff\n",
	    "f:2:4: invalid leading UTF-8 octet");
}

static void
bombs_are_refused(void **state)
{
	static char text[2 * CONF_NODES_MAX + 100];
	size_t n = 0;
	struct conf *c;

	(void)state;
	/* The many laughs need aliases; a plain flood meets the bound. */
	n += (size_t)sprintf(text, "a: [");
	while (n < sizeof(text) - 10) {
		text[n++] = 'x';
		text[n++] = ',';
	}
	text[n++] = ']';
	c = conf_parse("f", (uint8_t *)text, n);
	assert_int_equal(conf_nerrors(c), 1);
	assert_non_null(strstr(conf_error(c, 0), "too many values"));
	conf_free(c);
	memset(text, '[', sizeof(text));
	c = conf_parse("f", (uint8_t *)text, sizeof(text));
	assert_int_equal(conf_nerrors(c), 1);
	conf_free(c);
}

static void
errors_are_bounded(void **state)
{
	struct conf *c = parse("a: 1");

	(void)state;
	for (int i = 0; i < 100; i++)
		conf_fail(c, NULL, "number %d", i);
	assert_int_equal(conf_nerrors(c), 100);
	assert_non_null(conf_error(c, CONF_ERRORS_MAX - 1));
	assert_null(conf_error(c, CONF_ERRORS_MAX));
	conf_free(c);
}

struct dst {
	const char *str;
	int64_t num, size, ms;
	int flag, choice;
	const struct conf_node *list, *map;
};

static int
get(const char *text, struct dst *d, struct conf **out)
{
	const struct conf_field fields[] = {
		{ "str", CONF_GET_STR, &d->str, 1, 5, NULL, 1 },
		{ "num", CONF_GET_UINT, &d->num, 1, 10, NULL, 0 },
		{ "size", CONF_GET_SIZE, &d->size, 1, 1 << 20, NULL, 0 },
		{ "ms", CONF_GET_MS, &d->ms, 1, 60000, NULL, 0 },
		{ "flag", CONF_GET_BOOL, &d->flag, 0, 0, NULL, 0 },
		{ "choice", CONF_GET_CHOICE, &d->choice, 0, 0, "a|bb|c", 0 },
		{ "list", CONF_GET_LIST, &d->list, 1, 2, NULL, 0 },
		{ "map", CONF_GET_MAP, &d->map, 0, 1, NULL, 0 },
		{ NULL, 0, NULL, 0, 0, NULL, 0 }
	};
	struct conf *c = parse(text);
	int rc;

	*out = c;
	*d = (struct dst){ .num = -1 };
	assert_non_null(conf_root(c));
	rc = conf_get(c, conf_root(c), fields);
	assert_int_equal(rc == 0, conf_nerrors(c) == 0);
	return rc;
}

static void
getters_take_what_is_right(void **state)
{
	struct conf *c;
	struct dst d;

	(void)state;
	assert_int_equal(get("str: hello\nnum: 10\nsize: 4KiB\nms: 1.5s\n"
	    "flag: yes\nchoice: bb\nlist: [1, 2]\nmap: {}\n", &d, &c), 0);
	assert_string_equal(d.str, "hello");
	assert_int_equal(d.num, 10);
	assert_int_equal(d.size, 4096);
	assert_int_equal(d.ms, 1500);
	assert_int_equal(d.flag, 1);
	assert_int_equal(d.choice, 1);
	assert_int_equal(d.list->n, 2);
	assert_int_equal(d.map->n, 0);
	conf_free(c);
	assert_int_equal(get("str: x\n", &d, &c), 0);
	assert_int_equal(d.num, -1);
	conf_free(c);
}

static void
getters_say_what_is_wrong(void **state)
{
	static const struct {
		const char *text, *error;
	} rows[] = {
		{ "num: 1\n", "f:1:1: str is missing" },
		{ "str: a\nnmu: 1\n", "f:2:1: nmu: no such key" },
		{ "str: ''\n", "f:1:6: str: empty" },
		{ "str: toolong\n", "f:1:6: str: not 1 to 5 bytes long" },
		{ "str: [a]\n", "f:1:6: str: not text" },
		{ "str: a\nnum: 11\n",
		    "f:2:6: num: 11: not a number from 1 to 10" },
		{ "str: a\nnum: 1x\n",
		    "f:2:6: num: 1x: not a number from 1 to 10" },
		{ "str: a\nnum: {}\n", "f:2:6: num: not a single value" },
		{ "str: a\nnum:\n", "f:2:5: num: : not a number from 1 to 10" },
		{ "str: a\nsize: 2MiB\n",
		    "f:2:7: size: 2MiB: not a size in bytes from 1 to 1048576" },
		{ "str: a\nms: 2h\n",
		    "f:2:5: ms: 2h: not a time in milliseconds from 1 to "
		    "60000" },
		{ "str: a\nflag: maybe\n",
		    "f:2:7: flag: maybe: not one of "
		    "false|true|no|yes|off|on" },
		{ "str: a\nchoice: b\n",
		    "f:2:9: choice: b: not one of a|bb|c" },
		{ "str: a\nlist: x\n", "f:2:7: list: not a list" },
		{ "str: a\nlist: []\n",
		    "f:2:7: list: has 0 elements, not 1 to 2" },
		{ "str: a\nlist: [1, 2, 3]\n",
		    "f:2:7: list: has 3 elements, not 1 to 2" },
		{ "str: a\nmap: []\n", "f:2:6: map: not a map" },
		{ "str: a\nmap: {a: 1, b: 2}\n",
		    "f:2:6: map: has 2 elements, not 0 to 1" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct conf *c;
		struct dst d;

		assert_int_equal(get(rows[i].text, &d, &c), -1);
		assert_int_equal(conf_nerrors(c), 1);
		assert_string_equal(conf_error(c, 0), rows[i].error);
		conf_free(c);
	}
}

static void
paths_name_lists_and_maps(void **state)
{
	struct conf *c = parse("a:\n  b:\n    - x\n    - [y]\n");
	const struct conf_node *list = conf_root(c)->child->child;

	(void)state;
	assert_null(conf_str(c, list->child->next, 1, 9));
	assert_string_equal(conf_error(c, 0), "f:4:7: a.b[1]: not text");
	conf_free(c);
}

/* Cut at every byte, a file is either wrong with a place or still whole. */
static void
truncation_never_crashes(void **state)
{
	static const char text[] =
	    "global:\n  unknown: drop\n"
	    "services:\n"
	    "  video: {types: [video, \"screen*\"], policy: block,\n"
	    "    endpoints: ['ipc:///tmp/v'], headers: {\"X-A\": \"\\u00e4\"}}\n"
	    "  chat:\n    types:\n    - chat\n    queue:\n"
	    "      packets: 10\n      bytes: 1MiB\n";
	size_t wrong = 0;

	(void)state;
	for (size_t n = 0; n < sizeof(text); n++) {
		uint8_t *copy = malloc(n + 1);
		struct conf *c;

		memcpy(copy, text, n);
		c = conf_parse("f", copy, n);
		if (conf_nerrors(c) > 0) {
			assert_memory_equal(conf_error(c, 0), "f:", 2);
			wrong++;
		} else {
			assert_non_null(conf_root(c));
		}
		conf_free(c);
		free(copy);
	}
	assert_true(wrong > 100);
}

static void
loads_files(void **state)
{
	char path[] = "/tmp/test_conf.XXXXXX", want[80];
	int fd = mkstemp(path);
	struct conf *c;

	(void)state;
	assert_true(fd != -1);
	assert_int_equal(write(fd, "a: 1\n", 5), 5);
	close(fd);
	c = conf_load(path);
	assert_int_equal(conf_nerrors(c), 0);
	assert_string_equal(conf_root(c)->child->value, "1");
	conf_free(c);
	assert_int_equal(truncate(path, CONF_BYTES_MAX + 1), 0);
	c = conf_load(path);
	assert_int_equal(conf_nerrors(c), 1);
	conf_free(c);
	unlink(path);
	c = conf_load(path);
	snprintf(want, sizeof(want), "%s: No such file or directory", path);
	assert_string_equal(conf_error(c, 0), want);
	conf_free(c);
	c = conf_load("/");
	assert_string_equal(conf_error(c, 0), "/: Is a directory");
	conf_free(c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(builds_a_tree),
		cmocka_unit_test(errors_have_a_place),
		cmocka_unit_test(bombs_are_refused),
		cmocka_unit_test(errors_are_bounded),
		cmocka_unit_test(getters_take_what_is_right),
		cmocka_unit_test(getters_say_what_is_wrong),
		cmocka_unit_test(paths_name_lists_and_maps),
		cmocka_unit_test(truncation_never_crashes),
		cmocka_unit_test(loads_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
