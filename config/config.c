/* Loading, checking and reloading; see config.h. The main file comes first, then the ones of conf.d
 * beside it in the order of their names, each over the ones before; at the end what must be set is
 * looked for. Any error leaves the caller without a configuration (load) or with the one it had
 * (reload). */
#include "config/config.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/options.h"
#include "config/parse.h"
#include "config/value.h"
#include "gateway/base/text.h"

static bool is_modem(const struct option *option)
{
    return strcmp(option->section, "modem") == 0;
}

static int set_presets(struct config *config, struct err *err)
{
    for (size_t i = 0; i < option_count; i++) {
        if (is_modem(&option_table[i]))
            continue; /* when one is added */
        int rc = value_preset(&option_table[i], config, err);
        if (rc != ERR_OK)
            return err_wrap(err, "%s.%s", option_table[i].section, option_table[i].name);
    }
    return ERR_OK;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool is_conf(const char *name)
{
    size_t length = strlen(name);
    return length > 5 && name[0] != '.' && strcmp(name + length - 5, ".conf") == 0;
}

/* The *.conf of a folder, sorted; none when there is no such folder. The names are the caller's. */
static int list_conf(const char *folder, char *names[CONFIG_FILES_MAX], int *ret_count,
                     struct err *err)
{
    *ret_count = 0;
    DIR *dir = opendir(folder);
    if (dir == NULL)
        return errno == ENOENT ? ERR_OK : err_set(err, ERR_IO, "%s: %s", folder, strerror(errno));
    int rc = ERR_OK;
    for (struct dirent *entry = readdir(dir); entry != NULL && rc == ERR_OK; entry = readdir(dir)) {
        if (!is_conf(entry->d_name))
            continue;
        if (*ret_count == CONFIG_FILES_MAX)
            rc = err_set(err, ERR_LIMIT, "%s: more than %d files", folder, CONFIG_FILES_MAX);
        else if ((names[*ret_count] = strdup(entry->d_name)) == NULL)
            rc = err_set(err, ERR_NOMEM, "out of memory");
        else
            (*ret_count)++;
    }
    closedir(dir);
    qsort(names, (size_t)*ret_count, sizeof names[0], by_name);
    return rc;
}

static int parse_folder(const char *folder, struct config *config, struct err *err)
{
    char *names[CONFIG_FILES_MAX];
    int count;
    int rc = list_conf(folder, names, &count, err);
    for (int i = 0; i < count; i++) {
        struct buf path;
        buf_init(&path, LIMIT_PATH_BYTES);
        if (rc == ERR_OK)
            rc = buf_printf(&path, "%s/%s", folder, names[i])
                     ? parse_file(buf_text(&path), config, err)
                     : err_set(err, ERR_LIMIT, "%s: the path is too long", folder);
        buf_free(&path);
        free(names[i]);
    }
    return rc;
}

static int parse_conf_d(struct config *config, struct err *err)
{
    const char *slash = strrchr(config->path, '/');
    struct buf folder;
    buf_init(&folder, LIMIT_PATH_BYTES);
    int length = slash != NULL ? (int)(slash - config->path) + 1 : 0;
    int rc = buf_printf(&folder, "%.*sconf.d", length, config->path)
                 ? parse_folder(buf_text(&folder), config, err)
                 : err_set(err, ERR_LIMIT, "%s: the path is too long", config->path);
    buf_free(&folder);
    return rc;
}

static int check_required(const struct option *option, const void *base, const char *path,
                          const char *title, struct err *err)
{
    const char *text = *(char *const *)((const char *)base + option->offset);
    if (text[0] != '\0')
        return ERR_OK;
    return err_set(err, ERR_INVALID, "%.200s: %s%s%s has no \"%s\": %s", path, option->section,
                   title[0] != '\0' ? " " : "", title, option->name, option->help_en);
}

static int check_all_required(const struct config *config, struct err *err)
{
    for (size_t i = 0; i < option_count; i++) {
        const struct option *option = &option_table[i];
        int rc = ERR_OK;
        if (!option->required)
            continue;
        if (!is_modem(option))
            rc = check_required(option, config, config->path, "", err);
        for (int m = 0; rc == ERR_OK && is_modem(option) && m < config->modem_count; m++)
            rc = check_required(option, &config->modems[m], config->path, config->modems[m].name,
                                err);
        if (rc != ERR_OK)
            return rc;
    }
    return ERR_OK;
}

static bool is_same_modem(const struct config_modem *a, const struct config_modem *b)
{
    return (a->device[0] != '\0' && strcmp(a->device, b->device) == 0) ||
           (a->imei[0] != '\0' && strcmp(a->imei, b->imei) == 0);
}

/* Two workers on one device would talk into each other. */
static int check_modems(const struct config *config, struct err *err)
{
    const struct config_modem *modems = config->modems;
    for (int i = 0; i < config->modem_count; i++) {
        if (modems[i].device[0] == '\0' && modems[i].imei[0] == '\0')
            return err_set(err, ERR_INVALID, "%.200s: modem %s needs a device or an imei",
                           config->path, modems[i].name);
        for (int j = 0; j < i; j++)
            if (is_same_modem(&modems[i], &modems[j]))
                return err_set(err, ERR_INVALID, "%.200s: modems %s and %s have the same device",
                               config->path, modems[j].name, modems[i].name);
    }
    return ERR_OK;
}

static int check_duty(const struct config *config, struct err *err)
{
    const struct config_duty *duty = &config->duty;
    if (duty->no_show_min.count != CONFIG_NO_SHOW_STEPS)
        return err_set(err, ERR_INVALID, "%.200s: duty.no_show_min has %d numbers, it needs %d",
                       config->path, duty->no_show_min.count, CONFIG_NO_SHOW_STEPS);
    int last = duty->panic_min.at[duty->panic_min.count - 1];
    if (duty->panic_room_min < last)
        return err_set(err, ERR_INVALID,
                       "%.200s: duty.panic_room_min (%d) comes before the last of panic_min (%d)",
                       config->path, duty->panic_room_min, last);
    if (duty->flow_heavy <= duty->flow_peak)
        return err_set(err, ERR_INVALID, "%.200s: duty.flow_heavy (%d) is not above flow_peak (%d)",
                       config->path, duty->flow_heavy, duty->flow_peak);
    return ERR_OK;
}

/* Options that make sense together only. */
static int check_together(const struct config *config, struct err *err)
{
    if (config->mqtt.password_file[0] != '\0' && config->mqtt.username[0] == '\0')
        return err_set(err, ERR_INVALID, "%.200s: mqtt has a password_file but no username",
                       config->path);
    if (config->sync.url[0] != '\0' && config->sync.token_file[0] == '\0' &&
        config->sync.ca_pin[0] == '\0')
        return err_set(err, ERR_INVALID, "%.200s: sync has a url but neither ca_pin nor token_file",
                       config->path);
    if ((config->mqtt.cert_file[0] != '\0') != (config->mqtt.key_file[0] != '\0'))
        return err_set(err, ERR_INVALID, "%.200s: mqtt needs cert_file and key_file, or neither",
                       config->path);
    return check_modems(config, err);
}

static int load_into(const char *path, struct config *config, struct err *err)
{
    if (strlen(path) > LIMIT_PATH_BYTES)
        return err_set(err, ERR_LIMIT, "the path of the configuration is too long");
    config->path = strdup(path);
    if (config->path == NULL)
        return err_set(err, ERR_NOMEM, "out of memory");
    int rc = set_presets(config, err);
    if (rc == ERR_OK)
        rc = parse_file(path, config, err);
    if (rc == ERR_OK)
        rc = parse_conf_d(config, err);
    if (rc == ERR_OK)
        rc = check_all_required(config, err);
    if (rc == ERR_OK)
        rc = check_together(config, err);
    return rc == ERR_OK ? check_duty(config, err) : rc;
}

int config_load(const char *path, struct config **ret, struct err *err)
{
    struct config *config = calloc(1, sizeof *config);
    if (config == NULL)
        return err_set(err, ERR_NOMEM, "out of memory");
    int rc = load_into(path, config, err);
    if (rc != ERR_OK) {
        config_free(config);
        return rc;
    }
    *ret = config;
    return ERR_OK;
}

void config_free(struct config *config)
{
    if (config == NULL)
        return;
    for (size_t i = 0; i < option_count; i++) {
        const struct option *option = &option_table[i];
        if (!is_modem(option))
            value_clear(option, config);
        for (int m = 0; is_modem(option) && m < config->modem_count; m++)
            value_clear(option, &config->modems[m]);
    }
    for (int m = 0; m < config->modem_count; m++)
        free(config->modems[m].name);
    free(config->path);
    free(config);
}

static int check_secret_mode(const char *path, const struct stat *st, struct err *err)
{
    if (!S_ISREG(st->st_mode))
        return err_set(err, ERR_INVALID, "%s: is no file", path);
    if ((st->st_mode & (S_IRWXO | S_IWGRP)) != 0)
        return err_set(err, ERR_DENIED, "%s: others can read or write this secret; chmod 0640 it",
                       path);
    return ERR_OK;
}

int config_read_secret(const char *path, char ret[CONFIG_SECRET_BYTES + 1], struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0) {
        int saved = errno;
        if (fd >= 0)
            close(fd);
        return err_set(err, ERR_IO, "%s: %s", path, strerror(saved));
    }
    char bytes[CONFIG_SECRET_BYTES + 2];
    int rc = check_secret_mode(path, &st, err);
    ssize_t n = rc == ERR_OK ? read(fd, bytes, sizeof bytes - 1) : 0;
    close(fd);
    if (rc != ERR_OK)
        return rc;
    bytes[n > 0 ? n : 0] = '\0';
    size_t length = strcspn(bytes, "\r\n");
    bool fits = length <= CONFIG_SECRET_BYTES;
    if (length > 0 && fits) {
        memcpy(ret, bytes, length);
        ret[length] = '\0';
    }
    explicit_bzero(bytes, sizeof bytes);
    if (length == 0)
        return err_set(err, ERR_INVALID, "%s: the first line is empty", path);
    return fits ? ERR_OK
                : err_set(err, ERR_LIMIT, "%s: more than %d bytes", path, CONFIG_SECRET_BYTES);
}

