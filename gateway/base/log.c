/* The log sink; see log.h. A line is written with one write(2), so lines of several processes on
 * one standard error do not mix. Control characters become '?': a payload cannot forge a line. */
#include "gateway/base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/text.h"

static enum log_level max_level = LOG_LEVEL_INFO;
static void (*user_sink)(void *ctx, enum log_level level, const char *line);
static void *user_ctx;

void log_set_level(enum log_level level)
{
    max_level = level;
}

void log_set_sink(void (*sink)(void *ctx, enum log_level level, const char *line), void *ctx)
{
    user_sink = sink;
    user_ctx = ctx;
}

static void tame(char *line)
{
    for (; *line != '\0'; line++)
        if ((unsigned char)*line < 0x20 || *line == 0x7f)
            *line = '?';
}

/* Takes a character off that the cut went through. */
static void mend_end(char *line)
{
    size_t length = strlen(line);
    size_t back = 0;
    while (back < 3 && back < length && ((unsigned char)line[length - 1 - back] & 0xc0) == 0x80)
        back++;
    uint32_t cp;
    size_t start = length > back ? length - 1 - back : 0;
    if (length > 0 && text_utf8_decode(line + start, length - start, &cp) == 0)
        line[start] = '\0';
}

static void write_stderr(enum log_level level, const char *line)
{
    char out[LIMIT_LOG_LINE + 8];
    int n = snprintf(out, sizeof out, "<%d>%s\n", (int)level, line);
    if (n < 0)
        return;
    size_t len = (size_t)n < sizeof out ? (size_t)n : sizeof out - 1;
    ssize_t written = write(STDERR_FILENO, out, len);
    (void)written; /* nowhere left to complain */
}

/* --- the last lines --- */

static struct {
    pthread_mutex_t lock;
    bool on;
    size_t next, count;
    char lines[LOG_KEPT][LIMIT_LOG_LINE];
} kept = {.lock = PTHREAD_MUTEX_INITIALIZER};

void log_keep(void)
{
    kept.on = true;
}

static void keep(const char *line)
{
    pthread_mutex_lock(&kept.lock);
    text_copy(kept.lines[kept.next], sizeof kept.lines[0], line);
    kept.next = (kept.next + 1) % LOG_KEPT;
    kept.count += kept.count < LOG_KEPT;
    pthread_mutex_unlock(&kept.lock);
}

void log_each_kept(void (*each)(void *ctx, const char *line), void *ctx)
{
    pthread_mutex_lock(&kept.lock);
    for (size_t i = 0; i < kept.count; i++)
        each(ctx, kept.lines[(kept.next + LOG_KEPT - kept.count + i) % LOG_KEPT]);
    pthread_mutex_unlock(&kept.lock);
}

void log_line(enum log_level level, const char *event, const char *fmt, ...)
{
    if (level > max_level)
        return;
    char detail[LIMIT_LOG_LINE];
    va_list args;
    va_start(args, fmt);
    vsnprintf(detail, sizeof detail, fmt, args);
    va_end(args);
    char line[LIMIT_LOG_LINE];
    snprintf(line, sizeof line, "%.63s %.940s", event, detail);
    tame(line);
    mend_end(line);
    if (kept.on)
        keep(line);
    if (user_sink != NULL)
        user_sink(user_ctx, level, line);
    else
        write_stderr(level, line);
}
