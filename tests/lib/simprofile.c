/* From the makers' manuals: Quectel EC20, SIMCom SIM7600, Huawei ME909s; see simprofile.h. */
#include "tests/lib/simprofile.h"

#include <string.h>

static const struct simanswer plain[] = {
    {"I", "Touyan SimModem"},
    {"+CGMI", "Touyan"},
    {"+CGMM", "SimModem"},
    {NULL, NULL},
};

static const struct simanswer quectel[] = {
    {"I", "Quectel"},
    {"+CGMI", "Quectel"},
    {"+CGMM", "EC20F"},
    {"+QINDCFG=\"csq\",0,0", NULL},
    {"+QINDCFG=\"act\",0,0", NULL},
    {"+CTZU=3", NULL},
    {NULL, NULL},
};

static const struct simanswer simcom[] = {
    {"I", "Manufacturer: SIMCOM INCORPORATED"},
    {"+CGMI", "SIMCOM INCORPORATED"},
    {"+CGMM", "SIMCOM_SIM7600CE"},
    {"+CSCLK=0", NULL},
    {"+CTZU=1", NULL},
    {NULL, NULL},
};

static const struct simanswer huawei[] = {
    {"I", "Manufacturer: huawei"},
    {"+CGMI", "huawei"},
    {"+CGMM", "ME909s-821"},
    {"^CURC=0", NULL},
    {NULL, NULL},
};

static const struct simprofile profiles[] = {
    {.name = "", .answers = plain},
    {.name = "quectel",
     .answers = quectel,
     .echoes_pdu = true,
     .chatter = "+QIND: \"csq\",21,99",
     .pin_tries = "+QPINC=\"SC\"",
     .pin_before = "+QPINC: \"SC\",",
     .pin_behind = ",10"},
    /* the same without a word unasked: for comparing programs that would stumble over it */
    {.name = "calm", .answers = quectel},
    {.name = "simcom",
     .answers = simcom,
     .bare_prompt = true,
     .pin_tries = "+SPIC",
     .pin_before = "+SPIC: ",
     .pin_behind = ",10,0,10"},
    {.name = "huawei",
     .answers = huawei,
     .stores_reports = true,
     .echoes_pdu = true,
     .chatter = "^RSSI:18",
     .hush = "^CURC=0",
     .packed_ussd = true,
     .pin_tries = "^CPIN?",
     .pin_before = "^CPIN: SIM PIN,,10,",
     .pin_behind = ",10,3"},
};

const struct simprofile *simprofile_find(const char *name)
{
    for (size_t i = 0; i < sizeof profiles / sizeof profiles[0]; i++)
        if (strcmp(profiles[i].name, name) == 0)
            return &profiles[i];
    return NULL;
}
