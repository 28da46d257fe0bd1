/* help.h - --help, a short man page made from the table. */
#ifndef DAEMON_HELP_H
#define DAEMON_HELP_H

#include <stdio.h>

#include "daemon/config.h"

void help_print(FILE *out, const daemon_program *program, const daemon_option *options);

#endif
