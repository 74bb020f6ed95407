/* Import of CSV files and holiday calendars; see import.h.
 *
 * Each file is read whole, turned to UTF-8, and cut into rows of JSON that go to the store in
 * batches, all within one transaction of the store. Every problem is told as file:line; at the end
 * one problem is enough to take everything back. */
#include "sync/county/import.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "gateway/base/caltime.h"
#include "gateway/base/csv.h"
#include "gateway/base/json.h"
#include "gateway/base/text.h"

enum { BAND = 5, BAND_MAX = 600 };

struct import_run {
    struct store *store;
    const struct import_options *options;
    struct store_import_result result;
    int told;
    /* the batch at hand */
    const struct table *table;
    const char *file;
    struct store_row rows[LIMIT_SYNC_PUSH_ROWS];
    size_t count;
    bool touched[64]; /* tables by tid: only these are pruned */
};

/* --- cells --- */

/* The columns that make an id when the file has none. */
static const struct {
    const char *table;
    const char *columns[5];
} NATURAL_KEYS[] = {
    {"school", {"code"}},
    {"bell", {"school_id", "peak", "grade_from", "grade_to"}},
    {"cal_day", {"date"}},
    {"school_day", {"school_id", "date", "kind"}},
    {"badge", {"device_id", "number"}},
    {"avail", {"person_id", "weekday", "peak", "kind"}},
    {"duty_lead", {"org_id", "date", "from_min", "level"}},
    {"sponsor", {"senior_id", "school_id"}},
    {"shift", {"post_id", "date", "peak"}},
    {"assignment", {"shift_id", "person_id"}},
    {"skill", {"person_id", "name"}},
    {"reach", {"person_id", "school_id"}},
    {"demand", {"post_id", "peak"}},
};

static bool ends_with(const char *text, const char *tail)
{
    size_t size = strlen(text), tail_size = strlen(tail);
    return size >= tail_size && strcmp(text + size - tail_size, tail) == 0;
}

static bool is_date_column(const char *name)
{
    return strcmp(name, "date") == 0 || strcmp(name, "valid_from") == 0 ||
           strcmp(name, "valid_to") == 0;
}

/* "2026-09-08 07:20" in local time, or milliseconds. */
static bool parse_moment(const char *text, int64_t *ret)
{
    char date[CALTIME_DATE_SIZE];
    int64_t midnight;
    int minutes;
    if (text_to_int64(text, 0, INT64_MAX, ret))
        return true;
    if (strlen(text) != 16 || (text[10] != ' ' && text[10] != 'T'))
        return false;
    memcpy(date, text, CALTIME_DATE_SIZE - 1);
    date[CALTIME_DATE_SIZE - 1] = '\0';
    if (!caltime_parse_date(date, &midnight) || !caltime_parse_clock(text + 11, &minutes))
        return false;
    *ret = midnight + (int64_t)minutes * CALTIME_MINUTE_MS;
    return true;
}

static bool parse_int_cell(const struct table_column *column, const char *text, int64_t *ret,
                           const char **ret_why)
{
    int minutes;
    if (ends_with(column->name, "_at")) {
        *ret_why = "is no time such as 2026-09-08 07:20";
        return parse_moment(text, ret);
    }
    if (ends_with(column->name, "_min") && caltime_parse_clock(text, &minutes)) {
        *ret = minutes;
        return true;
    }
    *ret_why =
        ends_with(column->name, "_min") ? "is no clock time such as 07:20" : "is no whole number";
    return text_to_int64(text, INT64_MIN, INT64_MAX, ret);
}

/* Minutes of a way are kept in bands of five: no finer, and so no guess at where somebody lives. */
static bool to_band(int64_t *minutes, const char **ret_why)
{
    *ret_why = "is no number of minutes from 0 to 600";
    if (*minutes < 0 || *minutes > BAND_MAX)
        return false;
    *minutes = *minutes <= BAND ? BAND : (*minutes + BAND - 1) / BAND * BAND;
    return true;
}

bool import_cell(const struct table_column *column, const char *text, struct json *row,
                 const char **ret_why)
{
    char number[LIMIT_PHONE_DIGITS + 2];
    int64_t value;
    if (text[0] == '\0')
        return true;
    if (column->type == COLUMN_INT) {
        if (!parse_int_cell(column, text, &value, ret_why) ||
            (strcmp(column->name, "band") == 0 && !to_band(&value, ret_why)))
            return false;
        json_set_int(row, column->name, value);
        return true;
    }
    if (column->type == COLUMN_PHONE) {
        *ret_why = "is no telephone number";
        if (!text_normalise_phone(text, "86", number, sizeof number))
            return false;
        text = number;
    } else if (is_date_column(column->name)) {
        *ret_why = "is no date such as 2026-09-08";
        if (!caltime_parse_date(text, &value))
            return false;
    }
    json_set_text(row, column->name, text);
    return true;
}

