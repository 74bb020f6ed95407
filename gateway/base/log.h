/* One line an event: `log_info("sms.sent", "id=%s part=%d", id, part)`.
 * To standard error with journald priority prefixes (sd-daemon(3)). No secrets, no message bodies,
 * phone numbers only through text_mask_phone(). The sink is the one global of the program. */
#ifndef TOUYAN_BASE_LOG_H
#define TOUYAN_BASE_LOG_H

#include "gateway/base/err.h"

enum log_level { LOG_LEVEL_ERROR = 3, LOG_LEVEL_WARN = 4, LOG_LEVEL_INFO = 6, LOG_LEVEL_DEBUG = 7 };

/* Lines above this level are dropped. Default: LOG_LEVEL_INFO. */
void log_set_level(enum log_level level);

/* Tests take the lines for themselves; NULL restores standard error. The line has no newline. */
void log_set_sink(void (*sink)(void *ctx, enum log_level level, const char *line), void *ctx);

/* Keeps the last LOG_KEPT lines in memory from now on, for a support bundle; oldest first. May be
 * called while other threads log. */
enum { LOG_KEPT = 200 };
void log_keep(void);
void log_each_kept(void (*each)(void *ctx, const char *line), void *ctx);

void log_line(enum log_level level, const char *event, const char *fmt, ...) ERR_PRINTF(3, 4);

#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...) log_line(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...) log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
