/* The one option table and what is asked of it. Private to config/. */
#ifndef TOUYAN_CONFIG_OPTIONS_H
#define TOUYAN_CONFIG_OPTIONS_H

#include "config/config.h"

enum option_type {
    OPTION_TEXT,    /* char *, min to max bytes */
    OPTION_ID,      /* char *, letters, digits, '-', '_' and '.' */
    OPTION_DIGITS,  /* char *, min to max digits, a '+' may come first */
    OPTION_PATH,    /* char *, absolute */
    OPTION_URL,     /* char *, https://, or http:// to this machine */
    OPTION_INT,     /* int, min to max */
    OPTION_SECONDS, /* int, written 30, "30s", "15min" or "2h", min to max */
    OPTION_CLOCK,   /* int, minutes after midnight, written "18:00" */
    OPTION_BOOL,    /* bool */
    OPTION_CHOICE,  /* int, one of choices */
    OPTION_IDS,     /* struct config_texts of OPTION_ID or "*" */
    OPTION_MINUTES, /* struct config_minutes, rising, each min to max */
};

struct option_choice {
    const char *name; /* NULL ends the list */
    int value;
};

struct option {
    const char *section;
    const char *name;
    enum option_type type;
    const char *preset; /* as written in a file, a list with spaces between; "" is none */
    int min, max;       /* see the types */
    const char *unit;   /* "" when the type tells it */
    const struct option_choice *choices;
    bool required;
    bool reloadable; /* numbers only: texts keep their place in memory */
    bool secret;     /* the path of a file whose contents nobody else may read */
    size_t offset;   /* in struct config, of section "modem" in struct config_modem */
    const char *help_zh;
    const char *help_en;
};

struct option_section {
    const char *name;
    bool titled;
    const char *help_zh;
    const char *help_en;
};

extern const struct option option_table[];
extern const size_t option_count;
extern const struct option_section option_sections[];
extern const size_t option_section_count;

const struct option_section *option_find_section(const char *name);
const struct option *option_find(const char *section, const char *name);

/* True for the types that are a char * in struct config. */
bool option_is_text(const struct option *option);
bool option_is_list(const struct option *option);

/* The section, or the option of a section, with the most similar name; NULL when nothing is near.
 */
const char *option_suggest_section(const char *name);
const char *option_suggest(const char *section, const char *name);

/* What may be written, for messages and manual: "1 to 65535", "a time such as \"18:00\"". */
void option_describe(const struct option *option, char *ret, size_t size);

/* The values of a list's preset one by one: copies the first at or after `at` and returns where the
 * next begins; NULL when there is none. */
enum { OPTION_PRESET_VALUE_MAX = 64 };
const char *option_next_preset(const char *at, char ret[OPTION_PRESET_VALUE_MAX]);

#endif
