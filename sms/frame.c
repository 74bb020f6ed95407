/* Frames between gateway and worker; see frame.h. One table says which member belongs to which
 * kind, for writing and reading alike. */
#include "sms/frame.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/json.h"
#include "gateway/base/text.h"

static const char *const kind_names[FRAME_KINDS] = {
    "setup",  "pin",    "hello",  "submit", "stage", "result", "pdu",
    "delete", "report", "state",  "ping",   "pong",  "poll",   "mend",
    "ussd",   "dial",   "hangup", "call",   "ring",  "stop",   "bye",
};

enum member_type { MEMBER_INT64, MEMBER_INT, MEMBER_BOOL, MEMBER_TEXT };

struct member {
    const char *name;
    enum member_type type;
    size_t offset;
    size_t size;    /* of a text, with its NUL */
    unsigned kinds; /* bit i: frames of kind i have it */
};

#define IN(kind) (1U << (kind))

#define NUMBER(name, type, kinds)                                                                  \
    {                                                                                              \
#name, type, offsetof(struct frame, name), 0, kinds                                        \
    }
#define TEXT(name, kinds)                                                                          \
    {                                                                                              \
#name, MEMBER_TEXT, offsetof(struct frame, name), sizeof(((struct frame *)0)->name), kinds \
    }

static const struct member members[] = {
    NUMBER(id, MEMBER_INT64,
           IN(FRAME_SUBMIT) | IN(FRAME_STAGE) | IN(FRAME_RESULT) | IN(FRAME_PDU) |
               IN(FRAME_DELETE) | IN(FRAME_PING) | IN(FRAME_PONG) | IN(FRAME_DIAL) |
               IN(FRAME_HANGUP) | IN(FRAME_CALL)),
    NUMBER(outcome, MEMBER_INT, IN(FRAME_RESULT) | IN(FRAME_PIN) | IN(FRAME_CALL)),
    NUMBER(value, MEMBER_INT,
           IN(FRAME_SETUP) | IN(FRAME_STAGE) | IN(FRAME_RESULT) | IN(FRAME_BYE) | IN(FRAME_PIN) |
               IN(FRAME_MEND) | IN(FRAME_DIAL)),
    NUMBER(sim_used, MEMBER_INT, IN(FRAME_STATE)),
    NUMBER(sim_size, MEMBER_INT, IN(FRAME_STATE)),
    NUMBER(network_ms, MEMBER_INT64, IN(FRAME_STATE)),
    NUMBER(csq, MEMBER_INT, IN(FRAME_STATE)),
    NUMBER(registration, MEMBER_INT, IN(FRAME_STATE)),
    NUMBER(index, MEMBER_INT, IN(FRAME_PDU)),
    NUMBER(coding, MEMBER_INT, IN(FRAME_SUBMIT)),
    NUMBER(validity_minutes, MEMBER_INT, IN(FRAME_SUBMIT)),
    NUMBER(report, MEMBER_BOOL, IN(FRAME_SUBMIT)),
    TEXT(memory, IN(FRAME_PDU)),
    TEXT(to, IN(FRAME_SUBMIT) | IN(FRAME_DIAL) | IN(FRAME_RING)),
    TEXT(smsc, IN(FRAME_SETUP) | IN(FRAME_HELLO)),
    TEXT(imei, IN(FRAME_SETUP) | IN(FRAME_HELLO)),
    TEXT(model, IN(FRAME_HELLO)),
    TEXT(driver, IN(FRAME_SETUP) | IN(FRAME_HELLO)),
    TEXT(make, IN(FRAME_HELLO)),
    TEXT(network, IN(FRAME_HELLO)),
    TEXT(udh, IN(FRAME_SUBMIT)),
    TEXT(text, IN(FRAME_SUBMIT) | IN(FRAME_BYE) | IN(FRAME_PIN) | IN(FRAME_USSD)),
    TEXT(hex, IN(FRAME_PDU) | IN(FRAME_REPORT)),
};

enum { MEMBER_COUNT = sizeof members / sizeof members[0] };

