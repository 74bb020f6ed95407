/* Who has a modem's port open: the daemon only hears that the port is busy. */
#ifndef TOUYAN_CLI_HOLDER_H
#define TOUYAN_CLI_HOLDER_H

#include <stdbool.h>
#include <stddef.h>

/* "ModemManager (812), minicom (3301)": the processes below `proc` ("/proc") that have this device
 * open, without touyan-modem. Of other people's processes only root sees what they have open; then
 * *ret_unseen says that there are such, and a ModemManager among them is named with a question
 * mark. False: nobody was found. */
bool holder_find(const char *proc, const char *device, char *ret, size_t size, bool *ret_unseen);

#endif
