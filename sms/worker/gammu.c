/* The driver with libgammu, and all that this program knows of it: greeting the modem, sending,
 * network state. The only file that includes its header. Receiving is not its business: its decoder
 * is not safe with hostile PDUs.
 *
 * What goes out is ours: coding and header are given, the text is handed over in UTF-16BE, so that
 * libgammu only packs septets and builds the PDU. Two of its habits are undone here: in UCS-2 it
 * takes '~' for an escape character, so each is doubled (where the doubled text would be longer
 * than the 70 units at which it cuts, the full-width U+FF5E goes out instead); and of the SIM's
 * service centre record only the number is used, because the rest would overwrite the validity. */
#include "sms/worker/driver.h"

#define ERR_TIMEOUT GAMMU_ERR_TIMEOUT /* two names of base/err.h are taken there */
#define ERR_BUSY GAMMU_ERR_BUSY
#include <gammu.h>
#undef ERR_TIMEOUT
#undef ERR_BUSY
#include <stdlib.h>
#include <string.h>

#include "gateway/base/text.h"

enum {
    GAMMU_TRIES = 1,
    CSQ_UNKNOWN = 99,
    ANSWER_PUMPS = 20, /* of about 50 ms: libgammu reads the answer that the filter has seen */
};

struct gammu {
    struct filter *filter;
    GSM_StateMachine *machine;
    unsigned char smsc[(GSM_MAX_NUMBER_LENGTH + 1) * 2];
    bool answered;
    GSM_SMSMessage sms; /* large: not for a stack */
};

static void on_status(GSM_StateMachine *machine, int status, int reference, void *arg)
{
    (void)machine;
    (void)status;
    (void)reference; /* the filter has read the answer itself */
    ((struct gammu *)arg)->answered = true;
}

static void configure(GSM_StateMachine *machine, const char *path)
{
    GSM_Config *config = GSM_GetConfig(machine, 0);
    config->Device = strdup(path);
    config->Connection = strdup("at115200");
    text_copy(config->Model, sizeof config->Model, "at");
    config->DebugFile = strdup("");
    config->UseGlobalDebugFile = FALSE;
    text_copy(config->DebugLevel, sizeof config->DebugLevel, "nothing");
    config->LockDevice = FALSE;
    config->SyncTime = FALSE;
    config->StartInfo = FALSE;
    config->PhoneFeatures[0] = 0;
    const int cnmi[] = {2, 1, -1, 1, 0};
    memcpy(config->CNMIParams, cnmi, sizeof cnmi);
    GSM_SetConfigNum(machine, 1);
}

enum tilde { TILDE_PLAIN, TILDE_DOUBLE, TILDE_WIDE };

static enum tilde tilde_for(const char *text)
{
    int units = text_utf16_units(text);
    for (const char *at = text; *at != '\0'; at++)
        units += *at == '~';
    return units > LIMIT_SEGMENT_UNITS ? TILDE_WIDE : TILDE_DOUBLE;
}

/* UTF-16BE with a NUL unit; false when it does not fit. */
static bool to_utf16(const char *text, enum tilde tilde, unsigned char *ret, size_t units)
{
    size_t size = strlen(text);
    size_t n = 0;
    for (size_t i = 0; i < size;) {
        uint32_t cp;
        size_t step = text_utf8_decode(text + i, size - i, &cp);
        if (step == 0 || n + 3 > units)
            return false;
        i += step;
        if (cp == '~' && tilde == TILDE_WIDE)
            cp = 0xff5e;
        uint32_t unit[2] = {cp, cp};
        size_t count = cp == '~' && tilde == TILDE_DOUBLE ? 2 : 1;
        if (cp > 0xffff) {
            unit[0] = 0xd800 + ((cp - 0x10000) >> 10);
            unit[1] = 0xdc00 + ((cp - 0x10000) & 0x3ff);
            count = 2;
        }
        for (size_t k = 0; k < count; k++, n++) {
            ret[2 * n] = (unsigned char)(unit[k] >> 8);
            ret[2 * n + 1] = (unsigned char)unit[k];
        }
    }
    ret[2 * n] = ret[2 * n + 1] = 0;
    return true;
}

static void read_smsc(struct gammu *gammu)
{
    GSM_SMSC *smsc = calloc(1, sizeof *smsc);
    if (smsc == NULL)
        return;
    smsc->Location = 1;
    if (GSM_GetSMSC(gammu->machine, smsc) == ERR_NONE)
        memcpy(gammu->smsc, smsc->Number, sizeof gammu->smsc);
    free(smsc);
}

/* 3.4 s with libgammu's own sleeps. */
static int open_gammu(struct filter *filter, void **ret_self, struct err *err)
{
    struct gammu *gammu = calloc(1, sizeof *gammu);
    if (gammu == NULL || (gammu->machine = GSM_AllocStateMachine()) == NULL) {
        free(gammu);
        return err_set(err, ERR_NOMEM, "out of memory");
    }
    gammu->filter = filter;
    configure(gammu->machine, filter_path(filter));
    GSM_Error error = GSM_InitConnection(gammu->machine, GAMMU_TRIES);
    if (error != ERR_NONE) {
        GSM_FreeStateMachine(gammu->machine);
        free(gammu);
        return err_set(err, ERR_IO, "libgammu: %s", GSM_ErrorName(error));
    }
    GSM_SetSendSMSStatusCallback(gammu->machine, on_status, gammu); /* init forgets earlier ones */
    read_smsc(gammu);
    *ret_self = gammu;
    return ERR_OK;
}

