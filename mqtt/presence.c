/* The decision about presence; see presence.h. */
#include "mqtt/presence.h"

#include <string.h>

enum presence presence_next(const struct presence_view *view, enum presence_signal signal,
                            int64_t now_ms)
{
    if (signal == PRESENCE_HEARD || signal == PRESENCE_SAYS_ON)
        return PRESENCE_ONLINE;
    if (signal == PRESENCE_SAYS_OFF)
        return PRESENCE_OFFLINE;
    if (view->now != PRESENCE_ONLINE || view->silent_s == 0)
        return view->now;
    int64_t since_ms =
        view->heard_at_ms > view->listening_at_ms ? view->heard_at_ms : view->listening_at_ms;
    return now_ms - since_ms > (int64_t)view->silent_s * 1000 ? PRESENCE_OFFLINE : view->now;
}

static const char *const names[] = {"unknown", "online", "offline"};

const char *presence_name(enum presence presence)
{
    return names[presence];
}

enum presence presence_from_name(const char *name)
{
    for (int i = PRESENCE_ONLINE; i <= PRESENCE_OFFLINE; i++)
        if (strcmp(names[i], name) == 0)
            return (enum presence)i;
    return PRESENCE_UNKNOWN;
}