/* --- rows --- */

static void on_problem(void *ctx, const char *file, int line, const char *what)
{
    struct import_run *run = ctx;
    if (run->told++ < LIMIT_REPORT_ERRORS)
        fprintf(run->options->out, "%s:%d: %s\n", file, line, what);
}

static void problem(struct import_run *run, int line, const char *what)
{
    on_problem(run, run->file, line, what);
    run->result.refused++;
}

static int flush(struct import_run *run, struct err *err)
{
    struct store_import import = {.table = run->table,
                                  .rows = run->rows,
                                  .count = run->count,
                                  .on_problem = on_problem,
                                  .ctx = run};
    int code = ERR_OK;
    if (run->count > 0)
        code = run->store->ops->import_rows(run->store, &import, &run->result, err);
    for (size_t i = 0; i < run->count; i++)
        free((char *)(uintptr_t)run->rows[i].json);
    run->count = 0;
    return code;
}

static int add_row(struct import_run *run, const struct json *row, int line, struct err *err)
{
    struct buf text;
    buf_init(&text, LIMIT_ROW_BYTES);
    if (!json_write(row, &text)) {
        problem(run, line, "the row is larger than 64 KiB");
        buf_free(&text);
        return ERR_OK;
    }
    run->rows[run->count++] = (struct store_row){text.bytes, run->file, line};
    run->touched[run->table->tid % 64] = true;
    return run->count == LIMIT_SYNC_PUSH_ROWS ? flush(run, err) : ERR_OK;
}

static void add_key_part(struct buf *id, const struct json *row, const char *column)
{
    const struct json *value = json_get(row, column);
    const char *text = json_as_text(value, NULL);
    if (id->size > 0)
        buf_add_text(id, ".");
    if (text != NULL)
        buf_add_text(id, text);
    else if (value != NULL)
        buf_printf(id, "%lld", (long long)json_as_int(value, 0));
    else
        buf_add_text(id, "-");
}

/* False: the row has no id and its table no natural key. */
static bool give_id(const struct table *table, struct json *row)
{
    if (json_get(row, "id") != NULL)
        return true;
    for (size_t i = 0; i < sizeof NATURAL_KEYS / sizeof *NATURAL_KEYS; i++) {
        if (strcmp(NATURAL_KEYS[i].table, table->name) != 0)
            continue;
        struct buf id;
        buf_init(&id, LIMIT_ROW_ID_BYTES);
        for (const char *const *c = NATURAL_KEYS[i].columns; *c != NULL; c++)
            add_key_part(&id, row, *c);
        bool ok = !id.failed;
        if (ok)
            json_set_text(row, "id", buf_text(&id));
        buf_free(&id);
        return ok;
    }
    return false;
}

static const struct table_column *find_column(const struct table *table, const char *name)
{
    static const struct table_column id = {"id", COLUMN_TEXT, 0, true};
    static const struct table_column scope = {"scope", COLUMN_TEXT, 0, true};
    if (strcmp(name, "id") == 0)
        return &id;
    if (strcmp(name, "scope") == 0)
        return &scope;
    for (const struct table_column *c = table->columns; c->name != NULL; c++)
        if (strcmp(c->name, name) == 0)
            return c;
    return NULL;
}

/* --- files --- */

static bool read_header(struct import_run *run, struct csv *csv,
                        const struct table_column **columns, size_t *ret_count)
{
    struct err err;
    char what[256];
    if (!csv_next(csv, &err)) {
        problem(run, 1,
                err.code != ERR_OK ? err.text
                                   : "the file is empty; its first line must name "
                                     "the columns");
        return false;
    }
    *ret_count = csv->count;
    for (size_t i = 0; i < csv->count; i++) {
        columns[i] = find_column(run->table, csv->cells[i]);
        if (columns[i] != NULL)
            continue;
        snprintf(what, sizeof what, "table %s has no column %.64s", run->table->name,
                 csv->cells[i]);
        problem(run, csv->line, what);
        return false;
    }
    return true;
}