/* One file that an option names: it is there, and a secret one is kept. */
static int check_file(const struct option *option, const void *base, struct err *err)
{
    size_t length = strlen(option->name);
    bool names_file = length > 5 && strcmp(option->name + length - 5, "_file") == 0;
    const char *path = names_file ? *(char *const *)((const char *)base + option->offset) : "";
    if (path[0] == '\0')
        return ERR_OK;
    struct stat st;
    if (stat(path, &st) != 0) {
        /* The key is made at the first start. */
        if (errno == ENOENT && strcmp(option->name, "key_file") == 0)
            return ERR_OK;
        return err_set(err, ERR_INVALID, "%s.%s: %s: %s", option->section, option->name, path,
                       strerror(errno));
    }
    int rc = option->secret ? check_secret_mode(path, &st, err) : ERR_OK;
    return rc == ERR_OK ? rc : err_wrap(err, "%s.%s", option->section, option->name);
}

int config_check(const struct config *config, struct err *err)
{
    for (size_t i = 0; i < option_count; i++) {
        const struct option *option = &option_table[i];
        int rc = is_modem(option) ? ERR_OK : check_file(option, config, err);
        for (int m = 0; rc == ERR_OK && is_modem(option) && m < config->modem_count; m++)
            rc = check_file(option, &config->modems[m], err);
        if (rc != ERR_OK)
            return rc;
    }
    return ERR_OK;
}

