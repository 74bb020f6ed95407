/* The makes; see make.h. From the makers' AT command manuals: Quectel EC2x/EG9x, SIMCom SIM7500/
 * SIM7600/A76xx and SIM800, Huawei ME909 and the E-series sticks. */
#include "sms/worker/make.h"

#include <stddef.h>
#include <strings.h>
#include <string.h>

/* Status lines that come unasked are cut out anyway; fewer of them are fewer to cut. AT+CTZU: the
 * modem's clock follows the network's. */
static const char *const quectel_setup[] = {"AT+QINDCFG=\"csq\",0,0", "AT+QINDCFG=\"act\",0,0",
                                            "AT+CTZU=3", NULL};
/* no sleep: it would miss AT */
static const char *const simcom_setup[] = {"AT+CSCLK=0", "AT+CTZU=1", NULL};
static const char *const huawei_setup[] = {"AT^CURC=0", NULL};
static const char *const no_setup[] = {NULL};

static const struct make makes[] = {
    {"quectel", "quectel", quectel_setup, "AT+QPINC=\"SC\"", 1, false},
    {"simcom", "simcom", simcom_setup, "AT+SPIC", 0, false},
    {"simcom", "a7", simcom_setup, "AT+SPIC", 0, false},
    {"huawei", "huawei", huawei_setup, "AT^CPIN?", 3, true},
};

static const struct make unknown = {"", "", no_setup, NULL, 0, false};

const struct make *make_find(const char *maker)
{
    for (size_t i = 0; i < sizeof makes / sizeof makes[0]; i++)
        if (strncasecmp(maker, makes[i].maker, strlen(makes[i].maker)) == 0)
            return &makes[i];
    return &unknown;
}
