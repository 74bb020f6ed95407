/* CSV in place; see csv.h. A cell is written over its own source, which is never shorter. */
#include "gateway/base/csv.h"

#include <iconv.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/text.h"

void csv_init(struct csv *csv, char *text, size_t size)
{
    *csv = (struct csv){.at = text, .end = text + size, .next_line = 1};
    if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        csv->at += 3;
}

static char *trim(char *text, char *end)
{
    while (text < end && (*text == ' ' || *text == '\t'))
        text++;
    while (end > text && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r'))
        end--;
    *end = '\0';
    return text;
}

/* Reads one quoted cell from behind its first quote; leaves at behind the last one. */
static char *read_quoted(struct csv *csv, char **ret_end)
{
    char *to = csv->at, *start = csv->at;
    for (; csv->at < csv->end; csv->at++) {
        if (*csv->at == '"' && csv->at + 1 < csv->end && csv->at[1] == '"')
            csv->at++;
        else if (*csv->at == '"')
            break;
        else if (*csv->at == '\n')
            csv->next_line++;
        *to++ = *csv->at;
    }
    if (csv->at == csv->end)
        return NULL;
    csv->at++;
    *ret_end = to;
    return start;
}

static char *read_cell(struct csv *csv, char *ret_stop, struct err *err)
{
    char *start = csv->at, *end = NULL;
    bool quoted = csv->at < csv->end && *csv->at == '"';
    if (quoted) {
        csv->at++;
        start = read_quoted(csv, &end);
        if (start == NULL) {
            err_set(err, ERR_INVALID, "a quote is opened and never closed");
            return NULL;
        }
    }
    char *tail = csv->at;
    while (csv->at < csv->end && *csv->at != ',' && *csv->at != '\n')
        csv->at++;
    *ret_stop = csv->at < csv->end ? *csv->at : '\n';
    if (quoted && trim(tail, csv->at)[0] != '\0')
        err_set(err, ERR_INVALID, "text follows a closing quote");
    if (quoted)
        *end = '\0';
    else
        start = trim(start, csv->at);
    if (csv->at < csv->end)
        csv->at++;
    return start;
}

bool csv_next(struct csv *csv, struct err *err)
{
    *err = (struct err){0};
    char stop = '\0';
    do {
        if (csv->at >= csv->end)
            return false;
        csv->line = csv->next_line;
        csv->count = 0;
        do {
            char *cell = read_cell(csv, &stop, err);
            if (cell == NULL)
                return false;
            if (csv->count < CSV_COLUMNS_MAX)
                csv->cells[csv->count++] = cell;
            else
                err_set(err, ERR_LIMIT, "more than %d columns", CSV_COLUMNS_MAX);
        } while (stop == ',');
        csv->next_line++;
    } while (csv->count == 1 && csv->cells[0][0] == '\0' && err->code == ERR_OK);
    return err->code == ERR_OK;
}

bool csv_to_utf8(char **text, size_t *size)
{
    if (text_utf8_valid(*text, *size))
        return true;
    iconv_t convert = iconv_open("UTF-8", "GB18030");
    if (convert == (iconv_t)-1)
        return false;
    size_t room = 2 * *size + 4, left = room, in_left = *size;
    char *out = malloc(room + 1), *to = out, *in = *text;
    bool ok = out != NULL && iconv(convert, &in, &in_left, &to, &left) != (size_t)-1;
    iconv_close(convert);
    if (!ok || !text_utf8_valid(out, room - left)) {
        free(out);
        return false;
    }
    out[room - left] = '\0';
    free(*text);
    *text = out;
    *size = room - left;
    return true;
}

bool csv_write_cell(struct buf *out, const char *cell)
{
    bool formula = cell[0] != '\0' && strchr("=+-@\t", cell[0]) != NULL;
    if (!formula && strpbrk(cell, "\",\r\n") == NULL)
        return buf_add(out, cell, strlen(cell));
    buf_add(out, formula ? "\"'" : "\"", formula ? 2 : 1);
    for (; *cell != '\0'; cell++)
        buf_add(out, *cell == '"' ? "\"\"" : cell, *cell == '"' ? 2 : 1);
    return buf_add(out, "\"", 1);
}
