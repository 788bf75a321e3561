/* Pieces of files: what is taken, and the reason when not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../sink-file/file.h"
#include "be.h"

#define PAYLOAD_MAX 1024

/* A payload with this name and range; its length. */
static size_t
payload(uint8_t *p, const char *name, uint64_t offset, uint64_t size,
    size_t len)
{
	size_t n = strlen(name);

	memset(p, 0xab, PAYLOAD_MAX);
	memcpy(p, "FIL1", 4);
	be64_put(p + 20, offset);
	be64_put(p + 28, size);
	be16_put(p + 36, (uint16_t)n);
	memcpy(p + FILE_HEADER_LEN, name, n);
	return FILE_HEADER_LEN + n + len;
}

/* The verdict on an exact copy, so that a read beyond it is seen. */
static enum file_error
verdict(const uint8_t *p, size_t n, struct file_piece *f)
{
	struct file_piece unused;
	uint8_t *copy = malloc(n > 0 ? n : 1);
	enum file_error e;

	memcpy(copy, p, n);
	e = file_inspect(copy, n, f != NULL ? f : &unused);
	free(copy);
	return e;
}

static enum file_error
named(const char *name)
{
	uint8_t p[PAYLOAD_MAX];
	size_t n = payload(p, name, 0, 4, 4);

	return verdict(p, n, NULL);
}

static enum file_error
ranged(uint64_t offset, uint64_t size, size_t len)
{
	uint8_t p[PAYLOAD_MAX];
	size_t n = payload(p, "n", offset, size, len);

	return verdict(p, n, NULL);
}

static void
file_finds_the_fields(void **state)
{
	uint8_t p[PAYLOAD_MAX];
	size_t n = payload(p, "caf\xc3\xa9.txt", 100, 200, 50);
	struct file_piece f;

	(void)state;
	assert_int_equal(file_inspect(p, n, &f), FILE_OK);
	assert_string_equal(f.transfer, "abababababababababababababababab");
	assert_string_equal(f.name, "caf\xc3\xa9.txt");
	assert_int_equal(f.offset, 100);
	assert_int_equal(f.size, 200);
	assert_int_equal(f.len, 50);
	assert_ptr_equal(f.data, p + n - 50);
}

static void
file_wants_the_header_whole(void **state)
{
	uint8_t p[PAYLOAD_MAX];
	size_t n = payload(p, "name", 0, 0, 0);

	(void)state;
	assert_int_equal(verdict(p, n, NULL), FILE_OK);
	assert_int_equal(verdict(p, 0, NULL), FILE_EMPTY);
	for (size_t i = 1; i < 4; i++)
		assert_int_equal(verdict(p, i, NULL), FILE_UNKNOWN_FORMAT);
	for (size_t i = 4; i < n; i++)
		assert_int_equal(verdict(p, i, NULL), FILE_SHORT_HEADER);
	p[3] = '2';
	assert_int_equal(verdict(p, n, NULL), FILE_UNKNOWN_FORMAT);
}

static void
file_names_stay_in_their_directory(void **state)
{
	char longest[FILE_NAME_MAX + 2];

	(void)state;
	memset(longest, 'x', sizeof(longest));
	longest[FILE_NAME_MAX + 1] = '\0';
	assert_int_equal(named(longest), FILE_BAD_NAME);
	longest[FILE_NAME_MAX] = '\0';
	assert_int_equal(named(longest), FILE_OK);
	assert_int_equal(named("..."), FILE_OK);
	assert_int_equal(named(".profile"), FILE_OK);
	assert_int_equal(named(""), FILE_BAD_NAME);
	assert_int_equal(named("."), FILE_BAD_NAME);
	assert_int_equal(named(".."), FILE_BAD_NAME);
	assert_int_equal(named("../x"), FILE_BAD_NAME);
	assert_int_equal(named("a/b"), FILE_BAD_NAME);
	assert_int_equal(named("a\\b"), FILE_BAD_NAME);
	assert_int_equal(named("a\nb"), FILE_BAD_NAME);
	assert_int_equal(named("a\x1b[2J"), FILE_BAD_NAME);
	assert_int_equal(named("a\x7f"), FILE_BAD_NAME);
	assert_int_equal(named("\xff"), FILE_BAD_NAME);
}

static void
file_pieces_lie_inside(void **state)
{
	(void)state;
	assert_int_equal(ranged(0, 10, 10), FILE_OK);
	assert_int_equal(ranged(9, 10, 1), FILE_OK);
	assert_int_equal(ranged(0, 0, 0), FILE_OK);
	assert_int_equal(ranged(0, 10, 11), FILE_BAD_RANGE);
	assert_int_equal(ranged(10, 10, 1), FILE_BAD_RANGE);
	assert_int_equal(ranged(11, 10, 1), FILE_BAD_RANGE);
	assert_int_equal(ranged(10, 10, 0), FILE_BAD_RANGE);
	assert_int_equal(ranged(UINT64_MAX, 10, 1), FILE_BAD_RANGE);
	assert_int_equal(ranged(UINT64_MAX, UINT64_MAX, 1), FILE_BAD_RANGE);
	assert_int_equal(ranged(UINT64_MAX - 1, UINT64_MAX, 1), FILE_OK);
}

static void
file_errors_have_names(void **state)
{
	(void)state;
	assert_string_equal(file_error_name(FILE_EMPTY), "empty");
	assert_string_equal(file_error_name(FILE_BAD_RANGE), "bad-range");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(file_finds_the_fields),
		cmocka_unit_test(file_wants_the_header_whole),
		cmocka_unit_test(file_names_stay_in_their_directory),
		cmocka_unit_test(file_pieces_lie_inside),
		cmocka_unit_test(file_errors_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
