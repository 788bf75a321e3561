/* JPEG: a verdict for anything; what is good stays so without its tail. */
#include <stdint.h>
#include <stdlib.h>

#include "../../sink-video/jpeg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct jpeg j, again;

	if (jpeg_inspect(data, size, &j) != JPEG_OK)
		return 0;
	if (j.size < 4 || j.size > size || j.width == 0 || j.height == 0 ||
	    j.components == 0)
		abort();
	if (jpeg_inspect(data, j.size, &again) != JPEG_OK ||
	    again.size != j.size ||
	    jpeg_inspect(data, j.size - 1, &again) != JPEG_TRUNCATED)
		abort();
	return 0;
}
