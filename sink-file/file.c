#include "file.h"

#include <string.h>

#include "be.h"
#include "track.h"

static const char file_magic[4] = "FIL1";

static const char *const names[] = { "ok", "empty", "unknown-format",
	"short-header", "bad-name", "bad-range" };

const char *
file_error_name(enum file_error e)
{
	return names[e];
}

/*
 * A name is a name only: a reader that writes a file so called must not be
 * led out of its directory, nor a terminal out of its line.
 */
static int
file_name_good(const uint8_t *p, size_t n)
{
	if (n == 0 || n > FILE_NAME_MAX || !utf8_valid(p, n))
		return 0;
	for (size_t i = 0; i < n; i++)
		if (p[i] < 0x20 || p[i] == 0x7f || p[i] == '/' || p[i] == '\\')
			return 0;
	return !(p[0] == '.' && (n == 1 || (n == 2 && p[1] == '.')));
}

static void
file_transfer(const uint8_t *p, char *out)
{
	static const char digits[] = "0123456789abcdef";

	for (int i = 0; i < FILE_TRANSFER_LEN; i++) {
		*out++ = digits[p[i] >> 4];
		*out++ = digits[p[i] & 15];
	}
	*out = '\0';
}

enum file_error
file_inspect(const uint8_t *p, size_t n, struct file_piece *f)
{
	size_t name_len;

	if (n == 0)
		return FILE_EMPTY;
	if (n < sizeof(file_magic) ||
	    memcmp(p, file_magic, sizeof(file_magic)) != 0)
		return FILE_UNKNOWN_FORMAT;
	if (n < FILE_HEADER_LEN)
		return FILE_SHORT_HEADER;
	name_len = be16_get(p + 36);
	if (name_len > FILE_NAME_MAX)
		return FILE_BAD_NAME;
	if (n - FILE_HEADER_LEN < name_len)
		return FILE_SHORT_HEADER;
	if (!file_name_good(p + FILE_HEADER_LEN, name_len))
		return FILE_BAD_NAME;
	file_transfer(p + 4, f->transfer);
	f->offset = be64_get(p + 20);
	f->size = be64_get(p + 28);
	memcpy(f->name, p + FILE_HEADER_LEN, name_len);
	f->name[name_len] = '\0';
	f->data = p + FILE_HEADER_LEN + name_len;
	f->len = n - FILE_HEADER_LEN - name_len;
	/* Only an empty file has an empty piece. */
	if (f->offset > f->size || f->len > f->size - f->offset ||
	    (f->len == 0 && f->size > 0))
		return FILE_BAD_RANGE;
	return FILE_OK;
}
