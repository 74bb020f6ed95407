/* How well short messages are understood: the corpus of tests/data/understand (make.py there says
 * what it is made of), each half by itself. The rules were mended on "tune"; "test" is what counts.
 *
 * forms_accuracy: every written form (by hand, plain, full-width, traditional, spaced, punctuated,
 * signed, lower case, two of these, pinyin). homophone_accuracy: a wrong character of the right
 * sound. dropped_right: one character missing, understood all the same or else left to a person;
 * dropped_wrong: the same, understood as something else. false_accept_rate: no command, but taken
 * for one in at least one of all contexts. harmful_accepts: of all lines, taken for a yes, a no, a
 * stop, an alarm or the end of one that they are not. us_per_message: one recognise().
 *
 * bench_understand [--show HALF]: also prints what was misunderstood.
 * bench_understand --check: fails when a goal is missed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/text.h"
#include "gateway/duty/recognise.h"

enum { LINE_BYTES = 1024, FIELDS = 4 };

static const struct {
    const char *name;
    struct recognise_context context;
} contexts[] = {
    {"asked", {.role = SENDER_VOLUNTEER, .last_sent = LAST_QUESTION, .open_prompts = 1}},
    {"offered", {.role = SENDER_VOLUNTEER, .last_sent = LAST_OFFER, .open_offers = 1}},
    {"free", {.role = SENDER_VOLUNTEER}},
    {"post", {.role = SENDER_VOLUNTEER, .checked_in = true}},
    {"activity", {.role = SENDER_VOLUNTEER, .last_sent = LAST_ACTIVITY}},
    {"parent", {.role = SENDER_PARENT}},
    {"consent", {.role = SENDER_PARENT, .last_sent = LAST_CONSENT, .open_prompts = 1}},
    {"officer", {.role = SENDER_OFFICER}},
    {"on_duty", {.role = SENDER_OFFICER, .last_sent = LAST_QUESTION, .open_prompts = 1}},
    {"alarm", {.role = SENDER_OFFICER, .last_sent = LAST_ALARM}},
    {"leader", {.role = SENDER_LEADER}},
};

enum { CONTEXTS = sizeof contexts / sizeof contexts[0] };

struct count {
    int all, right;
};

struct result {
    struct count forms, homophones, dropped;
    int dropped_wrong;
    struct count sentences;
    int harmful;
    int messages; /* that were recognised */
    int64_t spent_us;
    bool show;
};

static struct command understand(struct result *result, const char *text, size_t context)
{
    struct command command;
    int64_t began = clock_thread_us();
    recognise(text, &contexts[context].context, &command);
    result->spent_us += clock_thread_us() - began;
    result->messages++;
    return command;
}

static bool is_harmful(enum command_kind kind)
{
    switch (kind) {
    case COMMAND_CONFIRM:
    case COMMAND_DECLINE:
    case COMMAND_TAKE:
    case COMMAND_CHECK_IN_ALL:
    case COMMAND_STOP:
    case COMMAND_PANIC:
    case COMMAND_CALL_LEADER:
    case COMMAND_ALL_CLEAR:
    case COMMAND_GO:
    case COMMAND_START_PLAN:
        return true;
    default:
        return false;
    }
}

/* Nothing happens over it: a person reads it, or the codes are listed. */
static bool is_left_alone(enum command_kind kind)
{
    return kind == COMMAND_NONE || kind == COMMAND_PERSON || kind == COMMAND_LIST_CODES ||
           kind == COMMAND_READ;
}

static void show(const struct result *result, const char *const *fields, enum command_kind kind,
                 const char *context)
{
    if (result->show)
        fprintf(stderr, "%s\t%s\t%s\t%s -> %s\n", fields[0], context, fields[2], fields[3],
                command_name(kind));
}

static void judge_sentence(struct result *result, const char *const *fields)
{
    bool taken = false;
    for (size_t i = 0; i < CONTEXTS; i++) {
        struct command command = understand(result, fields[3], i);
        if (is_left_alone(command.kind))
            continue;
        taken = true;
        result->harmful += is_harmful(command.kind);
        show(result, fields, command.kind, contexts[i].name);
    }
    result->sentences.all++;
    result->sentences.right += !taken;
}

