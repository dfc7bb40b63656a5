/*
 * The verbs themselves: each file exports what it does and what its help says.
 */
#ifndef VERBS_H
#define VERBS_H

#include "verb.h"

/* Each runs the call and returns the exit code. */
int init_main(struct call *call);
int keygen_main(struct call *call);
int mint_main(struct call *call);
int inspect_main(struct call *call);
int publish_main(struct call *call);
int tail_main(struct call *call);
int revoke_main(struct call *call);
int prune_main(struct call *call);
int check_main(struct call *call);
int doctor_main(struct call *call);

extern const char init_help[], keygen_help[], mint_help[], inspect_help[], publish_help[];
extern const char tail_help[], revoke_help[], prune_help[], check_help[], doctor_help[];

#endif
