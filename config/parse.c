/* libconfuse behind parse.h; nothing else includes it.
 *
 * The grammar comes from the option table. libconfuse only splits the file: each value is kept as
 * text with its line, and value.c then checks and stores it, so that every message has file, line,
 * option and what would be right. Files that are too large, not UTF-8 or broken in the grammar are
 * refused before anything is stored; libconfuse knows no include here, so nothing else is read. */
#include "config/parse.h"

#include <confuse.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/options.h"
#include "config/value.h"
#include "gateway/base/text.h"

/* A value as the file has it. */
struct word {
    int line;
    char text[];
};

/* libconfuse takes the end of the file for the end of a section, and a } too many for the end of
 * the file. So each file gets this section at its end, which must arrive, and outside of any other.
 */
#define END_MARK "__end"

/* libconfuse gives its error function no context of ours. */
struct complaint {
    const char *path;
    struct err *err;
};
static _Thread_local struct complaint *complaint;

static int keep_word(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *ret)
{
    (void)opt;
    size_t length = strlen(value);
    struct word *word = malloc(sizeof *word + length + 1);
    if (word == NULL)
        return -1;
    word->line = cfg->line;
    memcpy(word->text, value, length + 1);
    *(void **)ret = word;
    return 0;
}

/* A secret in the file itself: "password" where "password_file" is an option. */
static bool is_inline_secret(const char *section, const char *name)
{
    char with_file[64];
    size_t length = strlen(name);
    if (length + sizeof "_file" > sizeof with_file)
        return false;
    memcpy(with_file, name, length);
    memcpy(with_file + length, "_file", sizeof "_file");
    const struct option *option = option_find(section, with_file);
    return option != NULL && option->secret;
}

/* The section that has an option of this name, when it is one only. */
static const char *only_section_with(const char *name)
{
    const char *found = NULL;
    for (size_t i = 0; i < option_count; i++)
        if (strcmp(option_table[i].name, name) == 0) {
            if (found != NULL)
                return NULL;
            found = option_table[i].section;
        }
    return found;
}

static void complain_unknown(const char *place, const char *section, const char *name)
{
    struct err *err = complaint->err;
    bool top = option_find_section(section) == NULL;
    const char *near = top ? option_suggest_section(name) : option_suggest(section, name);
    const char *home = only_section_with(name);
    if (strcmp(name, END_MARK) == 0)
        err_set(err, ERR_INVALID, "%s: the } that closes section \"%s\" is missing", place,
                section);
    else if (!top && is_inline_secret(section, name))
        err_set(err, ERR_INVALID,
                "%s: no secrets in the configuration: write it to a file that only its owner can "
                "read and name that with %s_file",
                place, name);
    else if (home != NULL)
        err_set(err, ERR_INVALID, "%s: \"%.40s\" belongs into section \"%s\"", place, name, home);
    else if (near != NULL)
        err_set(err, ERR_INVALID, "%s: there is no %s \"%.40s\"; did you mean \"%s\"?", place,
                top ? "section" : "option", name, near);
    else
        err_set(err, ERR_INVALID, "%s: there is no %s \"%.40s\"", place, top ? "section" : "option",
                name);
}

static void on_error(cfg_t *cfg, const char *fmt, va_list args)
{
    if (complaint == NULL || complaint->err == NULL || complaint->err->code != ERR_OK)
        return; /* the first one is the cause */
    char place[LIMIT_ERR_TEXT / 2];
    char text[LIMIT_ERR_TEXT / 2];
    struct err placed;
    err_set(&placed, ERR_INVALID, "%.200s:%d", complaint->path, cfg->line);
    text_copy(place, sizeof place, placed.text);
    vsnprintf(text, sizeof text, fmt, args);
    static const char unknown[] = "no such option '";
    size_t length = strlen(text);
    if (strncmp(text, unknown, sizeof unknown - 1) == 0 && length > sizeof unknown) {
        text[length - 1] = '\0';
        complain_unknown(place, cfg->name, text + sizeof unknown - 1);
    } else {
        err_set(complaint->err, ERR_INVALID, "%s: %s", place, text);
    }
}

/* The grammar: the sections with the end mark, and the options of all, section by section. */
struct grammar {
    cfg_opt_t *sections;
    cfg_opt_t *options;
};

static void grammar_free(struct grammar *grammar)
{
    free(grammar->sections);
    free(grammar->options);
}

