/*
 * The sandbox: what the responder takes from itself once it holds all it needs, before it starts
 * threads (which inherit it). Landlock leaves it the log's folder, and for reading again those of
 * the configuration and the keys; seccomp the system calls of serving, so that exec, connect,
 * socket, ptrace and the like fail with EPERM. Nothing it starts could gain rights, and it leaves
 * no core. Main thread, once.
 */
#ifndef SANDBOX_H
#define SANDBOX_H

#include "listen.h"
#include "logger.h"
#include "policy.h"

/* Confines the process. What this kernel, or this build, cannot do is logged as a warning, and the
 * rest is done; -1 only when the process could not be confined although the kernel can. */
int sandbox_enter(const struct policy *policy, const char *config_file,
    const struct listener *listener, struct logger *logger);

#endif
