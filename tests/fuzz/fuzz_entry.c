/*
 * Entries. What decodes must come out the same after being encoded again,
 * and its properties must be walked to the end.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "entry.h"
#include "props.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_props(const struct entry *e)
{
	struct props_iter it;
	struct mp_value v;
	struct mp_str key;

	props_iter_init(&it, e->props, e->props_len);
	while (props_next(&it, &key, &v))
		continue;
	if (it.left != 0 || it.m.n != 0)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct entry e;
	uint8_t *again;
	int64_t n;

	while ((n = entry_get(data, size, &e, NULL)) > 0) {
		if ((size_t)n > size || e.payload + e.payload_len != data + n)
			abort();
		if (e.props_len > 0 && entry_size(&e) != (size_t)n)
			abort();
		if (entry_check(&e, NULL) == 0) {
			check_props(&e);
			again = malloc((size_t)n);
			if (again == NULL)
				abort();
			entry_put(again, &e);
			if (memcmp(again + 8, data + 8, (size_t)n - 8) != 0)
				abort();
			entry_stamp(again, (size_t)n, 1, 2);
			if (!entry_crc_ok(again, (size_t)n))
				abort();
			free(again);
		}
		data += n;
		size -= (size_t)n;
	}
	return 0;
}
