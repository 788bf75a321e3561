/* Chat messages: what is taken, and the reason when not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../sink-chat/chat.h"

#define GOOD "{\"message_id\":7,\"timestamp\":1700000000.25," \
	"\"user\":\"ann\",\"message\":\"h\xc3\xa9llo\",\"type\":\"text\"}"

static enum chat_error
verdict(const void *p, size_t n, size_t max)
{
	uint8_t *copy = calloc(n > 0 ? n : 1, 1);
	struct chat c;
	enum chat_error e;

	memcpy(copy, p, n);
	e = chat_inspect(copy, n, max, &c);
	chat_free(&c);
	free(copy);
	return e;
}

static enum chat_error
text(const char *s)
{
	return verdict(s, strlen(s), CHAT_MAX_DEFAULT);
}

static void
chat_finds_the_fields(void **state)
{
	struct chat c;

	(void)state;
	assert_int_equal(chat_inspect((const uint8_t *)GOOD, sizeof(GOOD) - 1,
	    CHAT_MAX_DEFAULT, &c), CHAT_OK);
	assert_int_equal(json_integer_value(c.message_id), 7);
	assert_true(c.timestamp > 1700000000.2 && c.timestamp < 1700000000.3);
	assert_string_equal(c.user, "ann");
	assert_string_equal(c.message, "h\xc3\xa9llo");
	assert_int_equal(c.message_len, 6);
	assert_string_equal(c.type, "text");
	chat_free(&c);
	chat_free(&c);
}

static void
chat_takes_what_is_allowed(void **state)
{
	(void)state;
	assert_int_equal(text("{\"message_id\":\"a-1\",\"timestamp\":1,"
	    "\"user\":\"u\",\"message\":\"\",\"type\":\"t\",\"more\":[{}]}"),
	    CHAT_OK);
	assert_int_equal(text(" \n" GOOD "\t "), CHAT_OK);
	/* Brackets in strings are no nesting, escaped quotes no end. */
	assert_int_equal(text("{\"message_id\":1,\"timestamp\":1,\"user\":"
	    "\"\\\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\",\"message\":"
	    "\"\\\\\",\"type\":\"t\"}"), CHAT_OK);
}

static void
chat_truncated_anywhere_is_not_good(void **state)
{
	(void)state;
	for (size_t n = 0; n < sizeof(GOOD) - 1; n++) {
		enum chat_error e = verdict(GOOD, n, CHAT_MAX_DEFAULT);

		/* Cut inside the two-byte letter it is not even UTF-8. */
		if (n > 0 && (uint8_t)GOOD[n - 1] == 0xc3)
			assert_int_equal(e, CHAT_BAD_UTF8);
		else
			assert_int_equal(e, n == 0 ? CHAT_EMPTY :
			    CHAT_BAD_JSON);
	}
}

static void
chat_names_the_field(void **state)
{
	static const char *const keys[] = { "message_id", "timestamp", "user",
		"message", "type" };
	static const char *const good[] = { "1", "1", "\"u\"", "\"m\"",
		"\"t\"" };
	static const char *const bad[][4] = {
		{ "1.5", "\"\"", "null", "{}" },
		{ "\"1\"", "null", "true", "[]" },
		{ "\"\"", "1", "null", "[\"u\"]" },
		{ "1", "null", "{}", "false" },
		{ "\"\"", "1", "null", "{}" },
	};
	char s[1024];
	size_t n;

	(void)state;
	/* k: the field at fault; v: 0..3 the bad values, 4 left out. */
	for (int k = 0; k < 5; k++) {
		for (int v = 0; v < 5; v++) {
			n = 0;
			for (int i = 0; i < 5; i++) {
				if (i == k && v == 4)
					continue;
				n += (size_t)snprintf(s + n, sizeof(s) - n,
				    "%c\"%s\":%s", n == 0 ? '{' : ',',
				    keys[i], i == k ? bad[k][v] : good[i]);
			}
			snprintf(s + n, sizeof(s) - n, "}");
			assert_int_equal(text(s), v == 4 ?
			    CHAT_MISSING_MESSAGE_ID + k :
			    CHAT_BAD_MESSAGE_ID + k);
		}
	}
}

