/* One configuration file into struct config. Private to config/. */
#ifndef TOUYAN_CONFIG_PARSE_H
#define TOUYAN_CONFIG_PARSE_H

#include "config/config.h"

/* Sets what the file says, over what is there. ERR_INVALID with "file:line: ...", ERR_IO when it
 * cannot be read. On an error `config` is partly set; free it. */
int parse_file(const char *path, struct config *config, struct err *err);

#endif
