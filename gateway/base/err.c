/* Errors as values; see err.h. Texts longer than LIMIT_ERR_TEXT are cut, never overrun. */
#include "gateway/base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int err_set(struct err *e, int code, const char *fmt, ...)
{
    if (e == NULL)
        return code;
    char text[LIMIT_ERR_TEXT]; /* e->text may be one of the arguments */
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    e->code = code;
    memcpy(e->text, text, sizeof text);
    return code;
}

int err_wrap(struct err *e, const char *fmt, ...)
{
    if (e == NULL)
        return ERR_INVALID;
    char front[LIMIT_ERR_TEXT];
    va_list args;
    va_start(args, fmt);
    vsnprintf(front, sizeof front, fmt, args);
    va_end(args);
    char whole[2 * LIMIT_ERR_TEXT + 3];
    snprintf(whole, sizeof whole, "%s: %s", front, e->text);
    memcpy(e->text, whole, sizeof e->text - 1);
    e->text[sizeof e->text - 1] = '\0';
    return e->code;
}