static void set_member(struct json *object, const struct member *m, const struct frame *frame)
{
    const char *at = (const char *)frame + m->offset;
    char clean[3 * TPDU_TEXT_BYTES]; /* U+FFFD has 3 bytes */
    switch (m->type) {
    case MEMBER_INT64:
        json_set_int(object, m->name, *(const int64_t *)(const void *)at);
        break;
    case MEMBER_INT:
        json_set_int(object, m->name, *(const int *)(const void *)at);
        break;
    case MEMBER_BOOL:
        json_set_bool(object, m->name, *(const bool *)at);
        break;
    case MEMBER_TEXT:
        text_copy_utf8(clean, m->size, at, strnlen(at, m->size));
        json_set_text(object, m->name, clean);
        break;
    }
}

static void put_length(char *ret, size_t size)
{
    for (int i = 0; i < FRAME_HEAD_BYTES; i++)
        ret[i] = (char)(size >> (8 * (FRAME_HEAD_BYTES - 1 - i)));
}

static size_t get_length(const char *bytes)
{
    size_t size = 0;
    for (int i = 0; i < FRAME_HEAD_BYTES; i++)
        size = size << 8 | (unsigned char)bytes[i];
    return size;
}

int frame_write(const struct frame *frame, struct buf *out, struct err *err)
{
    struct json *object = json_new_object();
    json_set_text(object, "kind", kind_names[frame->kind]);
    for (size_t i = 0; i < MEMBER_COUNT; i++)
        if ((members[i].kinds & IN(frame->kind)) != 0)
            set_member(object, &members[i], frame);
    struct buf body;
    buf_init(&body, LIMIT_FRAME_BYTES);
    json_write(object, &body);
    json_free(object);
    char head[FRAME_HEAD_BYTES];
    put_length(head, body.size);
    bool fits =
        !body.failed && buf_add(out, head, sizeof head) && buf_add(out, body.bytes, body.size);
    buf_free(&body);
    return fits ? ERR_OK : err_set(err, ERR_LIMIT, "frame %s is too long", kind_names[frame->kind]);
}

static int find_kind(const char *name)
{
    for (int i = 0; i < FRAME_KINDS; i++)
        if (text_equal(name, kind_names[i]))
            return i;
    return -1;
}

static bool get_member(const struct json *object, const struct member *m, struct frame *ret)
{
    char *at = (char *)ret + m->offset;
    int64_t number = json_int(object, m->name, 0);
    switch (m->type) {
    case MEMBER_INT64:
        *(int64_t *)(void *)at = number;
        return true;
    case MEMBER_INT:
        *(int *)(void *)at = (int)number;
        return number >= INT32_MIN && number <= INT32_MAX;
    case MEMBER_BOOL:
        *(bool *)at = json_bool(object, m->name, false);
        return true;
    default:
        return text_copy(at, m->size, json_text(object, m->name, ""));
    }
}

static int read_body(const char *body, size_t size, struct frame *ret, struct err *err)
{
    struct json *object;
    if (json_parse(body, size, &object, err) != 0)
        return err_wrap(err, "frame");
    *ret = (struct frame){0};
    int code = ERR_OK;
    int kind = find_kind(json_text(object, "kind", ""));
    if (kind < 0)
        code = err_set(err, ERR_INVALID, "frame of an unknown kind");
    else
        ret->kind = (enum frame_kind)kind;
    for (size_t i = 0; code == ERR_OK && i < MEMBER_COUNT; i++)
        if ((members[i].kinds & IN(ret->kind)) != 0 && !get_member(object, &members[i], ret))
            code = err_set(err, ERR_LIMIT, "frame %s: %s does not fit", kind_names[kind],
                           members[i].name);
    json_free(object);
    return code;
}

int frame_take(struct buf *in, struct frame *ret, struct err *err)
{
    if (in->size < FRAME_HEAD_BYTES)
        return 0;
    size_t size = get_length(in->bytes);
    if (size > LIMIT_FRAME_BYTES) {
        err_set(err, ERR_LIMIT, "frame of %zu bytes", size);
        return -1;
    }
    if (in->size < FRAME_HEAD_BYTES + size)
        return 0;
    int code = read_body(in->bytes + FRAME_HEAD_BYTES, size, ret, err);
    buf_drop(in, FRAME_HEAD_BYTES + size);
    return code == ERR_OK ? 1 : -1;
}
