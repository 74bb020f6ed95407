/* Any bytes from the other end of the worker's line: taken frame by frame until one is no frame;
 * what was taken can be written and comes back the same. */
#include <assert.h>
#include <string.h>

#include "gateway/base/buf.h"
#include "gateway/base/text.h"
#include "sms/frame.h"
#include "tests/lib/fuzz.h"

static void check_again(const struct frame *frame)
{
    struct frame back;
    struct err err = {0};
    struct buf buf;
    buf_init(&buf, LIMIT_FRAME_BYTES + FRAME_HEAD_BYTES);
    assert(text_utf8_valid(frame->text, strlen(frame->text)));
    assert(frame_write(frame, &buf, &err) == ERR_OK);
    assert(frame_take(&buf, &back, &err) == 1);
    assert(back.kind == frame->kind && back.id == frame->id && back.value == frame->value);
    assert(strcmp(back.text, frame->text) == 0 && strcmp(back.hex, frame->hex) == 0);
    buf_free(&buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct frame frame;
    struct err err = {0};
    struct buf in;
    int got;
    buf_init(&in, size + 1);
    if (!buf_add(&in, (const char *)bytes, size))
        return 0;
    while ((got = frame_take(&in, &frame, &err)) == 1) {
        assert(frame.kind < FRAME_KINDS);
        check_again(&frame);
    }
    assert(got == 0 || err.text[0] != '\0');
    buf_free(&in);
    return 0;
}
