/* What the option table looks like to people: the values in force, the sample file, the manual. */
#include <string.h>

#include "config/config.h"
#include "config/options.h"
#include "config/value.h"

static bool print_section(const struct option_section *section, const void *base, struct buf *out)
{
    for (size_t i = 0; i < option_count; i++) {
        const struct option *option = &option_table[i];
        if (strcmp(option->section, section->name) != 0)
            continue;
        buf_printf(out, "    %s = ", option->name);
        value_print(option, base, out);
        buf_add_text(out, option->secret ? " # its contents are secret\n" : "\n");
    }
    return buf_add_text(out, "}\n");
}

bool config_print(const struct config *config, struct buf *out)
{
    for (size_t i = 0; i < option_section_count; i++) {
        const struct option_section *section = &option_sections[i];
        if (!section->titled) {
            buf_printf(out, "%s {\n", section->name);
            print_section(section, config, out);
        }
        for (int m = 0; section->titled && m < config->modem_count; m++) {
            buf_printf(out, "%s \"%s\" {\n", section->name, config->modems[m].name);
            print_section(section, &config->modems[m], out);
        }
    }
    return !out->failed;
}

static bool is_bare(const struct option *option)
{
    return option->type == OPTION_INT || option->type == OPTION_SECONDS ||
           option->type == OPTION_BOOL || option->type == OPTION_CHOICE;
}

static void print_preset(const struct option *option, struct buf *out)
{
    const char *at = option->preset;
    char one[OPTION_PRESET_VALUE_MAX];
    const char *between = "{ ";
    if (!option_is_list(option)) {
        buf_printf(out, is_bare(option) ? "%s" : "\"%s\"", at);
        return;
    }
    if (*at == '\0')
        buf_add_text(out, "{");
    while ((at = option_next_preset(at, one)) != NULL) {
        buf_printf(out, option->type == OPTION_IDS ? "%s\"%s\"" : "%s%s", between, one);
        between = ", ";
    }
    buf_add_text(out, *option->preset == '\0' ? "}" : " }");
}

static void sample_option(const struct option *option, const char *margin, struct buf *out)
{
    char allowed[192];
    option_describe(option, allowed, sizeof allowed);
    buf_printf(out, "\n%s    # %s\n%s    # %s.\n", margin, option->help_zh, margin,
               option->help_en);
    buf_printf(out, "%s    # %s%s%s\n", margin, allowed,
               option->secret ? "; a file that others cannot read" : "",
               option->reloadable ? "; SIGHUP applies it" : "");
    if (option->required)
        buf_printf(out, "%s    %s = \"\"\n", margin, option->name);
    else {
        buf_printf(out, "%s    # %s = ", margin, option->name);
        print_preset(option, out);
        buf_add_text(out, "\n");
    }
}

bool config_print_sample(struct buf *out)
{
    buf_add_text(out,
                 "# touyan.conf: 头雁网关的配置。每项上面是说明和可填的内容，带 # 的是默认值。\n"
                 "# The configuration of touyan-gateway, see touyan.conf(5). What is commented out "
                 "is the\n"
                 "# default. conf.d/*.conf beside this file are read after it. Secrets stay in "
                 "files of their own.\n"
                 "# Written by `touyan-gateway --print-sample-config`.\n");
    for (size_t i = 0; i < option_section_count; i++) {
        const struct option_section *section = &option_sections[i];
        const char *margin = section->titled ? "# " : "";
        buf_printf(out, "\n# %s\n# %s.\n", section->help_zh, section->help_en);
        buf_printf(out, section->titled ? "# %s \"gsm0\" {" : "%s {", section->name);
        for (size_t j = 0; j < option_count; j++)
            if (strcmp(option_table[j].section, section->name) == 0)
                sample_option(&option_table[j], margin, out);
        buf_printf(out, "%s}\n", margin);
    }
    return !out->failed;
}

/* Text for roff: a backslash and a leading dot or quote mean something there. */
static void roff(const char *text, struct buf *out)
{
    if (*text == '.' || *text == '\'')
        buf_add_text(out, "\\&");
    for (; *text != '\0'; text++) {
        if (*text == '\\')
            buf_add_text(out, "\\e");
        else if (*text == '-')
            buf_add_text(out, "\\-");
        else
            buf_add(out, text, 1);
    }
}

static void man_option(const struct option *option, struct buf *out)
{
    char allowed[192];
    option_describe(option, allowed, sizeof allowed);
    buf_add_text(out, ".TP\n.B ");
    roff(option->name, out);
    buf_add_text(out, "\n");
    roff(option->help_en, out);
    buf_add_text(out, ".\n.br\n");
    roff(option->help_zh, out);
    buf_add_text(out, "。\n.br\nType: ");
    roff(allowed, out);
    buf_add_text(out, ".\n");
    if (option->required) {
        buf_add_text(out, "Must be set.\n");
    } else if (*option->preset != '\0') {
        struct buf preset;
        buf_init(&preset, 256);
        print_preset(option, &preset);
        buf_add_text(out, "Default: ");
        roff(buf_text(&preset), out);
        buf_add_text(out, ".\n");
        buf_free(&preset);
    }
    if (option->secret)
        buf_add_text(out, "The file must not be readable by others.\n");
    if (option->reloadable)
        buf_add_text(out, "Applied on SIGHUP.\n");
}

static const char man_head[] =
    ".TH TOUYAN.CONF 5 \"\" \"touyan " TOUYAN_VERSION "\" \"Touyan\"\n"
    ".SH NAME\ntouyan.conf \\- configuration of the guard post gateway touyan\\-gateway(8)\n"
    ".SH DESCRIPTION\n"
    "Read from\n.I /etc/touyan/touyan.conf\nand then from\n.I /etc/touyan/conf.d/*.conf\n"
    "in the order of their names; later settings win. The files are UTF\\-8. A line looks like\n"
    ".PP\n.RS\n.nf\nsync {\n    poll_s = 30s\n}\nmodem \"gsm0\" {\n"
    "    device = \"/dev/serial/by\\-id/usb\\-HUAWEI_Mobile\\-if00\"\n}\n.fi\n.RE\n.PP\n"
    "and # begins a comment. An unknown option or a wrong value is refused with file and line; "
    "test with\n.BR \"touyan\\-gateway \\-\\-check\\-config\" .\n"
    "Secrets (tokens, passwords, the SIM's PIN) are never written into these files, which name "
    "files of one line that only their owner and group can read.\n"
    ".SH OPTIONS\n";

static const char man_tail[] =
    ".SH FILES\n.TP\n.I /etc/touyan/touyan.conf\nthe main file\n.TP\n.I /etc/touyan/conf.d/*.conf\n"
    "what a machine changes of it\n"
    ".SH EXIT STATUS\n.B touyan\\-gateway\nexits with 78 when the configuration is wrong.\n"
    ".SH SEE ALSO\n.BR touyan\\-gateway (8)\n";

bool config_print_man(struct buf *out)
{
    buf_add_text(out, man_head);
    for (size_t i = 0; i < option_section_count; i++) {
        const struct option_section *section = &option_sections[i];
        buf_printf(out, ".SS %s%s\n", section->name, section->titled ? " \"name\"" : "");
        roff(section->help_en, out);
        buf_add_text(out, ".\n");
        for (size_t j = 0; j < option_count; j++)
            if (strcmp(option_table[j].section, section->name) == 0)
                man_option(&option_table[j], out);
    }
    return buf_add_text(out, man_tail);
}
