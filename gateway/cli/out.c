/* What is printed: two languages, columns that line up with Chinese in them, local times. */
#include "gateway/cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/caltime.h"
#include "gateway/base/text.h"

enum { GAP = 2, ROWS_FIRST = 64 };

const char *cli_say(const struct cli *cli, const char *zh, const char *en)
{
    return cli->english ? en : zh;
}

int cli_fail(const struct cli *cli, int code, const char *zh, const char *en)
{
    fprintf(stderr, "touyan: %s\n", cli_say(cli, zh, en));
    return code;
}

bool cli_told(const struct cli *cli, const char *text)
{
    char chinese[REFUSAL_BYTES];
    if (!refusal_in_chinese(text, chinese))
        return false;
    fprintf(stderr, "touyan: %s\n", cli_say(cli, chinese, text));
    return true;
}

const char *cli_plainly(const struct cli *cli, const char *text, char ret[REFUSAL_BYTES])
{
    return !cli->english && refusal_in_chinese(text, ret) ? ret : text;
}

int cli_usage(const struct cli *cli, const char *usage)
{
    fprintf(stderr, "%s touyan %s\n", cli_say(cli, "用法：", "usage:"), usage);
    return EXIT_USAGE;
}

void cli_format_time(int64_t at_ms, char ret[16])
{
    struct caltime at = caltime_local(at_ms);
    if (at_ms == 0)
        text_copy(ret, 16, "-");
    else
        snprintf(ret, 16, "%02d-%02d %02d:%02d", at.month % 100, at.day % 100, at.hour % 100,
                 at.minute % 100);
}

void cli_format_age(const struct cli *cli, int64_t age_ms, char ret[CLI_AGE])
{
    static const struct {
        int64_t ms;
        const char *zh, *en;
    } units[] = {{CALTIME_DAY_MS, "天前", "days ago"},
                 {60 * CALTIME_MINUTE_MS, "小时前", "h ago"},
                 {CALTIME_MINUTE_MS, "分钟前", "min ago"}};
    ret[0] = '\0';
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (age_ms >= 2 * units[i].ms) {
            snprintf(ret, CLI_AGE, "%lld %s", (long long)(age_ms / units[i].ms),
                     cli_say(cli, units[i].zh, units[i].en));
            return;
        }
}

void cli_format_date(int64_t at_ms, char ret[16])
{
    struct caltime at = caltime_local(at_ms);
    snprintf(ret, 16, "%04d-%02d-%02d", at.year % 10000, at.month % 100, at.day % 100);
}

void cli_encode(const char *text, char *ret, size_t size)
{
    static const char hex[] = "0123456789ABCDEF";
    size_t used = 0;
    for (; *text != '\0' && used + 4 < size; text++) {
        unsigned char c = (unsigned char)*text;
        if ((c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z')) {
            ret[used++] = (char)c;
        } else {
            ret[used++] = '%';
            ret[used++] = hex[c >> 4];
            ret[used++] = hex[c & 15];
        }
    }
    ret[used] = '\0';
}

/* RFC 4180: quotes around what has a comma, a quote or a line break. A cell that a spreadsheet
 * would take for a formula is kept from being one. */
static void csv_cell(const char *cell)
{
    bool number = cell[0] == '+' && cell[1] >= '0' && cell[1] <= '9'; /* of a telephone */
    bool formula = !number && cell[0] != '\0' && strchr("=+-@", cell[0]) != NULL;
    bool quoted = formula || strpbrk(cell, ",\"\r\n") != NULL;
    if (!quoted) {
        fputs(cell, stdout);
        return;
    }
    fputs(formula ? "\"'" : "\"", stdout);
    for (; *cell != '\0'; cell++) {
        if (*cell == '"')
            putchar('"');
        putchar(*cell);
    }
    putchar('"');
}

void cli_csv_line(const char *const *cells, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            putchar(',');
        csv_cell(cells[i]);
    }
    puts("\r");
}

static int width_of(uint32_t cp)
{
    static const uint32_t wide[][2] = {
        {0x1100, 0x115f},   {0x2e80, 0x303e},   {0x3041, 0xa4cf}, {0xac00, 0xd7a3},
        {0xf900, 0xfaff},   {0xfe30, 0xfe6f},   {0xff00, 0xff60}, {0xffe0, 0xffe6},
        {0x1f300, 0x1faff}, {0x20000, 0x3fffd},
    };
    if ((cp >= 0x300 && cp <= 0x36f) || (cp >= 0x200b && cp <= 0x200f) ||
        (cp >= 0xfe00 && cp <= 0xfe0f))
        return 0;
    for (size_t i = 0; i < sizeof wide / sizeof wide[0]; i++)
        if (cp >= wide[i][0] && cp <= wide[i][1])
            return 2;
    return 1;
}

int table_text_width(const char *text)
{
    size_t size = strlen(text);
    int width = 0;
    for (size_t at = 0; at < size;) {
        uint32_t cp = '?';
        size_t length = text_utf8_decode(text + at, size - at, &cp);
        at += length > 0 ? length : 1;
        width += width_of(cp);
    }
    return width;
}

void table_init(struct table *table, int columns)
{
    *table = (struct table){.columns = columns};
}

void table_free(struct table *table)
{
    for (int i = 0; i < table->rows * table->columns; i++)
        free(table->cells[i]);
    free(table->cells);
    *table = (struct table){0};
}

/* One line, whatever is in it: a terminal must not be steered by a message from outside. */
static char *clean_copy(const char *text)
{
    char *copy = strndup(text != NULL ? text : "", TABLE_CELL);
    for (char *at = copy; at != NULL && at[0] != '\0'; at++)
        if ((unsigned char)at[0] < ' ' || at[0] == 0x7f)
            at[0] = ' ';
    return copy;
}

void table_add(struct table *table, const char *const *cells)
{
    if (table->rows == table->capacity) {
        int capacity = table->capacity > 0 ? table->capacity * 2 : ROWS_FIRST;
        char **more =
            realloc(table->cells, (size_t)capacity * (size_t)table->columns * sizeof *more);
        if (more == NULL)
            return;
        table->cells = more;
        table->capacity = capacity;
    }
    for (int i = 0; i < table->columns; i++)
        table->cells[table->rows * table->columns + i] = clean_copy(cells[i]);
    table->rows++;
}

static int column_width(const struct table *table, int column)
{
    int widest = 0;
    for (int row = 0; row < table->rows; row++) {
        int width = table_text_width(table->cells[row * table->columns + column]);
        widest = width > widest ? width : widest;
    }
    return widest;
}

void table_print(const struct table *table)
{
    int widths[TABLE_COLUMNS] = {0};
    for (int i = 0; i < table->columns; i++)
        widths[i] = column_width(table, i);
    for (int row = 0; row < table->rows; row++)
        for (int i = 0; i < table->columns; i++) {
            const char *cell = table->cells[row * table->columns + i];
            bool last = i == table->columns - 1;
            int pad = last ? 0 : widths[i] - table_text_width(cell) + GAP;
            printf("%s%*s%s", cell, pad, "", last ? "\n" : "");
        }
}