static bool read_cells(struct import_run *run, const struct csv *csv,
                       const struct table_column *const *columns, size_t count, struct json *row)
{
    char what[256];
    if (csv->count != count) {
        snprintf(what, sizeof what, "%zu cells, but the first line names %zu columns", csv->count,
                 count);
        problem(run, csv->line, what);
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        const char *why = "";
        if (import_cell(columns[i], csv->cells[i], row, &why))
            continue;
        bool phone = columns[i]->type == COLUMN_PHONE;
        snprintf(what, sizeof what, "%s: \"%.64s\" %s", columns[i]->name,
                 phone ? "..." : csv->cells[i], why);
        problem(run, csv->line, what);
        return false;
    }
    if (!give_id(run->table, row)) {
        problem(run, csv->line, "the row has no id, and this table has no natural key to make one");
        return false;
    }
    if (strlen(json_text(row, "id", "")) > LIMIT_ID_BYTES) {
        problem(run, csv->line,
                "the id is longer than 36 bytes: give a shorter one in a column id");
        return false;
    }
    return true;
}

static int read_csv(struct import_run *run, char *text, size_t size, struct err *err)
{
    const struct table_column *columns[CSV_COLUMNS_MAX];
    size_t count = 0;
    struct csv csv;
    struct err wrong;
    int code = ERR_OK;
    csv_init(&csv, text, size);
    if (!read_header(run, &csv, columns, &count))
        return ERR_OK;
    while (code == ERR_OK) {
        bool got = csv_next(&csv, &wrong);
        if (!got && wrong.code == ERR_OK)
            break;
        if (!got) {
            problem(run, csv.line, wrong.text);
            continue;
        }
        struct json *row = json_new_object();
        if (read_cells(run, &csv, columns, count, row))
            code = add_row(run, row, csv.line, err);
        json_free(row);
    }
    return code != ERR_OK ? code : flush(run, err);
}

/* One day of holiday-cn: {"name", "date", "isOffDay"}. */
static int add_holiday(struct import_run *run, const struct json *day, int number, struct err *err)
{
    const char *date = json_text(day, "date", "");
    int64_t midnight;
    if (!caltime_parse_date(date, &midnight) || json_get(day, "isOffDay") == NULL) {
        char what[96];
        snprintf(what, sizeof what, "day %d needs date and isOffDay", number);
        problem(run, 1, what);
        return ERR_OK;
    }
    struct json *row = json_new_object();
    json_set_text(row, "id", date);
    json_set_text(row, "scope", "*");
    json_set_text(row, "date", date);
    json_set_int(row, "off", json_bool(day, "isOffDay", false));
    json_set_text(row, "name", json_text(day, "name", NULL));
    int code = add_row(run, row, 1, err);
    json_free(row);
    return code;
}

static int read_calendar(struct import_run *run, const char *text, size_t size, struct err *err)
{
    struct json *root = NULL;
    struct err wrong = {0};
    if (json_parse(text, size, &root, &wrong) != ERR_OK) {
        problem(run, 1, wrong.text);
        return ERR_OK;
    }
    const struct json *days = json_get(root, "days");
    int code = ERR_OK;
    if (days == NULL)
        problem(run, 1, "no calendar: holiday-cn's years have a list \"days\"");
    else if (json_count(days) == 0)
        fprintf(run->options->out, "%s: this year is not published yet; nothing to import\n",
                run->file);
    for (size_t i = 0; code == ERR_OK && i < json_count(days); i++)
        code = add_holiday(run, json_at(days, i), (int)i + 1, err);
    json_free(root);
    return code != ERR_OK ? code : flush(run, err);
}

static int read_whole(const char *path, char **ret, size_t *ret_size, struct err *err)
{
    FILE *file = fopen(path, "rbe");
    if (file == NULL)
        return err_set(err, ERR_IO, "%s: %s", path, strerror(errno));
    struct buf text;
    char step[65536];
    size_t got;
    buf_init(&text, LIMIT_IMPORT_FILE_BYTES);
    while ((got = fread(step, 1, sizeof step, file)) > 0 && buf_add(&text, step, got))
        continue;
    bool bad = ferror(file) != 0;
    fclose(file);
    if (bad || text.failed) {
        buf_free(&text);
        return err_set(err, bad ? ERR_IO : ERR_LIMIT, "%s: %s", path,
                       bad ? "cannot be read" : "larger than 64 MiB");
    }
    buf_add(&text, "", 0);
    *ret_size = text.size;
    *ret = text.bytes != NULL ? text.bytes : calloc(1, 1);
    return ERR_OK;
}