/* 3GPP TS 23.040 9.2.3.12.1, rounded up. */
static unsigned char validity_octet(int minutes)
{
    if (minutes <= 12 * 60)
        return (unsigned char)(minutes <= 5 ? 0 : (minutes + 4) / 5 - 1);
    if (minutes <= 24 * 60)
        return (unsigned char)(143 + (minutes - 12 * 60 + 29) / 30);
    if (minutes <= 30 * 24 * 60)
        return (unsigned char)(166 + (minutes + 24 * 60 - 1) / (24 * 60));
    int weeks = (minutes + 7 * 24 * 60 - 1) / (7 * 24 * 60);
    return (unsigned char)(192 + (weeks > 63 ? 63 : weeks));
}

static bool fill_header(const char *udh, GSM_SMSMessage *sms)
{
    sms->UDH.Type = UDH_NoUDH;
    if (udh[0] == '\0')
        return true;
    int size = text_from_hex(udh, strlen(udh), sms->UDH.Text, sizeof sms->UDH.Text);
    sms->UDH.Type = UDH_UserUDH;
    sms->UDH.Length = size;
    return size > 1 && sms->UDH.Text[0] + 1 == size;
}

static int fill_message(struct gammu *gammu, const struct frame *submit, struct err *err)
{
    GSM_SMSMessage *sms = &gammu->sms;
    bool ucs2 = submit->coding == TPDU_UCS2;
    memset(sms, 0, sizeof *sms);
    GSM_SetDefaultSMSData(sms);
    memcpy(sms->SMSC.Number, gammu->smsc, sizeof sms->SMSC.Number);
    sms->SMSC.Location = 0;
    sms->SMSC.Validity.Format = SMS_Validity_RelativeFormat;
    sms->SMSC.Validity.Relative = (GSM_ValidityPeriod)validity_octet(submit->validity_minutes);
    sms->PDU = submit->report ? SMS_Status_Report : SMS_Submit;
    sms->Class = -1;
    sms->Coding = ucs2 ? SMS_Coding_Unicode_No_Compression : SMS_Coding_Default_No_Compression;
    if (!to_utf16(submit->to, TILDE_PLAIN, sms->Number, GSM_MAX_NUMBER_LENGTH) ||
        !to_utf16(submit->text, ucs2 ? tilde_for(submit->text) : TILDE_PLAIN, sms->Text,
                  GSM_MAX_SMS_LENGTH) ||
        !fill_header(submit->udh, sms))
        return err_set(err, ERR_INVALID, "the part cannot be encoded");
    for (sms->Length = 0; sms->Text[2 * sms->Length] != 0 || sms->Text[2 * sms->Length + 1] != 0;)
        sms->Length++;
    return ERR_OK;
}

/* Returns when the PDU is written. */
static int write_pdu(struct gammu *gammu, const struct frame *submit, struct err *err)
{
    gammu->answered = false;
    if (gammu->smsc[0] == 0 && gammu->smsc[1] == 0)
        read_smsc(gammu); /* the SIM may have been slow */
    if (gammu->smsc[0] == 0 && gammu->smsc[1] == 0)
        return err_set(err, ERR_STATE, "the SIM has no service centre number");
    if (fill_message(gammu, submit, err) != ERR_OK)
        return err->code;
    GSM_Error error = GSM_SendSMS(gammu->machine, &gammu->sms);
    if (error != ERR_NONE)
        return err_set(err, ERR_IO, "libgammu: %s", GSM_ErrorName(error));
    return ERR_OK;
}

/* Lets libgammu read what is there, for at most about 50 ms. True: it has seen the answer. */
static bool pump(struct gammu *gammu)
{
    if (!gammu->answered) /* else it would wait 50 ms for nothing, and an alarm with it */
        GSM_ReadDevice(gammu->machine, FALSE);
    return gammu->answered;
}

/* The PDU is out: wait for the answer for as long as the gateway lets us live. */
static void await_answer(struct gammu *gammu)
{
    while (!filter_is_settled(gammu->filter))
        pump(gammu);
    for (int i = 0; i < ANSWER_PUMPS && !pump(gammu); i++)
        continue;
}

static int send_gammu(void *self, const struct frame *submit, struct err *err)
{
    struct gammu *gammu = self;
    int code = write_pdu(gammu, submit, err);
    if (code != ERR_OK && filter_stage(gammu->filter) < STAGE_PDU)
        return code;
    await_answer(gammu);
    return ERR_OK;
}

static int csq_of(const GSM_SignalQuality *signal)
{
    /* 27.007 8.5: 0 is -113 dBm, 2 dBm a step */
    if (signal->SignalStrength >= 0 || signal->SignalStrength < -113)
        return CSQ_UNKNOWN;
    return (signal->SignalStrength + 113) / 2;
}

static int registration_of(GSM_NetworkInfo_State state)
{
    switch (state) {
    case GSM_HomeNetwork:
        return 1;
    case GSM_RoamingNetwork:
        return 5;
    case GSM_RegistrationDenied:
        return 3;
    case GSM_RequestingNetwork:
        return 2;
    case GSM_NoNetwork:
        return 0;
    default:
        return -1;
    }
}

static void network_gammu(void *self, struct frame *ret)
{
    struct gammu *gammu = self;
    GSM_SignalQuality signal = {0};
    GSM_NetworkInfo *info = calloc(1, sizeof *info);
    ret->csq = CSQ_UNKNOWN;
    ret->registration = -1;
    if (GSM_GetSignalQuality(gammu->machine, &signal) == ERR_NONE)
        ret->csq = csq_of(&signal);
    if (info != NULL && GSM_GetNetworkInfo(gammu->machine, info) == ERR_NONE)
        ret->registration = registration_of(info->State);
    free(info);
}

const struct driver driver_gammu = {"gammu", open_gammu, send_gammu, network_gammu};
