/* Explanations in words; see words.h. A sentence is a head and a list of reasons, each a text of
 * its own; reasons that count nobody are left out, the list loses whole items when it is too long.
 */
#include "gateway/duty/roster/words.h"

#include <stdio.h>
#include <string.h>

enum { LIST_SIZE = 512 };

struct list {
    enum text_lang lang;
    char text[LIST_SIZE];
};

const char *roster_words_skill(enum text_lang lang, int skill)
{
    static const char *const names[TEXT_LANG_COUNT][ROSTER_SKILLS] = {
        {"交通指挥", "防暴处突", "心理疏导"},
        {"traffic", "riot", "counsel"},
    };
    return names[lang][skill];
}

static void add(struct list *list, enum text_id id, const struct text_fields *fields)
{
    char item[TEXT_SIZE];
    size_t used = strlen(list->text);
    text_render(id, list->lang, fields, item, sizeof item);
    snprintf(list->text + used, sizeof list->text - used, "%s%s", used > 0 ? "；" : "", item);
}

static void add_count(struct list *list, enum text_id id, int count)
{
    struct text_fields fields = {.count = count};
    if (count > 0)
        add(list, id, &fields);
}

static struct text_fields head(const struct roster_names *names, const struct list *list)
{
    return (struct text_fields){.person = names->person,
                                .school = names->school,
                                .school_code = names->school_code,
                                .date = names->date,
                                .start = names->start,
                                .list = list->text};
}

void roster_words_gap(enum text_lang lang, const struct roster_gap *gap,
                      const struct roster_names *names, char ret[TEXT_SIZE])
{
    struct list list = {.lang = lang};
    struct text_fields none = {0};
    if (gap->near == 0)
        add(&list, TEXT_Y2_NOBODY_NEAR, &none);
    add_count(&list, TEXT_Y2_NEAR, gap->near);
    add_count(&list, TEXT_Y2_UNSKILLED, gap->unskilled);
    add_count(&list, TEXT_Y2_AWAY, gap->away);
    add_count(&list, TEXT_Y2_ELSEWHERE, gap->elsewhere);
    add_count(&list, TEXT_Y2_FULL, gap->full);
    add_count(&list, TEXT_Y2_NEWCOMER, gap->newcomers);
    add_count(&list, TEXT_Y2_UNUSED, gap->unused);
    struct text_fields fields = head(names, &list);
    fields.need = gap->short_by;
    bool skill = gap->seat < ROSTER_SKILLS;
    if (skill)
        fields.reason = roster_words_skill(lang, gap->seat);
    text_render(skill ? TEXT_Y1_SKILL : TEXT_Y1_EMPTY, lang, &fields, ret, TEXT_SIZE);
}

void roster_words_reason(enum text_lang lang, const struct roster_reason *reason,
                         const struct roster_names *names, char ret[TEXT_SIZE])
{
    struct list list = {.lang = lang};
    struct text_fields fields = {.minutes = reason->minutes};
    if (reason->minutes >= 0)
        add(&list, TEXT_Y3_WAY, &fields);
    if (reason->seat < ROSTER_SKILLS) {
        fields.reason = roster_words_skill(lang, reason->seat);
        add(&list, TEXT_Y3_SKILL, &fields);
    }
    fields.count = reason->number;
    fields.need = reason->of;
    add(&list, TEXT_Y3_NUMBER, &fields);
    if (reason->frozen)
        add(&list, TEXT_Y3_FROZEN, &fields);
    else if (reason->kept)
        add(&list, TEXT_Y3_KEPT, &fields);
    if (reason->others == 0)
        add(&list, TEXT_Y3_ONLY, &fields);
    add_count(&list, TEXT_Y3_OTHERS, reason->others);
    fields = head(names, &list);
    text_render(TEXT_Y3_DUTY, lang, &fields, ret, TEXT_SIZE);
}
