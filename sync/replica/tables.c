/* The list of replicated tables; see tables.h. */
#include "sync/replica/tables.h"

#include <string.h>

#define TEXT_(name)                                                                                \
    {                                                                                              \
        name, COLUMN_TEXT, 0, false                                                                \
    }
#define NEED_(name)                                                                                \
    {                                                                                              \
        name, COLUMN_TEXT, 0, true                                                                 \
    }
#define INT_(name)                                                                                 \
    {                                                                                              \
        name, COLUMN_INT, 0, false                                                                 \
    }

const struct table tables[] = {
    {1,
     "org",
     TABLE_DOWN,
     {NEED_("kind"), TEXT_("parent_id"), NEED_("name"), TEXT_("short"), TEXT_("area_code"),
      TEXT_("public_phone")}},
    {2,
     "school",
     TABLE_DOWN,
     {NEED_("code"), NEED_("name"), TEXT_("short"), TEXT_("kind"), TEXT_("township"),
      TEXT_("station_id")}},
    {3,
     "bell",
     TABLE_DOWN,
     {NEED_("school_id"), INT_("grade_from"), INT_("grade_to"), INT_("weekdays"), NEED_("peak"),
      INT_("at_min"), TEXT_("gate")}},
    {4, "cal_day", TABLE_DOWN, {NEED_("date"), INT_("off"), TEXT_("name"), INT_("follow_weekday")}},
    {5,
     "school_day",
     TABLE_DOWN,
     {NEED_("school_id"), NEED_("date"), NEED_("kind"), INT_("at_min"), TEXT_("reason")}},
    {6,
     "post",
     TABLE_DOWN,
     {NEED_("school_id"), NEED_("name"), TEXT_("short"), NEED_("kind"), INT_("need"),
      INT_("active")}},
    {7,
     "person",
     TABLE_DOWN,
     {NEED_("kind"),
      NEED_("name"),
      TEXT_("station_id"),
      TEXT_("school_id"),
      INT_("senior"),
      {"phone", COLUMN_PHONE, 0, false},
      TEXT_("lang"),
      INT_("active")}},
    {8, "badge", TABLE_DOWN, {TEXT_("device_id"), NEED_("number"), NEED_("person_id")}},
    {9,
     "device",
     TABLE_DOWN,
     {TEXT_("school_id"), TEXT_("post_id"), NEED_("product"), NEED_("kind"), TEXT_("name")}},
    {10,
     "avail",
     TABLE_DOWN,
     {NEED_("person_id"), INT_("weekday"), TEXT_("peak"), NEED_("kind"), TEXT_("valid_from"),
      TEXT_("valid_to")}},
    {11,
     "duty_lead",
     TABLE_DOWN,
     {NEED_("org_id"), TEXT_("date"), INT_("from_min"), INT_("to_min"), NEED_("person_id"),
      INT_("level")}},
    {12,
     "sponsor",
     TABLE_DOWN,
     {NEED_("senior_id"), NEED_("school_id"), INT_("min_visits_week"), TEXT_("valid_from"),
      TEXT_("valid_to")}},
    {13,
     "shift",
     TABLE_BOTH,
     {NEED_("post_id"),
      NEED_("date"),
      NEED_("peak"),
      INT_("start_at"),
      INT_("end_at"),
      INT_("need"),
      {"state", COLUMN_TEXT, 1, true}}},
    {14,
     "assignment",
     TABLE_BOTH,
     {NEED_("shift_id"),
      NEED_("person_id"),
      INT_("role"),
      TEXT_("stands_in_for"),
      {"state", COLUMN_TEXT, 1, true},
      {"asked_at", COLUMN_INT, 1, false},
      {"answered_at", COLUMN_INT, 1, false}}},
    {15,
     "checkin",
     TABLE_UP,
     {TEXT_("assignment_id"), TEXT_("person_id"), TEXT_("post_id"), NEED_("kind"), INT_("at"),
      INT_("heard_at"), NEED_("channel"), INT_("late_min")}},
    {16,
     "alarm",
     TABLE_BOTH,
     {NEED_("kind"),
      TEXT_("school_id"),
      TEXT_("post_id"),
      TEXT_("person_id"),
      TEXT_("device_id"),
      NEED_("code"),
      INT_("raised_at"),
      {"state", COLUMN_TEXT, 1, true},
      {"level", COLUMN_INT, 1, false},
      {"count", COLUMN_INT, 1, false},
      {"acked_by", COLUMN_TEXT, 1, false},
      {"acked_at", COLUMN_INT, 1, false},
      {"closed_at", COLUMN_INT, 1, false}}},
    {17,
     "alarm_event",
     TABLE_UP,
     {NEED_("alarm_id"), INT_("at"), NEED_("what"), INT_("level"), TEXT_("person_id")}},
    {18,
     "device_event",
     TABLE_UP,
     {NEED_("device_id"), NEED_("kind"), TEXT_("code"), TEXT_("subject"), INT_("device_at"),
      INT_("heard_at"), INT_("fresh")}}, /* id is "<device>:<dedupe key>": the key is the dedupe */
    {19,
     "issue",
     TABLE_BOTH,
     {NEED_("school_id"),
      NEED_("code"),
      NEED_("source"),
      TEXT_("category"),
      TEXT_("place"),
      TEXT_("title"),
      TEXT_("reporter_id"),
      INT_("found_at"),
      {"state", COLUMN_TEXT, 1, true},
      {"severity", COLUMN_INT, 1, false},
      {"dept_id", COLUMN_TEXT, 1, false},
      {"due_on", COLUMN_TEXT, 1, false},
      {"fixed_by", COLUMN_TEXT, 1, false},
      {"common_id", COLUMN_TEXT, 1, false}}},
    {20,
     "issue_event",
     TABLE_UP,
     {NEED_("issue_id"), INT_("at"), NEED_("what"), TEXT_("person_id"), TEXT_("detail")}},
    {21,
     "visit",
     TABLE_BOTH,
     {NEED_("school_id"),
      NEED_("person_id"),
      NEED_("date"),
      INT_("start_at"),
      NEED_("channel"),
      {"end_at", COLUMN_INT, 1, false},
      {"team", COLUMN_INT, 1, false}}},
    {22,
     "card",
     TABLE_BOTH,
     {NEED_("kind"),
      NEED_("code"),
      NEED_("name"),
      TEXT_("school_id"),
      TEXT_("person_id"),
      TEXT_("ref_id"),
      TEXT_("body"),
      {"state", COLUMN_TEXT, 1, true},
      {"due_on", COLUMN_TEXT, 1, false},
      {"at", COLUMN_INT, 1, false}}},
    {23,
     "card_event",
     TABLE_UP,
     {NEED_("card_id"), TEXT_("school_id"), INT_("at"), NEED_("what"), TEXT_("person_id"),
      TEXT_("detail")}},
    {24, "skill", TABLE_DOWN, {NEED_("person_id"), NEED_("name"), TEXT_("valid_to")}},
    {25, "reach", TABLE_BOTH, {NEED_("person_id"), NEED_("school_id"), INT_("band")}},
    {26,
     "demand",
     TABLE_BOTH,
     {NEED_("post_id"), TEXT_("peak"), INT_("need_flat"), INT_("need_peak"), INT_("need_heavy"),
      TEXT_("level"), TEXT_("skills")}},
    {0, NULL, TABLE_DOWN, {{NULL, COLUMN_TEXT, 0, false}}},
};

const struct table *table_by_name(const char *name)
{
    for (const struct table *t = tables; t->name != NULL; t++)
        if (strcmp(t->name, name) == 0)
            return t;
    return NULL;
}

const struct table *table_by_tid(int tid)
{
    for (const struct table *t = tables; t->name != NULL; t++)
        if (t->tid == tid)
            return t;
    return NULL;
}

int table_group_count(const struct table *table)
{
    int highest = 0;
    for (const struct table_column *c = table->columns; c->name != NULL; c++)
        if (c->group > highest)
            highest = c->group;
    return highest + 1;
}