static void add_options(const char *section, cfg_opt_t **at)
{
    const cfg_opt_t end = CFG_END();
    for (size_t i = 0; i < option_count; i++) {
        const struct option *option = &option_table[i];
        if (strcmp(option->section, section) != 0)
            continue;
        cfg_flag_t flags = CFGF_NODEFAULT | (option_is_list(option) ? CFGF_LIST : CFGF_NONE);
        const cfg_opt_t one = CFG_PTR_CB(option->name, NULL, flags, keep_word, free);
        *(*at)++ = one;
    }
    *(*at)++ = end;
}

static bool grammar_make(struct grammar *ret)
{
    /* Besides the options: an end for each section, and the end mark's own. */
    size_t rows = option_count + option_section_count + 1;
    struct grammar g = {.sections = calloc(option_section_count + 2, sizeof(cfg_opt_t)),
                        .options = calloc(rows, sizeof(cfg_opt_t))};
    if (g.sections == NULL || g.options == NULL) {
        grammar_free(&g);
        return false;
    }
    const cfg_opt_t end = CFG_END();
    cfg_opt_t *at = g.options;
    for (size_t i = 0; i < option_section_count; i++) {
        const struct option_section *section = &option_sections[i];
        cfg_flag_t flags =
            section->titled ? CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES : CFGF_NODEFAULT;
        const cfg_opt_t one = CFG_SEC(section->name, at, flags);
        add_options(section->name, &at);
        g.sections[i] = one;
    }
    *at = end;
    const cfg_opt_t mark = CFG_SEC(END_MARK, at, CFGF_NODEFAULT);
    g.sections[option_section_count] = mark;
    g.sections[option_section_count + 1] = end;
    *ret = g;
    return true;
}

static int store(const char *path, cfg_opt_t *opt, const struct option *option, void *base,
                 struct err *err)
{
    unsigned count = cfg_opt_size(opt);
    if (count > 0)
        value_clear(option, base);
    for (unsigned i = 0; i < count; i++) {
        const struct word *word = cfg_opt_getnptr(opt, i);
        int rc = strlen(word->text) <= CONFIG_TEXT_MAX
                     ? value_set(option, base, word->text, err)
                     : err_set(err, ERR_INVALID, "a value of more than %d bytes", CONFIG_TEXT_MAX);
        if (rc != ERR_OK)
            return err_wrap(err, "%.200s:%d: %s.%s", path, word->line, option->section,
                            option->name);
    }
    return ERR_OK;
}

static int store_section(const char *path, cfg_t *section, const char *name, void *base,
                         struct err *err)
{
    for (size_t i = 0; i < option_count; i++) {
        const struct option *option = &option_table[i];
        if (strcmp(option->section, name) != 0)
            continue;
        int rc = store(path, cfg_getopt(section, option->name), option, base, err);
        if (rc != ERR_OK)
            return rc;
    }
    return ERR_OK;
}

