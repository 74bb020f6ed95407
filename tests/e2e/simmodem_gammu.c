/* libgammu's own AT driver, nothing between, over the simulated modem: it connects, sends a Chinese
 * message with a report, and reads one. What it does here is what it does with a real modem, so
 * this holds the simulator to the dialogues of the library. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

/* two of the library's names are ours too */
#define ERR_BUSY GAMMU_ERR_BUSY
#define ERR_TIMEOUT GAMMU_ERR_TIMEOUT
#include <gammu.h>
#undef ERR_BUSY
#undef ERR_TIMEOUT

#include "gateway/base/text.h"
#include "tests/lib/simdrive.h"

enum { PATIENCE_MS = 10000 };

static const char text[] = "护学岗：校门口有人 😀，请到岗";

struct fixture {
    struct simdrive drive;
    GSM_StateMachine *machine;
    int sent_status, sent_mr; /* of the last answer to AT+CMGS */
    int report_mr, report_status;
    int incoming;
};

static void on_sent(GSM_StateMachine *machine, int status, int mr, void *ctx)
{
    struct fixture *f = ctx;

    (void)machine;
    f->sent_status = status;
    f->sent_mr = mr;
}

static void on_incoming(GSM_StateMachine *machine, GSM_SMSMessage *message, void *ctx)
{
    struct fixture *f = ctx;

    (void)machine;
    if (message->PDU == SMS_Status_Report) {
        f->report_mr = message->MessageReference;
        f->report_status = message->DeliveryStatus;
    } else {
        f->incoming++;
    }
}

static void must(GSM_Error error, const char *what)
{
    if (error != ERR_NONE)
        fail_msg("%s: %s", what, GSM_ErrorString(error));
}

static int start(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct err err = {0};

    assert_non_null(f);
    *state = f;
    *f = (struct fixture){.sent_status = -2, .sent_mr = -2, .report_mr = -2, .report_status = -2};
    if (simdrive_start(&f->drive, NULL, clock_real(), &err))
        fail_msg("%s", err.text);
    f->machine = GSM_AllocStateMachine();
    assert_non_null(f->machine);
    GSM_Config *config = GSM_GetConfig(f->machine, 0);
    config->Device = strdup(f->drive.link);
    config->Connection = strdup("at115200");
    config->DebugFile = strdup("");
    text_copy(config->Model, sizeof config->Model, "at");
    text_copy(config->DebugLevel, sizeof config->DebugLevel, "nothing");
    config->UseGlobalDebugFile = FALSE;
    config->CNMIParams[0] = 2;
    config->CNMIParams[1] = 1;
    config->CNMIParams[2] = -1;
    config->CNMIParams[3] = 1;
    config->CNMIParams[4] = 0;
    GSM_SetConfigNum(f->machine, 1);
    must(GSM_InitConnection(f->machine, 1), "connect");
    GSM_SetSendSMSStatusCallback(f->machine, on_sent, f);
    GSM_SetIncomingSMSCallback(f->machine, on_incoming, f);
    return 0;
}

static int stop(void **state)
{
    struct fixture *f = *state;

    if (f->machine) {
        GSM_TerminateConnection(f->machine);
        GSM_FreeStateMachine(f->machine);
    }
    simdrive_stop(&f->drive);
    free(f);
    return 0;
}

static void pump_until(struct fixture *f, const int *value, int unwanted)
{
    int64_t until_us = clock_mono_us() + PATIENCE_MS * INT64_C(1000);

    while (*value == unwanted && clock_mono_us() < until_us)
        GSM_ReadDevice(f->machine, FALSE);
    assert_int_not_equal(*value, unwanted);
}

static void send_one(struct fixture *f)
{
    GSM_SMSC centre = {.Location = 1};
    GSM_SMSMessage message;

    must(GSM_GetSMSC(f->machine, &centre), "service centre");
    GSM_SetDefaultSMSData(&message);
    message.SMSC.Location = 0;
    CopyUnicodeString(message.SMSC.Number, centre.Number);
    message.PDU = SMS_Status_Report;
    message.Coding = SMS_Coding_Unicode_No_Compression;
    message.Class = -1;
    DecodeUTF8(message.Number, "+8613800000001", strlen("+8613800000001"));
    DecodeUTF8(message.Text, text, strlen(text));
    message.Length = (int)UnicodeLength(message.Text);
    must(GSM_SendSMS(f->machine, &message), "send");
}

static void read_one(struct fixture *f)
{
    static GSM_MultiSMSMessage message;
    char heard[512];

    message.SMS[0].Folder = 0;
    must(GSM_GetNextSMS(f->machine, &message, TRUE), "read");
    EncodeUTF8(heard, message.SMS[0].Text);
    assert_string_equal(heard, "到岗 😀");
    EncodeUTF8(heard, message.SMS[0].Number);
    assert_string_equal(heard, "+8613900000002");
    message.SMS[0].Folder = 0;
    must(GSM_DeleteSMS(f->machine, &message.SMS[0]), "delete");
}

static void libgammu_sends_hears_and_reads(void **state)
{
    struct fixture *f = *state;

    must(GSM_SetIncomingSMS(f->machine, TRUE), "announcements");
    send_one(f);
    pump_until(f, &f->sent_status, -2);
    assert_int_equal(f->sent_status, 0);
    assert_int_equal(f->sent_mr, 0);
    pump_until(f, &f->report_mr, -2);
    assert_int_equal(f->report_mr, 0);
    assert_int_equal(f->report_status, 0);
    struct json *line = simdrive_event(&f->drive, "message", 0);
    assert_string_equal(json_text(line, "text", ""), text);
    assert_string_equal(json_text(line, "to", ""), "+8613800000001");
    json_free(line);

    json_free(simdrive_order(&f->drive, "{\"cmd\":\"inbound\",\"from\":\"+8613900000002\","
                                        "\"text\":\"到岗 😀\"}"));
    pump_until(f, &f->incoming, 0);
    read_one(f);
    assert_true(simdrive_await(&f->drive, "inbound_taken", 1, 1000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(libgammu_sends_hears_and_reads, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
