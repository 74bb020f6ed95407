/* See judge.h and struct mqtt_event. */
#include "mqtt/judge.h"

enum { ALARM_LATE_MS = 30 * 60 * 1000 };

void judge_age(struct mqtt_event *event)
{
    int64_t age_ms = event->heard_at_ms - event->device_at_ms;
    bool dated = event->device_at_ms != 0;
    bool live = !event->retained && !event->replay;
    int64_t late_ms = event->kind == MQTT_SOS ? ALARM_LATE_MS : JUDGE_FRESH_MS;
    event->fresh = live && dated && age_ms < JUDGE_FRESH_MS && age_ms > -JUDGE_FRESH_MS;
    event->alarm = live && mqtt_kind_alarms(event->kind) && (!dated || age_ms <= late_ms);
}

struct mqtt_talk judge_talk(const struct mapped *mapped, int64_t sent_at_ms, int64_t heard_at_ms)
{
    return (struct mqtt_talk){
        .kind = mapped->kind,
        .product = mapped->product->name,
        .node = mapped->device_id,
        .id = mapped->dedupe,
        .to = mapped->subject,
        .channel = mapped->code,
        .text = mapped->text,
        .ok = mapped->ok,
        .sent_at_ms = sent_at_ms,
        .heard_at_ms = heard_at_ms,
    };
}
