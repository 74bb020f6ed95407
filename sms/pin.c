/* The memory of PINs; see pin.h. A PIN is kept sealed, only to be compared. */
#include "sms/pin.h"

#include "gateway/base/text.h"

enum { TRIES_FULL = 3, STATE_BYTES = 16 };

static enum pin_verdict judge(const char *state, int tries_left)
{
    if (tries_left >= 0 && tries_left < 2)
        return PIN_TOO_FEW;
    if (text_equal(state, "refused"))
        return PIN_WAS_REFUSED;
    if (text_equal(state, "trying") && tries_left < TRIES_FULL)
        return PIN_NOT_SURE;
    return PIN_MAY;
}

enum pin_verdict pin_begin(struct replica *replica, const char *modem, const char *pin,
                           int tries_left)
{
    char state[STATE_BYTES] = ""; /* of this PIN; "" for one that was not tried yet */
    replica_get_text(replica, state, sizeof state,
                     "SELECT state FROM modem_pin WHERE modem = ?1 AND pin = seal_phone(?2)", "ss",
                     modem, pin);
    enum pin_verdict verdict = judge(state, tries_left);
    if (verdict == PIN_MAY)
        replica_run(replica,
                    "INSERT INTO modem_pin(modem, pin, state, at) VALUES (?1, seal_phone(?2),"
                    " 'trying', now_ms()) ON CONFLICT(modem) DO UPDATE SET pin = excluded.pin,"
                    " state = excluded.state, at = excluded.at",
                    "ss", modem, pin);
    return verdict;
}

void pin_end(struct replica *replica, const char *modem, bool taken)
{
    replica_run(replica, "UPDATE modem_pin SET state = ?2, at = now_ms() WHERE modem = ?1", "ss",
                modem, taken ? "taken" : "refused");
}
