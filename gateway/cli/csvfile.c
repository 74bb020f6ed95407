/* A spreadsheet that somebody hands over: CSV in UTF-8 or GB18030, record by record. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/buf.h"
#include "gateway/base/csv.h"
#include "gateway/base/file.h"
#include "gateway/base/limits.h"
#include "gateway/cli/cli.h"

int cli_wrong_line(const struct cli *cli, int line, const char *what)
{
    char plain[REFUSAL_BYTES];
    fprintf(stderr, cli->english ? "line %d: %s\n" : "第%d行：%s\n", line,
            cli_plainly(cli, what, plain));
    return EXIT_USAGE;
}

static int read_records(const struct cli *cli, char *text, size_t size, cli_record_fn *take,
                        void *ctx)
{
    struct csv csv;
    struct err err = {0};
    int code = EXIT_OK;
    csv_init(&csv, text, size);
    for (;;) {
        if (csv_next(&csv, &err)) {
            if (!take(ctx, &csv))
                return EXIT_USAGE;
        } else if (err.code != ERR_OK) {
            code = cli_wrong_line(cli, csv.line, err.text);
            if (csv.at >= csv.end)
                break;
        } else {
            break;
        }
    }
    return code;
}

/* The file as a text that ends with a NUL; NULL: it cannot be read, and that was said. */
static char *read_text(const struct cli *cli, const char *path, size_t *ret_size)
{
    struct buf file;
    struct err err = {0};
    buf_init(&file, LIMIT_HTTP_BODY_BYTES);
    if (file_read(path, &file, &err) != ERR_OK) {
        buf_free(&file);
        fprintf(stderr, "touyan: %s\n", err.text);
        cli_fail(cli, EXIT_NOT_FOUND, "表格文件读不到", "the file cannot be read");
        return NULL;
    }
    *ret_size = file.size;
    char *text = malloc(file.size + 1);
    if (text != NULL) {
        memcpy(text, buf_text(&file), file.size);
        text[file.size] = '\0';
    }
    buf_free(&file);
    return text;
}

int cli_read_csv(const struct cli *cli, const char *path, cli_record_fn *take, void *ctx)
{
    size_t size = 0;
    char *text = read_text(cli, path, &size);
    if (text == NULL)
        return EXIT_NOT_FOUND;
    int code = csv_to_utf8(&text, &size)
                   ? read_records(cli, text, size, take, ctx)
                   : cli_fail(cli, EXIT_USAGE, "文件既不是 UTF-8 也不是 GB18030，请另存为 CSV",
                              "the file is neither UTF-8 nor GB18030: save it as CSV");
    free(text);
    return code;
}