static void judge_command(struct result *result, const char *const *fields, size_t context)
{
    struct command command = understand(result, fields[3], context);
    bool right = text_equal(command_name(command.kind), fields[2]);
    bool dropped = text_equal(fields[0], "dropped");
    struct count *count = dropped                              ? &result->dropped
                          : text_equal(fields[0], "homophone") ? &result->homophones
                                                               : &result->forms;
    count->all++;
    count->right += right;
    if (right)
        return;
    result->harmful += is_harmful(command.kind);
    result->dropped_wrong += dropped && !is_left_alone(command.kind);
    if (!dropped || !is_left_alone(command.kind))
        show(result, fields, command.kind, fields[1]);
}

static bool judge(struct result *result, char *line)
{
    const char *fields[FIELDS] = {line};
    size_t count = 1;
    line[strcspn(line, "\n")] = '\0';
    for (char *tab; count < FIELDS && (tab = strchr(fields[count - 1], '\t')) != NULL; count++) {
        *tab = '\0';
        fields[count] = tab + 1;
    }
    if (count != FIELDS)
        return false;
    for (size_t i = 0; i < CONTEXTS; i++)
        if (text_equal(fields[1], contexts[i].name)) {
            judge_command(result, fields, i);
            return true;
        }
    judge_sentence(result, fields);
    return text_equal(fields[1], "any");
}

static double share(struct count count)
{
    return count.all > 0 ? (double)count.right / count.all : 0;
}

static void print(const char *half, const char *figure, double value, int of)
{
    printf("{\"bench\": \"understand\", \"figure\": \"%s\", \"half\": \"%s\", \"value\": %.5g, "
           "\"of\": %d}\n",
           figure, half, value, of);
}

static bool meets_goals(const struct result *result)
{
    return result->forms.right == result->forms.all &&
           result->homophones.right * 100 >= result->homophones.all * 99 &&
           (result->sentences.all - result->sentences.right) * 200 < result->sentences.all &&
           result->harmful == 0;
}

/* False: it cannot be read, or a goal is missed. */
static bool measure(const char *half, bool show)
{
    char path[512];
    char line[LINE_BYTES] = "";
    struct result result = {.show = show};
    snprintf(path, sizeof path, TEST_DATA "/understand/%s.tsv", half);
    FILE *file = fopen(path, "re");
    bool good = file != NULL;
    while (good && fgets(line, sizeof line, file) != NULL)
        good = judge(&result, line);
    if (file != NULL)
        fclose(file);
    if (!good) {
        fprintf(stderr, "understand: %s cannot be read: %s\n", path, line);
        exit(1);
    }
    print(half, "forms_accuracy", share(result.forms), result.forms.all);
    print(half, "homophone_accuracy", share(result.homophones), result.homophones.all);
    print(half, "dropped_right", share(result.dropped), result.dropped.all);
    print(half, "dropped_wrong", result.dropped_wrong, result.dropped.all);
    print(half, "false_accept_rate", 1 - share(result.sentences), result.sentences.all);
    print(half, "harmful_accepts", result.harmful,
          result.forms.all + result.homophones.all + result.dropped.all + result.sentences.all);
    print(half, "us_per_message", (double)result.spent_us / result.messages, result.messages);
    return meets_goals(&result);
}

int main(int argc, char **argv)
{
    static const char *const halves[] = {"tune", "test"};
    bool check = argc == 2 && text_equal(argv[1], "--check");
    const char *shown = argc == 3 && text_equal(argv[1], "--show") ? argv[2] : "";
    bool good = true;
    if (argc != 1 && !check && shown[0] == '\0') {
        fputs("bench_understand [--show tune|test | --check]\n", stderr);
        return 2;
    }
    for (size_t i = 0; i < sizeof halves / sizeof halves[0]; i++)
        good = measure(halves[i], text_equal(shown, halves[i])) && good;
    return check && !good ? 1 : 0;
}
