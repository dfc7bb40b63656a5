/* Proves: whatever a user, an address or an error holds, a log line stays one line, and a JSON line
 * stays one JSON object with the fields that were logged. */
#include <jansson.h>

#include "fuzz.h"
#include "logger.h"
#include "utf8.h"

static void check_line(struct span line)
{
	must(line.len && line.ptr[line.len - 1] == '\n', "a line ends");
	for (size_t i = 0; i + 1 < line.len; i++)
		must((unsigned char)line.ptr[i] >= 0x20 && line.ptr[i] != 0x7f,
		    "no control character in it");
	must(utf8_valid(line), "a line is UTF-8");
	must(!memmem(line.ptr, line.len, "\xe2\x80\xa8", 3) &&
		 !memmem(line.ptr, line.len, "\xe2\x80\xa9", 3),
	    "no line or paragraph separator either");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span rest = fuzz_text(data, size);
	struct span user = fuzz_cut(&rest, '\0');
	const struct logger_field fields[] = {
	    F_SPAN("user", user), F_NUM("stream", 7), F_SPAN("address", rest)};
	struct buf line;

	if (!size)
		return 0;
	for (int format = CONFIG_LOGFMT; format <= CONFIG_JSON; format++) {
		buf_init(&line, LOGGER_LINE);
		must(logger_encode(&line, (enum config_log_format)format, 1763600000000,
			 LOGGER_INFO, "stream_open", fields, 3) == 0,
		    "three fields fit");
		check_line((struct span){line.data, line.len});
		if (format == CONFIG_JSON) {
			json_t *object = json_loadb(
			    line.data, line.len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
			must(json_object_size(object) == 6, "an object of six");
			json_decref(object);
		}
		buf_free(&line);
	}
	return 0;
}
