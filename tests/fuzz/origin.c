/* Proves: whatever Origin and Sec-Fetch-Site say, a page is let in only under the exact bytes of an
 * allowed origin, or as the same origin; and what counts as an origin has one spelling. */
#include "origin.h"

#include "fuzz.h"

static const char *const allowed[] = {"https://app.example", "http://127.0.0.1:8080",
    "https://[2001:db8::1]:8443", "null", "https://app.example:443"};

static bool listed(struct span origin)
{
	/* The last two are no origins: a list that holds them must not let them in. */
	for (size_t i = 0; i < 3; i++)
		if (span_is(origin, allowed[i]))
			return true;
	return false;
}

static void check_form(struct span origin)
{
	if (!origin_valid(origin))
		return;
	must(origin.len <= ORIGIN_MAX, "an origin has its limit");
	for (size_t i = 0; i < origin.len; i++) {
		char c = origin.ptr[i];
		must((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || strchr(":/.-_[]", c),
		    "an origin is lower case and has no more signs than it needs");
	}
	must(origin.len > 7, "scheme and host");
	size_t skip = origin.ptr[4] == 's' ? 8 : 7;
	must(!memchr(origin.ptr + skip, '/', origin.len - skip), "an origin has no path");
}

/* The input: Origin, a newline, Sec-Fetch-Site; a part that begins with '-' is a header not sent.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span rest = fuzz_text(data, size);
	struct origin_claim claim = {.origin = fuzz_cut(&rest, '\n'), .fetch_site = rest};

	check_form(claim.origin);
	if (!claim.origin.ptr || (claim.origin.len && claim.origin.ptr[0] == '-'))
		claim.origin = (struct span){NULL, 0};
	if (!claim.fetch_site.ptr || (claim.fetch_site.len && claim.fetch_site.ptr[0] == '-'))
		claim.fetch_site = (struct span){NULL, 0};
	enum origin_verdict verdict = origin_decide(claim, allowed, 5, false);
	bool exact = claim.origin.ptr && listed(claim.origin);
	bool same =
	    !claim.origin.ptr && claim.fetch_site.ptr && span_is(claim.fetch_site, "same-origin");
	must((verdict == ORIGIN_ALLOWED_CROSS) == exact, "CORS only for an exact origin");
	must((verdict == ORIGIN_ALLOWED) == same, "without an Origin only the same origin");
	return 0;
}
