/* touyan school | people | post | volunteer import and export: a list as a spreadsheet. The daemon
 * knows the columns; here a file is read, and what it would change or what is wrong with it is told
 * by line. Nothing is kept until the word "apply" is there. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/buf.h"
#include "gateway/base/csv.h"
#include "gateway/base/limits.h"
#include "gateway/base/text.h"
#include "gateway/cli/cli.h"

struct reading {
    struct json *head, *rows;
};

static void add_cells(struct json *list, const struct csv *csv)
{
    for (size_t i = 0; i < csv->count; i++)
        json_add_text(list, csv->cells[i]);
}

static bool take_record(void *ctx, const struct csv *csv)
{
    struct reading *reading = ctx;
    if (reading->head == NULL) {
        reading->head = json_new_array();
        add_cells(reading->head, csv);
        return true;
    }
    struct json *row = json_new_object(), *cells = json_new_array();
    add_cells(cells, csv);
    json_set_int(row, "line", csv->line);
    json_set(row, "cells", cells);
    json_add(reading->rows, row);
    return true;
}

static const char *problem_word(const struct cli *cli, const char *what)
{
    static const char *const words[][3] = {
        {"missing", "不能空着", "must not be empty"},
        {"long", "太长", "is too long"},
        {"word", "不是其中的一种（见 touyan help）", "is none of its kinds (see touyan help)"},
        {"number", "不是数字", "is no number"},
        {"yes", "写“是”或“否”", "is neither yes nor no"},
        {"phone", "不是电话号码", "is no telephone number"},
        {"school", "本站没有这所学校", "is no school of this station"},
        {"namesakes", "有同名而号码不同的人，请填编号",
         "is somebody's name who has another number: give the id"},
        {"twice", "表里有两行是同一个", "stands in the file twice"},
        {"id", "编号只能用字母、数字和 - _ . :", "is no id of letters, digits and - _ . :"},
        {"personal", "里有号码：号码只填在“手机”一栏", "holds a number: those go into \"phone\""},
        {"staff", "", ""},
    };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcmp(words[i][0], what) == 0)
            return words[i][cli->english ? 2 : 1];
    return what;
}

static int tell_problems(const struct cli *cli, const struct json *problems)
{
    for (size_t i = 0; i < json_count(problems); i++) {
        const struct json *one = json_at(problems, i);
        fprintf(stderr, cli->english ? "line %d: %s \"%s\" %s\n" : "第%d行：%s“%s”%s\n",
                (int)json_int(one, "line", 0), json_text(one, "column", ""),
                json_text(one, "value", ""), problem_word(cli, json_text(one, "what", "")));
    }
    return cli_fail(cli, EXIT_USAGE, "改好这些行再导入；现在什么也没有改",
                    "mend these lines and import again; nothing was changed");
}

static void tell_counts(const struct cli *cli, const struct json *json)
{
    printf(cli->english ? "%d new, %d changed, %d as they are" : "新增 %d，变更 %d，不变 %d",
           (int)json_int(json, "new", 0), (int)json_int(json, "changed", 0),
           (int)json_int(json, "same", 0));
    if (json_int(json, "kept_out", 0) > 0)
        printf(cli->english ? ", %d kept out: they wanted no more texts"
                            : "，%d 人已退订、不再登记",
               (int)json_int(json, "kept_out", 0));
    puts("");
    if (!json_bool(json, "kept", false))
        fputs(cli_say(cli, "只是预览，什么也没有改；确认无误后在命令末尾加 apply\n",
                      "a preview, nothing was changed; add the word apply to keep it\n"),
              stdout);
}

static int import_file(const struct cli *cli, const char *list, const char *path, const char *by,
                       bool apply)
{
    struct reading reading = {NULL, json_new_array()};
    struct json *json = NULL, *body = json_new_object();
    int code = cli_read_csv(cli, path, take_record, &reading);
    json_set_text(body, "list", list);
    json_set(body, "head", reading.head != NULL ? reading.head : json_new_array());
    json_set(body, "rows", reading.rows);
    json_set_bool(body, "apply", apply);
    if (by != NULL)
        json_set_text(body, "by", by);
    if (code != EXIT_OK) {
        json_free(body);
        return code;
    }
    code = cli_post(cli, "/v1/lists", body, &json);
    if (code == EXIT_OK && json_count(json_get(json, "problems")) > 0)
        code = tell_problems(cli, json_get(json, "problems"));
    else if (code == EXIT_OK && !cli->json)
        tell_counts(cli, json);
    json_free(json);
    return code;
}

/* "people" is the list of persons. */
static const char *list_of(const struct cli *cli)
{
    return strcmp(cli->words[0], "people") == 0 ? "person" : cli->words[0];
}

int command_list_import(const struct cli *cli)
{
    bool apply = cli->word_count > 3;
    if (apply && strcmp(cli->words[3], "apply") != 0)
        return cli_usage(cli, "school|people|post import FILE.csv [apply]");
    return import_file(cli, list_of(cli), cli->words[2], NULL, apply);
}

int command_volunteer_import(const struct cli *cli)
{
    bool apply = cli->word_count > 4;
    if (apply && strcmp(cli->words[4], "apply") != 0)
        return cli_usage(cli, "volunteer import FILE.csv BY [apply]");
    return import_file(cli, "volunteer", cli->words[2], cli->words[3], apply);
}

/* A telephone number is no formula, and the county takes it without an apostrophe. */
static bool is_number(const char *text)
{
    return text[0] == '+' && strspn(text + 1, "0123456789") == strlen(text + 1);
}

static void write_cells(struct buf *out, const struct json *cells)
{
    for (size_t i = 0; i < json_count(cells); i++) {
        if (i > 0)
            buf_add_text(out, ",");
        const char *text = json_as_text(json_at(cells, i), "");
        if (is_number(text))
            buf_add_text(out, text);
        else
            csv_write_cell(out, text);
    }
    buf_add_text(out, "\r\n");
}

/* export [county]: as people read it, or as the county's import takes it. */
int command_list_export(const struct cli *cli)
{
    char path[96];
    struct json *json = NULL;
    bool county = cli->word_count > 2;
    if (county && strcmp(cli->words[2], "county") != 0)
        return cli_usage(cli, "school|people|post export [county] > FILE.csv");
    snprintf(path, sizeof path, "/v1/lists?list=%s&lang=%s%s", list_of(cli),
             cli->english ? "en" : "zh-CN", county ? "&county=1" : "");
    int code = cli_get(cli, path, &json);
    if (code == EXIT_OK && !cli->json) {
        struct buf out;
        buf_init(&out, LIMIT_JSON_BYTES);
        buf_add_text(&out, county ? "" : "\xef\xbb\xbf");
        write_cells(&out, json_get(json, "head"));
        for (size_t i = 0; i < json_count(json_get(json, "rows")); i++)
            write_cells(&out, json_at(json_get(json, "rows"), i));
        if (out.failed || fwrite(out.bytes, 1, out.size, stdout) != out.size)
            code = cli_fail(cli, EXIT_LATER, "名单太大或写不出去", "the list could not be written");
        buf_free(&out);
    }
    json_free(json);
    return code;
}