/* The table that a file is named after: "person.csv", "person.2026.csv", "2026.json". */
static const struct table *table_of_file(const char *path)
{
    const char *base = strrchr(path, '/');
    base = base != NULL ? base + 1 : path;
    if (ends_with(base, ".json"))
        return table_by_name("cal_day");
    for (const struct table *t = tables; t->name != NULL; t++) {
        size_t size = strlen(t->name);
        if (strncmp(base, t->name, size) == 0 && base[size] == '.')
            return t;
    }
    return NULL;
}

static int read_file(struct import_run *run, const char *path, struct err *err)
{
    char *text = NULL;
    size_t size = 0;
    run->file = path;
    run->table = table_of_file(path);
    if (run->table == NULL || run->table->direction == TABLE_UP) {
        problem(run, 1,
                "the file is not named after a table of the county (org.csv, school.csv, "
                "person.csv, post.csv, shift.csv, ...)");
        return ERR_OK;
    }
    int code = read_whole(path, &text, &size, err);
    if (code != ERR_OK)
        return code;
    if (!csv_to_utf8(&text, &size))
        problem(run, 1, "the file is neither UTF-8 nor GB18030");
    else if (ends_with(path, ".json"))
        code = read_calendar(run, text, size, err);
    else
        code = read_csv(run, text, size, err);
    free(text);
    return code;
}

/* --- paths --- */

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_table_file(const struct dirent *entry)
{
    return (ends_with(entry->d_name, ".csv") || ends_with(entry->d_name, ".json")) &&
           entry->d_name[0] != '.';
}

static int read_folder(struct import_run *run, const char *path, struct err *err)
{
    struct dirent **entries = NULL;
    int count = scandir(path, &entries, is_table_file, by_name);
    int code = ERR_OK;
    if (count < 0)
        return err_set(err, ERR_IO, "%s: %s", path, strerror(errno));
    if (count == 0)
        code = err_set(err, ERR_NOT_FOUND, "%s: no *.csv or *.json in this folder", path);
    for (int i = 0; i < count; i++) {
        char file[LIMIT_PATH_BYTES];
        int size = snprintf(file, sizeof file, "%s/%s", path, entries[i]->d_name);
        if (code == ERR_OK && (size < 0 || (size_t)size >= sizeof file))
            code = err_set(err, ERR_LIMIT, "%s/%s: the path is too long", path, entries[i]->d_name);
        if (code == ERR_OK)
            code = read_file(run, file, err);
        free(entries[i]);
    }
    free(entries);
    return code;
}

static int read_path(struct import_run *run, const char *path, struct err *err)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return err_set(err, ERR_IO, "%s: %s", path, strerror(errno));
    return S_ISDIR(st.st_mode) ? read_folder(run, path, err) : read_file(run, path, err);
}

static int finish(struct import_run *run, int code, struct err *err)
{
    const struct store_ops *ops = run->store->ops;
    for (const struct table *t = tables; code == ERR_OK && t->name != NULL; t++)
        if (run->options->delete_missing && run->touched[t->tid % 64])
            code = ops->import_prune(run->store, t, &run->result, err);
    if (code == ERR_OK)
        code = ops->import_check(run->store, on_problem, run, &run->result, err);
    bool keep = code == ERR_OK && run->result.refused == 0 && !run->options->dry_run;
    int end = ops->import_end(run->store, keep, code == ERR_OK ? err : NULL);
    if (code == ERR_OK)
        code = end;
    if (run->told > LIMIT_REPORT_ERRORS)
        fprintf(run->options->out, "... and %d more\n", run->told - LIMIT_REPORT_ERRORS);
    if (code == ERR_OK && run->result.refused > 0)
        code = err_set(err, ERR_INVALID, "%lld rows are wrong; nothing was imported",
                       (long long)run->result.refused);
    return code;
}

int import_paths(struct store *store, const struct import_options *options, char **paths,
                 size_t count, struct store_import_result *ret_result, struct err *err)
{
    struct import_run *run = calloc(1, sizeof *run);
    if (run == NULL)
        return err_set(err, ERR_NOMEM, "out of memory");
    run->store = store;
    run->options = options;
    int code = store->ops->import_begin(store, err);
    if (code == ERR_OK) {
        for (size_t i = 0; code == ERR_OK && i < count; i++)
            code = read_path(run, paths[i], err);
        code = finish(run, code, err);
    }
    for (size_t i = 0; i < run->count; i++)
        free((char *)(uintptr_t)run->rows[i].json);
    *ret_result = run->result;
    free(run);
    return code;
}
