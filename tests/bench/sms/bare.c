/* What libgammu alone makes of a modem: a loop that sends COUNT messages and does nothing else, the
 * measure for the worker around it. For bench/sms_queue.py.
 *
 * Prints "ready" when the modem is connected and "sent N MICROSECONDS" after each answer. */
#include <gammu.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gateway/base/text.h"

enum { ANSWER_S = 60 };

static volatile int answered;

static void on_sent(GSM_StateMachine *machine, int status, int reference, void *ctx)
{
    (void)machine;
    (void)reference;
    (void)ctx;
    answered = status == 0 ? 1 : -1;
}

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void stop_on(GSM_Error error, const char *what)
{
    if (error == ERR_NONE)
        return;
    fprintf(stderr, "bare: %s: %s\n", what, GSM_ErrorString(error));
    exit(1);
}

static void configure(GSM_StateMachine *machine, const char *device)
{
    GSM_Config *config = GSM_GetConfig(machine, 0);
    config->Device = strdup(device);
    config->Connection = strdup("at115200");
    text_copy(config->Model, sizeof config->Model, "at");
    config->DebugFile = strdup("");
    config->UseGlobalDebugFile = FALSE;
    text_copy(config->DebugLevel, sizeof config->DebugLevel, "nothing");
    config->LockDevice = FALSE;
    config->SyncTime = FALSE;
    config->StartInfo = FALSE;
    config->PhoneFeatures[0] = 0;
    GSM_SetConfigNum(machine, 1);
}

static void send_one(GSM_StateMachine *machine, const GSM_SMSC *centre, int number)
{
    GSM_SMSMessage message;
    char text[32], to[32];
    double end = now_s() + ANSWER_S;
    snprintf(text, sizeof text, "bare-%d", number);
    snprintf(to, sizeof to, "+86139%08d", number);
    memset(&message, 0, sizeof message);
    GSM_SetDefaultSMSData(&message);
    EncodeUnicode(message.Text, text, strlen(text));
    EncodeUnicode(message.Number, to, strlen(to));
    message.PDU = SMS_Status_Report;
    message.UDH.Type = UDH_NoUDH;
    message.Coding = SMS_Coding_Default_No_Compression;
    message.Class = -1;
    memcpy(message.SMSC.Number, centre->Number, sizeof message.SMSC.Number);
    answered = 0;
    stop_on(GSM_SendSMS(machine, &message), "send");
    while (answered == 0 && now_s() < end)
        GSM_ReadDevice(machine, FALSE);
    if (answered != 1)
        stop_on(ERR_UNKNOWN, "answer");
    printf("sent %d %.0f\n", number, now_s() * 1e6);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    GSM_SMSC centre = {.Location = 1};
    if (argc != 3) {
        fputs("bench_sms_bare DEVICE COUNT\n", stderr);
        return 2;
    }
    GSM_StateMachine *machine = GSM_AllocStateMachine();
    configure(machine, argv[1]);
    stop_on(GSM_InitConnection(machine, 1), "connect");
    GSM_SetSendSMSStatusCallback(machine, on_sent, NULL);
    stop_on(GSM_GetSMSC(machine, &centre), "service centre");
    printf("ready\n");
    fflush(stdout);
    int count = (int)strtol(argv[2], NULL, 10);
    for (int i = 0; i < count; i++)
        send_one(machine, &centre, i);
    GSM_TerminateConnection(machine);
    GSM_FreeStateMachine(machine);
    return 0;
}
