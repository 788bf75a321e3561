/*
 * Reading a segment file. The first byte of the input says whether the
 * checksums are made right, since no mutation would ever guess them; the rest
 * is the file. What a scan takes must be exactly what a second scan takes,
 * and seeking stays within it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../topic-bus/segment.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct segment_dir dir;

static struct segment *
open_memory(const uint8_t *data, size_t size)
{
	struct segment *s = segment_new(&dir, "t", 1);
	int fd = memfd_create("segment", MFD_CLOEXEC);

	if (fd == -1 || write(fd, data, size) != (ssize_t)size)
		abort();
	files_add(&dir.files, &s->file, fd);
	return s;
}

/* Right checksums for everything that has the shape of an entry. */
static void
repair(uint8_t *p, size_t n)
{
	struct entry e;
	int64_t len;

	if (n < SEGMENT_HEADER_LEN)
		return;
	segment_header_put(p, 1, 1000);
	for (p += SEGMENT_HEADER_LEN, n -= SEGMENT_HEADER_LEN;
	    (len = entry_get(p, n, &e, NULL)) > 0; p += len, n -= (size_t)len)
		entry_stamp(p, (size_t)len, e.id, e.publish);
}

static void
check(struct segment *s, int newest)
{
	uint64_t end, next, offset, id;

	if (segment_load(s) == -1)
		return;
	if (segment_scan(s, newest) == -1 && errno != EBADMSG)
		abort();
	end = s->size;
	next = s->next;
	if (segment_scan(s, 0) == -1 && errno != EBADMSG)
		abort();
	if (s->size != end || s->next != next)
		abort();
	for (uint64_t i = 0; i < 4 && i < next; i++)
		if (segment_seek_entry(s, i, &offset, &id) == -1 || id != i)
			abort();
	if (segment_seek_entry(s, next, &offset, &id) == -1 || id != next ||
	    offset != end)
		abort();
	segment_seek_time(s, 1, &offset, &id);
	if (offset > end)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct segment *s;
	uint8_t *copy;

	if (size == 0 || (copy = malloc(size)) == NULL)
		return 0;
	memcpy(copy, data, size);
	if (data[0] & 1)
		repair(copy + 1, size - 1);
	if (dir.files.budget == 0)
		files_init(&dir.files, 4);
	for (int newest = 0; newest < 2; newest++) {
		s = open_memory(copy + 1, size - 1);
		check(s, newest);
		segment_free(s);
	}
	free(copy);
	return 0;
}
