/* A piece of a file behind its "FIL1" header (INTERFACES.md section 8). Pure. */
#ifndef SINK_FILE_FILE_H
#define SINK_FILE_FILE_H

#include <stddef.h>
#include <stdint.h>

#define FILE_HEADER_LEN 38 /* bytes in front of the name */
#define FILE_TRANSFER_LEN 16
#define FILE_NAME_MAX 255 /* bytes */

struct file_piece {
	char transfer[2 * FILE_TRANSFER_LEN + 1]; /* hexadecimal */
	uint64_t offset; /* of the data in the file, bytes */
	uint64_t size;	 /* of the whole file, bytes */
	char name[FILE_NAME_MAX + 1];
	const uint8_t *data; /* points into the payload */
	size_t len;	     /* bytes of it */
};

enum file_error {
	FILE_OK,
	FILE_EMPTY,
	FILE_UNKNOWN_FORMAT,
	FILE_SHORT_HEADER,
	FILE_BAD_NAME,
	FILE_BAD_RANGE
};

/* Takes the n bytes of a payload apart. */
enum file_error file_inspect(const uint8_t *p, size_t n, struct file_piece *f);

/* The reason of INTERFACES.md section 8. */
const char *file_error_name(enum file_error e);

#endif
