/* Pieces of files: what is taken lies inside the payload and the file. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../sink-file/file.h"
#include "track.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct file_piece f;
	size_t name_len;

	if (file_inspect(data, size, &f) != FILE_OK)
		return 0;
	name_len = strlen(f.name);
	if (f.data + f.len != data + size ||
	    FILE_HEADER_LEN + name_len + f.len != size ||
	    strlen(f.transfer) != 2 * FILE_TRANSFER_LEN ||
	    f.offset > f.size || f.size - f.offset < f.len ||
	    !utf8_valid((const uint8_t *)f.name, name_len) ||
	    strchr(f.name, '/') != NULL)
		abort();
	return 0;
}
