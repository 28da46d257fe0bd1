/* setting.h - the text of one setting becomes a typed value. Pure, any thread. */
#ifndef DAEMON_SETTING_H
#define DAEMON_SETTING_H

#include <stdbool.h>

#include "daemon/config.h"

/* Parses `text` as the option's type and stores it at option->offset in `config`. Strings are
 * copied and never freed. Returns false if it is not valid; then nothing is stored. */
bool setting_store(const daemon_option *option, const char *text, void *config);

/* True if the member is a const char *. */
bool setting_is_text(const daemon_option *option);

/* What a valid value looks like, with the bounds: "a whole number from 1 to 64". */
void setting_expected(const daemon_option *option, char *text, size_t size);

/* What stands for the value in --help. */
const char *setting_operand(const daemon_option *option);

#endif
