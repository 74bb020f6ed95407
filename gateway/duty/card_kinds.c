/* The kinds of cards and their fields, once: what comes in is checked against this table, and
 * `touyan card kinds` shows it. */
#include "gateway/duty/cards.h"

#include <stddef.h>

#include "gateway/base/text.h"

const struct card_kind card_kinds[] = {
    {"plan",
     'P',
     "方案",
     CARD_MUST,
     CARD_MAY,
     CARD_NO,
     false,
     {{"type", CARD_TEXT, true, 8, " 防范 疏导 prevent divert "},
      {"steps", CARD_TEXT, true, CARD_STEPS_CHARS, NULL}}},
    {"checklist",
     'K',
     "检查表",
     CARD_MAY,
     CARD_NO,
     CARD_NO,
     false,
     {{"items", CARD_TEXT, true, 0, NULL}}},
    {"gear",
     'G',
     "装备",
     CARD_MAY,
     CARD_MAY,
     CARD_MAY,
     false,
     {{"type", CARD_TEXT, true, 12, NULL},
      {"number", CARD_TEXT, false, 20, NULL},
      {"post", CARD_TEXT, false, 40, NULL},
      {"days", CARD_NUMBER, false, 3660, NULL}}},
    {"method",
     'M',
     "工作方法",
     CARD_MAY,
     CARD_NO,
     CARD_NO,
     false,
     {{"type", CARD_TEXT, false, 8, " 方法 案例 指引 method case guide "},
      {"steps", CARD_TEXT, true, 0, NULL},
      {"tags", CARD_TEXT, false, 60, NULL},
      {"post", CARD_TEXT, false, 40, NULL}}},
    {"partner",
     'T',
     "共建单位",
     CARD_MAY,
     CARD_MAY,
     CARD_NO,
     false,
     {{"type", CARD_TEXT, true, 8, NULL},
      {"liaison", CARD_TEXT, false, 20, NULL},
      {"offers", CARD_TEXT, false, 120, NULL},
      {"needs", CARD_TEXT, false, 120, NULL}}},
    {"neighbour",
     'N',
     "邻所",
     CARD_NO,
     CARD_NO,
     CARD_NO,
     false,
     {{NULL, CARD_TEXT, false, 0, NULL}}},
    {"cert",
     'C',
     "证书",
     CARD_NO,
     CARD_MUST,
     CARD_MUST,
     false,
     {{NULL, CARD_TEXT, false, 0, NULL}}},
    {"team",
     'S',
     "护学小组",
     CARD_MUST,
     CARD_MUST,
     CARD_NO,
     false,
     {{"deputy", CARD_TEXT, false, 20, NULL}}},
    {"system",
     'I',
     "安防系统",
     CARD_MUST,
     CARD_NO,
     CARD_NO,
     false,
     {{"type", CARD_TEXT, true, 12, NULL}}},
    {"task",
     'L',
     "连带任务",
     CARD_MUST,
     CARD_NO,
     CARD_NO,
     false,
     {{"post", CARD_TEXT, false, 40, NULL}}},
    {"term",
     'Q',
     "学期",
     CARD_NO,
     CARD_NO,
     CARD_MUST,
     false,
     {{"last", CARD_DATE, false, 0, NULL}}},
    {"count",
     'X',
     "计数",
     CARD_MUST,
     CARD_NO,
     CARD_NO,
     false,
     {{"month", CARD_TEXT, true, 7, NULL}, {"number", CARD_NUMBER, true, 100000, NULL}}},
#define ACTIVITY(name, zh)                                                                         \
    {                                                                                              \
        name, 'A', zh, CARD_MAY, CARD_MAY, CARD_MUST, true,                                        \
        {                                                                                          \
            {"skill", CARD_TEXT, false, 12, NULL}, {"months", CARD_NUMBER, false, 120, NULL},      \
                {"who", CARD_TEXT, false, 12, " officers volunteers all "},                        \
                {"headcount", CARD_NUMBER, false, 100000, NULL},                                   \
            {                                                                                      \
                "decisions", CARD_TEXT, false, 0, NULL                                             \
            }                                                                                      \
        }                                                                                          \
    }
    ACTIVITY("training", "培训"),
    ACTIVITY("drill", "演练"),
    ACTIVITY("review", "案例复盘"),
    ACTIVITY("demo", "示范"),
    ACTIVITY("meeting", "联席会议"),
    ACTIVITY("publicity", "宣传"),
    {NULL, ' ', NULL, CARD_NO, CARD_NO, CARD_NO, false, {{NULL, CARD_TEXT, false, 0, NULL}}},
};

const struct card_kind *card_kind_named(const char *name)
{
    for (const struct card_kind *kind = card_kinds; kind->name != NULL; kind++)
        if (text_equal(kind->name, name) || text_equal(kind->zh, name))
            return kind;
    return NULL;
}