/* Adds "section.name" to a list of names; when it is full, "..." stands for the rest. */
static void note(char *list, size_t size, const char *section, const char *title, const char *name)
{
    static const char more[] = " ...";
    char one[128];
    struct err text;
    err_set(&text, ERR_OK, "%s%s%s%s.%s", list[0] != '\0' ? " " : "", section,
            title[0] != '\0' ? "." : "", title, name);
    text_copy(one, sizeof one, text.text);
    size_t length = strlen(list);
    if (length + strlen(one) + sizeof more <= size)
        memcpy(list + length, one, strlen(one) + 1);
    else if (length + sizeof more <= size && strstr(list, more) == NULL)
        memcpy(list + length, more, sizeof more);
}

static const struct config_modem *modem_named(const struct config *config, const char *name)
{
    for (int i = 0; i < config->modem_count; i++)
        if (strcmp(config->modems[i].name, name) == 0)
            return &config->modems[i];
    return NULL;
}

static void adopt_modem(struct config_modem *modem, const struct config *next,
                        struct config_changes *ret)
{
    const struct config_modem *other = modem_named(next, modem->name);
    if (other == NULL)
        note(ret->refused, sizeof ret->refused, "modem", modem->name, "(removed)");
    for (size_t i = 0; other != NULL && i < option_count; i++)
        if (is_modem(&option_table[i]) && !value_equal(&option_table[i], modem, other))
            note(ret->refused, sizeof ret->refused, "modem", modem->name, option_table[i].name);
}

static void adopt_option(const struct option *option, struct config *config,
                         const struct config *next, struct config_changes *ret)
{
    if (value_equal(option, config, next))
        return;
    if (option->reloadable) {
        value_copy_number(option, config, next);
        note(ret->adopted, sizeof ret->adopted, option->section, "", option->name);
    } else {
        note(ret->refused, sizeof ret->refused, option->section, "", option->name);
    }
}

int config_reload(struct config *config, struct config_changes *ret, struct err *err)
{
    struct config *next = NULL;
    int rc = config_load(config->path, &next, err);
    if (rc != ERR_OK)
        return rc;
    assert(next != NULL);
    rc = config_check(next, err);
    if (rc != ERR_OK) {
        config_free(next);
        return rc;
    }
    *ret = (struct config_changes){.adopted = ""};
    for (size_t i = 0; i < option_count; i++)
        if (!is_modem(&option_table[i]))
            adopt_option(&option_table[i], config, next, ret);
    for (int m = 0; m < config->modem_count; m++)
        adopt_modem(&config->modems[m], next, ret);
    for (int m = 0; m < next->modem_count; m++)
        if (modem_named(config, next->modems[m].name) == NULL)
            note(ret->refused, sizeof ret->refused, "modem", next->modems[m].name, "(added)");
    config_free(next);
    return ERR_OK;
}
