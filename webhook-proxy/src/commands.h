/* commands.h - what webhook-proxy does from the command line besides serving.
 * Each prints on stdout, complains on stderr and returns an exit status. Main thread, before any
 * other. They may run beside a proxy that has the same state directory. */
#ifndef PROXY_COMMANDS_H
#define PROXY_COMMANDS_H

#include "proxy.h"

/*   operands  those that follow the command's name, `count` of them */
int command_run(const proxy_config *config, const char *command, char **operands, int count);

#endif
