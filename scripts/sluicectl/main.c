#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "digest.h"
#include "verbs.h"

#ifndef SLUICE_VERSION
#define SLUICE_VERSION "unreleased"
#endif

static const struct verb verbs[] = {
    {"init", "--dir D --origin URL [--no-tls]",
	"Makes a directory with configuration, log and keys, or brings an older log up to date.",
	init_help, init_main},
    {"keygen", "[--dir D]", "Makes a pair of keys for signing sessions.", keygen_help, keygen_main},
    {"mint",
	"--sub USER --channel PATTERN... [--ttl 15m] [--jti ID] [--cookie]\n"
	"           [--origin URL...] [--audience A] [--key FILE]",
	"Signs a session and prints its token, or its Set-Cookie line.", mint_help, mint_main},
    {"inspect", "TOKEN|-", "Verifies a token as the responder does, and prints its claims as JSON.",
	inspect_help, inspect_main},
    {"publish", "--channel C [--type T] [--key K] [--ttl D] [--lines [--json]] [DATA]",
	"Publishes an event and prints its id, or many events from stdin.", publish_help,
	publish_main},
    {"tail", "[--channel P]... [--since ID] [--follow]", "Prints the log as JSON lines.", tail_help,
	tail_main},
    {"revoke", "--jti ID | --sub USER [--for 90d]", "Ends sessions, their open streams included.",
	revoke_help, revoke_main},
    {"prune", "", "Removes what is beyond keep_for and keep_events now.", prune_help, prune_main},
    {"check", "", "Checks the configuration, the keys and the log.", check_help, check_main},
    {"doctor",
	"[--json] [--streams N] [--idle D] [--watch D] [--server NAME] [--cookie C | --key FILE]\n"
	"           [--channel C] [--cacert FILE] [--remote] [URL]",
	"Finds what is wrong, here and through the web server, and the line to change.",
	doctor_help, doctor_main},
};

static void usage(FILE *out)
{
	fputs("Usage: sluicectl [-c FILE] VERB ...\n\n", out);
	for (size_t i = 0; i < ROWS(verbs); i++)
		fprintf(out, "  %-9s %s\n", verbs[i].name, verbs[i].summary);
	fputs(
	    "\n  -c FILE   the configuration, also taken after the verb; else $SLUICE_CONFIG, else\n"
	    "            " CONFIG_DEFAULT_FILE "\n"
	    "\n`sluicectl VERB --help` explains a verb; `sluicectl --version` prints the version.\n",
	    out);
}

static int run(const char *file, int argc, char **argv)
{
	for (size_t i = 0; i < ROWS(verbs); i++) {
		struct call call = {.verb = &verbs[i], .file = file, .argc = argc, .argv = argv};

		if (strcmp(argv[0], verbs[i].name) == 0)
			return verbs[i].run(&call);
	}
	fprintf(
	    stderr, "sluicectl: no verb is called \"%.40s\"; see `sluicectl --help`\n", argv[0]);
	return VERB_MISUSED;
}

/* What was printed must have arrived before success is claimed: a full disk shows only here. */
static int finish(int status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	if (status == VERB_DONE)
		fprintf(
		    stderr, "sluicectl: cannot write to standard output: %s\n", strerror(errno));
	return status == VERB_DONE ? VERB_FAILED : status;
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {{"help", no_argument, NULL, 'h'},
	    {"version", no_argument, NULL, 'v'}, {NULL, 0, NULL, 0}};
	const char *file = NULL;
	int code;

	signal(SIGPIPE, SIG_IGN);
	while ((code = getopt_long(argc, argv, "+c:h", longs, NULL)) != -1) {
		if (code == 'c') {
			file = optarg;
		} else if (code == 'h') {
			usage(stdout);
			return finish(VERB_DONE);
		} else if (code == 'v') {
			puts("sluicectl " SLUICE_VERSION);
			return finish(VERB_DONE);
		} else {
			return VERB_MISUSED;
		}
	}
	if (optind == argc) {
		usage(stderr);
		return VERB_MISUSED;
	}
	if (digest_start() < 0) {
		fputs("sluicectl: libsodium cannot be started\n", stderr);
		return VERB_FAILED;
	}
	return finish(run(file, argc - optind, argv + optind));
}
