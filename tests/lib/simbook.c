/* A line that cannot be written whole is a broken test, not a broken modem: the program stops. */
#include "tests/lib/simbook.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 65536 };

int simbook_open(struct simbook *book, const char *path, bool fsync_lines,
                 const struct clock *clock, struct err *err)
{
    *book = (struct simbook){.clock = clock, .fd = -1, .fsync = fsync_lines};
    buf_init(&book->line, LINE_MAX_BYTES);
    if (!path)
        return ERR_OK;
    book->fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (book->fd < 0)
        return err_set(err, ERR_IO, "book %s: %s", path, strerror(errno));
    return ERR_OK;
}

void simbook_close(struct simbook *book)
{
    if (book->fd >= 0)
        close(book->fd);
    book->fd = -1;
    buf_free(&book->line);
}

int64_t simbook_us(const struct simbook *book)
{
    return book->replayed ? book->replay_us : clock_mono_us();
}

int64_t simbook_wall_ms(const struct simbook *book)
{
    return book->replayed ? book->replay_wall_ms : clock_wall_ms(book->clock);
}

struct json *simbook_new(struct simbook *book, const char *event, int64_t us)
{
    struct json *object = json_new_object();

    json_set_int(object, "us", us < 0 ? simbook_us(book) : us);
    json_set_int(object, "wall", simbook_wall_ms(book));
    json_set_text(object, "event", event);
    return object;
}

void simbook_write(struct simbook *book, struct json *object)
{
    struct buf *line = &book->line;

    if (book->fd >= 0) {
        buf_clear(line);
        bool whole =
            json_write(object, line) && buf_add(line, "\n", 1) &&
            (book->replayed || write(book->fd, line->bytes, line->size) == (ssize_t)line->size);

        if (!whole || (book->fsync && fsync(book->fd) != 0)) {
            fprintf(stderr, "simmodem: book: %s\n", strerror(errno));
            exit(1);
        }
    }
    json_free(object);
}
