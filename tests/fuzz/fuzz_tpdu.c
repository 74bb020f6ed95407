/* Any bytes as a PDU, from either side: nothing is read out of bounds, the text is UTF-8, and what
 * can be read can be written and comes back the same. */
#include <assert.h>
#include <string.h>

#include "gateway/base/text.h"
#include "sms/tpdu.h"
#include "tests/lib/fuzz.h"

static void check_fields(const struct tpdu *tpdu)
{
    assert(memchr(tpdu->text, '\0', sizeof tpdu->text) != NULL);
    assert(memchr(tpdu->address, '\0', sizeof tpdu->address) != NULL);
    assert(text_utf8_valid(tpdu->text, strlen(tpdu->text)));
    assert(text_utf8_valid(tpdu->address, strlen(tpdu->address)));
    assert(tpdu->unreadable[0] == '\0' || tpdu->text[0] == '\0');
    if (tpdu->concat.present)
        assert(tpdu->concat.part >= 1 && tpdu->concat.part <= tpdu->concat.total);
}

static void check_again(const struct tpdu *tpdu, enum tpdu_from from)
{
    uint8_t bytes[LIMIT_TPDU_BYTES];
    size_t size = 0;
    size_t length = 0;
    struct tpdu back;

    if (tpdu->unreadable[0] != '\0' || tpdu_encode(tpdu, bytes, &size, &length, NULL))
        return;
    assert(length <= size);
    assert(tpdu_decode(bytes, size, from, &back, NULL) == ERR_OK);
    assert(strcmp(back.address, tpdu->address) == 0);
    assert(strcmp(back.text, tpdu->text) == 0);
    assert(back.sent_ms == tpdu->sent_ms || tpdu->kind == TPDU_SUBMIT || tpdu->sent_ms == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct tpdu tpdu;

    for (enum tpdu_from from = TPDU_FROM_NETWORK; from <= TPDU_FROM_MOBILE; from++) {
        struct err err = {0};

        if (tpdu_decode(bytes, size, from, &tpdu, &err)) {
            assert(err.text[0] != '\0');
            continue;
        }
        check_fields(&tpdu);
        check_again(&tpdu, from);
    }
    return 0;
}