static void
chat_bounds_the_strings(void **state)
{
	char name[512], s[2048];

	(void)state;
	memset(name, 'n', sizeof(name));
	for (int n = 0; n <= 300; n++) {
		snprintf(s, sizeof(s), "{\"message_id\":\"%.*s\",\"timestamp\""
		    ":1,\"user\":\"u\",\"message\":\"m\",\"type\":\"t\"}", n,
		    name);
		assert_int_equal(text(s), n >= 1 && n <= CHAT_ID_MAX ?
		    CHAT_OK : CHAT_BAD_MESSAGE_ID);
		snprintf(s, sizeof(s), "{\"message_id\":1,\"timestamp\":1,"
		    "\"user\":\"%.*s\",\"message\":\"m\",\"type\":\"t\"}", n,
		    name);
		assert_int_equal(text(s), n >= 1 && n <= CHAT_USER_MAX ?
		    CHAT_OK : CHAT_BAD_USER);
		snprintf(s, sizeof(s), "{\"message_id\":1,\"timestamp\":1,"
		    "\"user\":\"u\",\"message\":\"m\",\"type\":\"%.*s\"}", n,
		    name);
		assert_int_equal(text(s), n >= 1 && n <= CHAT_TYPE_MAX ?
		    CHAT_OK : CHAT_BAD_TYPE);
	}
	assert_int_equal(verdict(GOOD, sizeof(GOOD) - 1, sizeof(GOOD) - 1),
	    CHAT_OK);
	assert_int_equal(verdict(GOOD, sizeof(GOOD) - 1, sizeof(GOOD) - 2),
	    CHAT_TOO_LONG);
}

static void
chat_refuses_hostile_text(void **state)
{
	char deep[128];

	(void)state;
	assert_int_equal(text("null"), CHAT_NOT_AN_OBJECT);
	assert_int_equal(text("[]"), CHAT_NOT_AN_OBJECT);
	assert_int_equal(text("{}"), CHAT_MISSING_MESSAGE_ID);
	assert_int_equal(text(GOOD "x"), CHAT_BAD_JSON);
	assert_int_equal(text("{\"user\":\"a\",\"user\":\"b\"}"),
	    CHAT_DUPLICATE_KEY);
	assert_int_equal(text("{\"a\":{\"b\":1,\"b\":1}}"),
	    CHAT_DUPLICATE_KEY);
	/* Overlong, surrogate, above the range, a lone continuation. */
	assert_int_equal(text("\"\xc0\xaf\""), CHAT_BAD_UTF8);
	assert_int_equal(text("\"\xed\xa0\x80\""), CHAT_BAD_UTF8);
	assert_int_equal(text("\"\xf4\x90\x80\x80\""), CHAT_BAD_UTF8);
	assert_int_equal(text("\"\x80\""), CHAT_BAD_UTF8);
	/* A NUL in the text, or escaped into a string. */
	assert_int_equal(verdict("{}\0", 3, CHAT_MAX_DEFAULT), CHAT_BAD_JSON);
	assert_int_equal(text("{\"user\":\"\\u0000\"}"), CHAT_BAD_JSON);
	assert_int_equal(text("{\"user\":\"\\ud800\"}"), CHAT_BAD_JSON);
	assert_int_equal(text("{\"message_id\":99999999999999999999}"),
	    CHAT_BAD_JSON);
	assert_int_equal(text("{\"timestamp\":1e999}"), CHAT_BAD_JSON);
	assert_int_equal(text("{\"timestamp\":NaN}"), CHAT_BAD_JSON);
	memset(deep, '[', sizeof(deep));
	assert_int_equal(verdict(deep, CHAT_DEPTH_MAX, CHAT_MAX_DEFAULT),
	    CHAT_BAD_JSON);
	assert_int_equal(verdict(deep, CHAT_DEPTH_MAX + 1, CHAT_MAX_DEFAULT),
	    CHAT_TOO_DEEP);
}

static void
every_verdict_has_a_name(void **state)
{
	(void)state;
	for (int e = CHAT_OK; e <= CHAT_BAD_TYPE; e++)
		assert_string_not_equal(chat_error_name((enum chat_error)e),
		    "?");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chat_finds_the_fields),
		cmocka_unit_test(chat_takes_what_is_allowed),
		cmocka_unit_test(chat_truncated_anywhere_is_not_good),
		cmocka_unit_test(chat_names_the_field),
		cmocka_unit_test(chat_bounds_the_strings),
		cmocka_unit_test(chat_refuses_hostile_text),
		cmocka_unit_test(every_verdict_has_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