static bool is_title(const char *title)
{
    size_t length = strlen(title);
    return length > 0 && length <= LIMIT_STATION_BYTES &&
           strspn(title, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") ==
               length;
}

static int add_modem(struct config *config, const char *name, struct config_modem **ret,
                     struct err *err)
{
    if (config->modem_count == LIMIT_MODEMS)
        return err_set(err, ERR_LIMIT, "more than %d modems", LIMIT_MODEMS);
    if (!is_title(name))
        return err_set(err, ERR_INVALID,
                       "modem \"%.40s\": a title has 1 to %d letters, digits, '-' or '_'", name,
                       LIMIT_STATION_BYTES);
    struct config_modem *modem = &config->modems[config->modem_count++];
    *modem = (struct config_modem){.name = strdup(name)};
    if (modem->name == NULL)
        return err_set(err, ERR_NOMEM, "out of memory");
    for (size_t i = 0; i < option_count; i++) {
        const struct option *option = &option_table[i];
        int rc = strcmp(option->section, "modem") == 0 ? value_preset(option, modem, err) : ERR_OK;
        if (rc != ERR_OK)
            return rc;
    }
    *ret = modem;
    return ERR_OK;
}

static int find_modem(struct config *config, const char *name, struct config_modem **ret,
                      struct err *err)
{
    for (int i = 0; i < config->modem_count; i++)
        if (strcmp(config->modems[i].name, name) == 0) {
            *ret = &config->modems[i];
            return ERR_OK;
        }
    return add_modem(config, name, ret, err);
}

static int store_modem(const char *path, cfg_t *section, struct config *config, struct err *err)
{
    struct config_modem *modem = NULL;
    int rc = find_modem(config, cfg_title(section), &modem, err);
    if (rc != ERR_OK)
        return err_wrap(err, "%.200s:%d", path, section->line);
    return store_section(path, section, "modem", modem, err);
}

static int store_all(const char *path, cfg_t *cfg, struct config *config, struct err *err)
{
    for (size_t i = 0; i < option_section_count; i++) {
        const struct option_section *section = &option_sections[i];
        unsigned count = cfg_size(cfg, section->name);
        for (unsigned n = 0; n < count; n++) {
            cfg_t *one = cfg_getnsec(cfg, section->name, n);
            int rc = section->titled ? store_modem(path, one, config, err)
                                     : store_section(path, one, section->name, config, err);
            if (rc != ERR_OK)
                return rc;
        }
    }
    return ERR_OK;
}

/* The text into sections and words, without a look at the values. */
static int split(cfg_t *cfg, const char *path, const char *text, struct err *err)
{
    struct err said = {0};
    struct complaint mine = {path, &said};
    cfg_set_error_function(cfg, on_error);
    complaint = &mine;
    bool ok = cfg_parse_buf(cfg, text) == CFG_SUCCESS;
    complaint = NULL;
    if (said.code != ERR_OK)
        return err_set(err, said.code, "%s", said.text);
    if (!ok)
        return err_set(err, ERR_INVALID, "%.200s: cannot be read", path);
    if (cfg_size(cfg, END_MARK) == 0)
        return err_set(err, ERR_INVALID, "%.200s:%d: there is a } too many", path, cfg->line);
    return ERR_OK;
}

static int parse_text(const char *path, const char *text, struct config *config, struct err *err)
{
    struct grammar grammar;
    if (!grammar_make(&grammar))
        return err_set(err, ERR_NOMEM, "out of memory");
    cfg_t *cfg = cfg_init(grammar.sections, CFGF_NONE);
    if (cfg == NULL) {
        grammar_free(&grammar);
        return err_set(err, ERR_NOMEM, "out of memory");
    }
    int rc = split(cfg, path, text, err);
    if (rc == ERR_OK)
        rc = store_all(path, cfg, config, err);
    cfg_free(cfg);
    grammar_free(&grammar);
    return rc;
}

static int read_all(int fd, const char *path, char *bytes, size_t *ret_size, struct err *err)
{
    size_t size = 0;
    while (size <= CONFIG_FILE_MAX) {
        ssize_t n = read(fd, bytes + size, CONFIG_FILE_MAX + 1 - size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_set(err, ERR_IO, "%s: %s", path, strerror(errno));
        if (n == 0) {
            *ret_size = size;
            return ERR_OK;
        }
        size += (size_t)n;
    }
    return err_set(err, ERR_LIMIT, "%s: more than %d bytes", path, CONFIG_FILE_MAX);
}

static int read_file(const char *path, char *bytes, size_t *ret_size, struct err *err)
{
    /* O_NONBLOCK: a pipe by that name must not hold us up. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return err_set(err, ERR_IO, "%s: %s", path, strerror(errno));
    struct stat st;
    int rc = fstat(fd, &st) == 0 && S_ISREG(st.st_mode)
                 ? read_all(fd, path, bytes, ret_size, err)
                 : err_set(err, ERR_IO, "%s: is no file", path);
    close(fd);
    return rc;
}

/* The line of the first byte that is not UTF-8 text, or 0. */
static int bad_line(const char *bytes, size_t size)
{
    int line = 1;
    for (size_t at = 0; at < size;) {
        uint32_t cp;
        size_t length = text_utf8_decode(bytes + at, size - at, &cp);
        if (length == 0 || cp == 0)
            return line;
        line += cp == '\n' ? 1 : 0;
        at += length;
    }
    return 0;
}

/* Without what editors on Windows add, a byte order mark in front and CR before each LF; with the
 * end mark. */
static char *plain_text(char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i] == '\r')
            bytes[i] = ' ';
    memcpy(bytes + size, "\n" END_MARK " {}", sizeof "\n" END_MARK " {}");
    return strncmp(bytes, "\xef\xbb\xbf", 3) == 0 ? bytes + 3 : bytes;
}

int parse_file(const char *path, struct config *config, struct err *err)
{
    char *bytes = malloc(CONFIG_FILE_MAX + 1 + sizeof "\n" END_MARK " {}");
    if (bytes == NULL)
        return err_set(err, ERR_NOMEM, "out of memory");
    size_t size = 0;
    int rc = read_file(path, bytes, &size, err);
    int line = rc == ERR_OK ? bad_line(bytes, size) : 0;
    if (line > 0)
        rc = err_set(err, ERR_INVALID, "%s:%d: is not UTF-8; save the file in that encoding", path,
                     line);
    if (rc == ERR_OK)
        rc = parse_text(path, plain_text(bytes, size), config, err);
    free(bytes);
    return rc;
}
